"""Optimisers on one flat float64 vector, equal to torch.optim's; their state is flat too, so that it can be shared."""

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.floating]


@dataclass(frozen=True)
class Adam:
    """Adam (Kingma and Ba, arXiv:1412.6980, Alg. 1), as torch.optim.Adam computes it."""

    learning_rate: float
    betas: tuple[float, float] = (0.9, 0.999)
    epsilon: float = 1e-8

    rows = 2  # running means of the gradient and of its square

    def step(self, theta: Floats, state: Floats, steps: int, gradient: Floats) -> None:
        """Move theta [size] and state [2, size], in place, down the gradient [size] after `steps` earlier steps."""
        beta_1, beta_2 = self.betas
        first, second = state
        first += (1.0 - beta_1) * (gradient - first)
        second *= beta_2
        second += (1.0 - beta_2) * gradient * gradient
        scale = math.sqrt(1.0 - beta_2 ** (steps + 1))
        size = self.learning_rate / (1.0 - beta_1 ** (steps + 1))
        theta -= size * first / (np.sqrt(second) / scale + self.epsilon)


@dataclass(frozen=True)
class RMSprop:
    """RMSprop (Hinton's lecture 6e), as torch.optim.RMSprop computes it."""

    learning_rate: float
    alpha: float = 0.99
    epsilon: float = 1e-8

    rows = 1  # running mean of the gradient's square

    def step(self, theta: Floats, state: Floats, steps: int, gradient: Floats) -> None:
        """Move theta [size] and state [1, size], in place, down the gradient [size]; `steps` does not matter."""
        (square,) = state
        square *= self.alpha
        square += (1.0 - self.alpha) * gradient * gradient
        theta -= self.learning_rate * gradient / (np.sqrt(square) + self.epsilon)


def clip_norm(gradient: Floats, largest: float) -> None:
    """Shorten the gradient, in place, to an L2 norm of at most `largest`, as torch.nn.utils.clip_grad_norm_ does."""
    norm = float(np.linalg.norm(gradient))
    if norm > largest:
        gradient *= largest / (norm + 1e-6)
