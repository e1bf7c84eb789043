"""Shared parameters where one-sided operations wait for the root: it only serves, and a push is one message each way.

Between nodes without RDMA hardware nothing happens in a window unless its owner calls MPI, and a push under a mutex
takes five journeys. Here the agents send their gradients, and the root, which is then no agent, answers with theta.
"""

import time
from collections.abc import Callable, Mapping

import numpy as np
from numpy.typing import NDArray

from hpcqrl.parallel.agents import Agents
from hpcqrl.parallel.arrays import gather
from hpcqrl.parallel.mpi import MPI
from hpcqrl.parallel.pushes import OF_NOW, Floats, Optimiser, Refusals, State
from hpcqrl.parallel.replica import CHECKPOINTS, HEAD, TARGET_VERSION, Replica
from hpcqrl.parallel.waiting import Waiting
from hpcqrl.parallel.window import Patience

_ROOT = 0
_PULL, _PUSH, _TARGET, _RENEW, _COUNT, _CHECKPOINT = range(7101, 7107)  # tags of questions and of their answers
_NOTHING = np.empty(0)
_NO_NUMBERS = np.empty(0, np.int64)


class ServedParameters:
    """`Parameters` asked of rank 0 by message; the optimiser's state is shared, there is no mutex.

    saved: a checkpoint to go on from. All ranks construct and close it together; rank 0 serves in `finish`.
    """

    def __init__(
        self,
        agents: Agents,
        theta: Floats,
        optimiser: Optimiser,
        counters: tuple[str, ...] = (),
        saved: Mapping[str, NDArray] | None = None,
    ) -> None:
        self._optimiser, self._agents = optimiser, agents
        self.acts = agents.rank != _ROOT
        self.refusals = Refusals()
        self._comm = agents.comm.Dup()
        self.agents = agents.size - 1
        self._losses = agents.losses
        self._counters = dict.fromkeys(("refused", *OF_NOW, *counters), 0)
        self._names = list(self._counters)
        self._copy, self._wait = Replica(theta, optimiser.rows), Patience()
        self._answer = np.zeros(HEAD + theta.size)  # the head, and theta or its target or a number
        if saved:
            self._restore(saved)
        if self._losses.at_most:
            held = gather(agents, {"unfinished": saved.get("unfinished", _NO_NUMBERS) if saved else _NO_NUMBERS})
            self._losses.begin([state["unfinished"].tolist() for state in held or []])

    def pull(self) -> tuple[Floats, int]:
        self._copy.theta[:] = self._ask(_PULL)
        return self._copy.fresh()

    def push(self, gradient: Floats) -> tuple[Floats, int]:
        if self.refusals.refuse(gradient):
            self.count("refused")
            return self.pull()
        self._copy.theta[:] = self._ask(_PUSH, gradient)
        return self._copy.fresh()

    def target(self) -> Floats:
        if self._copy.target_is_old():
            self._copy.keep_target(self._ask(_TARGET).copy())
        return self._copy.target

    def renew_target(self) -> None:
        self._ask(_RENEW)

    def count(self, name: str, increment: int = 1) -> int:
        return int(self._ask(_COUNT, np.array([self._names.index(name), increment], np.float64))[0])

    def finish(self, meanwhile: Callable[[], None], again: Callable[[], None] = lambda: None) -> Floats:
        if self.acts:
            self.count("finished")
            while self.count("finished", 0) < self._agents.size - 1:
                meanwhile()
                if self._losses.at_most and self.count("left", 0):
                    self.count("finished", -1)
                    again()
                    self.count("finished")
                time.sleep(0.002)
            meanwhile()
            self.pull()
        else:
            while not self._all_here():
                if not self.serve():
                    self._wait()
                meanwhile()
        arrived = self._comm.Ibarrier()
        while not arrived.Test():
            if not self.serve():  # there are questions until the last is here
                self._wait()
        return self._copy.theta

    def checkpoint_due(self, wanted: bool) -> bool:
        if wanted and self._copy.head[CHECKPOINTS] == self._copy.checkpoints:
            if self.acts:
                self._ask(_CHECKPOINT, np.array([self._copy.checkpoints], np.float64))
            elif not self._all_here():
                self._copy.head[CHECKPOINTS] += 1
        return self._copy.checkpoint_due()

    def serve(self) -> bool:
        status = MPI.Status()
        if self.acts or not self._comm.Iprobe(MPI.ANY_SOURCE, MPI.ANY_TAG, status):
            return False
        self._wait.again()
        source, what = status.Get_source(), status.Get_tag()
        value = np.empty(status.Get_count(MPI.DOUBLE))
        copy = self._copy
        answer: Floats = copy.theta
        try:
            self._comm.Recv([value, MPI.DOUBLE], source, what)
            if what == _PUSH:
                copy.step(self._optimiser, value)
            elif what == _TARGET:
                answer = copy.target
            elif what == _RENEW:
                copy.head[TARGET_VERSION] += 1
                copy.keep_target(copy.theta.copy())
            elif what == _COUNT:
                answer = np.array([self._count(source, self._names[int(value[0])], int(value[1]))], np.float64)
            elif what == _CHECKPOINT and copy.head[CHECKPOINTS] == int(value[0]) and not self._all_here():
                copy.head[CHECKPOINTS] += 1
            self._answer[:HEAD] = copy.block[:HEAD]
            self._answer[HEAD : HEAD + answer.size] = answer
            self._comm.Send([self._answer[: HEAD + answer.size], MPI.DOUBLE], source, what)
        except MPI.Exception as error:  # it is lost
            self._losses.note(self._comm, error)
        return True

    def _count(self, agent: int, name: str, increment: int) -> int:
        if self._losses.at_most:
            return self._losses.count(self._counters, name, increment, agent)
        before = self._counters[name]
        self._counters[name] += increment
        return before

    def state(self) -> State:
        return self._copy.state({name: value for name, value in self._counters.items() if name not in OF_NOW})

    def own_state(self) -> State:
        return {}  # all there is to keep is with rank 0

    def close(self) -> None:
        self._agents.barrier()
        self._comm.Free()

    def _restore(self, saved: Mapping[str, NDArray]) -> None:
        if not self._copy.restore(saved):  # --push accumulate kept the moments with the agents
            self._copy.before_moments = int(saved["version"])
        for name in self._names:
            self._counters[name] = int(saved.get(f"counter.{name}", 0))

    def _all_here(self) -> bool:
        at_end = self._losses.at_end() if self._losses.at_most else self._counters["finished"]
        return at_end == self._agents.size - 1

    def _ask(self, what: int, value: Floats = _NOTHING) -> Floats:
        answered = self._comm.Irecv([self._answer, MPI.DOUBLE], _ROOT, what)
        self._comm.Send([value, MPI.DOUBLE], _ROOT, what)
        wait, waiting = Patience(), None
        while not answered.Test():
            if wait():
                waiting = waiting or Waiting(self._agents, for_=_ROOT)
                waiting.look()
        self._copy.block[:HEAD] = self._answer[:HEAD]
        return self._answer[HEAD:]
