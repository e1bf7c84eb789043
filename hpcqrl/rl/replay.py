"""Prioritised replay of short trajectories."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal, NamedTuple

import numpy as np
from numpy.typing import NDArray

from hpcqrl.configuration import MOST_IN_A_BATCH, added, at_least, within

Floats = NDArray[np.floating]

_SMALLEST = 1e-6  # a priority is above zero, so that nothing is forgotten for good


class Trajectories(NamedTuple):
    """A batch of B trajectories of up to S steps: observation [B, S, n], action [B, S], reward [B, S], the next
    observation [B, S, n], terminated [B, S] (whether that is a terminal state), taken [B, S] (which steps there are).
    """

    observation: Floats
    action: NDArray[np.int64]
    reward: Floats
    observation_tp1: Floats
    terminated: NDArray[np.bool_]
    taken: NDArray[np.bool_]


class PrioritizedReplay:
    """The last `capacity` trajectories, sampled by priority: P(i) = p_i^alpha / sum p_k^alpha; alpha 0: uniformly.

    Source: QDQN-DPER, section 3; Schaul et al., arXiv:1511.05952. Sampling looks at every priority: two microseconds
    at the paper's sizes, where a tree would take more.
    """

    def __init__(
        self,
        capacity: int,
        steps: int,
        observation_size: int,
        alpha: float,
        beta: float,
        largest_weight: Literal["batch", "memory"] = "batch",
    ) -> None:
        self.alpha, self.beta, self.stored, self.largest_weight = alpha, beta, 0, largest_weight
        shape = capacity, steps
        self.memory = Trajectories(
            np.zeros((*shape, observation_size), np.float32),
            np.zeros(shape, np.int64),
            np.zeros(shape),
            np.zeros((*shape, observation_size), np.float32),
            np.zeros(shape, np.bool_),
            np.zeros(shape, np.bool_),
        )
        self.powers = np.zeros(capacity)  # p_i^alpha
        self.largest = 1.0  # priority so far

    def store(
        self, observations: list[Floats], actions: list[int], rewards: list[float], last: Floats, terminated: bool
    ) -> None:
        """Keep a trajectory, in the oldest one's place: its observations and, at its end, the `last`.

        It gets the largest priority so far, so that it is soon sampled and has one of its own.
        """
        place, steps = self.stored % len(self.powers), len(actions)
        memory = self.memory
        memory.observation[place, :steps] = observations
        memory.observation_tp1[place, :steps] = [*observations[1:], last]
        memory.action[place, :steps] = actions
        memory.reward[place, :steps] = rewards
        memory.terminated[place] = False
        memory.terminated[place, steps - 1] = terminated
        memory.taken[place, :steps] = True
        memory.taken[place, steps:] = False
        self.powers[place] = self.largest**self.alpha
        self.stored += 1

    def sample(self, batch: int, random: np.random.Generator) -> tuple[NDArray[np.integer], Trajectories, Floats]:
        """Places [B] of trajectories drawn with replacement, the trajectories, and their importance weights [B].

        w_i = (1/N 1/P(i))^beta, divided by the batch's largest, or by that of all that is held.
        """
        held = min(self.stored, len(self.powers))
        cumulative = self.powers[:held].cumsum()
        places = np.minimum(cumulative.searchsorted(random.random(batch) * cumulative[-1], "right"), held - 1)
        weights = self.powers[places] ** -self.beta  # N and the sum fall out
        largest = weights.max() if self.largest_weight == "batch" else self.powers[:held].min() ** -self.beta
        return places, Trajectories(*(part[places] for part in self.memory)), weights / largest

    def reprioritize(self, places: NDArray[np.integer], losses: Floats) -> None:
        """Make losses [B] the priorities of the trajectories at these places [B]; one that is not finite counts 0."""
        priorities = np.where(np.isfinite(losses), losses, 0.0) + _SMALLEST
        self.largest = max(self.largest, float(priorities.max()))
        self.powers[places] = priorities**self.alpha

    def state(self) -> dict[str, NDArray]:
        """All it holds, by name, for a checkpoint."""
        held = min(self.stored, len(self.powers))
        arrays = {f"replay.{name}": part[:held] for name, part in self.memory._asdict().items()}
        counts = {"replay.stored": np.array(self.stored), "replay.largest": np.array(self.largest)}
        return arrays | {"replay.powers": self.powers[:held]} | counts

    def restore(self, state: Mapping[str, NDArray]) -> None:
        """Hold what `state` gave."""
        held = len(state["replay.powers"])
        for name, part in self.memory._asdict().items():
            part[:held] = state[f"replay.{name}"]
        self.powers[:held] = state["replay.powers"]
        self.stored, self.largest = int(state["replay.stored"]), float(state["replay.largest"])


@dataclass(frozen=True)
class ReplayOptions:
    """What past trajectories are learned from, and how they are sampled."""

    replay: Literal["prioritized", "uniform", "none"] = "prioritized"
    """How past trajectories are sampled; none: an agent learns from the last one alone."""
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
    largest_weight: Literal["batch", "memory"] = added("batch", before="batch")
    """Importance weights are divided by the largest of the batch, or of the memory, as in OpenAI baselines [not in the
    paper; Schaul et al., arXiv:1511.05952, do not say which]."""


def check_replay(options: ReplayOptions) -> None:
    """ValueError, naming the value, for one that is out of range."""
    within(1, MOST_IN_A_BATCH, batch=options.batch)
    at_least(1, trajectory_length=options.trajectory_length, capacity=options.capacity)
    within(0.0, 1.0, priority_alpha=options.priority_alpha, priority_beta=options.priority_beta)


def make_replay(options: ReplayOptions, observation_size: int) -> PrioritizedReplay:
    """The memory that the options mean; without replay it holds the last trajectory alone."""
    capacity = 1 if options.replay == "none" else options.capacity
    alpha = options.priority_alpha if options.replay == "prioritized" else 0.0
    sampling = alpha, options.priority_beta, options.largest_weight
    return PrioritizedReplay(capacity, options.trajectory_length, observation_size, *sampling)
