"""QDQN-DPER: asynchronous quantum deep Q-learning; every agent replays its own trajectories by priority.

Paper: "Quantum deep Q learning with distributed prioritized experience replay" (Chen, arXiv:2304.09648), Algorithm 1.
"""

from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING, Literal

import gymnasium
import numpy as np
from numpy.typing import NDArray

from hpcqrl.configuration import EnvOptions, SharingOptions, TimeLimitOptions, at_least, own_first, positive, within
from hpcqrl.envs.make import make, sizes
from hpcqrl.learner import Learner
from hpcqrl.models import dressed_options as dressed
from hpcqrl.models.dressed_options import DressedOptions
from hpcqrl.models.dressed_vqc import DressedLinear, DressedVqc
from hpcqrl.quantum.circuit import Circuit
from hpcqrl.quantum.mixture import Mixture
from hpcqrl.randomness import shared_random
from hpcqrl.results.schema import named
from hpcqrl.rl.exploration import epsilon_greedy
from hpcqrl.rl.optimisers import RMSprop
from hpcqrl.rl.q_learning import QLossOptions, q_gradient
from hpcqrl.rl.replay import ReplayOptions, check_replay, make_replay
from hpcqrl.states import State, unfinished_dealt_out
from hpcqrl.systems.contract import Facts, Needs, Parameters, Policy

if TYPE_CHECKING:  # MPI starts when it is imported: not for --help or `hpcqrl describe`
    from hpcqrl.journal import Journal
    from hpcqrl.models.exported import Exported
    from hpcqrl.parallel import pushes
    from hpcqrl.parallel.agents import Agents

Floats = NDArray[np.floating]
Model = DressedVqc | DressedLinear

FACTS = Facts(named("staleness", "loss", "waiting", "last_push", "refused", "epsilon", "lost"))
share_out = unfinished_dealt_out


@own_first
@dataclass(frozen=True)
class Config(DressedOptions, ReplayOptions, QLossOptions, SharingOptions, TimeLimitOptions, EnvOptions):
    """QDQN-DPER: asynchronous Q-learning, prioritised replay, matrix loss (arXiv 2304.09648)."""

    env: str = "hpcqrl/CartPoleMod-v0"
    """A Gymnasium environment with discrete actions; the paper's: hpcqrl/CartPoleMod-v0 to v3."""
    episodes: int = 50_000
    """Episodes in all, of all agents together [6.2]."""
    seed: int = 0
    """All random numbers of the run come from it; agents' order is the machine's, so runs differ all the same."""
    actions: int | None = None
    """Use only the environment's first so many actions; by default all."""
    epsilon_start: float = 1.0
    """Probability of a random action, at first [6.2]."""
    epsilon_decay: float = 0.9999
    """Its factor at every step of the agent [6.2]."""
    epsilon_end: float = 0.001
    """It does not fall below this [6.2]."""
    target_every: int = 2000
    """Steps C of all agents between two copies of theta to the target network [6.2]."""
    discount: float = 0.9
    """Discount factor gamma [6.2]."""
    learning_rate: float = 1e-3
    """Of RMSprop [6.2]."""
    rms_alpha: float = 0.99
    """Of RMSprop [6.2]."""
    rms_epsilon: float = 1e-8
    """Of RMSprop [6.2]."""

    def __post_init__(self) -> None:
        at_least(1, episodes=self.episodes, actions=self.actions, target_every=self.target_every)
        within(0.0, 1.0, discount=self.discount, epsilon_decay=self.epsilon_decay)
        within(0.0, 1.0, epsilon_start=self.epsilon_start, epsilon_end=self.epsilon_end)
        within(0.0, 0.999999, rms_alpha=self.rms_alpha)
        positive(learning_rate=self.learning_rate, rms_epsilon=self.rms_epsilon)
        dressed.check(self)
        check_replay(self)


class Agent:
    """One agent: what it has to learn, with its environment, its random numbers, its replay memory, and its own QPU."""

    def __init__(self, config: Config, rank: int, circuit: Circuit | Mixture | None) -> None:
        self.config, self.env = config, environment(config)
        self.envs = (self.env,)
        self.learner = Learner(self.env, config.episodes, config.seed, rank)
        self.model = model(config, self.env, circuit, self.learner.qpu_seed)
        self.learner.generators |= self.model.generators
        self.theta = self.model.initial(shared_random(config.seed))  # the same on every rank
        inputs, self.actions = sizes(self.env)
        self.replay = make_replay(config, inputs)
        self.steps, self.epsilon = 0, config.epsilon_start  # Z and epsilon of Algorithm 1

    def extent(self, agents: int) -> tuple[int, Literal["episodes", "steps"]]:
        """How long the whole run is, and in which unit."""
        return self.config.episodes, "episodes"

    def state(self) -> State:
        """What a checkpoint keeps of this agent."""
        progress = {"steps": np.array(self.steps), "epsilon": np.array(self.epsilon)}
        return self.learner.state() | progress | self.replay.state()

    def restore(self, common: State, own: State) -> None:
        """Go on from a checkpoint."""
        self.theta = common["theta"]
        if self.learner.restore(common, own):
            self.steps, self.epsilon = int(own["steps"]), float(own["epsilon"])
            self.replay.restore(own)


