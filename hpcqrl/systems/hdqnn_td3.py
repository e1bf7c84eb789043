"""hDQNN in TD3: an actor with a sampled circuit inside, trained through a network that learns the circuit's slopes.

Paper: "Training Hybrid Deep Quantum Neural Network for Reinforced Learning Efficiently" (arXiv:2503.09119), section 3;
where it is silent, TD3 (Fujimoto et al., arXiv:1802.09477), Algorithm 1 and its published settings. Every rank is one
agent, which explores with its own QPU and replays its own transitions; one rank is the paper.
"""

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal, cast

import gymnasium
import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.nn.functional import mse_loss

from hpcqrl.configuration import EnvOptions, own_first
from hpcqrl.envs.make import StretchedActions, make_continuous, sizes
from hpcqrl.explorer import Explorer
from hpcqrl.models import hybrid_options as hybrid
from hpcqrl.models.hdqnn import Networks
from hpcqrl.models.hybrid_options import HybridOptions
from hpcqrl.models.products import ProductOptions, Products, check_products, on_host
from hpcqrl.models.surrogate_quality import MEASURED, quality, surrogate_error
from hpcqrl.models.trained_vector import TrainedVector
from hpcqrl.parallel.pushes import Refusals
from hpcqrl.quantum.circuit import Circuit
from hpcqrl.randomness import shared_random
from hpcqrl.results.schema import named
from hpcqrl.rl.td3 import Td3Options, check_td3, target_noise
from hpcqrl.states import State, numbered_anew
from hpcqrl.systems.contract import Facts, Needs, Parameters, Policy

if TYPE_CHECKING:  # MPI starts when it is imported: not for --help or `hpcqrl describe`
    from hpcqrl.journal import Journal
    from hpcqrl.models.exported import Exported
    from hpcqrl.parallel.agents import Agents

Floats = NDArray[np.floating]

FACTS = Facts(named("loss", "qtdnn_loss", "qtdnn_error"), synchronous=True, measures="bits", tested=named(*MEASURED))
share_out = numbered_anew


@own_first
@dataclass(frozen=True)
class Config(HybridOptions, Td3Options, ProductOptions, EnvOptions):
    """hDQNN in TD3: synchronous agents, gradients averaged by one Allreduce an update (arXiv 2503.09119)."""

    env: str = "Pendulum-v1"
    """A Gymnasium environment with continuous actions; the paper's: Humanoid-v4 (extra `mujoco`), Pendulum-v1."""
    steps: int = 1_000_000
    """Environment steps of each agent [TD3]."""
    seed: int = 0
    """All random numbers of the run come from it."""

    def __post_init__(self) -> None:
        hybrid.check(self, self.batch)
        check_td3(self, self.steps)
        check_products(self)


