"""QA3C: asynchronous quantum advantage actor-critic; agents push gradients to shared parameters and never wait.

Paper: "Asynchronous training of quantum reinforcement learning" (Chen, arXiv:2301.05096), Algorithm 1; where it is
silent, the author's public code.
"""

import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

import gymnasium
import numpy as np
from numpy.typing import NDArray

from hpcqrl.checks import at_least, only_with_circuit, positive, within
from hpcqrl.envs.make import make
from hpcqrl.models import flat
from hpcqrl.models.dressed_vqc import DressedLinear, DressedVqc
from hpcqrl.randomness import State, jump_random_states, random_states, set_random_states
from hpcqrl.rl.exploration import sample_softmax
from hpcqrl.rl.losses import reinforce_gradient
from hpcqrl.rl.optimisers import Adam
from hpcqrl.rl.returns import bootstrapped_returns

if TYPE_CHECKING:  # MPI starts when it is imported: not for --help or `hpcqrl describe`
    from hpcqrl.journal import Journal
    from hpcqrl.models.exported import Exported
    from hpcqrl.parallel.agents import Agents
    from hpcqrl.parallel.served_parameters import ServedParameters
    from hpcqrl.parallel.shared_parameters import SharedParameters

Floats = NDArray[np.floating]

# Of an episode's record, beyond those of every system.
EXTRA_COLUMNS = ("staleness", "loss", "waiting", "last_push", "refused")
STOCHASTIC = True  # its policy is a distribution, from which actions can be drawn


@dataclass(frozen=True)
class Config:
    """QA3C: asynchronous agents, actor and critic of 8 qubits each (arXiv 2301.05096)."""

    env: str = "CartPole-v1"
    """A Gymnasium environment with discrete actions; the paper's: Acrobot-v1, CartPole-v1, MiniGrid-SimpleCrossing*."""
    episodes: int = 100_000
    """Episodes in all, of all agents together [VI.C]."""
    seed: int = 0
    """All random numbers of the run come from it; agents' order is the machine's, so runs differ all the same."""
    model: Literal["quantum", "classical"] = "quantum"
    """Dressed VQCs, or linear layers in the circuits' place [VI.B]."""
    qubits: int = 8
    """Qubits of each circuit, and width of the classical twin [VI.B]."""
    layers: int = 2
    """Layers of each circuit [VI.B]."""
    more_entangle: bool = True
    """Also CNOT(q, q+2) in each layer [Figure 3 shows two control dots on every wire]."""
    tanh: bool = False
    """tanh after the first linear layer and after the circuit [the author's later code]; of quantum models alone."""
    actions: int | None = None
    """Use only the environment's first so many actions; by default 6 in SimpleCrossing [VI.A.3], all elsewhere."""
    update_every: int = 5
    """Steps S between updates [VI.B]; counted from the start of each episode, whose end is an update, too."""
    discount: float = 0.9
    """Discount factor gamma [VI.B]."""
    learning_rate: float = 1e-4
    """Of Adam [VI.B]."""
    beta_1: float = 0.92
    """Of Adam [VI.B]."""
    beta_2: float = 0.999
    """Of Adam [VI.B]."""
    push: Literal["mutex", "accumulate"] = "mutex"
    """Shared moments under a mutex [the author's code], or moments of each agent's own and atomic addition; a root
    that serves always has shared moments."""
    root: Literal["act", "serve", "auto"] = "auto"
    """Whether rank 0 is an agent too or only serves the others; auto: it serves where pushes would wait for it."""
    qpu: str = "native"
    """Where circuits run: native, or a PennyLane device such as lightning.qubit, default.mixed, lightning.gpu."""
    shots: int | None = None
    """Measurements per expectation value; by default they are exact."""
    qpu_latency: float = 0.0
    """Milliseconds that a circuit execution takes, to emulate a QPU; a batch is an execution for each sample."""
    qpu_jitter: float = 0.0
    """Share, 0 to 1, by which each execution's latency varies, uniformly."""

    def __post_init__(self) -> None:
        at_least(1, episodes=self.episodes, qubits=self.qubits, layers=self.layers, update_every=self.update_every)
        at_least(1, shots=self.shots, actions=self.actions)
        at_least(0, seed=self.seed)
        within(0.0, 60_000.0, qpu_latency=self.qpu_latency)
        within(0.0, 1.0, qpu_jitter=self.qpu_jitter)
        within(0.0, 1.0, discount=self.discount)
        within(0.0, 0.999999, beta_1=self.beta_1, beta_2=self.beta_2)
        positive(learning_rate=self.learning_rate)
        circuit = {"qpu": self.qpu != "native", "shots": self.shots, "qpu_latency": self.qpu_latency}
        only_with_circuit(self.model == "quantum", tanh=self.tanh, **circuit)


