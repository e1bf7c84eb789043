"""Losses of a softmax policy, as their gradients in its logits: closed forms, one line each."""

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.floating]


def log_softmax(logits_t: Floats) -> Floats:
    """log pi(.|s_t); [T, actions] to [T, actions]."""
    shifted_t = logits_t - logits_t.max(axis=1, keepdims=True)
    return shifted_t - np.log(np.exp(shifted_t).sum(axis=1, keepdims=True))


def reinforce_gradient(logits_t: Floats, action_t: NDArray[np.integer], return_t: Floats) -> Floats:
    """Gradient in the logits [T, actions] of -sum over t of log pi(a_t|s_t) G_t: (pi - 1 at a_t) G_t.

    Source: Dist-QTRL, eq. 2, times |tau|.
    """
    gradient_t = np.exp(log_softmax(logits_t))
    gradient_t[np.arange(len(action_t)), action_t] -= 1.0
    return gradient_t * return_t[:, None]


def entropy_gradient(logits_t: Floats) -> Floats:
    """Gradient in the logits [T, actions] of the mean over t of the entropy H(pi(.|s_t)): -pi (log pi + H) / T."""
    log_policy_t = log_softmax(logits_t)
    policy_t = np.exp(log_policy_t)
    entropy_t = -(policy_t * log_policy_t).sum(axis=1, keepdims=True)
    return -policy_t * (log_policy_t + entropy_t) / len(logits_t)


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
