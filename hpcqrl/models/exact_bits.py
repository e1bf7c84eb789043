"""What is measured of a circuit on average, exactly, with the gradient in its angles: no network between."""

from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from hpcqrl.quantum.circuit import Circuit
from hpcqrl.quantum.devices import NATIVE, NATIVE_GPU
from hpcqrl.quantum.qpu import make_qpu

Floats = NDArray[np.floating]


class ExactBits:
    """Of each qubit the mean of what is measured: of its more frequent bit among `shots`, or (marginals) of its bits.

    Computed on the native kernels, whatever device the circuit is measured on (on_gpu: on a GPU's); gradients by their
    batched adjoint.
    """

    def __init__(self, circuit: Circuit, shots: int = 1, marginals: bool = False, on_gpu: bool = False) -> None:
        self._qpu = make_qpu(circuit, NATIVE_GPU if on_gpu else NATIVE)
        self._no_weights = torch.zeros(0)
        self._shots = 1 if marginals else shots

    def expected(self, angles: Tensor) -> Tensor:
        """Angles [samples, angles] to means [samples, qubits], float32, differentiable."""
        means = 0.5 - 0.5 * self._qpu.expval(angles.cpu().double(), self._no_weights)
        if self._shots > 1:
            means = _MoreFrequent.apply(means.clamp(0.0, 1.0), self._shots)  # which rounding may leave
        return means.to(angles.device, torch.float32)

    def jacobian(self, angles: Floats) -> Floats:
        """Derivatives of the means at angles [samples, angles], [samples, qubits, angles]."""
        samples, qubits = len(angles), self._qpu.device.circuit.qubits
        repeated = torch.from_numpy(np.repeat(angles, qubits, axis=0)).requires_grad_()
        with torch.enable_grad():
            self.expected(repeated).backward(torch.eye(qubits).repeat(samples, 1))
        assert repeated.grad is not None
        return repeated.grad.numpy().reshape(samples, qubits, -1)


class _MoreFrequent(torch.autograd.Function):
    """The probability that more than half of so many bits, each 1 with probability p, are 1: a binomial's tail, which
    is the incomplete beta function of p (DLMF, 8.17.5); its slope is the beta distribution's density.
    """

    @staticmethod
    def forward(ctx: Any, p: Tensor, shots: int) -> Tensor:
        from scipy.special import betainc

        ctx.save_for_backward(p)
        ctx.parameters = shots // 2 + 1, shots - shots // 2
        return torch.from_numpy(betainc(*ctx.parameters, p.detach().double().numpy())).to(p.dtype)

    @staticmethod
    def backward(ctx: Any, cotangent: Tensor) -> tuple[Tensor, None]:
        from scipy.stats import beta

        (p,) = ctx.saved_tensors
        slope = beta.pdf(p.double().numpy(), *ctx.parameters)
        return cotangent * torch.from_numpy(slope).to(p.dtype), None
