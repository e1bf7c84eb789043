"""Named arrays on their way between the root and the other ranks, as at a checkpoint."""

from collections.abc import Mapping, Sequence
from io import BytesIO

import numpy as np
from numpy.typing import NDArray

from hpcqrl.parallel.agents import Agents
from hpcqrl.parallel.mpi import MPI

State = dict[str, NDArray]

_TAG = 7003
_PIECE = 1 << 30  # bytes of one message: Open MPI 5 takes less than 2 GiB, and a replay memory may be larger


def gather(agents: Agents, arrays: Mapping[str, NDArray]) -> list[State] | None:
    """Every rank's arrays, in order of rank, on rank 0; None elsewhere. All must call."""
    if agents.rank > 0:
        send(agents, 0, arrays)
        return None
    return [dict(arrays), *(receive(agents, rank) for rank in range(1, agents.size))]


def scatter(agents: Agents, states: Sequence[Mapping[str, NDArray]] | None) -> State:
    """Each rank's own of the arrays that rank 0 has for all. All must call."""
    if agents.rank > 0:
        return receive(agents, 0)
    assert states is not None and len(states) == agents.size
    for rank in range(1, agents.size):
        send(agents, rank, states[rank])
    return dict(states[0])


def send(agents: Agents, to: int, arrays: Mapping[str, NDArray]) -> None:
    """Send named arrays to a rank, which must `receive` them."""
    data = _packed(arrays)
    agents.wait(agents.comm.Isend(np.array([data.size], np.int64), to, _TAG), for_=to)
    for start in range(0, data.size, _PIECE):
        agents.wait(agents.comm.Isend([data[start : start + _PIECE], MPI.BYTE], to, _TAG), for_=to)


def receive(agents: Agents, source: int) -> State:
    """The named arrays that a rank sends."""
    size = np.empty(1, np.int64)
    agents.wait(agents.comm.Irecv(size, source, _TAG), for_=source)
    data = np.empty(size[0], np.uint8)
    for start in range(0, data.size, _PIECE):
        agents.wait(agents.comm.Irecv([data[start : start + _PIECE], MPI.BYTE], source, _TAG), for_=source)
    file = BytesIO(data)  # type: ignore[arg-type]
    del data
    with np.load(file, allow_pickle=False) as archive:
        return dict(archive)


def _packed(arrays: Mapping[str, NDArray]) -> NDArray[np.uint8]:
    file = BytesIO()
    np.savez(file, allow_pickle=False, **arrays)
    return np.frombuffer(file.getbuffer(), np.uint8)
