"""The generated policy has the paper's sizes, and is what the paper's formulas say."""

import math

import numpy as np
import pennylane as qml
import pytest
import torch

from hpcqrl.models.policy import Policy
from hpcqrl.models.quantum_train import QuantumTrainGenerator
from hpcqrl.quantum.circuits import quantum_train


@pytest.mark.parametrize(("layers", "size"), [(3, 1749), (7, 2061), (13, 2529)])
def test_table_1s_parameter_counts(layers, size):
    policy = Policy(147, 32, 3)
    generator = QuantumTrainGenerator(policy.size, quantum_train(13, layers))
    assert (policy.size, generator.size, generator.qubits) == (4835, size, 13)
    assert generator.initial(np.random.default_rng(0)).shape == (size,)


def written_out(generator: QuantumTrainGenerator, theta: torch.Tensor) -> torch.Tensor:
    """III.A and III.B, with torch's own layers and PennyLane's own simulator."""
    n, rest = generator.qubits, theta
    part = {}
    for name, shape in generator.layout.shapes.items():
        part[name], rest = rest[: math.prod(shape)].view(shape), rest[math.prod(shape) :]

    @qml.qnode(qml.device("default.qubit", wires=n), interface="torch", diff_method="backprop")
    def circuit(weights):
        for block in weights:
            for q in range(n):
                qml.U3(*block[0, q], wires=q)
            for q in range(n):
                qml.ctrl(qml.U3(*block[1, q], wires=(q + 1) % n), control=q)
        return qml.probs(wires=range(n))

    probability = circuit(part["circuit"])[: generator.k]
    x = torch.tanh(0.1 * 2 ** (n - 1) * probability)
    bits = torch.tensor([[1.0 if c == "1" else -1.0 for c in f"{i:0{n}b}"] for i in range(generator.k)])
    hidden = torch.cat([bits, (x - x.mean())[:, None]], dim=1)
    for number in range(len(generator.mapping_sizes) - 1):
        weight, bias = part[f"mapping.{number}.weight"], part[f"mapping.{number}.bias"]
        hidden = torch.nn.functional.linear(hidden, weight, bias)
    return hidden[:, 0] - hidden.mean()


@pytest.mark.parametrize("device", ["native", "lightning.qubit"])
def test_generation_and_its_gradient_are_the_papers_formulas(device):
    generator = QuantumTrainGenerator(50, quantum_train(6, 2), qpu=device)
    start = generator.initial(np.random.default_rng(1))
    cotangent = np.linspace(-1, 1, 50)
    generated, pullback = generator.generate(start)
    theta = torch.tensor(start, requires_grad=True)
    expected = written_out(generator, theta)
    (expected * torch.tensor(cotangent)).sum().backward()
    assert np.allclose(generated, expected.detach(), atol=1e-6)
    assert np.allclose(pullback(cotangent), theta.grad, atol=1e-5)


@pytest.mark.parametrize("layers", [3, 13])
def test_starting_values(layers):
    generator = QuantumTrainGenerator(4835, quantum_train(13, layers), spread=0.07)
    theta = generator.initial(np.random.default_rng(2))
    assert np.isclose(written_out(generator, torch.tensor(theta)).std(correction=0), 0.07, rtol=1e-4)
    part = generator.layout.split(theta)
    assert 3.0 < np.abs(part["circuit"]).max() < math.pi
    assert 0.9 / math.sqrt(14) < np.abs(part["mapping.0.weight"]).max() < 1 / math.sqrt(14)


def test_acting_is_the_policy_that_is_trained():
    policy = Policy(5, 4, 3)
    parameters = policy.initial(np.random.default_rng(3))
    observations, cotangent = (np.random.default_rng(seed).normal(size=(6, size)) for seed, size in ((4, 5), (5, 3)))
    network = torch.nn.Sequential(torch.nn.Linear(5, 4), torch.nn.ReLU(), torch.nn.Linear(4, 3)).double()
    torch.nn.utils.vector_to_parameters(torch.tensor(parameters), network.parameters())
    expected = network(torch.tensor(observations))
    (expected * torch.tensor(cotangent)).sum().backward()
    expected_gradient = torch.nn.utils.parameters_to_vector([part.grad for part in network.parameters()])
    assert np.allclose(policy.logits(parameters, observations), expected.detach(), atol=1e-12)
    assert np.allclose(policy.gradient(parameters, observations, cotangent), expected_gradient, atol=1e-12)
    acting = policy.acting(parameters)
    assert np.allclose([acting(row) for row in observations], expected.detach(), atol=1e-6)
