"""Environments side by side, stepped in turn: one batch of observations, one of actions."""

import math
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import NamedTuple

import gymnasium
import numpy as np
from numpy.typing import NDArray

from hpcqrl.envs.flattening import ObservationError
from hpcqrl.envs.replayed import Episode
from hpcqrl.envs.seeded import Seeded
from hpcqrl.randomness import Numbers, jump_random_states, random_states, set_random_states
from hpcqrl.states import State

Floats = NDArray[np.floating]


class Steps(NamedTuple):
    """One step of K environments: observation_tp1 [K, n], where an episode is over its last; reward_t [K]; terminated,
    truncated [K], where both are true only terminated.
    """

    observation: Floats
    reward: Floats
    terminated: NDArray[np.bool_]
    truncated: NDArray[np.bool_]


class SideBySide:
    """K environments of the same spaces, each with its own seed; a new episode begins where one is over.

    Gymnasium's SyncVectorEnv does not tell where an episode has begun, so that a checkpoint could not keep it: here it
    is played again up to where it was (see Episode). Raises ValueError for unlike spaces.
    """

    def __init__(self, envs: Sequence[gymnasium.Env], seeds: Sequence[np.random.SeedSequence]) -> None:
        spaces = [(env.observation_space, env.action_space) for env in envs]
        for number, each in enumerate(spaces):
            if each != spaces[0]:
                raise ValueError(f"environment {number} has other spaces than the first: {each}, not {spaces[0]}")
        self.envs = tuple(envs)
        self._seeded = [Seeded(env, seed) for env, seed in zip(envs, seeds, strict=True)]
        self.episodes = [Episode(env) for env in envs]

    def observations(self) -> Floats:
        """Where the environments are, [K, n]."""
        return np.array([episode.observation for episode in self.episodes])

    def step(self, actions: Sequence[int] | Floats) -> Steps:
        """Take an action in each, [K] or [K, numbers]. An episode that is over stays as it is until `begin`.

        Raises ObservationError, naming environment and step, for observations and rewards that are not finite.
        """
        made = [self._step(number, action) for number, action in enumerate(actions)]
        observation, reward, terminated, truncated = zip(*made, strict=True)
        over = np.array(terminated), np.array(truncated)
        return Steps(np.array(observation), np.array(reward, np.float64), over[0], over[1] & ~over[0])

    def begin(self, numbers: Sequence[int]) -> list[tuple[float, int]]:
        """The next episodes in these environments; what those before them returned, and their lengths."""
        before = [(sum(self.episodes[number].rewards), len(self.episodes[number].rewards)) for number in numbers]
        for number in numbers:
            with named(number, 0):
                self.episodes[number].begin()
        return before

    def state(self) -> State:
        """What a checkpoint keeps."""
        kept = {
            f"env.{number}.{name}": value
            for number, (seeded, episode) in enumerate(zip(self._seeded, self.episodes, strict=True))
            for name, value in (seeded.state() | episode.state()).items()
        }
        return kept | random_states(self._numbers())

    def restore(self, state: State, again: int) -> bool:
        """Go on from a checkpoint that came after so many updates: play again what was at play. Always true."""
        anew = []
        for number, seeded in enumerate(self._seeded):
            prefix = f"env.{number}."
            own = {name.removeprefix(prefix): value for name, value in state.items() if name.startswith(prefix)}
            if seeded.restore(own, again):
                self.episodes[number] = Episode(seeded.env)
                anew.append(seeded)
            self.episodes[number].restore(own)
        set_random_states(self._numbers(), state)
        for seeded in anew:
            seeded.settle()
        return True

    def join(self, updates: int) -> None:
        """Begin where no environment was at an earlier start, beside others that have had so many updates."""
        jump_random_states(self._numbers(), updates)
        self.begin(range(len(self.envs)))

    def _numbers(self) -> dict[str, Numbers]:
        return {f"env.{number}": each.numbers for number, each in enumerate(self._seeded)}

    def _step(self, number: int, action: int | Floats) -> tuple[Floats, float, bool, bool]:
        episode = self.episodes[number]
        with named(number, len(episode.actions) + 1):
            made = episode.step(action)
            if not math.isfinite(made[1]):
                raise ObservationError(f"the environment gave the reward {made[1]}, which is not finite")
        return made


@contextmanager
def named(number: int, step: int) -> Iterator[None]:
    """What an environment gives that it should not have is said with its number and its episode's step."""
    try:
        yield
    except ObservationError as error:
        raise ObservationError(f"environment {number}, step {step} of its episode: {error}") from error
