"""Memory on the root rank that all ranks read and write one-sidedly, with a mutex.

One Lock_all is opened at the start and kept: with MPICH a lock for each access stands still while the root computes
outside MPI, and so does all access to memory that was not allocated by the window itself.
"""

import os
import time

import numpy as np
from numpy.typing import NDArray

from hpcqrl.parallel.agents import Agents
from hpcqrl.parallel.mpi import MPI
from hpcqrl.parallel.waiting import Waiting

WORD = 8  # bytes of an int64 or float64

_ROOT = 0
_MUTEX = 0  # its place, in bytes
_FREE = np.zeros(1, np.int64)
yield_processor = getattr(os, "sched_yield", lambda: time.sleep(0))  # sleep(0) takes 75 us on Linux


class Patience:
    """Waits a little at each call: by yielding the processor at first, and asleep once it has taken long."""

    _SOON = 200  # calls, some tenths of a millisecond

    def __init__(self) -> None:
        self._calls = 0

    def __call__(self) -> bool:
        """Whether it has taken long."""
        self._calls += 1
        if self._calls < self._SOON:
            yield_processor()
            return False
        time.sleep(5e-5)
        return True

    def again(self) -> None:
        """What was waited for has come."""
        self._calls = 0


class Window:
    """`size` bytes on rank 0, zero at first; places are in bytes from the start, and the first word is the mutex.

    All ranks construct and close it together.
    """

    def __init__(self, agents: Agents, size: int) -> None:
        self._agents, self._found = agents, np.empty(1, np.int64)
        self._taken = np.array([agents.rank + 1])  # so that others see who has it
        self._window = MPI.Win.Allocate(size if agents.rank == _ROOT else 0, 1, comm=agents.comm)
        self._own = np.asarray(self._window.tomemory())
        self._own[:] = 0
        agents.comm.Barrier()
        self._window.Lock_all(MPI.MODE_NOCHECK)
        self._window.Sync()
        agents.comm.Barrier()

    def get(self, part: NDArray, place: int) -> None:
        """Read into `part`; whole only if nobody writes meanwhile."""
        self._window.Get([part, MPI.BYTE], _ROOT, (place, part.nbytes, MPI.BYTE))
        self._window.Flush(_ROOT)

    def put(self, part: NDArray, place: int) -> None:
        """Write `part`."""
        self._window.Put([part, MPI.BYTE], _ROOT, (place, part.nbytes, MPI.BYTE))
        self._window.Flush(_ROOT)

    def add(self, place: int, increment: int) -> int:
        """Add to an int64; its value before."""
        before = np.empty(1, np.int64)
        self._window.Fetch_and_op([np.array([increment]), MPI.INT64_T], [before, MPI.INT64_T], _ROOT, place, MPI.SUM)
        self._window.Flush(_ROOT)
        return int(before[0])

    def write_own(self, place: int, value: int) -> None:
        """Of the root alone: write an int64 into its own memory, by no call of MPI; not where others write, too."""
        self._own[place : place + WORD].view(np.int64)[0] = value

    def get_each(self, part: NDArray, place: int) -> None:
        """Read int64 or float64, each number whole even while others add to it: Get_accumulate with NO_OP."""
        kind = MPI.INT64_T if part.dtype == np.int64 else MPI.DOUBLE
        nothing = np.empty_like(part)
        self._window.Get_accumulate([nothing, kind], [part, kind], _ROOT, (place, part.size, kind), MPI.NO_OP)
        self._window.Flush(_ROOT)

    def add_each(self, part: NDArray, place: int) -> None:
        """Add float64 to those there, number by number."""
        self._window.Accumulate([part, MPI.DOUBLE], _ROOT, (place, part.size, MPI.DOUBLE), MPI.SUM)
        self._window.Flush(_ROOT)

    def __enter__(self) -> None:
        """Take the mutex."""
        found, calls, waiting = [self._found, MPI.INT64_T], 0, None
        while True:
            self._window.Compare_and_swap([self._taken, MPI.INT64_T], [_FREE, MPI.INT64_T], found, _ROOT, _MUTEX)
            self._window.Flush(_ROOT)
            if self._found[0] == 0:
                return
            yield_processor()  # to the rank that holds the mutex, perhaps
            calls += 1
            if calls % 10_000 == 0:
                holder = int(self._found[0]) - 1
                if waiting is None or waiting.for_ != holder:
                    waiting = Waiting(self._agents, for_=holder)
                waiting.look()

    def __exit__(self, *_: object) -> None:
        """Release the mutex.

        (By Fetch_and_op: each Accumulate of a single number leaks 128 bytes with MPICH 5.)
        """
        self._window.Fetch_and_op([_FREE, MPI.INT64_T], [self._found, MPI.INT64_T], _ROOT, _MUTEX, MPI.REPLACE)
        self._window.Flush(_ROOT)

    def close(self) -> None:
        """Give the memory back."""
        self._agents.barrier()
        self._window.Unlock_all()
        del self._own
        self._window.Free()
