"""Gradients for QPUs that give none agree with the exact ones: parameter shift as numbers, spsa on average."""

import numpy as np
import pytest

from hpcqrl.quantum import gates as qml
from hpcqrl.quantum.backend import Backend
from hpcqrl.quantum.circuit import Circuit
from hpcqrl.quantum.circuits import quantum_train, variational
from hpcqrl.quantum.devices import make_device


def all_gates(a, w):
    """Every gate with parameters, among them those with two frequencies, and parameters made of several numbers."""
    qml.Hadamard(wires=0)
    qml.RY(a[0], wires=0)
    qml.RX(a[1] * w[0] + w[1], wires=1)
    qml.RZ(a[0] * a[1], wires=2)
    qml.CRX(w[2], wires=(0, 1))
    qml.CRot(a[0], w[3], w[4], wires=(1, 2))
    qml.CU3(w[5], w[6], a[1], wires=(2, 0))
    qml.Rot(w[0], w[1], w[2], wires=2)
    qml.U3(w[3], w[4], a[0], wires=1)
    qml.U2(w[5], w[6], wires=0)
    qml.ControlledPhaseShift(w[0], wires=(0, 2))
    qml.IsingXX(a[1], wires=(0, 1))
    qml.CRZ(w[2], wires=(1, 2))
    qml.CRY(w[3], wires=(0, 2))
    qml.PhaseShift(a[0], wires=0)
    qml.IsingYY(w[4], wires=(0, 2))
    qml.IsingZZ(w[1], wires=(1, 2))
    for q in range(3):
        qml.Hadamard(wires=q)


MIXED = Circuit(all_gates, 3, 2, (7,), measured=("Z0", "X1", "Z0 Y2"))
DOUBLE = {"dtype": np.float64}


def inputs(circuit, samples=4):
    random = np.random.default_rng(0)
    return random.normal(size=(samples, circuit.n_angles)), random.normal(size=circuit.weights or (0,))


def gradients(device, angles, weights, first=None):
    measure = device.expval_vjp if first is None else device.probs_vjp
    value, pullback = measure(angles, weights, *([] if first is None else [first]))
    cotangent = np.random.default_rng(1).normal(size=value.shape)
    return value, np.concatenate([part.ravel() for part in pullback(cotangent)])


@pytest.mark.parametrize("first", [None, 5])
@pytest.mark.parametrize("circuit", [MIXED, variational(3, 2), quantum_train(3, 2)])
def test_parameter_shift_is_exact(circuit, first):
    exact = gradients(make_device(circuit, **DOUBLE), *inputs(circuit), first)
    shifted = gradients(make_device(circuit, Backend(gradient="shift"), **DOUBLE), *inputs(circuit), first)
    assert np.allclose(exact[0], shifted[0], atol=1e-12) and np.allclose(exact[1], shifted[1], atol=1e-12)


@pytest.mark.parametrize("gradient", [None, "exact", "shift"])
@pytest.mark.parametrize("name", ["default.qubit", "lightning.qubit"])
def test_it_is_the_same_on_a_device_of_pennylanes(name, gradient):
    circuit = variational(3, 1)
    exact = gradients(make_device(circuit, **DOUBLE), *inputs(circuit, 2))
    found = gradients(make_device(circuit, Backend(name, gradient=gradient)), *inputs(circuit, 2))
    assert np.allclose(exact[0], found[0], atol=1e-5) and np.allclose(exact[1], found[1], atol=1e-5)


def test_spsa_is_right_on_average():
    exact = gradients(make_device(MIXED, **DOUBLE), *inputs(MIXED))[1]
    device = make_device(MIXED, Backend(gradient="spsa"), **DOUBLE)
    drawn = np.array([gradients(device, *inputs(MIXED))[1] for _ in range(1500)])
    error = drawn.std(0) / np.sqrt(len(drawn))
    assert (np.abs(drawn.mean(0) - exact) < 5.0 * error + 0.02).all()


@pytest.mark.parametrize(("gradient", "executions"), [(None, 5), ("exact", 5), ("spsa", 15), ("shift", 5 + 5 * 2 * 15)])
def test_what_each_way_needs_is_counted_and_waited_for(gradient, executions):
    circuit = variational(3, 1)  # RY and RZ of three qubits, and Rot of three: 15 parameters
    backend = Backend(gradient=gradient, latency=1e-3, overhead=5e-3, shot_time=1e-6)
    device = make_device(circuit, backend, shots=100)
    gradients(device, *inputs(circuit, 5))
    assert device.cost.executions == executions and device.cost.submissions == 1
    assert device.cost.shots == 100 * executions
    assert np.isclose(device.cost.seconds, 5e-3 + executions * (1e-3 + 100e-6))


def test_directions_go_on_where_a_checkpoint_kept_them():
    first, second = (make_device(MIXED, Backend("default.qubit", gradient="spsa"), seed=3) for _ in range(2))
    gradients(first, *inputs(MIXED))
    second.random.bit_generator.state = first.random.bit_generator.state
    assert np.array_equal(gradients(first, *inputs(MIXED))[1], gradients(second, *inputs(MIXED))[1])
