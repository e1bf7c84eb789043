"""Named arrays laid out in one flat vector, the only form in which parameters cross MPI."""

import math
from collections.abc import Mapping

import numpy as np
from numpy.typing import NDArray
from torch import Tensor

Layout = Mapping[str, tuple[int, ...]]  # name -> shape, in order


def size(layout: Layout) -> int:
    """How many numbers a layout holds."""
    return sum(math.prod(shape) for shape in layout.values())


def split(layout: Layout, flat: Tensor) -> dict[str, Tensor]:
    """The named parts of a flat tensor, as views."""
    parts = flat.split([math.prod(shape) for shape in layout.values()])
    return {name: part.view(shape) for (name, shape), part in zip(layout.items(), parts, strict=True)}


def split_array(layout: Layout, flat: NDArray[np.floating]) -> dict[str, NDArray[np.floating]]:
    """The named parts of a flat array, as views."""
    ends = np.cumsum([math.prod(shape) for shape in layout.values()])[:-1]
    parts = np.split(flat, ends)
    return {name: part.reshape(shape) for (name, shape), part in zip(layout.items(), parts, strict=True)}


def linear(name: str, inputs: int, outputs: int) -> dict[str, tuple[int, ...]]:
    """The layout of an affine layer."""
    return {f"{name}.weight": (outputs, inputs), f"{name}.bias": (outputs,)}


def initial_linear(inputs: int, outputs: int, random: np.random.Generator) -> NDArray[np.float64]:
    """A flat affine layer as torch.nn.Linear starts: all uniform within 1 / sqrt(inputs)."""
    return random.uniform(-1.0, 1.0, outputs * inputs + outputs) / math.sqrt(inputs)
