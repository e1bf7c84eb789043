"""Random numbers of a run: those that all ranks share, those of each rank, and their states as arrays."""

import json
from collections.abc import Mapping
from typing import Any

import numpy as np

from hpcqrl.states import State

Numbers = np.random.Generator | np.random.RandomState  # the latter is what older environments have


def shared_random(seed: int) -> np.random.Generator:
    """Numbers that are the same on every rank: what parameters start from."""
    return np.random.default_rng(np.random.SeedSequence(seed, spawn_key=(0,)))


def own_seeds(seed: int, rank: int, number: int) -> list[np.random.SeedSequence]:
    """So many seeds of one rank's own."""
    return np.random.SeedSequence(seed, spawn_key=(rank + 1,)).spawn(number)


def as_int(seed: np.random.SeedSequence) -> int:
    """The seed as a number, for what takes nothing else."""
    return int(seed.generate_state(1)[0])


def random_states(generators: Mapping[str, Numbers]) -> State:
    """All that the generators' next numbers depend on, by name: JSON, which runs no code when it is loaded."""
    states = {name: json.dumps(_state(generator), default=_listed) for name, generator in generators.items()}
    return {f"random.{name}": np.frombuffer(text.encode(), np.uint8) for name, text in states.items()}


def set_random_states(generators: Mapping[str, Numbers], state: State) -> None:
    """Have the generators go on from there. Raises ValueError if a state is missing, or not of its generator's kind."""
    for name, generator in generators.items():
        try:
            saved = json.loads(state[f"random.{name}"].tobytes())
            for key, value in saved.get("state", {}).items() if isinstance(saved.get("state"), dict) else ():
                if isinstance(value, list):
                    saved["state"][key] = np.array(value, _state(generator)["state"][key].dtype)
            if "buffer" in saved:  # Philox
                saved["buffer"] = np.array(saved["buffer"], np.uint64)
            if isinstance(generator, np.random.RandomState):
                generator.set_state(saved)
            else:
                generator.bit_generator.state = saved
        except (TypeError, KeyError, AttributeError, UnicodeDecodeError) as error:
            raise ValueError(f"no state for the random numbers of {name}: {error!r}") from error


def jump_random_states(generators: Mapping[str, Numbers], updates: int) -> None:
    """Have the generators of an agent that joins after so many updates go on where none was at an earlier start."""
    for generator in generators.values():
        bits: Any = getattr(generator, "_bit_generator", None) or generator.bit_generator  # type: ignore[union-attr]
        if hasattr(bits, "jumped"):
            bits.state = bits.jumped(1 + updates).state
        else:  # SFC64 cannot jump
            bits.state = type(bits)(np.random.SeedSequence([int(bits.random_raw()), updates])).state


def _state(generator: Numbers) -> dict[str, Any]:
    if isinstance(generator, np.random.RandomState):
        return dict(generator.get_state(legacy=False))
    return dict(generator.bit_generator.state)


def _listed(value: Any) -> Any:
    return value.tolist()  # an array, as most kinds but PCG64 have
