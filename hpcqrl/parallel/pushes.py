"""What a push is made of: a step of an optimiser on flat vectors, for gradients that are numbers."""

import math
from collections.abc import Callable
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.floating]
State = dict[str, NDArray]

OF_NOW = ("finished", "resting", "left")  # counters of agents at the end, whose QPUs have failed; what lost ones left
_MOST_REFUSED = 10  # in a row


class Optimiser(Protocol):
    """A step on flat vectors that keeps its state in `rows` further vectors."""

    @property
    def rows(self) -> int: ...

    def step(self, theta: Floats, state: Floats, steps: int, gradient: Floats) -> None:
        """Move theta [size] and state [rows, size], in place, after `steps` earlier steps."""


class Parameters(Protocol):
    """Parameters that all agents share: what `share` in root.py gives, wherever they lie and are reached."""

    acts: bool  # whether this rank is an agent
    agents: int  # ranks that are
    refusals: "Refusals"

    def pull(self) -> tuple[Floats, int]:
        """theta, a copy, and its version: how many pushes it has had."""

    def push(self, gradient: Floats) -> tuple[Floats, int]:
        """Have one optimiser step taken down the gradient [size]; the fresh theta, a copy, and its version.

        A gradient with NaN or infinity is refused and counted. Raises ValueError at the tenth in a row.
        """

    def target(self) -> Floats:
        """theta of the target network, as of the last pull or push; not to be written to."""

    def renew_target(self) -> None:
        """Copy theta, as it is now, to the target network."""

    def count(self, name: str, increment: int = 1) -> int:
        """Add to a counter; its value before. An increment of 0 reads it."""

    def finish(self, meanwhile: Callable[[], None], again: Callable[[], None] = ...) -> Floats:
        """Wait for all agents, calling `meanwhile` again and again; the final theta. All ranks must call.

        again: how this agent goes on if one is lost, and episodes are left that it had begun.
        """

    def checkpoint_due(self, wanted: bool) -> bool:
        """Whether this agent wants a checkpoint, or another has asked for one: all meet before their next push."""

    def serve(self) -> bool:
        """Answer one agent, on a root that serves, if one has asked; whether one had."""

    def state(self) -> State:
        """What a checkpoint keeps for all, for rank 0 to call while no agent that is there pushes."""

    def own_state(self) -> State:
        """What a checkpoint keeps for this agent."""

    def close(self) -> None:
        """Give back what it holds. All ranks must call."""


class Refusals:
    """Refuses an agent's gradients that hold NaN or infinity, counts them, and gives up after 10 in a row."""

    total = in_a_row = 0

    def refuse(self, gradient: Floats) -> bool:
        """Whether this one is not to be used. Raises ValueError at the tenth in a row."""
        if math.isfinite(gradient.sum()):  # then all of its numbers are
            self.in_a_row = 0
            return False
        self.total += 1
        self.in_a_row += 1
        if self.in_a_row == _MOST_REFUSED:
            raise ValueError(
                f"{_MOST_REFUSED} gradients in a row held NaN or infinity; none was used: training diverges"
            )
        return True
