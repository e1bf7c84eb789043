"""The writer of a results file: whatever moment the process is killed at, the file on disk opens and is whole.

A file is made under another name and renamed, so it appears complete. Rows are then added where nothing else has to
change: a table (`/episodes`, and `/evaluations` once there are any) is one chunk with room for more rows than it has,
so that adding writes the rows, and after them a single number in the dataset's header, its length. When the room is
used up, a new file with twice as much takes over.
"""

import fcntl
import glob
import hashlib
import os
import stat
import tempfile
import time
from collections.abc import Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any

import h5py
import numpy as np

from hpcqrl.results.checkpoint import write_checkpoint
from hpcqrl.results.schema import ATTRIBUTES, EVALUATION, Column, row_dtype, with_columns

_FIRST_ROOM = 4096  # rows
_ABOUT = {
    "episodes": "one row for each finished episode of every agent",
    "evaluations": "one row for each agent's part in a test of the policy",
}
_ORDER = {"episodes": ["episode"], "evaluations": ["steps", "agent"]}


class Recorder:
    """Writes one run's file. attributes: the root attributes but `complete`; units and meanings come from the schema.

    circuit: its text, to be kept as it is. resume: carry on with the file that is there, and with its checkpoint, but
    only with these `rows` of its tables. tested: columns of a test's record beyond those of all systems.
    Raises FileExistsError if the file exists, unless overwrite or resume; OSError if it cannot be written, or another
    run is writing it.
    """

    def __init__(
        self,
        path: str | Path,
        attributes: Mapping[str, Any],
        columns: tuple[Column, ...],
        overwrite: bool = False,
        resume: bool = False,
        rows: Mapping[str, np.ndarray] | None = None,
        circuit: str | None = None,
        tested: tuple[Column, ...] = (),
    ) -> None:
        self.path, self._circuit = Path(path).resolve(), circuit  # also after a chdir; a link stays a link
        self._attributes = dict(attributes)
        self._columns = {"episodes": columns, "evaluations": EVALUATION + tested}
        self._file: h5py.File | None = None
        self._lock_path = self.path.with_name(f".{self.path.name}.lock")
        self._finished = False
        self._checkpointed = resume and "checkpointed" in self._attributes
        if self.path.exists() and not (overwrite or resume):
            raise FileExistsError(f"{self.path} exists; choose another --out, or pass --overwrite{self._may_go_on()}")
        kept = {name: with_columns(table, self._columns[name]) for name, table in (rows or {}).items()}
        tables = {"episodes": np.empty(0, row_dtype(columns))} | kept
        self._rows = {name: table.size for name, table in tables.items()}  # of each table that the file has
        self._room = {name: 2 * table.size for name, table in tables.items()}
        try:
            self.path.parent.mkdir(parents=True, exist_ok=True)
            self._lock = _lock(self._lock_path)
        except OSError as error:
            raise OSError(f"cannot write {self.path}: {error.strerror or error}") from error
        self._replaced: Path | None = None  # what this run replaces, until it has something to show
        try:
            for left in self.path.parent.glob(f".{glob.escape(self.path.name)}.*.partial"):
                left.unlink()  # of a run that was killed while it wrote; none goes on: the lock is ours
            if resume:
                self._check_unchanged()
            if self.path.exists() and not self._checkpointed:
                self._set_aside()
            self._write(tables)
        except BaseException:
            self._put_back()
            self._unlock()
            raise
        if any(self._room.values()):
            self._file = _open_in_place(self.path)

    def _may_go_on(self) -> str:
        try:
            with h5py.File(self.path, "r", locking=False) as file:
                return f"; `hpcqrl resume {self.path}` goes on with it" if "checkpointed" in file.attrs else ""
        except OSError:
            return ""  # no results file

    def _check_unchanged(self) -> None:
        """OSError if another run has written the file since its checkpoint was read: the lock came after that."""
        with h5py.File(self.path, "r", locking=False) as file:
            same = file.attrs.get("checkpointed") == self._attributes.get("checkpointed")
            if file.attrs["complete"] or not same:
                raise OSError(f"another run has gone on with {self.path} meanwhile")

    def append(self, new: np.ndarray, table: str = "episodes") -> None:
        """Add rows to a table; when this returns, they outlast this process, though perhaps not yet a power cut."""
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

    def checkpoint(
        self, elapsed: float, common: Mapping[str, Any], agents: Sequence[Mapping[str, Any]], last: bool = False
    ) -> None:
        """Put a checkpoint, as of now, in the place of the last one; it is on disk when this returns.

        last: the run was told to end, and does so.
        """
        tables = self._tables()
        self.close()
        self._attributes["checkpointed"] = time.time()
        if last:
            self._attributes["interrupted"] = True
        # HDF5 sets no room aside for a table without rows: its first rows make a new file.
        self._room = {name: max(_FIRST_ROOM, 2 * rows.size) if rows.size else 0 for name, rows in tables.items()}
        self._write(tables, checkpoint=(elapsed, common, agents))
        self._checkpointed = True
        self._file = _open_in_place(self.path)

    def finish(self, parameters: Mapping[str, np.ndarray]) -> None:
        """Write the complete file: all rows in their order, and the final parameters; no checkpoint any more."""
        tables = {
            name: rows[np.argsort(rows, order=_ORDER[name], kind="stable")] for name, rows in self._tables().items()
        }
        self.close()
        self._room = {name: rows.size for name, rows in tables.items()}
        self._attributes.pop("checkpointed", None)
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
            if error is not None and not any(self._rows.values()) and not self._checkpointed:
                self.path.unlink(missing_ok=True)
                self._put_back()
        self._unlock()

    def _set_aside(self) -> None:
        """Keep the file that is there under another name, too, where the file system has links."""
        aside = self.path.with_name(f".{self.path.name}.replaced")
        aside.unlink(missing_ok=True)  # of a run that was killed
        with suppress(OSError):
            os.link(self.path, aside)
            self._replaced = aside

    def _put_back(self) -> None:
        """Have again the file that this run was to replace, if it has nothing to show."""
        if self._replaced is not None:
            os.replace(self._replaced, self.path)
            self._replaced = None

    def _unlock(self) -> None:
        self._lock_path.unlink(missing_ok=True)
        os.close(self._lock)

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
        checkpoint: tuple[float, Mapping[str, Any], Sequence[Mapping[str, Any]]] | None = None,
    ) -> None:
        """Write the whole file beside its place, force it to disk, and move it there.

        It is made in memory: where a disk is full, HDF5 would leave the process in no state to go on.
        """
        with h5py.File(self.path.name, "w", driver="core", backing_store=False) as file:
            for name, value in (self._attributes | {"complete": complete}).items():
                file.attrs[name] = value
                file.attrs[f"about:{name}"] = ATTRIBUTES[name]
            if self._circuit is not None:
                write_circuit(file, self._circuit)
            for name, rows in tables.items():
                _write_rows(file, name, rows, self._room[name], self._columns[name])
            for name, value in (parameters or {}).items():
                dataset = file.create_dataset(f"parameters/{name}", data=value)
                dataset.attrs["about"] = "final parameters theta; circuit angles in radians, others dimensionless"
            if checkpoint is not None:
                write_checkpoint(file, {name: rows.size for name, rows in tables.items()}, *checkpoint)
            elif self._checkpointed and not complete:
                with h5py.File(self.path, "r", locking=False) as old:
                    old.copy("checkpoint", file)
            file.flush()
            image = file.id.get_file_image()
        partial = None
        try:
            # A name that nobody can have put a link at.
            descriptor, name = tempfile.mkstemp(".partial", f".{self.path.name}.", self.path.parent)
            partial = Path(name)
            with open(descriptor, "wb") as written:
                written.write(image)
                written.flush()
                os.fchmod(descriptor, self._mode())
                os.fsync(descriptor)
            os.replace(partial, self.path)
            _force_to_disk(self.path.parent)
            shows = complete or checkpoint is not None or any(rows.size for rows in tables.values())
            if shows and self._replaced is not None:
                self._replaced.unlink(missing_ok=True)
                self._replaced = None
        except OSError as error:
            raise OSError(f"cannot write {self.path}: {error.strerror or error}") from error
        finally:
            if partial is not None:
                partial.unlink(missing_ok=True)

    def _mode(self) -> int:
        """That of the file that is there, else what the user's mask leaves."""
        if self.path.exists():
            return stat.S_IMODE(self.path.stat().st_mode)
        mask = os.umask(0)
        os.umask(mask)
        return 0o666 & ~mask


