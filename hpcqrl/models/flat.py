"""Named arrays laid out in one flat vector, the only form in which parameters cross MPI."""

import math
from collections.abc import Mapping
from typing import TYPE_CHECKING, TypeVar

import numpy as np
from numpy.typing import NDArray

if TYPE_CHECKING:  # torch takes a second to import, and most systems do without
    from torch import Tensor

Floats = NDArray[np.floating]
Vector = TypeVar("Vector", NDArray[np.floating], "Tensor")
Shape = tuple[int, ...]


class Layout:
    """Where each named array lies in a flat vector: one after the other, in the order of `shapes`."""

    def __init__(self, shapes: Mapping[str, Shape]) -> None:
        self.shapes = dict(shapes)
        self._places: list[tuple[str, slice, Shape]] = []
        self.size = 0  # of the flat vector
        for name, shape in self.shapes.items():
            end = self.size + math.prod(shape)
            self._places.append((name, slice(self.size, end), shape))
            self.size = end

    def split(self, flat: Vector) -> dict[str, Vector]:
        """The named parts of a flat vector [size], NumPy's or torch's, as views."""
        return {name: flat[place].reshape(shape) for name, place, shape in self._places}

    def join(self, parts: Mapping[str, Floats]) -> Floats:
        """The flat vector of named parts."""
        return np.concatenate([parts[name].reshape(-1) for name in self.shapes])

    def load(self, parts: Mapping[str, Floats]) -> Floats:
        """The same of parts that come from a file; ValueError if one is missing, or has another shape."""
        for name, shape in self.shapes.items():
            found = parts[name].shape if name in parts else "nothing"
            if found != shape:
                raise ValueError(f"the trained parameters should have {name} of shape {shape}, but there is {found}")
        return self.join(parts)


def linear(name: str, inputs: int, outputs: int) -> dict[str, Shape]:
    """The shapes of an affine layer."""
    return {f"{name}.weight": (outputs, inputs), f"{name}.bias": (outputs,)}


def initial_linear(inputs: int, outputs: int, random: np.random.Generator) -> NDArray[np.float64]:
    """A flat affine layer as torch.nn.Linear starts: all uniform within 1 / sqrt(inputs)."""
    return random.uniform(-1.0, 1.0, outputs * inputs + outputs) / math.sqrt(inputs)
