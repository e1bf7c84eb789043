"""A circuit of every gate, and what is measured of it."""

from hpcqrl.quantum import gates as qml
from hpcqrl.quantum.circuit import Circuit

WORDS = ("Z0", "X1", "Y2", "Z3", "Z0 Z3", "X0 Y1 Z2", "Y0 Y1", "X3 X2 Y1 Y0")


def every_gate(qubits: int = 4) -> Circuit:
    """Each gate once or more, on four wires from the first to the last, those of two qubits with the control above and
    below; parameters of each kind.
    """
    a, b, c, d = (round(k * (qubits - 1) / 3) for k in range(4))

    def function(angles, weights):
        values = [angles[0], weights[0], angles[1] * weights[1], weights[2] + 0.5]
        parameter = iter([*values, 0.3 - weights[1], angles[0] * angles[1]] * (7 + qubits // 6))
        for q in range(qubits):
            qml.RY(next(parameter), wires=q)
        qml.Toffoli(wires=[c, d, a])
        for gate in (qml.CRX, qml.CRY, qml.CRZ, qml.ControlledPhaseShift, qml.IsingXX, qml.IsingYY, qml.IsingZZ):
            qml.Hadamard(wires=b)
            gate(next(parameter), wires=[a, b])
            gate(next(parameter), wires=[d, c])
        qml.MultiControlledX(wires=[d, a, b, c])
        for gate in (qml.RX, qml.RY, qml.RZ, qml.PhaseShift):
            gate(next(parameter), wires=c)
            qml.CNOT(wires=[b, c])
        qml.CRot(next(parameter), next(parameter), next(parameter), wires=[c, a])
        qml.CU3(next(parameter), next(parameter), next(parameter), wires=[b, d])
        for gate in (qml.CZ, qml.CY, qml.CH, qml.SWAP):
            gate(wires=[d, b])
        for gate in (qml.PauliX, qml.PauliY, qml.PauliZ, qml.S, qml.T):
            gate(wires=a)
            qml.CNOT(wires=[a, d])
        qml.Rot(next(parameter), next(parameter), next(parameter), wires=a)
        qml.U2(next(parameter), next(parameter), wires=b)
        qml.U3(next(parameter), next(parameter), next(parameter), wires=c)

    return Circuit(function, qubits, 2, (3,), measured=WORDS)
