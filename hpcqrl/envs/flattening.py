"""Observations of any space that numbers can be made of, as one flat vector."""

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
from gymnasium import spaces
from numpy.typing import NDArray

Vector = NDArray[np.float32]

LARGEST = 1_000_000  # numbers of an observation


class ObservationError(ValueError):
    """An environment has given what it should not have."""


def flattener(space: spaces.Space) -> tuple[int, Callable[[Any], Vector]]:
    """How many numbers an observation of this space makes, and the function that makes them, a copy, float32.

    Box and MultiBinary: as they are; Discrete and MultiDiscrete: one-hot; Tuple and Dict: their parts one after the
    other, a Dict's in the order of its names, as gymnasium.spaces.flatten does. Raises ValueError for a space of other
    kinds; the function raises ObservationError for what is not of the space.
    """
    size, flat = _flattener(space)
    if not 1 <= size <= LARGEST:
        raise ValueError(f"observations are 1 to {LARGEST:,} numbers, and {space} makes {size:,}")
    return size, flat


def _flattener(space: spaces.Space) -> tuple[int, Callable[[Any], Vector]]:
    if isinstance(space, spaces.Box | spaces.MultiBinary):
        return int(np.prod(space.shape)), _numbers(int(np.prod(space.shape)))
    if isinstance(space, spaces.Discrete):
        return int(space.n), _one_hot([int(space.n)], [int(space.start)])
    if isinstance(space, spaces.MultiDiscrete):
        choices = space.nvec.reshape(-1).tolist()
        return sum(choices), _one_hot(choices, np.broadcast_to(space.start, space.nvec.shape).reshape(-1).tolist())
    if isinstance(space, spaces.Tuple | spaces.Dict):
        inner = dict(enumerate(space.spaces)) if isinstance(space, spaces.Tuple) else dict(sorted(space.spaces.items()))
        made = {key: _flattener(each) for key, each in inner.items()}
        return sum(size for size, _ in made.values()), _together({key: parts for key, (_, parts) in made.items()})
    raise ValueError(f"no numbers can be made of {space}")


def _numbers(size: int) -> Callable[[Any], Vector]:
    def numbers(observation: Any) -> Vector:
        flat = np.array(observation, np.float32).reshape(-1)  # a copy: an environment may write into its own again
        if flat.size != size:
            raise ObservationError(f"the environment gave an observation of {flat.size} numbers; its space has {size}")
        return flat

    return numbers


def _one_hot(choices: Sequence[int], starts: Sequence[int]) -> Callable[[Any], Vector]:
    begins = np.cumsum([0, *choices[:-1]])

    def one_hot(observation: Any) -> Vector:
        chosen = np.asarray(observation).reshape(-1)
        if chosen.dtype.kind not in "iu" or chosen.size != len(choices):
            raise ObservationError(f"the environment gave the observation {observation!r}, not {len(choices)} choices")
        places = chosen.astype(np.int64) - starts
        if (places < 0).any() or (places >= choices).any():
            raise ObservationError(f"the environment gave the observation {observation!r}, which is not of its space")
        flat = np.zeros(sum(choices), np.float32)
        flat[begins + places] = 1.0
        return flat

    return one_hot


def _together(parts: dict[Any, Callable[[Any], Vector]]) -> Callable[[Any], Vector]:
    def together(observation: Any) -> Vector:
        try:
            return np.concatenate([part(observation[key]) for key, part in parts.items()])
        except (KeyError, IndexError, TypeError) as error:
            raise ObservationError(
                f"the environment gave the observation {observation!r}, which has not {', '.join(map(str, parts))}"
            ) from error

    return together
