"""Losses of a softmax policy, as their gradients in its logits: closed forms, one line each."""

from typing import Literal

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


def actor_critic_gradients(
    logits_t: Floats,
    value_t: Floats,
    action_t: NDArray[np.integer],
    return_t: Floats,
    reduction: Literal["mean", "sum"] = "mean",
) -> tuple[Floats, Floats, float]:
    """Gradients in the logits [T, actions] and values [T] of the mean, or the sum, over t of td^2 - log pi(a_t|s_t) td,
    where td = R_t - V(s_t) is a constant in the second term; and the mean of td^2. Source: QA3C, Algorithm 1, which
    sums; the mean is in the author's code.
    """
    advantage_t, steps = return_t - value_t, len(return_t)
    over = steps if reduction == "mean" else 1
    logit_gradient_t = reinforce_gradient(logits_t, action_t, advantage_t) / over
    return logit_gradient_t, -2.0 / over * advantage_t, float(advantage_t @ advantage_t) / steps


def entropy_gradient(logits_t: Floats) -> Floats:
    """Gradient in the logits [T, actions] of the mean over t of the entropy H(pi(.|s_t)): -pi (log pi + H) / T."""
    log_policy_t = log_softmax(logits_t)
    policy_t = np.exp(log_policy_t)
    entropy_t = -(policy_t * log_policy_t).sum(axis=1, keepdims=True)
    return -policy_t * (log_policy_t + entropy_t) / len(logits_t)
