"""Where an episode is cut off, the value of what would follow counts; where it ends by itself, nothing does."""

import built
import gymnasium
import numpy as np
import pytest

from hpcqrl.parallel.pushes import Refusals
from hpcqrl.rl.q_learning import q_gradient
from hpcqrl.systems import qa3c, qdqn_dper

VALUE, DISCOUNT, STEPS = 3.0, 0.9, 7


class Ends(gymnasium.Env):
    """Episodes of 7 steps, reward 1 each: the first is cut off after them, the second ends in a terminal state."""

    def __init__(self) -> None:
        self.episodes = self.steps = 0

    def reset(self, *, seed=None, options=None):
        self.episodes += 1
        self.steps = 0
        return self._observation(), {}

    def step(self, action):
        self.steps += 1
        last = self.steps == STEPS
        return self._observation(), 1.0, last and self.episodes == 2, last and self.episodes == 1, {}

    def _observation(self):
        return np.array([self.episodes, self.steps, 0.0, 0.0], np.float32)


class Alone:
    """Parameters of a single agent that learns nothing; a journal that keeps nothing."""

    def __init__(self, theta: np.ndarray) -> None:
        self.theta, self.counters, self.refusals = theta, {"episodes": 0, "steps": 0}, Refusals()

    def pull(self):
        return self.theta, 0

    def push(self, gradient):
        return self.theta, 0

    def target(self):
        return self.theta

    def count(self, name: str, increment: int = 1) -> int:
        self.counters[name] += increment
        return self.counters[name] - increment

    def between_updates(self, *_) -> None: ...

    def episode(self, *_, **extra) -> None: ...


def valued(agent, output: str) -> np.ndarray:
    """Parameters that give every observation the same value."""
    parts = {name: np.zeros(shape) for name, shape in agent.model.layout.shapes.items()}
    parts[output] += VALUE
    return agent.model.layout.join(parts)


@pytest.mark.parametrize("time_limit", ["bootstrapped", "terminal"])
def test_qa3cs_returns_go_on_beyond_a_segment_but_not_beyond_an_end(monkeypatch, time_limit):
    agent = built.agent(qa3c, model="classical", episodes=2, discount=DISCOUNT, time_limit=time_limit)
    agent.env = Ends()
    alone, seen = Alone(valued(agent, "critic.last.bias")), []

    def gradients(logits_t, value_t, action_t, return_t, reduction):
        seen.append(return_t)
        return np.zeros_like(logits_t), np.zeros_like(value_t), 0.0

    monkeypatch.setattr(qa3c, "actor_critic_gradients", gradients)
    qa3c.learn(agent, alone, alone)
    five = [sum(DISCOUNT**k for k in range(n)) + DISCOUNT**n * VALUE for n in (5, 4, 3, 2, 1)]  # eq. of R, by hand
    cut = [1 + 0.9 + 0.81 * VALUE, 1 + 0.9 * VALUE] if time_limit == "bootstrapped" else [1.9, 1.0]
    expected = [five, cut, five, [1.9, 1.0]]
    assert len(seen) == 4 and all(np.allclose(a, b) for a, b in zip(seen, expected, strict=True)), seen


@pytest.mark.parametrize("time_limit", ["bootstrapped", "terminal"])
@pytest.mark.parametrize("loss", ["td", "matrix"])
def test_qdqns_targets_know_an_end_from_a_cut(loss, time_limit):
    agent = built.agent(qdqn_dper, model="classical", episodes=2, discount=DISCOUNT, loss=loss, time_limit=time_limit)
    agent.env = Ends()
    theta = valued(agent, "last.bias")
    alone = Alone(theta)
    qdqn_dper.learn(agent, alone, alone)
    memory = agent.replay.memory
    held = memory.taken[: agent.replay.stored]
    observations = memory.observation_tp1[: agent.replay.stored][held]
    ends = memory.terminated[: agent.replay.stored][held]
    assert held.sum() == 2 * STEPS
    real = observations[:, 0] == 2  # the first is cut off
    assert np.array_equal(ends, (real | (time_limit == "terminal")) & (observations[:, 1] == STEPS))
    if loss == "td":  # every value is VALUE: the loss of one step says what its target was
        for place in range(agent.replay.stored):
            batch = type(memory)(*(part[place : place + 1] for part in memory))
            values, _ = agent.model.outputs_vjp(theta, batch.observation[batch.taken])
            _, losses = q_gradient(values, values, batch, np.ones(1), DISCOUNT, agent.config)
            targets = 1.0 + DISCOUNT * VALUE * ~batch.terminated[batch.taken]
            assert losses[0] == pytest.approx(np.mean((targets - VALUE) ** 2))
