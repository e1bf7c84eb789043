"""A checkpoint within a results file: named arrays and nothing else, so that reading one cannot run code.

It lies in /checkpoint as `packed.py` says. Up to format 2, /checkpoint/common held what is common to all agents,
/checkpoint/agents/NUMBER what is an agent's own.
"""

import math
import zlib
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import h5py
import numpy as np
from numpy.typing import NDArray

from hpcqrl.results import checksums, facts
from hpcqrl.results.circuit import read_circuit
from hpcqrl.results.packed import State, pack, unpack
from hpcqrl.results.plain import ERRORS, in_a_line, open_plain
from hpcqrl.results.schema import COLUMNS, RESUMED
from hpcqrl.results.tables import table

_RESUMED = " and ".join(map(str, RESUMED))


class Checkpoint(NamedTuple):
    """What a results file offers to go on from.

    attributes: the file's; circuit: its text, if it has one; rows: of each table, how many came before the checkpoint,
    finished: the numbers of its episodes, steps: all of theirs; elapsed: seconds of running before it;
    agents: the state of each. Without a checkpoint there are no rows, time and states.
    """

    attributes: dict[str, Any]
    config: dict[str, Any]
    circuit: str | None
    rows: dict[str, int]
    finished: NDArray[np.int64]
    steps: int
    elapsed: float
    common: State
    agents: list[State]


def packed_checkpoint(
    written: Mapping[str, tuple[int, int]],
    elapsed: float,
    common: Mapping[str, Any],
    agents: Sequence[Mapping[str, Any]],
) -> list[Any]:
    """The bytes of a checkpoint, in parts. written: of each table the rows that it comes after, and their checksum."""
    return pack({"elapsed": elapsed, "rows": dict(written)}, common, agents)


def read_checkpoint(path: str | Path, purpose: str = "resumed") -> Checkpoint:
    """Read what a run needs to go on. Raises ValueError, naming the file, if it cannot be what it is read for."""
    try:
        with open_plain(path) as file:
            attributes, config = facts.read(file)
            circuit = read_circuit(file)
            if attributes["complete"] or "checkpointed" not in attributes:
                return Checkpoint(attributes, config, circuit, {}, np.empty(0, np.int64), 0, 0.0, {}, [])
            if not {"hpcqrl", "checkpoint_every"} <= set(attributes):
                raise ValueError("it does not say who wrote it, or how often it shall have checkpoints")
            if attributes["format"] not in RESUMED:
                raise ValueError(f"it is of format {attributes['format']}; this version resumes {_RESUMED}")
            if "checkpoint" not in file:
                raise ValueError("its checkpoint is gone")
            read = _read_packed if "checksums" in file else _read_groups
            rows, elapsed, common, agents = read(file)
            if not (math.isfinite(elapsed) and elapsed >= 0.0):
                raise ValueError(f"its checkpoint came after {elapsed} seconds")
            finished, steps = np.empty(0, np.int64), 0
            for name, (number, checksum) in rows.items():
                found = _check_rows(file, name, number, checksum)
                if name == "episodes":
                    finished, steps = found
            counts = {name: number for name, (number, _) in rows.items()}
            return Checkpoint(attributes, config, circuit, counts, finished, steps, elapsed, common, agents)
    except ERRORS as error:
        raise ValueError(f"{path} cannot be {purpose}: {in_a_line(error)}") from error


Rows = dict[str, tuple[int, int | None]]  # of each table their number and, if it is known, their checksum
Read = tuple[Rows, float, State, list[State]]


def _read_packed(file: h5py.File) -> Read:
    record = checksums.checkpoint_record(file)
    assert record is not None
    data, place = np.empty(min(int(record["bytes"]), file["checkpoint"].nbytes), np.uint8), 0
    for part in checksums.checkpoint_bytes(file, record):
        data[place : place + part.size] = part
        place += part.size
    said, common, agents = unpack(data)
    rows: Rows = {str(name): (int(number), checksum) for name, (number, checksum) in said["rows"].items()}
    return rows, float(said["elapsed"]), common, agents


def _read_groups(file: h5py.File) -> Read:
    group = file["checkpoint"]
    numbers = {name.removeprefix("rows:"): value for name, value in group.attrs.items() if name.startswith("rows:")}
    rows: Rows = {name: (facts.whole(f"rows:{name}", value, 0), None) for name, value in numbers.items()}
    agents = [_read_state(group["agents"][str(number)]) for number in range(len(group["agents"]))]
    return rows, float(group.attrs["elapsed"]), _read_state(group["common"]), agents


def _read_state(group: h5py.Group) -> State:
    return {name: np.asarray(dataset[()]) for name, dataset in group.items()}


def _check_rows(file: h5py.File, name: str, number: int, checksum: int | None) -> tuple[NDArray[np.int64], int]:
    """ValueError unless a table has them as they were; of episodes, their numbers, and the steps of all."""
    if name not in COLUMNS:
        raise ValueError(f"its checkpoint came after rows of {name!r}")
    dataset = table(file, name)
    if not 0 <= number <= len(dataset):
        raise ValueError(f"it is damaged: its checkpoint came after {number} {name}, but it has fewer")
    found, steps, numbers = 0, 0, []
    for rows in checksums.pieces(dataset, number):
        found = zlib.crc32(checksums.as_bytes(rows), found)
        if name == "episodes":
            numbers.append(rows["episode"].copy())
            steps += int(rows["length"].sum())
    if checksum not in (None, found):
        raise ValueError(f"its {name} are damaged")
    return np.concatenate([np.empty(0, np.int64), *numbers]), steps
