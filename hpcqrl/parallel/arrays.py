"""Named arrays on their way between the root and the other ranks, as at a checkpoint."""

from collections.abc import Mapping, Sequence
from io import BytesIO

import numpy as np
from mpi4py import MPI
from numpy.typing import NDArray

from hpcqrl.parallel.agents import Agents

State = dict[str, NDArray]

_TAG = 7003


def gather(agents: Agents, arrays: Mapping[str, NDArray]) -> list[State] | None:
    """Every rank's arrays, in order of rank, on rank 0; None elsewhere. All must call."""
    if agents.rank > 0:
        agents.comm.Send([_packed(arrays), MPI.BYTE], 0, _TAG)
        return None
    return [dict(arrays), *(_receive(agents, rank) for rank in range(1, agents.size))]


def scatter(agents: Agents, states: Sequence[Mapping[str, NDArray]] | None) -> State:
    """Each rank's own of the arrays that rank 0 has for all. All must call."""
    if agents.rank > 0:
        return _receive(agents, 0)
    assert states is not None and len(states) == agents.size
    for rank in range(1, agents.size):
        agents.comm.Send([_packed(states[rank]), MPI.BYTE], rank, _TAG)
    return dict(states[0])


def _receive(agents: Agents, source: int) -> State:
    status = MPI.Status()
    agents.comm.Probe(source, _TAG, status)
    data = np.empty(status.Get_count(MPI.BYTE), np.uint8)
    agents.comm.Recv([data, MPI.BYTE], source, _TAG)
    with np.load(BytesIO(data.tobytes()), allow_pickle=False) as archive:
        return dict(archive)


def _packed(arrays: Mapping[str, NDArray]) -> NDArray[np.uint8]:
    file = BytesIO()
    np.savez(file, allow_pickle=False, **arrays)
    return np.frombuffer(file.getbuffer(), np.uint8)
