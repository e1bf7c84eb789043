"""A classical network of affine layers with tanh between them."""

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from hpcqrl.models import flat

Floats = NDArray[np.floating]


class Mlp:
    """Linear, tanh, ..., Linear, with these sizes; layers "0", "1", ...

    Weights start orthogonal, with gain sqrt(2) and in the last layer `gain`, biases at 0. Source: Huang et al., "The 37
    Implementation Details of Proximal Policy Optimization", 2.
    """

    def __init__(self, sizes: Sequence[int], gain: float) -> None:
        self.gain, self.layers = gain, len(sizes) - 1
        self.generators: dict[str, np.random.Generator] = {}  # it measures nothing
        shapes: dict[str, flat.Shape] = {}
        for number in range(self.layers):
            shapes |= flat.linear(str(number), sizes[number], sizes[number + 1])
        self.layout = flat.Layout(shapes)
        self.size = self.layout.size

    def initial(self, random: np.random.Generator) -> Floats:
        """Starting parameters, flat [size]."""
        part: dict[str, Floats] = {name: np.zeros(shape) for name, shape in self.layout.shapes.items()}
        for number in range(self.layers):
            gain = self.gain if number == self.layers - 1 else 2.0**0.5
            part[f"{number}.weight"] = gain * orthogonal(self.layout.shapes[f"{number}.weight"], random)
        return self.layout.join(part)

    def acting(self, parameters: Floats) -> Callable[[Floats], Floats]:
        """Observations [..., inputs] to outputs [..., outputs], with these parameters fixed."""
        layers = self._layers(parameters)

        def outputs(values: Floats) -> Floats:
            for number, (weight, bias) in enumerate(layers):
                values = (np.tanh(values) if number else values) @ weight.T + bias
            return values

        return outputs

    def outputs_vjp(self, parameters: Floats, observation_t: Floats) -> tuple[Floats, Callable[[Floats], Floats]]:
        """Outputs [T, outputs] of observations [T, inputs], and their gradient's way back to the parameters [size]."""
        layers, inputs_t = self._layers(parameters), [observation_t]
        for weight, bias in layers[:-1]:
            inputs_t.append(np.tanh(inputs_t[-1] @ weight.T + bias))
        weight, bias = layers[-1]

        def pullback(gradient_t: Floats) -> Floats:
            gradients: list[Floats] = []
            for (weight, _), input_t in zip(reversed(layers), reversed(inputs_t), strict=True):
                gradients[:0] = [(gradient_t.T @ input_t).reshape(-1), gradient_t.sum(0)]
                if input_t is not observation_t:
                    gradient_t = (gradient_t @ weight) * (1.0 - input_t * input_t)
            return np.concatenate(gradients)

        return inputs_t[-1] @ weight.T + bias, pullback

    def torch_outputs(self) -> Callable[[Any, Any], Any]:
        """Named parameters and observations [samples, inputs] to outputs, in torch operations: to be exported."""
        import torch
        from torch.nn.functional import linear

        def outputs(part: Any, values: Any) -> Any:
            for number in range(self.layers):
                values = torch.tanh(values) if number else values
                values = linear(values, part[f"{number}.weight"], part[f"{number}.bias"])
            return values

        return outputs

    def _layers(self, parameters: Floats) -> list[tuple[Floats, Floats]]:
        part = self.layout.split(parameters)
        return [(part[f"{number}.weight"], part[f"{number}.bias"]) for number in range(self.layers)]


def orthogonal(shape: flat.Shape, random: np.random.Generator) -> Floats:
    """A matrix with orthonormal rows, or columns if there are fewer of these, drawn uniformly, as torch.nn.init's."""
    rows, columns = shape
    q, r = np.linalg.qr(random.standard_normal((max(shape), min(shape))))
    q *= np.sign(np.diag(r))
    return q if rows >= columns else q.T
