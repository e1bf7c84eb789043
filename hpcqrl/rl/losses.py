"""Losses, differentiable in the networks' outputs."""

import torch
from torch import Tensor
from torch.nn.functional import log_softmax


def reinforce_loss(logits_t: Tensor, action_t: Tensor, return_t: Tensor, entropy_weight: float) -> Tensor:
    """-sum over t of log pi(a_t|s_t) G_t + entropy_weight H(pi(.|s_t)); logits [T, actions], the others [T].

    Source: Dist-QTRL, eq. 2, times |tau|; the entropy term is in the authors' QTRL notebook.
    """
    log_policy_t = log_softmax(logits_t, dim=1)
    entropy_t = -(log_policy_t.exp() * log_policy_t).sum(1)
    log_policy_of_action_t = log_policy_t.gather(1, action_t[:, None])[:, 0]
    return -torch.sum(log_policy_of_action_t * return_t + entropy_weight * entropy_t)
