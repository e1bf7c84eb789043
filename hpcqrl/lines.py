"""Lines that any rank may print: each is written in one piece, so that no other rank's ends up within it."""

import os
import sys
from contextlib import suppress
from typing import TextIO


def say(text: str) -> None:
    """Print a line at once. Where nobody reads any more, or the log's disk is full, the run goes on without."""
    try:
        _write(text, sys.stdout)
    except OSError:
        sys.stdout = open(os.devnull, "w")  # noqa: SIM115  (for good)


def warn(text: str) -> None:
    """The same, where errors are read."""
    with suppress(OSError):
        _write(text, sys.stderr)


def _write(text: str, stream: TextIO) -> None:
    stream.write(f"{text}\n")  # print would write text and line end by themselves where output is not buffered
    stream.flush()
