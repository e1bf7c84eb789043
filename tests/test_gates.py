"""Every gate of PennyLane's that is taken is the same as there, inverted and controlled too; others are taken by the
device that the refusal names.
"""

import re

import numpy as np
import pennylane as qml
import pytest
from random_circuits import inputs
from test_circuits_agree_with_pennylane import check

from hpcqrl.quantum import gates
from hpcqrl.quantum.devices import make_device
from hpcqrl.quantum.program import lower
from hpcqrl.quantum.trace import Circuit

GATES = {  # numbers of parameters and wires
    0: {
        1: "Hadamard PauliX PauliY PauliZ S T SX",
        2: "CNOT CZ CY CH SWAP ISWAP SISWAP ECR",
        3: "Toffoli CSWAP CCZ QFT",
    },
    1: {
        1: "RX RY RZ PhaseShift U1",
        2: "CRX CRY CRZ ControlledPhaseShift CPhaseShift00 CPhaseShift10 IsingXX IsingYY IsingZZ IsingXY PSWAP "
        "SingleExcitation SingleExcitationPlus SingleExcitationMinus FermionicSingleExcitation",
        3: "MultiRZ",
        4: "DoubleExcitation OrbitalRotation",
    },
    2: {1: "U2"},
    3: {1: "Rot U3", 2: "CRot"},
}
TEMPLATES = {  # shapes of parameters and numbers of wires
    "AngleEmbedding": ((3,), 3),
    "IQPEmbedding": ((3,), 3),
    "BasicEntanglerLayers": ((2, 3), 3),
    "StronglyEntanglingLayers": ((2, 3, 3), 3),
    "ArbitraryUnitary": ((15,), 2),
    "ArbitraryStatePreparation": ((6,), 2),
    "RandomLayers": ((2, 3), 3),
}
ALL = [((p,), w, name) for p, of_wires in GATES.items() for w, names in of_wires.items() for name in names.split()]
ALL += [(shape, wires, name) for name, (shape, wires) in TEMPLATES.items()]
HOW = {
    "itself": (0, lambda gate, wires: gate(wires)),
    "its adjoint": (0, lambda gate, wires: qml.adjoint(gate)(wires)),
    "controlled": (1, lambda gate, wires: qml.ctrl(gate, control=wires[0])(wires[1:])),
    "controlled by 0 and 1": (2, lambda g, wires: qml.ctrl(g, control=wires[:2], control_values=[0, 1])(wires[2:])),
    "the adjoint of controlled": (1, lambda g, wires: qml.adjoint(qml.ctrl(g, control=wires[0]))(wires[1:])),
    "controlled adjoint": (1, lambda g, wires: qml.ctrl(qml.adjoint(g), control=wires[0])(wires[1:])),
}


@pytest.mark.parametrize("how", HOW)
@pytest.mark.parametrize(("shape", "wires", "name"), ALL, ids=[name for _, _, name in ALL])
def test_a_gate_is_pennylanes(name, shape, wires, how):
    controls, apply = HOW[how]
    qubits, number = wires + controls, int(np.prod(shape))

    def gate(weights):
        parameters = weights.reshape(shape)
        if len(shape) > 1 or name in TEMPLATES:
            return lambda wires: getattr(qml, name)(parameters, wires=wires)
        return lambda wires: getattr(qml, name)(*parameters, wires=wires)

    def function(angles, weights):
        for qubit in range(qubits):
            qml.RX(0.3 + qubit, wires=qubit)
            qml.RZ(1.1 - qubit, wires=qubit)
        apply(gate(weights), range(qubits))
        for qubit in range(qubits):
            qml.RY(0.7 + qubit, wires=qubit)

    circuit = Circuit(function, qubits, 0, (number,) if number else ())
    check(circuit, False, seed=1, dtypes=(np.float64,))


def test_other_operations_are_taken_too():
    def function(angles, weights):
        qml.SimplifiedTwoDesign(angles, weights.reshape(1, 3, 2), wires=range(4))
        qml.QAOAEmbedding(angles[:3], weights[:6].reshape(1, 6), wires=range(3))
        qml.PauliRot(angles[0] * weights[0], "XYZ", wires=(0, 2, 3))
        qml.ctrl(qml.GlobalPhase(weights[1]), control=1)
        qml.pow(qml.RX(weights[2], wires=0), 3)
        qml.QubitUnitary(qml.matrix(qml.ISWAP(wires=(0, 1))), wires=(1, 2))
        qml.evolve(qml.X(0) @ qml.Z(1), weights[3])
        qml.GroverOperator(wires=range(4))

    check(Circuit(function, 4, 4, (6,)), True, seed=1, dtypes=(np.float64,))


def test_gates_without_pennylane_are_pennylanes():
    def function(angles, weights):
        gates.CRot(*weights, wires=(1, 0))
        gates.CY(wires=(0, 1))
        gates.CH(wires=(1, 2))
        gates.Toffoli(wires=(2, 0, 1))
        gates.MultiControlledX(wires=(2, 0, 3, 1))

    check(Circuit(function, 4, 0, (3,)), True, seed=1)


def test_wires_may_have_any_labels():
    def function(angles, weights):
        qml.RX(angles[0], wires="control")
        gates.RY(0.4, wires="aux")
        gates.RY(0.9, wires=7)
        qml.CRY(weights[0], wires=["control", 7])
        gates.RZ(weights[1], wires=7)
        gates.CNOT(wires=(7, "aux"))

    circuit = Circuit(function, 3, 1, (2,), wires=("aux", "control", 7))
    for expval in (True, False):
        check(circuit, expval, seed=1)
    angles, weights = inputs(circuit, seed=1)
    expected = make_device(circuit, dtype=np.float64).probs(angles, weights)
    for name in ("default.qubit", "lightning.qubit", "default.mixed"):
        device = make_device(circuit, name)
        assert np.allclose(device.probs(angles, weights), expected)
        assert device.sample(angles, weights, 5).shape == (2, 5, 3)
        cotangent = np.linspace(-1, 1, expected.size).reshape(expected.shape)
        for ours, theirs in zip(
            make_device(circuit, dtype=np.float64).probs_vjp(angles, weights)[1](cotangent),
            device.probs_vjp(angles, weights)[1](cotangent),
            strict=True,
        ):
            assert np.allclose(ours, theirs)


@pytest.mark.parametrize(
    "function",
    [
        lambda angles, weights: qml.DepolarizingChannel(0.1, wires=0),
        lambda angles, weights: qml.DoubleExcitationPlus(weights[0], wires=range(4)),
        lambda angles, weights: qml.RX(weights[0] ** 3, wires=0),
        lambda angles, weights: qml.SpecialUnitary(weights, wires=0),
        lambda angles, weights: qml.AmplitudeEmbedding(weights, wires=(0, 1), normalize=True, pad_with=0.3),
    ],
    ids=["noise", "a matrix alone", "a cube", "arctan within", "numbers that choose gates"],
)
def test_the_device_that_a_refusal_names_takes_the_circuit(function):
    circuit = Circuit(function, 4, 0, (3,))
    with pytest.raises(ValueError, match="--qpu") as refusal:
        lower(circuit, True)
    assert "\n" not in str(refusal.value)
    name = re.search(r"--qpu (\S+)", str(refusal.value)).group(1)
    values, pullback = make_device(circuit, name).expval_vjp(np.zeros((1, 0)), np.array([0.3, 0.4, 0.5]))
    assert values.shape == (1, 4) and pullback(np.ones((1, 4)))[1].shape == (3,)
