"""How kernels for GPUs are compiled, kept on disk, and launched."""

from collections.abc import Callable
from functools import cache
from typing import Any

import numpy as np
from numba import cuda

from hpcqrl.quantum.card import card, line, simulated
from hpcqrl.quantum.gpu_kernels import write_last
from hpcqrl.quantum.jit import forgiving

ALWAYS_SHARED = 48 << 10  # bytes of shared memory that a block has on all cards; more is to be asked for
ALONE = 16 if simulated() else 256  # threads of a block, where each works alone
_allowed: dict[tuple[Any, tuple[Any, ...]], int] = {}  # bytes, of kernels with arguments of these types


def gpu_jit(**options: Any) -> Callable[[Callable], Any]:
    """A kernel, compiled where it is launched first, or taken from the cache: as `jit` does for processors."""

    def compiled(function: Callable) -> Any:
        if simulated():  # which takes no options
            return cuda.jit(function)
        return forgiving(cuda.jit(function, cache=True, **options))

    return compiled


def launch(kernel: Any, blocks: int, threads: int, shared: int, *arguments: Any) -> None:
    """Launch a kernel; shared: bytes of dynamic shared memory of a block. ValueError, in a line, if it cannot be."""
    try:
        if shared > ALWAYS_SHARED:
            _allow(kernel, shared, arguments)
        kernel[blocks, threads, 0, shared](*arguments)
    except Exception as error:  # of Numba, of the compiler, of the driver
        if simulated():
            raise
        raise ValueError(f"{card().name} does not take the kernel {kernel.__name__}: {line(error)}") from error


def each(kernel: Any, count: int, *arguments: Any) -> None:
    """Launch a kernel with so many threads or more, each of which works alone."""
    if count:
        launch(kernel, -(-count // ALONE), ALONE, 0, *arguments)


@cache
def shared_memory() -> int:
    """Bytes of shared memory that a block can have here: more than on all cards if a trial shows that it does."""
    if simulated():
        return ALWAYS_SHARED
    try:
        most = int(cuda.get_current_device().MAX_SHARED_MEMORY_PER_BLOCK_OPTIN)
        found, size = cuda.device_array(1, np.float32), most - (1 << 10)
        launch(gpu_jit()(write_last), 1, 32, size, found, size // 4)
        return most if found.copy_to_host()[0] == 1.0 else ALWAYS_SHARED
    except Exception:  # of Numba, whose inner ways this takes, or of the driver: then without
        return ALWAYS_SHARED


def _allow(kernel: Any, shared: int, arguments: tuple[Any, ...]) -> None:
    """Numba has no word for it: of the compiled kernel, as it does for its own attributes."""
    types = tuple(kernel.typeof_pyval(one) for one in arguments)
    if _allowed.get((kernel, types), 0) < shared:
        from numba.cuda.cudadrv import driver

        function = kernel.compile(types)._codelibrary.get_cufunc()
        attribute = driver.binding.CUfunction_attribute.CU_FUNC_ATTRIBUTE_MAX_DYNAMIC_SHARED_SIZE_BYTES
        driver.driver.cuKernelSetAttribute(attribute, shared, function.handle, function.device.id)
        _allowed[kernel, types] = shared
