"""hDQNN in TD3: an actor with a sampled circuit inside, trained through a network that learns the circuit's slopes.

Paper: "Training Hybrid Deep Quantum Neural Network for Reinforced Learning Efficiently" (arXiv:2503.09119), section 3;
where it is silent, TD3 (Fujimoto et al., arXiv:1802.09477), Algorithm 1 and its published settings. Every rank is one
agent, which explores with its own QPU and replays its own transitions; one rank is the paper.
"""

import math
from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Literal, cast

import gymnasium
import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.nn.functional import mse_loss
from torch.optim.adam import adam

from hpcqrl.checks import at_least, only_with_circuit, positive, within
from hpcqrl.envs.make import StretchedActions, make_continuous
from hpcqrl.envs.replayed import Episode
from hpcqrl.models.critic import Critic
from hpcqrl.models.exported import Exported
from hpcqrl.models.hdqnn import Networks
from hpcqrl.models.hybrid_actor import HybridActor
from hpcqrl.parallel.pushes import Refusals
from hpcqrl.randomness import State, jump_random_states, random_states, set_random_states
from hpcqrl.rl.transitions import Transitions

if TYPE_CHECKING:  # MPI starts when it is imported: not for --help or `hpcqrl describe`
    from hpcqrl.journal import Journal
    from hpcqrl.parallel.agents import Agents

Floats = NDArray[np.floating]
Parts = dict[str, Tensor]

EXTRA_COLUMNS = ("loss", "qtdnn_loss", "qtdnn_error")  # of an episode's record, beyond those of every system
STOCHASTIC = False  # its policy gives one action


@dataclass(frozen=True)
class Config:
    """hDQNN in TD3: synchronous agents, gradients averaged by one Allreduce an update (arXiv 2503.09119)."""

    env: str = "Pendulum-v1"
    """A Gymnasium environment with continuous actions; the paper's: Humanoid-v4 (extra `mujoco`), Pendulum-v1."""
    steps: int = 1_000_000
    """Environment steps of each agent [TD3]."""
    seed: int = 0
    """All random numbers of the run come from it."""
    block: Literal["pqc", "fc", "rbg", "zeros"] = "pqc"
    """Inside the actor: the circuit, a linear map, random bits, or zeros [section 3]."""
    qubits: int = 10
    """Qubits of the circuit [Table 1]."""
    layers: int = 10
    """Entangling layers of the circuit [Table 1]."""
    links: int = 10
    """Classical links past the circuit [Table 1]."""
    hidden: int = 256
    """Hidden units of PreDNN, PostDNN and critics [Table 1]."""
    qtdnn_hidden: int = 2048
    """Hidden units of the qtDNN [Table 1]."""
    surrogate: Literal["sampled", "expected"] = "sampled"
    """In training, bits drawn with the qtDNN's probabilities and given their gradient, or the probabilities themselves;
    the paper does not say. Only who has trained with bits learns what their noise does (README)."""
    shots: int = 1
    """Measurements of the circuit for one action: each qubit's more frequent bit counts."""
    random_steps: int = 1000
    """Steps of each agent with random actions, before the first update [TD3, 6.1]."""
    batch: int = 256
    """Transitions that each agent draws for an update [TD3's code]."""
    replay: int = 1_000_000
    """Transitions that each agent keeps [TD3's code]."""
    discount: float = 0.99
    """Discount factor gamma [Table 1]."""
    learning_rate: float = 3e-4
    """Of Adam, for all networks [TD3's code]."""
    tau: float = 0.005
    """Share of the networks in their targets at each update of these [TD3]."""
    exploration_noise: float = 0.1
    """Standard deviation of the noise on actions, which lie in [-1, 1] [TD3]."""
    target_noise: float = 0.2
    """Standard deviation of the noise on target actions [TD3]."""
    noise_clip: float = 0.5
    """Largest noise on target actions [TD3]."""
    policy_delay: int = 2
    """Updates of the critics for one of the actor and the targets [TD3]."""
    test_every: int = 5000
    """Steps of each agent between tests without exploration noise [TD3]."""
    test_episodes: int = 10
    """Episodes of a test, of all agents together [TD3]."""
    qpu: str = "native"
    """Where circuits run: native, or a PennyLane device such as lightning.qubit, default.mixed, lightning.gpu."""
    qpu_latency: float = 0.0
    """Milliseconds that a circuit execution takes, to emulate a QPU; one gives an action's bits, with all its shots."""
    qpu_jitter: float = 0.0
    """Share, 0 to 1, by which each execution's latency varies, uniformly."""
    device: Literal["cpu", "cuda"] = "cpu"
    """Where the networks are trained; with cuda, ranks on one node take its GPUs in turn."""

    def __post_init__(self) -> None:
        at_least(1, steps=self.steps, layers=self.layers, hidden=self.hidden, qtdnn_hidden=self.qtdnn_hidden)
        at_least(1, shots=self.shots, batch=self.batch, replay=self.replay, policy_delay=self.policy_delay)
        at_least(1, test_every=self.test_every, test_episodes=self.test_episodes, random_steps=self.random_steps)
        at_least(0, seed=self.seed, links=self.links, exploration_noise=self.exploration_noise)
        at_least(0, target_noise=self.target_noise, noise_clip=self.noise_clip)
        at_least(2, qubits=self.qubits)
        if self.steps <= self.random_steps:
            raise ValueError(f"steps must be more than random_steps, {self.random_steps}, not {self.steps}")
        within(0.0, 60_000.0, qpu_latency=self.qpu_latency)
        within(0.0, 1.0, discount=self.discount, tau=self.tau, qpu_jitter=self.qpu_jitter)
        positive(learning_rate=self.learning_rate)
        only_with_circuit(self.block == "pqc", qpu=self.qpu != "native", qpu_latency=self.qpu_latency)


