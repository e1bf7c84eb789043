"""Circuits become the programs that they should, and what cannot become one is named."""

import subprocess
import sys

import numpy as np
import pennylane as qml
import pytest

from hpcqrl.quantum import gates, rows
from hpcqrl.quantum.circuits import quantum_train, variational
from hpcqrl.quantum.gates import record
from hpcqrl.quantum.parameters import Parameter
from hpcqrl.quantum.program import lower
from hpcqrl.quantum.simulator import Simulator
from hpcqrl.quantum.trace import Circuit, trace


def kinds(circuit: Circuit, expval: bool) -> list[int]:
    return lower(circuit, expval).rows[:, rows.KIND].tolist()


def test_the_variational_circuit_needs_one_layer_of_gates_and_two_permutations():
    expected = [rows.FIRST] * 8 + [rows.PERMUTE] + [rows.GATE] * 8 + [rows.PERMUTE] + [rows.LAST] * 8
    assert sorted(kinds(variational(), True)) == sorted(expected)


def test_the_generator_needs_one_pass_for_a_u3_and_its_cu3():
    found = kinds(quantum_train(13, 3), False)
    assert found.count(rows.FIRST) == 13 and found.count(rows.GATE) == 3 * 13 and len(found) == 52


def test_a_recorded_circuit_is_the_one_that_pennylane_sees():
    circuit = quantum_train(4, 2)
    weights = np.random.default_rng(0).normal(size=circuit.weights)
    with record() as recorded:
        circuit.function(None, weights)
    with qml.queuing.AnnotatedQueue() as queue:
        circuit.function(None, weights)
    operations = qml.tape.QuantumScript.from_queue(queue).operations
    assert [(gate.name, gate.wires) for gate in recorded] == [(op.name, tuple(op.wires)) for op in operations]
    assert all(gate.parameters == tuple(op.parameters) for gate, op in zip(recorded, operations, strict=True))


def test_native_circuits_load_neither_pennylane_nor_torch():
    script = (
        "import sys, numpy as np\n"
        "from hpcqrl.quantum.circuits import variational\n"
        "from hpcqrl.quantum.devices import make_device\n"
        "make_device(variational()).expval(np.zeros((1, 16)), np.zeros((2, 8, 3)))\n"
        "sys.exit('pennylane' in sys.modules or 'torch' in sys.modules)"
    )
    assert subprocess.run([sys.executable, "-c", script], check=False).returncode == 0


def test_parameters_are_found_by_their_lines():
    def function(angles, weights):
        gates.RX(angles[1], wires=0)
        gates.RY(2.0 * weights[0, 1] - 0.5, wires=1)
        gates.RZ(0.25, wires=1)

    found = [gate.parameters[0] for gate in trace(Circuit(function, 2, 2, (1, 2)))]
    assert found == [Parameter(0.0, ((1.0, 1),)), Parameter(-0.5, ((2.0, 3),)), Parameter(0.25)]


def test_parameters_are_found_by_their_products():
    def function(angles, weights):
        gates.RX(weights[0] * angles[0], wires=0)
        gates.RY((np.pi - angles[0]) * (np.pi - angles[1]), wires=0)
        gates.RZ(angles[1] ** 2 - 2.0 * weights[1] + 0.5, wires=0)
        gates.RX(weights @ angles, wires=0)

    found = [gate.parameters[0] for gate in trace(Circuit(function, 1, 2, (2,)))]
    assert found == [
        Parameter(0.0, ((1.0, 0, 2),)),
        Parameter(round(np.pi**2, 12), ((-3.14159265359, 0), (-3.14159265359, 1), (1.0, 0, 1))),
        Parameter(0.5, ((-2.0, 3), (1.0, 1, 1))),
        Parameter(0.0, ((1.0, 0, 2), (1.0, 1, 3))),
    ]


def test_a_number_that_many_parameters_take_is_derived_once():
    def function(angles, weights):
        for wire in range(2):
            gates.RX(weights[0] * angles[0], wires=wire)
        gates.IsingZZ(0.5 - weights[0] * angles[0], wires=(0, 1))
        gates.RY(weights[0] * weights[1], wires=0)

    program = lower(Circuit(function, 2, 1, (2,)), True)
    assert program.terms[:, :3].tolist() == [[3, 1, 2], [4, 0, 1]]


def test_a_function_may_compute_in_place():
    def function(angles, weights):
        angles *= 0.5
        weights[0] += 1.0
        gates.RX(angles[0], wires=0)
        gates.RY(weights[0], wires=0)

    found = [gate.parameters[0] for gate in trace(Circuit(function, 1, 1, (1,)))]
    assert found == [Parameter(0.0, ((0.5, 0),)), Parameter(1.0, ((1.0, 1),))]


