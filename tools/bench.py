"""Measure speed, side by side with what else one might use.

python tools/bench.py circuits      one circuit call against other simulators, in one run
python tools/bench.py agents        whole agents, environment steps a second, against the same on lightning.qubit
python tools/bench.py start         memory, start-up and compilation of one rank
"""

import hpcqrl.one_thread  # noqa: F401, I001  (before NumPy and torch are imported)

import os
import resource
import subprocess
import sys
import tempfile
import time
import warnings
from pathlib import Path

import torch
import tyro
from rich.console import Console
from rich.table import Table

from bench_tasks import (
    Task,
    forward_tasks,
    generator_tasks,
    gradient_tasks,
    ladder,
    large_generator,
    native_forward,
    native_gradient,
    scaled,
    word_tasks,
)
from hpcqrl.quantum.circuits import variational
from hpcqrl.results.reader import read_run

BIN = Path(sys.executable).parent


def side_by_side(tasks: dict[str, Task], seconds: float, rounds: int = 5) -> dict[str, float]:
    """The best time of one call, in seconds; all tasks take turns, so that a slow moment of the machine hits all."""
    calls = {}
    for name, task in tasks.items():
        task()
        begin = time.perf_counter()
        task()
        calls[name] = max(1, int(seconds / rounds / (time.perf_counter() - begin)))
    best = dict.fromkeys(tasks, float("inf"))
    for _ in range(rounds):
        for name, task in tasks.items():
            begin = time.perf_counter()
            for _ in range(calls[name]):
                task()
            best[name] = min(best[name], (time.perf_counter() - begin) / calls[name])
    return best


def circuits(seconds: float = 1.0) -> None:
    """Time circuits against other simulators; `seconds` for each of them in each row."""
    warnings.simplefilter("ignore")
    torch.manual_seed(0)
    rows = {
        "VQC 8 qubits x 2 layers, forward, 1 sample": forward_tasks(variational()),
        "VQC 8 qubits x 2 layers, forward + gradient, 5 samples": gradient_tasks(variational(), 5),
        "generator 13 qubits, L=3, forward + gradient": generator_tasks(3),
        "generator 13 qubits, L=13, forward + gradient": generator_tasks(13),
        "VQC, forward + gradient, 5 samples": {
            "angle": native_gradient(scaled(False), 5),
            "weight * angle": native_gradient(scaled(True), 5),
        },
        "VQC, forward, 1 sample, by words": word_tasks(variational(), native_forward),
        "VQC, forward + gradient, 5 samples, by words": word_tasks(variational(), lambda c: native_gradient(c, 5)),
        "ladder of 8 qubits, forward, 1 sample, by words": word_tasks(ladder(8), native_forward),
        "ladder of 8, forward + gradient, 5 samples, by words": word_tasks(ladder(8), lambda c: native_gradient(c, 5)),
        "generator L=3, forward + gradient": {f"{n} qubits": large_generator(n) for n in (16, 18, 20, 21, 22)},
    }
    table = Table(title="time of one call (best of 5 rounds in turn), and its ratio to the first of its row")
    table.add_column("what")
    table.add_column("with")
    table.add_column("time", justify="right")
    table.add_column("ratio", justify="right")
    for what, tasks in rows.items():
        best = side_by_side(tasks, seconds)
        first = next(iter(best.values()))
        for number, (name, value) in enumerate(best.items()):
            unit = f"{1e6 * value:,.1f} us" if value < 1e-3 else f"{1e3 * value:,.2f} ms"
            ratio = value / first
            table.add_row("" if number else what, name, unit, f"{ratio:,.{0 if ratio > 100 else 2}f}")
        table.add_section()
    Console(width=118).print(table)


def agents(rounds: int = 3) -> None:
    """Whole agents (act, step, learn, push) on CartPole, one rank: native and lightning.qubit in turn; best round."""
    table = Table(title="environment steps a second of one whole agent on CartPole, and the ratio")
    for heading in ("system", "model", "with", "steps/s", "ratio"):
        table.add_column(heading, justify="left" if heading in ("system", "model", "with") else "right")
    contenders = (("classical", "native", 3000), ("quantum", "native", 1500), ("quantum", "lightning.qubit", 5))
    for system in ("qa3c", "qdqn-dper"):
        best = dict.fromkeys(contenders, 0.0)
        for _ in range(rounds):
            for contender in contenders:
                best[contender] = max(best[contender], steps_a_second(system, *contender))
        slowest = best[contenders[-1]]
        for (model, qpu, _), rate in best.items():
            table.add_row(system, model, qpu if model == "quantum" else "-", f"{rate:,.0f}", f"{rate / slowest:,.0f}")
        table.add_section()
    Console(width=118).print(table)


def steps_a_second(system: str, model: str, qpu: str, episodes: int) -> float:
    """Of one agent alone on CartPole."""
    with tempfile.TemporaryDirectory() as folder:
        options = ["--model", model, "--qpu", qpu, "--episodes", str(episodes), "--out", f"{folder}/x.h5"]
        command = [str(BIN / "hpcqrl"), "train", system, "--env", "CartPole-v1", *options]
        subprocess.run(command, check=True, stdout=subprocess.DEVNULL)
        run = read_run(f"{folder}/x.h5")
    return float(run.episodes["length"].sum() / run.episodes["time"].max())


def start() -> None:
    """Start one rank with an empty and with a full kernel cache: seconds to the first episode, and peak memory."""
    table = Table(title="one rank of Dist-QTRL with native circuits, 1 episode")
    for heading in ("kernel cache", "whole run", "peak memory"):
        table.add_column(heading, justify="right")
    with tempfile.TemporaryDirectory() as folder:
        for name in ("empty", "full", "full"):
            command = [
                str(BIN / "hpcqrl"),
                "train",
                "dist-qtrl",
                "--episodes",
                "1",
                "--overwrite",
                "--out",
                f"{folder}/x.h5",
            ]
            begin = time.perf_counter()
            process = subprocess.Popen(
                command, env=os.environ | {"NUMBA_CACHE_DIR": f"{folder}/cache"}, stdout=subprocess.DEVNULL
            )
            _, _, usage = os.wait4(process.pid, 0)
            table.add_row(name, f"{time.perf_counter() - begin:.2f} s", f"{memory(usage):,.0f} MB")
    Console().print(table)


def memory(usage: resource.struct_rusage) -> float:
    """Peak memory in MB (10^6 bytes)."""
    return usage.ru_maxrss * (1 if sys.platform == "darwin" else 1024) / 1e6


if __name__ == "__main__":
    tyro.extras.subcommand_cli_from_dict({"circuits": circuits, "agents": agents, "start": start})
