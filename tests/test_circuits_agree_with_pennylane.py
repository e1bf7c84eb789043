"""The native kernels compute what PennyLane computes, and its gradients."""

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from random_circuits import circuits, inputs, reference

from hpcqrl.quantum import gates
from hpcqrl.quantum.circuits import quantum_train, variational
from hpcqrl.quantum.simulator import Simulator
from hpcqrl.quantum.trace import Circuit

TOLERANCE = {np.float32: 1e-5, np.float64: 1e-10}
relaxed = settings(deadline=None, max_examples=150, suppress_health_check=[HealthCheck.too_slow], derandomize=True)


def check(circuit: Circuit, expval: bool, seed: int, dtypes=(np.float64, np.float32)) -> None:
    angles, weights = inputs(circuit, seed)
    width = len(circuit.measured) if expval else 1 << circuit.qubits
    cotangent = np.random.default_rng(seed).uniform(-1, 1, (len(angles), width))
    expected = reference(circuit, expval, angles, weights, cotangent)
    for dtype in dtypes:
        simulator = Simulator(circuit, expval, dtype)
        result, states = simulator.run_for_gradient(angles, weights)
        gradients = simulator.gradient(angles, weights, states, cotangent)
        assert np.array_equal(simulator.run(angles, weights), result)
        for ours, theirs in zip((result, *gradients), expected, strict=True):
            scale = max(1.0, np.abs(theirs).max(initial=0.0))
            assert np.abs(ours - theirs).max(initial=0.0) <= TOLERANCE[dtype] * scale, dtype


@relaxed
@given(circuits(), st.booleans(), st.integers(0, 2**31))
def test_random_circuits(circuit, expval, seed):
    check(circuit, expval, seed)


@pytest.mark.parametrize("expval", [True, False])
@pytest.mark.parametrize("circuit", [variational(), variational(5, 3, False), quantum_train(2, 3), quantum_train(9, 3)])
def test_the_papers_circuits(circuit, expval):
    check(circuit, expval, seed=1)


def test_the_generator_of_table_1():
    check(quantum_train(13, 3), expval=False, seed=2)


@pytest.mark.parametrize("expval", [True, False])
def test_gradients_are_finite_differences(expval):
    circuit = variational(4, 2)
    angles, weights = inputs(circuit, seed=3)
    simulator = Simulator(circuit, expval, np.float64)
    result, states = simulator.run_for_gradient(angles, weights)
    cotangent = np.random.default_rng(4).normal(size=result.shape)
    step = 1e-6
    for array, gradient in zip((angles, weights), simulator.gradient(angles, weights, states, cotangent), strict=True):
        for index in np.ndindex(array.shape):
            before = array[index]
            sides = []
            for side in (before + step, before - step):
                array[index] = side
                sides.append((simulator.run(angles, weights) * cotangent).sum())
            array[index] = before
            assert gradient[index] == pytest.approx((sides[0] - sides[1]) / (2 * step), abs=1e-7)


def test_the_first_probabilities_alone():
    circuit = quantum_train(5, 2)
    angles, weights = inputs(circuit, seed=5, samples=1)
    simulator = Simulator(circuit, False, np.float64)
    everything = simulator.run(angles, weights)
    result, states = simulator.run_for_gradient(angles, weights, first=19)
    assert np.array_equal(result, everything[:, :19])
    cotangent = np.random.default_rng(6).normal(size=result.shape)
    padded = np.zeros_like(everything)
    padded[:, :19] = cotangent
    ours = simulator.gradient(angles, weights, states, cotangent)[1]
    assert np.allclose(ours, simulator.gradient(angles, weights, states, padded)[1], atol=1e-14)


def test_twenty_one_qubits():
    """Gates on states that do not fit the caches: controls and targets everywhere, one after another and far apart."""
    import pennylane as qml

    def function(angles, weights):
        for q in range(21):
            gates.RY(weights[q], wires=q)
        for q in range(21):
            gates.CRX(weights[21 + q], wires=(q, (q + 1) % 21))
        for q in range(21):
            gates.CRot(*weights[42 + q : 45 + q], wires=(8 * q % 21, (8 * q + 10) % 21))
        gates.CNOT(wires=(3, 15))
        gates.IsingXX(weights[0], wires=(20, 0))

    circuit = Circuit(function, 21, 0, (65,), measured=("Z0", "X7", "Y20", "Z3 Z15"))
    _, weights = inputs(circuit, seed=7)
    cotangent = np.array([[0.3, -1.0, 0.7, 2.0]])
    simulator = Simulator(circuit, True, np.float64)
    values, states = simulator.run_for_gradient(np.zeros((1, 0)), weights)
    gradient = simulator.gradient(np.zeros((1, 0)), weights, states, cotangent)[1]

    words = [qml.PauliZ(0), qml.PauliX(7), qml.PauliY(20), qml.PauliZ(3) @ qml.PauliZ(15)]

    @qml.qnode(qml.device("lightning.qubit", wires=21), interface="autograd", diff_method="adjoint")
    def node(weights):
        function(None, weights)
        return qml.expval(qml.Hamiltonian(cotangent[0], words))

    differentiable = qml.numpy.array(weights, requires_grad=True)
    assert np.isclose(cotangent[0] @ values[0], node(differentiable), atol=1e-10)
    assert np.allclose(gradient, qml.grad(node)(differentiable), atol=1e-10)


@pytest.mark.parametrize("qubits", [13, 18, 22])
def test_single_precision_holds_on_many_qubits(qubits):
    """Of a product of RY(t) on every qubit, <Z> is cos t, and its slope -sin t."""
    turns = np.full(qubits, np.pi / 2)
    turns[[0, -1]] = 1.0, 0.7
    simulator = Simulator(Circuit(_turned, qubits, 0, (qubits,)), True, np.float32)
    values, states = simulator.run_for_gradient(np.zeros((1, 0)), turns)
    _, slopes = simulator.gradient(np.zeros((1, 0)), turns, states, np.ones((1, qubits)))
    assert np.abs(values[0] - np.cos(turns)).max() < 1e-5 and np.abs(slopes + np.sin(turns)).max() < 1e-5


def _turned(angles, weights):
    for q, turn in enumerate(weights):
        gates.RY(turn, wires=q)


def test_huge_angles_keep_their_precision():
    circuit = variational(3, 1)
    angles, weights = inputs(circuit, seed=8)
    turned = weights + 2 * np.pi * np.random.default_rng(9).integers(-1000, 1000, weights.shape)
    simulator = Simulator(circuit, True, np.float64)
    assert np.allclose(simulator.run(angles, weights), simulator.run(angles, turned), atol=1e-11)
    enormous = np.full_like(weights, 1e9 + 0.1)
    check_angle = np.arctan2(np.sin(enormous), np.cos(enormous))
    assert np.allclose(simulator.run(angles, enormous), simulator.run(angles, check_angle), atol=1e-7)
