"""Random numbers of a run: those that all ranks share, those of each rank, and their states as arrays."""

import json
from collections.abc import Mapping
from typing import Any

import numpy as np

from hpcqrl.states import State


def shared_random(seed: int) -> np.random.Generator:
    """Numbers that are the same on every rank: what parameters start from."""
    return np.random.default_rng(np.random.SeedSequence(seed, spawn_key=(0,)))


def own_seeds(seed: int, rank: int, number: int) -> list[np.random.SeedSequence]:
    """So many seeds of one rank's own."""
    return np.random.SeedSequence(seed, spawn_key=(rank + 1,)).spawn(number)


def as_int(seed: np.random.SeedSequence) -> int:
    """The seed as a number, for what takes nothing else."""
    return int(seed.generate_state(1)[0])


def random_states(generators: Mapping[str, np.random.Generator]) -> State:
    """All that the generators' next numbers depend on, by name: JSON, which runs no code when it is loaded."""
    states = {name: json.dumps(generator.bit_generator.state) for name, generator in generators.items()}
    return {f"random.{name}": np.frombuffer(text.encode(), np.uint8) for name, text in states.items()}


def set_random_states(generators: Mapping[str, np.random.Generator], state: State) -> None:
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
