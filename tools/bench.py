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
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import torch
import tyro
from rich.console import Console
from rich.table import Table

from hpcqrl.quantum import gates
from hpcqrl.quantum.circuit import Circuit
from hpcqrl.quantum.circuits import quantum_train, variational
from hpcqrl.quantum.qpu import make_qpu
from hpcqrl.results.reader import read_run

BIN = Path(sys.executable).parent
Task = Callable[[], object]


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


def forward_tasks(circuit: Circuit) -> dict[str, Task]:
    """<Z> of every qubit for one sample, without gradient."""
    angles, weights = torch.randn(1, circuit.n_angles), torch.randn(circuit.weights)
    simulator = make_qpu(circuit).device.simulator(True)  # type: ignore[attr-defined]
    arrays = angles.numpy().astype(np.float64), weights.numpy().astype(np.float64)
    tasks: dict[str, Task] = {"hpcqrl, NumPy": lambda: simulator.run(*arrays)}
    for label, name in (
        ("hpcqrl, torch", "native"),
        ("lightning.qubit", "lightning.qubit"),
        ("default.qubit", "default.qubit"),
    ):
        tasks[label] = without_gradient(make_qpu(circuit, name), angles, weights)
    return tasks | others(circuit, arrays[0][0], arrays[1])


def without_gradient(qpu: object, angles: torch.Tensor, weights: torch.Tensor) -> Task:
    """A call of expval that records nothing."""

    def task() -> object:
        with torch.no_grad():
            return qpu.expval(angles, weights)  # type: ignore[attr-defined]

    return task


def gradient_tasks(circuit: Circuit, samples: int) -> dict[str, Task]:
    """<Z> of every qubit, and the gradient of their sum in all angles and weights."""
    angles = torch.randn(samples, circuit.n_angles, requires_grad=True)
    weights = torch.randn(circuit.weights, requires_grad=True)
    simulator = make_qpu(circuit).device.simulator(True)  # type: ignore[attr-defined]
    arrays = (angles.detach().numpy().astype(np.float64), weights.detach().numpy().astype(np.float64))
    ones = np.ones((samples, circuit.qubits), np.float32)

    def native() -> object:
        _, states = simulator.run_for_gradient(*arrays)
        return simulator.gradient(*arrays, states, ones)

    tasks: dict[str, Task] = {"hpcqrl, NumPy": native}
    for label, name in (
        ("hpcqrl, torch", "native"),
        ("lightning.qubit", "lightning.qubit"),
        ("default.qubit", "default.qubit"),
    ):
        tasks[label] = with_gradient(make_qpu(circuit, name), "expval", (angles, weights))
    return tasks | {"default.qubit, batched": batched_default_qubit(circuit, angles, weights)}


def batched_default_qubit(circuit: Circuit, angles: torch.Tensor, weights: torch.Tensor) -> Task:
    """The same by PennyLane's parameter broadcasting: all samples in one execution, as its documentation advises."""
    import pennylane as qml

    def run(angles: torch.Tensor, weights: torch.Tensor) -> list[object]:
        circuit.function(angles, weights)
        return [qml.expval(qml.PauliZ(q)) for q in range(circuit.qubits)]

    node = qml.QNode(run, qml.device("default.qubit", wires=circuit.qubits), interface="torch", diff_method="backprop")
    return lambda: torch.autograd.grad(torch.stack(node(angles.T, weights)).sum(), (angles, weights))


def with_gradient(qpu: object, measure: str, inputs: tuple[torch.Tensor, ...], *options: int) -> Task:
    """A call, and the gradient of the sum of its results."""
    wanted = [tensor for tensor in inputs if tensor.requires_grad]
    return lambda: torch.autograd.grad(getattr(qpu, measure)(*inputs, *options).sum(), wanted)


def generator_tasks(layers: int) -> dict[str, Task]:
    """Dist-QTRL's 13 qubits: the probabilities that generate the policy, and their gradient."""
    circuit = quantum_train(13, layers)
    inputs = torch.zeros(1, 0), torch.randn(circuit.weights, requires_grad=True)
    names = (("hpcqrl, torch", "native"), ("lightning.qubit", "lightning.qubit"), ("default.qubit", "default.qubit"))
    return {label: with_gradient(make_qpu(circuit, name), "probs", inputs, 4835) for label, name in names}


