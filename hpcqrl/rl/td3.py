"""TD3's settings, as published (Fujimoto et al., arXiv:1802.09477, and its code)."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from hpcqrl.configuration import MOST_IN_A_BATCH, at_least, positive, within


@dataclass(frozen=True)
class Td3Options:
    """What TD3 itself lets one choose."""

    test_every: int = 5000
    """Steps of each agent between tests without exploration noise [TD3]."""
    test_episodes: int = 10
    """Episodes of a test, of all agents together [TD3]."""
    random_steps: int = 1000
    """Steps of each agent with random actions, before the first update [TD3, 6.1]."""
    batch: int = 256
    """Transitions that each agent draws for an update [TD3's code]."""
    replay: int = 1_000_000
    """Transitions that each agent keeps [TD3's code]."""
    discount: float = 0.99
    """Discount factor gamma [Table 1]."""
    learning_rate: float = 3e-4
    """Of Adam, for all networks [TD3's code]."""
    tau: float = 0.005
    """Share of the networks in their targets at each update of these [TD3]."""
    exploration_noise: float = 0.1
    """Standard deviation of the noise on actions, which lie in [-1, 1] [TD3]."""
    target_noise: float = 0.2
    """Standard deviation of the noise on target actions [TD3]."""
    noise_clip: float = 0.5
    """Largest noise on target actions [TD3]."""
    policy_delay: int = 2
    """Updates of the critics for one of the actor and the targets [TD3]."""


def check_td3(options: Td3Options, steps: int) -> None:
    """ValueError, naming the value, for one that is out of range; steps: of the whole run."""
    at_least(1, steps=steps, test_every=options.test_every, test_episodes=options.test_episodes)
    within(1, MOST_IN_A_BATCH, batch=options.batch)
    at_least(1, replay=options.replay, random_steps=options.random_steps)
    at_least(1, policy_delay=options.policy_delay)
    at_least(0, exploration_noise=options.exploration_noise, target_noise=options.target_noise)
    at_least(0, noise_clip=options.noise_clip)
    within(0.0, 1.0, discount=options.discount, tau=options.tau)
    positive(learning_rate=options.learning_rate)
    if steps <= options.random_steps:
        raise ValueError(f"steps must be more than random_steps, {options.random_steps}, not {steps}")


def target_noise(options: Td3Options, shape: tuple[int, ...], random: np.random.Generator) -> NDArray[np.float32]:
    """Noise on target actions, normal and clipped. Source: TD3, Algorithm 1."""
    noise = options.target_noise * random.standard_normal(shape, np.float32)
    return noise.clip(-options.noise_clip, options.noise_clip)
