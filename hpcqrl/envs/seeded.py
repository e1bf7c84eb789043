"""An environment's own random numbers: seeded at the start, and anew where a checkpoint cannot keep them."""

import gymnasium
import numpy as np

from hpcqrl.randomness import Numbers, as_int, random_states
from hpcqrl.states import State


class Seeded:
    """Resets an environment with a seed, and knows whether its random numbers are those that Gymnasium shows.

    Some environments have numbers of their own, which nobody sees, from the seed of `reset`: Gymnasium's `np_random`
    then never moves. A checkpoint cannot keep such numbers; so as not to begin again with those of the run's start,
    they are seeded anew at each resumption. Raises ValueError for a shown generator that is not NumPy's.
    """

    def __init__(self, env: gymnasium.Env, seed: np.random.SeedSequence) -> None:
        self.env, self._seed = env, seed
        self._reset(as_int(seed))

    def state(self) -> State:
        """What a checkpoint keeps: whether there is anything to keep."""
        return {"env_unmoved": np.array(np.array_equal(self._fresh, self._now()))}

    def restore(self, own: State, again: int) -> bool:
        """After a checkpoint that came after `again` updates: whether the environment was seeded anew."""
        if not own.get("env_unmoved", np.array(False)).item():
            return False
        self._reset(as_int(np.random.SeedSequence(as_int(self._seed), spawn_key=(again,))))
        return True

    def settle(self) -> None:
        """From here on a move of the shown numbers counts."""
        self._fresh = self._now()

    def _reset(self, seed: int) -> None:
        self.env.reset(seed=seed)
        found = self.env.unwrapped.np_random
        if not isinstance(found, Numbers):
            raise ValueError(
                f"{self.env.spec and self.env.spec.id} has random numbers of {type(found).__name__}, not of NumPy: no "
                "checkpoint can keep them"
            )
        self.numbers: Numbers = found
        self.settle()

    def _now(self) -> np.ndarray:
        return random_states({"env": self.numbers})["random.env"]
