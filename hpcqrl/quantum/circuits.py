"""The papers' circuits."""

from functools import partial
from typing import Any

from hpcqrl.quantum import gates as qml
from hpcqrl.quantum.circuit import Circuit


def quantum_train(qubits: int, layers: int) -> Circuit:
    """Dist-QTRL's generator: per layer U3 on every qubit, then CU3 on (q, q+1 mod n) in order.

    weights [layers, 2, n, 3]: 6n angles a layer, which give the sizes in the paper's Table I ("(U3 block)*L"). The ring
    of CU3 is that of the authors' public QTRL notebook.
    """
    if qubits < 2:
        raise ValueError(f"the quantum-train circuit needs at least 2 qubits, not {qubits}")
    return Circuit(partial(_quantum_train, qubits), qubits, 0, (layers, 2, qubits, 3))


def _quantum_train(qubits: int, angles: Any, weights: Any) -> None:
    for single, controlled in weights:
        for q in range(qubits):
            qml.U3(*single[q], wires=q)
        for q in range(qubits):
            qml.CU3(*controlled[q], wires=(q, (q + 1) % qubits))


def variational(qubits: int = 8, layers: int = 2, more_entangle: bool = True) -> Circuit:
    """QA3C's and QDQN's circuit: H, RY, RZ on every qubit, then layers of CNOT rings and Rot; weights [layers, n, 3].

    angles [2n]: n for RY, then n for RZ; the papers take arctan(x) and arctan(x^2). Source: QA3C, Figure 3: each layer
    has CNOT(q, q+1 mod n) for all q and, with `more_entangle`, CNOT(q, q+2 mod n) for all q.
    """
    return Circuit(partial(_variational, qubits, more_entangle), qubits, 2 * qubits, (layers, qubits, 3))


def _variational(qubits: int, more_entangle: bool, angles: Any, weights: Any) -> None:
    for q in range(qubits):
        qml.Hadamard(wires=q)
        qml.RY(angles[q], wires=q)
        qml.RZ(angles[qubits + q], wires=q)
    for layer in weights:
        for distance in (1, 2) if more_entangle else (1,):
            for q in range(qubits):
                if (q + distance) % qubits != q:
                    qml.CNOT(wires=(q, (q + distance) % qubits))
        for q in range(qubits):
            qml.Rot(*layer[q], wires=q)


def efficient_su2(qubits: int = 10, layers: int = 10) -> Circuit:
    """hDQNN's circuit: RY and RZ on every qubit, then `layers` times CNOT(q, q+1) in order and again RY and RZ.

    angles [layers + 1, 2, n], flat: RY's n, then RZ's n of each repetition; nothing in it is trained. Source: the sizes
    in the paper's Table 1, which are those of this well-known ansatz: 220 angles for 10 qubits and 10 layers.
    """
    if qubits < 2:
        raise ValueError(f"the hybrid actor's circuit needs at least 2 qubits, not {qubits}")
    return Circuit(partial(_efficient_su2, qubits, layers), qubits, 2 * qubits * (layers + 1), ())


def _efficient_su2(qubits: int, layers: int, angles: Any, weights: Any) -> None:
    for layer in range(layers + 1):
        if layer > 0:
            for q in range(qubits - 1):
                qml.CNOT(wires=(q, q + 1))
        for q in range(qubits):
            qml.RY(angles[2 * layer * qubits + q], wires=q)
        for q in range(qubits):
            qml.RZ(angles[(2 * layer + 1) * qubits + q], wires=q)


def scaled_reuploading(qubits: int = 4, layers: int = 1) -> Circuit:
    """PPO-Q's circuit: H on every qubit; per layer RZ and RY of weights, a ring of CZ, RY and RZ of the qubit's angle;
    at the end RZ and RY of weights. weights [layers + 1, n, 2], angles [n].

    Source: PPO-Q (arXiv:2501.07085); two qubits have a single CZ. Its angles are tanh(lambda_i x_i).
    """
    return Circuit(partial(_scaled_reuploading, qubits), qubits, qubits, (layers + 1, qubits, 2))


def _scaled_reuploading(qubits: int, angles: Any, weights: Any) -> None:
    for q in range(qubits):
        qml.Hadamard(wires=q)
    for number, layer in enumerate(weights):
        for q in range(qubits):
            qml.RZ(layer[q, 0], wires=q)
            qml.RY(layer[q, 1], wires=q)
        if number == len(weights) - 1:
            return
        for q in range(qubits if qubits > 2 else qubits - 1):
            qml.CZ(wires=(q, (q + 1) % qubits))
        for q in range(qubits):
            qml.RY(angles[q], wires=q)
            qml.RZ(angles[q], wires=q)
