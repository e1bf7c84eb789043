"""`hpcqrl check`: what every rank has, and how fast the ranks talk."""

import platform
import time

import numpy as np

from hpcqrl.parallel.agents import Agents, library, own_cores
from hpcqrl.parallel.fabric import measure
from hpcqrl.parallel.mpi import MPI, can_lose
from hpcqrl.parallel.pushes import Optimiser
from hpcqrl.parallel.root import root_serves

_LEVELS = {
    MPI.THREAD_SINGLE: "single",
    MPI.THREAD_FUNNELED: "funneled",
    MPI.THREAD_SERIALIZED: "serialized",
    MPI.THREAD_MULTIPLE: "multiple",
}
_NUMBERS = 2529  # the largest gradient in Dist-QTRL's Table I
_REPEATS = 200
_SHARED = (244, 2527)  # the smallest and the largest model of QA3C's Table I


def report(agents: Agents, qpu: str, gpu: str, optimiser: Optimiser) -> None:
    """Print, on rank 0, a table with a row for each rank, and what it costs to share. All must call.

    qpu, gpu: what this rank has of them; optimiser: the one whose steps are timed in a push.
    """
    facts = [
        platform.node(),
        ",".join(map(str, own_cores())),
        f"{library()}, {_LEVELS[MPI.Query_thread()]}",
        qpu,
        gpu,
    ]
    rows = [line.split("\t") for line in agents.gather_text("\t".join(facts))]
    milliseconds = 1e3 * _allreduce_seconds(agents)
    fabrics = {size: measure(agents, size, optimiser) for size in _SHARED}
    serves = root_serves(agents, "auto")
    if agents.rank > 0:
        return
    from rich.console import Console
    from rich.table import Table

    table = Table(title=f"{agents.size} ranks")
    for heading in ("rank", "host", "cores", "MPI library, thread level", "QPU", "GPU"):
        table.add_column(heading, overflow="fold")
    for number, row in enumerate(rows):
        table.add_row(str(number), *row)
    console = Console()
    console.print(table)
    print(f"Allreduce of {_NUMBERS} float64: {milliseconds:.3f} ms (median of {_REPEATS})")
    for size, fabric in fabrics.items():
        print(
            f"shared parameters, {size} float64: push {1e6 * fabric.push:.1f} us, "
            f"pull {1e6 * fabric.pull:.1f} us alone; {fabric.together:,.0f} pushes/s by all ranks at once"
            + (f"; push {1e6 * fabric.served:.1f} us to a root that serves" if agents.size > 1 else "")
        )
    if agents.size == 1:
        return
    if can_lose():
        print("a lost rank need not end the others: asynchronous systems may go on without (--lose-at-most)")
    else:
        print("a lost rank ends all here (Open MPI's `mpirun --with-ft ulfm` could go on without: --lose-at-most)")
    if serves:
        print(
            "one-sided operations wait for the root here: asynchronous systems will have rank 0 serve (--root auto), "
            "so start one rank more than agents"
        )
    else:
        print("one-sided operations go on while the root computes: asynchronous systems will use all ranks as agents")


def _allreduce_seconds(agents: Agents) -> float:
    vector = np.zeros(_NUMBERS)
    seconds = []
    for _ in range(_REPEATS):
        agents.barrier()
        start = time.perf_counter()
        agents.mean(vector)
        seconds.append(time.perf_counter() - start)
    return float(np.median(seconds))
