"""Dist-QTRL trains as the paper says, the same way every time, and on any number of ranks."""

import built
import numpy as np
import pytest
import torch
from launch import hpcqrl
from test_resume import same

from hpcqrl.parallel.agents import Agents
from hpcqrl.results.reader import read_run
from hpcqrl.rl.optimisers import Adam, clip_norm
from hpcqrl.systems import dist_qtrl
from hpcqrl.systems.dist_qtrl import Config, train

SMALL = ("--hidden", "4", "--layers", "1", "--max-steps", "20")


def trained(path, *options: str, ranks: int):
    done = hpcqrl("train", "dist-qtrl", "--out", str(path), *options, ranks=ranks)
    assert done.returncode == 0, done.stdout + done.stderr
    return read_run(path)


@pytest.mark.parametrize("ranks", [1, 2, 4])
def test_same_seed_and_ranks_same_bits(tmp_path, ranks):
    options = ("--episodes", "110", "--seed", "7", *SMALL)
    first, second = (trained(tmp_path / f"{k}.h5", *options, ranks=ranks) for k in range(2))
    same(first, second)
    assert first.complete and first.agents == ranks and len(first.episodes) == 110 * ranks
    assert first.episodes["episode"].tolist() == list(range(110 * ranks))
    assert first.episodes["agent"].tolist() == list(range(ranks)) * 110
    assert first.episodes["version"].tolist() == sorted(list(range(110)) * ranks)
    assert first.config["seed"] == 7 and first.attributes["mpi"].startswith("MPICH")


def test_another_seed_gives_other_bits(tmp_path):
    runs = [trained(tmp_path / f"{seed}.h5", "--episodes", "20", "--seed", seed, *SMALL, ranks=2) for seed in "78"]
    first, other = (run.parameters["circuit"] for run in runs)
    assert not np.array_equal(first, other)


@pytest.mark.parametrize("ranks", [2, 4])
@pytest.mark.parametrize("model", ["quantum", "classical"])
def test_ranks_are_agents_averaged_by_hand(tmp_path, ranks, model):
    run = trained(tmp_path / "run.h5", "--episodes", "60", "--model", model, *SMALL, ranks=ranks)
    config = Config(episodes=60, model=model, hidden=4, layers=1, max_steps=20)
    agents = [built.agent(dist_qtrl, rank, **vars(config)) for rank in range(ranks)]
    theta = agents[0].in_step.theta
    optimiser, moments = Adam(config.learning_rate), np.zeros((2, theta.size))
    returns = []
    for update in range(60):
        gradients, rewards = zip(*(agent.gradient(theta) for agent in agents), strict=True)
        returns += [reward_t.sum() for reward_t in rewards]
        gradient = np.sum(gradients, axis=0) / ranks
        clip_norm(gradient, config.max_gradient_norm)
        optimiser.step(theta, moments, update, gradient)
    assert np.array_equal(run.episodes["return"], returns)
    flat = np.concatenate([run.parameters[name].reshape(-1) for name in agents[0].model.layout.shapes])
    assert np.allclose(flat, theta, rtol=0, atol=1e-12 if ranks == 2 else 1e-7)  # four have no one order of summing


@pytest.mark.parametrize(("returns", "loss"), [("plain", "mean"), ("standardised", "sum")])
def test_the_gradient_is_that_of_equation_2_through_the_generated_policy(returns, loss):
    config = Config(hidden=4, layers=1, returns=returns, loss=loss, seed=1)  # its first episode is rewarded
    agent, twin = (built.agent(dist_qtrl, **vars(config)) for _ in range(2))
    gradient, reward_t = agent.gradient(agent.in_step.theta)

    generated, _ = twin.model.generator.generate(twin.in_step.theta)
    observations, actions, rewards = twin.in_step.episode(twin.model.policy.acting(generated))
    assert np.array_equal(rewards, reward_t) and rewards[-1] > 0.0
    value = np.array([sum(0.99 ** (k - t) * rewards[k] for k in range(t, len(rewards))) for t in range(len(rewards))])
    if returns == "standardised":
        value = (value - value.mean()) / (value.std() + 1e-6)

    def of(theta):
        parameters, _ = twin.model.generator.generate(theta)
        logits = torch.tensor(twin.model.policy.logits(parameters, observations))
        policy = torch.distributions.Categorical(logits=logits)
        steps = policy.log_prob(torch.tensor(actions)) * torch.tensor(value)
        return -((steps.mean() if loss == "mean" else steps.sum()) + 0.05 * policy.entropy().mean()).item()

    length = np.linalg.norm(gradient)
    step = 1e-3 * gradient / length  # not smaller: the circuit is float32
    assert (of(twin.in_step.theta + step) - of(twin.in_step.theta - step)) / 2e-3 == pytest.approx(length, rel=1e-2)


def test_other_environments_and_devices(tmp_path):
    options = ("--episodes", "3", "--env", "CartPole-v1", "--hidden", "2", "--layers", "1")
    cartpole = trained(tmp_path / "a.h5", *options, ranks=2)
    assert np.array_equal(cartpole.episodes["return"], cartpole.episodes["length"])
    device = trained(tmp_path / "b.h5", *options, "--qpu", "lightning.qubit", ranks=2)
    assert np.array_equal(cartpole.episodes["return"], device.episodes["return"])
    noisy = trained(tmp_path / "c.h5", *options, "--shots", "100", ranks=2)
    assert noisy.config["shots"] == 100 and len(noisy.episodes) == 6


class Silent:
    """Stands in for the journal where only what is learned matters."""

    def __init__(self) -> None:
        self.returns: list[float] = []

    def episode(self, number: int, episode_return: float, length: int, version: int, **extra: float) -> None:
        self.returns.append(episode_return)


def test_it_learns():
    from mpi4py import MPI

    notebook = {"returns": "standardised", "loss": "sum", "max_gradient_norm": 10.0}
    config = Config(env="CartPole-v1", model="classical", episodes=400, learning_rate=1e-2, seed=1, **notebook)
    journal = Silent()
    train(built.agent(dist_qtrl, **vars(config)), Agents(MPI.COMM_SELF), journal)
    assert np.mean(journal.returns[-50:]) > 2.0 * np.mean(journal.returns[:50])
