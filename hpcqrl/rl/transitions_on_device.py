"""Replay of single transitions in the memory of a GPU, where they are learned from."""

from collections.abc import Mapping

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor


class TransitionsOnDevice:
    """What `Transitions` is, with the same random numbers, on a torch device: a transition crosses once, when added.

    sizes: of each part. All of it is one float32 tensor [capacity, sum of sizes], set aside at once.
    """

    def __init__(self, capacity: int, sizes: Mapping[str, int], device: str) -> None:
        self.capacity = capacity
        ends = np.cumsum(list(sizes.values())).tolist()
        self._place = {name: slice(end - sizes[name], end) for name, end in zip(sizes, ends, strict=True)}
        self._rows = torch.empty((capacity, ends[-1]), device=device)
        self.added = 0  # in all, those written over included

    def __len__(self) -> int:
        return min(self.added, self.capacity)

    def add(self, *values: NDArray[np.floating] | float) -> None:
        """Add one transition, a value for each part in their order; in the oldest one's place if there is no other."""
        row = np.empty(self._rows.shape[1], np.float32)
        for place, value in zip(self._place.values(), values, strict=True):
            row[place] = value
        self._rows[self.added % self.capacity].copy_(torch.from_numpy(row))
        self.added += 1

    def sample(self, number: int, random: np.random.Generator) -> dict[str, Tensor]:
        """So many transitions, each drawn from all with the same probability; [number, size] for each part."""
        drawn = torch.from_numpy(random.integers(0, len(self), number)).to(self._rows.device)
        return self._split(self._rows[drawn])

    def sample_again(self, number: int) -> dict[str, NDArray[np.float32]]:
        """The same, but always the same ones until another is added, in NumPy: to look at."""
        again = self.sample(number, np.random.default_rng(self.added))
        return {name: np.ascontiguousarray(part.cpu().numpy()) for name, part in again.items()}

    def state(self) -> dict[str, NDArray]:
        """All it holds, by name, for a checkpoint: as of `Transitions`."""
        held = self._split(self._rows[: len(self)].cpu())
        arrays = {f"replay.{name}": part.contiguous().numpy() for name, part in held.items()}
        return arrays | {"replay.added": np.array(self.added)}

    def restore(self, state: Mapping[str, NDArray]) -> None:
        """Hold what `state`, of this class or of `Transitions`, gave."""
        self.added = int(state["replay.added"])
        for name, part in self._split(self._rows[: len(self)]).items():
            part.copy_(torch.from_numpy(np.ascontiguousarray(state[f"replay.{name}"])))

    def _split(self, rows: Tensor) -> dict[str, Tensor]:
        return {name: rows[:, place] for name, place in self._place.items()}
