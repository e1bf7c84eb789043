"""A circuit as text."""

import numpy as np
import pennylane as qml

from hpcqrl.quantum.trace import Circuit


def draw(circuit: Circuit) -> str:
    """The circuit, with one layer of its weights if it has any, drawn by PennyLane under a line that says its size."""
    device = qml.device("default.qubit", wires=circuit.wires)

    def run(angles: np.ndarray, weights: np.ndarray) -> object:
        circuit.function(angles, weights)
        return qml.probs(wires=circuit.wires)

    drawn = qml.draw(qml.QNode(run, device), decimals=None, max_length=118)
    size, weights = f"circuit: {circuit.qubits} qubits, {circuit.n_angles} angles", np.zeros(0)
    angles = np.zeros(circuit.n_angles)
    if circuit.weights:
        size, weights = f"{size}, {circuit.weights} weights", np.zeros(circuit.weights)
        try:
            one_layer = drawn(angles, weights[:1])
            return f"{size}; the first of {circuit.weights[0]} layers:\n{one_layer}"
        except IndexError:
            pass  # the first axis of its weights is not that of layers
    return f"{size}:\n{drawn(angles, weights)}"
