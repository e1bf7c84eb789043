"""Environments as the agents see them: one flat float32 observation, and a discrete action or a flat vector."""

import sys
from collections.abc import Callable, Sequence
from typing import Any

import gymnasium
import numpy as np
from gymnasium import spaces

from hpcqrl.configuration import keywords
from hpcqrl.envs.flattening import ObservationError, flattener


def make(
    name: str, actions: int | None = None, render_mode: str | None = None, options: Sequence[str] = ()
) -> gymnasium.Env:
    """A Gymnasium environment with discrete actions, by its id ("MiniGrid-Empty-5x5-v0", "my_package:MyGrid-v0").

    Observations are flat float32 vectors, unscaled; of MiniGrid's, the 7 x 7 x 3 image alone; see `flattening`.
    actions: use only the first so many actions; None: all of them. render_mode: Gymnasium's. options: "key=value", for
    the environment's own making. Raises ValueError for an environment that is not known, that takes no such options, or
    whose observations or actions are of another kind.
    """
    return _wrapped(name, render_mode, options, lambda env: _discrete(env, name, actions))


def make_continuous(name: str, render_mode: str | None = None, options: Sequence[str] = ()) -> gymnasium.Env:
    """The same with continuous actions: each a flat vector in [-1, 1], stretched to the environment's own range."""
    return _wrapped(name, render_mode, options, lambda env: _continuous(env, name))


def make_either(
    name: str, actions: int | None = None, render_mode: str | None = None, options: Sequence[str] = ()
) -> gymnasium.Env:
    """The same with the kind of actions that it has; `actions` are of discrete ones alone."""

    def either(env: gymnasium.Env) -> gymnasium.Env:
        if actions is None and isinstance(env.action_space, spaces.Box):
            return _continuous(env, name)
        return _discrete(env, name, actions)

    return _wrapped(name, render_mode, options, either)


def _wrapped(
    name: str, render_mode: str | None, options: Sequence[str], wrap: Callable[[gymnasium.Env], gymnasium.Env]
) -> gymnasium.Env:
    env = _registered(name, render_mode, options)
    try:
        return wrap(env)
    except ValueError:
        env.close()
        raise


def _discrete(env: gymnasium.Env, name: str, actions: int | None) -> gymnasium.Env:
    if not isinstance(env.action_space, spaces.Discrete):
        raise ValueError(f"{name} has actions {env.action_space}, but this system needs discrete ones")
    if actions is None:
        actions = int(env.action_space.n)
    if not 1 <= actions <= env.action_space.n:
        raise ValueError(f"{name} has {env.action_space.n} actions; the first {actions} cannot be used")
    return FirstActions(FlatObservations(env), actions)


def _continuous(env: gymnasium.Env, name: str) -> gymnasium.Env:
    space = env.action_space
    if not isinstance(space, spaces.Box) or not np.isfinite([space.low, space.high]).all():
        raise ValueError(f"{name} has actions {space}, but this system needs a Box with finite bounds")
    return StretchedActions(FlatObservations(env))


def needs_more_actions(name: str) -> bool:
    """Whether this is one of MiniGrid's where moving about may not be enough: things are to be taken or opened."""
    moving = ("Empty", "SimpleCrossing", "LavaCrossing", "LavaGap", "FourRooms", "DistShift", "Dynamic")
    return name.startswith("MiniGrid-") and not name.startswith(tuple(f"MiniGrid-{kind}" for kind in moving))


def sizes(env: gymnasium.Env) -> tuple[int, int]:
    """How many numbers an observation of an environment from here has, and how many actions, or numbers in one."""
    (observation,), actions = env.observation_space.shape or (0,), env.action_space
    return int(observation), int(actions.n) if isinstance(actions, spaces.Discrete) else int(actions.shape[0])  # type: ignore[index]


