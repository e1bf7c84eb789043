"""How long a checkpoint stops the agents.

mpiexec -n 8 python tools/bench_checkpoint.py train dist-qtrl --episodes 300 --checkpoint-every 0.5

The rest of the line is hpcqrl's. Agents that wait for each other stand still as long as rank 0, which writes the file.
"""

import hpcqrl.one_thread  # noqa: F401, I001  (before NumPy and torch are imported)

import sys
import time
from collections.abc import Callable
from typing import Any

import numpy as np
from mpi4py import MPI

from hpcqrl import __main__
from hpcqrl.journal import Journal
from hpcqrl.parallel.agents import Agents
from hpcqrl.parallel.arrays import gather

seconds: list[float] = []


def timed(checkpoint: Callable[..., None]) -> Callable[..., None]:
    """The same method, which notes how long each call takes."""

    def method(*arguments: Any, **options: Any) -> None:
        begin = time.perf_counter()
        try:
            checkpoint(*arguments, **options)
        finally:
            seconds.append(time.perf_counter() - begin)

    return method


Journal.checkpoint = timed(Journal.checkpoint)  # type: ignore[method-assign]
begin = time.perf_counter()
__main__.main()
share = sum(seconds) / (time.perf_counter() - begin)
facts = np.array([np.mean(seconds or [np.nan]), max(seconds, default=np.nan), share])
every_rank = gather(Agents(MPI.COMM_WORLD), {"facts": facts})
if every_rank is not None:
    if not seconds:
        sys.exit("bench_checkpoint: no checkpoint was due: more episodes, or a shorter --checkpoint-every")
    for rank, of_rank in enumerate(every_rank):
        mean, longest, part = of_rank["facts"]
        pause = f"{1e3 * mean:.0f} ms in the mean, {1e3 * longest:.0f} ms at most, {part:.1%} of the time"
        print(f"rank {rank}: {len(seconds)} checkpoints, {pause}")
