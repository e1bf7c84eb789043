"""What a push is made of: a step of an optimiser on flat vectors, for gradients that are numbers."""

import math
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.floating]
State = dict[str, NDArray]

_MOST_REFUSED = 10  # in a row


class Optimiser(Protocol):
    """A step on flat vectors that keeps its state in `rows` further vectors."""

    @property
    def rows(self) -> int: ...

    def step(self, theta: Floats, state: Floats, steps: int, gradient: Floats) -> None:
        """Move theta [size] and state [rows, size], in place, after `steps` earlier steps."""


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
