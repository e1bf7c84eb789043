"""PPO has the published gradient, is the same on any number of agents, and learns with every kind of action."""

import os
import signal
import time

import built
import gymnasium
import numpy as np
import pennylane as qml
import pytest
import torch
from launch import BIN, ROOT, finish, hpcqrl, start, worker_pids
from test_resume import same

from hpcqrl.envs.make import make_either
from hpcqrl.envs.side_by_side import SideBySide
from hpcqrl.results.reader import read_run
from hpcqrl.rl.advantages import generalised_advantages
from hpcqrl.rl.distributions import Beta, Softmax
from hpcqrl.rl.running_moments import RunningMoments
from hpcqrl.systems import ppo
from hpcqrl.trained import load

PATH = {"PYTHONPATH": f"{ROOT}:{ROOT / 'tests'}"}
SMALL = ("--envs", "4", "--rollout", "16", "--minibatch", "32", "--epochs", "2")
NORMALISED = ("--normalise-observations", "--normalise-rewards")


def train(out, *options, ranks=1):
    done = hpcqrl("train", "ppo", "--out", str(out), *options, ranks=ranks, **PATH)
    assert done.returncode == 0, done.stdout + done.stderr
    return read_run(out)


@qml.qnode(qml.device("default.qubit", wires=3), interface="torch", diff_method="backprop")
def circuit(angles, weights):
    """PPO-Q's, on 3 qubits, by PennyLane."""
    for q in range(3):
        qml.Hadamard(wires=q)
    for number, layer in enumerate(weights):
        for q in range(3):
            qml.RZ(layer[q, 0], wires=q)
            qml.RY(layer[q, 1], wires=q)
        if number < len(weights) - 1:
            for pair in ((0, 1), (1, 2), (2, 0)):
                qml.CZ(wires=pair)
            for q in range(3):
                qml.RY(angles[..., q], wires=q)
                qml.RZ(angles[..., q], wires=q)
    return [qml.expval(qml.PauliZ(q)) for q in range(3)]


def written_out(kind, part, who, x):
    """A network by torch's functions and PennyLane's simulator."""

    def layer(name, values):
        return torch.nn.functional.linear(values, part[f"{who}.{name}.weight"], part[f"{who}.{name}.bias"])

    if kind == "classical":
        return layer("2", torch.tanh(layer("1", torch.tanh(layer("0", x)))))
    angles = torch.tanh(part[f"{who}.scale"] * layer("first", x))
    return layer("last", torch.stack(circuit(angles, part[f"{who}.circuit"]), -1))


@pytest.mark.parametrize("env", ["CartPole-v1", "Pendulum-v1"])
@pytest.mark.parametrize(("model", "critic"), [("quantum", "classical"), ("classical", "quantum")])
def test_the_gradient_is_that_of_the_clipped_objective(env, model, critic):
    options = {"env": env, "model": model, "critic": critic, "qubits": 3, "layers": 2, "entropy_weight": 0.03}
    agent = built.agent(ppo, envs=2, rollout=4, minibatch=8, clip=0.1, **options)
    random = np.random.default_rng(0)
    agent.theta = agent.theta + 0.5 * random.standard_normal(agent.theta.size)
    observation = random.normal(size=(8, agent.envs[0].observation_space.shape[0]))
    outputs = agent.model.acting(agent.theta)(observation)
    action = agent.distribution.sample(outputs, [random] * 8)
    before = agent.distribution.log_probability(outputs, action) + 0.2 * random.normal(size=8)
    batch = ppo.Batch(observation, action, before, random.normal(size=8), random.normal(size=8))
    ours = agent.gradient(batch, 0.1)

    parts = agent.model.layout.split(agent.theta)
    part = {name: torch.tensor(value, requires_grad=True) for name, value in parts.items()}
    made = written_out(model, part, "actor", torch.tensor(observation))
    value = written_out(critic, part, "critic", torch.tensor(observation))[:, 0]
    if env == "CartPole-v1":
        law = torch.distributions.Categorical(logits=made)
        log_probability, entropy = law.log_prob(torch.tensor(action)), law.entropy()
    else:
        law = torch.distributions.Beta(*(torch.nn.functional.softplus(made) + 1.0).chunk(2, 1))
        log_probability, entropy = law.log_prob(torch.tensor(0.5 * (action + 1.0))).sum(1), law.entropy().sum(1)
    ratio, advantage = torch.exp(log_probability - torch.tensor(before)), torch.tensor(batch.advantage)
    clipped = torch.min(ratio * advantage, ratio.clamp(0.9, 1.1) * advantage)
    assert ((ratio < 0.9) | (ratio > 1.1)).any(), "some are clipped"
    (-clipped - 0.03 * entropy + 0.5 * (value - torch.tensor(batch.value_target)) ** 2).mean().backward()
    theirs = np.concatenate([tensor.grad.numpy().reshape(-1) for tensor in part.values()])
    assert np.allclose(ours, theirs, atol=3e-6), np.abs(ours - theirs).max()


