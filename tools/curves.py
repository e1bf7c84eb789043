"""Draw learning curves: mean return against episodes, steps or time; a line for runs that differ in their seed alone.

python tools/curves.py runs/*.h5 --out fig.png
python tools/curves.py runs/*.h5 --tests --out tests.png
python tools/curves.py runs/*.h5 --x time --window 1000 --out fig.pdf
"""

import sys
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Literal

import numpy as np
import tyro
from colours import colours_of, plt
from evaluations import draw_tests
from intervals import interval
from reading import axis, by_seed, how_counted, label, moving_average, per_agent, read_runs, say

from hpcqrl.results.reader import Run

POINTS = 400  # of a line
RESAMPLES = 1000  # for each of them
Axis = Literal["episodes", "steps", "time"]


@dataclass(frozen=True)
class Options:
    """Draw learning curves: mean return against episodes, steps or time, a line for runs that differ in seed alone."""

    runs: tyro.conf.Positional[tuple[Path, ...]]
    """Results files."""
    out: Path = Path("curves.png")
    """The figure: PNG, PDF or SVG, by its ending."""
    tests: bool = False
    """Draw /evaluations instead: mean test return against steps, one line for runs alike but for seed and steps."""
    x: Axis = "episodes"
    """What is drawn against: episodes, steps of all agents, or seconds."""
    window: int = 100
    """Episodes over which the mean is taken: of each agent in dist-qtrl, of all in the asynchronous systems."""


def curve(run: Run, window: int, x: Axis = "episodes") -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]:
    """Where the window ends, and mean and quartiles of the returns in it."""
    returns = run.episodes["return"]
    mean, rows = moving_average(run, window)
    chosen = np.unique(np.linspace(0, len(rows) - 1, POINTS).astype(int))
    size = len(returns) - len(rows) + 1
    windows = [returns[row + 1 - size : row + 1] for row in rows[chosen]]
    low, high = np.array([np.percentile(part, (25, 75)) for part in windows]).T
    return axis(run, x)[rows[chosen]], mean[chosen], low, high


def mean_curve(
    runs: Sequence[Run], window: int, x: Axis = "episodes"
) -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]:
    """The mean over seeds of their moving averages, and its 95% bootstrap interval, where all seeds have values."""
    seeds = []
    for run in runs:
        mean, rows = moving_average(run, window)
        seeds.append((axis(run, x)[rows], mean))
    start, end = common_range([places for places, _ in seeds])
    where = np.linspace(start, max(start, end), POINTS)  # seeds that have nothing in common: where the last begins
    means = np.array([np.interp(where, places, mean) for places, mean in seeds])
    low, high = interval(means, resamples=RESAMPLES)
    return where, means.mean(axis=0), low, high


def common_range(places: Sequence[np.ndarray]) -> tuple[float, float]:
    """From where to where all of them reach."""
    return max(each[0] for each in places), min(each[-1] for each in places)


def drawn_together(runs: Sequence[Run], window: int, x: Axis) -> list[list[Run]]:
    """The runs that differ in seed alone, together; but each alone where no part of the axis is common to all."""
    groups = []
    for group in by_seed(runs):
        places = [axis(run, x)[moving_average(run, window)[1]] for run in group]
        (start, end), longest = common_range(places), max(each[-1] for each in places)
        name = label(group[0], runs)
        if end < start:
            say("curves", f"note: {name}: its seeds have no {x} in common, and are drawn apart")
            groups += [[run] for run in group]
            continue
        if end < 0.9 * longest:
            say("curves", f"note: {name}: drawn to {end:,.4g} of {longest:,.4g} {x}, where its shortest run ends")
        groups.append(group)
    return groups


def x_label(x: Axis, runs: Sequence[Run]) -> str:
    """What the horizontal axis counts."""
    return {"episodes": how_counted(runs), "steps": "environment steps of all agents", "time": "seconds"}[x]


def draw_line(axes: plt.Axes, group: Sequence[Run], name: str, colour: object, options: Options, alpha: float) -> None:
    """One line: of a run with its quartiles, or of some seeds with the interval of their mean."""
    seeds = len(group) > 1
    shape = mean_curve(group, options.window, options.x) if seeds else curve(group[0], options.window, options.x)
    where, mean, low, high = shape
    alone = len(where) == 1 or where[0] == where[-1]  # fewer episodes than the window: a point
    axes.plot(where, mean, "o" if alone else "-", label=name, color=colour, zorder=2)
    axes.fill_between(where, low, high, color=colour, alpha=alpha, linewidth=0, zorder=1)


def draw(runs: list[Run], options: Options) -> None:
    """Write the figure."""
    groups = drawn_together(runs, options.window, options.x)
    figure, axes = plt.subplots(figsize=(8, 5 + 0.15 * len(groups)), layout="constrained")
    for group, colour in zip(groups, colours_of(len(groups)), strict=True):
        seeds = [f"{len(group)} seeds"] if len(group) > 1 else []
        state = [] if all(run.complete for run in group) else ["not complete"]
        name = ", ".join([label(group[0], runs), *seeds, *state])
        draw_line(axes, group, name, colour, options, 0.3 / (1 + len(groups)))
    axes.set_title(", ".join(sorted({str(run.config.get("env")) for run in runs})))
    axes.set_xlabel(x_label(options.x, runs))
    bands = {"95% interval over seeds" if len(group) > 1 else "quartiles" for group in groups}
    counts = {max(1, min(options.window, len(run.episodes) // per_agent(run))) for run in runs}
    window = f"{max(counts):,}" if len(counts) == 1 else f"up to {max(counts):,}"
    axes.set_ylabel(f"return: mean over {window} episodes\nband: {', '.join(sorted(bands))}")
    axes.grid(alpha=0.3)
    longest = max(len(text) for text in axes.get_legend_handles_labels()[1])
    columns = 1 if len(groups) < 4 or longest > 55 else 2
    figure.legend(loc="outside lower center", ncols=columns, fontsize="small", frameon=False)
    options.out.parent.mkdir(parents=True, exist_ok=True)
    figure.savefig(options.out, dpi=150)
    plt.close(figure)


def main() -> None:
    """Read the files, name those that cannot be used, and draw the rest."""
    options = tyro.cli(Options, description=__doc__)
    if options.window < 1:
        sys.exit(f"curves: window must be at least 1, not {options.window}")
    runs = read_runs(options.runs, "curves")
    if options.tests:
        for run in runs:
            if not len(run.evaluations):
                say("curves", f"left out: {run.path} holds no evaluations")
        runs = [run for run in runs if len(run.evaluations)]
        if not runs:
            sys.exit("curves: no results file holds evaluations")
    if not options.out.suffix:
        options = replace(options, out=options.out.with_suffix(".png"))
    if options.out.is_dir():
        sys.exit(f"curves: {options.out} is a folder; --out needs the name of a figure")
    try:
        if options.tests:
            draw_tests(runs, options.out)
        else:
            draw(runs, options)
    except (OSError, ValueError) as error:
        sys.exit(f"curves: cannot write {options.out}: {error}")
    print(f"{len(runs)} run{'s' * (len(runs) > 1)} drawn: {options.out}")


if __name__ == "__main__":
    main()
