"""What `gpu.sh` runs: whether circuits and hDQNN are right on a GPU (gpu_checks.py), then how fast they are there."""

import importlib.util
import os
import platform
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

import torch
from gpu_checks import TINY, Alone, circuits_are_right, hdqnn, hdqnn_is_right, inputs, play

from hpcqrl.quantum import gpu_jit, gpu_tiles, gpu_whole
from hpcqrl.quantum.card import Card, card, simulated
from hpcqrl.quantum.circuit import Circuit
from hpcqrl.quantum.circuits import efficient_su2
from hpcqrl.quantum.devices import make_device
from hpcqrl.quantum.gpu_simulator import GpuSimulator

SECONDS = 270.0  # after which no other row is begun
LAYERS = 4  # of the circuits that are timed
QUBITS = (2,) if TINY else (8, 10, 13, 16, 20, 22)
BATCHES = (1, 2) if TINY else (1, 16, 256, 4096)
BEGIN = time.monotonic()


def best(call: Callable[[], object], seconds: float = 0.6, most: int = 50) -> float:
    """The shortest of several calls, after one to warm up."""
    call()
    times, begin = [], time.monotonic()
    while not times or (len(times) < most and time.monotonic() - begin < seconds):
        start = time.perf_counter()
        call()
        times.append(time.perf_counter() - start)
    return min(times)


def forward_and_gradient(circuit: Circuit, name: str, samples: int) -> float:
    """Seconds a sample."""
    device = make_device(circuit, name)
    angles, weights = inputs(circuit, samples)

    def call() -> None:
        value, pullback = device.expval_vjp(angles, weights)
        pullback(value)

    return best(call) / samples


def traffic(circuit: Circuit) -> float:
    """Bytes of GPU memory that a sample's states cross, forward and back, as the passes are: what they read and write.

    A state that one block holds crosses when it is kept, and when it is run back.
    """
    program = GpuSimulator(circuit, True).program
    acting = [each for each in program.passes if each.stop > program.bits]
    moved = 2.0 if program.is_whole else 2.0 * len(acting) + 1.0 + 2.0 + 2.0 + 4.0 * len(program.passes)
    return moved * (8 << program.bits)


def launches(circuit: Circuit) -> int:
    """How many kernels a batch and its gradient are."""
    device, count = make_device(circuit, "native-gpu"), 0
    modules = gpu_jit, gpu_whole, gpu_tiles
    launch = gpu_jit.launch

    def counted(*arguments: object) -> None:
        nonlocal count
        count += 1
        launch(*arguments)

    for module in modules:
        module.launch = counted
    value, pullback = device.expval_vjp(*inputs(circuit, 1))
    pullback(value)
    for module in modules:
        module.launch = launch
    return count


FIRST = """
import time
from gpu_table import LAYERS, efficient_su2, inputs, make_device
begin = time.perf_counter()
device = make_device(efficient_su2({qubits}, LAYERS), "native-gpu")
value, pullback = device.expval_vjp(*inputs(device.circuit, 1))
pullback(value)
print(time.perf_counter() - begin)
"""


def first_batches(qubits: int) -> list[float]:
    """Seconds until a process has its first batch and gradient: with nothing kept of kernels, and with what that one
    has kept.
    """
    seconds = []
    with tempfile.TemporaryDirectory() as kept:
        environment = os.environ | {"XDG_CACHE_HOME": kept}
        environment.pop("NUMBA_CACHE_DIR", None)
        for _ in range(2):
            command = [sys.executable, "-c", FIRST.format(qubits=qubits)]
            done = subprocess.run(command, env=environment, capture_output=True, text=True, check=True)
            seconds.append(float(done.stdout.split()[-1]))
    return seconds


def bandwidth() -> float:
    """Bytes a second of a copy on the card, read and written."""
    numbers = torch.empty(1 << 28, dtype=torch.float32, device="cuda")
    other = torch.empty_like(numbers)

    def call() -> None:
        other.copy_(numbers)
        torch.cuda.synchronize()

    return 2.0 * numbers.numel() * 4 / best(call)


