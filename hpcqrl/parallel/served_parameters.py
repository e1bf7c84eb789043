"""Shared parameters where one-sided operations wait for the root: it only serves, and a push is one message each way.

Between nodes without RDMA hardware nothing happens in a window unless its owner calls MPI, and a push under a mutex
takes five journeys. Here the agents send their gradients, and the root, which is then no agent, answers with theta.
"""

import time
from collections.abc import Callable, Mapping

import numpy as np
from mpi4py import MPI
from numpy.typing import NDArray

from hpcqrl.parallel.agents import Agents
from hpcqrl.parallel.pushes import Floats, Optimiser, Refusals, State
from hpcqrl.parallel.shared_parameters import CHECKPOINTS, HEAD, TARGET_VERSION, VERSION
from hpcqrl.parallel.window import Patience

_ROOT = 0
_PULL, _PUSH, _TARGET, _RENEW, _COUNT, _CHECKPOINT = range(7101, 7107)  # tags of questions and of their answers
_NOTHING = np.empty(0)


class ServedParameters:
    """The verbs of SharedParameters, asked of rank 0 by message; the optimiser's state is shared, there is no mutex.

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
        self.size, self._optimiser, self._agents = theta.size, optimiser, agents
        self.acts = agents.rank != _ROOT
        self.refusals = Refusals()
        self._comm = agents.comm.Dup()
        self._counters = dict.fromkeys(("refused", "finished", *counters), 0)
        self._names = list(self._counters)
        self._answer = np.zeros(HEAD + theta.size)  # the head, as in the window, and theta or its target or a number
        self._head = self._answer[:HEAD].view(np.int64)
        self._theta, self._moments, self._target = theta.copy(), np.zeros((optimiser.rows, theta.size)), theta.copy()
        self._target_version, self._checkpoints, self._wait = 0, 0, Patience()
        self._before_moments = 0  # pushes that the moments know nothing of
        if saved:
            self._restore(saved)

    def pull(self) -> tuple[Floats, int]:
        """theta, a copy, and its version: how many pushes it has had."""
        return self._ask(_PULL).copy(), int(self._head[VERSION])

    def push(self, gradient: Floats) -> tuple[Floats, int]:
        """Have one optimiser step taken down the gradient [size]; the fresh theta, a copy, and its version.

        A gradient with NaN or infinity is refused and counted. Raises ValueError at the tenth in a row.
        """
        if self.refusals.refuse(gradient):
            self.count("refused")
            return self.pull()
        return self._ask(_PUSH, gradient).copy(), int(self._head[VERSION])

    def target(self) -> Floats:
        """theta of the target network, as of the last pull or push; not to be written to."""
        if self._target_version < self._head[TARGET_VERSION]:
            self._target = self._ask(_TARGET).copy()
            self._target_version = int(self._head[TARGET_VERSION])
        return self._target

    def renew_target(self) -> None:
        """Copy theta, as it is now, to the target network."""
        self._ask(_RENEW)

    def count(self, name: str, increment: int = 1) -> int:
        """Add to a counter; its value before. An increment of 0 reads it."""
        return int(self._ask(_COUNT, np.array([self._names.index(name), increment], np.float64))[0])

    def finish(self, meanwhile: Callable[[], None]) -> Floats:
        """Wait for all agents, rank 0 serving, and call `meanwhile` again and again; the final theta. All must call."""
        if self.acts:
            self.count("finished")
            while self.count("finished", 0) < self._agents.size - 1:
                meanwhile()
                time.sleep(0.002)
            meanwhile()
        else:
            while not self._all_here():
                if not self.serve():
                    self._wait()
                meanwhile()
        arrived = self._comm.Ibarrier()
        while not arrived.Test():
            if not self.serve():  # there are questions until the last is here
                self._wait()
        self._agents.comm.Bcast(self._theta, _ROOT)
        return self._theta

    def checkpoint_due(self, wanted: bool) -> bool:
        """Whether this agent wants a checkpoint, or another has asked for one: all meet before their next push."""
        if wanted and self._head[CHECKPOINTS] == self._checkpoints:
            if self.acts:
                self._ask(_CHECKPOINT, np.array([self._checkpoints], np.float64))
            elif not self._all_here():
                self._head[CHECKPOINTS] += 1
        due = bool(self._head[CHECKPOINTS] > self._checkpoints)
        self._checkpoints += due
        return due

    def serve(self) -> bool:
        """Answer one agent, if one has asked; whether one had."""
        status = MPI.Status()
        if self.acts or not self._comm.Iprobe(MPI.ANY_SOURCE, MPI.ANY_TAG, status):
            return False
        self._wait.again()
        source, what = status.Get_source(), status.Get_tag()
        value = np.empty(status.Get_count(MPI.DOUBLE))
        self._comm.Recv([value, MPI.DOUBLE], source, what)
        answer = self._theta
        if what == _PUSH:
            steps = int(self._head[VERSION]) - self._before_moments
            self._optimiser.step(self._theta, self._moments, steps, value)
            self._head[VERSION] += 1
        elif what == _TARGET:
            answer = self._target
        elif what == _RENEW:
            self._target = self._theta.copy()
            self._head[TARGET_VERSION] += 1
        elif what == _COUNT:
            name = self._names[int(value[0])]
            answer = np.array([self._counters[name]], np.float64)
            self._counters[name] += int(value[1])
        elif what == _CHECKPOINT and self._head[CHECKPOINTS] == int(value[0]) and not self._all_here():
            self._head[CHECKPOINTS] += 1
        self._answer[HEAD : HEAD + answer.size] = answer
        self._comm.Send([self._answer[: HEAD + answer.size], MPI.DOUBLE], source, what)
        return True

    def state(self) -> State:
        """What a checkpoint keeps for all, for rank 0 to call while no agent pushes."""
        values = {"version": self._head[VERSION], "target_version": self._head[TARGET_VERSION]}
        values["before_moments"] = self._before_moments
        values |= {f"counter.{name}": value for name, value in self._counters.items() if name != "finished"}
        arrays = {"theta": self._theta.copy(), "moments": self._moments.copy(), "target": self._target.copy()}
        return arrays | {name: np.array(value, np.int64) for name, value in values.items()}

    def own_state(self) -> State:
        """Nothing: all there is to keep is with rank 0."""
        return {}

    def close(self) -> None:
        """Give the communicator back. All ranks must call."""
        self._agents.barrier()
        self._comm.Free()

    def _restore(self, saved: Mapping[str, NDArray]) -> None:
        self._theta[:], self._target[:] = saved["theta"], saved["target"]
        if saved["moments"].shape == self._moments.shape:
            self._moments[:] = saved["moments"]
            self._before_moments = int(saved.get("before_moments", 0))
        else:  # --push accumulate kept them with the agents
            self._before_moments = int(saved["version"])
        self._head[VERSION], self._head[TARGET_VERSION] = saved["version"], saved["target_version"]
        self._target_version = int(saved["target_version"])
        for name in self._names:
            self._counters[name] = int(saved.get(f"counter.{name}", 0))

    def _all_here(self) -> bool:
        return self._counters["finished"] == self._agents.size - 1

    def _ask(self, what: int, value: Floats = _NOTHING) -> Floats:
        answered = self._comm.Irecv([self._answer, MPI.DOUBLE], _ROOT, what)
        self._comm.Send([value, MPI.DOUBLE], _ROOT, what)
        wait = Patience()
        while not answered.Test():
            wait()
        return self._answer[HEAD:]