def train(agent: Agent, agents: "Agents", journal: "Journal") -> dict[str, Floats]:
    """Train with all agents; the trained parameters by name."""
    from hpcqrl.parallel.root import share

    config = agent.config
    optimiser = RMSprop(config.learning_rate, config.rms_alpha, config.rms_epsilon)
    with share(agents, agent.theta, optimiser, ("episodes", "steps"), config.push, agent.learner.saved) as shared:
        play = partial(learn, agent, shared, journal)
        if shared.acts:
            play()
        return agent.model.layout.split(shared.finish(lambda: journal.between_updates(agent, shared), play))


def learn(agent: Agent, shared: "pushes.Parameters", journal: "Journal") -> None:
    """Algorithm 1, for each learner process."""
    config, env, model, replay, learner = agent.config, agent.env, agent.model, agent.replay, agent.learner
    theta = learner.pull(shared)
    while learner.begin(shared) is not None:  # T < T_max
        with learner.resting_if_the_qpu_fails(agent, shared, journal):
            observation, _ = env.reset()
            done = False
            while not done:
                values = model.acting(theta)
                observations: list[Floats] = []  # M
                actions: list[int] = []
                rewards: list[float] = []
                terminated = False
                while not done:
                    action = epsilon_greedy(values, observation, agent.epsilon, agent.actions, learner.random)
                    observations.append(observation)
                    observation, reward, terminated, truncated, _ = env.step(action)
                    actions.append(action)
                    rewards.append(float(reward))
                    done = terminated or truncated
                    agent.epsilon = max(agent.epsilon * config.epsilon_decay, config.epsilon_end)
                    agent.steps += 1
                    if agent.steps % config.trajectory_length == 0:  # Z mod S = 0
                        break
                replay.store(observations, actions, rewards, observation, config.is_terminal(terminated, done))
                places, batch, weights = replay.sample(1 if config.replay == "none" else config.batch, learner.random)
                value_t, pullback = model.outputs_vjp(theta, batch.observation[batch.taken])
                value_tp1, _ = model.outputs_vjp(shared.target(), batch.observation_tp1[batch.taken])
                gradient_t, losses = q_gradient(value_t, value_tp1, batch, weights, config.discount, config)
                replay.reprioritize(places, losses)
                theta = learner.push(shared, pullback(gradient_t), float(losses.mean()), rewards)
                steps = shared.count("steps", len(rewards))  # Y
                if steps // config.target_every < (steps + len(rewards)) // config.target_every:  # Y mod C = 0
                    shared.renew_target()
                journal.between_updates(agent, shared)
            learner.end(shared, journal, epsilon=agent.epsilon)


def needs(config: Config) -> Needs:
    """Kernels for its circuit, and what rank 0 does."""
    return Needs(config.model == "quantum" and config.qpu == "native", config.root)


def environment(config: Config, render_mode: str | None = None) -> gymnasium.Env:
    """The environment that an agent plays in."""
    return make(config.env, config.actions, render_mode, config.env_option)


def circuit(config: Config) -> Circuit | Mixture | None:
    """Figure 1's, or the user's own; None in the classical twin."""
    return dressed.circuit_of(config)


def model(config: Config, env: gymnasium.Env, circuit: Circuit | Mixture | None, seed: int = 0) -> Model:
    """The network for an environment: observations to Q values."""
    return dressed.network(config, *sizes(env), circuit, seed)


def policy(config: Config, model: Model, parameters: Parameters, random: np.random.Generator | None = None) -> Policy:
    """The trained policy, greedy: observation to action."""
    values = model.acting(model.layout.load(parameters))
    return lambda observation: int(np.argmax(values(observation)))


def exported(config: Config, model: Model, parameters: Parameters, circuit: bool) -> "tuple[Exported, int]":
    """The network as a torch module, to Q values; and the size of its observations. Its circuit, if any, is inside."""
    return dressed.exported(model, parameters, circuit)