def native_gradient(circuit: Circuit, samples: int) -> Task:
    """The measured words of a batch on the native kernels, and the gradient of their sum."""
    random = np.random.default_rng(0)
    simulator = make_qpu(circuit).device.simulator(True)  # type: ignore[attr-defined]
    arrays = random.normal(size=(samples, circuit.n_angles)), random.normal(size=circuit.weights)
    ones = np.ones((samples, len(circuit.measured)), np.float32)
    return lambda: simulator.gradient(*arrays, simulator.run_for_gradient(*arrays)[1], ones)


def native_forward(circuit: Circuit) -> Task:
    """The same of one sample, without gradient."""
    random = np.random.default_rng(0)
    simulator = make_qpu(circuit).device.simulator(True)  # type: ignore[attr-defined]
    arrays = random.normal(size=(1, circuit.n_angles)), random.normal(size=circuit.weights)
    return lambda: simulator.run(*arrays)


def scaled(trained: bool, qubits: int = 8, layers: int = 2) -> Circuit:
    """The VQC with a trained factor for each angle, or with as many weights of no use."""
    vqc = variational(qubits, layers)

    def function(angles: np.ndarray, weights: np.ndarray) -> None:
        factors, own = weights[: 2 * qubits], weights[2 * qubits :].reshape(vqc.weights)
        vqc.function(factors * angles if trained else angles, own)

    return Circuit(function, qubits, 2 * qubits, (2 * qubits + vqc.n_weights,))


def ladder(qubits: int) -> Circuit:
    """RY of the angles, CNOTs from qubit to qubit, Rot of the weights."""

    def function(angles: np.ndarray, weights: np.ndarray) -> None:
        for q in range(qubits):
            gates.RY(angles[q], wires=q)
        for q in range(qubits - 1):
            gates.CNOT(wires=(q, q + 1))
        for q in range(qubits):
            gates.Rot(*weights[q], wires=q)

    return Circuit(function, qubits, qubits, (qubits, 3))


def word_tasks(circuit: Circuit, task: Callable[[Circuit], Task]) -> dict[str, Task]:
    """As many words of one Z as there are qubits, and of two."""
    n = circuit.qubits
    two = [tuple(f"{letter}{q} {letter}{(q + 1) % n}" for q in range(n)) for letter in "ZX"]
    words = {"Z": None, "Z Z": two[0], "X X": two[1]}
    return {name: task(replace(circuit, measured=measured)) for name, measured in words.items()}  # type: ignore[arg-type]


def large_generator(qubits: int) -> Task:
    """Dist-QTRL's generator on more qubits than the papers'."""
    circuit = quantum_train(qubits, 3)
    weights = torch.randn(circuit.weights, requires_grad=True)
    return with_gradient(make_qpu(circuit), "probs", (torch.zeros(1, 0), weights), 4835)


def others(circuit: Circuit, angles: np.ndarray, weights: np.ndarray) -> dict[str, Task]:
    """Other simulators, where they are installed: the same forward pass, on float64."""
    try:
        import qulacs
    except ImportError:
        return {}
    observables = []
    for q in range(circuit.qubits):
        observables.append(qulacs.Observable(circuit.qubits))
        observables[-1].add_operator(1.0, f"Z {q}")

    with gates.record() as applied:  # not timed: its users write their circuits with its own functions
        circuit.function(angles, weights)

    def task() -> object:
        built = qulacs.QuantumCircuit(circuit.qubits)
        for gate in applied:
            if gate.name == "Hadamard":
                built.add_H_gate(gate.wires[0])
            elif gate.name == "CNOT":
                built.add_CNOT_gate(*gate.wires)
            else:
                turns = {"RY": "Y", "RZ": "Z", "Rot": "ZYZ"}[gate.name]
                for axis, angle in zip(turns, gate.parameters, strict=True):
                    getattr(built, f"add_R{axis}_gate")(gate.wires[0], -angle)
        state = qulacs.QuantumState(circuit.qubits)
        built.update_quantum_state(state)
        return [observable.get_expectation_value(state) for observable in observables]

    assert np.allclose(task(), make_qpu(circuit).device.simulator(True).run(angles[None], weights)[0], atol=1e-5)  # type: ignore
    return {"qulacs": task}


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
