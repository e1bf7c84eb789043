"""hDQNN in TD3: the replay, TD3's update, and agents that average their gradients."""

import copy
import os

import built
import gymnasium
import numpy as np
import pytest
import torch
from launch import ROOT, hpcqrl
from mpi4py import MPI
from td3_in_torch import Reference

from hpcqrl.parallel.agents import Agents
from hpcqrl.results.reader import read_run
from hpcqrl.rl.transitions import Transitions
from hpcqrl.rl.transitions_on_device import TransitionsOnDevice
from hpcqrl.systems import hdqnn_td3
from hpcqrl.systems.hdqnn_td3 import train

SIZES = {"qubits": 3, "layers": 1, "links": 2, "hidden": 8, "qtdnn_hidden": 16, "batch": 16, "random_steps": 20}
SMALL = [text for name, value in SIZES.items() for text in (f"--{name.replace('_', '-')}", str(value))]
REACH = "test_hdqnn_td3:Reach-v0"
PATH = f"{ROOT}:{ROOT / 'tests'}"


class Reach(gymnasium.Env):
    """The best action is the first number seen; episodes of 6 steps, every other one of which ends by itself."""

    observation_space = gymnasium.spaces.Box(-1, 1, (2,), np.float32)
    action_space = gymnasium.spaces.Box(np.float32([-2.0]), np.float32([1.0]))

    def __init__(self) -> None:
        self.episodes = 0

    def reset(self, *, seed=None, options=None):
        super().reset(seed=seed)
        self.steps, self.episodes = 0, self.episodes + 1
        return self._observation(), {}

    def step(self, action):
        assert self.action_space.contains(action), action
        reward = -float((action[0] - self.seen[0]) ** 2)
        self.steps += 1
        ended = self.steps == 6
        return self._observation(), reward, ended and self.episodes % 2 == 0, ended and self.episodes % 2 == 1, {}

    def _observation(self):
        self.seen = self.np_random.uniform(-1, 1, 2).astype(np.float32)
        return self.seen


gymnasium.register("Reach-v0", Reach)


def trained(path, *options: str, ranks: int = 1):
    command = ("train", "hdqnn-td3", "--out", str(path), "--env", REACH, *SMALL, *options)
    done = hpcqrl(*command, ranks=ranks, PYTHONPATH=PATH)
    assert done.returncode == 0, done.stdout + done.stderr
    return read_run(path)


def test_replay_keeps_the_last_and_draws_all_alike():
    replay = Transitions(5, {"x": 2, "y": 1})
    for k in range(7):
        replay.add(np.array([k, -k]), float(k))
    random = np.random.default_rng(0)
    drawn = replay.sample(10_000, random)
    assert drawn["x"].shape == (10_000, 2) and drawn["y"].dtype == np.float32
    assert np.array_equal(drawn["x"][:, 0], drawn["y"][:, 0]) and np.array_equal(drawn["x"][:, 1], -drawn["y"][:, 0])
    values, counts = np.unique(drawn["y"], return_counts=True)
    assert values.tolist() == [2, 3, 4, 5, 6] and (np.abs(counts - 2000) < 200).all()


