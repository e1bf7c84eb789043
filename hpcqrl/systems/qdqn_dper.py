"""QDQN-DPER: asynchronous quantum deep Q-learning; every agent replays its own trajectories by priority.

Paper: "Quantum deep Q learning with distributed prioritized experience replay" (Chen, arXiv:2304.09648), Algorithm 1.
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
from hpcqrl.models.dressed_vqc import DressedLinear, DressedVqc
from hpcqrl.randomness import State, jump_random_states, random_states, set_random_states
from hpcqrl.rl.exploration import epsilon_greedy
from hpcqrl.rl.losses import matrix_loss, td_loss
from hpcqrl.rl.optimisers import RMSprop
from hpcqrl.rl.replay import PrioritizedReplay, Trajectories

if TYPE_CHECKING:  # MPI starts when it is imported: not for --help or `hpcqrl describe`
    from hpcqrl.journal import Journal
    from hpcqrl.models.exported import Exported
    from hpcqrl.parallel.agents import Agents
    from hpcqrl.parallel.served_parameters import ServedParameters
    from hpcqrl.parallel.shared_parameters import SharedParameters

Floats = NDArray[np.floating]

# Of an episode's record, beyond those of every system.
EXTRA_COLUMNS = ("staleness", "loss", "waiting", "last_push", "refused", "epsilon")
STOCHASTIC = False  # its policy takes the action of the highest value


@dataclass(frozen=True)
class Config:
    """QDQN-DPER: asynchronous Q-learning, prioritised replay, matrix loss (arXiv 2304.09648)."""

    env: str = "hpcqrl/CartPoleMod-v0"
    """A Gymnasium environment with discrete actions; the paper's: hpcqrl/CartPoleMod-v0 to v3."""
    episodes: int = 50_000
    """Episodes in all, of all agents together [6.2]."""
    seed: int = 0
    """All random numbers of the run come from it; agents' order is the machine's, so runs differ all the same."""
    model: Literal["quantum", "classical"] = "quantum"
    """A dressed VQC, or linear layers in the circuit's place [6.2]."""
    qubits: int = 8
    """Qubits of the circuit, and width of the classical twin [6.2]."""
    layers: int = 2
    """Layers of the circuit [6.2]."""
    more_entangle: bool = True
    """Also CNOT(q, q+2) in each layer [Figure 1 shows two control dots on every wire]."""
    tanh: bool = False
    """tanh after the first linear layer and after the circuit; of quantum models alone."""
    actions: int | None = None
    """Use only the environment's first so many actions; by default all."""
    replay: Literal["prioritized", "uniform", "none"] = "prioritized"
    """How past trajectories are sampled; none: an agent learns from the last one alone."""
    loss: Literal["matrix", "td"] = "matrix"
    """The n x n matrix of eq. 2, or its diagonal, the TD errors."""
    trajectory_length: int = 5
    """Steps S of a trajectory, and between updates [6.2]."""
    batch: int = 4
    """Trajectories B in an update [6.2]."""
    capacity: int = 1000
    """Trajectories |D| that each agent keeps [not in the paper]."""
    priority_alpha: float = 0.6
    """How much priorities count [6.2]."""
    priority_beta: float = 0.4
    """How much importance weights make up for it [6.2]."""
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
    push: Literal["mutex", "accumulate"] = "mutex"
    """A shared mean square under a mutex, or one of each agent's own and atomic addition; a root that serves always has
    a shared one."""
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
        at_least(1, episodes=self.episodes, qubits=self.qubits, layers=self.layers, batch=self.batch)
        at_least(1, trajectory_length=self.trajectory_length, capacity=self.capacity, target_every=self.target_every)
        at_least(1, shots=self.shots, actions=self.actions)
        at_least(0, seed=self.seed)
        within(0.0, 60_000.0, qpu_latency=self.qpu_latency)
        within(0.0, 1.0, qpu_jitter=self.qpu_jitter)
        within(0.0, 1.0, discount=self.discount, priority_alpha=self.priority_alpha, priority_beta=self.priority_beta)
        within(0.0, 1.0, epsilon_start=self.epsilon_start, epsilon_end=self.epsilon_end)
        within(0.0, 1.0, epsilon_decay=self.epsilon_decay)
        within(0.0, 0.999999, rms_alpha=self.rms_alpha)
        positive(learning_rate=self.learning_rate, rms_epsilon=self.rms_epsilon)
        circuit = {"qpu": self.qpu != "native", "shots": self.shots, "qpu_latency": self.qpu_latency}
        only_with_circuit(self.model == "quantum", tanh=self.tanh, **circuit)


