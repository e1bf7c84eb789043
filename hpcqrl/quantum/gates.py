"""Gates under PennyLane's names and signatures, for circuits that load PennyLane only if a PennyLane device runs them.

    from hpcqrl.quantum import gates as qml

in place of `import pennylane as qml` is the only difference to a PennyLane quantum function, and such a function may
also call PennyLane itself. While `record` is active a gate notes itself; otherwise it is handed to PennyLane.
"""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from numbers import Integral
from typing import Any, NamedTuple


class Gate(NamedTuple):
    """One applied gate: PennyLane's name for it, the wires (controls first), and its parameters in radians."""

    name: str
    wires: tuple[int, ...]
    parameters: tuple[Any, ...]


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


def _gate(name: str, n_parameters: int, n_wires: int = 1) -> Callable[..., None]:
    def gate(*arguments: Any, wires: Any = None) -> None:
        parameters = arguments[:n_parameters]
        if wires is None and len(arguments) == n_parameters + 1:
            wires = arguments[n_parameters]
        elif wires is None or len(arguments) != n_parameters:
            raise TypeError(f"{name} takes {n_parameters} parameters and wires; got {arguments!r}, wires={wires!r}")
        wires = (int(wires),) if isinstance(wires, Integral) else tuple(int(wire) for wire in wires)
        if len(wires) != n_wires:
            raise ValueError(f"{name} acts on {n_wires} wire{'s' * (n_wires > 1)}, not on {wires}")
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
CNOT, CZ, SWAP = _gate("CNOT", 0, 2), _gate("CZ", 0, 2), _gate("SWAP", 0, 2)
CRX, CRY, CRZ = _gate("CRX", 1, 2), _gate("CRY", 1, 2), _gate("CRZ", 1, 2)
ControlledPhaseShift = _gate("ControlledPhaseShift", 1, 2)
CU3 = _gate("C(U3)", 3, 2)  # in PennyLane: ctrl(U3(...), control)
IsingXX, IsingYY, IsingZZ = _gate("IsingXX", 1, 2), _gate("IsingYY", 1, 2), _gate("IsingZZ", 1, 2)
