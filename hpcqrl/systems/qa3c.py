"""QA3C: asynchronous quantum advantage actor-critic; agents push gradients to shared parameters and never wait.

Paper: "Asynchronous training of quantum reinforcement learning" (Chen, arXiv:2301.05096), Algorithm 1; where it is
silent, the author's public code.
"""

from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING, Literal

import gymnasium
import numpy as np
from numpy.typing import NDArray

from hpcqrl.configuration import (
    EnvOptions,
    SharingOptions,
    TimeLimitOptions,
    added,
    at_least,
    own_first,
    positive,
    within,
)
from hpcqrl.envs.make import make, sizes
from hpcqrl.learner import Learner
from hpcqrl.models import dressed_options as dressed
from hpcqrl.models.actor_critic import ActorCritic as Model
from hpcqrl.models.dressed_options import DressedOptions
from hpcqrl.quantum.circuit import Circuit
from hpcqrl.quantum.mixture import Mixture
from hpcqrl.randomness import shared_random
from hpcqrl.results.schema import named
from hpcqrl.rl.exploration import sample_softmax, softmax_policy
from hpcqrl.rl.losses import actor_critic_gradients
from hpcqrl.rl.optimisers import Adam
from hpcqrl.rl.returns import bootstrapped_returns
from hpcqrl.states import State, unfinished_dealt_out
from hpcqrl.systems.contract import Facts, Needs, Parameters, Policy

if TYPE_CHECKING:  # MPI starts when it is imported: not for --help or `hpcqrl describe`
    from hpcqrl.journal import Journal
    from hpcqrl.models.exported import Exported
    from hpcqrl.parallel import pushes
    from hpcqrl.parallel.agents import Agents

Floats = NDArray[np.floating]

FACTS = Facts(named("staleness", "loss", "waiting", "last_push", "refused", "lost"), stochastic=True)
share_out = unfinished_dealt_out


@own_first
@dataclass(frozen=True)
class Config(DressedOptions, SharingOptions, TimeLimitOptions, EnvOptions):
    """QA3C: asynchronous agents, actor and critic of 8 qubits each (arXiv 2301.05096)."""

    env: str = "CartPole-v1"
    """A Gymnasium environment with discrete actions; the paper's: Acrobot-v1, CartPole-v1, MiniGrid-SimpleCrossing*."""
    episodes: int = 100_000
    """Episodes in all, of all agents together [VI.C]."""
    seed: int = 0
    """All random numbers of the run come from it; agents' order is the machine's, so runs differ all the same."""
    actions: int | None = None
    """Use only the environment's first so many actions; by default 6 in SimpleCrossing [VI.A.3], all elsewhere."""
    update_every: int = 5
    """Steps S between updates [VI.B]; counted from the start of each episode, whose end is an update, too."""
    discount: float = 0.9
    """Discount factor gamma [VI.B]."""
    reduction: Literal["mean", "sum"] = added("mean", before="mean")
    """Loss over the steps of an update: their mean [the author's code], or their sum [Algorithm 1]."""
    learning_rate: float = 1e-4
    """Of Adam [VI.B]."""
    beta_1: float = 0.92
    """Of Adam [VI.B]."""
    beta_2: float = 0.999
    """Of Adam [VI.B]."""

    def __post_init__(self) -> None:
        at_least(1, episodes=self.episodes, update_every=self.update_every, actions=self.actions)
        within(0.0, 1.0, discount=self.discount)
        within(0.0, 0.999999, beta_1=self.beta_1, beta_2=self.beta_2)
        positive(learning_rate=self.learning_rate)
        dressed.check(self)


class Agent:
    """One agent: what it has to learn, with its environment, its random numbers, and its own QPU."""

    def __init__(self, config: Config, rank: int, circuit: Circuit | Mixture | None) -> None:
        self.config, self.env = config, environment(config)
        self.envs = (self.env,)
        self.learner = Learner(self.env, config.episodes, config.seed, rank)
        self.model = model(config, self.env, circuit, self.learner.qpu_seed)
        self.learner.generators |= self.model.generators
        self.theta = self.model.initial(shared_random(config.seed))  # the same on every rank

    def extent(self, agents: int) -> tuple[int, Literal["episodes", "steps"]]:
        """How long the whole run is, and in which unit."""
        return self.config.episodes, "episodes"

    def restore(self, common: State, own: State) -> None:
        """Go on from a checkpoint."""
        self.theta = common["theta"]
        self.learner.restore(common, own)


