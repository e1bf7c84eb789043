"""The tables of a report: a paper's numbers, and ours from its runs."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from crossing import first_at, learning, speedup_interval
from intervals import interval, shown
from papers.paper import Paper, Scores, Settings, Speedups
from reading import how_counted, length, per_agent, score, seconds, tests

from hpcqrl.results.costs import costs, costs_in_words
from hpcqrl.results.reader import Run

SHARE = 8  # a window is at most this part of a run, so that shortened runs have curves too
Runs = Mapping[str, Sequence[Run]]


@dataclass(frozen=True)
class Table:
    """A table of the report: text below it says how to read it."""

    title: str
    headings: tuple[str, ...]
    rows: list[list[str]]
    below: str = ""


def window_of(runs: Runs, names: Iterable[str], wanted: int, of_tests: bool) -> int:
    """The paper's window, of episodes or of tests, or a shorter one if one of the runs with these names is short."""
    chosen = [run for name in names for run in runs.get(name, ())]
    sizes = [len(tests(run)) if of_tests else len(run.episodes) / per_agent(run) for run in chosen]
    return max(1, min(wanted, round(min(sizes) / SHARE))) if sizes else wanted


def scores(paper: Paper, group: Sequence[Run], last: int) -> list[float]:
    """Each run's mean return over its last episodes, or tests if the paper's length is in steps."""
    if paper.unit == "steps":
        return [float(np.mean(list(tests(run).values())[-last:])) for run in group]
    return [score(run, last) for run in group]


def scores_table(paper: Paper, part: Scores, runs: Runs) -> Table:
    """The paper's scores and parameters, and ours."""
    last, rows = window_of(runs, [row[0] for row in part.rows], part.last, paper.unit == "steps"), []
    for name, value, size in part.rows:
        group = runs.get(name, ())
        ours, sure, parameters = "no run", "-", "-"
        if group:
            values = scores(paper, group, last)
            ours, sure = f"{np.mean(values):.4g}", shown(*interval(values))
            parameters = f"{sum(array.size for array in group[0].parameters.values()):,}"
        paper_value, paper_size = ("-" if number is None else f"{number:,}" for number in (value, size))
        rows.append([name, paper_value, ours, sure, str(len(group)), paper_size, parameters])
    headings = ("model", "paper", "ours", "95% interval", "seeds", "parameters: paper", "ours")
    below = f"Ours: mean return over the last {over(last, runs, paper.unit == 'steps')}, then over seeds."
    return Table(part.title, headings, rows, below)


def settings_table(part: Settings, runs: Runs) -> Table:
    """The paper's settings, and those that the runs have."""
    configs = [run.config for group in runs.values() for run in group]
    rows = []
    for what, value, field in part.rows:
        ours = dict.fromkeys(str(config[field]) for config in configs)
        rows.append([what, "-" if value is None else value, ", ".join(ours)])
    return Table(part.title, ("setting", "paper", "ours"), rows)


def speedups_table(part: Speedups, runs: Runs) -> Table:
    """The paper's speed-ups, and ours."""
    window = window_of(runs, [row[0] for row in part.rows], part.window, of_tests=False)
    groups = {name: runs[name] for name, _ in part.rows if runs.get(name)}
    base_name = part.rows[0][0]
    if base_name not in groups:
        return Table(part.title, ("model", "paper", "ours"), [], f"There is no run of {base_name} to compare with.")
    ends = ends_of(runs, base_name, part.last)
    target = float(np.mean(ends))
    curves = {name: learning(group, window) for name, group in groups.items()}
    base, rows = first_at(curves[base_name], target), []
    for name, value in part.rows:
        cells = [name, "-" if value is None else f"{value:.2f}"]
        if name not in groups:
            rows.append([*cells, "no run", "-", "-", "0"])
            continue
        episodes, seeds = first_at(curves[name], target), str(len(groups[name]))
        if base is None or episodes is None:
            rows.append([*cells, "not reached", "-", "-", seeds])
            continue
        sure = "-" if name == base_name else shown(*speedup_interval(curves[base_name], curves[name], target, ends), 2)
        rows.append([*cells, f"{base / episodes:.2f}", sure, f"{episodes:,}", seeds])
    headings = ("model", "paper", "ours", "95% interval", "episodes of each agent", "seeds")
    below = (
        f"Target: {target:.4g}, what {base_name} ends with. It is reached where the mean over seeds, and "
        f"over {over(window, runs, of_tests=False)}, first is: a single run's highest swing would come long before. "
        f"The interval draws the seeds again, and with them the target; up to inf where {base_name} never gets there."
    )
    return Table(part.title, headings, rows, below)


def ends_of(runs: Runs, name: str, last: int) -> list[float]:
    """The mean return of the last episodes of each of these runs."""
    last = window_of(runs, [name], last, of_tests=False)
    return [score(run, last) for run in runs[name]]


def orders_table(paper: Paper, runs: Runs) -> Table:
    """What the paper finds better than what, and whether we do."""
    rows = []
    for better, worse, where in paper.orders:
        tables = [part for part in paper.parts if isinstance(part, Scores)]
        names, wanted = next(
            (names, part.last) for part in tables if better in (names := [row[0] for row in part.rows])
        )
        last = window_of(runs, names, wanted, paper.unit == "steps")
        groups = [scores(paper, runs.get(name, ()), last) for name in (better, worse)]
        if not all(groups):
            rows.append([f"{better} above {worse}", where, "-", "-", "no run"])
            continue
        means, intervals = [np.mean(group) for group in groups], [interval(group) for group in groups]
        verdict = (
            "as in the paper" if means[0] > means[1] else "THE OTHER WAY ROUND" if means[0] < means[1] else "equal"
        )
        if not np.isfinite(means).all():
            verdict = "not comparable: not finite"
        if min(map(len, groups)) == 1:
            verdict += ", a single seed"
        elif intervals[0][0] <= intervals[1][1] and intervals[1][0] <= intervals[0][1]:
            verdict += ", but the intervals overlap"
        rows.append([f"{better} above {worse}", where, *(f"{mean:.4g}" for mean in means), verdict])
    headings = ("the paper finds", "where", "ours: first", "ours: second", "ours")
    return Table("The order of the models", headings, rows)


def runs_table(paper: Paper, runs: Runs, commands: Mapping[str, str]) -> Table:
    """All runs, with what is needed to make them again."""
    rows, asked = [], any(costs(run.episodes) for group in runs.values() for run in group)
    for name, group in runs.items():
        for run in group:
            steps = length(run) * run.agents if paper.unit == "steps" else run.episodes["length"].sum()
            sizes = [f"{len(run.episodes):,}", f"{steps:,}", f"{seconds(run):,.1f}"]
            facts = [name, str(run.seed), str(run.agents), *sizes, *[costs_in_words(run.episodes) or "-"] * asked]
            rows.append([*facts, str(run.attributes["created"]), commands.get(str(run.path), str(run.path))])
    headings = (
        "experiment",
        "seed",
        "agents",
        "episodes",
        "steps",
        "seconds",
        *("QPUs",) * asked,
        "started (UTC)",
        "command",
    )
    return Table("Runs", headings, rows)


def over(window: int, runs: Runs, of_tests: bool) -> str:
    """A window in words: so many tests, or episodes and what they count."""
    return f"{window:,} test{'s' * (window > 1)}" if of_tests else f"{window:,} {counted(runs)}"


def counted(runs: Runs) -> str:
    """What a number of episodes counts in these runs."""
    return how_counted([run for group in runs.values() for run in group])