class Agent:
    """One agent: its environment, its random numbers, its own replay memory, and its own QPU."""

    def __init__(self, config: Config, rank: int) -> None:
        self.config = config
        shared, own = (np.random.SeedSequence(config.seed, spawn_key=(key,)) for key in (0, rank + 1))
        env_seed, action_seed, qpu_seed = own.spawn(3)
        self.env = environment(config)
        self.random = np.random.default_rng(action_seed)
        observation, _ = self.env.reset(seed=int(env_seed.generate_state(1)[0]))
        self.actions = int(self.env.action_space.n)  # type: ignore[attr-defined]
        inputs = observation.size
        self.model: DressedVqc | DressedLinear = DressedLinear(inputs, self.actions, config.qubits)
        if config.model == "quantum":
            circuit = config.qubits, config.layers, config.more_entangle, config.tanh
            qpu = config.qpu, config.shots, int(qpu_seed.generate_state(1)[0])
            self.model = DressedVqc(inputs, self.actions, *circuit, *qpu, config.qpu_latency, config.qpu_jitter)
        self.theta = self.model.initial(np.random.default_rng(shared))  # the same on every rank
        capacity = 1 if config.replay == "none" else config.capacity
        alpha = config.priority_alpha if config.replay == "prioritized" else 0.0
        self.replay = PrioritizedReplay(capacity, config.trajectory_length, inputs, alpha, config.priority_beta)
        self.batch = 1 if config.replay == "none" else config.batch
        self.steps, self.epsilon = 0, config.epsilon_start  # Z and epsilon of Algorithm 1
        self.unfinished: list[int] = []  # numbers of episodes taken on, the one at play last
        self.saved: State | None = None  # the checkpoint to go on from
        self.generators = {"action": self.random, "env": self.env.unwrapped.np_random}
        if isinstance(self.model, DressedVqc) and self.model.device.random is not None:
            self.generators["qpu"] = self.model.device.random

    def extent(self, agents: int) -> tuple[int, str]:
        """How long the whole run is, and in which unit."""
        return self.config.episodes, "episodes"

    def state(self) -> State:
        """What a checkpoint keeps of this agent."""
        return (
            random_states(self.generators)
            | {"unfinished": np.array(self.unfinished, np.int64)}
            | {
                "steps": np.array(self.steps),
                "epsilon": np.array(self.epsilon),
                **self.replay.state(),
            }
        )

    def restore(self, common: State, own: State) -> None:
        """Go on from a checkpoint; an agent that was not there then has nothing of its own but unfinished episodes."""
        self.theta, self.saved = common["theta"], common | own
        unfinished = own.get("unfinished", np.empty(0, np.int64)).tolist()
        self.unfinished = [number for number in unfinished if number < self.config.episodes]
        if "random.action" in own:
            set_random_states(self.generators, own)
            self.steps, self.epsilon = int(own["steps"]), float(own["epsilon"])
            self.replay.restore(own)
        else:
            jump_random_states(self.generators, int(common["version"]))

    def next_episode(self, shared: "SharedParameters | ServedParameters") -> int:
        """The number of the episode to play: one that a checkpoint cut off, or the next of all agents'."""
        if not self.unfinished:
            self.unfinished.append(shared.count("episodes"))
        return self.unfinished[-1]

    def loss_gradient(
        self, theta: Floats, target_theta: Floats, batch: Trajectories, weights: Floats
    ) -> tuple[Floats, Floats]:
        """Gradient [size] in theta of L, the mean of w_i l_i, and the losses l_i [B] of the trajectories."""
        taken, config = batch.taken, self.config
        value_t, pullback = self.model.outputs_vjp(theta, batch.observation[taken])
        value_tp1, _ = self.model.outputs_vjp(target_theta, batch.observation_tp1[taken])
        rows, action_t = np.arange(len(value_t)), batch.action[taken]
        value, target = np.zeros(taken.shape), np.zeros(taken.shape)
        value[taken] = value_t[rows, action_t]
        target[taken] = batch.reward[taken] + config.discount * value_tp1.max(axis=1) * ~batch.terminated[taken]
        losses, gradient = (matrix_loss if config.loss == "matrix" else td_loss)(value, target, taken)
        gradient_t = np.zeros(value_t.shape)
        gradient_t[rows, action_t] = (gradient * weights[:, None] / len(weights))[taken]
        return pullback(gradient_t), losses


