"""The GPU that this process computes on, through Numba: opened once, its faults said in one line."""

import functools
from typing import Any, NamedTuple

import numba
import numpy as np

GIB = 1 << 30

_settings: Any = numba.config
_settings.CUDA_LOW_OCCUPANCY_WARNINGS = 0  # small batches are no mistake


class Card(NamedTuple):
    """name; memory in bytes; uuid, "" of Numba's simulator; versions of driver and CUDA, "" where not known."""

    name: str
    memory: int
    uuid: str
    driver: str
    runtime: str


def simulated() -> bool:
    """Whether GPUs are Numba's simulator here (NUMBA_ENABLE_CUDASIM=1)."""
    return bool(_settings.ENABLE_CUDASIM)


class GpuMemoryError(ValueError):
    """What is asked for is more than the memory that is free."""

    status = 2  # of a run that it ends: it was asked too much


@functools.cache
def card() -> Card:
    """The card, opened. ValueError, in one line, where there is none, no driver, or one that does not fit."""
    try:
        from numba import cuda
    except ImportError as error:
        raise ValueError(f"native-gpu needs the extra `gpu`: numba.cuda does not load: {line(error)}") from error
    if simulated():
        return Card("Numba's simulator", 16 * GIB, "", "", "")
    try:
        found = len(cuda.gpus)
    except Exception as error:  # of Numba, of ctypes, of cuda.bindings
        if "NO_DEVICE" in str(error):
            raise ValueError(_NONE) from error
        raise ValueError(f"native-gpu finds no NVIDIA driver that works here: {line(error)}; {_ELSE}") from error
    if not found:
        raise ValueError(_NONE)
    driver, runtime = _versions()
    try:
        context = cuda.current_context()
        device, memory = context.device, context.get_memory_info()
        one = cuda.to_device(np.zeros(1))
        cuda.jit(_write_one)[1, 1](one)  # is there a compiler, and does the driver take what it makes?
        assert one.copy_to_host()[0] == 1.0
    except Exception as error:
        reason = "another process has it alone (exclusive use)" if "UNAVAILABLE" in str(error) else line(error)
        raise ValueError(
            f"native-gpu cannot open its GPU, with a driver for CUDA {driver} and CUDA {runtime}: {reason}"
        ) from error
    name = device.name.decode() if isinstance(device.name, bytes) else str(device.name)
    return Card(name, int(memory.total), str(device.uuid), driver, runtime)


_ELSE = "--qpu native does the same on a processor"
_NONE = f"native-gpu finds no GPU: there is none on this machine, or CUDA_VISIBLE_DEVICES hides it; {_ELSE}"


def _write_one(numbers: Any) -> None:
    numbers[0] = 1.0


def free_memory() -> int:
    """Bytes that nobody uses."""
    if simulated():
        return card().memory
    from numba import cuda

    return int(cuda.current_context().get_memory_info().free)


def _versions() -> tuple[str, str]:
    """The newest CUDA that the driver takes, and the one that compiles kernels."""
    from numba.cuda.cudadrv import driver, runtime

    return tuple(_version(of) for of in (driver.driver, runtime.runtime))  # type: ignore[return-value]


def _version(of: Any) -> str:
    try:
        return ".".join(map(str, of.get_version()))
    except Exception:  # it is only for a message
        return "?"


def line(error: Exception) -> str:
    """What an error says, in one line."""
    return " ".join(str(error).split())[:300].rstrip(" :.") or type(error).__name__
