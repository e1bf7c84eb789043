"""An episode at play that a checkpoint can keep, whatever the environment holds: by playing it again."""

from typing import Any

import gymnasium
import numpy as np
from numpy.typing import NDArray

from hpcqrl.randomness import Numbers, random_states, set_random_states
from hpcqrl.states import State

Floats = NDArray[np.floating]


class Episode:
    """The episode at play: what it began with, the actions since, and where it is now.

    Only environments are played again faithfully whose randomness is Gymnasium's `np_random`.
    """

    def __init__(self, env: gymnasium.Env) -> None:
        self.env = env
        numbers: Any = env.unwrapped.np_random
        self._random: dict[str, Numbers] = {"env": numbers}
        self.begin()

    def begin(self) -> None:
        """Reset the environment."""
        self._began_with = random_states(self._random)["random.env"]
        self.observation, _ = self.env.reset()
        self.actions: list[Any] = []
        self.rewards: list[float] = []

    def step(self, action: Any) -> tuple[Floats, float, bool, bool]:
        """observation_tp1, reward_t, terminated, truncated."""
        self.observation, reward, terminated, truncated, _ = self.env.step(action)
        self.actions.append(action)
        self.rewards.append(float(reward))
        return self.observation, float(reward), terminated, truncated

    def state(self) -> State:
        """What a checkpoint keeps: what leads to where the episode is."""
        size = int(np.prod(self.env.action_space.shape or ()))
        return {"began_with": self._began_with, "actions": np.array(self.actions, np.float64).reshape(-1, size)}

    def restore(self, state: State) -> None:
        """Play it again up to there."""
        set_random_states(self._random, {"random.env": state["began_with"]})
        self.begin()
        discrete = isinstance(self.env.action_space, gymnasium.spaces.Discrete)
        for action in state["actions"]:
            self.step(int(action.item()) if discrete else action)
