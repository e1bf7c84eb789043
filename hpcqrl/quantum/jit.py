"""`jit`: Numba compilation whose result is kept on disk, apart for each version of the kernels' sources.

Numba looks for a change only in the file of the function itself, not in those of the functions that it calls; a folder
named by the hash of all of them makes a stale kernel impossible, and works where the package is installed read-only.
"""

import hashlib
import os
import stat
import tempfile
from functools import partial
from pathlib import Path
from typing import Any

import numba


def _cache_folder() -> Path:
    sources = sorted(Path(__file__).parent.glob("*.py"))
    version = hashlib.sha256(b"".join(source.read_bytes() for source in sources)).hexdigest()[:16]
    home = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache")
    folder = home / "hpcqrl" / f"kernels-{version}"
    try:
        folder.mkdir(parents=True, exist_ok=True)
        if os.access(folder, os.W_OK):
            return folder
    except OSError:
        pass
    return _own(Path(tempfile.gettempdir()) / f"hpcqrl-{os.getuid()}") / f"kernels-{version}"


def _own(folder: Path) -> Path:
    """The folder, if it is this user's alone, else a new one: kernels that others could put there would run here."""
    folder.mkdir(mode=0o700, exist_ok=True)
    facts = folder.lstat()
    if stat.S_ISDIR(facts.st_mode) and facts.st_uid == os.getuid() and not facts.st_mode & 0o022:
        return folder
    return Path(tempfile.mkdtemp(prefix="hpcqrl-"))


_settings: Any = numba.config
if not _settings.CACHE_DIR:  # NUMBA_CACHE_DIR, where the user set it
    _settings.CACHE_DIR = str(_cache_folder())

jit: Any = partial(numba.njit, cache=True)
inlined: Any = partial(numba.njit, cache=True, forceinline=True)  # passing five arrays costs more than small work does


def cached() -> bool:
    """Whether kernels have been compiled and kept before."""
    return any(Path(_settings.CACHE_DIR).glob("**/*.nbc"))
