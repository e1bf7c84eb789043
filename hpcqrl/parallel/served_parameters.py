"""Shared parameters where one-sided operations wait for the root: it only serves, and a push is one message each way.

Between nodes without RDMA hardware nothing happens in a window unless its owner calls MPI, and a push under a mutex
takes five journeys. Here the agents send their gradients, and the root, which is then no agent, answers with theta.
"""

from collections.abc import Callable

import numpy as np
from mpi4py import MPI
from numpy.typing import NDArray

from hpcqrl.parallel.agents import Agents
from hpcqrl.parallel.shared_parameters import Optimiser, Refusals, usable, yield_processor

Floats = NDArray[np.floating]

_ROOT = 0
_NOTHING = np.empty(0)
_PULL, _PUSH, _TARGET, _RENEW, _COUNT = range(7101, 7106)  # tags of what is asked; the answer has the same


class ServedParameters:
    """The verbs of SharedParameters, asked of rank 0 by message; the optimiser's state is shared, there is no mutex.

    All ranks construct and close it together; rank 0 serves in `finish`.
    """

    def __init__(self, agents: Agents, theta: Floats, optimiser: Optimiser, counters: tuple[str, ...] = ()) -> None:
        self.size, self._optimiser, self._agents = theta.size, optimiser, agents
        self.acts = agents.rank != _ROOT
        self._comm = agents.comm.Dup()
        self._counters = dict.fromkeys(("refused", "finished", *counters), 0)
        self._names = list(self._counters)
        self._answer = np.zeros(2 + theta.size)  # versions of theta and of the target (int64), theta or its target
        self._versions = self._answer[:2].view(np.int64)
        self._theta, self._state, self._target = theta.copy(), np.zeros((optimiser.rows, theta.size)), theta.copy()
        self._target_version = 0
        self.refusals = Refusals()

    def pull(self) -> tuple[Floats, int]:
        """theta, a copy, and its version: how many pushes it has had."""
        return self._ask(_PULL).copy(), int(self._versions[0])

    def push(self, gradient: Floats) -> tuple[Floats, int]:
        """Have one optimiser step taken down the gradient [size]; the fresh theta, a copy, and its version.

        A gradient with NaN or infinity is refused and counted. Raises ValueError at the tenth in a row.
        """
        if not usable(gradient):
            self.count("refused")
            self.refusals.add()
            return self.pull()
        self.refusals.in_a_row = 0
        return self._ask(_PUSH, gradient).copy(), int(self._versions[0])

    def target(self) -> Floats:
        """theta of the target network, as of the last pull or push; not to be written to."""
        if self._target_version < self._versions[1]:
            self._target = self._ask(_TARGET).copy()
            self._target_version = int(self._versions[1])
        return self._target

    def renew_target(self) -> None:
        """Copy theta, as it is now, to the target network."""
        self._ask(_RENEW)

    def count(self, name: str, increment: int = 1) -> int:
        """Add to a counter; its value before. An increment of 0 reads it."""
        return int(self._ask(_COUNT, np.array([self._names.index(name), increment], np.float64))[0])

    def finish(self, meanwhile: Callable[[], None]) -> Floats:
        """On rank 0 serve, calling `meanwhile` again and again, until all agents are here; the final theta on all."""
        if self.acts:
            self.count("finished")
        else:
            while self._counters["finished"] < self._agents.size - 1:
                if not self._serve():
                    yield_processor()
                meanwhile()
        self._agents.comm.Bcast(self._theta, _ROOT)
        self.close()
        return self._theta

    def close(self) -> None:
        """Give the communicator back. All ranks must call."""
        self._agents.barrier()
        self._comm.Free()

    def _ask(self, what: int, value: Floats = _NOTHING) -> Floats:
        answered = self._comm.Irecv([self._answer, MPI.DOUBLE], _ROOT, what)
        self._comm.Send([value, MPI.DOUBLE], _ROOT, what)
        while not answered.Test():
            yield_processor()
        return self._answer[2:]

    def _serve(self) -> bool:
        """Answer one agent, if one has asked."""
        status = MPI.Status()
        if not self._comm.Iprobe(MPI.ANY_SOURCE, MPI.ANY_TAG, status):
            return False
        source, what = status.Get_source(), status.Get_tag()
        value = np.empty(status.Get_count(MPI.DOUBLE))
        self._comm.Recv([value, MPI.DOUBLE], source, what)
        answer = self._theta
        if what == _PUSH:
            self._optimiser.step(self._theta, self._state, int(self._versions[0]), value)
            self._versions[0] += 1
        elif what == _TARGET:
            answer = self._target
        elif what == _RENEW:
            self._target = self._theta.copy()
            self._versions[1] += 1
        elif what == _COUNT:
            name = self._names[int(value[0])]
            answer = np.array([self._counters[name]], np.float64)
            self._counters[name] += int(value[1])
        self._answer[2 : 2 + answer.size] = answer
        self._comm.Send([self._answer[: 2 + answer.size], MPI.DOUBLE], source, what)
        return True
