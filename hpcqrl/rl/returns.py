"""Returns of an episode."""

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.floating]


def discounted_returns(reward_t: Floats, discount: float) -> Floats:
    """G_t = sum over k >= t of discount^(k-t) reward_k; [T] to [T], float64. Source: Dist-QTRL, eq. 1."""
    return bootstrapped_returns(reward_t.tolist(), 0.0, discount)


def bootstrapped_returns(rewards: Sequence[float], value_tp1: float, discount: float) -> Floats:
    """R_t = reward_t + discount R_tp1 back from R = value_tp1, the value of the state after the last reward; [T].

    Source: QA3C, Algorithm 1. value_tp1 is 0 after a terminal state.
    """
    return_t = np.empty(len(rewards))
    return_tp1 = value_tp1
    for t in range(len(rewards) - 1, -1, -1):
        return_tp1 = return_t[t] = rewards[t] + discount * return_tp1
    return return_t


def standardised(return_t: Floats) -> Floats:
    """Returns less their mean, over their standard deviation + 1e-6; [T] to [T]. Source: the authors' QTRL notebook.

    An episode of one step, or of equal returns, has nothing to compare and gives zeros.
    """
    return (return_t - return_t.mean()) / (return_t.std() + 1e-6)