def test_advantages_are_sums_of_what_was_better_than_expected():
    """Against the definition, eq. 16: sum over l of (discount lambda)^l delta_(t+l), up to the episode's end."""
    random = np.random.default_rng(1)
    reward, value, value_tp1 = random.normal(size=(3, 9, 2))
    over = np.zeros((9, 2), bool)
    over[[3, 8, 5], [0, 0, 1]] = True
    found = generalised_advantages(reward, value, value_tp1, over, 0.9, 0.7)
    delta = reward + 0.9 * value_tp1 - value
    for t in range(9):
        for k in range(2):
            end = next((s for s in range(t, 9) if over[s, k]), 8)
            expected = sum((0.9 * 0.7) ** (s - t) * delta[s, k] for s in range(t, end + 1))
            assert found[t, k] == pytest.approx(expected)


class Nine(gymnasium.Env):
    """Episodes of up to 9 steps, each rewarded with 1, that a time limit ends; it shows how many there were."""

    observation_space = gymnasium.spaces.Box(0, 9, (1,), np.float32)
    action_space = gymnasium.spaces.Discrete(2)

    def reset(self, *, seed=None, options=None):
        super().reset(seed=seed)
        self.steps = 0
        return np.zeros(1, np.float32), {}

    def step(self, action):
        self.steps += 1
        reward = np.nan if self.steps == 7 and action == 1 and self.faulty else 1.0
        return np.full(1, self.steps, np.float32), reward, self.ends and self.steps == 9, self.steps == 9, {}

    def __init__(self, ends=False, faulty=False, width=1):
        self.ends, self.faulty = ends, faulty
        self.observation_space = gymnasium.spaces.Box(0, 9, (width,), np.float32)


gymnasium.register("Nine-v0", Nine)


class Silent:
    """A journal that nobody reads."""

    def tick(self): ...


@pytest.mark.parametrize("ends", [False, True])
def test_the_value_is_that_of_the_last_observation_at_a_time_limit_and_none_where_the_task_is_over(ends):
    option = (f"ends={ends}",)
    agent = built.agent(ppo, env="test_ppo:Nine-v0", env_option=option, envs=2, rollout=20, minibatch=40, gae_lambda=0)
    act = agent.model.actor.acting(agent.theta[: agent.model.actor.size])
    rollout, _ = agent.player.play(act, agent.distribution, 20, 0, Silent())
    seen = rollout.observation[:, 0, 0].tolist()
    assert seen == [t % 9 for t in range(20)] and rollout.observation_tp1[8, 0, 0] == 9.0
    assert rollout.over[:, 0].tolist() == [t % 9 == 8 for t in range(20)]
    value = agent.model.critic.acting(agent.theta[agent.model.actor.size :])
    numbers = value(np.arange(10.0)[:, None])[:, 0]
    numbers[9] *= not ends
    advantage = agent.batch(rollout).advantage.reshape(20, 2)
    expected = [1.0 + 0.98 * numbers[t % 9 + 1] - value(np.array([t % 9]))[0] for t in range(20)]
    assert np.allclose(advantage, np.array(expected)[:, None])


def test_running_moments_are_those_of_all_that_was_seen():
    random = np.random.default_rng(0)
    parts = [random.normal(50.0, 3.0, (n, 2)) for n in (5, 1, 40, 7)]
    alone, together = RunningMoments(2), RunningMoments(2)
    for part in parts:
        alone.add(alone.sums(part))
    together.add(together.sums(parts[0]) + together.sums(parts[1]))
    together.add(together.sums(parts[2]) + together.sums(parts[3]))
    seen = np.concatenate(parts)
    for moments in (alone, together):
        assert moments.count == len(seen)
        assert np.allclose(moments.mean, seen.mean(0)) and np.allclose(moments.variance, seen.var(0))


