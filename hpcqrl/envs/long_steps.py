"""Steps that may take long: what else may be done in the meantime."""

from collections.abc import Callable, Iterable
from contextlib import AbstractContextManager
from functools import wraps
from typing import Any

import gymnasium


def steps_within(envs: Iterable[gymnasium.Env], context: AbstractContextManager[None]) -> None:
    """From now on every step and reset of these environments, as it is called from outside, is taken within it."""
    for env in envs:
        for name in ("step", "reset"):
            setattr(env, name, _within(context, getattr(env, name)))


def _within(context: AbstractContextManager[None], call: Callable[..., Any]) -> Callable[..., Any]:
    @wraps(call)
    def called(*arguments: Any, **options: Any) -> Any:
        with context:
            return call(*arguments, **options)

    return called
