"""Draw learning curves: mean return against episodes, steps or time; a line for runs that differ in their seed alone.

$ hpcqrl curves runs/*.h5 --out fig.png
$ hpcqrl curves runs/*.h5 --tests --out tests.png
$ hpcqrl curves runs/*.h5 --x time --window 1000 --out fig.pdf
$ hpcqrl curves runs/*.h5 --profiles --last 500 --out profiles.pdf
"""

import sys
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Literal

import numpy as np
import tyro
from colours import colours_of, plt, save, whole_ticks
from evaluations import draw_tests
from intervals import interval
from panels import band, one_legend, panels_of
from profiles import draw_profiles
from reading import axis, by_seed, how_counted, kinds_of, label, moving_average, per_agent, range_of, read_runs, say
from together import normalised

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
    profiles: bool = False
    """Draw performance profiles instead: the share of runs that score above each level, environments together."""
    x: Axis = "episodes"
    """What is drawn against: episodes, steps of all agents, or seconds."""
    window: int = 100
    """Episodes over which the mean is taken: of each agent in dist-qtrl, of all in the asynchronous systems."""
    last: int = 100
    """Episodes at the end whose mean is a run's score, counted likewise; of --profiles."""
    target: float | None = None
    """A mean return to be marked by a line."""
    title: str | None = None
    """The figure's; by default the environment, or one for each panel."""
    labels: tuple[str, ...] = ()
    """The lines' names, in the legend's order; by default what they differ in."""
    x_label: str | None = None
    """Of the horizontal axis."""
    y_label: str | None = None
    """Of the vertical axis."""


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


def draw_line(
    axes: plt.Axes, group: Sequence[Run], name: str, colour: object, options: Options, alpha: float,
    within: tuple[float, float],
) -> None:  # fmt: skip
    """One line: of a run with its quartiles, or of some seeds with the interval of their mean."""
    seeds = len(group) > 1
    shape = mean_curve(group, options.window, options.x) if seeds else curve(group[0], options.window, options.x)
    where, mean, low, high = shape
    alone = len(where) == 1 or where[0] == where[-1]  # fewer episodes than the window: a point
    axes.plot(where, mean, "o" if alone else "-", label=name, color=colour, zorder=2)
    band(axes, where, low, high, within, color=colour, alpha=alpha, zorder=1)


def names_of(groups: Sequence[Sequence[Run]], runs: Sequence[Run], labels: Sequence[str]) -> list[str]:
    """What each line is called: the same in all environments, and with its seeds; one's own labels, if there are any.

    Raises ValueError if there are not as many as lines.
    """
    plain = [label(group[0], runs, but=("seed", "env")) for group in groups]
    kinds = list(dict.fromkeys(plain))
    if labels and len(labels) != len(kinds):
        raise ValueError(f"labels must be {len(kinds)}, not {len(labels)}: one for each of {'; '.join(kinds)}")
    names = []
    for name in plain:
        alike = [group for group, other in zip(groups, plain, strict=True) if other == name]
        fewest, most = min(map(len, alike)), max(map(len, alike))
        seeds = f"{most} seed{'s' * (most > 1)}" if fewest == most else f"{fewest} to {most} seeds"
        state = [] if all(run.complete for group in alike for run in group) else ["not complete"]
        names.append(", ".join([dict(zip(kinds, labels or kinds, strict=True))[name], seeds, *state]))
    return names


def draw(runs: list[Run], options: Options) -> None:
    """Write the figure: a panel for each environment."""
    groups = drawn_together(runs, options.window, options.x)
    names = names_of(groups, runs, options.labels)
    distinct = list(dict.fromkeys(names))
    colours = dict(zip(distinct, colours_of(len(distinct)), strict=True))
    envs = list(dict.fromkeys(str(run.config.get("env")) for run in runs))
    alone = len(envs) == 1
    figure, panels, columns = panels_of([options.title or envs[0]] if alone else envs)
    for env, axes in zip(envs, panels, strict=True):
        mine = [
            (group, name) for group, name in zip(groups, names, strict=True) if str(group[0].config.get("env")) == env
        ]
        within = range_of([run for group, _ in mine for run in group])
        for group, name in mine:
            draw_line(axes, group, name, colours[name], options, 0.3 / (1 + len(mine)), within)
        if options.target is not None:
            axes.axhline(options.target, color="0.4", linestyle="--", linewidth=1.0, label=f"target {options.target:g}")
        if options.x != "time":
            whole_ticks(axes)
        axes.set_xlabel(options.x_label or x_label(options.x, runs))
    if options.title and not alone:
        figure.suptitle(options.title)
    bands = {"95% interval over seeds" if len(group) > 1 else "quartiles" for group in groups}
    counts = {max(1, min(options.window, len(run.episodes) // per_agent(run))) for run in runs}
    window = f"{max(counts):,}" if len(counts) == 1 else f"up to {max(counts):,}"
    for axes in panels[::columns]:
        axes.set_ylabel(options.y_label or f"return: mean over {window} episodes\nband: {', '.join(sorted(bands))}")
    one_legend(figure, panels)
    save(figure, options.out)


def _normalised(runs: list[Run], options: Options) -> dict:
    """Each kind's normalised scores, by its name."""
    kinds = kinds_of(runs)
    names = options.labels or tuple(kinds)
    if len(names) != len(kinds):
        raise ValueError(f"labels must be {len(kinds)}, not {len(names)}: one for each of {'; '.join(kinds)}")
    found = normalised(dict(zip(names, kinds.values(), strict=True)), options.last, "curves")
    if not found:
        raise ValueError("there is no environment in which all of these were, and whose returns can be normalised")
    return found


def main() -> None:
    """Read the files, name those that cannot be used, and draw the rest."""
    options = tyro.cli(Options, description=__doc__)
    for name in ("window", "last"):
        if getattr(options, name) < 1:
            sys.exit(f"curves: {name} must be at least 1, not {getattr(options, name)}")
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
            draw_tests(runs, options.out, options.title)
        elif options.profiles:
            draw_profiles(_normalised(runs, options), options.out, options.title)
        else:
            draw(runs, options)
    except (OSError, ValueError) as error:
        sys.exit(f"curves: cannot write {options.out}: {error}")
    print(f"{len(runs)} run{'s' * (len(runs) > 1)} drawn: {options.out}")


if __name__ == "__main__":
    main()
