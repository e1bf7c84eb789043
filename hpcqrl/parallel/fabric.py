"""What shared parameters cost on this machine's network."""

import time
from collections.abc import Callable
from typing import NamedTuple

import numpy as np

from hpcqrl.parallel.agents import Agents
from hpcqrl.parallel.pushes import Optimiser
from hpcqrl.parallel.served_parameters import ServedParameters
from hpcqrl.parallel.shared_parameters import SharedParameters

_REPEATS = 300
_ALL_AT_ONCE = 0.5  # seconds


class Fabric(NamedTuple):
    """push and pull: median seconds of one, by the last rank alone; together: pushes a second by all ranks at once;
    served: median seconds of a push by the last rank to a root that only serves (0 on a single rank).
    """

    push: float
    pull: float
    together: float
    served: float


def measure(agents: Agents, size: int, optimiser: Optimiser) -> Fabric:
    """Measure with `size` parameters; the same result on all ranks, and all must call."""
    shared = SharedParameters(agents, np.zeros(size), optimiser)
    gradient = np.ones(size)
    last = agents.rank == agents.size - 1
    found = np.zeros(4)
    if last:
        found[0] = _median_seconds(lambda: shared.push(gradient))
        found[1] = _median_seconds(shared.pull)
    agents.barrier()

    before = shared.pull()[1]
    agents.barrier()
    begin = time.monotonic()
    while time.monotonic() < begin + _ALL_AT_ONCE:
        shared.push(gradient)
    agents.barrier()
    if last:
        found[2] = (shared.pull()[1] - before) / _ALL_AT_ONCE
    shared.close()

    if agents.size > 1:
        with_server = ServedParameters(agents, np.zeros(size), optimiser)
        if last:
            found[3] = _median_seconds(lambda: with_server.push(gradient))
        with_server.finish(lambda: None)
        with_server.close()
    return Fabric(*(agents.mean(found) * agents.size).tolist())


def _median_seconds(call: Callable[[], object]) -> float:
    seconds = []
    for _ in range(_REPEATS):
        begin = time.perf_counter()
        call()
        seconds.append(time.perf_counter() - begin)
    return float(np.median(seconds))
