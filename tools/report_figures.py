"""The figures of a report: a paper's own, with our runs in them, and performance profiles."""

from collections.abc import Sequence
from pathlib import Path
from typing import Literal

import numpy as np
from colours import save, whole_ticks
from curves import RESAMPLES, mean_curve
from intervals import interval
from panels import band, one_legend, panels_of
from papers.paper import Curves, Paper
from reading import axis, common_tests, moving_average, range_of
from report_comparisons import ends_of
from report_tables import Runs, counted, over, window_of

from hpcqrl.results.reader import Run


def draw(paper: Paper, part: Curves, runs: Runs, out: Path) -> str:
    """Write the figure in the paper's layout; what it shows, in words."""
    shown = {name: there for name, group in runs.items() if (there := [run for run in group if _rows(run, part)])}
    drawn = {name: shown[name] for _, names in part.panels for name in names if name in shown}
    window = window_of([run for group in drawn.values() for run in group], part.window, part.tests)
    figure, panels, columns = panels_of([title for title, _ in part.panels])
    labels = _labels(part, drawn)
    short = list(dict.fromkeys(_short(title, name) for title, names in part.panels for name in names))
    for axes, (title, names) in zip(panels, part.panels, strict=True):
        group = [run for name in names if name in drawn for run in drawn[name]]
        within = range_of(group)
        for name in names:
            if name in drawn:
                x: Literal["episodes", "steps"] = "steps" if paper.unit == "steps" else "episodes"
                where, mean, low, high = line(drawn[name], window, part, x)
                colour, alone = f"C{short.index(_short(title, name))}", where[0] == where[-1]
                axes.plot(where, mean, "o" if alone else "-", color=colour, label=labels[_short(title, name)])
                alpha = 0.3 / (1 + len(names)) if part.band == "std" else 0.12
                band(axes, where, low, high, within, color=colour, alpha=alpha)
        if part.target and part.target[0] in drawn:
            target = float(np.mean(ends_of(drawn[part.target[0]], part.target[1])))
            axes.axhline(target, color="0.4", linestyle="--", label=f"what {part.target[0]} ends with")
        if not axes.lines:
            axes.text(0.5, 0.5, "no run", ha="center", va="center", transform=axes.transAxes)
        axes.set_xlim(left=0)
        axes.set_xlabel("environment steps" if paper.unit == "steps" else counted(drawn))
        whole_ticks(axes)
    limits = np.array([axes.get_ylim() for axes in panels if axes.lines]).reshape(-1, 2)
    for axes in panels if len(limits) > 1 else []:  # panels that are to be compared
        axes.set_ylim(limits.min(), limits.max())
    for axes in panels[::columns]:
        kind = "test" if part.tests else "episode"
        axes.set_ylabel(f"{'test ' * part.tests}score: mean of {window:,} {kind}{'s' * (window > 1)}")
    one_legend(figure, panels)
    save(figure, out, dpi=130)
    widths = {"std": "standard deviation within the window", "seeds": "95% interval over seeds, where there are some"}
    unlike = any(len({len(run.episodes) for run in group}) > 1 for group in drawn.values())
    cut = " Lines end where the shortest run does." if unlike else ""
    beyond = ", cut to what returns can be" if part.band == "std" else ""
    return f"Means over {over(window, drawn, part.tests)}; band: {widths[part.band]}{beyond}.{cut}"


def _short(title: str, name: str) -> str:
    """An experiment's name without that of its panel."""
    return name.removeprefix(f"{title}, ").removeprefix(f"{title.split('-')[-1]}, ")


def _labels(part: Curves, drawn: Runs) -> dict[str, str]:
    """The legend's text for each line of the panels, with its seeds."""
    counts: dict[str, set[int]] = {}
    for title, names in part.panels:
        for name in names:
            if name in drawn:
                counts.setdefault(_short(title, name), set()).add(len(drawn[name]))
    found = {}
    for name, seeds in counts.items():
        fewest, most = min(seeds), max(seeds)
        found[name] = (
            f"{name}, {most} seed{'s' * (most > 1)}" if fewest == most else f"{name}, {fewest} to {most} seeds"
        )
    return found


def _rows(run: Run, part: Curves) -> int:
    return len(run.evaluations if part.tests else run.episodes)


def line(
    group: Sequence[Run], window: int, part: Curves, x: Literal["episodes", "steps"]
) -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]:
    """A line of the figure: where it goes, and its mean and band there."""
    if part.tests:
        steps, returns = common_tests(group)
        values = np.lib.stride_tricks.sliding_window_view(returns, window, axis=1).mean(axis=2)
        return np.array(steps[window - 1 :]), values.mean(axis=0), *interval(values, resamples=RESAMPLES)
    if part.band == "seeds":
        return mean_curve(group, window, x)
    means, squares = [], []
    end = min(float(axis(run, "episodes")[-1]) for run in group)
    for run in group:
        mean, rows = moving_average(run, window)
        squared, _ = moving_average(run, window, power=2)
        places = axis(run, "episodes")[rows]
        where = np.linspace(places[0], min(places[-1], end), 400)
        means.append(np.interp(where, places, mean))
        squares.append(np.interp(where, places, np.sqrt(np.maximum(squared - mean**2, 0.0))))
    mean, deviation = np.mean(means, axis=0), np.mean(squares, axis=0)
    return where, mean, mean - deviation, mean + deviation
