"""Returns of an episode."""

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.floating]


def discounted_returns(reward_t: Floats, discount: float) -> Floats:
    """G_t = sum over k >= t of discount^(k-t) reward_k; [T] to [T], float64. Source: Dist-QTRL, eq. 1."""
    return_t = np.empty(len(reward_t))
    return_tp1 = 0.0
    for t in range(len(reward_t) - 1, -1, -1):
        return_tp1 = reward_t[t] + discount * return_tp1
        return_t[t] = return_tp1
    return return_t


def standardised(return_t: Floats) -> Floats:
    """Returns less their mean, over their standard deviation + 1e-6; [T] to [T]. Source: the authors' QTRL notebook.

    An episode of one step, or of equal returns, has nothing to compare and gives zeros.
    """
    return (return_t - return_t.mean()) / (return_t.std() + 1e-6)
