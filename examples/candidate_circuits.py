"""Three circuits as candidates for one place: which of them is used, training finds out.

PYTHONPATH=examples hpcqrl train ppo --out runs/mixed.h5 \
    --circuits candidate_circuits:phases candidate_circuits:unentangled candidate_circuits:entangled
hpcqrl describe runs/mixed.h5      # what each of them is worth; it needs no module: they are in the file
PYTHONPATH=examples hpcqrl train ppo --circuit candidate_circuits:entangled --out runs/entangled.h5     # one alone

Candidates take as many angles and measure as many words: here an angle and a Z on every qubit.
"""

import hpcqrl
from hpcqrl.quantum import gates as qml


def phases(qubits, layers):
    """RZ of the angles, the wrong encoding: phases of |0>, which nothing that is measured feels; then `unentangled`."""

    def gates(angles, weights):
        for q in range(qubits):
            qml.RZ(angles[q], wires=q)
        _rotated(weights)

    return hpcqrl.Circuit(gates, qubits, n_angles=qubits, weights=(layers, qubits, 2))


def unentangled(qubits, layers):
    """RY of the angles, then RX and RZ on every qubit, as Sim et al.'s circuit 1 [arXiv:1905.10876]: no qubit knows of
    another. weights [layers, n, 2].
    """

    def gates(angles, weights):
        for q in range(qubits):
            qml.RY(angles[q], wires=q)
        _rotated(weights)

    return hpcqrl.Circuit(gates, qubits, n_angles=qubits, weights=(layers, qubits, 2))


def entangled(qubits, layers):
    """RY of the angles, then Rot on every qubit and a CNOT ring, as in circuit-centric classifiers [Schuld et al.,
    arXiv:1804.00633]. weights [layers, n, 3].
    """

    def gates(angles, weights):
        for q in range(qubits):
            qml.RY(angles[q], wires=q)
        for layer in weights:
            for q in range(qubits):
                qml.Rot(*layer[q], wires=q)
            for q in range(qubits):
                qml.CNOT(wires=(q, (q + 1) % qubits))

    return hpcqrl.Circuit(gates, qubits, n_angles=qubits, weights=(layers, qubits, 3))


def _rotated(weights):
    for layer in weights:
        for q, (x, z) in enumerate(layer):
            qml.RX(x, wires=q)
            qml.RZ(z, wires=q)
