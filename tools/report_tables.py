"""The tables of a report: a paper's numbers, and ours from its runs."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from intervals import interval, ratio_interval, shown
from papers.paper import Paper, Scores, Speedups
from reading import how_counted, score
from speedup import default_target, reached

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


def window_of(paper: Paper, runs: Runs, wanted: int) -> int:
    """The paper's window, or a shorter one for runs that are shorter than the paper's."""
    episodes = min(run.config["episodes"] for group in runs.values() for run in group)
    return max(1, min(wanted, round(episodes / SHARE))) if episodes < paper.episodes else wanted


def scores_table(paper: Paper, part: Scores, runs: Runs) -> Table:
    """The paper's scores and parameters, and ours."""
    last, rows = window_of(paper, runs, part.last), []
    for name, value, size in part.rows:
        group = runs.get(name, ())
        ours, sure, parameters = "no run", "-", "-"
        if group:
            values = [score(run, last) for run in group]
            ours, sure = f"{np.mean(values):.4g}", shown(*interval(values))
            parameters = f"{sum(array.size for array in group[0].parameters.values()):,}"
        paper_value, paper_size = ("-" if number is None else f"{number:,}" for number in (value, size))
        rows.append([name, paper_value, ours, sure, str(len(group)), paper_size, parameters])
    headings = ("model", "paper", "ours", "95% interval", "seeds", "parameters: paper", "ours")
    return Table(
        part.title, headings, rows, f"Ours: mean return over the last {last:,} {counted(runs)}, then over seeds."
    )


def speedups_table(paper: Paper, part: Speedups, runs: Runs) -> Table:
    """The paper's speed-ups, and ours."""
    window = window_of(paper, runs, part.window)
    groups = {name: runs[name] for name, _ in part.rows if runs.get(name)}
    base_name = part.rows[0][0]
    if base_name not in groups:
        return Table(part.title, ("model", "paper", "ours"), [], f"There is no run of {base_name} to compare with.")
    target = default_target([groups[base_name]], window)
    found = {name: reached([group], target, window, "reproduce") for name, group in groups.items()}
    rows = []
    for name, value in part.rows:
        cells = [name, "-" if value is None else f"{value:.2f}"]
        if name not in groups:
            rows.append([*cells, "no run", "-", "-", "-"])
        elif not found[name] or not found[base_name]:
            rows.append([*cells, "not reached", "-", "-", f"0 of {len(groups[name])}"])
        else:
            base, each = found[base_name][0].episodes, found[name][0].episodes
            sure = "-" if name == base_name else shown(*ratio_interval(base, each), 2)
            reached_by = f"{len(each)} of {len(groups[name])}"
            rows.append([*cells, f"{np.mean(base) / np.mean(each):.2f}", sure, f"{np.mean(each):,.0f}", reached_by])
    headings = ("model", "paper", "ours", "95% interval", "episodes of each agent", "seeds that reach it")
    below = f"Target: {target:.4g}, what {base_name} ends with; means over {window:,} {counted(runs)}."
    return Table(part.title, headings, rows, below)


def orders_table(paper: Paper, runs: Runs) -> Table:
    """What the paper finds better than what, and whether we do."""
    last = window_of(paper, runs, next(part.last for part in paper.parts if isinstance(part, Scores)))
    rows = []
    for better, worse, where in paper.orders:
        groups = [[score(run, last) for run in runs.get(name, ())] for name in (better, worse)]
        if not all(groups):
            rows.append([f"{better} above {worse}", where, "-", "-", "no run"])
            continue
        means, intervals = [np.mean(group) for group in groups], [interval(group) for group in groups]
        verdict = (
            "as in the paper" if means[0] > means[1] else "THE OTHER WAY ROUND" if means[0] < means[1] else "equal"
        )
        if min(map(len, groups)) == 1:
            verdict += ", a single seed"
        elif intervals[0][0] <= intervals[1][1] and intervals[1][0] <= intervals[0][1]:
            verdict += ", but the intervals overlap"
        rows.append([f"{better} above {worse}", where, *(f"{mean:.4g}" for mean in means), verdict])
    headings = ("the paper finds", "where", "ours: first", "ours: second", "ours")
    return Table("The order of the models", headings, rows)


def runs_table(runs: Runs, commands: Mapping[str, str]) -> Table:
    """All runs, with what is needed to make them again."""
    rows = []
    for name, group in runs.items():
        for run in group:
            steps, seconds = f"{run.episodes['length'].sum():,}", f"{run.episodes['time'].max():,.1f}"
            facts = [name, str(run.seed), str(run.agents), f"{len(run.episodes):,}", steps, seconds]
            rows.append([*facts, str(run.attributes["created"]), commands.get(str(run.path), str(run.path))])
    headings = ("experiment", "seed", "agents", "episodes", "steps", "seconds", "started (UTC)", "command")
    return Table("Runs", headings, rows)


def counted(runs: Runs) -> str:
    """What a number of episodes counts in these runs."""
    return how_counted([run for group in runs.values() for run in group])
