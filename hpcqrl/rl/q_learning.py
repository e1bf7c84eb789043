"""Losses of Q-learning on short trajectories, as their gradients in the values."""

from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from hpcqrl.configuration import added
from hpcqrl.rl.replay import Trajectories

Floats = NDArray[np.floating]


@dataclass(frozen=True)
class QLossOptions:
    """What the loss of Q-learning is, where the paper can be read in two ways."""

    loss: Literal["matrix", "td"] = "matrix"
    """The n x n matrix of eq. 2, or its diagonal, the TD errors."""
    reduction: Literal["mean", "sum"] = added("mean", before="mean")
    """Of the weighted losses of a batch: their mean ["weighted average loss", Algorithm 1], or their sum [its
    formula]."""
    terminal_states: Literal["masked", "valued"] = added("masked", before="masked")
    """What follows a terminal state: nothing, as everywhere in Q-learning, or what the target network has for it, as
    eq. 2 is printed."""


def q_gradient(
    value_t: Floats, value_tp1: Floats, batch: Trajectories, weights: Floats, discount: float, options: QLossOptions
) -> tuple[Floats, Floats]:
    """Gradient in the Q values of L, the mean or the sum over the batch of w_i l_i, and the losses l_i [B] of its
    trajectories.

    value_t: Q(s_t, .; theta), and value_tp1: Q(s_tp1, .; theta^-), of the steps that there are, [steps, actions]; the
    gradient is of that shape. Source: QDQN-DPER, Algorithm 1.
    """
    taken = batch.taken
    rows, action_t = np.arange(len(value_t)), batch.action[taken]
    value, target = np.zeros(taken.shape), np.zeros(taken.shape)
    value[taken] = value_t[rows, action_t]
    follows = ~batch.terminated[taken] if options.terminal_states == "masked" else True
    target[taken] = batch.reward[taken] + discount * value_tp1.max(axis=1) * follows
    losses, gradient = (matrix_loss if options.loss == "matrix" else td_loss)(value, target, taken)
    gradient_t = np.zeros(value_t.shape)
    over = len(weights) if options.reduction == "mean" else 1
    gradient_t[rows, action_t] = (gradient * weights[:, None] / over)[taken]
    return gradient_t, losses


def td_loss(value: Floats, target: Floats, taken: NDArray[np.bool_]) -> tuple[Floats, Floats]:
    """Each trajectory's mean of (target_t - value_t)^2 over its n steps, [B], and the gradient in the values [B, S].

    value: Q(s_t, a_t); target: r_t + discount max_a Q(s_tp1, a; theta^-); taken: which steps there are; all [B, S].
    Source: QDQN-DPER, section 5, "the original definition".
    """
    difference = (target - value) * taken
    steps = taken.sum(axis=1)
    return (difference * difference).sum(axis=1) / steps, -2.0 * difference / steps[:, None]


def matrix_loss(value: Floats, target: Floats, taken: NDArray[np.bool_]) -> tuple[Floats, Floats]:
    """The same for the mean square of the matrix of all target_p - value_q. Source: QDQN-DPER, eq. 2."""
    difference = (target[:, :, None] - value[:, None, :]) * (taken[:, :, None] & taken[:, None, :])
    entries = taken.sum(axis=1) ** 2
    return (difference * difference).sum(axis=(1, 2)) / entries, -2.0 * difference.sum(axis=1) / entries[:, None]
