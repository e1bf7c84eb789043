"""Parameters that all agents share without ever waiting for one another: a window of memory on the root rank.

The window holds a mutex and counters, then one block: version, theta, and the optimiser's state. One Lock_all is opened
at the start and kept: with MPICH a lock for each update stands still while the root computes outside MPI, and so does
all access to memory that was not allocated by the window itself.
"""

import time
from typing import Literal, Protocol

import numpy as np
from mpi4py import MPI
from numpy.typing import NDArray

from hpcqrl.parallel.agents import Agents

Floats = NDArray[np.floating]

_ROOT = 0
_WORD = 8  # bytes of an int64 or float64
_MUTEX = 0  # place of the mutex among the int64 words at the window's start; counters follow
_FREE, _TAKEN = np.zeros(1, np.int64), np.ones(1, np.int64)


class Optimiser(Protocol):
    """A step on flat vectors that keeps its state in `rows` further vectors."""

    @property
    def rows(self) -> int: ...

    def step(self, theta: Floats, state: Floats, steps: int, gradient: Floats) -> None:
        """Move theta [size] and state [rows, size], in place, after `steps` earlier steps."""


class SharedParameters:
    """theta [size], float64, on rank 0; every rank may pull it, push a gradient, and count.

    mode "mutex": a push reads, steps and writes theta and the shared optimiser state under a mutex in the window:
    agents take turns, none is lost, and no pull sees half a push. mode "accumulate": each agent keeps an optimiser
    state of its own and adds its step atomically, number by number: for agent counts where the mutex is what limits.
    All ranks construct and close it together.
    """

    def __init__(
        self,
        agents: Agents,
        theta: Floats,
        optimiser: Optimiser,
        counters: tuple[str, ...] = (),
        mode: Literal["mutex", "accumulate"] = "mutex",
    ) -> None:
        self.size, self._optimiser, self._mode = theta.size, optimiser, mode
        self._place = {name: number for number, name in enumerate(("mutex", *counters))}
        self._block_start = _WORD * max(8, len(self._place))  # mutex and block apart: two cache lines
        rows = 1 + (optimiser.rows if mode == "mutex" else 0)
        self._block = np.empty(1 + rows * theta.size)  # version (as an int64), theta, state
        self._version = self._block[:1].view(np.int64)
        self._theta = self._block[1 : 1 + theta.size]
        self._state = self._block[1 + theta.size :].reshape(rows - 1, theta.size)
        self._own_state = np.zeros((optimiser.rows, theta.size)) if mode == "accumulate" else self._state
        self._own_steps = 0
        bytes_on_root = self._block_start + self._block.nbytes
        self._window = MPI.Win.Allocate(bytes_on_root if agents.rank == _ROOT else 0, 1, comm=agents.comm)
        if agents.rank == _ROOT:
            memory = np.asarray(self._window.tomemory())
            memory[:] = 0
            memory[self._block_start :].view(np.float64)[1 : 1 + theta.size] = theta
        agents.comm.Barrier()
        self._window.Lock_all(MPI.MODE_NOCHECK)
        self._window.Sync()
        agents.comm.Barrier()

    def pull(self) -> tuple[Floats, int]:
        """theta, a copy, and its version: how many pushes it has had."""
        wanted = self._block[: 1 + self.size]
        if self._mode == "accumulate":
            self._read_atomically()
        else:
            self._take_mutex()
            self._window.Get([wanted, MPI.BYTE], _ROOT, self._target(wanted))
            self._window.Flush(_ROOT)
            self._release_mutex()
        return self._theta.copy(), int(self._version[0])

    def push(self, gradient: Floats) -> tuple[Floats, int]:
        """Take one optimiser step down the gradient [size]; the fresh theta, a copy, and its version."""
        if self._mode == "accumulate":
            return self._push_accumulate(gradient)
        self._take_mutex()
        self._window.Get([self._block, MPI.BYTE], _ROOT, self._target(self._block))
        self._window.Flush(_ROOT)
        self._optimiser.step(self._theta, self._state, int(self._version[0]), gradient)
        self._version += 1
        self._window.Put([self._block, MPI.BYTE], _ROOT, self._target(self._block))
        self._window.Flush(_ROOT)
        self._release_mutex()
        return self._theta.copy(), int(self._version[0])

    def count(self, name: str, increment: int = 1) -> int:
        """Add to a counter; its value before. An increment of 0 reads it."""
        return self._add(_WORD * self._place[name], increment)

    def close(self) -> None:
        """Give the window back. All ranks must call."""
        self._window.Unlock_all()
        self._window.Free()

    def _target(self, part: NDArray) -> tuple[int, int, MPI.Datatype]:
        return self._block_start, part.nbytes, MPI.BYTE

    def _add(self, place: int, increment: int) -> int:
        before = np.empty(1, np.int64)
        self._window.Fetch_and_op([np.array([increment]), MPI.INT64_T], [before, MPI.INT64_T], _ROOT, place, MPI.SUM)
        self._window.Flush(_ROOT)
        return int(before[0])

    def _take_mutex(self) -> None:
        found = np.empty(1, np.int64)
        while True:
            self._window.Compare_and_swap(
                [_TAKEN, MPI.INT64_T], [_FREE, MPI.INT64_T], [found, MPI.INT64_T], _ROOT, _WORD * _MUTEX
            )
            self._window.Flush(_ROOT)
            if found[0] == 0:
                return
            time.sleep(0)  # let another rank have the processor: it may hold the mutex

    def _release_mutex(self) -> None:
        self._window.Accumulate([_FREE, MPI.INT64_T], _ROOT, (_WORD * _MUTEX, 1, MPI.INT64_T), MPI.REPLACE)
        self._window.Flush(_ROOT)

    def _push_accumulate(self, gradient: Floats) -> tuple[Floats, int]:
        before = self._theta.copy()
        self._optimiser.step(self._theta, self._own_state, self._own_steps, gradient)
        self._own_steps += 1
        step = self._theta - before
        self._window.Accumulate([step, MPI.DOUBLE], _ROOT, (self._block_start + _WORD, self.size, MPI.DOUBLE), MPI.SUM)
        self._add(self._block_start, 1)
        self._read_atomically()
        return self._theta.copy(), int(self._version[0])

    def _read_atomically(self) -> None:
        """Read version and theta, each number whole even while others accumulate: Get_accumulate with NO_OP."""
        self._version[0] = self._add(self._block_start, 0)
        nothing = np.empty(self.size)
        self._window.Get_accumulate(
            [nothing, MPI.DOUBLE],
            [self._theta, MPI.DOUBLE],
            _ROOT,
            (self._block_start + _WORD, self.size, MPI.DOUBLE),
            MPI.NO_OP,
        )
        self._window.Flush(_ROOT)
