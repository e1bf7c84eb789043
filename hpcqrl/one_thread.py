"""One thread a rank: imported before NumPy and torch, which read these variables when they start."""

import os
from contextlib import AbstractContextManager, nullcontext

for _variable in ("OMP_NUM_THREADS", "MKL_NUM_THREADS", "OPENBLAS_NUM_THREADS", "NUMBA_NUM_THREADS"):
    os.environ.setdefault(_variable, "1")


def also_of_those_that_came_first() -> AbstractContextManager[object]:
    """NumPy and torch may have been imported before: within this, they have one thread, too, but where one asked for
    more by OMP_NUM_THREADS. (Ranks that fill the cores, each with a thread for every core, take ten times as long.)
    """
    if os.environ.get("OMP_NUM_THREADS") != "1":
        return nullcontext()
    from threadpoolctl import threadpool_limits

    return threadpool_limits(1)
