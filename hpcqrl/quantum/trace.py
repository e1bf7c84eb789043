"""Find out what a quantum function does: its gates, and which angle or weight each gate's parameter is."""

import math
import sys
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np

from hpcqrl.quantum.gates import Gate, record

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


@dataclass(frozen=True)
class Circuit:
    """A circuit as data: a PennyLane quantum function of (angles, weights), and the shapes that it takes.

    function: applies gates to wires 0..qubits-1; `angles` [n_angles] change with every sample, `weights` [*weights] are
        trained and shared by a batch. Each gate parameter is a constant, or scale * (one angle or weight) + offset.
    """

    function: Callable[[Any, Any], None]
    qubits: int
    n_angles: int
    weights: tuple[int, ...]

    def __post_init__(self) -> None:
        if not 1 <= self.qubits <= 28:
            raise ValueError(f"a circuit has 1 to 28 qubits, not {self.qubits}")
        if self.n_angles < 0 or any(size < 1 for size in self.weights):
            raise ValueError(f"angles must be >= 0 and weights' sizes >= 1, not {self.n_angles} and {self.weights}")

    @property
    def n_weights(self) -> int:
        return math.prod(self.weights) if self.weights else 0

    def check(self, angles: np.ndarray, weights: np.ndarray) -> None:
        """ValueError unless angles are [samples, n_angles] and weights [*weights]."""
        if angles.shape[1:] != (self.n_angles,) or weights.shape != (self.weights or (0,)):
            raise ValueError(
                f"the circuit takes angles [samples, {self.n_angles}] and weights {self.weights or (0,)}, "
                f"not {angles.shape} and {weights.shape}"
            )

    def states(self, first: int | None) -> int:
        """How many basis states the `first` are; all if None. ValueError if there are not so many."""
        if first is not None and not 1 <= first <= 1 << self.qubits:
            raise ValueError(f"{first} results are asked for, but the circuit has {1 << self.qubits}")
        return first or 1 << self.qubits


class Parameter(NamedTuple):
    """scale * values[position] + offset, radians; values are the angles, then the weights; -1: the offset alone."""

    position: int
    scale: float
    offset: float


def trace(circuit: Circuit) -> list[Gate]:
    """The gates of a circuit, with a `Parameter` for each parameter.

    The function runs on random numbers; where a parameter follows one of them along a straight line, that is the one it
    takes. So any function works that PennyLane can run, its templates included. Some of the numbers are negative, some
    large: a gate or a parameter that depends on their sign or size is found.
    Raises ValueError for it, for a gate that the native kernels lack, and for a parameter that is no such line.
    """
    random = np.random.default_rng(20240229)
    numbers = circuit.n_angles + circuit.n_weights
    bits = max(1, (numbers - 1).bit_length())
    values = random.uniform(0.1, 3.0, (6 + bits, numbers))
    values[4] += 20.0
    values[5] += 20.0
    values[[3, 5]] *= -1.0
    for bit in range(bits):  # any two of the numbers have different signs in one of these
        values[6 + bit, np.arange(numbers) >> bit & 1 == 1] *= -1.0
    runs = [_gates(circuit, row.copy()) for row in values]  # a copy: the function may compute in place
    if len({tuple((gate.name, gate.wires) for gate in run) for run in runs}) != 1:
        raise ValueError("the circuit's gates depend on the values of its angles or weights; they must not")
    gates = []
    for same in zip(*runs, strict=True):
        first = same[0]
        wrong = [wire for wire in first.wires if not 0 <= wire < circuit.qubits]
        if wrong:
            raise ValueError(
                f"{first.name} acts on wire {wrong[0]}, but the circuit has wires 0 to {circuit.qubits - 1}"
            )
        if len(set(first.wires)) < len(first.wires):
            raise ValueError(f"{first.name} acts twice on one wire: {first.wires}")
        observed = np.array([gate.parameters for gate in same], dtype=np.float64)
        gates.append(first._replace(parameters=tuple(_line(first.name, values, seen) for seen in observed.T)))
    return gates


def _line(gate: str, values: np.ndarray, seen: np.ndarray) -> Parameter:
    if np.ptp(seen) == 0.0:
        return Parameter(-1, 0.0, float(seen[0]))
    slopes = (seen[1:] - seen[0])[:, None] / (values[1:] - values[0])
    error = np.ptp(slopes, axis=0)
    index = int(np.argmin(error))
    if error[index] > 1e-9 * (1.0 + abs(slopes[0, index])):
        raise ValueError(
            f"a parameter of {gate} is not scale * (one angle or weight) + offset; apply other functions, such as "
            "arctan, to the angles before the circuit; or, if PennyLane has made it of another gate, use a device of "
            "PennyLane's, --qpu default.qubit"
        )
    scale = slopes[:, index].mean()
    return Parameter(index, float(f"{scale:.12g}"), float(np.round(seen[0] - scale * values[0, index], 12)))


def _gates(circuit: Circuit, values: np.ndarray) -> Sequence[Gate]:
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
