"""What an agent holds: a circuit on a quantum processing unit, as torch functions of angles and weights."""

from typing import Any, Protocol

import numpy as np
import torch
from torch import Tensor

from hpcqrl.quantum.simulator import Simulator
from hpcqrl.quantum.trace import Circuit

NATIVE = "native"


class Qpu(Protocol):
    """A circuit on a device. angles [samples, n_angles], weights (circuit.weights), radians; differentiable in both."""

    def expval(self, angles: Tensor, weights: Tensor) -> Tensor:
        """Expectation values of Z on every qubit, [samples, qubits]."""

    def probs(self, angles: Tensor, weights: Tensor, first: int | None = None) -> Tensor:
        """Probabilities of the `first` basis states (all of them), qubit 0 most significant, [samples, first]."""

    def sample(self, angles: Tensor, weights: Tensor, shots: int) -> Tensor:
        """Measured bits, uint8, [samples, shots, qubits]; not differentiable."""


def make_qpu(circuit: Circuit, name: str = NATIVE, shots: int | None = None, seed: int = 0, **options: Any) -> Qpu:
    """A QPU by name: "native", or any PennyLane device ("lightning.qubit", "default.mixed", "lightning.gpu", ...).

    shots: measurements per expectation value or probability; None: exact. Raises ValueError if there is no such device.
    """
    if shots is not None and shots < 1:
        raise ValueError(f"shots must be at least 1, not {shots}")
    if name == NATIVE:
        return NativeQpu(circuit, shots, seed, **options)
    from hpcqrl.quantum.pennylane_qpu import PennyLaneQpu

    return PennyLaneQpu(circuit, name, shots, seed, **options)


class NativeQpu:
    """The native kernels.

    With shots, values are estimated from measured bits, while gradients stay exact: they are what the parameter-shift
    estimator of a real device gives on average, without its noise. (A PennyLane device has that noise too.)
    """

    def __init__(self, circuit: Circuit, shots: int | None = None, seed: int = 0, dtype: Any = np.float32) -> None:
        self.circuit, self.shots, self.dtype = circuit, shots, dtype
        self._random = np.random.default_rng(seed)
        self._simulators: dict[bool, Simulator] = {}

    def simulator(self, expval: bool) -> Simulator:
        """The circuit on arrays instead of tensors, for expectation values or for probabilities and samples."""
        if expval not in self._simulators:
            self._simulators[expval] = Simulator(self.circuit, expval, self.dtype)
        return self._simulators[expval]

    def expval(self, angles: Tensor, weights: Tensor) -> Tensor:
        exact = _evaluate(self.simulator(True), angles, weights, None)
        if self.shots is None:
            return exact
        estimate = 1.0 - 2.0 * self.sample(angles, weights, self.shots).to(exact.dtype).mean(1)
        return _with_gradient_of(exact, estimate)

    def probs(self, angles: Tensor, weights: Tensor, first: int | None = None) -> Tensor:
        exact = _evaluate(self.simulator(False), angles, weights, first)
        if self.shots is None:
            return exact
        place = 1 << torch.arange(self.circuit.qubits - 1, -1, -1)
        states = (self.sample(angles, weights, self.shots).long() * place).sum(2)
        counts = torch.zeros(len(states), 1 << self.circuit.qubits, dtype=exact.dtype)
        counts.scatter_add_(1, states, torch.ones_like(states, dtype=exact.dtype))
        return _with_gradient_of(exact, counts[:, : exact.shape[1]] / self.shots)

    def sample(self, angles: Tensor, weights: Tensor, shots: int) -> Tensor:
        simulator = self.simulator(False)
        return torch.from_numpy(simulator.sample(_array(angles), _array(weights), shots, self._random))


def _with_gradient_of(exact: Tensor, estimate: Tensor) -> Tensor:
    return estimate + (exact - exact.detach())


def _array(tensor: Tensor) -> np.ndarray:
    return tensor.detach().numpy()


def _evaluate(simulator: Simulator, angles: Tensor, weights: Tensor, first: int | None) -> Tensor:
    if torch.is_grad_enabled() and (angles.requires_grad or weights.requires_grad):
        return _Evaluation.apply(simulator, angles, weights, first)
    return torch.from_numpy(simulator.run(_array(angles), _array(weights), first))


class _Evaluation(torch.autograd.Function):
    """Lean on purpose: for a small circuit, what torch does around the kernels takes longer than they do."""

    @staticmethod
    def forward(ctx: Any, simulator: Simulator, angles: Tensor, weights: Tensor, first: int | None) -> Tensor:
        inputs = np.array(_array(angles), np.float64), np.array(_array(weights), np.float64)
        result, states = simulator.run_for_gradient(*inputs, first)
        ctx.simulator, ctx.inputs, ctx.states = simulator, inputs, states
        ctx.dtypes = _array(angles).dtype, _array(weights).dtype
        return torch.from_numpy(result)

    @staticmethod
    def backward(ctx: Any, cotangent: Tensor) -> tuple[None, Tensor, Tensor, None]:
        if torch.is_grad_enabled():
            raise NotImplementedError("the native QPU has no second derivatives; use --qpu default.qubit")
        angle_gradient, weight_gradient = ctx.simulator.gradient(*ctx.inputs, ctx.states, cotangent.numpy())
        angle_dtype, weight_dtype = ctx.dtypes
        return (
            None,
            torch.from_numpy(angle_gradient.astype(angle_dtype)),
            torch.from_numpy(weight_gradient.astype(weight_dtype)),
            None,
        )
