"""A circuit on a device as torch functions, differentiable in angles and weights."""

from typing import Any

import numpy as np
import torch
from torch import Tensor

from hpcqrl.quantum.circuit import Circuit
from hpcqrl.quantum.device import Device
from hpcqrl.quantum.devices import NATIVE, make_device


class Qpu:
    """A device whose measurements are torch functions of angles [samples, n_angles] and weights, in radians."""

    def __init__(self, device: Device) -> None:
        self.device = device

    def expval(self, angles: Tensor, weights: Tensor) -> Tensor:
        """Expectation values of the words that the circuit measures, [samples, words]."""
        if _needs_gradient(angles, weights):
            return _Measurement.apply(self.device.expval_vjp, angles, weights)
        return torch.from_numpy(self.device.expval(_array(angles), _array(weights)))

    def probs(self, angles: Tensor, weights: Tensor, first: int | None = None) -> Tensor:
        """Probabilities of the `first` basis states (all of them), qubit 0 most significant, [samples, first]."""
        if _needs_gradient(angles, weights):
            return _Measurement.apply(self.device.probs_vjp, angles, weights, first)
        return torch.from_numpy(self.device.probs(_array(angles), _array(weights), first))

    def sample(self, angles: Tensor, weights: Tensor, shots: int) -> Tensor:
        """Measured bits, uint8, [samples, shots, qubits]; not differentiable."""
        return torch.from_numpy(self.device.sample(_array(angles), _array(weights), shots))


def make_qpu(circuit: Circuit, name: str = NATIVE, shots: int | None = None, seed: int = 0, **options: Any) -> Qpu:
    """A QPU by the name of its device; see `make_device`."""
    return Qpu(make_device(circuit, name, shots, seed, **options))


def _needs_gradient(angles: Tensor, weights: Tensor) -> bool:
    return torch.is_grad_enabled() and (angles.requires_grad or weights.requires_grad)


def _array(tensor: Tensor) -> np.ndarray:
    return tensor.detach().numpy()


class _Measurement(torch.autograd.Function):
    """Lean on purpose: for a small circuit, what torch does around the kernels takes longer than they do."""

    @staticmethod
    def forward(ctx: Any, measure_vjp: Any, angles: Tensor, weights: Tensor, *options: Any) -> Tensor:
        inputs = np.array(_array(angles), np.float64), np.array(_array(weights), np.float64)
        result, ctx.pullback = measure_vjp(*inputs, *options)
        ctx.dtypes = _array(angles).dtype, _array(weights).dtype
        ctx.n_options = len(options)
        return torch.from_numpy(result)

    @staticmethod
    def backward(ctx: Any, cotangent: Tensor) -> tuple[Tensor | None, ...]:
        if torch.is_grad_enabled():
            raise NotImplementedError("a QPU has no second derivatives here")
        gradients = zip(ctx.pullback(cotangent.numpy()), ctx.dtypes, strict=True)
        return (
            None,
            *(torch.from_numpy(gradient.astype(dtype)) for gradient, dtype in gradients),
            *[None] * ctx.n_options,
        )
