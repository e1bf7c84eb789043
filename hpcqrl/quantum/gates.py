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


# The native gates and their numbers of wires; FLIPS have two or more, and turn the last where all others are 1.
NATIVE = dict.fromkeys(("Hadamard", "PauliX", "PauliY", "PauliZ", "S", "T", "RX", "RY", "RZ", "PhaseShift"), 1)
NATIVE |= dict.fromkeys(("Rot", "U2", "U3"), 1)
NATIVE |= dict.fromkeys(("CNOT", "CZ", "CY", "CH", "SWAP", "CRX", "CRY", "CRZ", "CRot", "ControlledPhaseShift"), 2)
NATIVE |= dict.fromkeys(("C(U3)", "IsingXX", "IsingYY", "IsingZZ"), 2) | {"Toffoli": 3}
FLIPS = ("CNOT", "Toffoli", "MultiControlledX")

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


def _gate(name: str, n_parameters: int) -> Callable[..., None]:
    n_wires = NATIVE.get(name)

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


Hadamard, PauliX, PauliY, PauliZ = _gate("Hadamard", 0), _gate("PauliX", 0), _gate("PauliY", 0), _gate("PauliZ", 0)
S, T = _gate("S", 0), _gate("T", 0)
RX, RY, RZ, PhaseShift = _gate("RX", 1), _gate("RY", 1), _gate("RZ", 1), _gate("PhaseShift", 1)
Rot, U2, U3 = _gate("Rot", 3), _gate("U2", 2), _gate("U3", 3)
CNOT, CZ, CY, CH, SWAP = _gate("CNOT", 0), _gate("CZ", 0), _gate("CY", 0), _gate("CH", 0), _gate("SWAP", 0)
CRX, CRY, CRZ, CRot = _gate("CRX", 1), _gate("CRY", 1), _gate("CRZ", 1), _gate("CRot", 3)
ControlledPhaseShift = _gate("ControlledPhaseShift", 1)
CU3 = _gate("C(U3)", 3)  # in PennyLane: ctrl(U3(...), control)
IsingXX, IsingYY, IsingZZ = _gate("IsingXX", 1), _gate("IsingYY", 1), _gate("IsingZZ", 1)
Toffoli, MultiControlledX = _gate("Toffoli", 0), _gate("MultiControlledX", 0)