@pytest.mark.parametrize(
    ("block", "surrogate"), [("pqc", "sampled"), ("pqc", "expected"), ("pqc", "exact"), ("fc", "sampled")]
)
def test_the_update_is_td3s_in_torch_optim(block, surrogate):
    agent = built.agent(hdqnn_td3, env="Reach-v0", block=block, surrogate=surrogate, **SIZES)
    explorer, trained = agent.explorer, agent.trained
    observation, _ = agent.env.reset()
    for step in range(60):
        action, angles, bits = agent.explore(observation, step)
        later, reward, terminated, truncated, _ = agent.env.step(action)
        explorer.replay.add(observation, action, float(reward), later, float(terminated), angles, bits)
        observation = agent.env.reset()[0] if terminated or truncated else later
    assert 0 < explorer.replay.parts["terminated_t"][:60].sum() < 10
    expected, before = Reference(agent), trained.theta.clone()
    for update in range(1, 11):
        random = copy.deepcopy(explorer.random)
        batch = [torch.from_numpy(part) for part in explorer.replay.sample(16, random).values()]
        parts = np.array_split(random.permutation(16), 3) if surrogate == "refitted" and update % 2 == 0 else []
        noise = torch.from_numpy(random.standard_normal((16, 1), np.float32))
        expected.update(update, batch, noise, parts)
        agent.update(update, Agents(MPI.COMM_SELF))
        theta = expected.flat(expected.networks, agent.model.layout, trained.theta)
        assert torch.allclose(trained.theta, theta, rtol=0, atol=2e-6), update
        target = expected.flat(expected.targets, agent.model.layout, trained.target)
        assert torch.allclose(trained.target, target, rtol=0, atol=2e-6), update
    assert (trained.theta - before).abs().max() > 2e-3
    assert trained.adam_steps.tolist() == ([5, 10, 10, 5] if agent.model.has_qtdnn else [10, 10, 5])


def same(first, second) -> None:
    for name in ("episode", "agent", "return", "length", "version", "loss", "qtdnn_loss", "qtdnn_error"):
        assert np.array_equal(first.episodes[name], second.episodes[name], equal_nan=True), name
    for name in ("steps", "agent", "episodes", "mean", "std", "version"):
        assert np.array_equal(first.evaluations[name], second.evaluations[name]), name
    for name, value in first.parameters.items():
        assert np.array_equal(value, second.parameters[name]), name


@pytest.mark.parametrize("ranks", [1, 4])
def test_same_seed_and_ranks_same_bits(tmp_path, ranks):
    options = ("--steps", "130", "--test-every", "60", "--test-episodes", "3", "--seed", "7")
    first, second = (trained(tmp_path / f"{k}.h5", *options, ranks=ranks) for k in range(2))
    same(first, second)
    assert first.complete and first.agents == ranks and len(first.episodes) == 21 * ranks
    assert first.episodes["episode"].tolist() == list(range(21 * ranks))
    learning = first.episodes["version"] >= 1
    assert np.isfinite(first.episodes["qtdnn_loss"][learning]).all() and (first.episodes["qtdnn_error"] < 0.5).all()
    tests = first.evaluations
    testers = min(ranks, 3)
    assert tests["steps"].tolist() == [60] * testers + [120] * testers
    assert tests["episodes"].reshape(2, testers).sum(axis=1).tolist() == [3, 3] and (tests["mean"] < 0).all()


def explored(agents, seen, step):
    """Each agent takes a step from what it has seen, and keeps it; whether the episodes, in step, have ended."""
    for k, agent in enumerate(agents):
        action, angles, bits = agent.explore(seen[k], step)
        later, reward, terminated, truncated, _ = agent.env.step(action)
        agent.explorer.replay.add(seen[k], action, float(reward), later, float(terminated), angles, bits)
        seen[k] = later
    return terminated or truncated


@pytest.mark.parametrize("ranks", [2])
def test_ranks_are_agents_averaged_by_hand(tmp_path, ranks):
    run = trained(tmp_path / "run.h5", "--steps", "60", ranks=ranks)
    agents = [built.agent(hdqnn_td3, rank, env="Reach-v0", steps=60, **SIZES) for rank in range(ranks)]
    seen = [agent.explorer.episode.observation for agent in agents]
    for step in range(60):
        ended = explored(agents, seen, step)
        if step >= 20:
            (due,) = agents[0].turns(step - 19)
            for agent in agents:
                drawn = agent.explorer.replay.sample(16, agent.explorer.random).values()
                agent.gradients(due, [torch.from_numpy(part) for part in drawn])
            mean = sum(agent.trained.gradient.clone() for agent in agents) / ranks
            for agent in agents:
                agent.trained.gradient.copy_(mean)
                agent.step(due)
        if ended:
            seen = [agent.env.reset()[0] for agent in agents]
    ours = agents[0].model.layout.join({name: value for name, value in run.parameters.items()})
    assert np.allclose(ours, agents[0].trained.theta.detach().numpy(), rtol=0, atol=1e-5)
    assert np.abs(ours - agents[0].model.initial(np.random.default_rng(0))).max() > 1e-3


