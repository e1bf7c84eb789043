"""PPO's clipped objective and its options."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from hpcqrl.configuration import MOST_IN_A_BATCH, added, at_least, positive, within

Floats = NDArray[np.floating]


def clipped_weights(log_ratio_t: Floats, advantage_t: Floats, clip: float) -> Floats:
    """Gradient in log pi(a_t|s_t) of the sum of -min(r_t A_t, clip(r_t, 1 - clip, 1 + clip) A_t), [T]: -r_t A_t, but 0
    where clipping holds, which is where r_t has gone too far in the direction of A_t.

    log_ratio_t: log of r_t = pi(a_t|s_t) / pi_old(a_t|s_t). Source: PPO (Schulman et al., arXiv:1707.06347), eq. 7.
    """
    ratio_t = np.exp(log_ratio_t)
    far_t = np.where(advantage_t > 0.0, ratio_t > 1.0 + clip, ratio_t < 1.0 - clip)
    return np.where(far_t, 0.0, -ratio_t * advantage_t)


@dataclass(frozen=True)
class PpoOptions:
    """What PPO itself lets one choose; defaults are PPO-Q's for CartPole."""

    envs: int = 8
    """Environments of each agent, side by side [PPO-Q]."""
    rollout: int = 32
    """Steps of each environment between updates [PPO-Q]."""
    minibatch: int = 256
    """Of the envs x rollout steps of each agent, so many are a minibatch [PPO-Q]; it must divide them."""
    epochs: int = 20
    """Passes over these steps, each in a fresh order [PPO-Q]."""
    discount: float = 0.98
    """Discount factor gamma [PPO-Q]."""
    gae_lambda: float = 0.8
    """Of generalised advantage estimation [PPO-Q]."""
    clip: float = 0.2
    """How far the new policy's probability of an action may be from the old one's, as a share of it [PPO-Q]."""
    decay_clip: bool = True
    """Let this fall linearly to 0 over the run [PPO-Q]."""
    actor_learning_rate: float = 0.01
    """Of the actor's Adam [PPO-Q]."""
    critic_learning_rate: float = 0.001
    """Of the critic's Adam [PPO-Q]."""
    decay_learning_rate: bool = True
    """Let both fall linearly to 0 over the run [PPO-Q]."""
    entropy_weight: float = 0.0
    """Weight of the policy's entropy in the loss [PPO-Q]."""
    value_weight: float = added(0.5, before=0.5)
    """Weight of the value's squared error in the loss [PPO-Q]; it matters most with --joint-gradient-norm."""
    clip_value: bool = added(False, before=False)
    """Let the value go no further from its old one than --clip in each update, either [37 details, 9]."""
    max_gradient_norm: float = 0.5
    """The gradient of each network is shortened to this norm [PPO-Q]."""
    joint_gradient_norm: bool = added(False, before=False)
    """That of both as one, instead [37 details, 11]."""
    normalise_observations: bool = False
    """By their running mean and variance, over all agents [PPO-Q: for Acrobot]."""
    normalise_rewards: bool = False
    """By the running variance of discounted returns, over all agents [PPO-Q: for Acrobot]."""


def value_gradient(value_t: Floats, old_t: Floats, target_t: Floats, clip: float, options: PpoOptions) -> Floats:
    """Gradient in V of the mean of c1 (V - target)^2, [T], or, with clip_value, of c1 times the larger of that and the
    same of V cut to within `clip` of the old V. Source: arXiv:1707.06347, eq. 9; Huang et al., "The 37 Implementation
    Details of Proximal Policy Optimization", 9.
    """
    error_t = value_t - target_t
    if options.clip_value:
        cut_t = old_t + np.clip(value_t - old_t, -clip, clip) - target_t
        error_t = np.where(error_t * error_t < cut_t * cut_t, 0.0, error_t)  # the cut one does not move with V
    return 2.0 * options.value_weight * error_t / len(value_t)


def check_ppo(options: PpoOptions) -> None:
    """ValueError, naming the value, for one that is out of range."""
    at_least(1, envs=options.envs, rollout=options.rollout, epochs=options.epochs)
    at_least(2, minibatch=options.minibatch)  # of one alone no advantage is larger or smaller than the mean
    at_least(0, entropy_weight=options.entropy_weight)
    within(0.0, 1.0, discount=options.discount, gae_lambda=options.gae_lambda, clip=options.clip)
    positive(actor_learning_rate=options.actor_learning_rate, critic_learning_rate=options.critic_learning_rate)
    positive(max_gradient_norm=options.max_gradient_norm, value_weight=options.value_weight)
    steps = options.envs * options.rollout
    within(1, MOST_IN_A_BATCH, **{"envs x rollout": steps})
    if options.minibatch > steps or steps % options.minibatch:
        raise ValueError(
            f"minibatch must divide envs x rollout, {options.envs} x {options.rollout} = {steps}, "
            f"which {options.minibatch} does not"
        )
