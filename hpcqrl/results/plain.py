"""Open a results file, if all that it holds lies in it: a file may come from anybody, and lead anywhere."""

import os
import stat
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import h5py

from hpcqrl.results.proof import prove

# What h5py raises of files that are damaged, or hold something else than is asked for; MemoryError: more than there is.
ERRORS = (OSError, LookupError, RuntimeError, TypeError, ValueError, AttributeError, OverflowError, MemoryError)
_DEFLATED = 1100  # at most so many bytes of a byte, if somebody has compressed it


@contextmanager
def open_plain(path: str | Path, proven: bool = False) -> Iterator[h5py.File]:
    """The file, to be read. Raises ValueError, before anything is read, for one that is no plain file, and for links,
    virtual datasets, data outside of it, and more data than it can hold; OSError as h5py does.

    proven: whether it is known that HDF5 comes to an end with it, as with what this process has just written.
    """
    if not stat.S_ISREG(os.stat(path).st_mode):
        raise ValueError("it is no file")
    if not proven:
        prove(path)
    with h5py.File(path, "r", locking=False) as file:
        _check(file, "", os.stat(path).st_size)
        yield file


def _check(group: h5py.Group, place: str, size: int) -> None:
    for name in group:
        link = group.get(name, getlink=True)
        if not isinstance(link, h5py.HardLink):
            raise ValueError(f"its {place}/{name!a} is a link to somewhere else")
        item = group[name]
        if isinstance(item, h5py.Group):
            if place.count("/") > 8:
                raise ValueError("its groups are nested without end")
            _check(item, f"{place}/{name}", size)
        elif not isinstance(item, h5py.Dataset) or item.is_virtual or item.external:
            raise ValueError(f"its {place}/{name!a} has its data somewhere else")
        elif item.dtype.hasobject or item.nbytes > size * (_DEFLATED if item.compression else 1):
            raise ValueError(f"its {place}/{name!a} is not of plain numbers that it can hold")