class ActorCritic:
    """Actor and critic, separate networks [Table I]; their parameters in one flat vector, the actor's first."""

    def __init__(self, config: Config, observation: int, actions: int, seed: int) -> None:
        networks: list[DressedVqc | DressedLinear] = []
        for number, outputs in enumerate((actions, 1)):
            if config.model == "classical":
                networks.append(DressedLinear(observation, outputs, config.qubits))
                continue
            circuit = config.qubits, config.layers, config.more_entangle, config.tanh
            qpu = config.qpu, config.shots, seed + number
            networks.append(DressedVqc(observation, outputs, *circuit, *qpu, config.qpu_latency, config.qpu_jitter))
        self.actor, self.critic = networks
        shapes = {f"actor.{name}": shape for name, shape in self.actor.layout.shapes.items()}
        shapes |= {f"critic.{name}": shape for name, shape in self.critic.layout.shapes.items()}
        self.layout = flat.Layout(shapes)
        self.size = self.layout.size
        if isinstance(self.actor, DressedVqc):
            self.circuit = self.actor.circuit
        devices = {"actor": getattr(self.actor, "device", None), "critic": getattr(self.critic, "device", None)}
        self.generators = {f"qpu.{who}": device.random for who, device in devices.items() if device and device.random}

    def initial(self, random: np.random.Generator) -> Floats:
        """Starting parameters, flat [size]."""
        return np.concatenate([self.actor.initial(random), self.critic.initial(random)])

    def loss_gradient(
        self, theta: Floats, observation_t: Floats, action_t: NDArray[np.integer], return_t: Floats
    ) -> tuple[Floats, float]:
        """Gradient in theta of the mean over a segment of td^2 - log pi(a_t|s_t) td, where td = R_t - V(s_t) is a
        constant in the second term; and the mean of td^2. Source: Algorithm 1; the mean is in the author's code.
        """
        value_t, value_pullback = self.critic.outputs_vjp(theta[self.actor.size :], observation_t)
        logits_t, logits_pullback = self.actor.outputs_vjp(theta[: self.actor.size], observation_t)
        advantage_t = return_t - value_t[:, 0]
        steps = len(return_t)
        actor_gradient = logits_pullback(reinforce_gradient(logits_t, action_t, advantage_t) / steps)
        critic_gradient = value_pullback(-2.0 / steps * advantage_t[:, None])
        return np.concatenate([actor_gradient, critic_gradient]), float(advantage_t @ advantage_t) / steps


class Agent:
    """One agent: its environment, its random numbers, and its own QPU."""

    def __init__(self, config: Config, rank: int) -> None:
        self.config = config
        shared, own = (np.random.SeedSequence(config.seed, spawn_key=(key,)) for key in (0, rank + 1))
        env_seed, action_seed, qpu_seed = own.spawn(3)
        self.env = environment(config)
        self.random = np.random.default_rng(action_seed)
        observation, _ = self.env.reset(seed=int(env_seed.generate_state(1)[0]))
        qpu = int(qpu_seed.generate_state(1)[0])
        self.model = ActorCritic(config, observation.size, int(self.env.action_space.n), qpu)  # type: ignore[attr-defined]
        self.theta = self.model.initial(np.random.default_rng(shared))  # the same on every rank
        self.unfinished: list[int] = []  # numbers of episodes taken on, the one at play last
        self.saved: State | None = None  # the checkpoint to go on from
        self.generators = {"action": self.random, "env": self.env.unwrapped.np_random} | self.model.generators

    def extent(self, agents: int) -> tuple[int, str]:
        """How long the whole run is, and in which unit."""
        return self.config.episodes, "episodes"

    def state(self) -> State:
        """What a checkpoint keeps of this agent."""
        return random_states(self.generators) | {"unfinished": np.array(self.unfinished, np.int64)}

    def restore(self, common: State, own: State) -> None:
        """Go on from a checkpoint; an agent that was not there then has nothing of its own but unfinished episodes."""
        self.theta, self.saved = common["theta"], common | own
        unfinished = own.get("unfinished", np.empty(0, np.int64)).tolist()
        self.unfinished = [number for number in unfinished if number < self.config.episodes]
        if "random.action" in own:
            set_random_states(self.generators, own)
        else:
            jump_random_states(self.generators, int(common["version"]))

    def next_episode(self, shared: "SharedParameters | ServedParameters") -> int:
        """The number of the episode to play: one that a checkpoint cut off, or the next of all agents'."""
        if not self.unfinished:
            self.unfinished.append(shared.count("episodes"))
        return self.unfinished[-1]


