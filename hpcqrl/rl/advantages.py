"""Advantages of the actions in environments side by side."""

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.floating]


def generalised_advantages(
    reward_t: Floats, value_t: Floats, value_tp1: Floats, over_t: NDArray[np.bool_], discount: float, gae_lambda: float
) -> Floats:
    """A_t = delta_t + discount lambda A_tp1 within an episode, delta_t = reward_t + discount V(s_tp1) - V(s_t).

    All [T, K]: T steps of K environments. value_tp1: of the state that the action led to, 0 if that is terminal, and V
    of the episode's last observation if it was cut off there; over_t: whether the episode was then over, either way.
    Source: Schulman et al., arXiv:1506.02438, eq. 16; a time limit is no end of the task: Pardo et al., 1712.00378.
    """
    delta_t = reward_t + discount * value_tp1 - value_t
    decay_t = discount * gae_lambda * ~over_t
    advantage_t = np.empty_like(delta_t)
    advantage_tp1 = np.zeros(delta_t.shape[1:])
    for t in range(len(delta_t) - 1, -1, -1):
        advantage_tp1 = advantage_t[t] = delta_t[t] + decay_t[t] * advantage_tp1
    return advantage_t
