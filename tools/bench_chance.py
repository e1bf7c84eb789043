"""Measure what a random policy's episodes return, and what MiniGrid's shortest paths do: for papers/returns.py.

python tools/bench_chance.py MiniGrid-Empty-5x5-v0 --actions 3 --max-steps 100
python tools/bench_chance.py MiniGrid-SimpleCrossingS9N2-v0 --actions 6
"""

import sys
from collections import deque
from dataclasses import dataclass
from typing import Any

import gymnasium
import numpy as np
import tyro

from hpcqrl.envs.make import make, make_either

ACTIONS = 1_000_000  # seeds of actions begin here


@dataclass(frozen=True)
class Options:
    """Measure what a random policy's episodes return, and what MiniGrid's shortest paths do."""

    env: tyro.conf.Positional[str]
    """A Gymnasium environment, as systems take it."""
    actions: int | None = None
    """Use only the environment's first so many actions."""
    max_steps: int | None = None
    """An episode ends after so many steps at the latest, beside the environment's own limit."""
    episodes: int = 1000
    """Episodes, seeded 0, 1, 2, ..."""


def random_returns(env: gymnasium.Env, episodes: int) -> np.ndarray:
    """Returns [episodes] of actions drawn uniformly; episode n is seeded with n, its actions with another number: two
    generators of one seed draw alike.
    """
    returns = np.zeros(episodes)
    for number in range(episodes):
        env.reset(seed=number)
        env.action_space.seed(ACTIONS + number)
        done = False
        while not done:
            _, reward, terminated, truncated, _ = env.step(env.action_space.sample())
            returns[number] += float(reward)
            done = terminated or truncated
    return returns


def shortest_path(env: Any) -> int:
    """Steps of left, right and forward from where a MiniGrid environment has been reset to, to its goal."""
    grid, start = env.unwrapped.grid, (*map(int, env.unwrapped.agent_pos), int(env.unwrapped.agent_dir))
    steps, reached = {start: 0}, deque([start])
    while reached:
        x, y, facing = place = reached.popleft()
        dx, dy = ((1, 0), (0, 1), (-1, 0), (0, -1))[facing]
        ahead = grid.get(x + dx, y + dy)
        if ahead is not None and ahead.type == "goal":
            return steps[place] + 1
        free = ahead is None or ahead.can_overlap()
        for new in ((x, y, (facing + 1) % 4), (x, y, (facing - 1) % 4), *([(x + dx, y + dy, facing)] if free else [])):
            if new not in steps:
                steps[new] = steps[place] + 1
                reached.append(new)
    raise ValueError(f"{env.spec.id} has a goal that cannot be reached")


def main() -> None:
    """Measure, and print the numbers."""
    options = tyro.cli(Options, description=__doc__)
    for name, value in (("episodes", options.episodes), ("max_steps", options.max_steps)):
        if value is not None and value < 1:
            sys.exit(f"bench_chance: {name} must be at least 1, not {value}")
    try:
        env = (make if options.actions else make_either)(options.env, options.actions)
    except ValueError as error:
        sys.exit(f"bench_chance: {error}")
    if options.max_steps:
        env = gymnasium.wrappers.TimeLimit(env, options.max_steps)
    returns = random_returns(env, options.episodes)
    sure = returns.std(ddof=1) / np.sqrt(len(returns)) if len(returns) > 1 else np.nan
    print(f"{options.env}: a random policy returns {returns.mean():.5g} ± {sure:.2g} (mean of {len(returns):,})")
    if options.env.startswith("MiniGrid-"):
        limit, best = min(env.unwrapped.max_steps, options.max_steps or 10**9), []  # type: ignore[attr-defined]
        for number in range(options.episodes):
            env.reset(seed=number)
            best.append(1.0 - 0.9 * shortest_path(env) / env.unwrapped.max_steps)  # type: ignore[attr-defined]
        print(f"{options.env}: shortest paths return {np.mean(best):.5g}; episodes end after {limit} steps")


if __name__ == "__main__":
    main()
