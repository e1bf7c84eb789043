"""A circuit of one's own: inputs scaled by trained weights, neighbours measured together.

PYTHONPATH=examples hpcqrl describe qa3c --circuit scaled_circuit:scaled --qubits 4
PYTHONPATH=examples mpiexec -n 2 hpcqrl train qa3c --circuit scaled_circuit:scaled --qubits 4 --out runs/scaled.h5
hpcqrl evaluate runs/scaled.h5      # the circuit is in the file
"""

import pennylane as qml

import hpcqrl


def scaled(qubits, layers):
    """In each layer RY((1 + w) x), a CNOT ring, RZ and RY of weights; weights [layers, n, 3]. Z and ZZ are measured."""

    def gates(angles, weights):
        for layer in weights:
            for q in range(qubits):
                qml.RY(
                    (1.0 + layer[q, 0]) * angles[q], wires=q
                )  # weights start near 0: at first all inputs count alike
            for q in range(qubits):
                qml.CNOT(wires=(q, (q + 1) % qubits))
            for q in range(qubits):
                qml.RZ(layer[q, 1], wires=q)
                qml.RY(layer[q, 2], wires=q)

    alone = [f"Z{q}" for q in range(qubits)]
    neighbours = [f"Z{q} Z{q + 1}" for q in range(qubits - 1)]
    return hpcqrl.Circuit(gates, qubits, n_angles=qubits, weights=(layers, qubits, 3), measured=(*alone, *neighbours))
