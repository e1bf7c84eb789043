"""PPO: proximal policy optimisation with a quantum or a classical actor, and many environments an agent.

Papers: PPO (Schulman et al., arXiv:1707.06347), Algorithm 1; PPO-Q (arXiv:2501.07085) for the quantum actor and the
settings; details as in Huang et al., "The 37 Implementation Details of Proximal Policy Optimization". Every rank is one
agent with its own environments; all step down the mean of their gradients, one Allreduce a minibatch.
"""

from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal, NamedTuple

import gymnasium
import numpy as np
from numpy.typing import NDArray

from hpcqrl.configuration import EnvOptions, added, at_least, own_first
from hpcqrl.envs.make import StretchedActions, make_either, sizes
from hpcqrl.envs.pool import Pool
from hpcqrl.envs.side_by_side import SideBySide
from hpcqrl.models import scaled_options as scaled
from hpcqrl.models.actor_critic import ActorCritic
from hpcqrl.models.mlp import Mlp
from hpcqrl.models.scaled_options import ScaledOptions
from hpcqrl.models.scaled_vqc import ScaledVqc
from hpcqrl.parallel.pushes import Refusals
from hpcqrl.player import Player, Rollout
from hpcqrl.quantum.circuit import Circuit
from hpcqrl.quantum.mixture import Mixture
from hpcqrl.randomness import shared_random
from hpcqrl.results.schema import named
from hpcqrl.rl.advantages import generalised_advantages
from hpcqrl.rl.distributions import Beta, Softmax
from hpcqrl.rl.optimisers import Adam, clip_norm
from hpcqrl.rl.ppo_loss import PpoOptions, check_ppo, clipped_weights, value_gradient
from hpcqrl.rl.running_moments import normalised
from hpcqrl.states import State, each_its_own
from hpcqrl.systems.contract import Facts, Needs, Parameters, Policy

if TYPE_CHECKING:  # MPI starts when it is imported: not for --help or `hpcqrl describe`
    from hpcqrl.journal import Journal
    from hpcqrl.models.exported import Exported
    from hpcqrl.parallel.agents import Agents

Floats = NDArray[np.floating]
Model = ActorCritic[Mlp | ScaledVqc]

FACTS = Facts(named("waiting"), synchronous=True, stochastic=True)
share_out = each_its_own


@own_first
@dataclass(frozen=True)
class Config(ScaledOptions, PpoOptions, EnvOptions):
    """PPO: synchronous agents with many environments each, the quantum actor of PPO-Q (arXiv 2501.07085)."""

    env: str = "CartPole-v1"
    """A Gymnasium environment with discrete or continuous actions."""
    steps: int = 100_000
    """Environment steps in all, of all environments of all agents together [PPO-Q]; the last rollout is not cut."""
    seed: int = 0
    """All random numbers of the run come from it."""
    actions: int | None = None
    """Use only the environment's first so many discrete actions; by default all."""
    vector: Literal["gymnasium", "envpool"] = added("gymnasium", before="gymnasium")
    """Whose environments they are: Gymnasium's, or EnvPool's of that name, stepped in one call (extra envpool)."""

    def __post_init__(self) -> None:
        at_least(1, steps=self.steps, actions=self.actions)
        if self.vector == "envpool" and (self.env_option or ":" in self.env):
            own = f"environment {self.env}" if ":" in self.env else f"env_option {' '.join(self.env_option)}"
            raise ValueError(f"EnvPool has environments of its own alone, made in its own way: no {own}")
        check_ppo(self)
        scaled.check(self)


class Batch(NamedTuple):
    """Steps to learn from, [N, ...]; the probability is that of the policy that has played."""

    observation: Floats
    action: NDArray
    log_probability: Floats
    advantage: Floats
    value: Floats  # by the critic that has seen it
    value_target: Floats

    def chosen(self, which: NDArray[np.integer]) -> "Batch":
        """Some of them."""
        return Batch(*(part[which] for part in self))


