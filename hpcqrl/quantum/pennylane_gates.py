"""PennyLane's operations as native gates: by name, by its own decompositions, inverted and controlled where they are.

Gates are exact here, with "GlobalPhase" for a phase: one that a control makes visible is not lost. PennyLane's own
inverses and controlled gates are not used: they take angles modulo 2 pi, or what they make of them is no polynomial.
"""

from collections.abc import Sequence
from math import pi
from typing import Any

from hpcqrl.quantum.gates import FLIPS, NATIVE, Gate

_SELF_INVERSE = {"Hadamard", "PauliX", "PauliY", "PauliZ", "SWAP", "CZ", "CY", "CH", *FLIPS}
_WITHOUT_CONTROL = {"CRX": "RX", "CRY": "RY", "CRZ": "RZ", "CRot": "Rot", "C(U3)": "U3", "CY": "PauliY", "CZ": "PauliZ"}
_WITHOUT_CONTROL |= {"CH": "Hadamard", "ControlledPhaseShift": "PhaseShift"}
_WITH_CONTROL = {name: controlled for controlled, name in _WITHOUT_CONTROL.items()}


def native(operation: Any) -> list[Gate]:
    """The gates that an operation of PennyLane's is. ValueError if there are none."""
    from pennylane.ops.op_math import Adjoint, Controlled

    if isinstance(operation, Adjoint):
        return [_inverse(gate) for gate in reversed(native(operation.base))]
    wires, parameters = tuple(operation.wires), operation.parameters
    values = getattr(operation, "control_values", [True])
    kind = NATIVE.get(operation.name)
    if kind and all(values) and kind.wires in (0, len(wires)):
        return [Gate(operation.name, wires, tuple(map(float, parameters)))]
    if isinstance(operation, Controlled):
        turned = [Gate("PauliX", (wire,), ()) for wire, value in zip(wires, values, strict=False) if not value]
        inner = native(operation.base)
        return [*turned, *(gate for part in inner for gate in _controlled(part, wires[: len(values)])), *turned]
    if operation.name == "GlobalPhase":
        return [Gate("GlobalPhase", (), (float(parameters[0]),))]
    if operation.name in ("Identity", "Barrier"):
        return []
    if operation.has_decomposition:
        return [gate for part in operation.decomposition() for gate in native(part)]
    raise ValueError(_refusal(operation))


def _refusal(operation: Any) -> str:
    kinds = [kind.__name__ for kind in type(operation).__mro__]
    if any(kind.startswith("MidMeasure") for kind in kinds) or operation.name.startswith("Conditional"):
        return "the circuit measures before its end; it must only apply gates: devices measure"
    device = "default.mixed" if "Channel" in kinds else "default.qubit"
    if "Channel" in kinds or (operation.has_matrix and len(operation.matrix()) == 1 << len(operation.wires)):
        return f"the native QPU has no gate {operation.name}; use --qpu {device}"
    return f"{operation.name} is no gate of qubits"


def _inverse(gate: Gate) -> Gate:
    name, wires, parameters = gate
    match name, parameters:
        case (("Rot" | "CRot"), (phi, theta, omega)):
            return Gate(name, wires, (-omega, -theta, -phi))
        case (("U3" | "C(U3)"), (theta, phi, delta)):
            return Gate(name, wires, (-theta, -delta, -phi))
        case "U2", (phi, delta):
            return Gate("U3", wires, (-pi / 2, -delta, -phi))
        case (("S" | "T"), _):
            return Gate("PhaseShift", wires, (-pi / 2 if name == "S" else -pi / 4,))
        case _, (angle,):
            return Gate(name, wires, (-angle,))
    assert name in _SELF_INVERSE, name
    return gate


def _controlled(gate: Gate, controls: tuple[Any, ...]) -> list[Gate]:
    """What a gate is where all of the controls are 1, and nothing elsewhere."""
    name, wires, parameters = gate
    if not controls:
        return [gate]
    if name == "GlobalPhase":
        return _controlled(Gate("PhaseShift", controls[-1:], (-parameters[0],)), controls[:-1])
    if name == "PauliX" or name in FLIPS:
        return [_flip(*controls, *wires)]
    if name == "SWAP":
        first, second = wires
        return [_flip(second, first), _flip(*controls, first, second), _flip(second, first)]
    if name in _WITHOUT_CONTROL:
        return _controlled(Gate(_WITHOUT_CONTROL[name], wires[1:], parameters), (*controls, wires[0]))
    if name.startswith("Ising"):
        before = [
            Gate("RX", (wire,), (pi / 2,)) if name == "IsingYY" else Gate("Hadamard", (wire,), ()) for wire in wires
        ]
        before = [] if name == "IsingZZ" else before
        turn = _controlled(Gate("RZ", wires[1:], parameters), controls)
        return [*before, _flip(*wires), *turn, _flip(*wires), *(_inverse(each) for each in before)]
    if len(controls) == 1 and name in _WITH_CONTROL:
        return [Gate(_WITH_CONTROL[name], (*controls, *wires), parameters)]
    if len(controls) == 1 and name == "U2":
        return [Gate("C(U3)", (*controls, *wires), (pi / 2, *parameters))]
    return [part for turn in _rotations(gate) for part in _controlled_rotation(turn, controls)]


def _controlled_rotation(gate: Gate, controls: tuple[Any, ...]) -> list[Gate]:
    """RX, RY, RZ or PhaseShift: half a turn and half a turn back, between which the controls flip the target."""
    name, wires, (angle,) = gate
    if len(controls) == 1:
        return [Gate(_WITH_CONTROL[name], (*controls, *wires), (angle,))]
    if name == "PhaseShift":
        phase = _controlled(Gate("PhaseShift", controls[-1:], (angle / 2,)), controls[:-1])
        return [*_controlled_rotation(Gate("RZ", wires, (angle,)), controls), *phase]
    if name == "RX":
        basis = Gate("Hadamard", wires, ())
        return [basis, *_controlled_rotation(Gate("RZ", wires, (angle,)), controls), basis]
    flip = _flip(*controls, *wires)
    return [Gate(name, wires, (angle / 2,)), flip, Gate(name, wires, (-angle / 2,)), flip]


def _rotations(gate: Gate) -> list[Gate]:
    """A gate of one qubit as rotations and phase shifts, exactly."""
    turns: Sequence[tuple[str, float]]
    match gate.name, gate.parameters:
        case "Hadamard", _:
            turns = ("PhaseShift", pi), ("RY", pi / 2)
        case "PauliY", _:
            turns = ("PhaseShift", pi / 2), ("RY", pi), ("PhaseShift", pi / 2)
        case (("PauliZ" | "S" | "T"), _):
            turns = (("PhaseShift", pi / {"PauliZ": 1, "S": 2, "T": 4}[gate.name]),)
        case "Rot", (phi, theta, omega):
            turns = ("RZ", phi), ("RY", theta), ("RZ", omega)
        case "U2", (phi, delta):
            turns = ("PhaseShift", delta), ("RY", pi / 2), ("PhaseShift", phi)
        case "U3", (theta, phi, delta):
            turns = ("PhaseShift", delta), ("RY", theta), ("PhaseShift", phi)
        case _:
            return [gate]
    return [Gate(name, gate.wires, (angle,)) for name, angle in turns]


def _flip(*wires: Any) -> Gate:
    """The last wire, where all others are 1."""
    return Gate({2: "CNOT", 3: "Toffoli"}.get(len(wires), "MultiControlledX"), wires, ())
