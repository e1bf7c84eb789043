"""The critic of a continuous action: purely classical, in two segments."""

import torch
from torch import Tensor
from torch.nn.functional import leaky_relu, linear

from hpcqrl.models import flat
from hpcqrl.models.products import last_linear

Parts = dict[str, Tensor]


class Critic:
    """Q(s, a): Linear(inputs, hidden) of s, leaky ReLU; with a beside it Linear(hidden), leaky ReLU; Linear(1).

    Source: hDQNN (arXiv:2503.09119), Table 1: [[376, 256], [273, 256, 1]].
    """

    def __init__(self, inputs: int, actions: int, hidden: int = 256) -> None:
        shapes = flat.linear("state", inputs, hidden) | flat.linear("joint.0", hidden + actions, hidden)
        self.layout = flat.Layout(shapes | flat.linear("joint.1", hidden, 1))
        self.size = self.layout.size

    def value(self, part: Parts, observation: Tensor, action: Tensor) -> Tensor:
        """Q [samples] of observations [samples, inputs] and actions [samples, actions]."""
        state = leaky_relu(linear(observation, part["state.weight"], part["state.bias"]))
        joint = linear(torch.cat([state, action], 1), part["joint.0.weight"], part["joint.0.bias"])
        return last_linear(leaky_relu(joint), part["joint.1.weight"], part["joint.1.bias"])[:, 0]
