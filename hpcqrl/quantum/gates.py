"""Gates under PennyLane's names and signatures, for circuits that load PennyLane only if a PennyLane device runs them.

    from hpcqrl.quantum import gates as qml

in place of `import pennylane as qml` is the only difference to a PennyLane quantum function, and such a function may
also call PennyLane itself. While `record` is active a gate notes itself; otherwise it is handed to PennyLane.
"""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any, NamedTuple


class Gate(NamedTuple):
    """One applied gate: PennyLane's name for it, the wires (controls first), and its parameters in radians."""

    name: str
    wires: tuple[int, ...]
    parameters: tuple[Any, ...]


class Kind(NamedTuple):
    """How many wires a gate has (0: two or more), and how many parameters."""

    wires: int
    parameters: int


NATIVE = {name: Kind(1, 0) for name in ("Hadamard", "PauliX", "PauliY", "PauliZ", "S", "T")}
NATIVE |= {name: Kind(1, 1) for name in ("RX", "RY", "RZ", "PhaseShift")}
NATIVE |= {"Rot": Kind(1, 3), "U2": Kind(1, 2), "U3": Kind(1, 3)}
NATIVE |= {name: Kind(2, 0) for name in ("CNOT", "CZ", "CY", "CH", "SWAP")}
NATIVE |= {name: Kind(2, 1) for name in ("CRX", "CRY", "CRZ", "ControlledPhaseShift", "IsingXX", "IsingYY", "IsingZZ")}
NATIVE |= {"CRot": Kind(2, 3), "C(U3)": Kind(2, 3), "Toffoli": Kind(3, 0), "MultiControlledX": Kind(0, 0)}
FLIPS = ("CNOT", "Toffoli", "MultiControlledX")  # turn the last wire where all others are 1

_recording: list[Gate] | None = None


@contextmanager
def record() -> Iterator[list[Gate]]:
    """Note the gates called in this block, without PennyLane."""
    global _recording
    _recording, before = [], _recording
    try:
        yield _recording
    finally:
        _recording = before


def _gate(name: str) -> Callable[..., None]:
    n_wires, n_parameters = NATIVE[name]

    def gate(*arguments: Any, wires: Any = None) -> None:
        parameters = arguments[:n_parameters]
        if wires is None and len(arguments) == n_parameters + 1:
            wires = arguments[n_parameters]
        elif wires is None or len(arguments) != n_parameters:
            raise TypeError(f"{name} takes {n_parameters} parameters and wires; got {arguments!r}, wires={wires!r}")
        wires = tuple(wires) if hasattr(wires, "__len__") and not isinstance(wires, str) else (wires,)
        if len(wires) != n_wires and (n_wires or len(wires) < 2):
            expected = f"{n_wires} wire{'s' * (n_wires > 1)}" if n_wires else "2 wires or more"
            raise ValueError(f"{name} acts on {expected}, not on {wires}")
        if _recording is not None:
            _recording.append(Gate(name, wires, parameters))
            return
        import pennylane

        if name == "C(U3)":
            pennylane.ctrl(pennylane.U3(*parameters, wires=wires[1]), control=wires[0])
        else:
            getattr(pennylane, name)(*parameters, wires=wires)

    gate.__name__ = gate.__qualname__ = name
    gate.__doc__ = f"{name} with {n_parameters} parameters, as in PennyLane."
    return gate


Hadamard, PauliX, PauliY, PauliZ = _gate("Hadamard"), _gate("PauliX"), _gate("PauliY"), _gate("PauliZ")
S, T = _gate("S"), _gate("T")
RX, RY, RZ, PhaseShift = _gate("RX"), _gate("RY"), _gate("RZ"), _gate("PhaseShift")
Rot, U2, U3 = _gate("Rot"), _gate("U2"), _gate("U3")
CNOT, CZ, CY, CH, SWAP = _gate("CNOT"), _gate("CZ"), _gate("CY"), _gate("CH"), _gate("SWAP")
CRX, CRY, CRZ, CRot = _gate("CRX"), _gate("CRY"), _gate("CRZ"), _gate("CRot")
ControlledPhaseShift = _gate("ControlledPhaseShift")
CU3 = _gate("C(U3)")  # in PennyLane: ctrl(U3(...), control)
IsingXX, IsingYY, IsingZZ = _gate("IsingXX"), _gate("IsingYY"), _gate("IsingZZ")
Toffoli, MultiControlledX = _gate("Toffoli"), _gate("MultiControlledX")
