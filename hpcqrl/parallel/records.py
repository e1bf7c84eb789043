"""Records on their way from the agents to the root, which never makes an agent wait."""

import time

import numpy as np

from hpcqrl.parallel.agents import Agents
from hpcqrl.parallel.mpi import MPI
from hpcqrl.parallel.waiting import Waiting

_TAG = 7001
_INTERVAL = 0.7  # seconds between two sendings, and between two collections: together well within 2 s


class RecordStream:
    """Rows of one dtype: agents buffer and send them about once a second, rank 0 collects them."""

    def __init__(self, agents: Agents, dtype: np.dtype) -> None:
        self._agents, self.comm = agents, agents.comm.Dup()
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
            return self.rest()
        self._sent = [(request, rows) for request, rows in self._sent if not request.Test()]
        rows = self._take()
        if rows.size:
            self._sent.append((self.comm.Isend([rows.view(np.uint8), MPI.BYTE], 0, _TAG), rows))
        return None

    def collect(self) -> np.ndarray | None:
        """Collect all that is still on its way; the rows on rank 0, None elsewhere. All must call."""
        if self.comm.Get_rank() > 0:
            self.send_rest()
            return None
        return np.concatenate([self._take(), *(self.receive_rest(rank) for rank in range(1, self.comm.Get_size()))])

    def send_rest(self) -> None:
        """Of all ranks but 0: send what there is, for `receive_rest`."""
        rows = self._take()
        self._agents.wait(self.comm.Isend([rows.view(np.uint8), MPI.BYTE], 0, _TAG + 1), for_=0)
        for request, _ in self._sent:
            self._agents.wait(request, for_=0)
        self._sent = []

    def receive_rest(self, rank: int) -> np.ndarray:
        """Of rank 0: the rows that a rank's `send_rest` brings, and all that it sent before and others since."""
        waiting, status, message = Waiting(self._agents, for_=rank), MPI.Status(), None
        try:
            while not (message := self.comm.Improbe(rank, _TAG + 1, status)):
                waiting.look()
                with self._agents.away:
                    time.sleep(0.0002)
        except MPI.Exception as error:  # it is lost
            self._agents.losses.note(self.comm, error)
        arrived = self._arrived()
        return np.concatenate([*arrived, self._receive(message, status)]) if message else np.concatenate(arrived)

    def rest(self) -> np.ndarray:
        """Of rank 0: what there is now, its own included."""
        return np.concatenate([self._take(), *self._arrived()])

    def close(self) -> None:
        """Give the communicator back. All must call."""
        self.comm.Free()

    def _take(self) -> np.ndarray:
        rows, self._rows = self._rows, []
        return np.array(rows, self.dtype)

    def _arrived(self) -> list[np.ndarray]:
        rows = [np.empty(0, self.dtype)]
        status = MPI.Status()
        while message := self.comm.Improbe(MPI.ANY_SOURCE, _TAG, status):
            rows.append(self._receive(message, status))
        return rows

    def _receive(self, message: MPI.Message, status: MPI.Status) -> np.ndarray:
        rows = np.empty(status.Get_count(MPI.BYTE) // self.dtype.itemsize, self.dtype)
        try:
            message.Recv([rows.view(np.uint8), MPI.BYTE])
        except MPI.Exception as error:  # its sender is lost
            self._agents.losses.note(self.comm, error)
            return rows[:0]
        return rows
