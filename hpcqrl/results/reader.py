"""The reader of results files: what the tools use, also while a run goes on."""

import hashlib
import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import h5py
import numpy as np

from hpcqrl.results.plain import open_plain
from hpcqrl.results.schema import COUNTED_EACH_AGENT, EPISODE, EVALUATION, FORMAT, SYNCHRONOUS, row_dtype


@dataclass(frozen=True)
class Run:
    """One run, read from its file; episodes and evaluations: structured arrays, in the order of the episodes' numbers,
    and of the steps before each test. Systems that do not test while they train have no evaluations.
    """

    path: Path
    system: str
    config: dict[str, Any]
    seed: int
    agents: int
    complete: bool
    attributes: dict[str, Any]
    episodes: np.ndarray
    evaluations: np.ndarray
    parameters: dict[str, np.ndarray]
    circuit: str | None  # its text, see quantum/circuit_text.py
    counts_each_agent: bool  # whether its length is that of each agent, not of all together
    synchronous: bool  # whether agents wait for each other


def read_run(path: str | Path) -> Run:
    """Read a results file. Raises ValueError, naming the file, for one that is missing, foreign or damaged."""
    path = Path(path)
    try:
        with open_plain(path) as file:
            attributes = {name: value for name, value in file.attrs.items() if not name.startswith("about:")}
            if "system" not in attributes or "episodes" not in file:
                raise ValueError("it is an HDF5 file, but not one of hpcqrl's results")
            if attributes["format"] > FORMAT:
                raise ValueError(f"it is of format {attributes['format']}; this version reads up to {FORMAT}")
            episodes = file["episodes"][:]
            lacking = [column.name for column in EPISODE if column.name not in (episodes.dtype.names or ())]
            if lacking:
                raise ValueError(f"its episodes lack {', '.join(lacking)}")
            evaluations = file["evaluations"][:] if "evaluations" in file else np.empty(0, row_dtype(EVALUATION))
            parameters: dict[str, np.ndarray] = {}
            if "parameters" in file:
                file["parameters"].visititems(
                    lambda name, item: parameters.update({name: item[()]}) if isinstance(item, h5py.Dataset) else None
                )
            system = str(attributes["system"])
            return Run(
                path=path,
                system=system,
                config=json.loads(attributes["config"]),
                seed=int(attributes["seed"]),
                agents=int(attributes["agents"]),
                complete=bool(attributes["complete"]),
                attributes=attributes,
                episodes=episodes[np.argsort(episodes["episode"], kind="stable")],
                evaluations=evaluations[np.argsort(evaluations, order=["steps", "agent"], kind="stable")],
                parameters=parameters,
                circuit=read_circuit(file),
                counts_each_agent=bool(attributes.get("counts_each_agent", system in COUNTED_EACH_AGENT)),
                synchronous=bool(attributes.get("synchronous", system in SYNCHRONOUS)),
            )
    except (OSError, LookupError, RuntimeError, TypeError, ValueError) as error:
        raise ValueError(f"{path} cannot be read as a results file: {error}") from error


def read_circuit(file: h5py.File) -> str | None:
    """The text of the circuit that an open file holds, or None. Raises ValueError if it is not as it was written."""
    if "circuit" not in file:
        return None
    if not isinstance(file["circuit"], h5py.Dataset) or file["circuit"].dtype != np.uint8:
        raise ValueError("its circuit is not as it was written")
    data = file["circuit"][()].tobytes()
    if hashlib.sha256(data).hexdigest() != file["circuit"].attrs.get("sha256"):
        raise ValueError("its circuit is not as it was written")
    return data.decode()
