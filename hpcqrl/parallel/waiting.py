"""Waiting for other ranks: who does not come is named, and a run that was told to end does so without them."""

import time
from typing import TYPE_CHECKING, Protocol

import numpy as np

from hpcqrl.lines import say
from hpcqrl.parallel.mpi import MPI, can_lose

if TYPE_CHECKING:
    from hpcqrl.parallel.agents import Agents

LATE = 20.0  # seconds, at most, that others wait for a rank before it is named
_LONG = 1.0  # seconds after which nothing is lost by waiting asleep
AGAIN_LATER = 75  # EX_TEMPFAIL of sysexits.h, the status of a run that can be resumed

_WAITING = 7005  # the tag of a rank's word to all others that it waits
_ANSWER = 1.0  # seconds in which these words arrive
_STALE = 60.0  # seconds; words that are older were about another wait


class Told(Protocol):
    """Whether the run was told to end, and how many seconds it then waits for a rank that does not come."""

    @property
    def patience(self) -> float: ...

    def ends_after(self, seconds: float) -> bool:
        """Whether it was told to end, and so many seconds of waiting are enough."""


class NeverTold:
    """For runs that nobody tells to end."""

    patience = float("inf")

    def ends_after(self, seconds: float) -> bool:
        return False


class Waiting:
    """One wait of this rank. for_: the rank that it waits for; None: for whoever has not come to what all take part in.

    grace: seconds in which all is in order. `look` is to be called again and again.
    """

    def __init__(self, agents: "Agents", for_: int | None = None, grace: float = 0.0) -> None:
        self._agents, self.for_ = agents, for_
        self._begin = time.monotonic() + grace
        self._next = self._late = late(agents.told)
        self._sent: list[MPI.Request] = []
        self._waiting = {agents.rank}  # those that are known to wait, too

    def is_long(self) -> bool:
        """Whether it has taken so long that to go on at once does not matter."""
        return time.monotonic() > self._begin + _LONG

    def look(self) -> None:
        """Name who is waited for if it is time to, and end the run, all of it, if it was told to long enough ago."""
        seconds = time.monotonic() - self._begin
        if seconds < 0.0 or (seconds < self._next and not self._agents.told.ends_after(seconds)):
            return
        if not self._sent and self._agents.size > 1:
            self._say_to_all()
            self._next = seconds + _ANSWER
            return
        self._hear()
        if can_lose() and not self._agents.losses.at_most and self._agents.comm.Get_failed().size:
            raise ConnectionError("a rank is lost for which others wait")
        missing = sorted({self.for_} if self.for_ is not None else set(range(self._agents.size)) - self._waiting)
        first = self._agents.rank == min(self._waiting)
        self._next = 2.0 * max(seconds, self._late)
        if first:
            say(
                f"{ranks(missing)} not come for {seconds:.0f} s, since {clock(seconds)}: the others wait"
                if self.for_ is None
                else f"rank {self.for_} has not answered for {seconds:.0f} s, since {clock(seconds)}"
            )
        if self._agents.told.ends_after(seconds):
            if first:
                say(f"ended without {ranks(missing, have=False)}; what was kept before can be resumed")
            else:
                time.sleep(2.0)  # the first says it
            self._agents.abort(AGAIN_LATER)

    def _say_to_all(self) -> None:
        word = np.array([self._what(), time.time()])
        others = set(range(self._agents.size)) - {self._agents.rank}
        self._sent = [self._agents.comm.Isend(word, other, _WAITING) for other in others]

    def _what(self) -> int:
        """What it waits for, for ranks that wait for the same to know each other. (In what all take part in, some may
        be one call ahead: they have come, too.)
        """
        return -1 if self.for_ is None else self.for_

    def _hear(self) -> None:
        status, word = MPI.Status(), np.empty(2)
        while message := self._agents.comm.Improbe(MPI.ANY_SOURCE, _WAITING, status):
            message.Recv(word)
            if word[0] == self._what() and time.time() - word[1] < _STALE:
                self._waiting.add(status.Get_source())


def late(told: Told) -> float:
    """After how many seconds a rank is named."""
    return min(LATE, 0.5 * told.patience)


def ranks(numbers: list[int], have: bool = True) -> str:
    """Some ranks, as a sentence begins with them."""
    one = len(numbers) == 1
    return f"rank{'s' * (not one)} {', '.join(map(str, numbers))}" + (" has" if one else " have") * have


def clock(seconds: float) -> str:
    """The time of day so many seconds ago."""
    return time.strftime("%H:%M:%S", time.localtime(time.time() - seconds))