class Agent:
    """One agent: what it holds to explore, its QPU, and all that is trained, in flat float32 vectors."""

    def __init__(self, config: Config, rank: int, circuit: Circuit | None) -> None:
        self.config, self.products = config, Products(config)
        self.envs = self.env, test_env = environment(config), environment(config)
        self.explorer = Explorer(self.env, test_env, config.seed, rank)
        self.model = model(config, self.env, circuit, self.explorer.qpu_seed)
        self.explorer.generators |= self.model.actor.generators
        theta = self.model.initial(shared_random(config.seed))  # the same on every rank
        self.trained = TrainedVector(self.model.layouts, theta, config.device)
        observation, self.actions = sizes(self.env)
        beside = {"angles_t": self.model.actor.n_angles, "bits_t": config.qubits}
        self.explorer.remember(min(config.replay, config.steps), observation, self.actions, beside, config.device)
        self.refusals = Refusals()
        self.follow()

    def extent(self, agents: int) -> tuple[int, Literal["episodes", "steps"]]:
        """How long the whole run is, if it goes on with so many agents, and in which unit."""
        return self.config.steps * agents, "steps"

    def restore(self, common: State, own: State) -> None:
        """Go on from a checkpoint."""
        self.trained.restore(common)
        self.explorer.restore(common, own)
        self.follow()

    def follow(self) -> None:
        """Let `act` go by the actor's present parameters."""
        self.act = self.model.actor.acting(on_host(self.model.actor_part(self.trained.theta.detach())))

    def explore(self, observation: Floats, step: int) -> tuple[Floats, Floats, Floats]:
        """An action with exploration noise, at first a random one; and the circuit's angles and bits."""
        action, angles, bits = self.act(observation)
        if step < self.config.random_steps:
            return self.explorer.random.uniform(-1.0, 1.0, self.actions), angles, bits
        noise = self.config.exploration_noise * self.explorer.random.standard_normal(self.actions)
        return np.clip(action + noise, -1.0, 1.0), angles, bits

    def turns(self, update: int) -> list[list[str]]:
        """The networks that an update moves, those together whose gradients cross MPI in one Allreduce, all taken at
        the same parameters: the qtDNN just before the actor [section 3].
        """
        critics, delay = ["critic_1", "critic_2"], self.config.policy_delay
        actor = ["actor"] if update % delay == 0 else []
        if self.config.surrogate_updates > 1:
            return [critics, actor] if actor else [critics]
        qtdnn = ["qtdnn"] if self.model.has_qtdnn and (update + 1) % delay == 0 else []
        return [[*qtdnn, *critics, *actor]]

    def update(self, number: int, agents: "Agents") -> tuple[float, float]:
        """One update, with the gradients averaged over all agents; the mean loss of the critics, and the qtDNN's."""
        drawn = self.explorer.replay.sample(self.config.batch, self.explorer.random)  # TD3, line 7
        batch, losses = [self._tensor(part) for part in drawn.values()], {}
        if self.config.surrogate_updates > 1 and number % self.config.policy_delay == 0:
            losses["qtdnn"] = self.refit(batch, agents)
        for due in self.turns(number):
            losses |= self.gradients(due, batch)
            gradient = self.trained.gradient[self.trained.piece(due)]
            mean = agents.mean(on_host(gradient))
            if not self.refusals.refuse(mean):
                gradient.copy_(self._tensor(mean))
                self.step(due)
        return 0.5 * (losses["critic_1"] + losses["critic_2"]), losses.get("qtdnn", math.nan)

    def refit(self, batch: list[Tensor], agents: "Agents") -> float:
        """Section 3: fit the qtDNN to parts of the mini-batch, one after the other; the mean loss. Every rank fits its
        own, from the same start; then one Allreduce makes one of all: the mean of what has moved, Adam's moments too.
        """
        trained, losses = self.trained, []
        before, order = trained.moved(["qtdnn"]), self.explorer.random.permutation(self.config.batch)
        for rows in np.array_split(order, self.config.surrogate_updates):
            losses.append(self.gradients(["qtdnn"], [part[rows] for part in batch])["qtdnn"])
            trained.adam(["qtdnn"], self.config.learning_rate)
        mean = agents.mean(on_host(trained.moved(["qtdnn"])))
        trained.move_to(["qtdnn"], before if self.refusals.refuse(mean) else self._tensor(mean))
        return float(np.mean(losses))

    def gradients(self, due: list[str], batch: list[Tensor]) -> dict[str, float]:
        """TD3, Algorithm 1, lines 8 to 12, and section 3: the due networks' gradients, all at the same parameters."""
        model, part, target_part, config = self.model, self.trained.part, self.trained.target_part, self.config
        observation_t, action_t, reward_t, observation_tp1, terminated_t, angles_t, bits_t = batch
        losses: dict[str, Tensor] = {}
        self.trained.gradient[self.trained.piece(due)] = 0.0
        with self.products():
            if "critic_1" in due:
                noise_tp1 = self._tensor(target_noise(config, action_t.shape, self.explorer.random))
                with torch.no_grad():  # line 8
                    action_tp1 = model.actions(target_part["actor"], part, observation_tp1)
                    action_tp1 = (action_tp1 + noise_tp1).clamp(-1.0, 1.0)
                    value_tp1 = model.smaller_value(target_part, observation_tp1, action_tp1)  # line 9
                    return_t = reward_t[:, 0] + config.discount * (1.0 - terminated_t[:, 0]) * value_tp1
                for critic in ("critic_1", "critic_2"):  # line 10
                    losses[critic] = mse_loss(model.critic.value(part[critic], observation_t, action_t), return_t)
                    losses[critic].backward()
            if "qtdnn" in due:  # hDQNN, section 3
                losses["qtdnn"] = model.qtdnn.loss(part["qtdnn"], angles_t, bits_t)
                losses["qtdnn"].backward()
            if "actor" in due:  # line 12
                action = model.actions(part["actor"], part, observation_t)
                losses["actor"] = -model.critic.value(part["critic_1"], observation_t, action).mean()
                losses["actor"].backward(inputs=list(part["actor"].values()))
        return {network: loss.item() for network, loss in losses.items()}

    def step(self, due: list[str]) -> None:
        """Lines 10 to 14: move the due networks; after the actor the targets follow, and the agent acts by it."""
        self.trained.adam(due, self.config.learning_rate)
        if "actor" in due:
            self.trained.targets_follow(["critic_1", "critic_2", "actor"], self.config.tau)
            self.follow()

    def _tensor(self, array: Floats | Tensor) -> Tensor:
        return array if isinstance(array, Tensor) else torch.from_numpy(array).to(self.trained.theta.device)


