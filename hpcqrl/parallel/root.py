"""What the root rank does besides holding the shared parameters: act as the others do, or only serve them."""

import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from hpcqrl.parallel.agents import Agents, Interrupted, Refused
from hpcqrl.parallel.pushes import Optimiser
from hpcqrl.parallel.served_parameters import ServedParameters
from hpcqrl.parallel.shared_parameters import SharedParameters
from hpcqrl.parallel.window import WORD, Window

Floats = NDArray[np.floating]

_AWAY = (0.05, 0.3)  # seconds the root stays outside MPI in the probe; the second confirms what the first found
_SOME = 5  # operations that come back meanwhile show that they need no root; else the first waits for it


def root_serves(agents: Agents, wanted: Literal["act", "serve", "auto"]) -> bool:
    """Whether rank 0 is only to serve; "auto" probes whether one-sided operations go on while it computes.

    The same on all ranks, and all must call. Raises Refused if a single rank should serve: nobody would act.
    """
    if wanted == "serve" and agents.size == 1:
        raise Refused("--root serve needs at least 2 ranks: the root would have nobody to serve")
    if wanted != "auto" or agents.size == 1:
        return wanted == "serve"
    return all(_waits_for_root(agents, away) for away in _AWAY)


@contextmanager
def share(
    agents: Agents,
    theta: Floats,
    optimiser: Optimiser,
    counters: tuple[str, ...],
    push: Literal["mutex", "accumulate"],
    saved: Mapping[str, NDArray] | None = None,
) -> Iterator[SharedParameters | ServedParameters]:
    """Shared parameters for a root that acts, or, if agents.root_serves, for one that serves. All ranks must enter.

    They are closed at the end, also of a run that was interrupted.
    """
    shared: SharedParameters | ServedParameters
    if agents.root_serves:
        shared = ServedParameters(agents, theta, optimiser, counters, saved)
    else:
        shared = SharedParameters(agents, theta, optimiser, counters, push, saved)
    try:
        yield shared
    except Interrupted:
        shared.close()
        raise
    shared.close()


def _waits_for_root(agents: Agents, away: float) -> bool:
    """Whether, on any rank, one-sided operations do not come back before the root calls MPI again."""
    window = Window(agents, 2 * WORD)
    came_back = 0  # counted, not timed: a busy machine may hold any single one up
    if agents.rank == 0:
        time.sleep(away)
        came_back = _SOME
    else:
        end = time.monotonic() + 0.5 * away
        while time.monotonic() < end and came_back < _SOME:
            window.add(WORD, 1)
            came_back += 1
            time.sleep(0.001)
    window.close()
    return agents.any(came_back < _SOME)
