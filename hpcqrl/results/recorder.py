"""The writer of a results file: whatever moment the process is killed at, the file on disk opens and is whole.

A file is made under another name and renamed, so it appears complete. Rows are then added where nothing else has to
change: a table (`/episodes`, and `/evaluations` once there are any) is one chunk with room for more rows than it has,
so that adding writes the rows, and after them a single number in the dataset's header, its length. When the room is
used up, a new file with twice as much takes over.
"""

import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import h5py
import numpy as np

from hpcqrl.results.schema import ATTRIBUTES, EVALUATION, Column, row_dtype

_FIRST_ROOM = 4096  # rows
_ABOUT = {
    "episodes": "one row for each finished episode of every agent",
    "evaluations": "one row for each agent's part in a test of the policy",
}
_ORDER = {"episodes": ["episode"], "evaluations": ["steps", "agent"]}


class Recorder:
    """Writes one run's file. attributes: the root attributes but `complete`; units and meanings come from the schema.

    Raises FileExistsError if the file exists, unless overwrite; OSError if it cannot be written.
    """

    def __init__(
        self, path: str | Path, attributes: Mapping[str, Any], columns: tuple[Column, ...], overwrite: bool = False
    ) -> None:
        self.path = Path(path)
        self._attributes = dict(attributes)
        self._columns = {"episodes": columns, "evaluations": EVALUATION}
        self._rows, self._room = {"episodes": 0}, {"episodes": 0}  # of each table that the file has
        self._file: h5py.File | None = None
        self._finished = False
        if self.path.exists() and not overwrite:
            raise FileExistsError(f"{self.path} exists; choose another --out, or pass --overwrite")
        try:
            self.path.parent.mkdir(parents=True, exist_ok=True)
            self._write(self._tables())
        except OSError as error:
            raise OSError(f"cannot write {self.path}: {error}") from error

    def append(self, new: np.ndarray, table: str = "episodes") -> None:
        """Add rows to a table; they are on disk when this returns."""
        if not new.size:
            return
        end = self._rows.get(table, 0) + new.size
        if end > self._room.get(table, 0):
            tables = self._tables()
            tables[table] = np.concatenate([tables.get(table, new[:0]), new])
            self._room[table] = max(_FIRST_ROOM, 2 * end)
            self.close()
            self._write(tables)
            self._file = _open_in_place(self.path)
        else:
            assert self._file is not None
            add_rows(self._file, new, table)
        self._rows[table] = end

    def finish(self, parameters: Mapping[str, np.ndarray]) -> None:
        """Write the complete file: all rows in their order, and the final parameters."""
        tables = {
            name: rows[np.argsort(rows, order=_ORDER[name], kind="stable")] for name, rows in self._tables().items()
        }
        self.close()
        self._room = {name: rows.size for name, rows in tables.items()}
        self._write(tables, complete=True, parameters=parameters)
        self._finished = True

    def close(self) -> None:
        """Close the file."""
        if self._file is not None:
            self._file.close()
            self._file = None

    def __enter__(self) -> "Recorder":
        return self

    def __exit__(self, error: object, *_: object) -> None:
        """Keep what there is; a run that failed before its first episode leaves no file."""
        if not self._finished:
            self.close()
            if error is not None and self._rows["episodes"] == 0:
                self.path.unlink(missing_ok=True)

    def _tables(self) -> dict[str, np.ndarray]:
        """The rows on disk."""
        if self._file is None:
            return {name: np.empty(0, row_dtype(self._columns[name])) for name in self._rows}
        return {name: self._file[name][:] for name in self._rows}

    def _write(
        self,
        tables: Mapping[str, np.ndarray],
        complete: bool = False,
        parameters: Mapping[str, np.ndarray] | None = None,
    ) -> None:
        """Write the whole file beside its place, force it to disk, and move it there."""
        partial = self.path.with_name(f".{self.path.name}.{os.getpid()}.partial")
        try:
            with h5py.File(partial, "w") as file:
                for name, value in (self._attributes | {"complete": complete}).items():
                    file.attrs[name] = value
                    file.attrs[f"about:{name}"] = ATTRIBUTES[name]
                for name, rows in tables.items():
                    _write_rows(file, name, rows, self._room[name], self._columns[name])
                for name, value in (parameters or {}).items():
                    dataset = file.create_dataset(f"parameters/{name}", data=value)
                    dataset.attrs["about"] = "final parameters theta; circuit angles in radians, others dimensionless"
            with open(partial, "rb") as written:
                os.fsync(written.fileno())
            os.replace(partial, self.path)
        finally:
            partial.unlink(missing_ok=True)


def _open_in_place(path: Path) -> h5py.File:
    return h5py.File(path, "r+", locking=False, rdcc_nbytes=0)


def _write_rows(file: h5py.File, table: str, rows: np.ndarray, room: int, columns: tuple[Column, ...]) -> None:
    dataset = file.create_dataset(table, rows.shape, rows.dtype, maxshape=(None,), chunks=(max(room, 1),))
    dataset[:] = rows
    dataset.attrs["about"] = _ABOUT[table]
    for column in columns:
        dataset.attrs[f"about:{column.name}"] = f"{column.meaning} [{column.unit}]"


def add_rows(file: h5py.File, rows: np.ndarray, table: str = "episodes") -> None:
    """Add rows that fit in the table's room, and flush: rows first, then their number."""
    dataset = file[table]
    start = dataset.shape[0]
    dataset.resize((start + rows.size,))
    dataset[start:] = rows
    file.flush()
