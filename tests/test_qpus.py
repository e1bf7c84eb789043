"""A QPU is a torch function: the same on the native kernels and on PennyLane's devices."""

import numpy as np
import pytest
import torch
from random_circuits import inputs

from hpcqrl.quantum import kernels
from hpcqrl.quantum.backend import Backend
from hpcqrl.quantum.circuits import quantum_train, variational
from hpcqrl.quantum.devices import make_device
from hpcqrl.quantum.qpu import make_qpu
from hpcqrl.quantum.trace import Circuit

CIRCUIT = variational(3, 2)


def tensors(requires_grad: bool = False):
    angles, weights = inputs(CIRCUIT, seed=0)
    return (torch.tensor(array, requires_grad=requires_grad) for array in (angles, weights))


@pytest.mark.parametrize("measure", ["expval", "probs"])
def test_native_gradients_pass_gradcheck(measure):
    qpu = make_qpu(CIRCUIT, dtype=np.float64)
    assert torch.autograd.gradcheck(getattr(qpu, measure), tuple(tensors(requires_grad=True)))


@pytest.mark.parametrize("measure", ["expval", "probs"])
@pytest.mark.parametrize("name", ["lightning.qubit", "default.qubit", "default.mixed"])
def test_pennylane_devices_give_the_same(name, measure):
    found = []
    for qpu in (make_qpu(CIRCUIT, dtype=np.float64), make_qpu(CIRCUIT, name)):
        angles, weights = tensors(requires_grad=True)
        result = getattr(qpu, measure)(angles, weights)
        cotangent = torch.linspace(-1, 1, result.numel(), dtype=result.dtype).view(result.shape)
        (result * cotangent).sum().backward()
        found.append((result.detach(), angles.grad, weights.grad))
    for ours, theirs in zip(*found, strict=True):
        assert torch.allclose(ours, theirs, atol=1e-6 if name == "default.mixed" else 1e-9)  # its own rounding


@pytest.mark.parametrize("name", ["native", "lightning.qubit"])
def test_shots_scatter_around_the_exact_values(name):
    shots = 20_000
    for measure in ("expval", "probs"):
        exact = getattr(make_qpu(CIRCUIT), measure)(*tensors())
        estimate = getattr(make_qpu(CIRCUIT, name, shots), measure)(*tensors())
        assert not torch.equal(exact.double(), estimate.double())
        assert (exact - estimate).abs().max() < 5.0 / np.sqrt(shots)


def test_gradients_with_shots():
    for name in ("native", "lightning.qubit"):
        exact, noisy = (tuple(tensors(requires_grad=True)) for _ in range(2))
        make_qpu(CIRCUIT).expval(*exact).sum().backward()
        make_qpu(CIRCUIT, name, 20_000).expval(*noisy).sum().backward()
        assert (exact[1].grad - noisy[1].grad).abs().max() < 0.2


def test_sampled_bits_follow_the_probabilities():
    from scipy.stats import chisquare

    angles, weights = tensors()
    qpu = make_qpu(CIRCUIT, seed=1)
    bits = qpu.sample(angles, weights, 10_000).long()
    assert bits.shape == (2, 10_000, 3)
    for sample, probability in zip(bits, qpu.probs(angles, weights), strict=True):
        counts = np.bincount((sample * torch.tensor([4, 2, 1])).sum(1), minlength=8)
        assert chisquare(counts, 10_000 * probability.double() / probability.double().sum()).pvalue > 1e-4


def test_a_certain_outcome_is_always_sampled():
    circuit = quantum_train(2, 1)
    bits = make_qpu(circuit).sample(torch.zeros(1, 0), torch.zeros(circuit.weights), 1000)
    assert not bits.any()


@pytest.mark.parametrize("name", ["native", "lightning.qubit", "default.mixed"])
def test_same_seed_same_shots(name):
    first, second, other = (make_qpu(CIRCUIT, name, 100, seed).expval(*tensors()) for seed in (3, 3, 4))
    assert torch.equal(first, second) and not torch.equal(first, other)


