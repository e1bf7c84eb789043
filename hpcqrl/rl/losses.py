"""Losses, differentiable in the networks' outputs."""

from torch import Tensor
from torch.nn.functional import log_softmax


def reinforce_loss(logits_t: Tensor, action_t: Tensor, return_t: Tensor) -> Tensor:
    """-sum over t of log pi(a_t|s_t) G_t; logits [T, actions], the others [T].

    Source: Dist-QTRL, eq. 2, times |tau|.
    """
    log_policy_t = log_softmax(logits_t, dim=1)
    return -(log_policy_t.gather(1, action_t[:, None])[:, 0] * return_t).sum()


def mean_entropy(logits_t: Tensor) -> Tensor:
    """The mean over t of the policy's entropy H(pi(.|s_t)), in nats; logits [T, actions]."""
    log_policy_t = log_softmax(logits_t, dim=1)
    return -(log_policy_t.exp() * log_policy_t).sum(1).mean()