class Agent:
    """One agent: what it plays with, its QPU, and what is trained, which is the same on every rank."""

    def __init__(self, config: Config, rank: int, circuit: Circuit | Mixture | None) -> None:
        self.config, pooled = config, config.vector == "envpool"
        once = 1 if pooled else config.envs  # EnvPool has its own, which are as this one says
        self.envs = tuple(environment(config) for _ in range(once)) * (config.envs // once)
        wanted = config.normalise_observations, config.normalise_rewards
        beside = Pool if pooled else SideBySide
        self.player = Player(self.envs, config.seed, rank, config.discount, *wanted, beside)
        self.distribution = distribution(self.envs[0])
        self.model = model(config, self.envs[0], circuit, self.player.qpu_seed)
        self.player.generators |= self.model.generators
        self.theta = self.model.initial(shared_random(config.seed))
        self.moments = np.zeros((Adam.rows, self.theta.size))
        self.updates = 0
        self.refusals = Refusals()

    def extent(self, agents: int) -> tuple[int, Literal["episodes", "steps"]]:
        """How long the whole run is, and in which unit."""
        return self.config.steps, "steps"

    def common(self) -> State:
        """What a checkpoint keeps once for all."""
        trained = {"theta": self.theta, "moments": self.moments, "updates": np.array(self.updates)}
        return trained | self.player.common()

    def restore(self, common: State, own: State) -> None:
        """Go on from a checkpoint."""
        self.theta, self.moments, self.updates = common["theta"], common["moments"], int(common["updates"])
        self.player.restore(common, own, self.updates)

    def batch(self, rollout: Rollout) -> Batch:
        """Advantages of a rollout, and what the values should be [Algorithm 1, line 4]."""
        value = self.model.critic.acting(self.theta[self.model.actor.size :])
        values = value(np.concatenate([rollout.observation, rollout.observation_tp1[-1:]]))[..., 0]
        value_t, value_tp1 = values[:-1], values[1:] * ~rollout.terminated
        cut_off = rollout.over & ~rollout.terminated  # by a time limit [Pardo et al., arXiv:1712.00378]
        if cut_off.any():
            value_tp1[cut_off] = value(rollout.observation_tp1[cut_off])[:, 0]
        decay = self.config.discount, self.config.gae_lambda
        advantage_t = generalised_advantages(rollout.reward, value_t, value_tp1, rollout.over, *decay)
        steps = rollout.observation, rollout.outputs, rollout.action, advantage_t, value_t
        observation, outputs, action, advantage, value_n = (part.reshape(-1, *part.shape[2:]) for part in steps)
        log_probability = self.distribution.log_probability(outputs, action)
        return Batch(observation, action, log_probability, advantage, value_n, advantage + value_n)

    def gradient(self, batch: Batch, clip: float) -> Floats:
        """Of the mean over a minibatch of -L^CLIP - c2 H + c1 (V - target)^2 [eq. 9], in theta."""
        outputs, value, pullback = self.model.outputs_vjp(self.theta, batch.observation)
        log_ratio = self.distribution.log_probability(outputs, batch.action) - batch.log_probability
        weight = clipped_weights(log_ratio, batch.advantage, clip)
        gradient = weight[:, None] * self.distribution.log_probability_gradient(outputs, batch.action) / len(value)
        if self.config.entropy_weight:
            gradient -= self.config.entropy_weight * self.distribution.entropy_gradient(outputs)
        return pullback(gradient, value_gradient(value, batch.value, batch.value_target, clip, self.config))

    def step(self, gradient: Floats, left: float) -> None:
        """Move each network, by its own Adam of epsilon 1e-5. left: the share of the run that is still to come."""
        config, actor = self.config, self.model.actor.size
        places, rates = (slice(actor), slice(actor, None)), (config.actor_learning_rate, config.critic_learning_rate)
        if not self.refusals.refuse(gradient):
            for part in [gradient] if config.joint_gradient_norm else [gradient[place] for place in places]:
                clip_norm(part, config.max_gradient_norm)
            for place, learning_rate in zip(places, rates, strict=True):
                adam = Adam(learning_rate * (left if config.decay_learning_rate else 1.0), epsilon=1e-5)
                adam.step(self.theta[place], self.moments[:, place], self.updates, gradient[place])
        self.updates += 1


def train(agent: Agent, agents: "Agents", journal: "Journal") -> dict[str, Floats]:
    """Algorithm 1; the trained parameters by name, and what observations are normalised by."""
    config, player = agent.config, agent.player
    while player.steps < config.steps:
        left = 1.0 - player.steps / config.steps
        act = agent.model.actor.acting(agent.theta[: agent.model.actor.size])
        rollout, seen = player.play(act, agent.distribution, config.rollout, agent.updates, journal)  # line 3
        batch = agent.batch(rollout)  # line 4
        steps = len(batch.advantage)
        orders = [player.order.permutation(steps) for _ in range(config.epochs)]
        minibatches = np.concatenate(orders).reshape(-1, config.minibatch)  # the same size on every rank
        sums = player.mean(agents, np.concatenate([seen, *_sums(batch.advantage[minibatches])])) * agents.size
        player.learn(sums[: seen.size], steps * agents.size)
        means, deviations = _moments(sums[seen.size :].reshape(2, -1), config.minibatch * agents.size)
        for which, mean, deviation in zip(minibatches, means, deviations, strict=True):  # line 6
            minibatch = batch.chosen(which)
            minibatch = minibatch._replace(advantage=(minibatch.advantage - mean) / (deviation + 1e-8))
            gradient = agent.gradient(minibatch, config.clip * (left if config.decay_clip else 1.0))
            agent.step(player.mean(agents, gradient), left)
        agents.check_equal(agent.theta, f"theta after update {agent.updates}")
        player.note(journal, agents)
        if agents.wished:
            journal.checkpoint(player.state(), agent.common)
    normalising = {"observation.mean": player.seen.mean, "observation.variance": player.seen.variance}
    return agent.model.layout.split(agent.theta) | (normalising if config.normalise_observations else {})


def _sums(advantage: Floats) -> tuple[Floats, Floats]:
    """Of each minibatch's advantages, and of their squares."""
    return advantage.sum(1), (advantage * advantage).sum(1)


def _moments(sums: Floats, number: int) -> tuple[Floats, Floats]:
    """Each minibatch's mean advantage and standard deviation, over so many of all agents: what one agent would have."""
    mean = sums[0] / number
    return mean, np.sqrt(np.maximum(sums[1] - number * mean * mean, 0.0) / (number - 1))


def needs(config: Config) -> Needs:
    """Kernels for its circuits."""
    return Needs(scaled.has_circuit(config) and config.qpu == "native")


def environment(config: Config, render_mode: str | None = None) -> gymnasium.Env:
    """One of the environments that an agent plays in."""
    return make_either(config.env, config.actions, render_mode, config.env_option)


def circuit(config: Config) -> Circuit | Mixture | None:
    """PPO-Q's, or the user's own; None if actor and critic are classical."""
    return scaled.circuit_of(config)


def distribution(env: gymnasium.Env) -> Softmax | Beta:
    """What is learned of an action: the probabilities of discrete ones, a Beta distribution of continuous ones."""
    _, actions = sizes(env)
    return Softmax(actions) if isinstance(env.action_space, gymnasium.spaces.Discrete) else Beta(actions)


def model(config: Config, env: gymnasium.Env, circuit: Circuit | Mixture | None, seed: int = 0) -> Model:
    """Actor and critic for an environment; the actor's first policy is nearly uniform, by a small last layer."""
    inputs, _ = sizes(env)
    actor = scaled.network(config, config.model, inputs, distribution(env).outputs, 0.01, circuit, seed)
    return ActorCritic(actor, scaled.network(config, config.critic, inputs, 1, 1.0, circuit, seed + 1))


def policy(config: Config, model: Model, parameters: Parameters, random: np.random.Generator | None = None) -> Policy:
    """The trained policy: the likeliest, or mean, action or, with random numbers, one drawn as in training."""
    act, env = model.acting(model.layout.load(parameters)), environment(config)
    actions, inputs = distribution(env), sizes(env)[0]
    env.close()
    see = scaled.seeing(parameters, inputs) if config.normalise_observations else None

    def outputs(observation: Floats) -> Floats:
        return act(observation if see is None else normalised(observation, *see))

    if random is None:
        return lambda observation: actions.best(outputs(observation))
    return lambda observation: actions.sample(outputs(observation)[None], [random])[0]


def exported(config: Config, model: Model, parameters: Parameters, circuit: bool) -> "tuple[Exported, int]":
    """The actor as a torch module, to logits or mean actions in the environment's own range; its circuit is inside."""
    if circuit and config.model == "classical":
        raise ValueError("the classical model has no circuit")
    env = environment(config)
    env.close()
    bounds = (env.low, env.high) if isinstance(env, StretchedActions) else None
    see = scaled.seeing(parameters, sizes(env)[0]) if config.normalise_observations else None
    return scaled.exported(model.actor, model.actor_part(parameters), see, bounds), sizes(env)[0]
