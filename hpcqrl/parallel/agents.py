"""The agents of a run: one MPI rank each."""

import os
import time
import traceback
import zlib
from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager, nullcontext

import numpy as np
from numpy.typing import NDArray

from hpcqrl.parallel.errors import TURN, Refused, is_ours
from hpcqrl.parallel.launcher import lonely
from hpcqrl.parallel.losses import Comm, Losses
from hpcqrl.parallel.mpi import MPI, can_lose
from hpcqrl.parallel.waiting import NeverTold, Told, Waiting

Floats = NDArray[np.floating]

_CORES = 4096  # of a node, at most


class Agents:
    """All agents of a run, seen by one of them: its rank, their number (size), and what they do together."""

    def __init__(self, comm: MPI.Intracomm, told: Told | None = None) -> None:
        self.comm, self.told = comm, told or NeverTold()
        self.rank, self.size = comm.Get_rank(), comm.Get_size()
        self.wish = self.wished = False  # what any rank says with its vector in `mean`, all know after it
        self.losses = Losses()  # none
        self.away: AbstractContextManager[None] = nullcontext()  # where this rank's deputy may act: see deputy.py
        self.root_serves = False  # rank 0 is no agent, but holds the shared parameters: see parallel/root.py
        node = comm.Split_type(MPI.COMM_TYPE_SHARED)
        cores = np.zeros(_CORES, np.int64)  # of the node, those that its ranks may use
        cores[[core % _CORES for core in own_cores()]] = 1
        node.Allreduce(MPI.IN_PLACE, cores, MPI.MAX)
        crowded = np.array([node.Get_size() > cores.sum()], np.int64)
        node.Free()
        comm.Allreduce(MPI.IN_PLACE, crowded, MPI.MAX)  # all ranks must wait in the same way
        self._crowded = bool(crowded[0])

    def mean(self, vector: Floats) -> Floats:
        """The mean of all agents' flat vectors, in their precision, by one Allreduce: the same bits on every rank.

        All must call. Where ranks outnumber cores, one that waits does so asleep, and leaves the core to another.
        With the vector travels this rank's `wish`; afterwards `wished` says on all ranks whether anyone's was true.
        """
        sent = np.empty(vector.size + 1, vector.dtype)  # its own type: float32 costs half
        sent[:-1], sent[-1] = vector, self.wish
        result = np.empty_like(sent)
        self._all_come(self.comm.Iallreduce(sent, result), asleep=self._crowded)
        self.wished = bool(result[-1] > 0.0)
        return result[:-1] / self.size

    def any(self, flag: bool) -> bool:
        """Whether it is true on any rank. All must call."""
        found = np.empty(1, np.int64)
        self._all_come(self.comm.Iallreduce(np.array([flag], np.int64), found, MPI.MAX))
        return bool(found[0])

    def abort(self, status: int) -> None:
        """End all ranks at once, whatever they do, with this status."""
        time.sleep(0.5 * TURN)  # an abort may overtake what the launcher has not yet passed on
        self.comm.Abort(status)

    def barrier(self) -> None:
        """Wait until all agents are here. All must call."""
        self._all_come(self.comm.Ibarrier())

    def check_equal(self, vector: Floats, what: str) -> None:
        """RuntimeError on all ranks if the vector is not bit-identical on all of them. All must call."""
        checksum = np.array([zlib.crc32(vector.tobytes())], np.int64)
        extremes = np.concatenate([checksum, -checksum])
        self._all_come(self.comm.Iallreduce(MPI.IN_PLACE, extremes, MPI.MAX), asleep=self._crowded)
        if extremes[0] != -extremes[1]:
            raise RuntimeError(
                f"{what} is no longer the same on all {self.size} ranks (rank {self.rank}: {checksum[0]})"
            )

    @contextmanager
    def together(self) -> Iterator[None]:
        """A block that may fail on some ranks and then ends on all, with Refused: what the first of them said."""
        problem = ""
        try:
            yield
        except Exception as error:
            expected = isinstance(error, ValueError | OSError | ImportError) and is_ours(error)
            problem = str(error) if expected else f"{type(error).__name__}: {error}\n{traceback.format_exc()}"
            problem = problem or type(error).__name__
        found = [(rank, text) for rank, text in enumerate(self.gather_text(problem)) if text]
        if found:
            rank, text = found[0]
            raise Refused(text if rank == 0 else f"rank {rank}: {text}")

    @contextmanager
    def first_on_each_node(self) -> Iterator[bool]:
        """A block that one rank of each node passes before the others; yields whether it is this one. All must call."""
        node = self.comm.Split_type(MPI.COMM_TYPE_SHARED)
        first = node.Get_rank() == 0
        if not first:
            _wait(node.Ibarrier())
        try:
            yield first
        finally:
            if first:
                node.Ibarrier().Wait()
            node.Free()

    def tell(self, text: str) -> str:
        """Rank 0's text, on all ranks. All must call."""
        size = np.array([len(text.encode())], np.int64)
        self._all_come(self.comm.Ibcast(size, 0))
        data = np.zeros(size[0], np.uint8)
        if self.rank == 0:
            data[:] = np.frombuffer(text.encode(), np.uint8)
        self._all_come(self.comm.Ibcast([data, MPI.BYTE], 0))
        return data.tobytes().decode()

    def gather_text(self, text: str) -> list[str]:
        """Every rank's text, in order of rank, on all ranks. All must call."""
        data = np.frombuffer(text.encode(), np.uint8)
        sizes = np.empty(self.size, np.int64)
        self._all_come(self.comm.Iallgather(np.array([data.size], np.int64), sizes))
        together = np.empty(int(sizes.sum()), np.uint8)
        starts = np.concatenate([[0], np.cumsum(sizes)[:-1]])
        self._all_come(self.comm.Iallgatherv(data, [together, sizes, starts, MPI.BYTE]))
        return [together[a : a + n].tobytes().decode() for a, n in zip(starts, sizes, strict=True)]

    def wait(self, request: MPI.Request, for_: int, grace: float = 0.0) -> None:
        """Until it is done, for which that rank is needed; see Waiting for what happens if it never is."""
        waiting = None
        while not request.Test():
            waiting = waiting or Waiting(self, for_=for_, grace=grace)
            waiting.look()
            with self.away:
                time.sleep(0.0002)

    def _all_come(self, request: MPI.Request, asleep: bool = True) -> None:
        """Until it is done, for which all are needed; asleep: without taking the processor from who is waited for."""
        waiting = None
        while not request.Test():
            waiting = waiting or Waiting(self)
            waiting.look()
            if asleep or waiting.is_long():
                with self.away:
                    time.sleep(0.0002)


