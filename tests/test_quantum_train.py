"""The generated policy has the paper's sizes, and is what the paper's formulas say."""

import math

import numpy as np
import pennylane as qml
import pytest
import torch

from hpcqrl.models import flat
from hpcqrl.models.policy import Policy
from hpcqrl.models.quantum_train import QuantumTrainGenerator


@pytest.mark.parametrize(("layers", "size"), [(3, 1749), (7, 2061), (13, 2529)])
def test_table_1s_parameter_counts(layers, size):
    policy = Policy(147, 32, 3)
    generator = QuantumTrainGenerator(policy.size, layers)
    assert (policy.size, generator.size, generator.qubits) == (4835, size, 13)
    assert generator.initial(np.random.default_rng(0)).shape == (size,)


def written_out(generator: QuantumTrainGenerator, theta: torch.Tensor) -> torch.Tensor:
    """III.A and III.B, with torch's own layers and PennyLane's own simulator."""
    n, part = generator.qubits, flat.split(generator.layout, theta)

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
    hidden = torch.cat([bits, (x - x.mean())[:, None]], dim=1).to(theta.dtype)
    for number in range(len(generator.mapping_sizes) - 1):
        weight, bias = part[f"mapping.{number}.weight"], part[f"mapping.{number}.bias"]
        hidden = torch.nn.functional.linear(hidden, weight, bias)
    return hidden[:, 0] - hidden.mean()


def test_generation_and_its_gradient_are_the_papers_formulas():
    generator = QuantumTrainGenerator(50, 2)
    start = torch.tensor(generator.initial(np.random.default_rng(1)), dtype=torch.float32)
    cotangent = torch.linspace(-1, 1, 50)
    found = []
    for generate in (generator.generate, lambda theta: written_out(generator, theta)):
        theta = start.clone().requires_grad_()
        result = generate(theta)
        (result * cotangent).sum().backward()
        found.append((result.detach(), theta.grad))
    (ours, our_gradient), (theirs, their_gradient) = found
    assert torch.allclose(ours, theirs.float(), atol=1e-5)
    assert torch.allclose(our_gradient, their_gradient, atol=1e-4)


def test_starting_values():
    generator = QuantumTrainGenerator(4835, 3)
    part = flat.split_array(generator.layout, generator.initial(np.random.default_rng(2)))
    assert 3.0 < np.abs(part["circuit"]).max() < math.pi
    assert 0.9 / math.sqrt(14) < np.abs(part["mapping.0.weight"]).max() < 1 / math.sqrt(14)


def test_acting_is_the_policy_that_is_trained():
    policy = Policy(5, 4, 3)
    parameters = policy.initial(np.random.default_rng(3))
    observations = np.random.default_rng(4).normal(size=(6, 5))
    trained = policy.logits(torch.tensor(parameters), torch.tensor(observations))
    network = torch.nn.Sequential(torch.nn.Linear(5, 4), torch.nn.ReLU(), torch.nn.Linear(4, 3)).double()
    torch.nn.utils.vector_to_parameters(torch.tensor(parameters), network.parameters())
    assert torch.allclose(trained, network(torch.tensor(observations)))
    acting = policy.acting(parameters)
    assert np.allclose([acting(row) for row in observations], trained.numpy())