class Silent:
    """Stands in for the journal where only what is learned matters."""

    told = False

    def __init__(self) -> None:
        self.means: list[float] = []

    def episode(self, *_: float, **extra: float) -> None: ...

    def tick(self, steps: int) -> None: ...

    def evaluation(self, steps: int, returns: list[float], version: int, **extra: float) -> None:
        self.means.append(float(np.mean(returns)))


def test_it_learns():
    sizes = SIZES | {"hidden": 32, "qtdnn_hidden": 64, "batch": 64, "random_steps": 200}
    learning = {"steps": 1600, "learning_rate": 3e-3, "discount": 0.1, "test_every": 400, "test_episodes": 40}
    journal = Silent()
    train(built.agent(hdqnn_td3, env="Reach-v0", **learning, **sizes), Agents(MPI.COMM_SELF), journal)
    constant = -6 * 1 / 3  # the best that an action can do that knows nothing: 0, where the best is uniform in -1..1
    assert journal.means[-1] > 0.25 * constant, journal.means


@pytest.mark.parametrize(
    ("options", "reason"),
    [
        (("--env", "CartPole-v1"), "CartPole-v1 has actions Discrete(2), but this system needs a Box"),
        (("--env", "Humanoid-v4"), "no environment 'Humanoid-v4': MuJoCo is not installed"),
        (("--shots", "0"), "shots must be at least 1, not 0"),
        (("--device", "cuda"), "torch finds no GPU"),
    ],
)
def test_bad_input(tmp_path, options, reason):
    (tmp_path / "hidden").mkdir()
    (tmp_path / "hidden" / "mujoco.py").write_text("raise ImportError('hidden')")
    command = ("train", "hdqnn-td3", *options, "--out", str(tmp_path / "run.h5"))
    done = hpcqrl(*command, ranks=2, PYTHONPATH=f"{ROOT}:{tmp_path / 'hidden'}", COLUMNS="200", CUDA_VISIBLE_DEVICES="")
    assert done.returncode == 2, done.stdout + done.stderr
    assert (done.stdout + done.stderr).count(reason) == 1, done.stdout + done.stderr
    assert "Traceback" not in done.stderr and os.listdir(tmp_path) == ["hidden"]


def test_what_is_replayed_on_a_device_is_what_is_replayed_in_numpy():
    """The processor stands in for a GPU: the same draws, the same updates, bit for bit, the same checkpoint."""
    agents = [built.agent(hdqnn_td3, env="Reach-v0", **SIZES) for _ in range(2)]
    parts = agents[0].explorer.replay.parts
    agents[1].explorer.replay = TransitionsOnDevice(
        40, {name: part.shape[1] for name, part in parts.items()}, device="cpu"
    )
    agents[0].explorer.replay = Transitions(40, {name: part.shape[1] for name, part in parts.items()})
    for agent in agents:
        observation, _ = agent.env.reset(seed=1)
        for step in range(60):
            action, angles, bits = agent.explore(observation, step)
            later, reward, terminated, truncated, _ = agent.env.step(action)
            agent.explorer.replay.add(observation, action, float(reward), later, float(terminated), angles, bits)
            observation = agent.env.reset()[0] if terminated or truncated else later
        for update in range(1, 9):
            agent.update(update, Agents(MPI.COMM_SELF))
    numpy, device = agents
    assert torch.equal(numpy.trained.theta, device.trained.theta)
    kept = device.explorer.replay.state()
    for name, part in numpy.explorer.replay.state().items():
        assert np.array_equal(part, kept[name]), name
    again = TransitionsOnDevice(40, {name: part.shape[1] for name, part in parts.items()}, device="cpu")
    again.restore(numpy.explorer.replay.state())
    for name, part in again.sample_again(20).items():
        assert np.array_equal(part, numpy.explorer.replay.sample_again(20)[name])
