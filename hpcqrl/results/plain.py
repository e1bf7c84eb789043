"""Open a results file, if all that it holds lies in it: a file may come from anybody, and lead anywhere."""

import os
import stat
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import h5py


@contextmanager
def open_plain(path: str | Path) -> Iterator[h5py.File]:
    """The file, to be read. Raises ValueError, before anything is read, for one that is no plain file, and for links,
    virtual datasets and data outside of it; OSError as h5py does.
    """
    if not stat.S_ISREG(os.stat(path).st_mode):
        raise ValueError("it is no file")
    with h5py.File(path, "r", locking=False) as file:
        _check(file, "")
        yield file


def _check(group: h5py.Group, place: str) -> None:
    for name in group:
        link = group.get(name, getlink=True)
        if not isinstance(link, h5py.HardLink):
            raise ValueError(f"its {place}/{name} is a link to somewhere else")
        item = group[name]
        if isinstance(item, h5py.Group):
            if place.count("/") > 8:
                raise ValueError("its groups are nested without end")
            _check(item, f"{place}/{name}")
        elif not isinstance(item, h5py.Dataset) or item.is_virtual or item.external:
            raise ValueError(f"its {place}/{name} has its data somewhere else")
