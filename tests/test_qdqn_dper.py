"""QDQN-DPER has the paper's gradient, replay and schedules, and counts its episodes once on any number of ranks."""

import built
import numpy as np
import pytest
import torch
from launch import hpcqrl
from test_qa3c import written_out

from hpcqrl.results.reader import read_run
from hpcqrl.rl.q_learning import q_gradient
from hpcqrl.rl.replay import PrioritizedReplay
from hpcqrl.systems import qdqn_dper
from hpcqrl.systems.qdqn_dper import Agent


def test_the_circuit_has_the_papers_48_parameters():
    layout = built.model(qdqn_dper).layout
    assert layout.shapes["circuit"] == (2, 8, 3)
    assert layout.size == (4 + 1) * 8 + 48 + (8 + 1) * 2
    assert built.model(qdqn_dper, model="classical").size == (4 + 1) * 8 + (8 + 1) * 8 + (8 + 1) * 2


def filled(agent: Agent, lengths: list[int]) -> None:
    """Store a trajectory of random numbers for each length; every other one ends in a terminal state."""
    random = np.random.default_rng(1)
    for number, length in enumerate(lengths):
        observations = list(random.normal(size=(length, 4)).astype(np.float32))
        actions, rewards = random.integers(2, size=length).tolist(), random.normal(size=length).tolist()
        agent.replay.store(observations, actions, rewards, random.normal(size=4).astype(np.float32), number % 2 == 0)


@pytest.mark.parametrize("loss", ["matrix", "td"])
@pytest.mark.parametrize("options", [{}, {"model": "classical"}, {"reduction": "sum"}, {"terminal_states": "valued"}])
def test_the_gradient_is_that_of_the_paper(loss, options):
    agent = built.agent(qdqn_dper, qubits=4, loss=loss, **options)
    filled(agent, [5, 3, 1, 5, 2, 4])
    random = np.random.default_rng(0)
    theta, target_theta = (agent.theta + 0.3 * random.standard_normal(agent.theta.size) for _ in range(2))
    _, batch, _ = agent.replay.sample(4, random)
    weights = np.array([1.0, 0.5, 0.25, 0.8])
    value_t, pullback = agent.model.outputs_vjp(theta, batch.observation[batch.taken])
    value_tp1, _ = agent.model.outputs_vjp(target_theta, batch.observation_tp1[batch.taken])
    gradient_t, our_losses = q_gradient(value_t, value_tp1, batch, weights, 0.9, agent.config)
    ours = pullback(gradient_t)

    def q_values(part, observations):
        named = {f"q.{name}": value for name, value in part.items()}
        return written_out(agent.config, named, "q", torch.tensor(np.asarray(observations, np.float64)))

    part = {name: torch.tensor(v, requires_grad=True) for name, v in agent.model.layout.split(theta).items()}
    fixed = {name: torch.tensor(v) for name, v in agent.model.layout.split(target_theta).items()}
    losses = []
    for b in range(4):
        n = int(batch.taken[b].sum())
        q = q_values(part, batch.observation[b, :n])[torch.arange(n), torch.tensor(batch.action[b, :n])]
        best = q_values(fixed, batch.observation_tp1[b, :n]).max(dim=1).values
        if options.get("terminal_states") != "valued":
            best[torch.tensor(batch.terminated[b, :n])] = 0.0
        v = torch.tensor(batch.reward[b, :n]) + 0.9 * best
        if loss == "matrix":
            losses.append(sum((v[i] - q[j]) ** 2 for i in range(n) for j in range(n)) / n**2)
        else:
            losses.append(sum((v[i] - q[i]) ** 2 for i in range(n)) / n)
    assert batch.terminated.any()
    (torch.tensor(weights) @ torch.stack(losses) / (1 if options.get("reduction") == "sum" else 4)).backward()
    theirs = np.concatenate([tensor.grad.numpy().reshape(-1) for tensor in part.values()])
    assert np.allclose(ours, theirs, atol=2e-6)
    assert np.allclose(our_losses, [value.item() for value in losses], atol=1e-5)


def test_trajectories_are_drawn_by_their_priority():
    """P(i) = p_i^0.6 / sum p_k^0.6, and w_i = (1/N 1/P(i))^0.4 over the batch's largest."""
    replay = PrioritizedReplay(8, 2, 1, alpha=0.6, beta=0.4)
    for number in range(8):
        replay.store([np.array([number], np.float32)], [0], [float(number)], np.zeros(1), True)
    priorities = np.array([0.1, 3.0, 0.5, 1.0, 2.0, 0.01, 7.0, 0.3])
    replay.reprioritize(np.arange(8), priorities)
    random = np.random.default_rng(0)
    drawn = np.concatenate([replay.sample(4, random)[0] for _ in range(20_000)])
    expected = priorities**0.6 / (priorities**0.6).sum()
    assert np.allclose(np.bincount(drawn, minlength=8) / drawn.size, expected, atol=4e-3)
    places, batch, weights = replay.sample(4, random)
    wanted = (1.0 / 8 / expected[places]) ** 0.4
    assert np.allclose(weights, wanted / wanted.max(), rtol=1e-3)
    assert np.array_equal(batch.reward[:, 0], places.astype(float))


