"""Play a trained policy: its returns, what their mean is worth, and a film of it."""

from collections.abc import Callable, Iterator, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any

import gymnasium
import numpy as np

LONGEST = 100_000  # steps of an episode that is played to test a policy
LONGEST_FILM = 5_000  # frames


def play(env: gymnasium.Env, policy: Callable[[Any], Any], episodes: int, seed: int) -> list[float]:
    """The undiscounted returns of some episodes."""
    observation, _ = env.reset(seed=seed)
    returns = [sum(rewards(env, policy, observation))]
    while len(returns) < episodes:
        returns.append(sum(rewards(env, policy, env.reset()[0])))
    return returns


def rewards(env: gymnasium.Env, policy: Callable[[Any], Any], observation: Any) -> Iterator[float]:
    """The rewards of one episode, step by step, which begins with this observation.

    An episode that goes on for ever, in an environment without a limit of its own, is over after LONGEST steps.
    """
    for _ in range(LONGEST):
        observation, reward, terminated, truncated, _ = env.step(policy(observation))
        yield float(reward)
        if terminated or truncated:
            return


def close(env: gymnasium.Env) -> None:
    """Close an environment: its windows, threads, processes. What goes wrong in that is not worth a run's end."""
    with suppress(Exception):
        env.close()


def bootstrap_interval(returns: Sequence[float], seed: int) -> tuple[float, float]:
    """The 95% interval of the mean of two returns or more, by resampling them 10,000 times (percentiles)."""
    from scipy.stats import bootstrap

    random = np.random.default_rng(seed)
    found = bootstrap((returns,), np.mean, n_resamples=10_000, batch=100, method="percentile", rng=random)
    return float(found.confidence_interval.low), float(found.confidence_interval.high)


def film(env: gymnasium.Env, policy: Callable[[Any], Any], seed: int, path: Path) -> int:
    """Write one episode of an environment with render mode "rgb_array" as an animated GIF; how many frames it has."""
    from PIL import Image

    observation, _ = env.reset(seed=seed)
    frames, done = [Image.fromarray(_frame(env))], False
    while not done and len(frames) < LONGEST_FILM:
        observation, _, terminated, truncated, _ = env.step(policy(observation))
        frames.append(Image.fromarray(_frame(env)))
        done = terminated or truncated
    milliseconds = 1000 / env.metadata.get("render_fps", 30)
    path.parent.mkdir(parents=True, exist_ok=True)
    frames[0].save(path, "GIF", save_all=True, append_images=frames[1:], duration=milliseconds, loop=0)
    return len(frames)


def _frame(env: gymnasium.Env) -> np.ndarray:
    frame: Any = env.render()
    if not isinstance(frame, np.ndarray) or frame.dtype != np.uint8 or frame.ndim != 3:
        raise ValueError(
            f"{env.spec and env.spec.id} cannot be filmed: it draws no picture of uint8 [height, width, 3]"
        )
    return frame
