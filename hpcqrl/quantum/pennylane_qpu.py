"""The same circuits on any PennyLane device: other simulators, GPUs, noise, hardware."""

from typing import Any

import numpy as np
import pennylane as qml
import torch
from torch import Tensor

from hpcqrl.quantum.trace import Circuit


class PennyLaneQpu:
    """A PennyLane device by name; gradients by its adjoint method, backpropagation or parameter shift.

    Lightning's adjoint method knows no gradient of probabilities, but the vector-Jacobian product of all of them is the
    gradient of one diagonal observable, which it does know: one pass instead of hundreds of shifted circuits.
    """

    def __init__(self, circuit: Circuit, name: str, shots: int | None = None, seed: int = 0) -> None:
        self.circuit, self.name, self.shots = circuit, name, shots
        try:
            self._device = qml.device(name, wires=circuit.qubits)
        except Exception as error:  # each plugin raises what it likes
            raise ValueError(f"no PennyLane device {name!r} on this machine: {error}") from error
        np.random.seed(seed)  # (PennyLane's devices draw their shots from here)
        if shots is not None:
            self._method = "parameter-shift"
        elif name.startswith("lightning"):
            self._method = "adjoint"
        elif name.startswith("default."):
            self._method = "backprop"
        else:
            self._method = "best"

    def expval(self, angles: Tensor, weights: Tensor) -> Tensor:
        return self._run(lambda: [qml.expval(qml.PauliZ(q)) for q in range(self.circuit.qubits)], angles, weights)

    def probs(self, angles: Tensor, weights: Tensor, first: int | None = None) -> Tensor:
        if self._method == "adjoint" and torch.is_grad_enabled() and (angles.requires_grad or weights.requires_grad):
            return torch.stack([_Probabilities.apply(self, row, weights) for row in angles])[:, :first]
        return self._probs(angles, weights)[:, :first]

    def _probs(self, angles: Tensor, weights: Tensor) -> Tensor:
        return self._run(lambda: qml.probs(wires=range(self.circuit.qubits)), angles, weights)

    def sample(self, angles: Tensor, weights: Tensor, shots: int) -> Tensor:
        measured = self._node(lambda: qml.sample(wires=range(self.circuit.qubits)), shots=shots, diff_method=None)
        rows = [np.reshape(measured(row, weights.detach()), (shots, -1)) for row in angles.detach()]
        return torch.from_numpy(np.stack(rows).astype(np.uint8))

    def _node(self, measure: Any, **options: Any) -> Any:
        def run(angles: Tensor, weights: Tensor) -> Any:
            self.circuit.function(angles, weights)
            return measure()

        return qml.QNode(run, self._device, **options)

    def _run(self, measure: Any, angles: Tensor, weights: Tensor) -> Tensor:
        method = self._method if torch.is_grad_enabled() else None
        node = self._node(measure, interface="torch", diff_method=method, shots=self.shots)
        dtype = weights.dtype if self.circuit.n_weights else angles.dtype
        rows = [node(row, weights) for row in angles]
        return torch.stack([torch.stack(row) if isinstance(row, list | tuple) else row for row in rows]).to(dtype)


class _Probabilities(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, qpu: PennyLaneQpu, angles: Tensor, weights: Tensor) -> Tensor:
        ctx.save_for_backward(angles, weights)
        ctx.qpu = qpu
        with torch.no_grad():
            return qpu._probs(angles[None], weights)[0]

    @staticmethod
    @torch.autograd.function.once_differentiable
    def backward(ctx: Any, cotangent: Tensor) -> tuple[Tensor | None, ...]:
        from scipy.sparse import csr_matrix

        states = np.arange(cotangent.numel())
        diagonal = csr_matrix((cotangent.double().numpy(), (states, states)))
        angles, weights = (tensor.detach().requires_grad_(tensor.numel() > 0) for tensor in ctx.saved_tensors)
        observable = qml.SparseHamiltonian(diagonal, wires=range(ctx.qpu.circuit.qubits))
        with torch.enable_grad():
            (value,) = ctx.qpu._run(lambda: qml.expval(observable), angles[None], weights)
        wanted = [tensor for tensor in (angles, weights) if tensor.requires_grad]
        found = iter(torch.autograd.grad(value, wanted))
        return None, *(next(found) if tensor.requires_grad else None for tensor in (angles, weights))