def write_circuit(file: h5py.File, text: str) -> None:
    """Add /circuit to a file that has none, with a checksum."""
    data = np.frombuffer(text.encode(), np.uint8)
    dataset = file.create_dataset("circuit", data=data)
    dataset.attrs["about"] = (
        "JSON, UTF-8: the circuit's gates, their parameters in angles and weights, what is measured"
    )
    dataset.attrs["sha256"] = hashlib.sha256(data.tobytes()).hexdigest()


def _force_to_disk(folder: Path) -> None:
    """Have the names in it on disk, too: a power cut must not bring back what was replaced."""
    descriptor = os.open(folder, os.O_RDONLY)
    with suppress(OSError):  # some file systems cannot
        os.fsync(descriptor)
    os.close(descriptor)


def _lock(path: Path) -> int:
    """Hold a lock file for this run: a descriptor whose closing, or this process's end, gives it free again.

    It lies beside the results file, which other programs may open at any time. Raises BlockingIOError if another run
    holds it. (Where the file system knows no locks, there are none.)
    """
    while True:
        descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_NOFOLLOW, 0o644)
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            os.close(descriptor)
            raise BlockingIOError("another run is writing it") from None
        except OSError:
            pass
        if path.exists() and os.path.samestat(os.fstat(descriptor), os.stat(path)):
            return descriptor
        os.close(descriptor)  # its holder has just removed it


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
