"""When the mean learning curve over seeds reaches a target, and how sure a speed-up is that follows from it.

A single run's swings would come long before its learning, and a run that never gets there would count for nothing.
"""

import math
from collections.abc import Sequence

import numpy as np
from reading import axis, moving_average

from hpcqrl.results.reader import Run

RESAMPLES = 999
Curves = tuple[np.ndarray, np.ndarray]  # whole episodes, by the system's count; moving averages there [seeds, episodes]


def learning(group: Sequence[Run], window: int) -> Curves:
    """The runs' moving averages at every episode where all of them have one."""
    found = []
    for run in group:
        mean, rows = moving_average(run, window)
        found.append((axis(run, "episodes")[rows], mean))
    first, last = max(places[0] for places, _ in found), min(places[-1] for places, _ in found)
    where = np.arange(math.ceil(first), max(math.ceil(first), math.floor(last)) + 1)
    return where, np.array([np.interp(where, places, mean) for places, mean in found])


def first_at(curves: Curves, target: float) -> int | None:
    """Episodes until the mean over seeds first is the target; None if it never is."""
    where, means = curves
    above = np.flatnonzero(means.mean(axis=0) >= target - 1e-9)  # rounding is not learning
    return int(where[above[0]]) if len(above) else None


def seconds_until(group: Sequence[Run], episodes: int) -> float:
    """Until the runs have had so many episodes, by the system's count, in the mean over seeds."""
    return float(np.mean([np.interp(episodes, axis(run, "episodes"), axis(run, "time")) for run in group]))


def first_at_interval(curves: Curves, target: float) -> tuple[float, float]:
    """95% bootstrap interval of `first_at`, seeds drawn again; NaN from a single one. What is not reached counts as
    reached after infinitely many episodes.
    """
    count = len(curves[1])
    if count < 2:
        return math.nan, math.nan
    random, found = np.random.default_rng(0), []
    for _ in range(RESAMPLES):
        episodes = first_at((curves[0], curves[1][random.integers(count, size=count)]), target)
        found.append(math.inf if episodes is None else float(episodes))
    low, high = np.quantile(found, (0.025, 0.975), method="nearest")
    return float(low), float(high)


def sample_complexity(curves: Curves, target: float) -> tuple[str, str, str]:
    """Episodes until the mean over seeds is the target, their 95% interval, and how many seeds get there themselves."""
    episodes, (low, high) = first_at(curves, target), first_at_interval(curves, target)
    reach = int((curves[1].max(axis=1) >= target - 1e-9).sum())
    interval = "1 seed" if math.isnan(low) else f"{low:,.0f} to {high:,.0f}"
    return "not reached" if episodes is None else f"{episodes:,}", interval, f"{reach} of {len(curves[1])}"


def speedup_interval(
    base: Curves, other: Curves, target: float, ends: Sequence[float] | None = None
) -> tuple[float, float]:
    """95% bootstrap interval of how much sooner the other is there, seeds drawn apart; NaN if either has a single one.

    ends: what each of the base's seeds ends with, if the target is their mean: it is then drawn with them.
    What is not reached counts as reached after infinitely many episodes.
    """
    if min(len(base[1]), len(other[1])) < 2:
        return math.nan, math.nan
    random = np.random.default_rng(0)
    ratios = []
    for _ in range(RESAMPLES):
        ours_drawn, theirs_drawn = (random.integers(len(means), size=len(means)) for _, means in (base, other))
        aim = target if ends is None else float(np.mean(np.asarray(ends)[ours_drawn]))
        ours, theirs = first_at((base[0], base[1][ours_drawn]), aim), first_at((other[0], other[1][theirs_drawn]), aim)
        if ours is not None or theirs is not None:
            ratios.append(math.inf if ours is None else 0.0 if theirs is None else ours / theirs)
    low, high = np.quantile(ratios, (0.025, 0.975), method="nearest") if ratios else (math.nan, math.nan)
    return float(low), float(high)
