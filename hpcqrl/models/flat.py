"""Named arrays laid out in one flat vector, the only form in which parameters cross MPI."""

import math
from collections.abc import Mapping

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.floating]
Layout = Mapping[str, tuple[int, ...]]  # name -> shape, in order


def size(layout: Layout) -> int:
    """How many numbers a layout holds."""
    return sum(math.prod(shape) for shape in layout.values())


def split(layout: Layout, flat: Floats) -> dict[str, Floats]:
    """The named parts of a flat array, as views."""
    ends = np.cumsum([math.prod(shape) for shape in layout.values()])[:-1]
    parts = np.split(flat, ends)
    return {name: part.reshape(shape) for (name, shape), part in zip(layout.items(), parts, strict=True)}


def join(layout: Layout, parts: Mapping[str, Floats]) -> Floats:
    """The flat array of named parts, in the layout's order."""
    return np.concatenate([parts[name].reshape(-1) for name in layout])


def linear(name: str, inputs: int, outputs: int) -> dict[str, tuple[int, ...]]:
    """The layout of an affine layer."""
    return {f"{name}.weight": (outputs, inputs), f"{name}.bias": (outputs,)}


def initial_linear(inputs: int, outputs: int, random: np.random.Generator) -> NDArray[np.float64]:
    """A flat affine layer as torch.nn.Linear starts: all uniform within 1 / sqrt(inputs)."""
    return random.uniform(-1.0, 1.0, outputs * inputs + outputs) / math.sqrt(inputs)