def rows_of_circuits(reached: float) -> list[str]:
    """The table of circuits; reached: bytes a second of a copy, NaN under the simulator."""
    lightning = importlib.util.find_spec("pennylane_lightning") and importlib.util.find_spec("pennylane")
    text = [
        "| qubits | batch | launches | us a sample, GPU | us a sample, 1 core | times | lightning.gpu | bandwidth |"
    ]
    text.append("|" + " --- |" * 8)
    for qubits in QUBITS:
        circuit = efficient_su2(qubits, LAYERS)
        if time.monotonic() - BEGIN > SECONDS:
            text.append(f"| {qubits} | not measured in time |||||||")
            continue
        core = forward_and_gradient(circuit, "native", 16 if qubits < 14 else 1)
        other = "-"
        if lightning and not TINY:
            try:
                other = f"{1e6 * forward_and_gradient(circuit, 'lightning.gpu', 1):.4g}"
            except Exception as error:  # it is only beside it
                other = type(error).__name__
        launched = launches(circuit)
        for batch in BATCHES:
            begin = f"| {qubits} | {batch} | {launched} |"
            if time.monotonic() - BEGIN > SECONDS:
                text.append(f"{begin} not measured in time |||||")
                continue
            try:
                own = forward_and_gradient(circuit, "native-gpu", batch)
            except ValueError as error:
                text.append(f"{begin} {str(error).split(' and of ')[0]} |||||")
                continue
            share = 100.0 * traffic(circuit) / own / reached
            text.append(f"{begin} {1e6 * own:.4g} | {1e6 * core:.4g} | {core / own:.3g} | {other} | {share:.2g} % |")
            print(text[-1], flush=True)
    return text


def rows_of_hdqnn() -> list[str]:
    """Steps a second of an agent that plays and learns."""
    text = ["| hDQNN | surrogate | steps/s, GPU | steps/s, 1 core | ms a step, GPU |", "|" + " --- |" * 5]
    for env in ("Pendulum-v1",) if TINY else ("Pendulum-v1", "HumanoidSized-v0"):
        for surrogate in ("sampled",) if TINY else ("sampled", "exact"):
            if time.monotonic() - BEGIN > SECONDS:
                text.append(f"| {env} | {surrogate} | not measured in time |||")
                continue
            seconds = {}
            for device in ("cuda", "cpu"):
                agent, update = hdqnn(env, device, surrogate), 0

                def step(agent=agent) -> None:
                    nonlocal update
                    for _ in range(2):  # an update of the critics alone, and one of all
                        update += 1
                        play(agent)
                        agent.update(update, Alone())

                seconds[device] = 0.5 * best(step, 3.0, 200)
            gpu, cpu = seconds["cuda"], seconds["cpu"]
            text.append(f"| {env} | {surrogate} | {1 / gpu:.4g} | {1 / cpu:.4g} | {1e3 * gpu:.2f} |")
            print(text[-1], flush=True)
    return text


def main() -> None:
    found: Card = card()
    versions = f"driver for CUDA {found.driver}, CUDA {found.runtime}, torch {torch.__version__}"
    head = f"{found.name}, {found.memory / (1 << 30):.0f} GiB, {versions}; beside it {platform.processor() or 'a core'}"
    print(head, flush=True)
    if not simulated() and not torch.cuda.is_available():
        sys.exit("torch finds no GPU, though Numba does: bring a torch for CUDA")
    torch.set_num_threads(1)
    if not (circuits_are_right() and hdqnn_is_right()):
        sys.exit("wrong: nothing is timed")
    reached = float("nan") if simulated() else bandwidth()
    out = Path(next((text for text in sys.argv[1:] if not text.startswith("--")), "gpu.md"))
    text = [f"{head}. A copy on the card moves {reached / 1e9:.0f} GB/s. float32; circuits of {LAYERS} layers."]
    try:
        nothing, kept = first_batches(QUBITS[0])
        text += [f"First batch of a process: {nothing:.2f} s with no kernels kept on disk, {kept:.2f} s with them.", ""]
    except subprocess.CalledProcessError as error:  # as where a GPU is in exclusive use
        text += [f"First batches of other processes fail: {error.stderr.strip().splitlines()[-1]}", ""]
    text += [*rows_of_circuits(reached), "", *rows_of_hdqnn()]
    out.write_text("\n".join(text) + "\n")
    print(f"{out}, after {time.monotonic() - BEGIN:.0f} s")


if __name__ == "__main__":
    os.environ.setdefault("OMP_NUM_THREADS", "1")
    main()