class Agent:
    """One agent: its environment, random numbers, QPU and replay, and all that is trained, in flat float32 vectors."""

    def __init__(self, config: Config, rank: int) -> None:
        torch.set_num_threads(1)
        self.config = config
        shared, own = (np.random.SeedSequence(config.seed, spawn_key=(key,)) for key in (0, rank + 1))
        env_seed, test_seed, random_seed, qpu_seed = (int(part.generate_state(1)[0]) for part in own.spawn(4))
        self.env, self.test_env = environment(config), environment(config)
        self.random = np.random.default_rng(random_seed)
        observation = self.env.reset(seed=env_seed)[0].size
        self.test_env.reset(seed=test_seed)
        self.actions = int(self.env.action_space.shape[0])  # type: ignore[index]
        sizes = config.qubits, config.layers, config.links, config.hidden
        actor = HybridActor(
            observation, self.actions, config.block, *sizes, config.qpu, config.shots, qpu_seed,
            config.qpu_latency, config.qpu_jitter,
        )  # fmt: skip
        critic = Critic(observation, self.actions, config.hidden)
        self.model = Networks(actor, critic, config.qtdnn_hidden, config.surrogate == "sampled")
        parts = {"observation_t": observation, "action_t": self.actions, "reward_t": 1, "observation_tp1": observation}
        parts |= {"terminated_t": 1, "angles_t": actor.n_angles, "bits_t": config.qubits}
        self.replay = Transitions(min(config.replay, config.steps), parts)
        if config.device == "cuda" and not torch.cuda.is_available():
            raise ValueError("device cuda: torch finds no GPU on this machine")
        device = torch.device(config.device)
        theta = self.model.initial(np.random.default_rng(shared))  # the same on every rank
        self.theta = torch.from_numpy(theta).to(device)
        self.target, self.gradient = self.theta.clone(), torch.zeros_like(self.theta)
        self.moments = torch.zeros((2, self.model.size), device=device)
        self.adam_steps = torch.zeros(len(self.model.layouts), device=device)
        self.steps = self.updates = 0
        self.refusals = Refusals()
        self.episodes, self.first_number = 0, 0  # this agent's finished ones; the number that they count from
        self.generators = {"explore": self.random, "actor": actor.random} | {
            name: env.unwrapped.np_random for name, env in (("env", self.env), ("test", self.test_env))
        }
        if config.block == "pqc" and actor.device.random is not None:
            self.generators["qpu"] = actor.device.random
        self._part, self._target_part = self.model.split(self.theta), self.model.split(self.target)
        for network, gradients in self.model.split(self.gradient).items():
            for name, gradient in gradients.items():
                self._part[network][name].requires_grad_().grad = gradient
        self.follow()
        self.episode = Episode(self.env)
        self.begun_at = 0  # after how many updates
        self.losses: list[tuple[float, float]] = []  # since then

    def extent(self, agents: int) -> tuple[int, str]:
        """How long the whole run is, if it goes on with so many agents, and in which unit."""
        return self.config.steps * agents, "steps"

    def common(self) -> State:
        """What a checkpoint keeps once for all."""
        vectors = {"theta": self.theta, "target": self.target, "moments": self.moments, "adam_steps": self.adam_steps}
        counts = {"steps": self.steps, "updates": self.updates, "first_number": self.first_number}
        arrays = {name: vector.detach().cpu().numpy() for name, vector in vectors.items()}
        return arrays | {name: np.array(count) for name, count in counts.items()}

    def state(self) -> State:
        """What a checkpoint keeps of this agent."""
        counts = {"episodes": np.array(self.episodes), "begun_at": np.array(self.begun_at)}
        losses = {"losses": np.array(self.losses, np.float64).reshape(-1, 2)}
        return random_states(self.generators) | counts | losses | self.episode.state() | self.replay.state()

    def restore(self, common: State, own: State) -> None:
        """Go on from a checkpoint; own is empty for an agent that was not there then."""
        for name in ("theta", "target", "moments", "adam_steps"):
            getattr(self, name).data.copy_(torch.from_numpy(common[name]))
        self.steps, self.updates = int(common["steps"]), int(common["updates"])
        self.first_number = int(common.get("next_number", common["first_number"]))
        self.follow()
        if not own:
            jump_random_states(self.generators, self.updates)
            self.episode.begin()
            return
        self.episodes = 0 if "next_number" in common else int(own["episodes"])
        self.replay.restore(own)
        self.episode.restore(own)
        self.begun_at = int(own["begun_at"])
        self.losses = [(float(critic), float(qtdnn)) for critic, qtdnn in own["losses"]]
        set_random_states(self.generators, own)

    def follow(self) -> None:
        """Let `act` go by the actor's present parameters."""
        self.act = self.model.actor.acting(self.theta[self.model.place["actor"]].cpu().numpy())

    def explore(self, observation: Floats, step: int) -> tuple[Floats, Floats, Floats]:
        """An action with exploration noise, at first a random one; and the circuit's angles and bits."""
        action, angles, bits = self.act(observation)
        if step < self.config.random_steps:
            return self.random.uniform(-1.0, 1.0, self.actions), angles, bits
        noise = self.config.exploration_noise * self.random.standard_normal(self.actions)
        return np.clip(action + noise, -1.0, 1.0), angles, bits

    def due(self, update: int) -> list[str]:
        """The networks that an update moves; the qtDNN just before the actor [section 3]."""
        delay = self.config.policy_delay
        qtdnn = ["qtdnn"] if self.config.block == "pqc" and (update + 1) % delay == 0 else []
        return [*qtdnn, "critic_1", "critic_2", *(["actor"] if update % delay == 0 else [])]

    def gradients(self, due: list[str]) -> tuple[float, float]:
        """Fill `gradient` where the due networks are, from a batch; the mean loss of the critics, and the qtDNN's.

        All are taken at the same parameters, so that one Allreduce can average them: the actor's goes through the qtDNN
        and the critic as the update before has left them.
        """
        model, part, target_part, config = self.model, self._part, self._target_part, self.config
        batch = self.replay.sample(config.batch, self.random).values()
        observation_t, action_t, reward_t, observation_tp1, terminated_t, angles_t, bits_t = map(self._tensor, batch)
        noise = config.target_noise * self.random.standard_normal(action_t.shape, np.float32)
        noise_tp1 = self._tensor(noise.clip(-config.noise_clip, config.noise_clip))
        self.gradient[self._piece(due)] = 0.0
        with torch.no_grad():  # TD3, Alg. 1, line 8
            action_tp1 = model.actions(target_part["actor"], part, observation_tp1)
            action_tp1 = (action_tp1 + noise_tp1).clamp(-1.0, 1.0)
            value_tp1 = model.smaller_value(target_part, observation_tp1, action_tp1)
            return_t = reward_t[:, 0] + config.discount * (1.0 - terminated_t[:, 0]) * value_tp1
        loss, qtdnn_loss = 0.0, math.nan
        for critic in ("critic_1", "critic_2"):  # line 10
            squared_error = mse_loss(model.critic.value(part[critic], observation_t, action_t), return_t)
            squared_error.backward()
            loss += 0.5 * squared_error.item()
        if "qtdnn" in due:
            cross_entropy = model.qtdnn.loss(part["qtdnn"], angles_t, bits_t)
            cross_entropy.backward()
            qtdnn_loss = cross_entropy.item()
        if "actor" in due:  # line 12
            action = model.actions(part["actor"], part, observation_t)
            value = model.critic.value(part["critic_1"], observation_t, action).mean()
            (-value).backward(inputs=list(part["actor"].values()))
        return loss, qtdnn_loss

    def step(self, due: list[str]) -> None:
        """Move the due networks down `gradient`; after the actor the targets follow [TD3, Alg. 1, line 14]."""
        places = [self.model.place[name] for name in due]
        theta, gradient, first, second = (
            [vector[place] for place in places] for vector in (self.theta, self.gradient, *self.moments)
        )
        steps = [self.adam_steps[list(self.model.layouts).index(name)] for name in due]
        adam(
            theta, gradient, first, second, [], steps, lr=self.config.learning_rate, beta1=0.9, beta2=0.999, eps=1e-8,
            weight_decay=0.0, amsgrad=False, maximize=False, fused=True,
        )  # fmt: skip
        if "actor" in due:
            piece = self._piece(["critic_1", "actor"])
            self.target[piece].lerp_(self.theta[piece], self.config.tau)
            self.follow()

    def update(self, number: int, agents: "Agents") -> tuple[float, float]:
        """One update, with the gradients averaged over all agents; the mean loss of the critics, and the qtDNN's."""
        due = self.due(number)
        losses = self.gradients(due)
        piece = self.gradient[self._piece(due)]
        mean = agents.mean(piece.cpu().numpy())
        if not self.refusals.refuse(mean):
            piece.copy_(self._tensor(mean))
            self.step(due)
        return losses

    def qtdnn_error(self) -> float:
        """How far the qtDNN is from the circuit's exact probabilities: mean |difference| over a batch's bits."""
        if self.config.block != "pqc" or not len(self.replay):
            return math.nan
        angles_t = self.replay.sample(self.config.batch, np.random.default_rng(self.replay.added))["angles_t"]
        with torch.no_grad():
            expected = self.model.qtdnn.expected_bits(self._part["qtdnn"], self._tensor(angles_t)).cpu().numpy()
        return float(np.abs(expected - self.model.actor.exact_bits(angles_t)).mean())

    def test_episode(self) -> float:
        """The return of an episode without exploration noise."""
        observation, _ = self.test_env.reset()
        episode_return, done = 0.0, False
        while not done:
            observation, reward, terminated, truncated, _ = self.test_env.step(self.act(observation)[0])
            episode_return += float(reward)
            done = terminated or truncated
        return episode_return

    def _piece(self, networks: list[str]) -> slice:
        return slice(self.model.place[networks[0]].start, self.model.place[networks[-1]].stop)

    def _tensor(self, array: Floats) -> Tensor:
        return torch.from_numpy(array).to(self.theta.device)


