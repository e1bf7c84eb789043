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
    for state in states:
        _check_unfinished(state.get("unfinished", _NONE))
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


def check_common(common: State, size: int) -> None:
    """What is common to all, of a model of so many parameters; own systems may keep more, by other names.

    Raises KeyError for a checkpoint without parameters, ValueError for one that no run of this model can have left.
    """
    if common["theta"].size != size:
        raise ValueError(f"it has {common['theta'].size} parameters, this model {size}")
    for name in ("theta", "target", "moments"):
        value = common.get(name, common["theta"])
        if (
            value.dtype.kind != "f"
            or value.ndim == 0
            or value.shape[-1] != size
            or value.ndim > 1 + (name == "moments")
        ):
            raise ValueError(f"{name} is of {value.dtype} {value.shape}, not a number for each of {size} parameters")
    for name in ("version", "target_version", "updates", "episodes", "steps", "first_number", "before_moments"):
        _check_count(name, common.get(name, np.array(0)))
    for name, value in common.items():
        if name.startswith("counter."):
            _check_count(name, value)


def _check_count(name: str, value: NDArray) -> None:
    if value.dtype.kind not in "iu" or value.shape != () or value < 0:
        raise ValueError(f"{name} is {value.dtype} {value.shape}, not a count")


def _check_unfinished(numbers: NDArray) -> None:
    if numbers.dtype.kind != "i" or numbers.ndim != 1 or (numbers < 0).any():
        raise ValueError(f"unfinished episodes are {numbers.dtype} {numbers.shape}, not numbers of episodes")
