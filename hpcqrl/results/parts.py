"""What is large of the agents' states lies beside the results file: each rank writes its own, and rank 0 names it.

Replay memories would otherwise pass through rank 0 at every checkpoint, which had to hold those of all. A part is
written under a name that no other has, and forced to disk; the checkpoint in the file says which parts belong to it,
and only when that is on disk are those of the one before removed. So whatever moment a process is killed at, the
checkpoint that is named has all its parts.
"""

import os
import stat
import time
import zlib
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from hpcqrl.results.disk import writing
from hpcqrl.results.packed import State, pack, unpack

LARGE = 1 << 20  # bytes; arrays of as many lie in a part
BESIDE = "beside"  # in a state: the part that belongs to it, as rank, time, bytes, CRC-32


def put(path: Path, rank: int, state: Mapping[str, Any]) -> State:
    """Write what is large of a state beside the results file; the rest of it, with where that lies.

    Raises OSError if the disk does not take it.
    """
    small = {name: np.asarray(value) for name, value in state.items()}
    large = {name: small.pop(name) for name in list(small) if small[name].nbytes >= LARGE}
    if not large:
        return small
    made, size, checksum = time.time_ns(), 0, 0
    name = _part(path, rank, made)
    try:
        with (
            writing(name),
            open(os.open(name, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o666), "wb", buffering=0) as file,
        ):
            for data in pack({}, large, []):
                left = memoryview(data)
                while left.nbytes:
                    left = left[file.write(left) :]
                size, checksum = size + len(data), zlib.crc32(data, checksum)
            os.fdatasync(file.fileno())
    except OSError:
        name.unlink(missing_ok=True)
        raise
    return small | {BESIDE: np.array([rank, made, size, checksum], np.int64)}


def whole(path: Path, state: State) -> State:
    """A state with what lies beside the file. Raises OSError, naming the part, where it is missing or damaged."""
    if BESIDE not in state:
        return state
    name, size, checksum = _named(path, state)
    problem = f"{path} cannot be resumed: {name.name}, beside it, which holds a part of its checkpoint,"
    try:
        with open(os.open(name, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK), "rb", buffering=0) as file:
            facts = os.fstat(file.fileno())
            if not stat.S_ISREG(facts.st_mode) or facts.st_size != size:
                raise OSError(f"{problem} is not as it was written")
            data = np.empty(size, np.uint8)
            place = 0
            while place < size and (read := file.readinto(data[place:].data)):
                place += read
    except FileNotFoundError:
        raise OSError(f"{problem} is missing") from None
    if place < size or zlib.crc32(data.data) != checksum:
        raise OSError(f"{problem} is damaged")
    _, large, _ = unpack(data)
    return {key: value for key, value in state.items() if key != BESIDE} | large


def named(path: Path, states: Iterable[Mapping[str, NDArray]]) -> set[Path]:
    """The parts that belong to these states. Raises OSError if one is not to be seen from here as it was written."""
    found = set()
    for state in states:
        if BESIDE in state:
            name, size, _ = _named(path, state)
            if not name.is_file() or name.stat().st_size != size:
                raise OSError(f"{name} is not there: it was written where this rank does not see it")
            found.add(name)
    return found


def all_beside(path: Path) -> set[Path]:
    """All parts that lie beside a results file, whatever they belong to."""
    begin = f"{path.name}.rank"
    return {found for found in path.parent.iterdir() if found.name.startswith(begin) and found.suffix == ".part"}


def _part(path: Path, rank: int, made: int) -> Path:
    return path.with_name(f"{path.name}.rank{rank}-{made:x}.part")


def _named(path: Path, state: Mapping[str, NDArray]) -> tuple[Path, int, int]:
    value = np.asarray(state[BESIDE])
    if value.shape != (4,) or value.dtype != np.int64 or (value < 0).any():
        raise ValueError("its checkpoint does not say which part belongs to it")
    rank, made, size, checksum = value.tolist()
    return _part(path, rank, made), size, checksum