def train(agent: Agent, agents: "Agents", journal: "Journal") -> dict[str, Floats]:
    """Section 3, and TD3's Algorithm 1; the trained parameters by name."""
    config, episode = agent.config, agent.episode
    while agent.steps < config.steps:
        observation_t = episode.observation
        action_t, angles_t, bits_t = agent.explore(observation_t, agent.steps)
        observation_tp1, reward_t, terminated, truncated = episode.step(action_t)
        agent.replay.add(observation_t, action_t, reward_t, observation_tp1, float(terminated), angles_t, bits_t)
        agent.steps += 1
        if agent.steps > config.random_steps:
            agent.updates += 1
            agent.losses.append(agent.update(agent.updates, agents))
            if agent.updates % 100 == 0:
                agents.check_equal(agent.theta.detach().cpu().numpy(), f"theta after update {agent.updates}")
        if terminated or truncated:
            number = agent.first_number + agent.episodes * agents.size + agents.rank
            extras = (*_means(agent.losses), agent.qtdnn_error())
            journal.episode(number, sum(episode.rewards), len(episode.rewards), agent.begun_at, *extras)
            agent.episodes += 1
            agent.begun_at, agent.losses = agent.updates, []
            episode.begin()
        if agent.steps % config.test_every == 0:
            returns = [agent.test_episode() for _ in range(agents.rank, config.test_episodes, agents.size)]
            journal.evaluation(agent.steps, returns, agent.updates)
        journal.tick()
        if agent.steps <= config.random_steps and agent.steps % 50 == 0:  # no update, whose mean would tell
            agents.wished = agents.any(agents.wish)
        if agents.wished:
            agents.wished = False
            journal.checkpoint(agent.state(), agent.common)
    return agent.model.layout.split(agent.theta.detach().cpu().numpy())


