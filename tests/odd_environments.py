"""Environments that do what they should not, or that not all are made for; `odd_environments:NAME-v0`."""

import ctypes
import os
import sys
import threading
import time

import gymnasium
import numpy as np
from gymnasium.envs.classic_control import CartPoleEnv

RANK = int(os.environ.get("PMI_RANK", "0"))
LAST = int(os.environ.get("PMI_SIZE", "1")) - 1


class Leaves(CartPoleEnv):
    """Ends its process in the way that HPCQRL_TEST_LEAVE says, on the last rank, after 300 steps."""

    taken = 0

    def step(self, action):
        self.taken += 1
        if self.taken > 300 and RANK == LAST:
            ways = {"sysexit": sys.exit, "exit": os._exit, "generator": self._close, "stop": ctypes.CDLL(None).exit}
            ways[os.environ["HPCQRL_TEST_LEAVE"]](0)
        return super().step(action)

    def _close(self, _):
        raise GeneratorExit


class Blocks(CartPoleEnv):
    """Its 300th step on the last rank never ends."""

    taken = 0

    def step(self, action):
        self.taken += 1
        if self.taken > 300 and RANK == LAST:
            threading.Event().wait()
        return super().step(action)


class Waits(CartPoleEnv):
    """Its steps on the last rank, or HPCQRL_TEST_WAITS, wait while there is the file that HPCQRL_TEST_WAIT names; it
    then writes beside it how many episodes have ended.
    """

    ended = 0

    def step(self, action):
        wait = os.environ["HPCQRL_TEST_WAIT"]
        if str(RANK) == os.environ.get("HPCQRL_TEST_WAITS", str(LAST)) and os.path.exists(wait):
            with open(f"{wait}.ended", "w") as file:
                file.write(str(self.ended))
            while os.path.exists(wait):
                time.sleep(0.05)
        made = super().step(action)
        self.ended += made[2]
        return made


class Endless(gymnasium.Env):
    """Its episodes never end, and it has no limit of steps."""

    observation_space = gymnasium.spaces.Box(-1.0, 1.0, (3,), np.float32)
    action_space = gymnasium.spaces.Box(-1.0, 1.0, (1,), np.float32)

    def reset(self, *, seed=None, options=None):
        super().reset(seed=seed)
        return np.zeros(3, np.float32), {}

    def step(self, action):
        return np.zeros(3, np.float32), 1.0, False, False, {}


class Wide(Endless):
    """Two thousand numbers a step, each another, and episodes of 30 steps. From its 300th on each takes its time, while
    there is the file that HPCQRL_TEST_WAIT names.
    """

    observation_space = gymnasium.spaces.Box(-1.0, 1.0, (2000,), np.float32)
    all_taken = 0

    def reset(self, *, seed=None, options=None):
        super().reset(seed=seed)
        self.taken = 0
        return self._seen(), {}

    def step(self, action):
        self.taken += 1
        self.all_taken += 1
        if self.all_taken > 300 and os.path.exists(os.environ.get("HPCQRL_TEST_WAIT", "")):
            time.sleep(0.5)
        return self._seen(), -abs(float(action[0]) - 0.5), self.taken == 30, False, {}

    def _seen(self):
        return self.np_random.uniform(-1.0, 1.0, 2000).astype(np.float32)


class Threaded(CartPoleEnv):
    """Has a thread that only close() ends: who forgets it never ends."""

    def __init__(self, render_mode=None):
        super().__init__(render_mode=render_mode)
        self._over = threading.Event()
        threading.Thread(target=self._over.wait).start()

    def close(self):
        self._over.set()


class OwnNumbers(gymnasium.Env):
    """Draws its starts from random numbers of its own, which nobody sees."""

    observation_space = gymnasium.spaces.Box(-1, 1, (1,), np.float32)
    action_space = gymnasium.spaces.Discrete(2)

    def reset(self, *, seed=None, options=None):
        super().reset(seed=seed)
        if seed is not None:
            self._own = np.random.default_rng(seed)
        self.steps = 0
        return self._own.uniform(-1, 1, 1).astype(np.float32), {}

    def step(self, action):
        self.steps += 1
        return np.zeros(1, np.float32), 1.0, self.steps == 5, False, {}


class Legacy(OwnNumbers):
    """Its np_random is of NumPy's old kind."""

    def reset(self, *, seed=None, options=None):
        if seed is not None:
            self._np_random = np.random.RandomState(seed)
        self.steps = 0
        return self._np_random.uniform(-1, 1, 1).astype(np.float32), {}


class Foreign(OwnNumbers):
    """Its np_random is not NumPy's."""

    np_random = property(lambda self: "dice")


class RewardArray(CartPoleEnv):
    def step(self, action):
        observation, reward, *rest = super().step(action)
        return observation, np.array([reward]), *rest


class NoReward(CartPoleEnv):
    def step(self, action):
        observation, _, *rest = super().step(action)
        return observation, None, *rest


class HalfOfADict(OwnNumbers):
    observation_space = gymnasium.spaces.Dict(
        {"image": gymnasium.spaces.Box(0, 1, (2,)), "speed": gymnasium.spaces.Box(0, 1, (1,))}
    )


class Words(OwnNumbers):
    observation_space = gymnasium.spaces.Text(9)


class OtherSize(OwnNumbers):
    observation_space = gymnasium.spaces.Box(-1, 1, (7,), np.float32)


class OldInterface(OwnNumbers):
    def reset(self, *, seed=None, options=None):
        return super().reset(seed=seed)[0]


for kind in (
    Blocks,
    Endless,
    Wide,
    Leaves,
    Threaded,
    Waits,
    OwnNumbers,
    Legacy,
    Foreign,
    RewardArray,
    NoReward,
    HalfOfADict,
    Words,
    OtherSize,
    OldInterface,
):
    gymnasium.register(f"{kind.__name__}-v0", kind)
