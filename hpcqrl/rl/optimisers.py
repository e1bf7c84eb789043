"""Optimisers on one flat float64 vector, equal to torch.optim's."""

import math

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.floating]


class Adam:
    """Adam (Kingma and Ba, arXiv:1412.6980, Alg. 1), as torch.optim.Adam computes it.

    moments [2, size]: the running means of the gradient and of its square; steps: how many were taken.
    """

    def __init__(
        self, size: int, learning_rate: float, betas: tuple[float, float] = (0.9, 0.999), epsilon: float = 1e-8
    ) -> None:
        self.learning_rate, self.betas, self.epsilon = learning_rate, betas, epsilon
        self.moments = np.zeros((2, size))
        self.steps = 0

    def step(self, theta: Floats, gradient: Floats) -> None:
        """Move theta [size], in place, down the gradient [size]."""
        self.steps += 1
        beta_1, beta_2 = self.betas
        first, second = self.moments
        first += (1.0 - beta_1) * (gradient - first)
        second *= beta_2
        second += (1.0 - beta_2) * gradient * gradient
        scale = math.sqrt(1.0 - beta_2**self.steps)
        theta -= self.learning_rate / (1.0 - beta_1**self.steps) * first / (np.sqrt(second) / scale + self.epsilon)


def clip_norm(gradient: Floats, largest: float) -> None:
    """Shorten the gradient, in place, to an L2 norm of at most `largest`, as torch.nn.utils.clip_grad_norm_ does."""
    norm = float(np.linalg.norm(gradient))
    if norm > largest:
        gradient *= largest / (norm + 1e-6)
