"""What the root rank does besides holding the shared parameters: act as the others do, or only serve them."""

import time
from typing import Literal

import numpy as np
from mpi4py import MPI
from numpy.typing import NDArray

from hpcqrl.parallel.agents import Agents, Refused
from hpcqrl.parallel.served_parameters import ServedParameters
from hpcqrl.parallel.shared_parameters import Optimiser, SharedParameters

Floats = NDArray[np.floating]

_AWAY = (0.05, 0.3)  # seconds the root stays outside MPI in the probe; the second confirms what the first found


def root_serves(agents: Agents, wanted: Literal["act", "serve", "auto"]) -> bool:
    """Whether rank 0 is only to serve; "auto" probes whether one-sided operations go on while it computes.

    The same on all ranks, and all must call. Raises Refused if a single rank should serve: nobody would act.
    """
    if wanted == "serve" and agents.size == 1:
        raise Refused("--root serve needs at least 2 ranks: the root would have nobody to serve")
    if wanted != "auto" or agents.size == 1:
        return wanted == "serve"
    return all(_waits_for_root(agents, away) for away in _AWAY)


def share(
    agents: Agents,
    theta: Floats,
    optimiser: Optimiser,
    counters: tuple[str, ...],
    push: Literal["mutex", "accumulate"],
) -> SharedParameters | ServedParameters:
    """Shared parameters for a root that acts, or, if agents.root_serves, for one that serves. All ranks must call."""
    if agents.root_serves:
        return ServedParameters(agents, theta, optimiser, counters)
    return SharedParameters(agents, theta, optimiser, counters, push)


def _waits_for_root(agents: Agents, away: float) -> bool:
    """Whether, on any rank, one-sided operations do not come back before the root calls MPI again."""
    window = MPI.Win.Allocate(8 if agents.rank == 0 else 0, 1, comm=agents.comm)
    window.Lock_all(MPI.MODE_NOCHECK)
    agents.barrier()
    longest = 0.0
    if agents.rank == 0:
        time.sleep(away)
    else:
        before = np.empty(1, np.int64)
        end = time.monotonic() + 0.5 * away
        while (begin := time.monotonic()) < end:
            window.Fetch_and_op([np.ones(1, np.int64), MPI.INT64_T], [before, MPI.INT64_T], 0, 0, MPI.SUM)
            window.Flush(0)
            longest = max(longest, time.monotonic() - begin)
            time.sleep(0.001)
    agents.barrier()
    window.Unlock_all()
    window.Free()
    found = np.array([longest > 0.4 * away], np.int64)
    agents.comm.Allreduce(MPI.IN_PLACE, found, MPI.MAX)
    return bool(found[0])