def own_cores() -> list[int]:
    """The numbers of the cores that this process may use."""
    return sorted(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else list(range(os.cpu_count() or 1))


def _wait(request: MPI.Request) -> None:
    """Wait without taking the processor from who is waited for."""
    while not request.Test():
        time.sleep(0.0002)


def library() -> str:
    """The MPI library and its version, in one line."""
    return " ".join(MPI.Get_library_version().splitlines()[0].rstrip("\0").split())


def start(told: Told | None = None, lose_at_most: int = 0) -> Agents:
    """All ranks of this job. told: whether it was told to end, and its patience with ranks that do not come then.

    lose_at_most: the run goes on without so many ranks, if they are lost; 0: whatever ends one ends all.
    Raises Refused if the launcher and the MPI library do not belong together, or cannot go on without a rank.
    """
    agents = Agents(MPI.COMM_WORLD, told)
    reason = lonely(agents.size, library())
    if reason:
        raise Refused(reason)
    if lose_at_most:
        if not 0 < lose_at_most < agents.size - 1:
            most = max(agents.size - 2, 0)
            raise Refused(
                f"--lose-at-most must lie in 0..{most}, for an agent and the root to stay, not {lose_at_most}"
            )
        if not can_lose():
            raise Refused(
                "--lose-at-most: this MPI ends when a rank is lost; Open MPI's `mpirun --with-ft ulfm` does not"
            )
        agents.losses = Losses(lose_at_most)
        agents.comm = Comm.of(agents.comm, agents.losses)
    return agents
