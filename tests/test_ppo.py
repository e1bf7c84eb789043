"""PPO has the published gradient, is the same on any number of agents, and learns with every kind of action."""

import json
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
from resealed import resealed
from test_resume import same

from hpcqrl.envs.make import make_either
from hpcqrl.envs.side_by_side import SideBySide
from hpcqrl.evaluation import play
from hpcqrl.models.exported import save
from hpcqrl.player import Player
from hpcqrl.results.checkpoint import read_checkpoint
from hpcqrl.results.reader import read_run
from hpcqrl.rl.advantages import generalised_advantages
from hpcqrl.rl.distributions import Beta, Softmax
from hpcqrl.rl.running_moments import RunningMoments
from hpcqrl.systems import ppo
from hpcqrl.systems.ppo import distribution
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


class Alone:
    """The agents of a run of one."""

    rank, size, wished = 0, 1, False

    def mean(self, vector):
        return vector.copy()

    def check_equal(self, vector, what): ...


class Notes:
    """A journal of returns."""

    def __init__(self):
        self.returns, self.rows = [], []

    def tick(self, steps=None): ...

    def episode(self, number, total, length, version, waiting):
        self.returns.append(total)
        self.rows.append((number, total, length, version))


def trained(**options):
    """Trained in this process: the configuration, the parameters, and what the journal has."""
    agent, notes = built.agent(ppo, **options), Notes()
    return agent.config, ppo.train(agent, Alone(), notes), notes


@pytest.mark.parametrize("ends", [False, True])
def test_the_value_is_that_of_the_last_observation_at_a_time_limit_and_none_where_the_task_is_over(ends):
    option = (f"ends={ends}",)
    agent = built.agent(ppo, env="test_ppo:Nine-v0", env_option=option, envs=2, rollout=20, minibatch=40, gae_lambda=0)
    act = agent.model.actor.acting(agent.theta[: agent.model.actor.size])
    rollout, _ = agent.player.play(act, agent.distribution, 20, 0, Notes())
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


