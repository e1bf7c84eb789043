"""The classical policy network: observation -> ReLU hidden layer -> softmax over actions."""

from collections.abc import Callable
from typing import Any

import numpy as np
from numpy.typing import NDArray

from hpcqrl.models import flat

Floats = NDArray[np.floating]


class Policy:
    """Linear(observation, hidden), ReLU, Linear(hidden, actions); its parameters come as one flat vector.

    Source: Dist-QTRL, Table I: (147-32, 32-3), 4835 parameters.
    """

    def __init__(self, observation: int, hidden: int, actions: int) -> None:
        self.sizes = observation, hidden, actions
        self.layout = flat.Layout(flat.linear("hidden", observation, hidden) | flat.linear("output", hidden, actions))
        self.size = self.layout.size

    def initial(self, random: np.random.Generator) -> Floats:
        """Starting parameters, flat [size]."""
        observation, hidden, actions = self.sizes
        first = flat.initial_linear(observation, hidden, random)
        return np.concatenate([first, flat.initial_linear(hidden, actions, random)])

    def generate(self, theta: Floats) -> tuple[Floats, Callable[[Floats], Floats]]:
        """The policy trained directly is its own generator: see QuantumTrainGenerator.generate."""
        return theta, lambda gradient: gradient

    def logits(self, parameters: Floats, observation: Floats) -> Floats:
        """Logits [..., actions] of observations [..., observation], in the precision of the parameters [size]."""
        part = self.layout.split(parameters)
        return self._hidden(part, observation) @ part["output.weight"].T + part["output.bias"]

    def acting(self, parameters: Floats) -> Callable[[Floats], Floats]:
        """Observation to logits with these parameters fixed, in float32: two small matrix products a step."""
        part = self.layout.split(parameters.astype(np.float32))
        hidden_weight, hidden_bias, weight, bias = part.values()

        def logits(observation: Floats) -> Floats:
            return weight @ np.maximum(hidden_weight @ observation + hidden_bias, 0.0) + bias

        return logits

    def gradient(self, parameters: Floats, observation_t: Floats, logit_gradient_t: Floats) -> Floats:
        """Gradient in the parameters, flat [size], from that in the logits [T, actions]."""
        part = self.layout.split(parameters)
        hidden_t = self._hidden(part, observation_t)
        hidden_gradient_t = (logit_gradient_t @ part["output.weight"]) * (hidden_t > 0.0)
        gradients = {
            "hidden.weight": hidden_gradient_t.T @ observation_t,
            "hidden.bias": hidden_gradient_t.sum(0),
            "output.weight": logit_gradient_t.T @ hidden_t,
            "output.bias": logit_gradient_t.sum(0),
        }
        return self.layout.join(gradients)

    def torch_logits(self, part: Any, observation: Any) -> Any:
        """The same in torch operations, of named parameters and observations [samples, observation]: to be exported."""
        from torch.nn.functional import linear, relu

        hidden = relu(linear(observation, part["hidden.weight"], part["hidden.bias"]))
        return linear(hidden, part["output.weight"], part["output.bias"])

    def _hidden(self, part: dict[str, Floats], observation: Floats) -> Floats:
        return np.maximum(observation @ part["hidden.weight"].T + part["hidden.bias"], 0.0)
