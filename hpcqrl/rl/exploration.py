"""How an agent picks its actions while it learns."""

import math
from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.floating]


def sample_softmax(logits: Floats, random: np.random.Generator) -> int:
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


def softmax_policy(logits: Callable[[Floats], Floats], random: np.random.Generator | None) -> Callable[[Floats], int]:
    """Observation to the likeliest action of softmax(logits(observation)), or, given random numbers, to a drawn one."""
    if random is not None:
        return lambda observation: sample_softmax(logits(observation), random)
    return lambda observation: int(np.argmax(logits(observation)))


def epsilon_greedy(
    values: Callable[[Floats], Floats], observation: Floats, epsilon: float, actions: int, random: np.random.Generator
) -> int:
    """With probability epsilon any of so many actions, otherwise the one of the highest of values(observation)."""
    if random.random() < epsilon:
        return int(random.random() * actions)
    return int(values(observation).argmax())
