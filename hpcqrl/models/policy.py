"""The classical policy network: observation -> ReLU hidden layer -> softmax over actions."""

import numpy as np
from numpy.typing import NDArray
from torch import Tensor

from hpcqrl.models import flat

Floats = NDArray[np.floating]


class Policy:
    """Linear(observation, hidden), ReLU, Linear(hidden, actions); its parameters come as one flat vector.

    Source: Dist-QTRL, Table I: (147-32, 32-3), 4835 parameters.
    """

    def __init__(self, observation: int, hidden: int, actions: int) -> None:
        self.sizes = observation, hidden, actions
        self.layout = flat.linear("hidden", observation, hidden) | flat.linear("output", hidden, actions)
        self.size = flat.size(self.layout)

    def initial(self, random: np.random.Generator) -> NDArray[np.float64]:
        """Starting parameters, flat [size]."""
        observation, hidden, actions = self.sizes
        first = flat.initial_linear(observation, hidden, random)
        return np.concatenate([first, flat.initial_linear(hidden, actions, random)])

    def generate(self, theta: Tensor) -> Tensor:
        """The policy trained directly is its own generator."""
        return theta

    def logits(self, parameters: Tensor, observation_t: Tensor) -> Tensor:
        """Logits [T, actions] of observations [T, observation]; differentiable in parameters [size]."""
        part = flat.split(self.layout, parameters)
        hidden_t = (observation_t @ part["hidden.weight"].T + part["hidden.bias"]).relu()
        return hidden_t @ part["output.weight"].T + part["output.bias"]

    def acting(self, parameters: Floats) -> "Acting":
        """The network for acting in an episode: plain classical inference."""
        return Acting(*flat.split_array(self.layout, parameters).values())


class Acting:
    """A policy network with fixed parameters; calling it costs two small matrix products."""

    def __init__(self, hidden_weight: Floats, hidden_bias: Floats, output_weight: Floats, output_bias: Floats) -> None:
        self.hidden_weight, self.hidden_bias = hidden_weight, hidden_bias
        self.output_weight, self.output_bias = output_weight, output_bias

    def __call__(self, observation: Floats) -> Floats:
        """Logits [actions] of one observation."""
        hidden = self.hidden_weight @ observation
        hidden += self.hidden_bias
        np.maximum(hidden, 0.0, out=hidden)
        return self.output_weight @ hidden + self.output_bias
