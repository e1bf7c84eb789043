"""Records on their way from the agents to the root, which never makes an agent wait."""

import time
from collections.abc import Callable

import numpy as np
from mpi4py import MPI

from hpcqrl.parallel.agents import Agents

_TAG = 7001
_INTERVAL = 0.7  # seconds between two sendings, and between two collections: together well within 2 s


class RecordStream:
    """Rows of one dtype: agents buffer and send them about once a second, rank 0 collects them."""

    def __init__(self, agents: Agents, dtype: np.dtype) -> None:
        self.comm = agents.comm.Dup()
        self.dtype = dtype
        self._rows: list[tuple] = []
        self._sent: list[tuple[MPI.Request, np.ndarray]] = []
        self._due = time.monotonic() + _INTERVAL

    def put(self, row: tuple) -> None:
        """Note one row, as a tuple in the order of the dtype's fields."""
        self._rows.append(row)

    def poll(self) -> np.ndarray | None:
        """Send, or on rank 0 collect, what there is, if it is due; the collected rows, or None."""
        now = time.monotonic()
        if now < self._due:
            return None
        self._due = now + _INTERVAL
        if self.comm.Get_rank() == 0:
            return np.concatenate([self._take(), *self._arrived()])
        self._sent = [(request, rows) for request, rows in self._sent if not request.Test()]
        rows = self._take()
        if rows.size:
            self._sent.append((self.comm.Isend([rows.view(np.uint8), MPI.BYTE], 0, _TAG), rows))
        return None

    def collect(
        self,
        meanwhile: Callable[[], object] = lambda: None,
        late: Callable[[int, float, list[np.ndarray]], None] = lambda rank, seconds, rows: None,
    ) -> np.ndarray | None:
        """Collect all that is still on its way; the rows on rank 0, None elsewhere. All must call.

        Until the others have come too, rank 0 calls `meanwhile` again and again; and `late` with the rank that it waits
        for, the seconds that it has waited for it, and the rows that it has by then.
        """
        if self.comm.Get_rank() > 0:
            for request, _ in self._sent:
                request.Wait()
            self._sent = []
            rows = self._take()
            self.comm.Send([rows.view(np.uint8), MPI.BYTE], 0, _TAG + 1)
            return None
        collected = [self._take()]
        for rank in range(1, self.comm.Get_size()):
            begin = time.monotonic()
            while not self.comm.Iprobe(rank, _TAG + 1):
                collected += self._arrived()
                if not meanwhile():
                    time.sleep(0.001)
                late(rank, time.monotonic() - begin, collected)
            collected += self._arrived()
            collected.append(self._receive(rank, _TAG + 1))
        return np.concatenate(collected)

    def close(self) -> None:
        """Give the communicator back. All must call."""
        self.comm.Free()

    def _take(self) -> np.ndarray:
        rows, self._rows = self._rows, []
        return np.array(rows, self.dtype)

    def _arrived(self) -> list[np.ndarray]:
        rows = []
        status = MPI.Status()
        while self.comm.Iprobe(MPI.ANY_SOURCE, _TAG, status):
            rows.append(self._receive(status.Get_source(), _TAG))
        return rows

    def _receive(self, source: int, tag: int) -> np.ndarray:
        status = MPI.Status()
        self.comm.Probe(source, tag, status)
        rows = np.empty(status.Get_count(MPI.BYTE) // self.dtype.itemsize, self.dtype)
        self.comm.Recv([rows.view(np.uint8), MPI.BYTE], source, tag)
        return rows
