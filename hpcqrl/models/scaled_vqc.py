"""A circuit with trained input scaling between two affine layers."""

from collections.abc import Callable
from typing import Any

import numpy as np
from numpy.typing import NDArray

from hpcqrl.models import flat
from hpcqrl.models.mlp import orthogonal
from hpcqrl.quantum.circuit import Circuit
from hpcqrl.quantum.devices import NATIVE, Backend, generators_of, make_device
from hpcqrl.quantum.mixture import Mixture

Floats = NDArray[np.floating]


class ScaledVqc:
    """x -> h = Linear(inputs, angles) -> the words that a circuit measures, at angles tanh(lambda_i h_i) ->
    Linear(words, outputs).

    The scales lambda are trained. They start at 1, the circuit's weights uniform in (-pi, pi), linear layers
    orthogonal, the last with this gain [not in the paper]. Source: PPO-Q (arXiv:2501.07085); its circuit is
    `scaled_reuploading`. Raises ValueError if the circuit takes no angles.
    """

    def __init__(
        self,
        inputs: int,
        outputs: int,
        circuit: Circuit | Mixture,
        gain: float,
        qpu: str | Backend = NATIVE,
        shots: int | None = None,
        seed: int = 0,
    ) -> None:
        if circuit.n_angles == 0:
            raise ValueError("a circuit with trained input scaling takes one angle or more, and this one takes none")
        self.circuit, self.gain = circuit, gain
        self.device = make_device(circuit, qpu, shots, seed)
        self.generators = generators_of(self.device)
        shapes = flat.linear("first", inputs, circuit.n_angles) | {"scale": (circuit.n_angles,)}
        shapes |= {"circuit": circuit.weights or (0,)} | flat.linear("last", len(circuit.measured), outputs)
        self.layout = flat.Layout(shapes)
        self.size = self.layout.size

    def initial(self, random: np.random.Generator) -> Floats:
        """Starting parameters, flat [size]."""
        part: dict[str, Floats] = {name: np.zeros(shape) for name, shape in self.layout.shapes.items()}
        part["first.weight"] = orthogonal(part["first.weight"].shape, random)
        part["scale"] += 1.0
        part["circuit"] = random.uniform(-np.pi, np.pi, part["circuit"].shape)
        if isinstance(self.circuit, Mixture):
            part["circuit"] = self.circuit.started(part["circuit"])
        part["last.weight"] = self.gain * orthogonal(part["last.weight"].shape, random)
        return self.layout.join(part)

    def acting(self, parameters: Floats) -> Callable[[Floats], Floats]:
        """Observations [..., inputs] to outputs [..., outputs], with these parameters fixed, in one batch."""
        first, first_bias, scale, circuit, last, last_bias = self.layout.split(parameters).values()

        def outputs(observation: Floats) -> Floats:
            angles = np.tanh(scale * (observation @ first.T + first_bias))
            measured = self.device.expval(angles.reshape(-1, angles.shape[-1]), circuit)
            return measured.reshape(*angles.shape[:-1], -1) @ last.T + last_bias

        return outputs

    def outputs_vjp(self, parameters: Floats, observation_t: Floats) -> tuple[Floats, Callable[[Floats], Floats]]:
        """Outputs [T, outputs] of observations [T, inputs], and their gradient's way back to the parameters [size]."""
        first, first_bias, scale, circuit, last, last_bias = self.layout.split(parameters).values()
        hidden_t = observation_t @ first.T + first_bias
        angle_t = np.tanh(scale * hidden_t)
        measured_t, circuit_pullback = self.device.expval_vjp(angle_t, circuit)

        def pullback(output_gradient_t: Floats) -> Floats:
            angle_gradient_t, circuit_gradient = circuit_pullback(output_gradient_t @ last)
            scaled_gradient_t = angle_gradient_t * (1.0 - angle_t * angle_t)  # in lambda_i h_i
            hidden_gradient_t = scaled_gradient_t * scale
            gradients = (
                hidden_gradient_t.T @ observation_t,
                hidden_gradient_t.sum(0),
                (scaled_gradient_t * hidden_t).sum(0),
                circuit_gradient,
                output_gradient_t.T @ measured_t,
                output_gradient_t.sum(0),
            )
            return np.concatenate([gradient.reshape(-1) for gradient in gradients])

        return measured_t @ last.T + last_bias, pullback

    def torch_outputs(self) -> Callable[[Any, Any], Any]:
        """Named parameters and observations [samples, inputs] to outputs, in torch operations: to be exported."""
        import torch
        from torch.nn.functional import linear

        from hpcqrl.quantum.torch_circuit import torch_expval

        expval = torch_expval(self.circuit)

        def outputs(part: Any, observation: Any) -> Any:
            hidden = linear(observation, part["first.weight"], part["first.bias"])
            measured = expval(torch.tanh(part["scale"] * hidden), part["circuit"])
            return linear(measured, part["last.weight"], part["last.bias"])

        return outputs
