"""Whatever would end a rank's process while a run goes on is an error: a launcher takes status 0 for a good end."""

import ctypes
import os
from collections.abc import Iterator
from contextlib import contextmanager
from typing import NoReturn


class _Timer(ctypes.Structure):
    """struct itimerval: two pairs of seconds and microseconds, to be repeated and at first."""

    _fields_ = [(name, ctypes.c_long) for name in ("again_s", "again_us", "first_s", "first_us")]


_alarm = _Timer()
_known = False


@contextmanager
def no_exits() -> Iterator[None]:
    """A block in which os._exit raises SystemExit, and exit() of C, as Fortran's STOP calls it, ends by a signal."""
    global _known
    leave, pid = os._exit, os.getpid()

    def exit_is_an_error(status: int) -> NoReturn:
        if os.getpid() != pid:  # processes forked from here end as they like
            leave(status)
        raise SystemExit(f"os._exit({status}) was called while the run went on")

    if not _known:
        _known = True
        _at_exit_set_alarm()
    os._exit, _alarm.first_us = exit_is_an_error, 1
    try:
        yield
    finally:
        os._exit, _alarm.first_us = leave, 0


def _at_exit_set_alarm() -> None:
    """Have exit(0) of C set `_alarm`, which kills the process if it is not zero then.

    What runs there must be of C alone: Python may be gone. on_exit hands a function the status, and setitimer takes 0
    for the timer of real time; with another status it does nothing, and nothing is needed.
    """
    c = ctypes.CDLL(None)
    if hasattr(c, "on_exit") and hasattr(c, "setitimer"):  # else no such C library: exit(0) stays a good end
        c.on_exit(c.setitimer, ctypes.byref(_alarm))
        ctypes.pythonapi.Py_IncRef(ctypes.py_object(_alarm))  # for good