def train(agent: Agent, agents: "Agents", journal: "Journal") -> dict[str, Floats]:
    """Section 3, and TD3's Algorithm 1; the trained parameters by name."""
    config, explorer = agent.config, agent.explorer
    while explorer.steps < config.steps or explorer.test_is_due(config.test_every):
        if explorer.test_is_due(config.test_every):
            measured = quality(agent.model, agent.trained.part, explorer.replay.sample_again(config.batch))
            explorer.test(lambda seen: agent.act(seen)[0], config.test_episodes, journal, agents, **measured)
        else:
            learn(agent, agents, journal)
        journal.tick(explorer.steps * agents.size)
        if explorer.steps <= config.random_steps and explorer.steps % 50 == 0:  # no update, whose mean would tell
            agents.wished = agents.any(agents.wish) or agents.wished
        if agents.wished:
            agents.wished = False
            journal.checkpoint(explorer.state(losses=2), lambda: agent.trained.state() | explorer.common())
    return agent.model.layout.split(agent.trained.theta.detach().cpu().numpy())


def learn(agent: Agent, agents: "Agents", journal: "Journal") -> None:
    """One step of TD3's Algorithm 1, and one update."""
    explorer, episode = agent.explorer, agent.explorer.episode
    observation_t = episode.observation
    action_t, angles_t, bits_t = agent.explore(observation_t, explorer.steps)  # line 5
    observation_tp1, reward_t, terminated, truncated = episode.step(action_t)
    explorer.replay.add(observation_t, action_t, reward_t, observation_tp1, float(terminated), angles_t, bits_t)
    explorer.steps += 1
    if explorer.steps > agent.config.random_steps:
        explorer.updates += 1
        explorer.losses.append(agent.update(explorer.updates, agents))
        if explorer.updates % 100 == 0:
            agents.check_equal(agent.trained.theta.detach().cpu().numpy(), f"theta after update {explorer.updates}")
    if terminated or truncated:
        loss, qtdnn_loss = explorer.mean_losses() or (math.nan, math.nan)
        error = surrogate_error(agent.model, agent.trained.part, explorer.replay.sample_again(agent.config.batch))
        explorer.end_episode(journal, agents, loss=loss, qtdnn_loss=qtdnn_loss, qtdnn_error=error)


def needs(config: Config) -> Needs:
    """Kernels for its circuit."""
    return Needs(config.block == "pqc" and config.qpu == "native")


def environment(config: Config, render_mode: str | None = None) -> gymnasium.Env:
    """The environment that an agent plays in."""
    return make_continuous(config.env, render_mode, config.env_option)


def circuit(config: Config) -> Circuit | None:
    """The paper's, or the user's own; None for the other blocks."""
    return hybrid.circuit_of(config)


def model(config: Config, env: gymnasium.Env, circuit: Circuit | None, seed: int = 0) -> Networks:
    """All networks for an environment."""
    return hybrid.networks(config, *sizes(env), circuit, seed)


def policy(
    config: Config, model: Networks, parameters: Parameters, random: np.random.Generator | None = None
) -> Policy:
    """The trained policy, without exploration noise: observation to action, with the block itself inside."""
    return model.acting(model.layout.load(parameters))


def exported(config: Config, model: Networks, parameters: Parameters, circuit: bool) -> "tuple[Exported, int]":
    """The same as a torch module, to actions in the environment's range, with the circuit in it, simulated, or not."""
    if circuit and config.block != "pqc":
        raise ValueError(f"the block {config.block} has no circuit")
    env = cast(StretchedActions, environment(config))
    return model.exported(parameters, env.low, env.high, circuit)
