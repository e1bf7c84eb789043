"""What a checkpoint keeps: named arrays of each agent, and how another number of agents shares them out."""

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

State = dict[str, NDArray]


def each_its_own(states: Sequence[State], agents: int, next_episode: int) -> list[State]:
    """The states of so many agents: each has the one of its number, and those that join have none."""
    return [dict(state) for state in states[:agents]] + [{} for _ in range(agents - len(states))]


def unfinished_dealt_out(states: Sequence[State], agents: int, next_episode: int) -> list[State]:
    """The same, with all unfinished episodes dealt out if the number of agents is another: none shall be lost."""
    result = each_its_own(states, agents, next_episode)
    if states and len(states) != agents:
        numbers = np.sort(np.concatenate([state["unfinished"] for state in states]))[::-1]
        for number, state in enumerate(result):
            state["unfinished"] = numbers[number::agents]
    return result


def numbered_anew(states: Sequence[State], agents: int, next_episode: int) -> list[State]:
    """The same, for agents whose episodes have numbers of their own: with others beside them they count from here."""
    result = each_its_own(states, agents, next_episode)
    if states and len(states) != agents and next_episode:
        anew = {"first_number": np.array(next_episode), "episodes": np.array(0)}
        result = [state | anew for state in result]
    return result
