"""What bench.py times of circuits: each a call, by name, of hpcqrl's kernels and of other simulators."""

from collections.abc import Callable
from dataclasses import replace

import numpy as np
import torch

from hpcqrl.quantum import gates
from hpcqrl.quantum.circuit import Circuit
from hpcqrl.quantum.circuits import quantum_train, variational
from hpcqrl.quantum.qpu import make_qpu

Task = Callable[[], object]


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
