"""A circuit: a quantum function, and the shapes that it takes."""

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np


@dataclass(frozen=True)
class Circuit:
    """A circuit as data: a PennyLane quantum function of (angles, weights), and the shapes that it takes.

    function: applies gates to the wires; `angles` [n_angles] change with every sample, `weights` [*weights] are trained
        and shared by a batch. Each gate parameter is a polynomial of degree 2, at most, in a few of them:
        `angle`, `weight * angle + weight`, `(pi - angle) * (pi - angle)`.
    wires: the wires' labels in the order of the qubits; None: 0..qubits-1.
    """

    function: Callable[[Any, Any], None]
    qubits: int
    n_angles: int
    weights: tuple[int, ...]
    wires: Sequence[Any] = None  # type: ignore[assignment]  # until __post_init__

    def __post_init__(self) -> None:
        if not 1 <= self.qubits <= 28:
            raise ValueError(f"a circuit has 1 to 28 qubits, not {self.qubits}")
        if self.n_angles < 0 or any(size < 1 for size in self.weights):
            raise ValueError(f"angles must be >= 0 and weights' sizes >= 1, not {self.n_angles} and {self.weights}")
        wires = tuple(range(self.qubits) if self.wires is None else self.wires)
        if len(wires) != self.qubits or len(set(map(str, wires))) != self.qubits:
            raise ValueError(f"wires are {self.qubits} labels, one a qubit and each another, not {wires}")
        object.__setattr__(self, "wires", wires)

    @property
    def labels(self) -> str:
        """The wires, as a message names them."""
        plain = self.wires == tuple(range(self.qubits))
        return f"0 to {self.qubits - 1}" if plain else ", ".join(map(repr, self.wires))

    @property
    def n_weights(self) -> int:
        return math.prod(self.weights) if self.weights else 0

    def check(self, angles: np.ndarray, weights: np.ndarray) -> None:
        """ValueError unless angles are [samples, n_angles] and weights [*weights]."""
        if angles.shape[1:] != (self.n_angles,) or weights.shape != (self.weights or (0,)):
            raise ValueError(
                f"the circuit takes angles [samples, {self.n_angles}] and weights {self.weights or (0,)}, "
                f"not {angles.shape} and {weights.shape}"
            )

    def states(self, first: int | None) -> int:
        """How many basis states the `first` are; all if None. ValueError if there are not so many."""
        if first is not None and not 1 <= first <= 1 << self.qubits:
            raise ValueError(f"{first} results are asked for, but the circuit has {1 << self.qubits}")
        return first or 1 << self.qubits
