"""Replay of single transitions, drawn uniformly."""

from collections.abc import Mapping

import numpy as np
from numpy.typing import NDArray


class Transitions:
    """A ring of the last `capacity` transitions: a preallocated float32 array [capacity, size] for each part."""

    def __init__(self, capacity: int, sizes: Mapping[str, int]) -> None:
        self.capacity = capacity
        self.parts = {name: np.empty((capacity, size), np.float32) for name, size in sizes.items()}
        self.added = 0  # in all, those written over included

    def __len__(self) -> int:
        return min(self.added, self.capacity)

    def add(self, *values: NDArray[np.floating] | float) -> None:
        """Add one transition, a value for each part in their order; in the oldest one's place if there is no other."""
        place = self.added % self.capacity
        for array, value in zip(self.parts.values(), values, strict=True):
            array[place] = value
        self.added += 1

    def sample(self, number: int, random: np.random.Generator) -> dict[str, NDArray[np.float32]]:
        """So many transitions, each drawn from all with the same probability; [number, size] for each part."""
        drawn = random.integers(0, len(self), number)
        return {name: array[drawn] for name, array in self.parts.items()}

    def sample_again(self, number: int) -> dict[str, NDArray[np.float32]]:
        """The same, but always the same ones until another is added: to look at, without a part in any seed."""
        return self.sample(number, np.random.default_rng(self.added))

    def state(self) -> dict[str, NDArray]:
        """All it holds, by name, for a checkpoint."""
        arrays = {f"replay.{name}": array[: len(self)] for name, array in self.parts.items()}
        return arrays | {"replay.added": np.array(self.added)}

    def restore(self, state: Mapping[str, NDArray]) -> None:
        """Hold what `state` gave."""
        self.added = int(state["replay.added"])
        for name, array in self.parts.items():
            array[: len(self)] = state[f"replay.{name}"]
