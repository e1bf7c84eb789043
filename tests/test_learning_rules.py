"""Returns, losses and optimisers equal their textbook forms."""

import numpy as np
import pytest
import torch

from hpcqrl.rl.exploration import sample_softmax
from hpcqrl.rl.losses import entropy_gradient, reinforce_gradient
from hpcqrl.rl.optimisers import Adam, RMSprop, clip_norm
from hpcqrl.rl.returns import discounted_returns, standardised


def test_returns_are_equation_1():
    rewards = np.random.default_rng(0).normal(size=20)
    expected = [sum(0.9 ** (k - t) * rewards[k] for k in range(t, 20)) for t in range(20)]
    assert np.allclose(discounted_returns(rewards, 0.9), expected, atol=1e-12)


def test_standardised_returns():
    returns = np.random.default_rng(1).normal(3.0, 5.0, 50)
    found = standardised(returns)
    assert found.mean() == pytest.approx(0.0, abs=1e-12) and found.std() == pytest.approx(1.0, abs=1e-5)
    assert standardised(np.array([4.2])).tolist() == [0.0]


def test_loss_gradients_are_autograds():
    generator = torch.Generator().manual_seed(0)
    logits = torch.randn(6, 3, generator=generator, dtype=torch.float64, requires_grad=True)
    actions, returns = torch.tensor([0, 1, 2, 2, 1, 0]), torch.randn(6, generator=generator, dtype=torch.float64)
    policy = torch.distributions.Categorical(logits=logits)
    (reinforce,) = torch.autograd.grad(-(policy.log_prob(actions) * returns).sum(), logits, retain_graph=True)
    (entropy,) = torch.autograd.grad(policy.entropy().mean(), logits)
    arrays = logits.detach().numpy(), actions.numpy(), returns.numpy()
    assert np.allclose(reinforce_gradient(*arrays), reinforce, atol=1e-12)
    assert np.allclose(entropy_gradient(arrays[0]), entropy, atol=1e-12)


@pytest.mark.parametrize(
    ("ours", "theirs"),
    [
        (Adam(1e-2, (0.92, 0.999)), lambda theta: torch.optim.Adam(theta, lr=1e-2, betas=(0.92, 0.999))),
        (RMSprop(1e-3), lambda theta: torch.optim.RMSprop(theta, lr=1e-3, alpha=0.99, eps=1e-8)),
    ],
)
def test_optimisers_are_torchs_over_a_thousand_steps(ours, theirs):
    random = np.random.default_rng(2)
    theta = random.normal(size=50)
    state = np.zeros((ours.rows, 50))
    parameter = torch.nn.Parameter(torch.tensor(theta))
    reference = theirs([parameter])
    for step in range(1000):
        gradient = np.cos(theta * (1 + step % 7)) + random.normal(size=50)
        parameter.grad = torch.tensor(gradient)
        reference.step()
        ours.step(theta, state, step, gradient)
    assert np.allclose(theta, parameter.detach().numpy(), rtol=0, atol=1e-12)


@pytest.mark.parametrize("scale", [0.1, 100.0])
def test_clipping_is_torchs(scale):
    gradient = scale * np.random.default_rng(3).normal(size=30)
    parameter = torch.nn.Parameter(torch.zeros(30, dtype=torch.float64))
    parameter.grad = torch.tensor(gradient)
    torch.nn.utils.clip_grad_norm_([parameter], 10.0)
    clip_norm(gradient, 10.0)
    assert np.allclose(gradient, parameter.grad.numpy(), rtol=1e-12)


def test_actions_are_drawn_from_softmax():
    from scipy.stats import chisquare

    logits = np.array([0.0, 1.0, -2.0, 0.5])
    random = np.random.default_rng(4)
    counts = np.bincount([sample_softmax(logits, random) for _ in range(20_000)], minlength=4)
    assert chisquare(counts, 20_000 * np.exp(logits) / np.exp(logits).sum()).pvalue > 1e-4
    assert sample_softmax(np.array([-1e30, 0.0, -1e30]), random) == 1
