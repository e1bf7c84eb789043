"""A checksum (CRC-32) over each part of a results file, so that bits that have flipped are found by whoever reads it.

In /checksums, `episodes` and `evaluations` say how many rows were written and what their checksum is, `checkpoint`
which half of /checkpoint holds how many bytes, `circuit` is that of the circuit's text; attributes are the checksums of
the root attributes and the parameters. A CRC-32 goes on from where it was, so adding rows costs no more than the rows.
Rows are written first, then the table's length, then, in one write, number and checksum: rows beyond that number are
not yet written. Files before format 3 have none of this.
"""

import json
import zlib
from collections.abc import Iterator, Mapping
from typing import Any

import h5py
import numpy as np

from hpcqrl.results.schema import ATTRIBUTES, COLUMNS

ROWS = np.dtype([("rows", "<i8"), ("crc32", "<u4")])
CHECKPOINT = np.dtype([("half", "<i8"), ("bytes", "<i8"), ("time", "<f8"), ("interrupted", "<u4"), ("crc32", "<u4")])
PIECE = 1 << 14  # rows that are read at once
_BYTES = 1 << 22  # of a checkpoint, likewise


def of_attributes(attributes: Mapping[str, Any]) -> int:
    """That of the root attributes that the schema knows; others, a user's notes, do not count."""
    facts = {name: _plain(value) for name, value in attributes.items() if name in ATTRIBUTES}
    return zlib.crc32(json.dumps(facts, sort_keys=True).encode())


def of_arrays(arrays: Mapping[str, np.ndarray]) -> int:
    """That of named arrays, their names, types and shapes."""
    total = 0
    for name, array in sorted(arrays.items()):
        total = zlib.crc32(f"{name} {array.dtype.str} {array.shape}".encode(), total)
        total = zlib.crc32(as_bytes(array), total)
    return total


def of_checkpoint(half: int, size: int, time: float, interrupted: bool, checksum: int) -> np.ndarray:
    """The record of a checkpoint; checksum: of its bytes, which goes on over the rest of the record."""
    record = np.zeros((), CHECKPOINT)
    record["half"], record["bytes"], record["time"], record["interrupted"] = half, size, time, interrupted
    record["crc32"] = zlib.crc32(record.tobytes()[:-4], checksum)
    return record


def as_bytes(array: np.ndarray) -> memoryview:
    """An array's memory; of one that is not in order, a copy's."""
    return np.ascontiguousarray(array).reshape(-1).view(np.uint8).data


def pieces(table: h5py.Dataset, rows: int) -> Iterator[np.ndarray]:
    """The first rows of a table, some at a time."""
    for start in range(0, rows, PIECE):
        yield table[start : min(start + PIECE, rows)]


def written_rows(file: h5py.File) -> dict[str, np.ndarray]:
    """The record of each table."""
    return {name: _record(file, name, ROWS) for name in COLUMNS if name in file.get("checksums", ())}


def check_rows(record: np.ndarray, table: str, rows: np.ndarray) -> None:
    """ValueError if these are not the rows that were written to a table."""
    if len(rows) != record["rows"] or zlib.crc32(as_bytes(rows)) != record["crc32"]:
        raise ValueError(f"its {table} are damaged")


def check_circuit(file: h5py.File, data: bytes) -> None:
    """ValueError if this is not what was written."""
    if "checksums" in file and zlib.crc32(data) != _record(file, "circuit", np.dtype("<u4")):
        raise ValueError("its circuit is not as it was written")


def check_parameters(file: h5py.File, parameters: Mapping[str, np.ndarray]) -> None:
    """ValueError if these are not what was written."""
    if "checksums" in file and of_arrays(parameters) != file["checksums"].attrs["parameters"]:
        raise ValueError("its parameters are damaged")


def check_attributes(file: h5py.File, attributes: Mapping[str, Any]) -> None:
    """ValueError if these are not what was written, or one of the file's parts is gone."""
    if "checksums" in file:
        if of_attributes(attributes) != file["checksums"].attrs["attributes"]:
            raise ValueError("its attributes are damaged")
        for part in ("circuit", "evaluations", "checkpoint"):
            if part in file and part not in file["checksums"]:
                raise ValueError(f"its checksums of {part} are gone")
            if part in file["checksums"] and part not in file:
                raise ValueError(f"its {part} {'are' if part == 'evaluations' else 'is'} gone")
    elif attributes["format"] >= 3:
        raise ValueError("its checksums are gone")


def checkpoint_record(file: h5py.File) -> np.ndarray | None:
    """Where the checkpoint lies, if there is one."""
    return _record(file, "checkpoint", CHECKPOINT) if "checkpoint" in file.get("checksums", ()) else None


def checkpoint_bytes(file: h5py.File, record: np.ndarray) -> Iterator[np.ndarray]:
    """The bytes of the checkpoint, in parts. Raises ValueError if they are not what was written."""
    dataset, half, size, checksum = file["checkpoint"], int(record["half"]), int(record["bytes"]), 0
    if not isinstance(dataset, h5py.Dataset) or dataset.dtype != np.uint8 or dataset.ndim != 2:
        raise ValueError("its checkpoint is not as it was written")
    if not (0 <= half < dataset.shape[0] and 0 <= size <= dataset.shape[1]):
        raise ValueError("its checkpoint is damaged")
    for start in range(0, size, _BYTES):
        part = dataset[half, start : min(start + _BYTES, size)]
        checksum = zlib.crc32(part.data, checksum)
        yield part
    if of_checkpoint(half, size, float(record["time"]), bool(record["interrupted"]), checksum) != record:
        raise ValueError("its checkpoint is damaged")


def _record(file: h5py.File, name: str, kind: np.dtype) -> np.ndarray:
    record = file["checksums"][name]
    if not isinstance(record, h5py.Dataset) or record.dtype != kind or record.shape != ():
        raise ValueError(f"its checksums of {name} are not as they were written")
    return record[()]


def _plain(value: Any) -> Any:
    return value.item() if isinstance(value, np.generic) else value
