"""`jit`: Numba compilation whose result is kept on disk, apart for each version of the kernels' sources.

Numba looks for a change only in the file of the function itself, not in those of the functions that it calls; a folder
named by the hash of all of them makes a stale kernel impossible, and works where the package is installed read-only.
"""

import hashlib
import os
import platform
import stat
import tempfile
from collections.abc import Callable
from contextlib import suppress
from functools import cache
from pathlib import Path
from typing import Any

import numba

from hpcqrl.lines import warn


def _cache_folder() -> Path:
    sources = sorted(Path(__file__).parent.glob("*.py"))
    version = hashlib.sha256(b"".join(source.read_bytes() for source in sources)).hexdigest()[:16]
    home = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache")
    folder = home / "hpcqrl" / f"kernels-{version}"
    try:
        folder.mkdir(parents=True, exist_ok=True)
        if os.access(folder, os.W_OK) and _is_own(folder):
            return folder
    except OSError:
        pass
    return _own(Path(tempfile.gettempdir()) / f"hpcqrl-{os.getuid()}") / f"kernels-{version}"


def _own(folder: Path) -> Path:
    """The folder, if it is this user's alone, else a new one: kernels that others could put there would run here."""
    folder.mkdir(mode=0o700, exist_ok=True)
    return folder if _is_own(folder) else Path(tempfile.mkdtemp(prefix="hpcqrl-"))


def _is_own(folder: Path) -> bool:
    """Whether it is a folder that nobody but this user can write to."""
    facts = folder.lstat()
    return stat.S_ISDIR(facts.st_mode) and facts.st_uid == os.getuid() and not facts.st_mode & 0o022


@cache
def _say_once() -> None:
    """That kernels are about to be compiled: whoever waits for them shall know for what."""
    warn(f"compiling circuit kernels on {platform.node()}, once for this machine")


class _Forgiving:
    """Numba's cache of one function, whose damage or lack of room costs no more than compiling again."""

    def __init__(self, cache: Any) -> None:
        self._cache = cache

    def load_overload(self, signature: Any, target: Any) -> Any:
        try:
            found = self._cache.load_overload(signature, target)
        except Exception:  # whatever half a file makes of its reader
            with suppress(OSError):
                self._cache.flush()
            found = None
        if found is None:
            _say_once()
        return found

    def save_overload(self, signature: Any, data: Any) -> None:
        with suppress(Exception):  # no room, or nothing that can be kept
            self._cache.save_overload(signature, data)

    def __getattr__(self, name: str) -> Any:
        return getattr(self._cache, name)


_settings: Any = numba.config
if not _settings.CACHE_DIR:  # NUMBA_CACHE_DIR, where the user set it
    _settings.CACHE_DIR = str(_cache_folder())


def jit(function: Callable[..., Any], **options: Any) -> Any:
    """Compile a function, or take it from the cache."""
    return forgiving(numba.njit(function, cache=True, **options))


def forgiving(compiled: Any) -> Any:
    """The same function, which is compiled again where what is kept of it is damaged, or cannot be kept."""
    compiled._cache = _Forgiving(compiled._cache)
    return compiled


def inlined(function: Callable[..., Any]) -> Any:
    """The same, put in the place of every call: passing five arrays costs more than small work does."""
    return jit(function, forceinline=True)


def cached() -> bool:
    """Whether kernels have been compiled and kept before."""
    return any(Path(_settings.CACHE_DIR).glob("**/*.nbc"))