def test_what_is_not_there_is_named():
    with pytest.raises(ValueError, match=r"no PennyLane device 'no\.such'"):
        make_qpu(CIRCUIT, "no.such")
    with pytest.raises(ValueError, match="shots must be at least 1, not 0"):
        make_qpu(CIRCUIT, shots=0)
    for delay in ((-1.0, 0.0), (float("nan"), 0.0), (1.0, 5.0)):
        with pytest.raises(ValueError, match=r"latency must be 0 or more|jitter must lie in 0\.\.1"):
            Backend(latency=delay[0], jitter=delay[1])


@pytest.mark.parametrize("name", ["native", "lightning.qubit"])
def test_wrong_shapes_are_named_and_not_read(name):
    qpu = make_qpu(CIRCUIT, name)
    angles, weights = tensors()
    for measure in (qpu.expval, qpu.probs, lambda *inputs: qpu.sample(*inputs, 1)):
        with pytest.raises(ValueError, match=r"takes angles \[samples, 6\] and weights \(2, 3, 3\), not \(2, 5\)"):
            measure(angles[:, 1:], weights)
        with pytest.raises(ValueError, match="takes angles"):
            measure(angles, weights[1:])
        with pytest.raises(ValueError, match="takes angles"):
            measure(angles[0], weights)
        with pytest.raises(ValueError, match=r"not \(2, 6\) and \(3, 2, 3\)"):
            measure(angles, weights.reshape(3, 2, 3))
    with pytest.raises(ValueError, match="9 results are asked for, but the circuit has 8"):
        qpu.probs(angles, weights, 9)
    with pytest.raises(ValueError, match="0 results are asked for"):
        make_qpu(CIRCUIT, name, shots=10).probs(angles, weights, 0)
    if name != "native":
        return
    values, pullback = qpu.device.expval_vjp(angles.numpy(), weights.numpy())
    for wrong in (values[:1], values[:, :2]):
        with pytest.raises(ValueError, match=r"samples|results"):
            pullback(wrong)


def test_what_is_not_finite_is_not_measured():
    angles, weights = (tensor.numpy() for tensor in tensors())
    for value in (np.nan, np.inf):
        angles[1, 0] = value
        with pytest.raises(ValueError, match="not finite cannot be measured"):
            make_device(CIRCUIT, shots=10).expval(angles, weights)


@pytest.mark.parametrize("name", ["native", "default.qubit"])
def test_a_pullback_is_of_the_values_that_it_came_with(name):
    angles, weights = (tensor.numpy() for tensor in tensors())
    device, cotangent = make_device(CIRCUIT, name), np.ones((len(angles), 3))
    expected = device.expval_vjp(angles, weights)[1](cotangent)
    _, pullback = device.expval_vjp(angles, weights)
    angles += 0.5
    weights += 0.5
    for ours, before in zip(pullback(cotangent), expected, strict=True):
        assert np.array_equal(ours, before)


@pytest.mark.parametrize("name", ["native", "lightning.qubit", "default.qubit"])
def test_what_has_no_part_in_a_circuit_has_no_gradient(name):
    circuit = Circuit(lambda angles, weights: None, 2, 1, (3,))
    values, pullback = make_device(circuit, name).expval_vjp(np.ones((2, 1)), np.ones(3))
    assert np.array_equal(values, np.ones((2, 2)))
    angle_gradient, weight_gradient = pullback(np.ones((2, 2)))
    assert not angle_gradient.any() and not weight_gradient.any() and weight_gradient.shape == (3,)


def test_read_only_inputs_need_no_other_kernels():
    angles, weights = (tensor.numpy() for tensor in tensors())
    device = make_device(CIRCUIT)
    expected = device.expval(angles, weights)
    compiled = len(kernels.forward.signatures)
    angles.flags.writeable = weights.flags.writeable = False
    assert np.array_equal(device.expval(angles, weights), expected) and len(kernels.forward.signatures) == compiled
