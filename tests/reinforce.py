"""REINFORCE with a moving baseline, as a system of one's own: `hpcqrl train reinforce`."""

from dataclasses import dataclass

import numpy as np

from hpcqrl.envs.make import make, sizes
from hpcqrl.in_step import InStep
from hpcqrl.models.exported import Exported
from hpcqrl.models.policy import Policy
from hpcqrl.randomness import shared_random
from hpcqrl.results.schema import Column
from hpcqrl.rl.exploration import softmax_policy
from hpcqrl.rl.losses import reinforce_gradient
from hpcqrl.rl.optimisers import Adam
from hpcqrl.rl.returns import discounted_returns
from hpcqrl.states import each_its_own as share_out  # noqa: F401  (a part of the contract)
from hpcqrl.systems.contract import Facts, Needs

COLUMNS = (Column("baseline", "<f8", "reward", "moving average of the agent's returns, before the episode"),)
FACTS = Facts(COLUMNS, counts_each_agent=True, synchronous=True, stochastic=True)


@dataclass(frozen=True)
class Config:
    env: str = "CartPole-v1"
    episodes: int = 300
    """Episodes of each agent."""
    seed: int = 0


class Agent:
    def __init__(self, config, rank, circuit):
        self.envs, self.baseline = [environment(config)], 0.0
        self.in_step = InStep(self.envs[0], config.episodes, config.seed, rank)
        self.model, self.extent = model(config, self.envs[0], circuit), self.in_step.extent
        self.in_step.start(self.model.initial(shared_random(config.seed)), Adam(0.01))

    def restore(self, common, own):
        self.baseline = float(own.pop("baseline", 0.0))
        self.in_step.restore(common, own)


def train(agent, agents, journal):
    in_step, model, theta = agent.in_step, agent.model, agent.in_step.theta
    while in_step.goes_on():
        number = in_step.episodes + agents.rank
        observation_t, action_t, reward_t = in_step.episode(model.acting(theta))
        journal.episode(number, reward_t.sum(), len(reward_t), in_step.updates, baseline=agent.baseline)
        advantage_t = discounted_returns(reward_t, 0.99) - agent.baseline
        agent.baseline += 0.05 * (reward_t.sum() - agent.baseline)
        logit_gradient_t = reinforce_gradient(model.logits(theta, observation_t), action_t, advantage_t)
        in_step.update(agents, model.gradient(theta, observation_t, logit_gradient_t / len(reward_t)))
        if agents.wished:
            journal.checkpoint(in_step.state() | {"baseline": np.array(agent.baseline)}, in_step.common)
    return model.layout.split(in_step.theta)


def needs(config):
    return Needs()


def environment(config, render_mode=None):
    return make(config.env, None, render_mode)


def circuit(config):
    return None


def model(config, env, circuit, seed=0):
    return Policy(sizes(env)[0], 16, sizes(env)[1])


def policy(config, model, parameters, random=None):
    return softmax_policy(model.acting(model.layout.load(parameters)), random)


def exported(config, model, parameters, circuit):
    return Exported(parameters, model.torch_logits), model.sizes[0]
