"""What an agent holds that plays many environments at once, beside its networks: them, its numbers, running moments."""

import time
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, NamedTuple, Protocol

import gymnasium
import numpy as np
from numpy.typing import NDArray

from hpcqrl.envs.side_by_side import SideBySide, Steps
from hpcqrl.lines import say
from hpcqrl.randomness import Numbers, as_int, jump_random_states, own_seeds, random_states, set_random_states
from hpcqrl.rl.running_moments import RunningMoments, normalised
from hpcqrl.states import State

if TYPE_CHECKING:  # MPI starts when it is imported: not for --help or `hpcqrl describe`
    from hpcqrl.journal import Journal
    from hpcqrl.parallel.agents import Agents

Floats = NDArray[np.floating]


class Distribution(Protocol):
    """What draws actions, [K] or [K, numbers], by a network's outputs [K, outputs] and a generator for each row."""

    def sample(self, outputs_t: Floats, randoms: Sequence[np.random.Generator]) -> NDArray: ...


class Environments(Protocol):
    """K environments, as SideBySide steps Gymnasium's and Pool steps EnvPool's: see there."""

    def observations(self) -> Floats: ...
    def step(self, actions: Sequence[int] | Floats) -> Steps: ...
    def begin(self, numbers: Sequence[int]) -> list[tuple[float, int]]: ...
    def state(self) -> State: ...
    def restore(self, state: State, again: int) -> bool: ...
    def join(self, updates: int) -> None: ...


class Rollout(NamedTuple):
    """T steps of K environments, [T, K, ...]; observations and rewards as the networks see them.

    observation_tp1: where an episode ended its last, not the next one's first; over: it ended, one way or another.
    """

    observation: Floats
    outputs: Floats  # of the actor
    action: NDArray
    reward: Floats
    observation_tp1: Floats
    terminated: NDArray[np.bool_]
    over: NDArray[np.bool_]


