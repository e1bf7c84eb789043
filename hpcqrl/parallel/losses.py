"""Agents that are lost while the others go on: what MPI's fault tolerance (ULFM) offers, and what they had begun.

Open MPI has it when started by `mpirun --with-ft ulfm`. An operation with a lost rank is then an error, and all others
go on. Only the root, which serves, has to do with every rank: whatever it asks for next tells it who is lost. All that
the ranks otherwise do together after the start is a barrier, and that is an agreement here, which waits for the living.
"""

# ruff: noqa: N802  (names of MPI's)

from collections import Counter
from typing import Any

import numpy as np
from numpy.typing import NDArray

from hpcqrl.lines import say
from hpcqrl.parallel.mpi import MPI
from hpcqrl.parallel.waiting import ranks

_GONE = (MPI.ERR_PROC_FAILED, MPI.ERR_PROC_FAILED_PENDING)  # what an error with a lost rank is
_ROOT = 0


def is_loss(error: BaseException) -> bool:
    """Whether it says that a rank is lost."""
    return isinstance(error, MPI.Exception) and error.Get_error_class() in _GONE


class Losses:
    """Who is lost, and, on the root, who has which episodes: what a lost agent had begun is another's to play.

    at_most: so many may be lost, and not the root; 0: as ever, whatever ends one ends all.
    """

    def __init__(self, at_most: int = 0) -> None:
        self.at_most, self.lost = at_most, set[int]()
        self._held: dict[int, list[int]] = {}  # by each agent, the numbers of episodes that it has yet to record
        self._left: list[int] = []  # numbers that lost agents held
        self._times: Counter[int] = Counter()  # how often each number was left
        self._given_up: set[int] = set()  # lost agents whose numbers were left
        self._finished, self._resting, self._over = set[int](), set[int](), False

    def note(self, comm: MPI.Comm, error: MPI.Exception) -> None:
        """Take note of who is lost, if that is the error, and may be; raises it, or ConnectionError, if not."""
        if not self.at_most or not is_loss(error):
            raise error
        failed = comm.Get_failed()
        found = set(MPI.Group.Translate_ranks(failed, range(failed.size), comm.Get_group())) - self.lost
        comm.Ack_failed(comm.Get_size())
        self.lost |= found
        if found and (_ROOT in found or len(self.lost) > self.at_most):
            raise ConnectionError(
                f"{ranks(sorted(found))} been lost, and with --lose-at-most {self.at_most} the run ends"
            )
        if found and comm.Get_rank() == _ROOT:
            say(f"{ranks(sorted(found))} been lost; the others go on, and play what was begun there")

    def begin(self, held: list[list[int]]) -> None:
        """Of the root: each rank has these episodes, from a checkpoint."""
        self._held = {rank: numbers for rank, numbers in enumerate(held) if rank != _ROOT}

    def count(self, counters: dict[str, int], name: str, increment: int, rank: int) -> int:
        """Of the root: what `Parameters.count` does for an agent, who may get what a lost one had begun."""
        before = counters[name]
        if name == "episodes" and increment == 1:
            if self._left:
                before = self._left.pop()
            else:
                counters[name] += 1
            self._held[rank].append(before)
        elif name == "finished":
            _put(rank, self._finished, increment)
            if increment == 1:
                self._held[rank].pop()  # a number beyond the last, as it has found
            return self.at_end()
        elif name == "resting":
            _put(rank, self._resting, increment)
            return len(self._resting - self.lost)
        elif name == "left":
            return len(self._left)
        else:
            counters[name] += increment
        return before

    def at_end(self) -> int:
        """Of the root: of how many agents nothing more is to come; once it is all of them, it stays so."""
        done = sum(not self._held[rank] for rank in self._finished - self.lost)
        done += 0 if self._left else len(self._given_up)
        self._over = self._over or done == len(self._held)
        return len(self._held) if self._over else done

    def keep(self, rows: NDArray) -> NDArray:
        """Of the root: those of the rows that count, all of them unless one is lost; then what it held is left.

        Rows of a lost agent count until then, since what comes later may be played by another by now.
        """
        if not self.at_most:
            return rows
        rows = rows[~np.isin(rows["agent"], list(self._given_up))]
        for row in rows:
            if row["episode"] in self._held[int(row["agent"])]:
                self._held[int(row["agent"])].remove(int(row["episode"]))
            row["lost"] = self._times[int(row["episode"])]
        for rank in self.lost - self._given_up:
            self._given_up.add(rank)
            self._times.update(self._held[rank])
            self._left += self._held.get(rank, [])
            self._held[rank] = []
        return rows


def _put(rank: int, those: set[int], increment: int) -> None:
    if increment > 0:
        those.add(rank)
    elif increment < 0:
        those.discard(rank)


class Comm(MPI.Intracomm):
    """A communicator whose ranks may be lost; `losses` takes note."""

    losses: Losses
    _found: MPI.Message | None = None

    @classmethod
    def of(cls, comm: MPI.Intracomm, losses: Losses) -> "Comm":
        """The same communicator, so that ranks may be lost."""
        own = cls(comm)
        own.losses = losses
        return own

    def Dup(self, info: MPI.Info | None = None) -> "Comm":
        return Comm.of(super().Dup(info), self.losses)

    def Improbe(
        self, source: int = MPI.ANY_SOURCE, tag: int = MPI.ANY_TAG, status: MPI.Status | None = None
    ) -> MPI.Message | None:
        """As ever; of a rank that is lost, and of which nothing is there, an error."""
        while True:
            try:
                return super().Improbe(source, tag, status)
            except MPI.Exception as error:
                self.losses.note(self, error)
                if source in self.losses.lost:
                    raise

    def Iprobe(self, source: int = MPI.ANY_SOURCE, tag: int = MPI.ANY_TAG, status: MPI.Status | None = None) -> bool:
        """As ever; what it finds is kept for the next Recv, since a Recv of a lost rank finds nothing."""
        self._found = self.Improbe(source, tag, status)
        return self._found is not None

    def Recv(
        self,
        buf: Any,
        source: int = MPI.ANY_SOURCE,
        tag: int = MPI.ANY_TAG,
        status: MPI.Status | None = None,
    ) -> None:
        assert self._found is not None
        self._found.Recv(buf, status)

    def Isend(self, buf: Any, dest: int, tag: int = 0) -> MPI.Request:
        try:
            return super().Isend(buf, dest, tag)
        except MPI.Exception as error:
            self.losses.note(self, error)
            return MPI.Request(MPI.REQUEST_NULL)

    def Ibarrier(self) -> "_Agreement":  # type: ignore[override]
        return _Agreement(self)

    def Free(self) -> None:
        """Nobody can wait for the lost: MPI's end gives it back."""


class _Agreement:
    """A barrier of those who live."""

    def __init__(self, comm: Comm) -> None:
        self._comm, self._request = comm, comm.Iagree(np.ones(1, np.int32))

    def Test(self) -> bool:
        try:
            return self._request.Test()
        except MPI.Exception as error:  # complete, of those who live
            self._comm.losses.note(self._comm, error)
            return True