def train(agent: Agent, agents: "Agents", journal: "Journal") -> dict[str, Floats]:
    """Train with all agents; the trained parameters by name."""
    from hpcqrl.parallel.root import share

    config = agent.config
    optimiser = Adam(config.learning_rate, (config.beta_1, config.beta_2))
    with share(agents, agent.theta, optimiser, ("episodes",), config.push, agent.saved) as shared:
        if shared.acts:
            learn(agent, shared, journal)
        return agent.model.layout.split(shared.finish(lambda: journal.between_updates(agent, shared)))


def learn(agent: Agent, shared: "SharedParameters | ServedParameters", journal: "Journal") -> None:
    """Algorithm 1, for each actor-learner."""
    config, env, model = agent.config, agent.env, agent.model
    theta, version = shared.pull()
    while (episode := agent.next_episode(shared)) < config.episodes:  # T < T_max
        begun_at, refused, episode_return, length = version, shared.refusals.total, 0.0, 0
        staleness: list[int] = []
        losses: list[float] = []
        pushes: list[float] = []  # seconds
        observation, _ = env.reset()
        done = False
        while not done:
            policy = model.actor.acting(theta[: model.actor.size])
            observations: list[Floats] = []
            actions: list[int] = []
            rewards: list[float] = []
            terminated = False
            while not done and len(rewards) < config.update_every:  # t mod S, or terminal
                action = sample_softmax(policy(observation), agent.random)
                observations.append(observation)
                observation, reward, terminated, truncated, _ = env.step(action)
                actions.append(action)
                rewards.append(float(reward))
                done = terminated or truncated
            observation_t = np.array(observations)
            value_tp1 = 0.0 if terminated else _value(model, theta, observation)  # R
            return_t = bootstrapped_returns(rewards, value_tp1, config.discount)
            gradient, loss = model.loss_gradient(theta, observation_t, np.array(actions), return_t)
            before, begin = version, time.perf_counter()
            theta, version = shared.push(gradient)  # and theta' <- theta
            pushes.append(time.perf_counter() - begin)
            journal.between_updates(agent, shared)
            staleness.append(max(version - before - 1, 0))
            losses.append(loss)
            episode_return += sum(rewards)
            length += len(rewards)
        facts = float(np.mean(staleness)), float(np.mean(losses)), sum(pushes), pushes[-1]
        agent.unfinished.pop()
        journal.episode(episode, episode_return, length, begun_at, *facts, shared.refusals.total - refused)


def _value(model: ActorCritic, theta: Floats, observation: Floats) -> float:
    return float(model.critic.acting(theta[model.actor.size :])(observation)[0])


def environment(config: Config, render_mode: str | None = None) -> gymnasium.Env:
    """The environment that an agent plays in."""
    actions = config.actions
    if actions is None and config.env.startswith("MiniGrid-SimpleCrossing"):
        actions = 6
    return make(config.env, actions, render_mode)


def policy(
    config: Config, parameters: dict[str, Floats], random: np.random.Generator | None = None
) -> Callable[[Floats], int]:
    """The trained policy: observation to action, the likeliest or, with random numbers, drawn as in training."""
    model = Agent(config, 0).model
    logits = model.actor.acting(model.layout.load(parameters)[: model.actor.size])
    if random is not None:
        return lambda observation: sample_softmax(logits(observation), random)
    return lambda observation: int(np.argmax(logits(observation)))


def exported(config: Config, parameters: dict[str, Floats], circuit: bool) -> "tuple[Exported, int]":
    """The actor as a torch module, to logits; and the size of its observations. Its circuit, if any, is inside."""
    from hpcqrl.models.exported import Exported

    model = Agent(config, 0).model
    model.layout.load(parameters)
    if circuit and not isinstance(model.actor, DressedVqc):
        raise ValueError("the classical model has no circuit")
    actor = {name.removeprefix("actor."): value for name, value in parameters.items() if name.startswith("actor.")}
    return Exported(actor, model.actor.torch_outputs()), actor["first.weight"].shape[1]
