"""One rank's copy of what all share: the same on its way through a window and in messages."""

from collections.abc import Mapping

import numpy as np
from numpy.typing import NDArray

from hpcqrl.parallel.pushes import Floats, Optimiser, State

HEAD = 3  # words of the block before theta
VERSION, TARGET_VERSION, CHECKPOINTS = range(HEAD)


class Replica:
    """One block: its head, theta [size], and the optimiser's state [rows, size]; beside it the target network's theta.

    The head is what every push and pull brings along: how many pushes theta has had, how often the target was renewed,
    and how many checkpoints have been asked for.
    """

    def __init__(self, theta: Floats, rows: int) -> None:
        self.block = np.zeros(HEAD + (1 + rows) * theta.size)
        self.head = self.block[:HEAD].view(np.int64)
        self.brought = self.block[: HEAD + theta.size]  # what a pull brings: head and theta
        self.theta = self.block[HEAD : HEAD + theta.size]
        self.moments = self.block[HEAD + theta.size :].reshape(rows, theta.size)
        self.theta[:] = theta
        self.target, self._target_version = theta.copy(), 0
        self.before_moments = 0  # pushes that the moments know nothing of
        self.checkpoints = 0  # that this rank has taken part in

    def fresh(self) -> tuple[Floats, int]:
        """theta, a copy, and its version."""
        return self.theta.copy(), int(self.head[VERSION])

    def step(self, optimiser: Optimiser, gradient: Floats) -> None:
        """Take one step down the gradient [size] with the moments that are here."""
        optimiser.step(self.theta, self.moments, int(self.head[VERSION]) - self.before_moments, gradient)
        self.head[VERSION] += 1

    def target_is_old(self) -> bool:
        """Whether the target network has been renewed since this copy of it."""
        return bool(self._target_version < self.head[TARGET_VERSION])

    def keep_target(self, theta: Floats) -> None:
        """This is the target network's theta now."""
        self.target, self._target_version = theta, int(self.head[TARGET_VERSION])

    def checkpoint_due(self) -> bool:
        """Whether a checkpoint has been asked for that this rank has not taken part in; it now does."""
        due = bool(self.head[CHECKPOINTS] > self.checkpoints)
        self.checkpoints += due
        return due

    def state(self, counters: Mapping[str, int]) -> State:
        """What a checkpoint keeps for all."""
        numbers = {"version": self.head[VERSION], "target_version": self.head[TARGET_VERSION]}
        numbers |= {"before_moments": self.before_moments}
        numbers |= {f"counter.{name}": value for name, value in counters.items()}
        arrays = {"theta": self.theta.copy(), "moments": self.moments.copy(), "target": self.target.copy()}
        return arrays | {name: np.array(value, np.int64) for name, value in numbers.items()}

    def restore(self, saved: Mapping[str, NDArray]) -> bool:
        """Go on from what `state` gave; whether the moments could be kept: others may have kept them elsewhere."""
        self.theta[:] = saved["theta"]
        self.head[VERSION], self.head[TARGET_VERSION] = saved["version"], saved["target_version"]
        self.keep_target(saved["target"].copy())
        kept = saved["moments"].shape == self.moments.shape
        if kept:
            self.moments[:] = saved["moments"]
            self.before_moments = int(saved.get("before_moments", 0))
        return kept
