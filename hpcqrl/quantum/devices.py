"""Devices by what a user says of them."""

import os
from typing import Any, overload

import numpy as np

from hpcqrl.quantum.backend import NATIVE, NATIVE_GPU, Backend
from hpcqrl.quantum.circuit import Circuit
from hpcqrl.quantum.cost import count
from hpcqrl.quantum.device import Device
from hpcqrl.quantum.emulated_qpu import EmulatedQpu
from hpcqrl.quantum.job_qpus import QRMI, open_qpu
from hpcqrl.quantum.mixture import MixedDevice, Mixture
from hpcqrl.quantum.native_device import NativeDevice

__all__ = ["NATIVE", "NATIVE_GPU", "Backend", "generators_of", "make_device"]


def generators_of(device: Device | MixedDevice) -> dict[str, np.random.Generator]:
    """The random numbers that its measurements are drawn with, by name; none where its back end draws them."""
    if isinstance(device, MixedDevice):
        return device.generators
    return {} if device.random is None else {"qpu": device.random}


@overload
def make_device(
    circuit: Circuit, backend: str | Backend = NATIVE, shots: int | None = None, seed: int = 0, **options: Any
) -> Device: ...


@overload
def make_device(
    circuit: Circuit | Mixture, backend: str | Backend = NATIVE, shots: int | None = None, seed: int = 0, **options: Any
) -> Device | MixedDevice: ...


def make_device(
    circuit: Circuit | Mixture,
    backend: str | Backend = NATIVE,
    shots: int | None = None,
    seed: int = 0,
    **options: Any,
) -> Device | MixedDevice:
    """A device: "native", "native-gpu", any of PennyLane's by name ("lightning.qubit", ...), or a whole Backend.

    shots: measurements per expectation value or probability; None: exact. Raises ValueError if there is no such
    device, or the circuit is none for it.
    """
    if shots is not None and shots < 1:
        raise ValueError(f"shots must be at least 1, not {shots}")
    if isinstance(backend, str):
        backend = Backend(backend)
    if isinstance(circuit, Mixture):
        seeds = np.random.SeedSequence(seed).generate_state(len(circuit.circuits)).tolist()
        each = zip(circuit.circuits, seeds, strict=True)
        return MixedDevice(circuit, [make_device(one, backend, shots, own, **options) for one, own in each])
    if backend.gradient is None or backend.gradient == "exact":
        device = _executing(circuit, backend, shots, seed, **options)
        if backend.noise is None and (backend.gradient is None or backend.is_native):
            return device  # its own are exact
        from hpcqrl.quantum.gradients import ExactGradients

        return ExactGradients(device)
    from hpcqrl.quantum.gradients import EstimatedGradients
    from hpcqrl.quantum.opened import opened

    free = opened(circuit)
    executing = _executing(free.circuit, backend, shots, seed, **options)
    return EstimatedGradients(circuit, free, executing, backend.gradient, seed)


def _executing(circuit: Circuit, backend: Backend, shots: int | None, seed: int, **options: Any) -> Device:
    """What executes circuits, perhaps late, and perhaps only at a second try."""
    device: Device
    name = backend.name
    if backend.is_native and backend.noise is not None:
        from hpcqrl.quantum.noisy_device import NoisyDevice

        device = NoisyDevice(circuit, backend.noise, shots, seed)
    elif backend.is_native:
        device = NativeDevice(circuit, shots, seed, on_gpu=backend.on_gpu, **options)
    elif name == QRMI:
        from hpcqrl.quantum.sampler_device import SamplerDevice

        own, qpu, sampler = open_qpu(os.environ)
        name, device = f"QPU {own}", SamplerDevice(circuit, qpu, shots, seed, sampler)
    else:
        device = _brought(circuit, backend, shots, seed, **options)
    if backend.is_emulated:
        device = EmulatedQpu(device, backend, shots, seed)
    if not backend.is_native:
        from hpcqrl.quantum.patient import PatientDevice

        device = PatientDevice(device, name, backend.timeout, backend.retries)
    if shots is not None or backend.is_emulated or not backend.is_native:
        count(device.cost)
    return device


def _brought(circuit: Circuit, backend: Backend, shots: int | None, seed: int, **options: Any) -> Device:
    """A PennyLane device, by name or the user's own, or her Qiskit backend."""
    own = backend.made(circuit.wires, shots, seed)
    if hasattr(own, "target") and hasattr(own, "num_qubits"):
        from hpcqrl.quantum.sampler_device import SamplerDevice

        return SamplerDevice(circuit, own, shots, seed)
    from hpcqrl.quantum.pennylane_device import PennyLaneDevice

    return PennyLaneDevice(circuit, backend, shots, seed, own, **options)
