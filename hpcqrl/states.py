"""What a checkpoint keeps: named arrays of each agent, and how another number of agents shares them out."""

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

State = dict[str, NDArray]
Numbers = NDArray[np.integer]

_NONE = np.empty(0, np.int64)


def each_its_own(common: State, states: Sequence[State], agents: int, finished: Numbers) -> list[State]:
    """The states of so many agents: each has the one of its number, and those that join have none."""
    return [dict(state) for state in states[:agents]] + [{} for _ in range(agents - len(states))]


def unfinished_dealt_out(common: State, states: Sequence[State], agents: int, finished: Numbers) -> list[State]:
    """The same, with all unfinished episodes dealt out if the number of agents is another: none shall be lost.

    Nor shall those of an agent that did not come to the checkpoint: its state, if there is one, is older, so what it
    was at then is what has been begun, and neither is `finished` nor another's.
    """
    result = each_its_own(common, states, agents, finished)
    known = [np.setdiff1d(state.get("unfinished", _NONE), finished) for state in states]
    begun = np.arange(int(common["counter.episodes"]))
    lost = np.setdiff1d(begun, np.concatenate([finished, *known]))
    had = sum(state.get("unfinished", _NONE).size for state in states)
    if len(states) != agents or lost.size or sum(map(np.size, known)) < had:
        numbers = np.unique(np.concatenate([lost, *known]))[::-1]
        for number, state in enumerate(result):
            state["unfinished"] = numbers[number::agents]
    return result


def numbered_anew(common: State, states: Sequence[State], agents: int, finished: Numbers) -> list[State]:
    """The same, for agents whose episodes have numbers of their own: with others beside them they count from here."""
    result = each_its_own(common, states, agents, finished)
    if states and len(states) != agents and finished.size:
        anew = {"first_number": np.array(finished.max() + 1), "episodes": np.array(0)}
        result = [state | anew for state in result]
    return result