def test_weights_are_divided_by_the_largest_of_the_batch_or_of_the_memory():
    """w_i = (1/N 1/P(i))^0.4, largest where P is smallest: in a batch without that trajectory all weigh less than 1."""
    priorities = np.array([0.1, 3.0, 0.5, 1.0])
    weights = (4.0 * priorities**0.6 / (priorities**0.6).sum()) ** -0.4
    seen = set()
    for largest in ("batch", "memory"):
        replay = PrioritizedReplay(4, 1, 1, 0.6, 0.4, largest)
        for _ in range(4):
            replay.store([np.zeros(1)], [0], [0.0], np.zeros(1), False)
        replay.reprioritize(np.arange(4), priorities)
        random = np.random.default_rng(0)
        for _ in range(50):
            places, _, found = replay.sample(2, random)
            over = weights[places].max() if largest == "batch" else weights.max()
            assert np.allclose(found, weights[places] / over, rtol=1e-4)
            seen.add((largest, found.max() < 0.99))
    assert seen == {("batch", False), ("memory", False), ("memory", True)}


def test_without_priorities_all_are_drawn_alike_and_weigh_alike():
    replay = PrioritizedReplay(4, 1, 1, alpha=0.0, beta=0.4)
    for _ in range(4):
        replay.store([np.zeros(1)], [0], [0.0], np.zeros(1), False)
    replay.reprioritize(np.arange(4), np.array([9.0, 0.0, 1.0, 2.0]))
    random = np.random.default_rng(0)
    drawn = [replay.sample(5, random) for _ in range(4000)]
    assert all((weights == 1.0).all() for _, _, weights in drawn)
    frequencies = np.bincount(np.concatenate([places for places, _, _ in drawn]), minlength=4) / 20_000
    assert np.allclose(frequencies, 0.25, atol=0.015)


def test_a_full_memory_forgets_the_oldest_and_what_is_new_has_the_largest_priority():
    replay = PrioritizedReplay(3, 2, 1, alpha=0.6, beta=0.4)
    for number in range(5):
        steps = 2 - number % 2
        observations = [np.array([10 * number + k], np.float32) for k in range(steps)]
        replay.store(observations, [k for k in range(steps)], [1.0] * steps, np.array([-number]), number == 4)
        replay.reprioritize(np.array([0]), np.array([5.0]))
    assert replay.memory.observation[:, 0, 0].tolist() == [30.0, 40.0, 20.0]
    assert replay.memory.observation_tp1[1].ravel().tolist() == [41.0, -4.0]
    assert replay.memory.taken.tolist() == [[True, False], [True, True], [True, True]]
    assert replay.memory.terminated.tolist() == [[False, False], [False, True], [False, False]]
    assert replay.powers[1] == replay.powers.max() and replay.largest >= 5.0


def trained(path, *options: str, ranks: int):
    done = hpcqrl("train", "qdqn-dper", "--out", str(path), *options, ranks=ranks)
    assert done.returncode == 0, done.stdout + done.stderr
    return read_run(path)


@pytest.mark.parametrize(
    ("ranks", "options"),
    [
        (1, ()),
        (2, ("--replay", "none", "--loss", "td")),
        (4, ("--replay", "uniform")),
        (8, ("--push", "accumulate")),
        (3, ("--root", "serve")),
    ],
)
def test_every_episode_is_there_once(tmp_path, ranks, options):
    run = trained(tmp_path / "run.h5", "--episodes", "200", *options, ranks=ranks)
    episodes = run.episodes
    serving = "serve" in options
    assert run.complete and episodes["episode"].tolist() == list(range(200))
    assert run.attributes["root"] == ("serves" if serving else "acts") and run.agents == ranks - serving
    assert episodes["agent"].min() == int(serving) and episodes["agent"].max() == ranks - 1
    assert (episodes["loss"] > 0).all() and not episodes["refused"].any()
    for agent in np.unique(episodes["agent"]):  # epsilon falls with the agent's own steps
        own = episodes[episodes["agent"] == agent]
        assert np.allclose(own["epsilon"], np.maximum(0.9999 ** own["length"].cumsum(), 0.001), rtol=1e-9)


def test_one_rank_and_one_seed_give_the_same_bits(tmp_path):
    first, second = (trained(tmp_path / f"{k}.h5", "--episodes", "60", ranks=1) for k in range(2))
    assert np.array_equal(first.episodes["return"], second.episodes["return"])
    assert all(np.array_equal(value, second.parameters[name]) for name, value in first.parameters.items())


def test_it_learns(tmp_path):
    options = ("--env", "MiniGrid-Empty-5x5-v0", "--actions", "3", "--episodes", "500", "--epsilon-decay", "0.999")
    run = trained(tmp_path / "run.h5", *options, ranks=2)
    assert run.episodes["return"][-100:].mean() > run.episodes["return"][:50].mean() + 0.15


@pytest.mark.parametrize(
    ("option", "value", "expected"),
    [
        ("--replay", "all", "prioritized"),
        ("--loss", "huber", "matrix"),
        ("--push", "lock", "accumulate"),
        ("--root", "rest", "serve"),
        ("--capacity", "0", "capacity must be at least 1, not 0"),
        ("--batch", "0", "batch must lie in 1..1000000, not 0"),
        ("--trajectory-length", "0", "trajectory_length must be at least 1, not 0"),
        ("--target-every", "0", "target_every must be at least 1, not 0"),
        ("--epsilon-start", "1.5", "epsilon_start must lie in 0.0..1.0, not 1.5"),
        ("--epsilon-decay", "-1", "epsilon_decay must lie in 0.0..1.0, not -1.0"),
        ("--priority-alpha", "nan", "priority_alpha must lie in 0.0..1.0, not nan"),
        ("--learning-rate", "0", "learning_rate must be positive, not 0.0"),
    ],
)
def test_wrong_values_are_named_with_what_was_expected(tmp_path, option, value, expected):
    out = tmp_path / "run.h5"
    done = hpcqrl("train", "qdqn-dper", "--out", str(out), option, value)
    text = " ".join((done.stdout + done.stderr).split())
    assert done.returncode == 2 and expected in text, text
    assert not out.exists()
