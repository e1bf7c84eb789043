"""The same circuits on any PennyLane device: other simulators, GPUs, noise, hardware."""

import time
from collections.abc import Callable, Sequence
from functools import partial, reduce
from operator import matmul
from typing import Any

import numpy as np
import pennylane as qml
import torch
from numpy.typing import NDArray
from scipy.sparse import csr_matrix
from torch import Tensor

from hpcqrl.quantum.backend import Backend
from hpcqrl.quantum.circuit import Circuit
from hpcqrl.quantum.cost import Cost
from hpcqrl.quantum.device import Floats, Pullback

PACKAGES = {  # where devices come from that are not PennyLane's own: the package, and this one's extra for it
    "qiskit": ("pennylane-qiskit", "qiskit"),
    "lightning.gpu": ("pennylane-lightning[gpu]", "gpu"),
    "lightning.kokkos": ("pennylane-lightning[kokkos]", None),
    "braket": ("amazon-braket-pennylane-plugin", None),
    "cirq": ("pennylane-cirq", None),
    "ionq": ("pennylane-ionq", None),
    "iqm": ("pennylane-iqm", None),
    "rigetti": ("pennylane-rigetti", None),
    "qulacs": ("pennylane-qulacs", None),
}


def pennylane_words(circuit: Circuit) -> list[Any]:
    """What a circuit measures, as PennyLane's observables."""
    letters = {"X": qml.PauliX, "Y": qml.PauliY, "Z": qml.PauliZ}
    return [reduce(matmul, [letters[letter](circuit.wires[qubit]) for qubit, letter in word]) for word in circuit.words]


