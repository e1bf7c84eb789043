"""A circuit as text."""

import pennylane as qml

from hpcqrl.quantum.trace import Circuit


def draw_one_layer(circuit: Circuit) -> str:
    """The circuit with one layer of its weights, drawn by PennyLane."""
    import numpy as np

    device = qml.device("default.qubit", wires=circuit.qubits)

    def run(angles: np.ndarray, weights: np.ndarray) -> object:
        circuit.function(angles, weights)
        return qml.probs(wires=range(circuit.qubits))

    node = qml.QNode(run, device)
    drawn = qml.draw(node, decimals=None, max_length=118)
    return str(drawn(np.zeros(circuit.n_angles), np.zeros((1, *circuit.weights[1:]))))
