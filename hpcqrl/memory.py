"""Memory that a configuration asks for, and may not get."""

from collections.abc import Iterator
from contextlib import contextmanager


@contextmanager
def as_large_as_memory() -> Iterator[None]:
    """A block that sets memory aside for what a configuration asks: ValueError if it is far too much."""
    try:
        yield
    except (MemoryError, OverflowError, ValueError, RuntimeError) as error:
        words = "allocate", "Maximum allowed dimension", "array is too big"  # NumPy's and torch's
        if not isinstance(error, MemoryError | OverflowError) and not any(word in str(error) for word in words):
            raise
        reason = str(error).splitlines()[0]
        raise ValueError(f"this configuration asks for more memory than there is: {reason}") from error
