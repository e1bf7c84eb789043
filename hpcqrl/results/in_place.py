"""A results file as it is written: rows and checkpoints go where HDF5 left room for them, by plain writes.

HDF5 lays the file out once, in memory, and writes nothing but what describes it: rows, and the bytes of checkpoints,
take no memory and no time there, and a disk that is full is an OSError like any other. A table (`/episodes`,
`/evaluations`) is one chunk with room for more rows than it has; adding writes the rows, then the table's length in its
header, then their number and checksum. /checkpoint has two halves: a new one is written to the half that is not in use,
forced to disk, and then named, in one write, in /checksums. So whatever moment the process is killed at, what is named
is whole.
"""

import os
import struct
import zlib
from collections.abc import Iterable, Iterator, Mapping
from contextlib import suppress
from typing import Any, NamedTuple

import h5py
import numpy as np

from hpcqrl.results import checksums
from hpcqrl.results.circuit import write_circuit
from hpcqrl.results.schema import ABOUT_TABLE, ATTRIBUTES, Column, row_dtype

_UNLIMITED = 2**64 - 1  # as HDF5 writes it
_COPIED = 1 << 22  # bytes at once


class _Table(NamedTuple):
    """Where it lies in the file, in bytes: its rows, its length, its record in /checksums."""

    dtype: np.dtype
    room: int  # rows
    rows: int
    length: int
    record: int


class InPlace:
    """An open file, made in an empty one with these attributes, tables, and room for two checkpoints of so many bytes.

    tables: the columns of each, and the rows that it has room for. written: of each table the number of rows and their
    checksum. Raises OSError if the disk does not take it.
    """

    def __init__(
        self,
        descriptor: int,
        attributes: Mapping[str, Any],
        tables: Mapping[str, tuple[tuple[Column, ...], int]],
        capacity: int = 0,
        circuit: str | None = None,
        parameters: Mapping[str, np.ndarray] | None = None,
    ) -> None:
        self._descriptor, self.capacity = descriptor, capacity
        self.written = dict.fromkeys(tables, (0, 0))
        self.record = np.zeros((), checksums.CHECKPOINT)  # of no bytes: there is none
        with open(os.memfd_create("hpcqrl"), "w+b", buffering=0) as memory:
            # The oldest format: its headers have no checksums, and root and records do not move. No record crosses
            # the border of a page.
            made = h5py.File(memory, "w", libver=("earliest", "latest"), alignment_threshold=1, alignment_interval=64)
            with made as file:
                _describe(file, attributes, circuit, parameters or {})
                self._tables = {
                    # A room of its own, by which its length is found in what HDF5 has written.
                    name: _add_table(file, name, columns, room + number)
                    for number, (name, (columns, room)) in enumerate(tables.items())
                }
                if capacity:
                    self._add_checkpoint(file, capacity)
            written = _what_is_written(memory.fileno())
            os.ftruncate(descriptor, os.fstat(memory.fileno()).st_size)
        for place, data in written.items():
            _write(descriptor, data, place)
        for name, table in self._tables.items():
            self._tables[name] = table._replace(length=_length(written, table.room))
            _write(descriptor, struct.pack("<Q", 0), self._tables[name].length)

    def append(self, table: str, rows: np.ndarray) -> None:
        """Add rows. Raises OSError if they do not fit in the table's room, or on the disk."""
        place, (count, checksum) = self._tables[table], self.written[table]
        assert rows.dtype == place.dtype, "rows of other columns"
        if count + rows.size > place.room:
            raise OSError(f"{table} can have no more than {place.room:,} rows")
        data = checksums.as_bytes(rows)
        _write(self._descriptor, data, place.rows + count * place.dtype.itemsize)
        count, checksum = count + rows.size, zlib.crc32(data, checksum)
        _write(self._descriptor, struct.pack("<Q", count), place.length)
        _write(self._descriptor, struct.pack("<qI", count, checksum), place.record)
        self.written[table] = count, checksum

    def room(self, table: str) -> int:
        """Rows that a table may have in all."""
        return self._tables[table].room

    def rows(self, table: str) -> np.ndarray:
        """All rows of a table."""
        rows = np.empty(self.written[table][0], self._tables[table].dtype)
        self._read_rows(table, rows, 0)
        return rows

    def pieces(self, table: str) -> Iterator[np.ndarray]:
        """The rows of a table, some at a time."""
        count = self.written[table][0]
        for start in range(0, count, checksums.PIECE):
            rows = np.empty(min(checksums.PIECE, count - start), self._tables[table].dtype)
            self._read_rows(table, rows, start)
            yield rows

    def _read_rows(self, table: str, into: np.ndarray, start: int) -> None:
        place = self._tables[table]
        _read(self._descriptor, checksums.as_bytes(into), place.rows + start * place.dtype.itemsize)

    def keep(self, parts: Iterable[Any], time: float, interrupted: bool) -> None:
        """Put a checkpoint, of bytes that fit in its room, in the place of the last one; it is on disk afterwards."""
        half, size, checksum = 1 - int(self.record["half"]), 0, 0
        for part in parts:
            assert size + len(part) <= self.capacity
            _write(self._descriptor, part, self._halves + half * self.capacity + size)
            size, checksum = size + len(part), zlib.crc32(part, checksum)
        self.force_to_disk()
        record = checksums.of_checkpoint(half, size, time, interrupted, checksum)
        _write(self._descriptor, record.tobytes(), self._record)
        self.force_to_disk()
        self.record = record

    def kept(self) -> Iterator[bytearray]:
        """The bytes of the checkpoint, in parts."""
        start, end = self._halves + int(self.record["half"]) * self.capacity, int(self.record["bytes"])
        for place in range(0, end, _COPIED):
            data = bytearray(min(_COPIED, end - place))
            _read(self._descriptor, memoryview(data), start + place)
            yield data

    def force_to_disk(self) -> None:
        """All that was written outlasts a power cut, too."""
        os.fdatasync(self._descriptor)

    def close(self) -> None:
        """Close the file."""
        os.close(self._descriptor)

    def _add_checkpoint(self, file: h5py.File, capacity: int) -> None:
        bytes_ = _reserved(file, "checkpoint", (2, capacity), np.dtype(np.uint8))
        bytes_.attrs["about"] = "state to resume from: a line of JSON that says what follows, then plain arrays"
        record = file["checksums"].create_dataset("checkpoint", data=self.record)
        record.attrs["about"] = (
            "which half of /checkpoint is in use, and how far; when it was made, in seconds since 1970"
        )
        self._halves, self._record = bytes_.id.get_offset(), record.id.get_offset()