def test_actions_are_drawn_from_the_distributions_whose_probabilities_are_learned():
    random = np.random.default_rng(0)
    logits = np.log(np.array([[0.2, 0.5, 0.3]]))
    drawn = Softmax(3).sample(np.repeat(logits, 20_000, 0), [random] * 20_000)
    assert np.allclose(np.bincount(drawn) / 20_000, [0.2, 0.5, 0.3], atol=0.015)
    outputs, beta = np.array([[0.4, 2.0]]), Beta(1)
    drawn = beta.sample(np.repeat(outputs, 20_000, 0), [random] * 20_000)
    assert np.abs(drawn).max() <= 1.0 and drawn.mean() == pytest.approx(beta.best(outputs[0])[0], abs=0.01)
    grid = np.linspace(-1.0, 1.0, 4001)[:, None]
    density = np.exp(beta.log_probability(np.repeat(outputs, 4001, 0), grid))
    assert density.mean() == pytest.approx(1.0, abs=1e-3), "of u, which is in 0..1"


@pytest.mark.parametrize("model", ["quantum", "classical"])
def test_agents_with_environments_each_do_as_one_with_all_of_them(tmp_path, model):
    """Where a minibatch is the whole batch: the same episodes; parameters differ by the order of sums alone."""
    options = ("--model", model, "--rollout", "16", "--epochs", "3", "--steps", "6000", *NORMALISED)
    one = train(tmp_path / "1.h5", *options, "--envs", "8", "--minibatch", "128")
    for ranks in (2, 4):
        size = ("--envs", str(8 // ranks), "--minibatch", str(128 // ranks))
        many = train(tmp_path / f"{ranks}.h5", *options, *size, ranks=ranks)
        assert np.unique(many.episodes["agent"]).size == ranks
        for name in ("episode", "return", "length", "version"):
            assert np.array_equal(one.episodes[name], many.episodes[name]), name
        for name, value in one.parameters.items():
            assert np.allclose(value, many.parameters[name], rtol=1e-6, atol=1e-8), name


def test_the_same_seed_gives_the_same_bits_and_another_does_not(tmp_path):
    runs = [train(tmp_path / f"{k}.h5", *SMALL, "--steps", "2000", "--seed", str(k // 2), ranks=2) for k in range(3)]
    same(*runs[:2])
    assert not np.array_equal(runs[0].episodes["return"][:9], runs[2].episodes["return"][:9])


@pytest.mark.parametrize(
    ("env", "ranks", "options"),
    [
        ("CartPole-v1", 1, ("--steps", "60000", "--shots", "20")),
        ("Pendulum-v1", 2, ("--steps", "40000", "--model", "classical", *NORMALISED)),
    ],
)
def test_killed_and_resumed_it_ends_with_the_same_bits(tmp_path, env, ranks, options):
    whole, cut = tmp_path / "whole.h5", tmp_path / "cut.h5"
    options = ("--env", env, *SMALL, *options)
    train(whole, *options, ranks=ranks)
    process = start(
        str(BIN / "hpcqrl"), "train", "ppo", *options, "--checkpoint-every", "0.2", "--out", str(cut), ranks=ranks
    )
    for _ in range(2):
        while not (cut.exists() and "checkpointed" in read_run(cut).attributes):
            assert process.poll() is None, process.communicate()
            time.sleep(0.02)
        os.kill(worker_pids(process.pid)[0], signal.SIGKILL)
        finish(process)
        assert not read_run(cut).complete
        process = start(str(BIN / "hpcqrl"), "resume", str(cut), ranks=ranks)
        time.sleep(2.0)
    finish(process)
    if not read_run(cut).complete:
        assert hpcqrl("resume", str(cut), ranks=ranks).returncode == 0
    same(read_run(whole), read_run(cut))


def test_it_goes_on_with_another_number_of_agents(tmp_path):
    out = tmp_path / "run.h5"
    options = (*SMALL, "--steps", "30000", *NORMALISED, "--checkpoint-every", "0", "--out", str(out))
    process = start(str(BIN / "hpcqrl"), "train", "ppo", *options, ranks=1)
    while not (out.exists() and len(read_run(out).episodes)):
        assert process.poll() is None, process.communicate()
        time.sleep(0.02)
    process.send_signal(signal.SIGUSR1)
    assert finish(process).returncode == 75
    assert hpcqrl("resume", str(out), ranks=3).returncode == 0
    run = read_run(out)
    assert run.complete and run.episodes["episode"].tolist() == list(range(len(run.episodes)))
    assert np.unique(run.episodes["agent"]).size == 3


def test_quantum_agents_learn_to_balance(tmp_path):
    run = train(tmp_path / "run.h5", "--steps", "20000")
    assert run.episodes["return"][:50].mean() < 40.0 < 100.0 < run.episodes["return"][-30:].mean()
    assert sum(value.size for value in run.parameters.values()) == 20 + 4 + 16 + 10 + 4545


def test_frozen_lake_is_learned(tmp_path):
    """16 states, one-hot; a random policy reaches the goal in 1 to 2 of 100 episodes."""
    options = ("--env", "FrozenLake-v1", "--env-option", "is_slippery=False", "--env-option", "map_name=4x4")
    out = tmp_path / "run.h5"
    run = train(out, *options, "--model", "classical", "--steps", "40000", "--entropy-weight", "0.01")
    assert run.config["env_option"] == ["is_slippery=False", "map_name=4x4"]
    assert run.episodes["return"][:100].mean() < 0.2 and run.episodes["return"][-100:].mean() > 0.9
    done = hpcqrl("evaluate", str(out), "--episodes", "5")
    assert "FrozenLake-v1: mean return of 5 episodes 1.000" in done.stdout, done.stderr


@pytest.mark.parametrize("env", ["CartPole-v1", "Pendulum-v1"])
def test_what_was_trained_is_played_exported_and_described(tmp_path, env):
    out = tmp_path / "run.h5"
    train(out, *SMALL, "--env", env, "--steps", "2000", "--normalise-observations")
    for command, said in (
        (("evaluate", str(out), "--episodes", "3"), "mean return of 3 episodes"),
        (("evaluate", str(out), "--episodes", "3", "--sample"), "mean return of 3 episodes"),
        (("export", str(out), "--out", str(tmp_path / "x.pt2")), f"of {env}"),
        (("describe", str(out)), "actor.scale"),
    ):
        done = hpcqrl(*command)
        assert done.returncode == 0 and said in done.stdout, (command, done.stdout, done.stderr)
    run = load(out)
    assert np.abs(run.parameters["observation.mean"]).max() > 0.0
    policy, exported = run.policy(), torch.export.load(tmp_path / "x.pt2").module()
    environment = run.environment()
    observation, _ = environment.reset(seed=0)
    for _ in range(5):
        action = policy(observation)
        made = exported(torch.tensor(observation)[None])[0]
        if env == "CartPole-v1":
            assert action == made.argmax()
        else:
            assert np.allclose(environment.action(action), made, atol=1e-4), "in the environment's own range"
        observation, *_ = environment.step(action)


def test_what_cannot_be_is_refused_in_a_line(tmp_path):
    for options, said in (
        (("--minibatch", "100"), "minibatch must divide envs x rollout, 8 x 32 = 256, which 100 does not"),
        (("--minibatch", "512"), "minibatch must divide envs x rollout, 8 x 32 = 256, which 512 does not"),
        (("--minibatch", "1"), "minibatch must be at least 2"),
        (("--envs", "0"), "envs must be at least 1"),
        (("--env", "Pendulum-v1", "--actions", "2"), "Pendulum-v1 has actions Box"),
        (("--env", "FrozenLake-v1", "--env-option", "slippery=False"), "cannot be made with slippery=False"),
        (("--env", "FrozenLake-v1", "--env-option", "slippery"), "an environment's option is key=value"),
        (("--model", "classical", "--shots", "10"), "shots means nothing without a circuit"),
        (("--circuit", "own_circuits:nothing"), "own_circuits"),
    ):
        done = hpcqrl("train", "ppo", *options, "--out", str(tmp_path / "x.h5"), **PATH)
        assert done.returncode == 2 and said in done.stderr and "Traceback" not in done.stderr, done.stderr
    faulty = ("--env", "test_ppo:Nine-v0", "--env-option", "faulty=true", *SMALL)
    done = hpcqrl("train", "ppo", *faulty, "--out", str(tmp_path / "x.h5"), **PATH)
    assert done.returncode == 1 and done.stderr.count("\n") == 1, done.stderr
    assert "step 7 of its episode: the environment gave the reward nan, which is not finite" in done.stderr
    unlike = [make_either("test_ppo:Nine-v0", options=(f"width={width}",)) for width in (1, 2)]
    with pytest.raises(ValueError, match="environment 1 has other spaces than the first"):
        SideBySide(unlike, np.random.SeedSequence(0).spawn(2))
