"""Gates as chains of rotations of one qubit, and where a control qubit chooses between two chains."""

from collections.abc import Iterable
from math import pi
from typing import NamedTuple

from hpcqrl.quantum.gates import Gate
from hpcqrl.quantum.parameters import Parameter
from hpcqrl.quantum.rotations import PHASE, X, Y, Z


class Rotation(NamedTuple):
    """A rotation about an axis (or a phase shift) by `parameter` radians."""

    axis: int
    parameter: Parameter


Chain = list[Rotation]


def extend(chain: Chain, more: Iterable[Rotation]) -> None:
    """Append rotations; a fixed one merges with a neighbour about the same axis."""
    for rotation in more:
        last = chain[-1] if chain else None
        if last and last.axis == rotation.axis and not (last.parameter.terms and rotation.parameter.terms):
            varied, other = (last, rotation) if last.parameter.terms else (rotation, last)
            chain[-1] = varied._replace(parameter=varied.parameter.shifted(other.parameter.offset))
        else:
            chain.append(rotation)


def fixed(axis: int, angle: float) -> Rotation:
    return Rotation(axis, Parameter(angle))


def single_qubit_chain(gate: Gate) -> Chain | None:
    """The gate's rotations, up to a global phase; None for a gate of two qubits."""
    match gate.name, gate.parameters:
        case "Hadamard", _:
            return [fixed(Z, pi), fixed(Y, pi / 2)]
        case "PauliX", _:
            return [fixed(X, pi)]
        case "PauliY", _:
            return [fixed(Y, pi)]
        case "PauliZ", _:
            return [fixed(Z, pi)]
        case "S", _:
            return [fixed(Z, pi / 2)]
        case "T", _:
            return [fixed(Z, pi / 4)]
        case "RX", (angle,):
            return [Rotation(X, angle)]
        case "RY", (angle,):
            return [Rotation(Y, angle)]
        case "RZ" | "PhaseShift", (angle,):
            return [Rotation(Z, angle)]
        case "Rot", (phi, theta, omega):
            return [Rotation(Z, phi), Rotation(Y, theta), Rotation(Z, omega)]
        case "U2", (phi, delta):
            return [Rotation(Z, delta), fixed(Y, pi / 2), Rotation(Z, phi)]
        case "U3", (theta, phi, delta):
            return [Rotation(Z, delta), Rotation(Y, theta), Rotation(Z, phi)]
    return None


def controlled_chains(gate: Gate) -> tuple[Chain, Chain]:
    """What a gate of two qubits does to its second where its first is 0, and where it is 1."""
    match gate.name, gate.parameters:
        case "CZ", _:
            return [], [fixed(PHASE, pi)]
        case "CY", _:
            return [], [fixed(PHASE, pi / 2), fixed(Y, pi), fixed(PHASE, pi / 2)]
        case "CH", _:
            return [], [fixed(PHASE, pi), fixed(Y, pi / 2)]
        case "CRX", (angle,):
            return [], [Rotation(X, angle)]
        case "CRY", (angle,):
            return [], [Rotation(Y, angle)]
        case "CRZ", (angle,):
            return [], [Rotation(Z, angle)]
        case "CRot", (phi, theta, omega):
            return [], [Rotation(Z, phi), Rotation(Y, theta), Rotation(Z, omega)]
        case "ControlledPhaseShift", (angle,):
            return [], [Rotation(PHASE, angle)]
        case "C(U3)", (theta, phi, delta):
            return [], [Rotation(PHASE, delta), Rotation(Y, theta), Rotation(PHASE, phi)]
        case "IsingZZ", (angle,):
            return [Rotation(Z, angle)], [Rotation(Z, angle.negated())]
    raise ValueError(f"the native QPU has no gate {gate.name}")


TO_Z = {"X": (Y, -pi / 2), "Y": (X, pi / 2)}  # the rotation after which Z is what X or Y was
ISING_BASIS = {"IsingXX": TO_Z["X"], "IsingYY": TO_Z["Y"]}
