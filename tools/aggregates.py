"""What many runs say together, over seeds and tasks, as the field asks for it.

Scores are a sequence of arrays, one of each task, with a value for each of its seeds; tasks of unlike returns are
normalised first. Source of all definitions: Agarwal et al., "Deep Reinforcement Learning at the Edge of the Statistical
Precipice" (arXiv:2108.13264), and its library rliable.
"""

from collections.abc import Callable, Sequence
from typing import Any

import intervals
import numpy as np
from numpy.typing import ArrayLike, NDArray

Floats = NDArray[np.floating]
Scores = Sequence[ArrayLike]


def interquartile_mean(scores: Scores) -> float:
    """Mean of the middle half of all runs of all tasks together."""
    return float(intervals.interquartile_mean(np.concatenate([np.asarray(task, np.float64) for task in scores])))


def stratified_interval(
    scores: Scores, statistic: Callable[..., Any] = intervals.interquartile_mean, resamples: int = intervals.RESAMPLES
) -> tuple[Any, Any]:
    """95% percentile interval of a statistic (values, axis) of all runs: each task's seeds are drawn again, by
    themselves. NaN where a task has a single seed, of which nothing can be drawn. The same scores, the same interval.
    """
    random = np.random.default_rng(0)
    drawn = [_drawn(np.asarray(task, np.float64), resamples, random) for task in scores]
    found = np.asarray(statistic(np.concatenate(drawn, axis=1), axis=1))
    if min(map(np.size, scores)) < 2:
        return np.full(found.shape[1:], np.nan)[()], np.full(found.shape[1:], np.nan)[()]
    return _middle(found)


def _drawn(task: Floats, resamples: int, random: np.random.Generator) -> Floats:
    return task[random.integers(len(task), size=(resamples, len(task)))]


def _middle(found: Floats) -> tuple[Any, Any]:
    tail = (1.0 - intervals.LEVEL) / 2.0
    low, high = np.quantile(found, (tail, 1.0 - tail), axis=0)
    return low, high


def probability_of_improvement(ours: Scores, theirs: Scores) -> float:
    """How often a run of ours scores above one of theirs, a tie counting half: the mean over tasks of Mann and
    Whitney's U / (m n).
    """
    return float(np.mean([_above(own, other).mean() for own, other in zip(ours, theirs, strict=True)]))


def improvement_interval(ours: Scores, theirs: Scores, resamples: int = intervals.RESAMPLES) -> tuple[float, float]:
    """Its 95% stratified bootstrap interval: seeds of both are drawn again, in each task; NaN if a task has one."""
    if min(map(np.size, (*ours, *theirs))) < 2:
        return np.nan, np.nan
    random, found = np.random.default_rng(0), np.zeros(resamples)
    for own, other in zip(ours, theirs, strict=True):
        m, n = np.size(own), np.size(other)  # how often each is drawn, instead of what: sums of products are quick
        own_times = random.multinomial(m, np.full(m, 1.0 / m), resamples)
        other_times = random.multinomial(n, np.full(n, 1.0 / n), resamples)
        found += ((own_times @ _above(own, other)) * other_times).sum(axis=1) / (m * n * len(ours))
    low, high = _middle(found)
    return float(low), float(high)


def _above(ours: ArrayLike, theirs: ArrayLike) -> Floats:
    """1 where one of ours [m] is above one of theirs [n], 1/2 where they are equal; [m, n]."""
    own, other = np.asarray(ours, np.float64)[:, None], np.asarray(theirs, np.float64)
    return (own > other) + 0.5 * (own == other)


def performance_profile(scores: Scores, levels: ArrayLike) -> Floats:
    """Share of all runs whose score is above each level; [levels]."""
    return _shares(np.concatenate([np.asarray(task, np.float64) for task in scores]), np.asarray(levels), 0)


def profile_interval(scores: Scores, levels: ArrayLike, resamples: int = 1000) -> tuple[Floats, Floats]:
    """The performance profile's 95% stratified bootstrap interval, at each level."""
    return stratified_interval(scores, lambda values, axis: _shares(values, np.asarray(levels), axis), resamples)


def _shares(values: Floats, levels: Floats, axis: int) -> Floats:
    """Share above each level along an axis, which gives way to the levels'."""
    return np.stack([(values > level).mean(axis=axis) for level in levels], axis=-1)
