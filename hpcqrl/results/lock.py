"""The lock of a results file: a file beside it, which only one run at a time can hold."""

import fcntl
import os
from pathlib import Path


def lock_of(path: Path) -> Path:
    """The file that is there while a run writes this results file."""
    return path.with_name(f".{path.name}.lock")


def hold(path: Path) -> int:
    """Hold the lock of a results file: a descriptor whose closing, or this process's end, gives it free again.

    It is not the file itself, which other programs may open at any time. Raises BlockingIOError if another run holds
    it. (Where the file system knows no locks, there are none.)
    """
    lock = lock_of(path)
    while True:
        descriptor = os.open(lock, os.O_RDWR | os.O_CREAT | os.O_NOFOLLOW, 0o644)
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            os.close(descriptor)
            raise BlockingIOError("another run is writing it") from None
        except OSError:
            pass
        if lock.exists() and os.path.samestat(os.fstat(descriptor), os.stat(lock)):
            return descriptor
        os.close(descriptor)  # its holder has just removed it


def release(path: Path, descriptor: int) -> None:
    """Give free the lock of a results file, which this run holds; nothing of it stays."""
    lock_of(path).unlink(missing_ok=True)
    os.close(descriptor)
