"""The writer of a results file: whatever moment the process is killed at, the file on disk opens and is whole.

A file is made under another name and renamed, so it appears complete. Rows are then added where nothing else has to
change: `/episodes` is one chunk with room for more rows than it has, so that adding writes the rows, and after them a
single number in the dataset's header, its length. When the room is used up, a new file with twice as much takes over.
"""

import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import h5py
import numpy as np

from hpcqrl.results.schema import ATTRIBUTES, Column, row_dtype

_FIRST_ROOM = 4096  # rows


class Recorder:
    """Writes one run's file. attributes: the root attributes but `complete`; units and meanings come from the schema.

    Raises FileExistsError if the file exists, unless overwrite; OSError if it cannot be written.
    """

    def __init__(
        self, path: str | Path, attributes: Mapping[str, Any], columns: tuple[Column, ...], overwrite: bool = False
    ) -> None:
        self.path = Path(path)
        self._attributes, self._columns = dict(attributes), columns
        if self.path.exists() and not overwrite:
            raise FileExistsError(f"{self.path} exists; choose another --out, or pass --overwrite")
        try:
            self.path.parent.mkdir(parents=True, exist_ok=True)
            self._write(np.empty(0, row_dtype(columns)), room=0)
        except OSError as error:
            raise OSError(f"cannot write {self.path}: {error}") from error
        self.rows = 0
        self._room = 0
        self._file: h5py.File | None = None
        self._finished = False

    def append(self, new: np.ndarray) -> None:
        """Add rows; they are on disk when this returns."""
        if not new.size:
            return
        end = self.rows + new.size
        if end > self._room:
            self._room = max(_FIRST_ROOM, 2 * end)
            rows = np.concatenate([self.read(), new])
            self.close()
            self._write(rows, self._room)
            self._file = _open_in_place(self.path)
        else:
            assert self._file is not None
            add_rows(self._file, new)
        self.rows = end

    def read(self) -> np.ndarray:
        """The rows on disk."""
        return self._file["episodes"][:] if self._file is not None else np.empty(0, row_dtype(self._columns))

    def finish(self, parameters: Mapping[str, np.ndarray]) -> None:
        """Write the complete file: all episodes in their order, and the final parameters."""
        rows = self.read()
        self.close()
        rows = rows[np.argsort(rows["episode"], kind="stable")]
        self._write(rows, rows.size, complete=True, parameters=parameters)
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
            if error is not None and self.rows == 0:
                self.path.unlink(missing_ok=True)

    def _write(
        self, rows: np.ndarray, room: int, complete: bool = False, parameters: Mapping[str, np.ndarray] | None = None
    ) -> None:
        """Write the whole file beside its place, force it to disk, and move it there."""
        partial = self.path.with_name(f".{self.path.name}.{os.getpid()}.partial")
        try:
            with h5py.File(partial, "w") as file:
                for name, value in (self._attributes | {"complete": complete}).items():
                    file.attrs[name] = value
                    file.attrs[f"about:{name}"] = ATTRIBUTES[name]
                _write_rows(file, rows, room, self._columns)
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


def _write_rows(file: h5py.File, rows: np.ndarray, room: int, columns: tuple[Column, ...]) -> None:
    dataset = file.create_dataset("episodes", rows.shape, rows.dtype, maxshape=(None,), chunks=(max(room, 1),))
    dataset[:] = rows
    dataset.attrs["about"] = "one row for each finished episode of every agent"
    for column in columns:
        dataset.attrs[f"about:{column.name}"] = f"{column.meaning} [{column.unit}]"


def add_rows(file: h5py.File, rows: np.ndarray) -> None:
    """Add rows that fit in the room of `/episodes`, and flush: rows first, then their number."""
    dataset = file["episodes"]
    start = dataset.shape[0]
    dataset.resize((start + rows.size,))
    dataset[start:] = rows
    file.flush()
