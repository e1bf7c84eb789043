"""The writer of a results file: whatever moment the process is killed at, the file on disk opens and is whole.

A file is made under another name and renamed, so it appears complete. Rows and checkpoints are then written where it
has room for them (`in_place.py`). When the room is used up, a new file with twice as much takes over; rows go from file
to file in pieces, so that memory does not grow with them, and a checkpoint takes the same time however many there are.
"""

import glob
import os
import tempfile
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np

from hpcqrl.results import checksums, facts, parts
from hpcqrl.results.checkpoint import Checkpoint, packed_checkpoint
from hpcqrl.results.disk import force_names_to_disk, mode_for, writing
from hpcqrl.results.in_place import InPlace
from hpcqrl.results.lock import hold, release
from hpcqrl.results.plain import ERRORS, open_plain
from hpcqrl.results.replaced import Replaced
from hpcqrl.results.schema import EVALUATION, Column, row_dtype, with_columns
from hpcqrl.results.tables import ordering

_FIRST_ROOM = 4096  # rows
_MOST_ROOM = 2**32 - 2**20  # bytes of a table: HDF5's limit for a chunk, and a little


class Recorder:
    """Writes one run's file. attributes: the root attributes but `complete`; units and meanings come from the schema.

    circuit: its text, to be kept as it is. saved: carry on with the file that is there, from this checkpoint of it; the
    rows that came after it are dropped. tested: columns of a test's record beyond those of all systems.
    Raises FileExistsError if the file exists, unless overwrite or saved; OSError if it cannot be written, or another
    run is writing it; ValueError if it has rows of columns that this run does not.
    """

    def __init__(
        self,
        path: str | Path,
        attributes: Mapping[str, Any],
        columns: tuple[Column, ...],
        overwrite: bool = False,
        saved: Checkpoint | None = None,
        circuit: str | None = None,
        tested: tuple[Column, ...] = (),
    ) -> None:
        self.path, self._circuit = Path(path).resolve(), circuit  # also after a chdir; a link stays a link
        self._attributes = dict(attributes)
        self._columns = {"episodes": columns, "evaluations": EVALUATION + tested}
        self._file: InPlace | None = None
        self._finished = False
        self._checkpointed = saved is not None and "checkpointed" in saved.attributes
        if self.path.exists() and not (overwrite or saved):
            raise FileExistsError(f"{self.path} exists; choose another --out, or pass --overwrite{self._may_go_on()}")
        with writing(self.path):
            self.path.parent.mkdir(parents=True, exist_ok=True)
            self._lock = hold(self.path)
        self._replaced = Replaced(self.path)
        try:
            for left in self.path.parent.glob(f".{glob.escape(self.path.name)}.*.partial"):
                left.unlink()  # of a run that was killed while it wrote; none goes on: the lock is ours
            self._beside = parts.all_beside(self.path)  # what is not of this run's checkpoints goes with the first
            if saved is not None:
                self._check_unchanged(saved)
            if self.path.exists() and not self._checkpointed:
                self._replaced.set_aside()
            if saved is not None and self._checkpointed:
                self._go_on(saved)
            else:
                with self._new_file(dict.fromkeys(self._columns, _FIRST_ROOM)):
                    pass
        except BaseException:
            self.close()
            self._replaced.put_back()
            release(self.path, self._lock)
            raise

    def _may_go_on(self) -> str:
        try:
            with open_plain(self.path) as file:
                there = "checkpointed" in facts.read(file)[0]
        except ERRORS:
            return ""  # no results file
        return f"; `hpcqrl resume {self.path}` goes on with it" if there else ""

    def _check_unchanged(self, saved: Checkpoint) -> None:
        """OSError if another run has written the file since its checkpoint was read: the lock came after that."""
        with open_plain(self.path, proven=True) as file:
            now, _ = facts.read(file)
        if now["complete"] or now.get("checkpointed") != saved.attributes.get("checkpointed"):
            raise OSError(f"another run has gone on with {self.path} meanwhile")

    def append(self, new: np.ndarray, table: str = "episodes") -> None:
        """Add rows to a table; when this returns, they outlast this process, though perhaps not yet a power cut."""
        if not new.size:
            return
        old = self._file
        assert old is not None
        end = old.written[table][0] + new.size
        if end > old.room(table):
            with self._new_file(self._rooms() | {table: 2 * end}, old.capacity) as file:
                _copy_rows(old, file)
                if self._checkpointed:
                    file.keep(old.kept(), float(old.record["time"]), False)
        assert self._file is not None
        with writing(self.path):
            self._file.append(table, new)
        self._replaced.let_go()

    def checkpoint(
        self, elapsed: float, common: Mapping[str, Any], agents: Sequence[Mapping[str, Any]], last: bool = False
    ) -> None:
        """Put a checkpoint, as of now, in the place of the last one; it is on disk when this returns.

        last: the run was told to end, and does so.
        """
        old = self._file
        assert old is not None
        beside = parts.named(self.path, agents)
        if beside:
            force_names_to_disk(self.path.parent)
        data = packed_checkpoint(old.written, elapsed, common, agents)
        if (size := sum(map(len, data))) > old.capacity:
            with self._new_file(self._rooms(), _roomy(size)) as file:
                _copy_rows(old, file)
                file.keep(data, time.time(), last)
        else:
            with writing(self.path):
                old.keep(data, time.time(), last)
        self._checkpointed = True
        self._keep_beside(beside)
        self._replaced.let_go()

    def leave_out(self, state: Mapping[str, Any]) -> None:
        """An agent's state comes too late for the checkpoint: what lies beside the file of it is of no use."""
        for part in parts.named(self.path, [state]):
            part.unlink(missing_ok=True)

    def finish(self, parameters: Mapping[str, np.ndarray]) -> None:
        """Write the complete file: all rows in their order, and the final parameters; no checkpoint any more."""
        old = self._file
        assert old is not None
        rooms = {name: max(rows, 1) for name, (rows, _) in old.written.items() if rows or name == "episodes"}
        with self._new_file(rooms, complete=True, parameters=parameters) as file:
            for name in rooms:
                rows = old.rows(name)
                order = ordering(rows, name)
                for start in range(0, rows.size, checksums.PIECE):
                    file.append(name, rows[order[start : start + checksums.PIECE]])
        self._finished = True
        self._keep_beside(set())
        self._replaced.let_go()

    def close(self) -> None:
        """Close the file."""
        if self._file is not None:
            self._file.close()
            self._file = None

    def __enter__(self) -> "Recorder":
        return self

    def __exit__(self, error: object, *_: object) -> None:
        """Keep what there is; a run that failed before its first episode leaves no file."""
        empty = self._file is not None and not any(rows for rows, _ in self._file.written.values())
        self.close()
        if not self._finished and error is not None and empty and not self._checkpointed:
            self.path.unlink(missing_ok=True)
            self._replaced.put_back()
        release(self.path, self._lock)

    def _keep_beside(self, beside: set[Path]) -> None:
        """Only these parts of states belong to the file as it is now."""
        for part in self._beside - beside:
            part.unlink(missing_ok=True)
        self._beside = beside

    def _go_on(self, saved: Checkpoint) -> None:
        """Have the same file again, in today's format, with these rows of it alone."""
        size = sum(map(len, packed_checkpoint({}, saved.elapsed, saved.common, saved.agents)))
        rooms = {name: max(_FIRST_ROOM, 2 * saved.rows.get(name, 0)) for name in self._columns}
        with open_plain(self.path, proven=True) as old, self._new_file(rooms, _roomy(size)) as file:
            for name, number in saved.rows.items():
                known = {column.name for column in self._columns[name]}
                if set(old[name].dtype.names) - known:
                    raise ValueError(f"{self.path} has {name} of other columns: {', '.join(old[name].dtype.names)}")
                for rows in checksums.pieces(old[name], number):
                    file.append(name, with_columns(rows, self._columns[name]))
            data = packed_checkpoint(file.written, saved.elapsed, saved.common, saved.agents)
            file.keep(data, float(saved.attributes["checkpointed"]), False)

    def _rooms(self) -> dict[str, int]:
        assert self._file is not None
        return {name: self._file.room(name) for name in self._file.written}

    @contextmanager
    def _new_file(
        self,
        rooms: Mapping[str, int],
        capacity: int = 0,
        complete: bool = False,
        parameters: Mapping[str, np.ndarray] | None = None,
    ) -> Iterator[InPlace]:
        """A file beside this one's place, to be filled; it is then forced to disk, and moved there.

        rooms: of each table that it has, the rows that it has room for; capacity: bytes of a checkpoint.
        """
        tables = {
            name: (self._columns[name], min(room, _MOST_ROOM // row_dtype(self._columns[name]).itemsize))
            for name, room in rooms.items()
        }
        attributes = self._attributes | {"complete": complete}
        partial, file = None, None
        with writing(self.path):
            try:
                # A name that nobody can have put a link at.
                descriptor, name = tempfile.mkstemp(".partial", f".{self.path.name}.", self.path.parent)
                partial = Path(name)
                file = InPlace(descriptor, attributes, tables, capacity, self._circuit, parameters)
                yield file
                os.fchmod(descriptor, mode_for(self.path))
                file.force_to_disk()
                os.replace(partial, self.path)
                force_names_to_disk(self.path.parent)
            except BaseException:
                if partial is not None:
                    os.close(descriptor)
                    partial.unlink(missing_ok=True)
                raise
            self.close()
            self._file = file


def _copy_rows(old: InPlace, new: InPlace) -> None:
    """OSError if they are not what was written: damage must not get a good checksum."""
    for name in old.written:
        for rows in old.pieces(name):
            new.append(name, rows)
    if new.written != old.written:
        raise OSError("its rows were damaged since they were written")


def _roomy(size: int) -> int:
    """Bytes set aside for a checkpoint of this size, so that one that has grown a little fits, too."""
    return size + size // 4 + 4096
