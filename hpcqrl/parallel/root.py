"""What the root rank does besides holding the shared parameters: act as the others do, or only serve them."""

import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from hpcqrl.lines import say
from hpcqrl.parallel.agents import Agents
from hpcqrl.parallel.errors import Interrupted, Refused
from hpcqrl.parallel.pushes import Optimiser, Parameters
from hpcqrl.parallel.served_parameters import ServedParameters
from hpcqrl.parallel.shared_parameters import SharedParameters
from hpcqrl.parallel.window import WORD, Window

Floats = NDArray[np.floating]

_AWAY = (0.05, 0.3)  # seconds the root stays outside MPI in the probe; the second confirms what the first found
_HERE, _GONE, _BACK = range(3)  # the root, as it says itself


def root_serves(agents: Agents, wanted: Literal["act", "serve", "auto"]) -> bool:
    """Whether rank 0 is only to serve; "auto" probes whether one-sided operations go on while it computes.

    It does where agents may be lost: a mutex in a window would be lost with its holder.
    The same on all ranks, and all must call. Raises Refused if a single rank should serve: nobody would act.
    """
    if agents.losses.at_most:
        return True
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
) -> Iterator[Parameters]:
    """Shared parameters for a root that acts, or, if agents.root_serves, for one that serves. All ranks must enter.

    They are closed at the end, also of a run that was interrupted, and after an error if there is but one rank: then
    nobody else need take part, and the process may go on.
    """
    shared: Parameters
    if agents.root_serves:
        if push == "accumulate" and agents.rank == 0:
            say("it takes all steps itself, with one optimiser: --push accumulate has no effect")
        shared = ServedParameters(agents, theta, optimiser, counters, saved)
    else:
        shared = SharedParameters(agents, theta, optimiser, counters, push, saved)
    try:
        yield shared
    except BaseException as error:
        if isinstance(error, Interrupted) or agents.size == 1:
            shared.close()
        raise
    shared.close()


def _waits_for_root(agents: Agents, away: float) -> bool:
    """Whether some rank finds nothing of its one-sided operations done while the root makes no MPI call.

    The root itself writes into the window that it goes, and that it is back; an operation reads when it was done.
    """
    window = Window(agents, 2 * WORD)
    found = np.full(1, _HERE)
    if agents.rank == 0:
        window.write_own(WORD, _GONE)
        time.sleep(away)
        window.write_own(WORD, _BACK)
    else:
        window.get_each(found, WORD)
        while found[0] == _HERE:
            time.sleep(0.001)
            window.get_each(found, WORD)
    window.close()
    return agents.any(bool(found[0] == _BACK))