def _means(losses: list[tuple[float, float]]) -> tuple[float, float]:
    """Of each kind, over those that there are; NaN if there are none."""
    columns = [[value for value in column if not math.isnan(value)] for column in zip(*losses, strict=True)]
    first, second = (float(np.mean(column)) if column else math.nan for column in columns or ([], []))
    return first, second


def environment(config: Config, render_mode: str | None = None) -> gymnasium.Env:
    """The environment that an agent plays in."""
    return make_continuous(config.env, render_mode)


def policy(config: Config, parameters: dict[str, Floats]) -> Callable[[Floats], Floats]:
    """The trained policy, without exploration noise: observation to action, with the block itself inside."""
    agent = Agent(replace(config, device="cpu"), 0)
    agent.theta.copy_(torch.from_numpy(agent.model.layout.load(parameters)))
    return lambda observation: agent.act(observation)[0]


def exported(config: Config, parameters: dict[str, Floats], circuit: bool) -> tuple[Exported, int]:
    """The same as a torch module, to actions in the environment's own range; and the size of its observations.

    circuit: with the circuit inside, simulated by torch, not what has stood in its place in training.
    """
    if circuit and config.block != "pqc":
        raise ValueError(f"the block {config.block} has no circuit")
    agent = Agent(replace(config, device="cpu"), 0)
    agent.model.layout.load(parameters)
    env = cast(StretchedActions, agent.env)
    actions = agent.model.torch_actions(env.low, env.high, config.shots if circuit else None)
    networks = ("actor.",) if circuit else ("actor.", "qtdnn.")
    kept = {name: value for name, value in parameters.items() if name.startswith(networks)}
    return Exported(kept, actions), int(env.observation_space.shape[0])  # type: ignore[index]
