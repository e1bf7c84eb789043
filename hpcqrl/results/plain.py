"""Open a results file, if all that it holds lies in it: a file may come from anybody, and lead anywhere."""

import os
import stat
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import h5py
import numpy as np

from hpcqrl.results import checksums
from hpcqrl.results.proof import prove

# What h5py raises of files that are damaged, or hold something else than is asked for; MemoryError: more than there is.
ERRORS = (OSError, LookupError, RuntimeError, TypeError, ValueError, AttributeError, OverflowError, MemoryError)
_DEFLATED = 1100  # at most so many bytes of a byte, if somebody has compressed it


def in_a_line(error: BaseException) -> str:
    """What an error says, without whatever the names in a file might do to a terminal."""
    text = str(error) or type(error).__name__
    return "".join(letter if letter.isprintable() else "?" for letter in text)


class PlainFile(h5py.File):
    """An open file. written: what /checksums said of each table before the table was looked at: a run may add rows."""

    written: dict[str, np.ndarray]


@contextmanager
def open_plain(path: str | Path, proven: bool = False) -> Iterator[PlainFile]:
    """The file, to be read. Raises ValueError, before anything is read, for one that is no plain file, and for links,
    virtual datasets, data outside of it, and more data than it can hold; OSError as h5py does.

    proven: whether it is known that HDF5 comes to an end with it, as with what this process has just written.
    """
    if not stat.S_ISREG(os.stat(path).st_mode):
        raise ValueError("it is no file")
    if not proven:
        prove(path)
    with PlainFile(path, "r", locking=False) as file:
        if "checksums" in list(file):  # asked of the file itself, it would follow a link
            _check_item(file, "checksums", "", os.stat(path).st_size)
            if not isinstance(file["checksums"], h5py.Group):
                raise ValueError("its checksums are no group")
        file.written = checksums.written_rows(file)
        _check(file, "", os.stat(path).st_size)
        yield file


def _check(group: h5py.Group, place: str, size: int) -> None:
    if place.count("/") > 8:
        raise ValueError("its groups are nested without end")
    for name in group:
        _check_item(group, name, place, size)


def _check_item(group: h5py.Group, name: str, place: str, size: int) -> None:
    link = group.get(name, getlink=True)
    if not isinstance(link, h5py.HardLink):
        raise ValueError(f"its {place}/{name} is a link to somewhere else")
    item = group[name]
    if isinstance(item, h5py.Group):
        _check(item, f"{place}/{name}", size)
    elif not isinstance(item, h5py.Dataset) or item.is_virtual or item.external:
        raise ValueError(f"its {place}/{name} has its data somewhere else")
    elif item.shape is None or item.dtype.hasobject or item.nbytes > size * (_DEFLATED if item.compression else 1):
        raise ValueError(f"its {place}/{name} is not of plain numbers that it can hold")
