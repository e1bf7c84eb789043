"""Where all ranks come to rank 0 with what a checkpoint keeps of them; who does not come is left out until it does.

Every rank counts the meetings that it has come to. Rank 0 holds one without those who are too late for it; when they
come after all, it takes what they bring and sends them on. So all have come to each meeting in the end, and a rank's
delay, once it has been noticed, is no other's.
"""

from collections.abc import Mapping, Sequence

import numpy as np
from numpy.typing import NDArray

from hpcqrl.parallel.agents import Agents
from hpcqrl.parallel.arrays import State, receive, send
from hpcqrl.parallel.mpi import MPI
from hpcqrl.parallel.records import RecordStream

_GRACE = 60.0  # seconds in which rank 0 may itself be waiting for others, and knows what to do about it
_HERE, _GO_ON = 7006, 7007  # tags: a rank has come; it may go on


class Meeting:
    """One on every rank. streams: whose rows are all brought along."""

    def __init__(self, agents: Agents, streams: Sequence[RecordStream]) -> None:
        self._agents, self._streams, self._comm = agents, streams, agents.comm.Dup()
        self._number, self._open = 0, False
        self._early: dict[int, tuple[int, bool]] = {}  # of rank 0: those that wait for it to come to the next
        self.absent: set[int] = set()  # of rank 0: those that others have given up waiting for
        self.here: set[int] = set()  # of rank 0: those that have come to this meeting
        self.told = False  # of rank 0: whether one of them was told that the run shall end

    def come(self, state: Mapping[str, NDArray], told: bool) -> bool:
        """Of all ranks but 0: bring a state, and whether this rank was told to end. Returns whether the run ends."""
        self._number += 1
        self._comm.Send(np.array([self._number, told], np.int64), 0, _HERE)
        for stream in self._streams:
            stream.send_rest()
        send(self._agents, 0, state)
        ends = np.empty(1, np.int64)
        self._agents.wait(self._comm.Irecv(ends, 0, _GO_ON), for_=0, grace=_GRACE)
        return bool(ends[0])

    def begin(self) -> None:
        """Of rank 0: hold a meeting."""
        self._number, self._open, self.here, self.told = self._number + 1, True, set(), False

    def missing(self) -> set[int]:
        """Of rank 0: those that have not come, nor been absent before, nor are lost."""
        self.absent -= self._agents.losses.lost
        return set(range(1, self._agents.size)) - self.here - self.absent - self._agents.losses.lost

    def arrived(self) -> int | None:
        """Of rank 0: a rank that has just come, perhaps late for an earlier meeting: then it is not `here`."""
        if self._open and self._early:
            rank, (number, told) = self._early.popitem()
        else:
            status, word = MPI.Status(), np.empty(2, np.int64)
            if not (message := self._comm.Improbe(MPI.ANY_SOURCE, _HERE, status)):
                return None
            rank = status.Get_source()
            message.Recv(word)
            number, told = int(word[0]), bool(word[1])
        if number > self._number:  # rank 0 has looked for those who are late, and is not yet here itself
            self._early[rank] = number, told
            return None
        if self._open and number == self._number:
            self.here.add(rank)
            self.told = self.told or told
        if number == self._number:
            self.absent.discard(rank)
        return rank

    def take(self, rank: int) -> tuple[list[np.ndarray], State]:
        """Of rank 0: what a rank that has come brings: its rows of each stream, and its state."""
        rows, state = [stream.receive_rest(rank) for stream in self._streams], State()
        try:
            state = receive(self._agents, rank)
        except MPI.Exception as error:  # it is lost
            self._agents.losses.note(self._comm, error)
        return rows, state

    def go_on(self, rank: int, ends: bool = False) -> None:
        """Of rank 0: let a rank that has come go its way."""
        try:
            self._comm.Send(np.array([ends], np.int64), rank, _GO_ON)
        except MPI.Exception as error:  # it is lost
            self._agents.losses.note(self._comm, error)

    def end(self, ends: bool) -> None:
        """Of rank 0: let all go on that are here."""
        for rank in self.here:
            self.go_on(rank, ends)
        self._open = False

    def close(self) -> None:
        """Give the communicator back. All must call."""
        self._comm.Free()