class Player:
    """K environments side by side, each with random numbers of its own, so that it plays alike whichever agent has it.

    Environments are numbered over all agents. Observations are normalised by their running mean and variance, rewards
    by the running variance of discounted returns, if that is wanted; both have stood still since the last `learn`, and
    are the same on every rank. beside: what puts the environments side by side, each with its seed. order: random
    numbers for the order of what is learned from; qpu_seed: for the measurements of circuits, whose random numbers go
    into `generators`.
    """

    def __init__(
        self,
        envs: Sequence[gymnasium.Env],
        seed: int,
        rank: int,
        discount: float,
        observations: bool,
        rewards: bool,
        beside: Callable[[Sequence[gymnasium.Env], Sequence[np.random.SeedSequence]], Environments] = SideBySide,
    ) -> None:
        seeds = [own_seeds(seed, rank * len(envs) + number, 4) for number in range(len(envs))]
        self.side_by_side = beside(envs, [each[0] for each in seeds])
        self._actions = [np.random.default_rng(each[1]) for each in seeds]
        self.order, self.qpu_seed = np.random.default_rng(seeds[0][2]), as_int(seeds[0][3])
        self.generators: dict[str, Numbers] = {f"action.{number}": each for number, each in enumerate(self._actions)}
        self.generators["order"] = self.order
        self._rank, self._discount, self._observations, self._rewards = rank, discount, observations, rewards
        self.seen, self._returns = RunningMoments(self.side_by_side.observations().shape[1]), RunningMoments(1)
        self._discounted = np.zeros(len(envs))  # rewards of the episodes at play, up to now
        self._begun_at = np.zeros(len(envs), np.int64)  # updates before them
        self._finished: list[tuple[int, float, int, int]] = []
        self._waited = 0.0  # seconds, since the last record
        self.steps = self.episodes = 0  # of all agents

    def play(
        self, act: Callable[[Floats], Floats], distribution: Distribution, steps: int, updates: int, journal: "Journal"
    ) -> tuple[Rollout, Floats]:
        """So many steps in each environment, after so many updates; and what `learn` takes the sum of, over all agents.

        act: observations [K, n] to outputs, in one batch.
        """
        made, raw, returns = [], [], []
        for _ in range(steps):
            raw.append(self.side_by_side.observations())
            observation_t = self._normalised(raw[-1])
            outputs_t = act(observation_t)
            action_t = distribution.sample(outputs_t, self._actions)
            step = self.side_by_side.step(action_t.tolist() if action_t.ndim == 1 else action_t)
            over = step.terminated | step.truncated
            made.append((observation_t, outputs_t, action_t, step.reward, step.observation, step.terminated, over))
            returns.append(self._discount * self._discounted + step.reward)
            self._discounted = returns[-1] * ~over
            if over.any():
                self._end(np.flatnonzero(over).tolist(), updates)
            journal.tick(self.steps)
        rollout = Rollout(*map(np.array, zip(*made, strict=True)))
        sums = np.concatenate([self.seen.sums(np.array(raw)), self._returns.sums(np.array(returns))])
        reward = normalised(rollout.reward, np.zeros(1), self._returns.variance) if self._rewards else rollout.reward
        observation_tp1 = self._normalised(rollout.observation_tp1)
        return rollout._replace(reward=reward, observation_tp1=observation_tp1), sums

    def mean(self, agents: "Agents", vector: Floats) -> Floats:
        """The mean of all agents' vectors [size]; how long it takes is noted as waiting. All must call."""
        begin = time.perf_counter()
        mean = agents.mean(vector)
        self._waited += time.perf_counter() - begin
        return mean

    def learn(self, sums: Floats, steps: int) -> None:
        """Take account of what all agents have seen in so many steps in all."""
        self.seen.add(sums[: -self._returns.state().size])
        self._returns.add(sums[-self._returns.state().size :])
        self.steps += steps

    def note(self, journal: "Journal", agents: "Agents") -> None:
        """Note the episodes that have ended, in the order of environments; the first has all that this agent has waited
        for the others since it noted one. All must call.
        """
        counts = np.zeros(agents.size)
        counts[agents.rank] = len(self._finished)
        counts = np.rint(self.mean(agents, counts) * agents.size).astype(np.int64)
        first = self.episodes + int(counts[: agents.rank].sum())
        for number, (_, total, length, begun_at) in enumerate(sorted(self._finished)):
            journal.episode(first + number, total, length, begun_at, waiting=self._waited)
            self._waited = 0.0
        self.episodes += int(counts.sum())
        self._finished = []
        journal.tick(self.steps)

    def common(self) -> State:
        """What a checkpoint keeps once for all."""
        counts = {"steps": np.array(self.steps), "episodes": np.array(self.episodes)}
        return counts | {"seen": self.seen.state(), "returns": self._returns.state()}

    def state(self) -> State:
        """What a checkpoint keeps of this agent."""
        own = {"discounted": self._discounted, "begun_at": self._begun_at}
        return own | random_states(self.generators) | self.side_by_side.state()

    def restore(self, common: State, own: State, updates: int) -> None:
        """Go on from a checkpoint, after so many updates; own is empty for an agent that was not there then."""
        self.steps, self.episodes = int(common["steps"]), int(common["episodes"])
        self.seen.restore(common["seen"])
        self._returns.restore(common["returns"])
        if own:
            self._discounted, self._begun_at = own["discounted"], own["begun_at"]
            set_random_states(self.generators, own)
            if not self.side_by_side.restore(own, updates):
                say(f"rank {self._rank}: its environments no longer go where they went: episodes at play begin anew")
                self._discounted[:], self._begun_at[:] = 0.0, updates
        else:
            self._begun_at[:] = updates
            jump_random_states(self.generators, updates)
            self.side_by_side.join(updates)

    def _end(self, numbers: list[int], updates: int) -> None:
        """Episodes are over, and others begin."""
        for number, (total, length) in zip(numbers, self.side_by_side.begin(numbers), strict=True):
            self._finished.append((number, total, length, int(self._begun_at[number])))
        self._begun_at[numbers] = updates

    def _normalised(self, observations: Floats) -> Floats:
        return normalised(observations, self.seen.mean, self.seen.variance) if self._observations else observations
