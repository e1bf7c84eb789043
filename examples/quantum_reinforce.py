"""REINFORCE with a dressed quantum circuit, a system of one's own: PYTHONPATH=examples hpcqrl train quantum_reinforce.

Every agent plays an episode with its own QPU, then all step down the mean of their gradients. All that
hpcqrl/systems/contract.py asks for is here; --circuit, --qpu, --shots and --model come with DressedOptions.
"""

from dataclasses import dataclass

from hpcqrl.configuration import at_least, own_first, positive, within
from hpcqrl.envs.make import make, sizes
from hpcqrl.in_step import InStep
from hpcqrl.models import dressed_options as dressed
from hpcqrl.randomness import shared_random
from hpcqrl.rl.exploration import softmax_policy
from hpcqrl.rl.losses import reinforce_gradient
from hpcqrl.rl.optimisers import Adam
from hpcqrl.rl.returns import discounted_returns
from hpcqrl.states import each_its_own as share_out  # noqa: F401  (a part of the contract)
from hpcqrl.systems.contract import Facts, Needs

FACTS = Facts(counts_each_agent=True, synchronous=True, stochastic=True)


@own_first
@dataclass(frozen=True)
class Config(dressed.DressedOptions):
    """REINFORCE with a dressed quantum circuit."""

    env: str = "CartPole-v1"
    """A Gymnasium environment with discrete actions."""
    episodes: int = 300
    """Episodes of each agent."""
    seed: int = 0
    """All random numbers come from it."""
    discount: float = 0.99
    """Discount factor gamma."""
    learning_rate: float = 0.01
    """Of Adam."""

    def __post_init__(self):
        at_least(1, episodes=self.episodes)
        within(0.0, 1.0, discount=self.discount)
        positive(learning_rate=self.learning_rate)
        dressed.check(self)


class Agent:
    def __init__(self, config, rank, circuit):
        self.config, self.envs = config, [environment(config)]
        self.in_step = InStep(self.envs[0], config.episodes, config.seed, rank)  # random numbers, theta, counts
        self.model = model(config, self.envs[0], circuit, self.in_step.qpu_seed)
        self.in_step.generators |= self.model.generators  # of measurements, where there are shots
        self.in_step.start(self.model.initial(shared_random(config.seed)), Adam(config.learning_rate))
        self.extent, self.restore = self.in_step.extent, self.in_step.restore


def train(agent, agents, journal):
    in_step, model = agent.in_step, agent.model
    while in_step.goes_on():
        number, theta = in_step.episodes + agents.rank, in_step.theta
        observation_t, action_t, reward_t = in_step.episode(model.acting(theta))
        journal.episode(number, reward_t.sum(), len(reward_t), in_step.updates)
        return_t = discounted_returns(reward_t, agent.config.discount)
        advantage_t = (return_t - return_t.mean()) / (return_t.std() + 1e-6)
        logits_t, pullback = model.outputs_vjp(theta, observation_t)
        in_step.update(agents, pullback(reinforce_gradient(logits_t, action_t, advantage_t) / len(reward_t)))
        if agents.wished:  # by any rank: a signal, or the time has come
            journal.checkpoint(in_step.state(), in_step.common)
    return model.layout.split(in_step.theta)


def needs(config):
    return Needs(kernels=config.model == "quantum" and config.qpu == "native")


def environment(config, render_mode=None):
    return make(config.env, None, render_mode)


def circuit(config):
    return dressed.circuit_of(config)


def model(config, env, circuit, seed=0):
    observation, actions = sizes(env)
    return dressed.network(config, observation, actions, circuit, seed)


def policy(config, model, parameters, random=None):
    return softmax_policy(model.acting(model.layout.load(parameters)), random)


def exported(config, model, parameters, circuit):
    return dressed.exported(model, parameters, circuit)
