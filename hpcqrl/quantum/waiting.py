"""While a process waits for a QPU: what else it may do then. Nothing, unless a run says so."""

from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager, nullcontext

_away: AbstractContextManager[None] = nullcontext()


def away() -> AbstractContextManager[None]:
    """What is entered for as long as a QPU is waited for."""
    return _away


@contextmanager
def with_away(context: AbstractContextManager[None]) -> Iterator[None]:
    """A block in which every wait for a QPU enters this."""
    global _away
    before, _away = _away, context
    try:
        yield
    finally:
        _away = before
