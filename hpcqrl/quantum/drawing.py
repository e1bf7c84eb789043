"""A circuit as text."""

from collections.abc import Callable
from typing import Any, Literal

import numpy as np
import pennylane as qml

from hpcqrl.quantum.circuit import Circuit, CircuitError
from hpcqrl.quantum.mixture import Mixture
from hpcqrl.quantum.pennylane_device import pennylane_words

What = Literal["values", "probabilities", "bits"]
_LONGEST = 24  # lines


def draw(circuit: Circuit | Mixture, what: What = "values") -> str:
    """The circuit, or one layer of its weights where all are long, drawn by PennyLane under a line that says its size.

    what: is measured: the expectation values of the circuit's words, probabilities, or bits.
    """
    if isinstance(circuit, Mixture):
        each = zip(circuit.names, circuit.circuits, strict=True)
        return "\n\n".join(f"{name}, {draw(one, what)}" for name, one in each)
    device = qml.device("default.qubit", wires=circuit.wires)
    measurements: dict[str, Callable[[], Any]] = {
        "values": lambda: [qml.expval(word) for word in pennylane_words(circuit)],
        "probabilities": lambda: qml.probs(wires=circuit.wires),
        "bits": lambda: qml.sample(wires=circuit.wires),
    }
    if what not in measurements:
        raise ValueError(f"what is measured is one of {', '.join(measurements)}, not {what!r}")

    def run(angles: np.ndarray, weights: np.ndarray) -> object:
        circuit.apply(angles, weights)
        return measurements[what]()

    drawn = qml.draw(qml.QNode(run, device), decimals=None, max_length=118)
    size, weights = f"circuit: {circuit.qubits} qubits, {circuit.n_angles} angles", np.zeros(circuit.weights or 0)
    angles = np.zeros(circuit.n_angles)
    if circuit.weights:
        size = f"{size}, {circuit.weights} weights"
    whole = drawn(angles, weights)
    if circuit.weights and len(whole.splitlines()) > _LONGEST:
        try:
            return f"{size}; the first of {circuit.weights[0]} layers:\n{drawn(angles, weights[:1])}"
        except CircuitError:
            pass  # the first axis of its weights is not that of layers
    return f"{size}:\n{whole}"
