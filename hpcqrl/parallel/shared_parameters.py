"""Parameters that all agents share without ever waiting for one another: a window of memory on the root rank.

The window holds a mutex and counters, then one block: versions, theta, and the optimiser's state; then the target
network's theta. One Lock_all is opened at the start and kept: with MPICH a lock for each update stands still while the
root computes outside MPI, and so does all access to memory that was not allocated by the window itself.
"""

import math
import os
import time
from collections.abc import Callable
from typing import Literal, Protocol

import numpy as np
from mpi4py import MPI
from numpy.typing import NDArray

from hpcqrl.parallel.agents import Agents

Floats = NDArray[np.floating]

_ROOT = 0
_WORD = 8  # bytes of an int64 or float64
_OWN_COUNTERS = ("mutex", "refused", "finished")  # the int64 words at the window's start; the system's counters follow
_FREE, _TAKEN = np.zeros(1, np.int64), np.ones(1, np.int64)
_MOST_REFUSED = 10  # pushes of one agent in a row
yield_processor = getattr(os, "sched_yield", lambda: time.sleep(0))  # sleep(0) takes 75 us on Linux


class Optimiser(Protocol):
    """A step on flat vectors that keeps its state in `rows` further vectors."""

    @property
    def rows(self) -> int: ...

    def step(self, theta: Floats, state: Floats, steps: int, gradient: Floats) -> None:
        """Move theta [size] and state [rows, size], in place, after `steps` earlier steps."""


def usable(gradient: Floats) -> bool:
    """Whether all numbers are finite: their sum is."""
    return math.isfinite(gradient.sum())


class Refusals:
    """Counts an agent's pushes of unusable gradients, and gives up after 10 in a row."""

    total = in_a_row = 0

    def add(self) -> None:
        """Note one. Raises ValueError at the tenth in a row."""
        self.total += 1
        self.in_a_row += 1
        if self.in_a_row == _MOST_REFUSED:
            raise ValueError(
                f"{_MOST_REFUSED} gradients in a row held NaN or infinity; none was pushed: training diverges"
            )