def train(agent: Agent, agents: "Agents", journal: "Journal") -> dict[str, Floats]:
    """Train with all agents; the trained parameters by name."""
    from hpcqrl.parallel.root import share

    config = agent.config
    optimiser = RMSprop(config.learning_rate, config.rms_alpha, config.rms_epsilon)
    with share(agents, agent.theta, optimiser, ("episodes", "steps"), config.push, agent.saved) as shared:
        if shared.acts:
            learn(agent, shared, journal)
        return agent.model.layout.split(shared.finish(lambda: journal.between_updates(agent, shared)))


def learn(agent: Agent, shared: "SharedParameters | ServedParameters", journal: "Journal") -> None:
    """Algorithm 1, for each learner process."""
    config, env, replay = agent.config, agent.env, agent.replay
    theta, version = shared.pull()
    while (episode := agent.next_episode(shared)) < config.episodes:  # T < T_max
        begun_at, refused, episode_return, length = version, shared.refusals.total, 0.0, 0
        staleness: list[int] = []
        losses: list[float] = []
        pushes: list[float] = []  # seconds
        observation, _ = env.reset()
        done = False
        while not done:
            values = agent.model.acting(theta)
            observations: list[Floats] = []  # M
            actions: list[int] = []
            rewards: list[float] = []
            terminated = False
            while not done:
                action = epsilon_greedy(values, observation, agent.epsilon, agent.actions, agent.random)
                observations.append(observation)
                observation, reward, terminated, truncated, _ = env.step(action)
                actions.append(action)
                rewards.append(float(reward))
                done = terminated or truncated
                agent.epsilon = max(agent.epsilon * config.epsilon_decay, config.epsilon_end)
                agent.steps += 1
                if agent.steps % config.trajectory_length == 0:  # Z mod S = 0
                    break
            replay.store(observations, actions, rewards, observation, terminated)
            places, batch, weights = replay.sample(agent.batch, agent.random)
            gradient, batch_losses = agent.loss_gradient(theta, shared.target(), batch, weights)
            replay.reprioritize(places, batch_losses)
            before, begin = version, time.perf_counter()
            theta, version = shared.push(gradient)
            pushes.append(time.perf_counter() - begin)
            steps = shared.count("steps", len(rewards))  # Y
            if steps // config.target_every < (steps + len(rewards)) // config.target_every:  # Y mod C = 0
                shared.renew_target()
            journal.between_updates(agent, shared)
            staleness.append(max(version - before - 1, 0))
            losses.append(float(batch_losses.mean()))
            episode_return += sum(rewards)
            length += len(rewards)
        facts = float(np.mean(staleness)), float(np.mean(losses)), sum(pushes), pushes[-1]
        agent.unfinished.pop()
        journal.episode(
            episode, episode_return, length, begun_at, *facts, shared.refusals.total - refused, agent.epsilon
        )


def environment(config: Config, render_mode: str | None = None) -> gymnasium.Env:
    """The environment that an agent plays in."""
    return make(config.env, config.actions, render_mode)


def policy(config: Config, parameters: dict[str, Floats]) -> Callable[[Floats], int]:
    """The trained policy, greedy: observation to action."""
    model = Agent(config, 0).model
    values = model.acting(model.layout.load(parameters))
    return lambda observation: int(np.argmax(values(observation)))


def exported(config: Config, parameters: dict[str, Floats], circuit: bool) -> "tuple[Exported, int]":
    """The network as a torch module, to Q values; and the size of its observations. Its circuit, if any, is inside."""
    from hpcqrl.models.exported import Exported

    model = Agent(config, 0).model
    model.layout.load(parameters)
    if circuit and not isinstance(model, DressedVqc):
        raise ValueError("the classical model has no circuit")
    return Exported(parameters, model.torch_outputs()), parameters["first.weight"].shape[1]
