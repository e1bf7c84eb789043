"""A circuit: a quantum function, the shapes that it takes, and what is measured."""

import math
import os
import traceback
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cached_property
from math import pi
from typing import Any

import numpy as np

from hpcqrl.quantum import gates
from hpcqrl.quantum.words import Word, parse


class CircuitError(ValueError):
    """A circuit's function has failed."""


@dataclass(frozen=True)
class Circuit:
    """A circuit as data: a PennyLane quantum function of (angles, weights), and the shapes that it takes.

    function: applies gates to the wires; `angles` [n_angles] change with every sample, `weights` [*weights] are trained
        and shared by a batch. Each gate parameter is a polynomial of degree 2, at most, in a few of them:
        `angle`, `weight * angle + weight`, `(pi - angle) * (pi - angle)`.
    wires: the wires' labels in the order of the qubits; None: 0..qubits-1.
    measured: the Pauli words whose expectation values are the circuit's results, such as ("Z0", "X1", "Z0 Z1"): letters
        before wires' labels; None: Z on every qubit.
    """

    function: Callable[[Any, Any], None]
    qubits: int
    n_angles: int
    weights: tuple[int, ...] = ()
    wires: Sequence[Any] = None  # type: ignore[assignment]  # until __post_init__
    measured: Sequence[str] = None  # type: ignore[assignment]

    def __post_init__(self) -> None:
        if not callable(self.function):
            raise ValueError(f"a circuit's function applies gates, given (angles, weights); {self.function!r} does not")
        if not is_count(self.qubits) or not 1 <= self.qubits <= 28:
            raise ValueError(f"a circuit has 1 to 28 qubits, not {self.qubits!r}")
        if not isinstance(self.weights, Sequence) or not all(map(is_count, (self.n_angles, *self.weights))):
            raise ValueError(
                f"n_angles is a whole number, and weights a shape, such as (2, 4, 3), or () for none; "
                f"not {self.n_angles!r} and {self.weights!r}"
            )
        if self.n_angles < 0 or any(size < 1 for size in self.weights):
            raise ValueError(f"angles must be >= 0 and weights' sizes >= 1, not {self.n_angles} and {self.weights}")
        wires = tuple(range(self.qubits) if self.wires is None else self.wires)
        if len(wires) != self.qubits or len(set(map(str, wires))) != self.qubits:
            raise ValueError(f"wires are {self.qubits} labels, one a qubit and each another, not {wires}")
        if isinstance(self.measured, str) or (self.measured is not None and not self.measured):
            raise ValueError(f"measured are one or more words, such as ('Z0', 'Z0 X1'), not {self.measured!r}")
        object.__setattr__(self, "wires", wires)
        words = (f"Z{wire}" for wire in wires) if self.measured is None else self.measured
        object.__setattr__(self, "measured", tuple(words))
        assert self.words  # those that are none are found at once

    def apply(self, angles: Any, weights: Any) -> None:
        """Call the function. Its own mistakes become a ValueError of one line that names their place."""
        try:
            self.function(angles, weights)
        except CircuitError:
            raise
        except Exception as error:  # whatever a user's function may do wrong
            reason = " ".join(f"{type(error).__name__}: {error}".split())
            shapes = f"{self.n_angles} angles and weights {self.weights}"
            torch = type(angles).__module__ == "torch"
            raise CircuitError(
                f"the circuit fails at {place(error)}, given {shapes}: {reason}"
                + "; PennyLane's devices give it torch tensors, of which qml.math has functions" * torch
            ) from error

    @cached_property
    def words(self) -> tuple[Word, ...]:
        """What is measured, as qubits and their letters."""
        return tuple(parse(word, self.wires) for word in self.measured)

    def turned(self, letters: dict[int, str]) -> "Circuit":
        """The circuit after which Z on each qubit is what X, Y or Z, its letter, was before."""
        turns = {"X": (gates.RY, -pi / 2), "Y": (gates.RX, pi / 2)}

        def function(angles: Any, weights: Any) -> None:
            self.apply(angles, weights)
            for qubit, letter in letters.items():
                if letter != "Z":
                    turn, angle = turns[letter]
                    turn(angle, wires=self.wires[qubit])

        return (
            self
            if set(letters.values()) == {"Z"}
            else Circuit(function, self.qubits, self.n_angles, self.weights, self.wires)
        )

    @property
    def measures_every_qubit(self) -> bool:
        """Whether what is measured is just Z on every qubit, in their order: each qubit's bit."""
        return self.measured == tuple(f"Z{wire}" for wire in self.wires)

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


def is_count(value: object) -> bool:
    """Whether it is a whole number, Python's or NumPy's."""
    return isinstance(value, int | np.integer) and not isinstance(value, bool)


def place(error: Exception) -> str:
    """Where in the user's own code it was raised: file and line, the innermost outside of libraries."""
    frames = traceback.extract_tb(error.__traceback__)[1:]
    libraries = f"{os.sep}site-packages{os.sep}", os.path.dirname(os.path.dirname(os.path.abspath(__file__))) + os.sep
    own = [frame for frame in frames if not frame.filename.startswith("<")]
    own = [frame for frame in own if not any(folder in frame.filename for folder in libraries)] or frames
    return f"{os.path.basename(own[-1].filename)}:{own[-1].lineno}" if own else "its call"