@pytest.mark.parametrize(("model", "ranks"), [("quantum", 4), ("classical", 2)])
def test_agents_with_environments_each_do_as_one_with_all_of_them(tmp_path, model, ranks):
    """Where a minibatch is the whole batch; the order of sums makes differences, which grow: so these are few steps."""
    same_options = {"model": model, "rollout": 16, "epochs": 3, "steps": 2500}
    same_options |= {"normalise_observations": True, "normalise_rewards": True}
    _, alone, notes = trained(**same_options, envs=8, minibatch=128)
    options = ("--model", model, "--rollout", "16", "--epochs", "3", "--steps", "2500", *NORMALISED)
    size = ("--envs", str(8 // ranks), "--minibatch", str(128 // ranks))
    many = train(tmp_path / f"{ranks}.h5", *options, *size, ranks=ranks)
    assert np.unique(many.episodes["agent"]).size == ranks and len(notes.rows) > 50
    assert many.episodes[["episode", "return", "length", "version"]].tolist() == notes.rows
    for name, value in alone.items():
        assert np.allclose(value, many.parameters[name], rtol=1e-6, atol=1e-8), name


@pytest.mark.parametrize(
    ("env", "ranks", "options"),
    [
        ("CartPole-v1", 1, ("--steps", "30000", "--shots", "20")),
        ("Pendulum-v1", 2, ("--steps", "20000", "--model", "classical", *NORMALISED)),
    ],
)
def test_killed_and_resumed_it_ends_with_the_same_bits(tmp_path, env, ranks, options):
    whole, cut = tmp_path / "whole.h5", tmp_path / "cut.h5"
    options = ("--env", env, *SMALL, *options)
    train(whole, *options, ranks=ranks)
    process = start(
        str(BIN / "hpcqrl"), "train", "ppo", *options, "--checkpoint-every", "0.2", "--out", str(cut), ranks=ranks
    )
    while not (cut.exists() and "checkpointed" in read_run(cut).attributes):
        assert process.poll() is None, process.communicate()
        time.sleep(0.02)
    os.kill(worker_pids(process.pid)[0], signal.SIGKILL)
    finish(process)
    assert not read_run(cut).complete
    assert hpcqrl("resume", str(cut), ranks=ranks).returncode == 0
    same(read_run(whole), read_run(cut))


@pytest.mark.parametrize("env", ["CartPole-v1", "Pendulum-v1", "odd_environments:OwnNumbers-v0"])
def test_episodes_at_play_go_on_where_they_were(env):
    def player():
        envs = [make_either(env) for _ in range(3)]
        return Player(envs, 0, 0, 0.9, True, True), distribution(envs[0])

    def play(player, law, steps):
        rollout, sums = player.play(lambda x: np.zeros((len(x), law.outputs)), law, steps, 0, Notes())
        player.learn(sums, 3 * steps)
        return np.concatenate([np.ravel(part) for part in rollout])

    (first, law), (second, _) = player(), player()
    play(first, law, 33)
    second.restore(first.common(), first.state(), 0)
    ahead = play(first, law, 50)
    assert np.array_equal(ahead, play(second, law, 50)) != ("Own" in env), "but where nobody sees the numbers"
    joined = player()[0]
    joined.restore(first.common(), {}, 5)
    assert not np.array_equal(ahead, play(joined, law, 50))


def test_it_goes_on_with_another_number_of_agents(tmp_path):
    out = tmp_path / "run.h5"
    options = (*SMALL, "--steps", "10000000", *NORMALISED, "--checkpoint-every", "0", "--out", str(out))
    process = start(str(BIN / "hpcqrl"), "train", "ppo", *options, ranks=1)
    while not (out.exists() and len(read_run(out).episodes)):
        assert process.poll() is None, process.communicate()
        time.sleep(0.02)
    process.send_signal(signal.SIGUSR1)
    assert finish(process).returncode == 75
    steps = int(read_checkpoint(out).common["steps"])
    with resealed(out) as file:
        file.attrs["config"] = json.dumps(json.loads(file.attrs["config"]) | {"steps": steps + 15_000})
    assert hpcqrl("resume", str(out), ranks=3).returncode == 0
    run = read_run(out)
    assert run.complete and run.episodes["episode"].tolist() == list(range(len(run.episodes)))
    assert np.unique(run.episodes["agent"]).size == 3


def test_quantum_agents_learn_to_balance():
    _, parameters, notes = trained(steps=15_000)
    assert np.mean(notes.returns[:50]) < 40.0 < 80.0 < np.mean(notes.returns[-30:])
    assert sum(value.size for value in parameters.values()) == 20 + 4 + 16 + 10 + 4545


def test_continuous_actions_are_learned():
    """Near a target that is seen, without a second step."""
    options = {"env": "test_ppo:Aim-v0", "model": "classical", "steps": 5000, "epochs": 10}
    config, parameters, notes = trained(**options)
    assert np.mean(notes.returns[-500:]) > -0.3 > -0.7 > np.mean(notes.returns[:100])
    env = ppo.environment(config)
    policy = ppo.policy(config, ppo.model(config, env, None), parameters)
    assert all(abs(2.0 * policy(np.array([x], np.float32))[0] - x) < 0.6 for x in (-1.5, -0.5, 0.0, 1.0))


class Aim(gymnasium.Env):
    """One step: what is shown is to be said; the range of actions is -2 to 2."""

    observation_space = gymnasium.spaces.Box(-2, 2, (1,), np.float32)
    action_space = gymnasium.spaces.Box(-2, 2, (1,), np.float32)

    def reset(self, *, seed=None, options=None):
        super().reset(seed=seed)
        self.target = self.np_random.uniform(-1.9, 1.9, 1).astype(np.float32)
        return self.target, {}

    def step(self, action):
        return self.target, -float(abs(action[0] - self.target[0])), True, False, {}


gymnasium.register("Aim-v0", Aim)


def test_frozen_lake_is_learned(tmp_path):
    """16 states, one-hot; a random policy reaches the goal in 1 to 2 of 100 episodes."""
    out = tmp_path / "run.h5"
    slippery = ("--env-option", "is_slippery=False", "--env-option", "map_name=4x4")
    small = ("--model", "classical", "--steps", "30000", "--entropy-weight", "0.01", "--epochs", "10")
    run = train(out, "--env", "FrozenLake-v1", *slippery, *small)
    assert run.config["env_option"] == ["is_slippery=False", "map_name=4x4"]
    assert run.episodes["return"][:100].mean() < 0.2 and run.episodes["return"][-100:].mean() > 0.9
    assert play(load(out).environment(), load(out).policy(), 5, 0) == [1.0] * 5


@pytest.mark.parametrize("env", ["CartPole-v1", "Pendulum-v1"])
def test_what_was_trained_is_exported(tmp_path, env):
    config, parameters, _ = trained(
        env=env, envs=4, rollout=16, minibatch=32, epochs=2, steps=1000, normalise_observations=True
    )
    environment = ppo.environment(config)
    model = ppo.model(config, environment, ppo.circuit(config))
    policy, (exported, inputs) = ppo.policy(config, model, parameters), ppo.exported(config, model, parameters, False)
    if env == "CartPole-v1":
        save(exported, inputs, tmp_path / "x.pt2")
        exported = torch.export.load(tmp_path / "x.pt2").module()
    assert np.abs(parameters["observation.mean"]).max() > 0.0
    observation, _ = environment.reset(seed=0)
    for _ in range(5):
        action = policy(observation)
        made = exported(torch.tensor(observation)[None])[0]
        if env == "CartPole-v1":
            assert action == made.argmax()
        else:
            assert np.allclose(environment.action(action), made.detach(), atol=1e-4), "in the environment's own range"
        observation, *_ = environment.step(action)
    drawing = ppo.policy(config, model, parameters, np.random.default_rng(0))
    assert len({str(drawing(observation)) for _ in range(30)}) > 1
    with pytest.raises(ValueError, match=r"should have observation.mean of shape"):
        ppo.policy(config, model, {name: parameters[name] for name in model.layout.shapes})


def test_a_run_is_played_and_described(tmp_path):
    out = tmp_path / "run.h5"
    train(out, *SMALL, "--steps", "1000", "--normalise-observations", "--critic", "quantum")
    done = hpcqrl("evaluate", str(out), "--episodes", "3", "--sample")
    assert done.returncode == 0 and "mean return of 3 episodes" in done.stdout, done.stderr
    done = hpcqrl("describe", str(out))
    assert done.returncode == 0 and "actor.scale" in done.stdout and "critic.scale" in done.stdout, done.stderr


@pytest.mark.parametrize(
    ("options", "said"),
    [
        ({"minibatch": 100}, "minibatch must divide envs x rollout, 8 x 32 = 256, which 100 does not"),
        ({"minibatch": 512}, "minibatch must divide envs x rollout, 8 x 32 = 256, which 512 does not"),
        ({"minibatch": 1}, "minibatch must be at least 2"),
        ({"envs": 0}, "envs must be at least 1"),
        ({"envs": 10**9}, "envs x rollout must lie in"),
        ({"env": "Pendulum-v1", "actions": 2}, "Pendulum-v1 has actions Box"),
        ({"env": "FrozenLake-v1", "env_option": ("slippery=0",)}, "cannot be made with slippery=0"),
        ({"env": "FrozenLake-v1", "env_option": ("slippery",)}, "env_option is key=value"),
        ({"model": "classical", "shots": 10}, "shots means nothing without a circuit"),
        ({"circuit": "own_circuits:without_angles"}, "takes one angle or more, and this one takes none"),
    ],
)
def test_what_cannot_be_is_refused(options, said):
    with pytest.raises(ValueError, match=said):
        built.agent(ppo, **options)


def test_what_an_environment_should_not_give_is_named_with_its_number_and_step(tmp_path):
    faulty = ("--env", "test_ppo:Nine-v0", "--env-option", "faulty=true", *SMALL)
    done = hpcqrl("train", "ppo", *faulty, "--out", str(tmp_path / "x.h5"), **PATH)
    assert done.returncode == 1 and done.stderr.count("\n") == 1, done.stderr
    assert "step 7 of its episode: the environment gave the reward nan, which is not" in done.stderr
    unlike = [make_either("test_ppo:Nine-v0", options=(f"width={width}",)) for width in (1, 2)]
    with pytest.raises(ValueError, match="environment 1 has other spaces than the first"):
        SideBySide(unlike, np.random.SeedSequence(0).spawn(2))
