"""The states of random generators as arrays, for checkpoints: JSON, which runs no code when it is loaded."""

import json
from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

State = dict[str, NDArray]


def random_states(generators: Mapping[str, np.random.Generator]) -> State:
    """All that the generators' next numbers depend on, by name."""
    states = {name: json.dumps(generator.bit_generator.state) for name, generator in generators.items()}
    return {f"random.{name}": np.frombuffer(text.encode(), np.uint8) for name, text in states.items()}


def set_random_states(generators: Mapping[str, np.random.Generator], state: Mapping[str, NDArray]) -> None:
    """Have the generators go on from there. Raises ValueError if a state is missing, or not of its generator's kind."""
    for name, generator in generators.items():
        try:
            generator.bit_generator.state = json.loads(state[f"random.{name}"].tobytes())
        except (TypeError, KeyError, UnicodeDecodeError) as error:
            raise ValueError(f"no state for the random numbers of {name}: {error!r}") from error


def jump_random_states(generators: Mapping[str, np.random.Generator], updates: int) -> None:
    """Have the generators of an agent that joins after so many updates go on where none was at an earlier start."""
    for generator in generators.values():
        bits: Any = generator.bit_generator
        bits.state = bits.jumped(1 + updates).state
