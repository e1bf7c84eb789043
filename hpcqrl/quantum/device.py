"""What an agent holds: a circuit on a quantum processing unit, NumPy in and NumPy out, with its gradients.

`x_vjp` returns the value of `x` and a function that turns a cotangent of it into gradients in angles and weights.
"""

from collections.abc import Callable
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from hpcqrl.quantum.circuit import Circuit
from hpcqrl.quantum.cost import Cost

Floats = NDArray[np.floating]
Pullback = Callable[[Floats], tuple[Floats, Floats]]


class Device(Protocol):
    """A circuit somewhere to run. angles [samples, n_angles] and weights (circuit.weights) in radians."""

    circuit: Circuit
    cost: Cost  # what it has been asked for so far
    random: np.random.Generator | None  # of its measurements, where this process draws them

    def expval(self, angles: Floats, weights: Floats) -> Floats:
        """Expectation values of the words that the circuit measures, [samples, words]."""

    def probs(self, angles: Floats, weights: Floats, first: int | None = None) -> Floats:
        """Probabilities of the `first` basis states (all of them), qubit 0 most significant, [samples, first]."""

    def sample(self, angles: Floats, weights: Floats, shots: int) -> NDArray[np.uint8]:
        """Measured bits [samples, shots, qubits]: one measurement of all qubits a shot."""

    def expval_vjp(self, angles: Floats, weights: Floats) -> tuple[Floats, Pullback]:
        """`expval` and its pullback."""

    def probs_vjp(self, angles: Floats, weights: Floats, first: int | None = None) -> tuple[Floats, Pullback]:
        """`probs` and its pullback."""
