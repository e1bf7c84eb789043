"""hDQNN's actor through its circuit: what is measured, and the exact gradient of it, are PennyLane's."""

import numpy as np
import pennylane as qml
import pytest
import torch

from hpcqrl.models.critic import Critic
from hpcqrl.models.exact_bits import ExactBits
from hpcqrl.models.hdqnn import Networks
from hpcqrl.models.hybrid_actor import HybridActor
from hpcqrl.quantum.circuits import efficient_su2


@qml.qnode(qml.device("default.qubit", wires=3), interface="torch", diff_method="backprop")
def drawn_again(angles):
    """efficient_su2(3, 2) as the paper draws it, for a batch of angles."""
    for layer in range(3):
        for q in range(2 if layer else 0):
            qml.CNOT(wires=(q, q + 1))
        for q in range(3):
            qml.RY(angles[:, 6 * layer + q], wires=q)
            qml.RZ(angles[:, 6 * layer + 3 + q], wires=q)
    return [qml.expval(qml.PauliZ(q)) for q in range(3)]


def probabilities(angles):
    return 0.5 - 0.5 * torch.stack(drawn_again(angles), 1)


def more_frequent(p, shots):
    """Of so many bits, each 1 with probability p, more than half."""
    ways = torch.lgamma(torch.tensor([shots + 1.0])).exp()
    total = torch.zeros_like(p)
    for k in range(shots // 2 + 1, shots + 1):
        ways = np.prod([(shots - j) / (j + 1) for j in range(k)])
        total = total + ways * p**k * (1 - p) ** (shots - k)
    return total


def actor_with_circuit(**options):
    actor = HybridActor(2, 1, efficient_su2(3, 2), links=2, hidden=8, **options)
    networks = Networks(actor, Critic(2, 1, 8), 16, "exact")
    theta = networks.actor_part(networks.initial(np.random.default_rng(0)))
    theta += np.random.default_rng(1).normal(0.0, 0.3, theta.shape).astype(np.float32)
    return actor, networks, torch.from_numpy(theta)


OBSERVATIONS = torch.from_numpy(np.random.default_rng(2).normal(size=(5, 2)).astype(np.float32))


@pytest.mark.parametrize(("shots", "measure"), [(1, "bits"), (5, "bits"), (4, "bits"), (100, "marginals")])
def test_the_exact_gradient_of_the_actor_is_pennylanes(shots, measure):
    """The measured values go on to PostDNN, and what comes back passes the circuit as if they were their means."""
    actor, networks, theta = actor_with_circuit(shots=shots, measure=measure)
    part = actor.layout.split(theta.requires_grad_())
    seen = []
    measured = actor.measured
    actor.measured = lambda angles: seen.append(measured(angles)) or seen[-1]
    actions = networks.actions(part, {}, OBSERVATIONS)
    actions.sum().backward()
    ours = theta.grad.clone()

    theta = theta.detach().double().requires_grad_()

    def bits_of(angles):
        means = probabilities(angles)
        means = more_frequent(means, shots) if measure == "bits" else means
        return torch.from_numpy(seen[0]) + means - means.detach()

    again = actor.actions(actor.layout.split(theta), OBSERVATIONS.double(), bits_of)
    again.sum().backward()
    assert torch.allclose(actions.double(), again, atol=1e-6)
    assert torch.allclose(ours.double(), theta.grad, atol=2e-5 * theta.grad.abs().max().item())
    pre = actor.layout.split(theta.grad)["pre.0.weight"]
    assert pre.abs().max() > 1e-3  # something comes through the circuit and the links


def test_the_exact_gradient_is_that_of_finite_differences():
    """Where what is measured is put at its mean, and there are no links past the circuit."""
    actor = HybridActor(2, 1, efficient_su2(3, 2), links=0, hidden=8, shots=3)
    networks = Networks(actor, Critic(2, 1, 8), 16, "exact")
    theta = networks.actor_part(networks.initial(np.random.default_rng(0)))
    theta += np.random.default_rng(1).normal(0.0, 0.3, theta.shape).astype(np.float32)
    actor.measured = lambda angles: actor.exact.expected(torch.from_numpy(angles)).numpy()

    def actions(theta):
        return networks.actions(actor.layout.split(theta), {}, OBSERVATIONS).sum()

    trained = torch.from_numpy(theta.copy()).requires_grad_()
    actions(trained).backward()
    gradient = trained.grad.numpy()
    places = [place for place in range(len(theta)) if abs(gradient[place]) > 0.05][::7]
    assert len(places) > 5
    for place in places:
        step = np.zeros_like(theta)
        step[place] = 0.01
        up, down = (actions(torch.from_numpy(theta + sign * step)).item() for sign in (1, -1))
        assert (up - down) / 0.02 == pytest.approx(gradient[place], rel=0.02, abs=1e-3), place


@pytest.mark.parametrize("shots", [1, 3, 1000])
def test_the_jacobian_of_what_is_measured_is_torchs(shots):
    exact = ExactBits(efficient_su2(3, 2), shots)
    angles = np.random.default_rng(3).uniform(-3, 3, (4, 18))

    def expected(row):
        p = probabilities(row[None])[0]
        if shots == 1:
            return p
        if shots == 3:
            return more_frequent(p, 3)
        return torch.special.ndtr((p - (shots // 2 + 0.5) / shots) / (p * (1 - p) / shots).sqrt())  # de Moivre, Laplace

    reference = torch.stack([torch.func.jacrev(expected)(row) for row in torch.from_numpy(angles)])
    ours = exact.jacobian(angles)
    assert ours.shape == (4, 3, 18)
    assert np.allclose(ours, reference, atol=1e-5 if shots < 1000 else 0.03 * reference.abs().max().item())


def test_means_of_shots_are_measured_and_drawn_with_the_circuits_probabilities():
    actor = HybridActor(2, 1, efficient_su2(3, 2), shots=10, measure="marginals")
    angles = np.repeat(np.random.default_rng(3).uniform(-3, 3, (1, 18)), 1500, axis=0)
    wanted = probabilities(torch.from_numpy(angles[:1])).numpy()[0]
    drawn = actor.drawn(torch.from_numpy(np.repeat(wanted[None], 1500, axis=0))).numpy()
    for means in (actor.measured(angles), drawn):
        assert means.dtype == np.float32 and np.allclose(means * 10, np.round(means * 10), atol=1e-5)
        assert (np.abs(means.mean(axis=0) - wanted) < 5 * np.sqrt(wanted * (1 - wanted) / 15_000) + 1e-6).all()
        assert np.allclose(means.var(axis=0), wanted * (1 - wanted) / 10, rtol=0.2)


@pytest.mark.parametrize("scale", [0.1, 1.0])
def test_scaled_angles_stay_near_a_point_when_acting_and_in_training(scale):
    actor = HybridActor(2, 1, efficient_su2(3, 2), links=2, hidden=64, angle_scale=scale)
    networks = Networks(actor, Critic(2, 1, 8), 16)
    theta = networks.actor_part(networks.initial(np.random.default_rng(0)))
    act, part = actor.acting(theta), actor.layout.split(torch.from_numpy(theta))
    seen = np.random.default_rng(1).normal(size=(50, 2)).astype(np.float32)
    angles = np.array([act(row)[1] for row in seen])
    assert np.allclose(actor.angles_and_links(part, torch.from_numpy(seen))[0], angles, atol=1e-5)
    point = actor.layout.split(theta)["pre.1.bias"][:18]
    weights = actor.layout.split(theta)["pre.1.weight"][:18]
    hidden = torch.nn.functional.leaky_relu(
        torch.from_numpy(seen @ part["pre.0.weight"].numpy().T) + part["pre.0.bias"]
    )
    assert np.allclose(angles, point + scale * hidden.numpy() @ weights.T, atol=1e-5)
    assert (np.abs(point).max() > 1.5) == (scale < 1.0) and np.abs(point).max() <= np.pi
