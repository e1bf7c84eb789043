"""EnvPool's environments side by side: K of them stepped in one call of compiled code."""

import warnings
from collections.abc import Callable, Sequence
from typing import Any

import gymnasium
import numpy as np
from gymnasium import spaces
from numpy.typing import NDArray

from hpcqrl.envs.flattening import ObservationError, flattener
from hpcqrl.envs.side_by_side import Steps, named
from hpcqrl.randomness import as_int
from hpcqrl.states import State

Floats = NDArray[np.floating]


class Pool:
    """K of EnvPool's environments, each with its own seed, as SideBySide has Gymnasium's.

    envs: K of `make`'s, or K times one: what is seen, done and when an episode is cut off is as the first says. EnvPool
    takes an environment's seed when it is made, never again, and shows no random numbers: so a checkpoint keeps every
    action since then, and all are played again. Raises ValueError where EnvPool is not installed, or has no environment
    of this name that is alike.
    """

    def __init__(self, envs: Sequence[gymnasium.Env], seeds: Sequence[np.random.SeedSequence]) -> None:
        self._like: Any = envs[0]
        self._seeds = seeds
        self._observation: Floats
        self._make(0)

    def observations(self) -> Floats:
        """Where the environments are, [K, n]."""
        return self._observation

    def step(self, actions: Sequence[int] | Floats) -> Steps:
        """Take an action in each, [K] or [K, numbers]. An episode that is over stays as it is until `begin`.

        Raises ObservationError, naming environment and step, for observations and rewards that are not finite.
        """
        if not self._discrete:
            actions = [self._like.action(action) for action in actions]
        return self._step(np.array(actions, self._kind))

    def begin(self, numbers: Sequence[int]) -> list[tuple[float, int]]:
        """The next episodes in these environments; what those before them returned, and their lengths."""
        before = [(float(self._returns[number]), int(self._lengths[number])) for number in numbers]
        if before:
            self._returns[numbers], self._lengths[numbers] = 0.0, 0
            seen, info = self._pool.reset(np.array(numbers, np.int32))
            self._observation = self._observation.copy()  # the one before belongs to a rollout
            self._observation[info["env_id"]] = self._flat(seen, info["env_id"])
        return before

    def state(self) -> State:
        """What a checkpoint keeps: what leads to where the environments are, and where that is."""
        actions = np.frombuffer(bytes(self._played), self._kept).reshape(-1, *self._shape)
        where = {"pool.observation": self._observation, "pool.returns": self._returns.copy()}
        return {"pool.made_after": np.array(self._made_after), "pool.actions": actions, **where}

    def restore(self, state: State, again: int) -> bool:
        """Go on from a checkpoint that came after so many updates: play all again. False if that led elsewhere, as with
        another version of EnvPool: episodes then begin anew.
        """
        actions = state["pool.actions"]
        if actions.dtype != self._kept or actions.shape[1:] != self._shape:
            raise ValueError(f"actions are {actions.dtype} {actions.shape}, not {self._kept} of {self._shape}")
        if self._discrete and (actions >= self._pool.action_space.n).any():
            raise ValueError(f"actions are up to {actions.max()}, and there are {self._pool.action_space.n}")
        self._make(int(state["pool.made_after"]))
        for each in actions:
            made = self._step(each.astype(self._kind))
            self.begin(np.flatnonzero(made.terminated | made.truncated).tolist())
        same = np.array_equal(self._observation, state["pool.observation"])
        if not (same and np.array_equal(self._returns, state["pool.returns"])):
            self._make(again)
            return False
        return True

    def join(self, updates: int) -> None:
        """Begin where no environment was at an earlier start, beside others that have had so many updates."""
        self._make(updates)

    def _make(self, made_after: int) -> None:
        """The environments, with other random numbers after so many updates than at the start."""
        self._made_after = made_after
        seeds = [np.random.SeedSequence(as_int(seed), spawn_key=(made_after,)) for seed in self._seeds]
        self._pool, self._flatten, self._limit = _made(self._like, [as_int(seed) // 2 for seed in seeds])  # of int32
        space = self._pool.action_space
        self._discrete = isinstance(space, spaces.Discrete)
        self._kind = np.dtype(np.int32) if self._discrete else space.dtype
        self._kept = np.dtype(np.uint8) if self._discrete and space.n <= 256 else self._kind
        self._shape = (len(seeds), *(space.shape or ()))
        self._played = bytearray()
        self._returns, self._lengths = np.zeros(len(seeds)), np.zeros(len(seeds), np.int64)
        self._observation = self._flat(self._pool.reset()[0], range(len(seeds)))

    def _step(self, actions: NDArray) -> Steps:
        self._played += actions.astype(self._kept).tobytes()
        seen, reward, terminated, truncated, _ = self._pool.step(actions)
        self._lengths += 1
        self._observation, reward = self._flat(seen, range(len(reward))), reward.astype(np.float64)
        if not np.isfinite(reward).all():
            number = int(np.flatnonzero(~np.isfinite(reward))[0])
            with named(number, int(self._lengths[number])):
                raise ObservationError(f"the environment gave the reward {reward[number]}, which is not finite")
        self._returns += reward
        return Steps(self._observation, reward, terminated, ~terminated & (truncated | (self._lengths >= self._limit)))

    def _flat(self, seen: Any, numbers: Sequence[int]) -> Floats:
        """Observations of these environments, [environments, n]."""
        flat = self._flatten(seen, len(numbers))
        if not np.isfinite(flat).all():
            row = int(np.flatnonzero(~np.isfinite(flat).all(1))[0])
            with named(numbers[row], int(self._lengths[numbers[row]])):
                raise ObservationError(f"the environment gave an observation that is not finite: {flat[row]}")
        return flat


def _made(like: Any, seeds: list[int]) -> tuple[Any, Callable[[Any, int], Floats], float]:
    """EnvPool's environments, what flattens their observations, and after how many steps an episode is cut off.

    A last step may end the task too, which EnvPool would not say: its own limit is therefore a step later. Where
    Gymnasium has no limit, EnvPool's own is the environment's, as in MiniGrid.
    """
    try:
        import envpool
    except (ImportError, OSError) as error:
        reason = str(error).splitlines()[0]
        raise ValueError(f'vector envpool needs EnvPool, pip install "hpcqrl[envpool]": {reason}') from error
    name, limit, base = like.spec.id, like.spec.max_episode_steps, like.env.env
    if name not in envpool.list_all_envs():
        raise ValueError(f"EnvPool {envpool.__version__} has no environment {name!r}; --vector gymnasium has")
    later = {} if limit is None else {"max_episode_steps": limit + 1}
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # of its spaces' precision
        try:
            pool = envpool.make_gymnasium(name, num_envs=len(seeds), seed=seeds, num_threads=1, **later)
        except Exception as error:  # whatever its environments may lack
            raise ValueError(f"EnvPool cannot make {name}: {' '.join(repr(error).split())}") from error
        seen, done = pool.observation_space, pool.action_space
    image = isinstance(seen, spaces.Dict) and name.startswith(("MiniGrid-", "BabyAI-"))
    shown = seen["image"] if image else seen  # as FlatObservations
    alike = type(done) is type(base.action_space) and _bounds(done) == _bounds(base.action_space)
    if not alike or (flattener(shown)[0],) != like.observation_space.shape:
        theirs, ours = (" ".join(f"{one} and {two}".split()) for one, two in ((seen, done), _spaces(base)))
        raise ValueError(f"EnvPool's {name} is another one, of {theirs}; Gymnasium's is of {ours}")
    flatten = _flattened(shown)
    return pool, (lambda made, number: flatten(made["image"] if image else made, number)), limit or np.inf


def _spaces(env: gymnasium.Env) -> tuple[spaces.Space, spaces.Space]:
    return env.observation_space, env.action_space


def _bounds(actions: spaces.Space) -> list:
    if isinstance(actions, spaces.Discrete):
        return [int(actions.n)]
    return [actions.low.tolist(), actions.high.tolist()] if isinstance(actions, spaces.Box) else [actions]


def _flattened(space: spaces.Space) -> Callable[[Any, int], Floats]:
    """What makes [K, n] of K observations, which are arrays [K, ...] in the place of each part."""
    if isinstance(space, spaces.Box):
        return lambda seen, number: np.array(seen, np.float32).reshape(number, -1)
    _, flat = flattener(space)
    return lambda seen, number: np.array([flat(_one(seen, row)) for row in range(number)])


def _one(seen: Any, row: int) -> Any:
    return {key: _one(part, row) for key, part in seen.items()} if isinstance(seen, dict) else seen[row]
