"""Circuits as a user brings them: functions (qubits, layers) -> Circuit; good ones, and such as do not fit."""

from itertools import pairwise

from hpcqrl import Circuit
from hpcqrl.quantum import gates as qml


def ladder(qubits, layers):
    """RY and RZ of two angles a qubit, then layers of a CNOT chain and RX, RZ; weights [layers, n, 2]."""
    import pennylane as qml

    def gates(angles, weights):
        for q in range(qubits):
            qml.RY(angles[q], wires=q)
            qml.RZ(angles[qubits + q], wires=q)
        for layer in weights:
            for q in range(qubits - 1):
                qml.CNOT(wires=(q, q + 1))
            for q in range(qubits):
                qml.RX(layer[q, 0], wires=q)
                qml.RZ(layer[q, 1], wires=q)

    return Circuit(gates, qubits, 2 * qubits, (layers, qubits, 2))


def unentangled(qubits, layers):
    """Angles as ladder's, and one RX a qubit: no qubit knows of another."""

    def gates(angles, weights):
        for q in range(qubits):
            qml.RY(angles[q], wires=q)
            qml.RZ(angles[qubits + q], wires=q)
            qml.RX(weights[q], wires=q)

    return Circuit(gates, qubits, 2 * qubits, (qubits,))


def scaled(qubits, layers):
    """Trainable input scaling: RY((1 + w) x + b) on every qubit, again in each layer; ZZ of neighbours is measured."""

    def gates(angles, weights):
        for layer in weights:
            for q in range(qubits):
                qml.RY((1 + layer[q, 0]) * angles[q] + layer[q, 1], wires=q)
            for q in range(qubits):
                qml.CZ(wires=(q, (q + 1) % qubits))

    words = [f"Z{q} Z{(q + 1) % qubits}" for q in range(qubits)]
    return Circuit(gates, qubits, qubits, (layers, qubits, 2), measured=words)


def three_angles(qubits, layers):
    """Three angles, whatever the qubits; no weights; wires have names; X and Y are measured."""
    names = [f"q{number}" for number in range(qubits)]

    def gates(angles, weights):
        for angle, name in zip(angles, names, strict=False):
            qml.RX(angle, wires=name)
        for first, second in pairwise(names):
            qml.IsingXX(0.7, wires=(first, second))

    return Circuit(gates, qubits, 3, (), wires=names, measured=(f"X{names[0]}", f"Y{names[-1]}"))


def without_angles(qubits, layers):
    """For Dist-QTRL: a layer of RY and CNOTs a layer; weights [layers, n]."""

    def gates(angles, weights):
        for layer in weights:
            for q in range(qubits):
                qml.RY(layer[q], wires=q)
            for q in range(qubits - 1):
                qml.CNOT(wires=(q, q + 1))

    return Circuit(gates, qubits, 0, (layers, qubits))


def without_weights(qubits, layers):
    """For hDQNN: RY of an angle a qubit and layer, CNOTs between."""

    def gates(angles, weights):
        for layer in range(layers):
            for q in range(qubits):
                qml.RY(angles[layer * qubits + q], wires=q)
            for q in range(qubits - 1):
                qml.CNOT(wires=(q, q + 1))

    return Circuit(gates, qubits, qubits * layers, ())


def noisy(qubits, layers):
    """Its noise channel is default.mixed's alone, so a file cannot hold it."""
    import pennylane as qml

    def gates(angles, weights):
        for q in range(qubits):
            qml.RY(angles[q] + weights[0], wires=q)
            qml.DepolarizingChannel(0.1, wires=q)

    return Circuit(gates, qubits, qubits, (1,))


def other_qubits(qubits, layers):
    return ladder(qubits + 1, layers)


def no_qubits(qubits, layers):
    return Circuit(lambda angles, weights: None, 0, 1, ())


def thirty_qubits(qubits, layers):
    return Circuit(lambda angles, weights: None, 30, 1, ())


def wrong_word(qubits, layers):
    return Circuit(lambda angles, weights: None, qubits, 1, (), measured=("Z99",))


def wrong_letter(qubits, layers):
    return Circuit(lambda angles, weights: None, qubits, 1, (), measured=("Q0",))


def no_line(qubits, layers):
    """An absolute value is no polynomial."""
    return Circuit(lambda angles, weights: qml.RX(abs(angles[0]), wires=0), qubits, 1, ())


def no_circuit(qubits, layers):
    return "a circuit"


number = 7
