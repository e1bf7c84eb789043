"""The quantum tangential network: what a sampled circuit gives on average, with a gradient that costs little."""

import torch
from torch import Tensor, sigmoid
from torch.nn.functional import binary_cross_entropy_with_logits, leaky_relu, linear

from hpcqrl.models import flat
from hpcqrl.models.products import last_linear

Parts = dict[str, Tensor]


class QtDnn:
    """Angles [samples, angles] -> Linear, leaky ReLU, Linear -> logits of the bits' probabilities [samples, bits].

    Source: hDQNN (arXiv:2503.09119), section 2 and Table 1: [220, 2048, 10].
    """

    def __init__(self, angles: int, bits: int, hidden: int = 2048) -> None:
        self.layout = flat.Layout(flat.linear("0", angles, hidden) | flat.linear("1", hidden, bits))
        self.size = self.layout.size

    def expected_bits(self, part: Parts, angles: Tensor) -> Tensor:
        """Probabilities that each bit is 1."""
        return sigmoid(self._logits(part, angles))

    def loss(self, part: Parts, angles: Tensor, bits: Tensor) -> Tensor:
        """Binary cross-entropy of the measured bits, in nats, mean over samples and bits."""
        return binary_cross_entropy_with_logits(self._logits(part, angles), bits)

    def jacobian(self, part: Parts, angles: Tensor) -> Tensor:
        """Derivatives of the probabilities in the angles, [samples, bits, angles]."""
        before = linear(angles, part["0.weight"], part["0.bias"])
        slope = torch.where(before > 0.0, 1.0, 0.01)  # of the leaky ReLU
        expected = self.expected_bits(part, angles)
        inner = (part["1.weight"] * slope[:, None, :]) @ part["0.weight"]
        return (expected * (1.0 - expected))[:, :, None] * inner

    def _logits(self, part: Parts, angles: Tensor) -> Tensor:
        hidden = leaky_relu(linear(angles, part["0.weight"], part["0.bias"]))
        return last_linear(hidden, part["1.weight"], part["1.bias"])
