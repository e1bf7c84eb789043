"""The figure of performance profiles: how many runs score above each level, for `curves.py --profiles`."""

from collections.abc import Mapping
from pathlib import Path

import numpy as np
from aggregates import performance_profile, profile_interval
from colours import colours_of, save
from panels import one_legend, panels_of
from together import Tasks


def draw_profiles(found: Mapping[str, Tasks], out: Path, title: str | None = None) -> None:
    """Write the figure: a line for each kind of runs, with its 95% interval where each environment has some seeds.

    found: by kind, each environment's normalised scores.
    """
    scores = [np.concatenate(list(tasks.values())) for tasks in found.values()]
    lowest, highest = min(0.0, *(each.min() for each in scores)), max(1.0, *(each.max() for each in scores))
    margin = 0.02 * (highest - lowest)
    levels = np.unique(np.concatenate([[lowest - margin], *scores, [highest + margin]]))  # falls at scores alone
    environments = len(next(iter(found.values())))
    what = f"Performance profiles over {environments} environment{'s' * (environments > 1)}"
    figure, (axes,), _ = panels_of([title or what])
    for (name, tasks), colour in zip(found.items(), colours_of(len(found)), strict=True):
        each = list(tasks.values())
        low, high = profile_interval(each, levels)
        label = f"{name}, 1 seed" if min(map(len, each)) == 1 else name
        axes.step(levels, performance_profile(each, levels), where="post", color=colour, label=label)
        axes.fill_between(levels, low, high, step="post", color=colour, alpha=0.15, linewidth=0)
    axes.set_xlabel("normalised score: 0 is chance, 1 the best")
    axes.set_ylabel("share of runs that score above it\nband: 95% interval")
    axes.set_ylim(0.0, 1.02)
    one_legend(figure, [axes])
    save(figure, out)