def _describe(
    file: h5py.File, attributes: Mapping[str, Any], circuit: str | None, parameters: Mapping[str, np.ndarray]
) -> None:
    for name, value in attributes.items():
        file.attrs[name] = value
        file.attrs[f"about:{name}"] = ATTRIBUTES[name]
    for name, value in parameters.items():
        dataset = file.create_dataset(f"parameters/{name}", data=value)
        dataset.attrs["about"] = "final parameters theta; circuit angles in radians, others dimensionless"
    group = file.create_group("checksums")
    if circuit is not None:
        write_circuit(file, circuit)
        group["circuit"] = np.uint32(zlib.crc32(circuit.encode()))
    group.attrs["about"] = "CRC-32 of each part; rows beyond the number here are not yet written"
    group.attrs["attributes"] = checksums.of_attributes(dict(file.attrs))
    group.attrs["parameters"] = checksums.of_arrays({name: np.asarray(value) for name, value in parameters.items()})


def _add_table(file: h5py.File, name: str, columns: tuple[Column, ...], room: int) -> _Table:
    dtype = row_dtype(columns)
    dataset = _reserved(file, name, (room,), dtype, chunks=(room,), maxshape=(None,))
    dataset.attrs["about"] = ABOUT_TABLE[name]
    for column in columns:
        dataset.attrs[f"about:{column.name}"] = f"{column.meaning} [{column.unit}]"
    record = file["checksums"].create_dataset(name, data=np.zeros((), checksums.ROWS))
    return _Table(dtype, room, dataset.id.get_chunk_info(0).byte_offset, 0, record.id.get_offset())


def _reserved(file: h5py.File, name: str, shape: tuple[int, ...], dtype: np.dtype, **options: Any) -> h5py.Dataset:
    """A dataset that has its place in the file, where nothing is written."""
    properties = h5py.h5p.create(h5py.h5p.DATASET_CREATE)
    properties.set_alloc_time(h5py.h5d.ALLOC_TIME_EARLY)
    return file.create_dataset(name, shape, dtype, dcpl=properties, fill_time="never", **options)


def _what_is_written(file: int) -> dict[int, bytes]:
    """A file but for its holes: what lies at which place."""
    written, start, size = {}, 0, os.fstat(file).st_size
    with suppress(OSError):  # there is nothing beyond
        while start < size:
            start = os.lseek(file, start, os.SEEK_DATA)
            end = os.lseek(file, start, os.SEEK_HOLE)
            written[start] = os.pread(file, end - start, start)
            start = end
    return written


def _length(written: Mapping[int, bytes], room: int) -> int:
    """Where a table's length is written: in the message of its header that describes an extendible line."""
    message = struct.pack("<BBB5xQQ", 1, 1, 1, room, _UNLIMITED)
    found = [place + data.index(message) for place, data in written.items() if message in data]
    assert len(found) == 1, "HDF5 has written it otherwise"
    return found[0] + 8


def _write(descriptor: int, data: Any, place: int) -> None:
    left = memoryview(data)
    while left.nbytes:
        done = os.pwrite(descriptor, left, place)
        left, place = left[done:], place + done


def _read(descriptor: int, into: memoryview, place: int) -> None:
    while into.nbytes:
        done = os.preadv(descriptor, [into], place)
        if not done:
            raise OSError("the file was cut short")
        into, place = into[done:], place + done