def test_templates_and_other_gates_are_decomposed():
    def function(angles, weights):
        qml.AngleEmbedding(angles, wires=range(3))
        qml.StronglyEntanglingLayers(weights, wires=range(3))
        qml.Toffoli(wires=(0, 1, 2))
        qml.adjoint(qml.S)(wires=0)

    circuit = Circuit(function, 3, 3, (2, 3, 3))
    angles, weights = np.array([[0.3, -1.2, 2.0]]), np.random.default_rng(0).normal(size=(2, 3, 3))
    node = qml.QNode(
        lambda: (function(angles[0], weights), qml.probs(wires=range(3)))[1], qml.device("default.qubit", wires=3)
    )
    assert np.allclose(Simulator(circuit, False, np.float64).run(angles, weights)[0], node(), atol=1e-10)


def refused(function, match: str) -> None:
    with pytest.raises(ValueError, match=match):
        lower(Circuit(function, 2, 1, (1,)), True)


def test_what_cannot_be_lowered_is_named():
    refused(lambda a, w: qml.DepolarizingChannel(0.1, wires=0), "no gate DepolarizingChannel; use --qpu default.mixed")
    refused(lambda a, w: qml.RX(np.arctan(a[0]), wires=0), "parameter of RX is no polynomial")
    refused(lambda a, w: qml.RX(a[0] * a[0] * w[0], wires=0), "parameter of RX is no polynomial")
    refused(lambda a, w: qml.RX(abs(a[0] * w[0]), wires=0), "parameter of RX is no polynomial")
    refused(lambda a, w: qml.RX(np.mod(a[0] + w[0], 7.0), wires=0), "parameter of RX is no polynomial")
    refused(lambda a, w: qml.RX(np.sign(w[0]) * a[0], wires=0), "parameter of RX is no polynomial")
    refused(
        lambda a, w: qml.RX(np.emath.sqrt(a[0]).real if a[0] > 0 else np.nan, wires=0),
        "parameter of RX is no polynomial",
    )
    refused(
        lambda a, w: gates.RX(a[0], wires=2),
        r"RX acts on wire 2, but the circuit has wires 0 to 1; wires=\(\.\.\.\) names",
    )
    refused(lambda a, w: gates.RX(a[0], wires="a"), "RX acts on wire 'a', but the circuit has wires 0 to 1")
    refused(lambda a, w: qml.RX(a[0], wires="a"), "RX acts on wire 'a', but the circuit has wires 0 to 1")
    refused(lambda a, w: gates.CNOT(wires=(1, 1)), "acts twice|must be different")
    refused(lambda a, w: gates.RX(a[0], wires=0) if a[0] > 1 else gates.RY(a[0], wires=0), "depend on the values")
    refused(lambda a, w: qml.RX(a[0], wires=0) if a[0] > 0 else None, "depend on the values")
    refused(lambda a, w: qml.RX(max(a[0], 0.05), wires=0), "parameter of RX is no polynomial")
    refused(lambda a, w: qml.RX(min(w[0], 4.0), wires=0), "parameter of RX is no polynomial")
    refused(lambda a, w: qml.RX(max(w[0], -np.pi), wires=0), "parameter of RX is no polynomial")
    refused(lambda a, w: gates.PauliX(0) if a[0] * w[0] < 0 else None, "depend on the values")
    refused(lambda a, w: gates.Hadamard(wires=(0, 1)), r"Hadamard acts on 1 wire, not on \(0, 1\)")
    refused(lambda a, w: gates.CNOT(wires=(0, 1, 2)), r"CNOT acts on 2 wires")
    refused(lambda a, w: gates.MultiControlledX(wires=0), r"MultiControlledX acts on 2 wires or more")
    refused(lambda a, w: qml.cond(qml.measure(0), qml.RY)(w[0], wires=1), "measures before its end")
    refused(lambda a, w: qml.Displacement(0.1, 0.2, wires=0), "Displacement is no gate of qubits")
    refused(lambda a, w: qml.TRX(0.1, wires=0), "TRX is no gate of qubits")
    refused(lambda a, w: qml.expval(qml.PauliY(0)), "must only apply gates")
    seventeen = Circuit(lambda a, w: qml.RX(np.sum(w), wires=0), 1, 0, (17,))
    with pytest.raises(ValueError, match="in at most 16 angles and weights"):
        lower(seventeen, True)
    for wires in (("a",), ("a", "a"), (1, "1")):
        with pytest.raises(ValueError, match="wires are 2 labels, one a qubit and each another, not"):
            Circuit(lambda a, w: None, 2, 0, (), wires=wires)
    with pytest.raises(ValueError, match="1 to 28 qubits, not 0"):
        Circuit(lambda a, w: None, 0, 0, ())
