"""Play a trained policy: its returns, what their mean is worth, and a film of it."""

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import gymnasium
import numpy as np


def play(env: gymnasium.Env, policy: Callable[[Any], Any], episodes: int, seed: int) -> list[float]:
    """The undiscounted returns of some episodes."""
    observation, _ = env.reset(seed=seed)
    returns = []
    for _ in range(episodes):
        returns.append(0.0)
        done = False
        while not done:
            observation, reward, terminated, truncated, _ = env.step(policy(observation))
            returns[-1] += float(reward)
            done = terminated or truncated
        observation, _ = env.reset()
    return returns


def bootstrap_interval(returns: Sequence[float], seed: int) -> tuple[float, float]:
    """The 95% interval of the mean of two returns or more, by resampling them 10,000 times (percentiles)."""
    from scipy.stats import bootstrap

    found = bootstrap((returns,), np.mean, n_resamples=10_000, method="percentile", rng=np.random.default_rng(seed))
    return float(found.confidence_interval.low), float(found.confidence_interval.high)


def film(env: gymnasium.Env, policy: Callable[[Any], Any], seed: int, path: Path) -> int:
    """Write one episode of an environment with render mode "rgb_array" as an animated GIF; how many frames it has."""
    from PIL import Image

    observation, _ = env.reset(seed=seed)
    frames, done = [Image.fromarray(np.asarray(env.render()))], False
    while not done:
        observation, _, terminated, truncated, _ = env.step(policy(observation))
        frames.append(Image.fromarray(np.asarray(env.render())))
        done = terminated or truncated
    milliseconds = 1000 / env.metadata.get("render_fps", 30)
    path.parent.mkdir(parents=True, exist_ok=True)
    frames[0].save(path, "GIF", save_all=True, append_images=frames[1:], duration=milliseconds, loop=0)
    return len(frames)