class PennyLaneDevice:
    """A PennyLane device, by name, or the user's own. All float64.

    All circuits of a call go to it together. Gradients are by its adjoint method or backpropagation, where it has one,
    else by PennyLane's parameter shift, whose circuits are one more submission.
    """

    def __init__(
        self, circuit: Circuit, backend: str | Backend, shots: int | None = None, seed: int = 0, own: Any = None
    ) -> None:
        backend = Backend(backend) if isinstance(backend, str) else backend
        self.circuit, self.shots, self._name, self.cost = circuit, shots, backend.name, Cost()
        self.random: np.random.Generator | None = None  # PennyLane's own
        self._device = _by_name(backend, circuit.wires, seed % 2**32) if backend.make is None else own
        if not hasattr(self._device, "execute"):
            raise ValueError(
                f"{backend.name}(wires, shots, seed, rank) returns {own!r}, not a PennyLane device or a Qiskit backend"
            )
        own = getattr(self._device, "shots", None)
        if shots is None and own is not None and own.total_shots is not None:
            raise ValueError(
                f"{backend.name} measures {own.total_shots} shots unless it is told otherwise, and nothing exact: "
                "say --shots"
            )
        self._check_gates()
        kind = getattr(self._device, "name", backend.name)
        if shots is not None:
            self._method = "parameter-shift"
        elif kind.startswith("lightning"):
            self._method = "adjoint"
        elif kind.startswith("default."):
            self._method = "backprop"
        else:
            self._method = "best"

    def expval(self, angles: Floats, weights: Floats) -> Floats:
        return self._run(self._expvals, *self._tensors(angles, weights), None).numpy()

    def probs(self, angles: Floats, weights: Floats, first: int | None = None) -> Floats:
        first = self.circuit.states(first)
        return self._run(self._all_probs, *self._tensors(angles, weights), None).numpy()[:, :first]

    def sample(self, angles: Floats, weights: Floats, shots: int) -> NDArray[np.uint8]:
        tapes = self._tapes(lambda: [qml.sample(wires=self.circuit.wires)], *self._tensors(angles, weights), shots)
        return np.stack([np.reshape(bits, (shots, -1)) for bits in self._execute(tapes, None)]).astype(np.uint8)

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
                _, pullback = self._vjp(partial(_expval_of, observable), row[None], weights)
                rows.append(pullback(np.ones((1, 1))))
            return np.concatenate([angle for angle, _ in rows]), np.sum([weight for _, weight in rows], axis=0)

        return self.probs(angles, weights, first), pullback_of_observables

    def _expvals(self) -> list[Any]:
        return [qml.expval(word) for word in pennylane_words(self.circuit)]

    def _all_probs(self) -> list[Any]:
        return [qml.probs(wires=self.circuit.wires)]

    def _tapes(self, measure: Callable[[], list[Any]], angles: Tensor, weights: Tensor, shots: int | None) -> list[Any]:
        """The circuit with its measurements, for each row of angles."""
        measurements = measure()
        tapes = []
        for row in angles:
            with qml.queuing.AnnotatedQueue() as queue:
                self.circuit.apply(row, weights)
            gates = qml.tape.QuantumScript.from_queue(queue)
            tape = qml.tape.QuantumScript(gates.operations, measurements, shots=shots)
            given = tape.get_parameters(trainable_only=False)
            tape.trainable_params = [number for number, value in enumerate(given) if _needs_gradient(value)]
            tapes.append(tape)
        return tapes

    def _execute(self, tapes: Sequence[Any], method: str | None) -> Sequence[Any]:
        """All at once."""
        begin = time.perf_counter()
        results = qml.execute(tapes, self._device, diff_method=method, interface="torch") if tapes else []
        self.cost.add(len(tapes), tapes[0].shots.total_shots if tapes else 0, time.perf_counter() - begin)
        return results

    def _run(self, measure: Callable[[], list[Any]], angles: Tensor, weights: Tensor, method: str | None) -> Tensor:
        rows = self._execute(self._tapes(measure, angles, weights, self.shots), method)
        if not len(angles):
            return torch.zeros(
                (0, self.circuit.states(None) if measure == self._all_probs else len(measure()))
            ).double()
        stacked = [torch.stack([*map(torch.as_tensor, row)]) if isinstance(row, list | tuple) else row for row in rows]
        return torch.stack([torch.as_tensor(row).reshape(-1) for row in stacked]).double()

    def _vjp(self, measure: Callable[[], list[Any]], angles: Floats, weights: Floats) -> tuple[Floats, Pullback]:
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

    def _check_gates(self) -> None:
        """ValueError for a circuit that fails on tensors, or has a gate that the device lacks; nothing is executed."""
        angles = torch.full((1, self.circuit.n_angles), 0.3, dtype=torch.float64, requires_grad=True)
        weights = torch.full(self.circuit.weights or (0,), 0.3, dtype=torch.float64, requires_grad=True)
        with qml.queuing.AnnotatedQueue() as queue:
            self.circuit.apply(angles[0], weights)
        measured = qml.tape.QuantumScript.from_queue(queue).measurements
        if measured:
            raise ValueError(f"the circuit measures {measured[0]}; it must only apply gates: devices measure")
        tapes = self._tapes(lambda: [qml.expval(qml.Z(self.circuit.wires[0]))], angles, weights, self.shots)
        try:
            self._device.preprocess_transforms()(tapes)
        except qml.exceptions.DeviceError as error:
            raise ValueError(f"{self._name} does not run this circuit: {error}") from error


def _expval_of(observable: Any) -> list[Any]:
    return [qml.expval(observable)]


def _needs_gradient(value: Any) -> bool:
    return isinstance(value, Tensor) and value.requires_grad


def _by_name(backend: Backend, wires: Sequence[Any], seed: int) -> Any:
    """The device. ValueError where there is none."""
    options = dict(backend.options)
    try:
        return qml.device(backend.name, wires=wires, seed=seed, **options)
    except Exception:  # of a device that takes no seed: hardware draws its own shots, older simulators draw NumPy's
        np.random.seed(seed)
    try:
        return qml.device(backend.name, wires=wires, **options)
    except Exception as error:  # each plugin raises what it likes
        package, extra = next(
            (found for name, found in PACKAGES.items() if backend.name.startswith(name)), (None, None)
        )
        missing = "does not exist" in str(error) and package
        install = f"; install {package}" + f", or this package's extra `{extra}`" * bool(extra) if missing else ""
        given = f" with {options}" if options else ""
        raise ValueError(f"no PennyLane device {backend.name!r}{given} on this machine: {error}{install}") from error
