"""The dressed VQC: a linear layer, a circuit, a linear layer; and its classical twin."""

from collections.abc import Callable
from typing import Any

import numpy as np
from numpy.typing import NDArray

from hpcqrl.models import flat
from hpcqrl.models.dressed_circuit import DressedCircuit, hidden_size
from hpcqrl.quantum.circuit import Circuit
from hpcqrl.quantum.devices import NATIVE, Backend, generators_of, make_device
from hpcqrl.quantum.mixture import Mixture
from hpcqrl.quantum.native_device import NativeDevice

Floats = NDArray[np.floating]
Pullback = Callable[[Floats], Floats]


class DressedVqc:
    """x -> Linear(inputs, hidden) -> the words that a circuit measures, at angles arctan h -> Linear(words, outputs).

    A circuit that takes two angles a qubit has `qubits` hidden outputs h and angles arctan h, then arctan h^2; another
    has one hidden output an angle. Source: QA3C (arXiv:2301.05096), section IV and Figures 1 and 3; its circuit is
    `variational`. tanh: after the first layer and after the circuit, as in the author's later code. Raises ValueError
    if the circuit takes no angles.
    """

    def __init__(
        self,
        inputs: int,
        outputs: int,
        circuit: Circuit | Mixture,
        tanh: bool = False,
        qpu: str | Backend = NATIVE,
        shots: int | None = None,
        seed: int = 0,
    ) -> None:
        hidden = hidden_size(circuit)
        self.circuit = circuit
        self.device = make_device(self.circuit, qpu, shots, seed)
        self.tanh, self.squared = tanh, circuit.n_angles > hidden
        self.compiled = None  # all layers in one call
        on_cpu = isinstance(self.device, NativeDevice) and not self.device.on_gpu
        if isinstance(circuit, Circuit) and on_cpu and shots is None:
            self.compiled = DressedCircuit(circuit, inputs, outputs, tanh)
        self.generators = generators_of(self.device)
        first, last = flat.linear("first", inputs, hidden), flat.linear("last", len(circuit.measured), outputs)
        self.layout = flat.Layout(first | {"circuit": self.circuit.weights or (0,)} | last)
        self.size = self.layout.size

    def initial(self, random: np.random.Generator) -> Floats:
        """Starting parameters, flat [size]: circuit 0.01 N(0, 1), linear N(0, 0.1), biases 0 [the author's]."""
        part: dict[str, Floats] = {name: np.zeros(shape) for name, shape in self.layout.shapes.items()}
        part["circuit"] = 0.01 * random.standard_normal(self.circuit.weights or (0,))
        if isinstance(self.circuit, Mixture):
            part["circuit"] = self.circuit.started(part["circuit"])
        for name in ("first.weight", "last.weight"):
            part[name] = 0.1 * random.standard_normal(self.layout.shapes[name])
        return self.layout.join(part)

    def acting(self, parameters: Floats) -> Callable[[Floats], Floats]:
        """Observation [inputs] to outputs, with these parameters fixed."""
        if self.compiled:
            return self.compiled.acting(parameters)
        first, first_bias, circuit, last, last_bias = self.layout.split(parameters).values()

        def outputs(observation: Floats) -> Floats:
            angles = self._angles(self._squashed(first @ observation + first_bias))[None]
            return last @ self._squashed(self.device.expval(angles, circuit)[0]) + last_bias

        return outputs

    def torch_outputs(self) -> Callable[[Any, Any], Any]:
        """Named parameters and observations [samples, inputs] to outputs, in torch operations: to be exported."""
        import torch
        from torch.nn.functional import linear

        from hpcqrl.quantum.torch_circuit import torch_expval

        expval = torch_expval(self.circuit)
        squashed = torch.tanh if self.tanh else torch.nn.Identity()

        def outputs(part: Any, observation: Any) -> Any:
            hidden = squashed(linear(observation, part["first.weight"], part["first.bias"]))
            angles = torch.arctan(torch.cat([hidden, hidden * hidden], 1) if self.squared else hidden)
            features = squashed(expval(angles, part["circuit"]))
            return linear(features, part["last.weight"], part["last.bias"])

        return outputs

    def outputs_vjp(self, parameters: Floats, observation_t: Floats) -> tuple[Floats, Pullback]:
        """Outputs [T, outputs] of observations [T, inputs], and their gradient's way back to the parameters [size]."""
        if self.compiled:
            return self.compiled.outputs_vjp(parameters, observation_t)
        first, first_bias, circuit, last, last_bias = self.layout.split(parameters).values()
        hidden_t = self._squashed(observation_t @ first.T + first_bias)
        measured_t, circuit_pullback = self.device.expval_vjp(self._angles(hidden_t), circuit)
        features_t = self._squashed(measured_t)

        def pullback(output_gradient_t: Floats) -> Floats:
            measured_gradient_t = self._unsquashed(output_gradient_t @ last, features_t)
            angle_gradient_t, circuit_gradient = circuit_pullback(measured_gradient_t)
            square_t: Floats = hidden_t * hidden_t
            hidden_gradient_t: Floats = angle_gradient_t[:, : len(first)] / (1.0 + square_t)
            if self.squared:
                hidden_gradient_t += angle_gradient_t[:, len(first) :] * 2.0 * hidden_t / (1.0 + square_t * square_t)
            hidden_gradient_t = self._unsquashed(hidden_gradient_t, hidden_t)
            gradients = (
                hidden_gradient_t.T @ observation_t,
                hidden_gradient_t.sum(0),
                circuit_gradient,
                output_gradient_t.T @ features_t,
                output_gradient_t.sum(0),
            )
            return np.concatenate([gradient.reshape(-1) for gradient in gradients])

        return features_t @ last.T + last_bias, pullback

    def _squashed(self, values: Floats) -> Floats:
        return np.tanh(values) if self.tanh else values

    def _unsquashed(self, gradient: Floats, squashed: Floats) -> Floats:
        return gradient * (1.0 - squashed * squashed) if self.tanh else gradient

    def _angles(self, hidden: Floats) -> Floats:
        """arctan h, for the papers' RY, then arctan h^2, for their RZ. Source: QA3C, Figure 3."""
        return np.arctan(np.concatenate([hidden, hidden * hidden], axis=-1) if self.squared else hidden)


