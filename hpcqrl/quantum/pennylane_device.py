"""The same circuits on any PennyLane device: other simulators, GPUs, noise, hardware."""

from collections.abc import Callable
from functools import partial, reduce
from operator import matmul
from typing import Any

import numpy as np
import pennylane as qml
import torch
from numpy.typing import NDArray
from scipy.sparse import csr_matrix
from torch import Tensor

from hpcqrl.quantum.circuit import Circuit
from hpcqrl.quantum.device import Floats, Pullback


def pennylane_words(circuit: Circuit) -> list[Any]:
    """What a circuit measures, as PennyLane's observables."""
    letters = {"X": qml.PauliX, "Y": qml.PauliY, "Z": qml.PauliZ}
    return [reduce(matmul, [letters[letter](circuit.wires[qubit]) for qubit, letter in word]) for word in circuit.words]


class PennyLaneDevice:
    """A PennyLane device by name; gradients by its adjoint method, backpropagation or parameter shift. All float64."""

    def __init__(self, circuit: Circuit, name: str, shots: int | None = None, seed: int = 0) -> None:
        self.circuit, self.shots, self._name = circuit, shots, name
        self.random: np.random.Generator | None = None  # PennyLane's own
        try:
            self._device = _make(name, circuit.wires, seed % 2**32)
        except Exception as error:  # each plugin raises what it likes
            raise ValueError(f"no PennyLane device {name!r} on this machine: {error}") from error
        self._check_gates()
        if shots is not None:
            self._method = "parameter-shift"
        elif name.startswith("lightning"):
            self._method = "adjoint"
        elif name.startswith("default."):
            self._method = "backprop"
        else:
            self._method = "best"

    def _check_gates(self) -> None:
        """ValueError for a circuit that fails on tensors, or has a gate that the device lacks; nothing is executed."""
        shapes = (self.circuit.n_angles,), self.circuit.weights or (0,)
        angles, weights = (torch.full(shape, 0.3, dtype=torch.float64, requires_grad=True) for shape in shapes)
        with qml.queuing.AnnotatedQueue() as queue:
            self.circuit.apply(angles, weights)
        gates = qml.tape.QuantumScript.from_queue(queue)
        if gates.measurements:
            measured = gates.measurements[0]
            raise ValueError(f"the circuit measures {measured}; it must only apply gates: devices measure")
        tape = qml.tape.QuantumScript(gates.operations, [qml.expval(qml.Z(self.circuit.wires[0]))], shots=self.shots)
        try:
            self._device.preprocess_transforms()((tape,))
        except qml.exceptions.DeviceError as error:
            raise ValueError(f"{self._name} does not run this circuit: {error}") from error

    def expval(self, angles: Floats, weights: Floats) -> Floats:
        return self._run(self._expvals, *self._tensors(angles, weights), None).numpy()

    def probs(self, angles: Floats, weights: Floats, first: int | None = None) -> Floats:
        first = self.circuit.states(first)
        return self._run(self._all_probs, *self._tensors(angles, weights), None).numpy()[:, :first]

    def sample(self, angles: Floats, weights: Floats, shots: int) -> NDArray[np.uint8]:
        self.circuit.check(angles, weights)
        node = self._node(lambda: qml.sample(wires=self.circuit.wires), shots=shots, diff_method=None)
        return np.stack([np.reshape(node(row, weights), (shots, -1)) for row in angles]).astype(np.uint8)

    def expval_vjp(self, angles: Floats, weights: Floats) -> tuple[Floats, Pullback]:
        return self._vjp(self._expvals, angles, weights)

    def probs_vjp(self, angles: Floats, weights: Floats, first: int | None = None) -> tuple[Floats, Pullback]:
        """Lightning's adjoint method knows no gradient of probabilities, but their vector-Jacobian product is the
        gradient of one diagonal observable, which it does know: one pass instead of hundreds of shifted circuits.
        """
        first, states = self.circuit.states(first), self.circuit.states(None)

        def whole(cotangent: Floats) -> Floats:
            return np.pad(cotangent.astype(np.float64), ((0, 0), (0, states - cotangent.shape[1])))

        if self._method != "adjoint":
            value, pullback = self._vjp(self._all_probs, angles, weights)
            return value[:, :first], lambda cotangent: pullback(whole(cotangent))

        def pullback_of_observables(cotangent: Floats) -> tuple[Floats, Floats]:
            rows = []
            for row, diagonal in zip(angles, whole(cotangent), strict=True):
                matrix = csr_matrix((diagonal, (np.arange(states), np.arange(states))))
                observable = qml.SparseHamiltonian(matrix, wires=self.circuit.wires)
                _, pullback = self._vjp(partial(qml.expval, observable), row[None], weights)
                rows.append(pullback(np.ones(1)))
            return np.concatenate([angle for angle, _ in rows]), np.sum([weight for _, weight in rows], axis=0)

        return self.probs(angles, weights, first), pullback_of_observables

    def _expvals(self) -> list[Any]:
        return [qml.expval(word) for word in pennylane_words(self.circuit)]

    def _all_probs(self) -> Any:
        return qml.probs(wires=self.circuit.wires)

    def _node(self, measure: Callable[[], Any], **options: Any) -> Any:
        def run(angles: Any, weights: Any) -> Any:
            self.circuit.apply(angles, weights)
            return measure()

        return qml.QNode(run, self._device, **options)

    def _run(self, measure: Callable[[], Any], angles: Tensor, weights: Tensor, method: str | None) -> Tensor:
        node = self._node(measure, interface="torch", diff_method=method, shots=self.shots)
        rows = [node(row, weights) for row in angles]
        return torch.stack([torch.stack(row) if isinstance(row, list | tuple) else row for row in rows]).double()

    def _vjp(self, measure: Callable[[], Any], angles: Floats, weights: Floats) -> tuple[Floats, Pullback]:
        tensors = self._tensors(angles, weights)
        wanted = [tensor.requires_grad_() for tensor in tensors if tensor.numel()]
        with torch.enable_grad():
            value = self._run(measure, *tensors, self._method)

        def pullback(cotangent: Floats) -> tuple[Floats, Floats]:
            if not value.requires_grad:  # no angle or weight has a part in it
                return np.zeros(angles.shape), np.zeros(weights.shape)
            found = torch.autograd.grad(value, wanted, torch.as_tensor(cotangent).to(value.dtype), allow_unused=True)
            gradients = dict(zip(map(id, wanted), found, strict=True))
            first, second = (gradients.get(id(tensor)) for tensor in tensors)
            return (
                np.zeros(angles.shape) if first is None else first.numpy(),
                np.zeros(weights.shape) if second is None else second.numpy(),
            )

        return value.detach().numpy(), pullback

    def _tensors(self, angles: Floats, weights: Floats) -> tuple[Tensor, Tensor]:
        self.circuit.check(angles, weights)
        return torch.tensor(angles, dtype=torch.float64), torch.tensor(weights, dtype=torch.float64)


def _make(name: str, wires: Any, seed: int) -> Any:
    try:
        return qml.device(name, wires=wires, seed=seed)
    except TypeError:  # a device that takes no seed: hardware draws its own shots, older simulators draw NumPy's
        np.random.seed(seed)
        return qml.device(name, wires=wires)