def train(agent: Agent, agents: "Agents", journal: "Journal") -> dict[str, Floats]:
    """Train with all agents; the trained parameters by name."""
    from hpcqrl.parallel.root import share

    config = agent.config
    optimiser = Adam(config.learning_rate, (config.beta_1, config.beta_2))
    with share(agents, agent.theta, optimiser, ("episodes",), config.push, agent.learner.saved) as shared:
        play = partial(learn, agent, shared, journal)
        if shared.acts:
            play()
        return agent.model.layout.split(shared.finish(lambda: journal.between_updates(agent.learner, shared), play))


def learn(agent: Agent, shared: "pushes.Parameters", journal: "Journal") -> None:
    """Algorithm 1, for each actor-learner."""
    config, env, model, learner = agent.config, agent.env, agent.model, agent.learner
    theta = learner.pull(shared)
    while learner.begin(shared) is not None:  # T < T_max
        with learner.resting_if_the_qpu_fails(learner, shared, journal):
            observation, _ = env.reset()
            done = False
            while not done:
                policy = model.acting(theta)
                observations: list[Floats] = []
                actions: list[int] = []
                rewards: list[float] = []
                terminated = False
                while not done and len(rewards) < config.update_every:  # t mod S, or terminal
                    action = sample_softmax(policy(observation), learner.random)
                    observations.append(observation)
                    observation, reward, terminated, truncated, _ = env.step(action)
                    actions.append(action)
                    rewards.append(float(reward))
                    done = terminated or truncated
                ended = config.is_terminal(terminated, done)
                value_tp1 = 0.0 if ended else model.value(theta, observation)  # R
                return_t = bootstrapped_returns(rewards, value_tp1, config.discount)
                logits_t, value_t, pullback = model.outputs_vjp(theta, np.array(observations))
                action_t = np.array(actions)
                *gradients_t, loss = actor_critic_gradients(logits_t, value_t, action_t, return_t, config.reduction)
                theta = learner.push(shared, pullback(*gradients_t), loss, rewards)  # and theta' <- theta
                journal.between_updates(learner, shared)
            learner.end(shared, journal)


def needs(config: Config) -> Needs:
    """Kernels for its circuits, and what rank 0 does."""
    return Needs(config.model == "quantum" and config.qpu == "native", config.root)


def environment(config: Config, render_mode: str | None = None) -> gymnasium.Env:
    """The environment that an agent plays in."""
    actions = config.actions
    if actions is None and config.env.startswith("MiniGrid-SimpleCrossing"):
        actions = 6
    return make(config.env, actions, render_mode, config.env_option)


def circuit(config: Config) -> Circuit | Mixture | None:
    """Figure 3's, or the user's own; None in the classical twin."""
    return dressed.circuit_of(config)


def model(config: Config, env: gymnasium.Env, circuit: Circuit | Mixture | None, seed: int = 0) -> Model:
    """Actor and critic for an environment, each with a QPU of its own."""
    observation, actions = sizes(env)
    actor = dressed.network(config, observation, actions, circuit, seed)
    return Model(actor, dressed.network(config, observation, 1, circuit, seed + 1))


def policy(config: Config, model: Model, parameters: Parameters, random: np.random.Generator | None = None) -> Policy:
    """The trained policy: observation to action, the likeliest or, with random numbers, drawn as in training."""
    return softmax_policy(model.acting(model.layout.load(parameters)), random)


def exported(config: Config, model: Model, parameters: Parameters, circuit: bool) -> "tuple[Exported, int]":
    """The actor as a torch module, to logits; and the size of its observations. Its circuit, if any, is inside."""
    return dressed.exported(model.actor, model.actor_part(parameters), circuit)
