"""Arrays on a GPU, kept to be used again: to allocate one takes longer there than small work does."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import numpy as np
from numba import cuda
from numpy.typing import NDArray

from hpcqrl.quantum.card import GIB, GpuMemoryError, card, free_memory

_SHAPES = 512  # of which arrays are kept, at most


class Rooms:
    """Arrays that are taken and given back."""

    def __init__(self) -> None:
        self._free: dict[tuple[tuple[int, ...], str], list[Any]] = {}

    def take(self, shape: tuple[int, ...], dtype: Any) -> Any:
        """An array of this shape, with anything in it; an empty one has room for one number."""
        shape = tuple(max(1, size) for size in shape)
        free = self._free.get((shape, np.dtype(dtype).str))
        if free:
            return free.pop()
        try:
            return cuda.device_array(shape, dtype)
        except Exception as error:
            if "OUT_OF_MEMORY" not in str(error) and not isinstance(error, MemoryError):
                raise
            if self._free:
                self._free.clear()
                return self.take(shape, dtype)
            size = np.prod(shape, dtype=float) * np.dtype(dtype).itemsize / GIB
            raise GpuMemoryError(
                f"{size:.2f} GiB of GPU memory more are needed for an array {shape}, and {free_memory() / GIB:.2f} GiB "
                f"of {card().name} are free"
            ) from error

    def idle(self) -> int:
        """Bytes of what is kept and not taken."""
        return sum(array.size * array.dtype.itemsize for free in self._free.values() for array in free)

    def give(self, *arrays: Any) -> None:
        """What was taken is not needed any more."""
        if len(self._free) > _SHAPES:
            self._free.clear()
        for array in arrays:
            self._free.setdefault((tuple(array.shape), array.dtype.str), []).append(array)

    @contextmanager
    def scratch(self) -> "Iterator[Scratch]":
        """What is taken in the block is given back at its end."""
        scratch = Scratch(self)
        try:
            yield scratch
        finally:
            self.give(*scratch.taken)


ROOMS = Rooms()  # of this process


class Scratch:
    """What one call takes."""

    def __init__(self, rooms: Rooms) -> None:
        self._rooms = rooms
        self.taken: list[Any] = []

    def take(self, shape: tuple[int, ...], dtype: Any) -> Any:
        """As of `Rooms`, until the end of the block."""
        self.taken.append(self._rooms.take(shape, dtype))
        return self.taken[-1]

    def filled(self, array: NDArray) -> Any:
        """The same, with an array's numbers in it."""
        room = self.take(array.shape, array.dtype)
        if array.size:
            room.copy_to_device(array)
        return room


def there(array: NDArray) -> Any:
    """A table, copied to the card; an empty one has room for one number."""
    return cuda.to_device(array if array.size else np.zeros([max(1, size) for size in array.shape], array.dtype))