class SharedParameters:
    """theta [size], float64, on rank 0; every rank may pull it, push a gradient, count, and renew the target network.

    mode "mutex": a push reads, steps and writes theta and the shared optimiser state under a mutex in the window:
    agents take turns, none is lost, and no pull sees half a push. mode "accumulate": each agent keeps an optimiser
    state of its own and adds its step atomically, number by number: for agent counts where the mutex is what limits.
    All ranks construct and close it together.
    """

    acts = True  # every rank is an agent, the root as well

    def __init__(
        self,
        agents: Agents,
        theta: Floats,
        optimiser: Optimiser,
        counters: tuple[str, ...] = (),
        mode: Literal["mutex", "accumulate"] = "mutex",
    ) -> None:
        self.size, self._optimiser, self._mode, self._agents = theta.size, optimiser, mode, agents
        self._place = {name: _WORD * number for number, name in enumerate((*_OWN_COUNTERS, *counters))}
        self._block_start = _WORD * max(8, len(self._place))  # mutex and block apart: two cache lines
        rows = 1 + (optimiser.rows if mode == "mutex" else 0)
        self._block = np.empty(2 + rows * theta.size)  # versions of theta and of the target (int64), theta, state
        self._versions = self._block[:2].view(np.int64)
        self._theta = self._block[2 : 2 + theta.size]
        self._state = self._block[2 + theta.size :].reshape(rows - 1, theta.size)
        self._own_state = np.zeros((optimiser.rows, theta.size)) if mode == "accumulate" else self._state
        self._own_steps = 0
        self._target, self._target_version, self._target_start = theta.copy(), 0, self._block_start + self._block.nbytes
        self.refusals = Refusals()
        bytes_on_root = self._target_start + theta.nbytes
        self._window = MPI.Win.Allocate(bytes_on_root if agents.rank == _ROOT else 0, 1, comm=agents.comm)
        if agents.rank == _ROOT:
            memory = np.asarray(self._window.tomemory())
            memory[:] = 0
            memory[self._block_start : self._target_start].view(np.float64)[2 : 2 + theta.size] = theta
            memory[self._target_start :].view(np.float64)[:] = theta
        agents.comm.Barrier()
        self._window.Lock_all(MPI.MODE_NOCHECK)
        self._window.Sync()
        agents.comm.Barrier()

    def pull(self) -> tuple[Floats, int]:
        """theta, a copy, and its version: how many pushes it has had."""
        if self._mode == "accumulate":
            self._read_atomically()
        else:
            self._take_mutex()
            self._get(self._block[: 2 + self.size], self._block_start)
            self._release_mutex()
        return self._theta.copy(), int(self._versions[0])

    def push(self, gradient: Floats) -> tuple[Floats, int]:
        """Take one optimiser step down the gradient [size]; the fresh theta, a copy, and its version.

        A gradient with NaN or infinity is refused and counted. Raises ValueError at the tenth in a row.
        """
        if not usable(gradient):
            self.count("refused")
            self.refusals.add()
            return self.pull()
        self.refusals.in_a_row = 0
        if self._mode == "accumulate":
            return self._push_accumulate(gradient)
        self._take_mutex()
        self._get(self._block, self._block_start)
        self._optimiser.step(self._theta, self._state, int(self._versions[0]), gradient)
        self._versions[0] += 1
        self._put(self._block, self._block_start)
        self._release_mutex()
        return self._theta.copy(), int(self._versions[0])

    def target(self) -> Floats:
        """theta of the target network, as of the last pull or push; not to be written to."""
        if self._target_version < self._versions[1]:
            self._take_mutex()
            self._target = np.empty(self.size)
            self._get(self._target, self._target_start)
            self._release_mutex()
            self._target_version = int(self._versions[1])
        return self._target

    def renew_target(self) -> None:
        """Copy theta, as it is now, to the target network."""
        self._take_mutex()
        if self._mode == "accumulate":
            self._read_atomically()
        else:
            self._get(self._block[: 2 + self.size], self._block_start)
        self._put(self._theta, self._target_start)
        self._add(self._block_start + _WORD, 1)
        self._release_mutex()

    def count(self, name: str, increment: int = 1) -> int:
        """Add to a counter; its value before. An increment of 0 reads it."""
        return self._add(self._place[name], increment)

    def finish(self, meanwhile: Callable[[], None]) -> Floats:
        """Wait for all agents, calling `meanwhile` again and again, and end; the final theta on all ranks."""
        self.count("finished")
        while self.count("finished", 0) < self._agents.size:
            meanwhile()
            time.sleep(0.001)
        theta, _ = self.pull()
        self.close()
        return theta

    def close(self) -> None:
        """Give the window back. All ranks must call."""
        self._agents.barrier()
        self._window.Unlock_all()
        self._window.Free()

    def _get(self, part: NDArray, start: int) -> None:
        self._window.Get([part, MPI.BYTE], _ROOT, (start, part.nbytes, MPI.BYTE))
        self._window.Flush(_ROOT)

    def _put(self, part: NDArray, start: int) -> None:
        self._window.Put([part, MPI.BYTE], _ROOT, (start, part.nbytes, MPI.BYTE))
        self._window.Flush(_ROOT)

    def _add(self, place: int, increment: int) -> int:
        before = np.empty(1, np.int64)
        self._window.Fetch_and_op([np.array([increment]), MPI.INT64_T], [before, MPI.INT64_T], _ROOT, place, MPI.SUM)
        self._window.Flush(_ROOT)
        return int(before[0])

    def _take_mutex(self) -> None:
        found = np.empty(1, np.int64)
        while True:
            self._window.Compare_and_swap(
                [_TAKEN, MPI.INT64_T], [_FREE, MPI.INT64_T], [found, MPI.INT64_T], _ROOT, self._place["mutex"]
            )
            self._window.Flush(_ROOT)
            if found[0] == 0:
                return
            yield_processor()  # to the rank that holds the mutex, perhaps

    def _release_mutex(self) -> None:
        self._window.Accumulate([_FREE, MPI.INT64_T], _ROOT, (self._place["mutex"], 1, MPI.INT64_T), MPI.REPLACE)
        self._window.Flush(_ROOT)

    def _push_accumulate(self, gradient: Floats) -> tuple[Floats, int]:
        before = self._theta.copy()
        self._optimiser.step(self._theta, self._own_state, self._own_steps, gradient)
        self._own_steps += 1
        step = self._theta - before
        place = self._block_start + self._versions.nbytes
        self._window.Accumulate([step, MPI.DOUBLE], _ROOT, (place, self.size, MPI.DOUBLE), MPI.SUM)
        self._add(self._block_start, 1)
        self._read_atomically()
        return self._theta.copy(), int(self._versions[0])

    def _read_atomically(self) -> None:
        """Read versions and theta, each number whole even while others accumulate: Get_accumulate with NO_OP."""
        place = self._block_start
        for part, kind in ((self._versions, MPI.INT64_T), (self._theta, MPI.DOUBLE)):
            nothing = np.empty_like(part)
            self._window.Get_accumulate([nothing, kind], [part, kind], _ROOT, (place, part.size, kind), MPI.NO_OP)
            place += part.nbytes
        self._window.Flush(_ROOT)