class DressedLinear:
    """The classical benchmark: a linear layer in the circuit's place. Source: QA3C, section VI.B."""

    def __init__(self, inputs: int, outputs: int, qubits: int = 8) -> None:
        self.generators: dict[str, np.random.Generator] = {}  # it measures nothing
        first, last = flat.linear("first", inputs, qubits), flat.linear("last", qubits, outputs)
        self.layout = flat.Layout(first | flat.linear("middle", qubits, qubits) | last)
        self.size = self.layout.size

    def initial(self, random: np.random.Generator) -> Floats:
        """Starting parameters, flat [size]: weights N(0, 0.1), biases 0, as those of DressedVqc."""
        part = {name: np.zeros(shape) for name, shape in self.layout.shapes.items()}
        for name in ("first.weight", "middle.weight", "last.weight"):
            part[name] = 0.1 * random.standard_normal(self.layout.shapes[name])
        return self.layout.join(part)

    def acting(self, parameters: Floats) -> Callable[[Floats], Floats]:
        """Observation [inputs] to outputs, with these parameters fixed."""
        first, first_bias, middle, middle_bias, last, last_bias = self.layout.split(parameters).values()
        weight = last @ middle @ first  # no activation between them
        bias = last @ (middle @ first_bias + middle_bias) + last_bias
        return lambda observation: weight @ observation + bias

    def torch_outputs(self) -> Callable[[Any, Any], Any]:
        """Named parameters and observations [samples, inputs] to outputs, in torch operations: to be exported."""
        from torch.nn.functional import linear

        def outputs(part: Any, observation: Any) -> Any:
            for name in ("first", "middle", "last"):
                observation = linear(observation, part[f"{name}.weight"], part[f"{name}.bias"])
            return observation

        return outputs

    def outputs_vjp(self, parameters: Floats, observation_t: Floats) -> tuple[Floats, Pullback]:
        """Outputs [T, outputs] of observations [T, inputs], and their gradient's way back to the parameters [size]."""
        first, first_bias, middle, middle_bias, last, last_bias = self.layout.split(parameters).values()
        hidden_t = observation_t @ first.T + first_bias
        features_t = hidden_t @ middle.T + middle_bias

        def pullback(output_gradient_t: Floats) -> Floats:
            features_gradient_t = output_gradient_t @ last
            hidden_gradient_t = features_gradient_t @ middle
            steps = (
                (hidden_gradient_t, observation_t),
                (features_gradient_t, hidden_t),
                (output_gradient_t, features_t),
            )
            return np.concatenate(
                [part for gradient_t, input_t in steps for part in _linear_gradients(gradient_t, input_t)]
            )

        return features_t @ last.T + last_bias, pullback


def _linear_gradients(gradient_t: Floats, input_t: Floats) -> tuple[Floats, Floats]:
    return (gradient_t.T @ input_t).reshape(-1), gradient_t.sum(0)
