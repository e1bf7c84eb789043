"""Find out what a quantum function does: its gates, and what each gate's parameters are made of."""

import sys
from collections.abc import Sequence
from typing import Any

import numpy as np

from hpcqrl.quantum.circuit import Circuit
from hpcqrl.quantum.gates import Gate, record
from hpcqrl.quantum.parameters import MOST_INPUTS, Parameter, find
from hpcqrl.quantum.replay import Replay


def trace(circuit: Circuit) -> list[Gate]:
    """The gates of a circuit, with a `Parameter` for each parameter.

    The function runs on random numbers, and what it makes of them tells what it is; so any function works that
    PennyLane can run, its templates included. Raises ValueError for a gate that the native kernels lack, for gates that
    depend on the numbers, and for a parameter that is no polynomial of degree 2 in a few of them.
    """
    if isinstance(circuit.function, Replay):
        return list(circuit.function.gates)
    numbers = circuit.n_angles + circuit.n_weights
    runs: list[list[Gate]] = []  # the first alone is kept

    def parameters_at(values: np.ndarray) -> np.ndarray:
        same = _gates(circuit, values.copy())  # a copy: the function may compute in place
        runs[:] = runs or [same]
        if [(gate.name, gate.wires) for gate in same] != [(gate.name, gate.wires) for gate in runs[0]]:
            raise ValueError(
                "the circuit's gates depend on the values of its angles or weights; the native QPU takes no "
                "such circuit: use --qpu default.qubit"
            )
        return np.array([number for gate in same for number in gate.parameters], np.float64)

    found = iter(find(parameters_at, numbers))

    def known(gate: Gate, parameter: Parameter | None) -> Parameter:
        if parameter is not None:
            return parameter
        ones = np.ones(numbers)
        once, again = parameters_at(ones), parameters_at(ones)
        if not np.isfinite(once).all():
            raise ValueError(f"a parameter of {gate.name} is {once[~np.isfinite(once)][0]}, not a number of radians")
        if (once != again).any():
            raise ValueError(
                f"a parameter of {gate.name} is another at each call: what is random in a circuit must be drawn once, "
                "outside of its function"
            )
        raise ValueError(
            f"a parameter of {gate.name} is no polynomial of degree 2 in at most {MOST_INPUTS} angles and weights, "
            "such as weight * angle; apply other functions, such as arctan, to the angles before the circuit; or, if "
            "PennyLane has made it of another gate, use a device of PennyLane's, --qpu default.qubit (which gives the "
            "function torch tensors: qml.math.arctan takes them)"
        )

    return [gate._replace(parameters=tuple(known(gate, next(found)) for _ in gate.parameters)) for gate in runs[0]]


def _gates(circuit: Circuit, values: np.ndarray) -> list[Gate]:
    """The gates, on wires by their numbers, that a circuit applies for some values."""
    number = {wire: place for place, wire in enumerate(circuit.wires)}
    gates = []
    for gate in _applied(circuit, values):
        wires = [_label(wire) for wire in gate.wires]
        unknown = [wire for wire in wires if wire not in number]
        if unknown:
            raise ValueError(
                f"{gate.name} acts on wire {unknown[0]!r}, but the circuit has wires {circuit.labels}; "
                "wires=(...) names them in order"
            )
        if len(set(wires)) < len(wires):
            raise ValueError(f"{gate.name} acts twice on one wire: {tuple(wires)}")
        gates.append(gate._replace(wires=tuple(number[wire] for wire in wires)))
    return gates


def _label(wire: Any) -> Any:
    """A wire as a plain Python value: NumPy's and torch's numbers are some too."""
    return wire.item() if hasattr(wire, "item") else wire


def _applied(circuit: Circuit, values: np.ndarray) -> Sequence[Gate]:
    angles, weights = values[: circuit.n_angles], values[circuit.n_angles :].reshape(circuit.weights or (0,))
    if "pennylane" not in sys.modules:
        with record() as gates:
            circuit.apply(angles, weights)
        if "pennylane" not in sys.modules:
            return gates
    import pennylane

    from hpcqrl.quantum.pennylane_gates import native

    with pennylane.queuing.AnnotatedQueue() as queue:
        circuit.apply(angles, weights)
    script = pennylane.tape.QuantumScript.from_queue(queue)
    if script.measurements:
        raise ValueError(f"the circuit measures {script.measurements[0]}; it must only apply gates: devices measure")
    applied = [gate for operation in script.operations for gate in native(operation)]
    return [gate for gate in applied if gate.name != "GlobalPhase"]
