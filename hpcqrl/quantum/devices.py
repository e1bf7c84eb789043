"""Devices by their names."""

from typing import Any

from hpcqrl.quantum.circuit import Circuit
from hpcqrl.quantum.device import Device
from hpcqrl.quantum.native_device import NativeDevice

NATIVE = "native"


def make_device(
    circuit: Circuit,
    name: str = NATIVE,
    shots: int | None = None,
    seed: int = 0,
    latency: float = 0.0,
    jitter: float = 0.0,
    **options: Any,
) -> Device:
    """A device by name: "native", or any of PennyLane's ("lightning.qubit", "default.mixed", "lightning.gpu", ...).

    shots: measurements per expectation value or probability; None: exact. latency: milliseconds of each circuit
    execution, varied by the share jitter, as on an emulated QPU; 0: as fast as it goes. Raises ValueError if there is
    no such device.
    """
    if shots is not None and shots < 1:
        raise ValueError(f"shots must be at least 1, not {shots}")
    if not 0.0 <= latency < float("inf") or not 0.0 <= jitter <= 1.0:
        raise ValueError(f"latency must be 0 or more milliseconds, jitter 0 to 1, not {latency} and {jitter}")
    if latency > 0.0:
        from hpcqrl.quantum.emulated_qpu import EmulatedQpu

        return EmulatedQpu(make_device(circuit, name, shots, seed, **options), 1e-3 * latency, jitter, seed)
    if name == NATIVE:
        return NativeDevice(circuit, shots, seed, **options)
    from hpcqrl.quantum.pennylane_device import PennyLaneDevice

    return PennyLaneDevice(circuit, name, shots, seed, **options)