def _registered(name: str, render_mode: str | None, options: Sequence[str] = ()) -> gymnasium.Env:
    module, colon, own = name.partition(":")
    if ":" in own or (colon and not all(part.isidentifier() for part in module.split("."))):
        raise ValueError(f"no environment {name!r}: one's own is named my_package:MyEnv-v0")
    arguments = keywords("env_option", options)
    if reserved := arguments.keys() & {"render_mode", "disable_env_checker"}:
        raise ValueError(f"env_option cannot be {', '.join(reserved)}: the run says it itself")
    if name.startswith(("MiniGrid-", "BabyAI-")):
        import minigrid as _  # noqa: F401  (registers its environments)
    if name.startswith("hpcqrl/"):
        import hpcqrl.envs.cartpole_mod  # noqa: F401  (likewise)
    rendered: dict[str, Any] = {} if render_mode is None else {"render_mode": render_mode}  # some take no such argument
    try:
        env = gymnasium.make(name, disable_env_checker=True, **rendered, **arguments)
    except gymnasium.error.NameNotFound as error:
        own = "" if ":" in name else f" (one's own is named with its module, my_package:{name})"
        raise ValueError(f"no environment {name!r}: {error}{own}") from error
    except (gymnasium.error.Error, ImportError) as error:
        raise ValueError(f"no environment {name!r}: {error}") from error
    except Exception as error:  # whatever an environment may do with options that it does not expect
        if arguments:
            raise ValueError(f"{name} cannot be made with {' '.join(options)}: {error!r}") from error
        if rendered and isinstance(error, TypeError):
            raise ValueError(f"{name} cannot be filmed: it takes no render_mode {render_mode!r}") from error
        raise
    if _is_minigrid(env):
        from hpcqrl.envs.minigrid_views import remember_views

        remember_views(env)
    return env


def _is_minigrid(env: gymnasium.Env) -> bool:
    """Whether it is one of MiniGrid's, whose image alone is seen [the papers' way]: direction and mission are not."""
    minigrid: Any = sys.modules.get("minigrid.minigrid_env")
    return minigrid is not None and isinstance(env.unwrapped, minigrid.MiniGridEnv)


class FlatObservations(gymnasium.ObservationWrapper):
    """The observation (of MiniGrid's, its image) as one flat float32 vector, and the reward as a float.

    Raises ObservationError where an observation is not finite or not of its space, or a reward is no number.
    """

    def __init__(self, env: gymnasium.Env) -> None:
        super().__init__(env)
        space = env.observation_space
        self._image = isinstance(space, spaces.Dict) and "image" in space.spaces and _is_minigrid(env)
        seen = space["image"] if isinstance(space, spaces.Dict) and self._image else space
        try:
            size, self._flat = flattener(seen)
        except ValueError as error:
            raise ValueError(f"{env.spec and env.spec.id} has observations {space}: {error}") from error
        self.observation_space = spaces.Box(-np.inf, np.inf, (size,), np.float32)
        whole = isinstance(seen, spaces.Box) and seen.dtype.kind in "biu"
        self._zeros = None if whole else np.zeros(self.observation_space.shape, np.float32)

    def step(self, action: Any) -> tuple[np.ndarray, float, bool, bool, dict[str, Any]]:
        observation, reward, terminated, truncated, info = self.env.step(action)
        if type(reward) is not float:
            reward = float(reward) if type(reward) is int else _number(reward)
        return self.observation(observation), reward, terminated, truncated, info

    def observation(self, observation: Any) -> np.ndarray:
        if self._image:
            observation = observation["image"]
        flat = self._flat(observation)
        if self._zeros is not None and not self._zeros.dot(flat) == 0.0:  # 0 * NaN and 0 * inf are NaN
            raise ObservationError(f"the environment gave an observation that is not finite: {flat}")
        return flat


def _number(reward: Any) -> float:
    """A reward as a number; it may be an array of one."""
    try:
        return float(np.asarray(reward).item())
    except (TypeError, ValueError) as error:
        raise ObservationError(f"the environment gave the reward {reward!r}, which is not a number") from error


class FirstActions(gymnasium.ActionWrapper):
    """Only the first so many of the environment's discrete actions."""

    def __init__(self, env: gymnasium.Env, actions: int) -> None:
        super().__init__(env)
        self._start = int(env.action_space.start)  # type: ignore[attr-defined]
        self.action_space = spaces.Discrete(actions)

    def action(self, action: int) -> int:
        return self._start + action


class StretchedActions(gymnasium.ActionWrapper):
    """Flat actions in [-1, 1], stretched to the bounds of the environment's Box."""

    def __init__(self, env: gymnasium.Env) -> None:
        super().__init__(env)
        space: Any = env.action_space
        self._shape, self._dtype = space.shape, space.dtype
        self.low, self.high = space.low.astype(np.float64).reshape(-1), space.high.astype(np.float64).reshape(-1)
        self.action_space = spaces.Box(-1.0, 1.0, self.low.shape, np.float32)

    def action(self, action: np.ndarray) -> np.ndarray:
        stretched = np.clip(self.low + 0.5 * (action + 1.0) * (self.high - self.low), self.low, self.high)
        if self._dtype.kind in "iu":
            stretched = np.rint(stretched)
        return stretched.astype(self._dtype).reshape(self._shape)
