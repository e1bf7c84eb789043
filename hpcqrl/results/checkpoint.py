"""A checkpoint within a results file: named arrays and nothing else, so that reading one cannot run code.

/checkpoint holds what is common to all agents, /checkpoint/agents/NUMBER what is an agent's own.
"""

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import h5py
import numpy as np
from numpy.typing import NDArray

from hpcqrl.results.plain import open_plain
from hpcqrl.results.reader import read_circuit
from hpcqrl.results.schema import FORMAT

State = dict[str, NDArray]


class Checkpoint(NamedTuple):
    """What a results file offers to go on from.

    attributes: the file's; circuit: its text, if it has one; rows: of each table, those before the checkpoint; elapsed:
    seconds of running before it; agents: the state of each; without a checkpoint there are no rows, time and states.
    """

    attributes: dict[str, Any]
    config: dict[str, Any]
    circuit: str | None
    rows: dict[str, np.ndarray]
    elapsed: float
    common: State
    agents: list[State]


def write_checkpoint(
    file: h5py.File,
    rows: Mapping[str, int],
    elapsed: float,
    common: Mapping[str, NDArray],
    agents: Sequence[Mapping[str, NDArray]],
) -> None:
    """Add /checkpoint to a file that has none; rows: how many each of its tables has."""
    group = file.create_group("checkpoint")
    group.attrs["about"] = "state to resume from: of all, and in agents/NUMBER of each agent; see hpcqrl resume"
    group.attrs["elapsed"] = elapsed
    for name, number in rows.items():
        group.attrs[f"rows:{name}"] = number
    _write_state(group.create_group("common"), common)
    for number, state in enumerate(agents):
        _write_state(group.create_group(f"agents/{number}"), state)


def read_checkpoint(path: str | Path) -> Checkpoint:
    """Read what a run needs to go on. Raises ValueError, naming the file, if it is no run to be resumed."""
    try:
        with open_plain(path) as file:
            attributes = {name: value for name, value in file.attrs.items() if not name.startswith("about:")}
            if "system" not in attributes or "episodes" not in file:
                raise ValueError(f"{path} is an HDF5 file, but not one of hpcqrl's results")
            if attributes["format"] != FORMAT:
                raise ValueError(f"{path} is of format {attributes['format']}; this version resumes format {FORMAT}")
            config, circuit = json.loads(attributes["config"]), read_circuit(file)
            group = file.get("checkpoint")
            if attributes["complete"] or group is None:
                return Checkpoint(attributes, config, circuit, {}, 0.0, {}, [])
            rows = {}
            for attribute, number in group.attrs.items():
                name = attribute.removeprefix("rows:")
                if name != attribute and number > file[name].shape[0]:
                    raise ValueError(f"{path} is damaged: its checkpoint came after {number} {name}, but it has fewer")
                if name != attribute:
                    rows[name] = file[name][:number]
            states = [_read_state(group["agents"][str(number)]) for number in range(len(group["agents"]))]
            common = _read_state(group["common"])
            return Checkpoint(attributes, config, circuit, rows, float(group.attrs["elapsed"]), common, states)
    except (OSError, KeyError, RuntimeError, json.JSONDecodeError) as error:
        raise ValueError(f"{path} cannot be resumed: {error}") from error


def _write_state(group: h5py.Group, state: Mapping[str, NDArray]) -> None:
    for name, value in state.items():
        checksum = {"fletcher32": True, "chunks": value.shape} if value.size and value.ndim else {}
        group.create_dataset(name, data=value, **checksum)


def _read_state(group: h5py.Group) -> State:
    return {name: np.asarray(dataset[()]) for name, dataset in group.items()}
