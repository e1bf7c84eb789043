"""An environment of one's own, with a wrapper: a corridor to walk, seen one-hot.

PYTHONPATH=examples mpiexec -n 2 hpcqrl train qa3c --env corridor:Corridor-v0 --learning-rate 0.01 --episodes 600 \
    --out runs/corridor.h5
PYTHONPATH=examples hpcqrl evaluate runs/corridor.h5 --env corridor:Corridor-v0
"""

import gymnasium
import numpy as np


class Corridor(gymnasium.Env):
    """From the left end to the right one; each step costs 1, so the best return is -length."""

    def __init__(self, length=5):
        self.length = length
        self.observation_space = gymnasium.spaces.Box(0, length, (1,), np.float32)
        self.action_space = gymnasium.spaces.Discrete(2)

    def reset(self, *, seed=None, options=None):
        super().reset(seed=seed)
        self.place = 0
        return np.array([self.place], np.float32), {}

    def step(self, action):
        self.place = max(0, self.place + (1 if action == 1 else -1))
        return np.array([self.place], np.float32), -1.0, self.place >= self.length, False, {}


class OneHot(gymnasium.ObservationWrapper):
    """What an agent sees: a place is a choice, not a number."""

    def __init__(self, env):
        super().__init__(env)
        self.observation_space = gymnasium.spaces.Box(0, 1, (env.unwrapped.length + 1,), np.float32)

    def observation(self, observation):
        return np.eye(len(self.observation_space.low), dtype=np.float32)[int(observation[0])]


def make(length=5, **options):
    """--env-option length=7 comes here."""
    return OneHot(Corridor(length, **options))


gymnasium.register("Corridor-v0", make, max_episode_steps=50)  # the time limit is put around all of it
