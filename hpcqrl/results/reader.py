"""The reader of results files: what the tools use, also while a run goes on."""

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import h5py
import numpy as np

from hpcqrl.results import checksums, facts
from hpcqrl.results.circuit import read_circuit
from hpcqrl.results.plain import ERRORS, PlainFile, in_a_line, open_plain
from hpcqrl.results.schema import COUNTED_EACH_AGENT, SYNCHRONOUS
from hpcqrl.results.tables import read_rows

_good: dict[Path, np.ndarray] = {}  # the checkpoint last found good in a file


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


def read_run(path: str | Path, own: bool = False) -> Run:
    """Read a results file. Raises ValueError, naming the file, for one that is missing, foreign or damaged.

    own: whether this process has just written it.
    """
    path = Path(path)
    try:
        with open_plain(path, own) as file:
            return _read(path, file)
    except ERRORS as error:
        raise ValueError(f"{path} cannot be read as a results file: {in_a_line(error)}") from error


def read_facts(path: str | Path) -> tuple[dict[str, Any], dict[str, Any]]:
    """A results file's attributes and configuration alone. Raises ValueError as `read_run`."""
    try:
        with open_plain(path) as file:
            return facts.read(file)
    except ERRORS as error:
        raise ValueError(f"{path} cannot be read as a results file: {in_a_line(error)}") from error


def _read(path: Path, file: PlainFile) -> Run:
    attributes, config = facts.read(file)
    system = str(attributes["system"])
    _check_checkpoint(file, path)
    return Run(
        path=path,
        system=system,
        config=config,
        seed=int(attributes["seed"]),
        agents=int(attributes["agents"]),
        complete=bool(attributes["complete"]),
        attributes=attributes,
        episodes=read_rows(file, "episodes"),
        evaluations=read_rows(file, "evaluations"),
        parameters=_parameters(file),
        circuit=read_circuit(file),
        counts_each_agent=bool(attributes.get("counts_each_agent", system in COUNTED_EACH_AGENT)),
        synchronous=bool(attributes.get("synchronous", system in SYNCHRONOUS)),
    )


def _check_checkpoint(file: h5py.File, path: Path) -> None:
    """ValueError if it is damaged; one that was good is not read again by a process that follows a run."""
    record = checksums.checkpoint_record(file)
    if record is not None and _good.get(path) != record:
        for _ in checksums.checkpoint_bytes(file, record):
            pass
        _good[path] = record


def _parameters(file: h5py.File) -> dict[str, np.ndarray]:
    parameters: dict[str, np.ndarray] = {}
    if "parameters" in file:
        if not isinstance(file["parameters"], h5py.Group):
            raise ValueError("its parameters are no group")
        file["parameters"].visititems(
            lambda name, item: parameters.update({name: item[()]}) if isinstance(item, h5py.Dataset) else None
        )
    wrong = [name for name, value in parameters.items() if np.asarray(value).dtype.kind not in "biufc"]
    if wrong:
        raise ValueError(f"its parameters {', '.join(wrong)} are no numbers")
    checksums.check_parameters(file, parameters)
    return parameters
