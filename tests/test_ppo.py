"""PPO has the published gradient, and learns with every kind of action."""

import built
import numpy as np
import pennylane as qml
import pytest
import torch
from small_ppo import Notes, train, trained

from hpcqrl.evaluation import play
from hpcqrl.rl.advantages import generalised_advantages
from hpcqrl.rl.distributions import Beta, Softmax
from hpcqrl.rl.running_moments import RunningMoments
from hpcqrl.systems import ppo
from hpcqrl.trained import load


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


@pytest.mark.parametrize(("env", "clip_value"), [("CartPole-v1", False), ("Pendulum-v1", True)])
@pytest.mark.parametrize(("model", "critic"), [("quantum", "classical"), ("classical", "quantum")])
def test_the_gradient_is_that_of_the_clipped_objective(env, clip_value, model, critic):
    options = {"env": env, "model": model, "critic": critic, "clip_value": clip_value, "qubits": 3, "layers": 2}
    options |= {"entropy_weight": 0.03, "value_weight": 0.3}
    agent = built.agent(ppo, envs=2, rollout=4, minibatch=8, clip=0.1, **options)
    random = np.random.default_rng(0)
    agent.theta = agent.theta + 0.5 * random.standard_normal(agent.theta.size)
    observation = random.normal(size=(8, agent.envs[0].observation_space.shape[0]))
    outputs = agent.model.acting(agent.theta)(observation)
    action = agent.distribution.sample(outputs, [random] * 8)
    before = agent.distribution.log_probability(outputs, action) + 0.2 * random.normal(size=8)
    old = agent.model.outputs_vjp(agent.theta, observation)[1] + 0.2 * random.normal(size=8)
    batch = ppo.Batch(observation, action, before, random.normal(size=8), old, random.normal(size=8))
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
    target, old = torch.tensor(batch.value_target), torch.tensor(batch.value)
    cut = (old + (value - old).clamp(-0.1, 0.1) - target) ** 2
    assert (cut > (value - target) ** 2).any(), "some of these are clipped, too"
    squared_error = torch.maximum((value - target) ** 2, cut) if clip_value else (value - target) ** 2
    (-clipped - 0.03 * entropy + 0.3 * squared_error).mean().backward()
    theirs = np.concatenate([tensor.grad.numpy().reshape(-1) for tensor in part.values()])
    assert np.allclose(ours, theirs, atol=3e-6), np.abs(ours - theirs).max()


@pytest.mark.parametrize("together", [False, True])
def test_a_step_is_torchs_with_the_norm_of_each_network_or_of_both_cut(together):
    agent = built.agent(ppo, joint_gradient_norm=together, max_gradient_norm=0.3)
    actor, random = agent.model.actor.size, np.random.default_rng(2)
    theta = [torch.tensor(part, requires_grad=True) for part in (agent.theta[:actor], agent.theta[actor:])]
    rates = agent.config.actor_learning_rate, agent.config.critic_learning_rate
    adams = [torch.optim.Adam([part], lr=rate, eps=1e-5) for part, rate in zip(theta, rates, strict=True)]
    for step in range(5):
        gradient = random.normal(size=agent.theta.size) * np.where(np.arange(agent.theta.size) < actor, 1e-5, 1.0)
        left = 1.0 - 0.1 * step
        for part, number, adam, rate in zip(theta, np.split(gradient, [actor]), adams, rates, strict=True):
            part.grad, adam.param_groups[0]["lr"] = torch.tensor(number), rate * left
        for parts in [theta] if together else [[part] for part in theta]:
            torch.nn.utils.clip_grad_norm_(parts, 0.3)
        for adam in adams:
            adam.step()
        agent.step(gradient, left)
        expected = torch.cat(theta).detach().numpy()
        assert np.allclose(agent.theta, expected, rtol=0, atol=1e-9), step


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


@pytest.mark.parametrize("ends", [False, True])
def test_the_value_is_that_of_the_last_observation_at_a_time_limit_and_none_where_the_task_is_over(ends):
    option = (f"ends={ends}",)
    agent = built.agent(ppo, env="small_ppo:Nine-v0", env_option=option, envs=2, rollout=20, minibatch=40, gae_lambda=0)
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


def test_quantum_agents_learn_to_balance():
    _, parameters, notes = trained(steps=15_000)
    assert np.mean(notes.returns[:50]) < 40.0 < 80.0 < np.mean(notes.returns[-30:])
    assert sum(value.size for value in parameters.values()) == 20 + 4 + 16 + 10 + 4545


def test_continuous_actions_are_learned():
    """Near a target that is seen, without a second step."""
    options = {"env": "small_ppo:Aim-v0", "model": "classical", "steps": 5000, "epochs": 10}
    config, parameters, notes = trained(**options)
    assert np.mean(notes.returns[-500:]) > -0.3 > -0.7 > np.mean(notes.returns[:100])
    env = ppo.environment(config)
    policy = ppo.policy(config, ppo.model(config, env, None), parameters)
    assert all(abs(2.0 * policy(np.array([x], np.float32))[0] - x) < 0.6 for x in (-1.5, -0.5, 0.0, 1.0))


def test_frozen_lake_is_learned(tmp_path):
    """16 states, one-hot; a random policy reaches the goal in 1 to 2 of 100 episodes."""
    out = tmp_path / "run.h5"
    slippery = ("--env-option", "is_slippery=False", "--env-option", "map_name=4x4")
    small = ("--model", "classical", "--steps", "30000", "--entropy-weight", "0.01", "--epochs", "10")
    run = train(out, "--env", "FrozenLake-v1", *slippery, *small)
    assert run.config["env_option"] == ["is_slippery=False", "map_name=4x4"]
    assert run.episodes["return"][:100].mean() < 0.2 and run.episodes["return"][-100:].mean() > 0.9
    assert play(load(out).environment(), load(out).policy(), 5, 0) == [1.0] * 5
