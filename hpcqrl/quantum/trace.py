"""Find out what a quantum function does: its gates, and what each gate's parameters are made of."""

import sys
from collections.abc import Sequence
from typing import Any

import numpy as np

from hpcqrl.quantum.circuit import Circuit
from hpcqrl.quantum.gates import Gate, record
from hpcqrl.quantum.parameters import MOST_INPUTS, Parameter, find

_ONE_QUBIT = ("Hadamard", "PauliX", "PauliY", "PauliZ", "S", "T", "RX", "RY", "RZ", "PhaseShift", "Rot", "U2", "U3")
_TWO_QUBITS = (
    "CNOT",
    "CZ",
    "SWAP",
    "CRX",
    "CRY",
    "CRZ",
    "ControlledPhaseShift",
    "C(U3)",
    "IsingXX",
    "IsingYY",
    "IsingZZ",
)
NATIVE = frozenset((*_ONE_QUBIT, *_TWO_QUBITS))


def trace(circuit: Circuit) -> list[Gate]:
    """The gates of a circuit, with a `Parameter` for each parameter.

    The function runs on random numbers, and what it makes of them tells what it is; so any function works that
    PennyLane can run, its templates included. Raises ValueError for a gate that the native kernels lack, for gates that
    depend on the numbers, and for a parameter that is no polynomial of degree 2 in a few of them.
    """
    numbers = circuit.n_angles + circuit.n_weights
    runs: list[Sequence[Gate]] = []  # the first alone is kept

    def parameters_at(values: np.ndarray) -> np.ndarray:
        same = _gates(circuit, values.copy())  # a copy: the function may compute in place
        runs[:] = runs or [same]
        if [(gate.name, gate.wires) for gate in same] != [(gate.name, gate.wires) for gate in runs[0]]:
            raise ValueError("the circuit's gates depend on the values of its angles or weights; they must not")
        return np.array([number for gate in same for number in gate.parameters], np.float64)

    found = iter(find(parameters_at, numbers))
    return [gate._replace(parameters=tuple(_known(gate, next(found)) for _ in gate.parameters)) for gate in runs[0]]


def _known(gate: Gate, parameter: Parameter | None) -> Parameter:
    if parameter is None:
        raise ValueError(
            f"a parameter of {gate.name} is no polynomial of degree 2 in at most {MOST_INPUTS} angles and weights, "
            "such as weight * angle; apply other functions, such as arctan, to the angles before the circuit; or, if "
            "PennyLane has made it of another gate, use a device of PennyLane's, --qpu default.qubit"
        )
    return parameter


def _gates(circuit: Circuit, values: np.ndarray) -> Sequence[Gate]:
    gates = _applied(circuit, values)
    for gate in gates:
        wrong = [wire for wire in gate.wires if not 0 <= wire < circuit.qubits]
        if wrong:
            raise ValueError(
                f"{gate.name} acts on wire {wrong[0]}, but the circuit has wires 0 to {circuit.qubits - 1}"
            )
        if len(set(gate.wires)) < len(gate.wires):
            raise ValueError(f"{gate.name} acts twice on one wire: {gate.wires}")
    return gates


def _applied(circuit: Circuit, values: np.ndarray) -> Sequence[Gate]:
    angles, weights = values[: circuit.n_angles], values[circuit.n_angles :].reshape(circuit.weights or (0,))
    if "pennylane" not in sys.modules:
        with record() as gates:
            circuit.function(angles, weights)
        if "pennylane" not in sys.modules:
            return gates
    import pennylane

    with pennylane.queuing.AnnotatedQueue() as queue:
        circuit.function(angles, weights)
    expanded: list[Gate] = []
    script = pennylane.tape.QuantumScript.from_queue(queue)
    if script.measurements:
        raise ValueError(f"the circuit measures {script.measurements[0]}; it must only apply gates: devices measure")
    for operation in script.operations:
        _expand(operation, expanded)
    return expanded


def _expand(operation: Any, gates: list[Gate]) -> None:
    """PennyLane's operation as native gates, by its own decomposition where need be."""
    wires = 1 if operation.name in _ONE_QUBIT else 2
    plain = len(operation.wires) == wires and all(getattr(operation, "control_values", [True]))
    if operation.name in NATIVE and plain:
        gates.append(Gate(operation.name, tuple(operation.wires), tuple(map(float, operation.parameters))))
    elif operation.name in ("Identity", "GlobalPhase", "Barrier"):
        return
    elif operation.has_decomposition:
        for part in operation.decomposition():
            _expand(part, gates)
    else:
        noisy = type(operation).__mro__[1].__name__ == "Channel"
        raise ValueError(
            f"the native QPU has no gate {operation.name}; use --qpu {'default.mixed' if noisy else 'default.qubit'}"
        )
