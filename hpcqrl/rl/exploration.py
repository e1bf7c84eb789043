"""How an agent picks its actions while it learns."""

import math

import numpy as np
from numpy.typing import NDArray


def sample_softmax(logits: NDArray[np.floating], random: np.random.Generator) -> int:
    """An action drawn from softmax(logits) [actions]; in plain floats, which are faster for so few."""
    values = logits.tolist()
    largest = max(values)
    weights = [math.exp(value - largest) for value in values]
    left = random.random() * sum(weights)
    for action, weight in enumerate(weights):
        left -= weight
        if left < 0.0:
            return action
    return weights.index(max(weights))  # rounding left nothing over
