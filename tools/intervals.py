"""How sure a mean over few seeds is."""

from collections.abc import Callable
from typing import Any

import numpy as np
from scipy.stats import bootstrap, trim_mean

RESAMPLES = 9999
LEVEL = 0.95


def interquartile_mean(values: Any, axis: int = 0) -> Any:
    """Mean of the middle half: a quarter of the values (rounded down) is cut off at either end. Source: Agarwal et al.,
    "Deep Reinforcement Learning at the Edge of the Statistical Precipice" (arXiv:2108.13264).
    """
    return trim_mean(values, 0.25, axis=axis)


def interval(values: Any, statistic: Callable[..., Any] = np.mean, resamples: int = RESAMPLES) -> tuple[Any, Any]:
    """95% percentile bootstrap interval of a statistic over seeds, values [seeds, ...]; NaN from a single seed.

    The same values give the same interval. Constant values give an interval without width.
    """
    values = np.asarray(values, np.float64)
    if len(values) < 2:
        return np.full(values.shape[1:], np.nan)[()], np.full(values.shape[1:], np.nan)[()]
    options: dict[str, Any] = {"n_resamples": resamples, "confidence_level": LEVEL, "method": "percentile", "axis": 0}
    found = bootstrap((values,), statistic, vectorized=True, rng=np.random.default_rng(0), **options)
    return found.confidence_interval.low, found.confidence_interval.high


def shown(low: float, high: float, digits: int | None = None, none: str = "1 seed") -> str:
    """An interval as text, by default with 3 digits below 10 and with 1 above; `none` if there is none."""
    if digits is None:
        digits = 3 if max(abs(low), abs(high)) < 10.0 else 1
    return none if np.isnan(low) else f"{low:.{digits}f} to {high:.{digits}f}"


def sure(scores: Any, digits: int | None = None, statistic: Callable[..., Any] = np.mean) -> str:
    """The interval of a statistic of the seeds' scores as text, or why there is none."""
    if len(scores) > 1 and not np.isfinite(scores).all():
        return "not finite"
    return shown(*interval(scores, statistic), digits)
