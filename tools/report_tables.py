"""The tables of a report: a paper's numbers, and ours from its runs."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from intervals import interquartile_mean, interval, sure
from papers.paper import Milestones, Paper, Scores, Settings
from papers.returns import returns_of
from reading import axis, how_counted, length, per_agent, reached, score, seconds, spans, tests

from hpcqrl.results.costs import costs, costs_in_words
from hpcqrl.results.reader import Run

SHARE = 8  # a window is at most this part of a run, so that shortened runs have curves too
Runs = Mapping[str, Sequence[Run]]


@dataclass(frozen=True)
class Table:
    """A table of the report: text below it says how to read it, and the verdicts what it says, a sentence each."""

    title: str
    headings: tuple[str, ...]
    rows: list[list[str]]
    below: str = ""
    verdicts: tuple[str, ...] = ()


def window_of(group: Sequence[Run], wanted: int, of_tests: bool) -> int:
    """The paper's window, of episodes or of tests, or a shorter one if one of these runs is short."""
    sizes = [len(tests(run)) if of_tests else len(run.episodes) / per_agent(run) for run in group]
    return max(1, min(wanted, round(min(sizes) / SHARE))) if sizes else wanted


def scores(paper: Paper, group: Sequence[Run], last: int | None) -> list[float]:
    """Each run's mean return over its last episodes, or tests, or the episodes that end in its last steps, as the
    paper's length is counted; None: over all.
    """
    if paper.unit == "steps" and not paper.tested:
        return [_of_steps(run, last) for run in group]
    if paper.by_tests:
        if last is not None:
            last = window_of(group, last, of_tests=True)
        return [float(np.mean(list(tests(run).values())[-(last or 0) :])) for run in group]
    if last is not None:
        last = window_of(group, last, of_tests=False)
    return [score(run, last or len(run.episodes)) for run in group]


def _of_steps(run: Run, last: int | None) -> float:
    """Mean return of the episodes that end in the last steps, of all agents; at most in an eighth of a short run."""
    ends = axis(run, "steps")
    first = 0 if last is None else ends[-1] - min(last, round(ends[-1] / SHARE))
    return float(run.episodes["return"][ends > first].mean())


def seeds_of(paper: Paper, name: str, group: Sequence[Run]) -> str:
    """How many seeds there are, and where their runs stopped before the paper's length."""
    full = paper.full_length(name)
    stopped = sorted(map(reached, group))
    stopped = [each for each in stopped if each < full]
    text = "no run" if not group else "1 seed" if len(group) == 1 else str(len(group))
    if not stopped:
        return text
    where = f"{stopped[0]:,}" if stopped[0] == stopped[-1] else f"{stopped[0]:,} to {stopped[-1]:,}"
    which = "" if len(stopped) == len(group) else f"{len(stopped)} of them "
    return f"{text}, {which}stopped at {where} of {full:,} {paper.unit}"


def scores_table(paper: Paper, part: Scores, runs: Runs) -> Table:
    """The paper's scores and parameters, and ours."""
    rows: list[list[str]] = []
    where: dict[str, list[str]] = {"above": [], "below": [], "holds": [], "1 seed": []}
    for name, value, size in part.rows:
        group = runs.get(name, ())
        paper_value, paper_size = ("-" if number is None else f"{number:,}" for number in (value, size))
        if not group:
            rows.append([name, paper_value, "-", "no run", *["-"] * 5, "0", paper_size, "-"])
            continue
        last, whole = scores(paper, group, part.last), scores(paper, group, None)
        known = returns_of(group[0])
        cells = [f"{np.mean(last):.4g}", sure(last), f"{interquartile_mean(last):.4g}"]
        cells += [sure(last, statistic=interquartile_mean), f"{np.mean(whole):.4g}", sure(whole)]
        parameters = f"{sum(array.size for array in group[0].parameters.values()):,}" if group[0].parameters else "-"
        chance = "-" if known is None else f"{known.chance:.4g}"
        seeds = seeds_of(paper, name, group)
        rows.append([name, paper_value, chance, *cells, seeds, paper_size, parameters])
        if value is not None:
            where[beside(*interval(last), value)].append(name)
    headings = (
        "model", "paper", "chance", "ours: mean", "95% interval", "interquartile mean", "95% interval", "whole run",
        "95% interval", "seeds", "parameters: paper", "ours",
    )  # fmt: skip
    what = "tests" if paper.by_tests else counted(runs)
    of_which = "steps' episodes" if paper.unit == "steps" and not paper.tested else what
    below = (
        f"Ours: mean return over the last {part.last:,} {of_which}, or the last eighth of a shorter run, then over "
        f"seeds; whole run: over all of its {what}. Chance: a random policy."
    )
    if not any(where.values()):
        return Table(part.title, headings, rows, below)
    words = {"above": "lies above", "below": "lies below", "holds": "holds"}
    said = [f"{word} {named(where[key], 'of them')}" for key, word in words.items()]
    alone = [f"of {named(where['1 seed'])} there is 1 seed, and no interval"] * bool(where["1 seed"])
    number = sum(map(len, where.values()))
    verdict = f"{part.title}: of the paper's {number} values that we have runs for, our interval {', '.join(said)}"
    return Table(part.title, headings, rows, below, (f"{'; '.join([verdict, *alone])}.",))


def milestones_table(paper: Paper, part: Milestones, runs: Runs) -> Table:
    """How far somebody else's learning curve is after so many episodes, and ours."""
    rows: list[list[str]] = []
    where: dict[str, list[str]] = {"above": [], "below": [], "holds": [], "1 seed": []}
    for name, episodes, value in part.rows:
        group = [run for run in runs.get(name, ()) if len(run.episodes) >= episodes * per_agent(run)]
        ends = [(run.episodes["return"][: episodes * per_agent(run)], part.window * per_agent(run)) for run in group]
        ours = [float(returns[-size:].mean()) for returns, size in ends]
        cells = [f"{np.mean(ours):.4g}", sure(ours)] if ours else ["no run", "-"]
        rows.append([name, f"{episodes:,}", f"{value:g}", *cells, str(len(ours)) if len(ours) != 1 else "1 seed"])
        if ours:
            where[beside(*interval(ours), value)].append(f"{name}, {episodes:,}")
    headings = ("model", "after", part.whose, "ours", "95% interval", "seeds")
    below = f"Mean return over the {part.window:,} {counted(runs)} before."
    if not any(where.values()):
        return Table(part.title, headings, rows, below)
    found = f"above {named(where['above'])}, below {named(where['below'])}, holding {named(where['holds'])}"
    alone = f"; {named(where['1 seed'])} of 1 seed, which decide nothing" * bool(where["1 seed"])
    verdict = f"{part.title}: our interval, beside each value of {part.whose}: {found}{alone}."
    return Table(part.title, headings, rows, below, (verdict,))


def beside(low: float, high: float, value: float) -> str:
    """Where an interval lies, beside a value."""
    return "1 seed" if np.isnan(low) else "above" if low > value else "below" if high < value else "holds"


def named(names: Sequence[str], of: str = "") -> str:
    """How many, and which."""
    return f"{len(names)} {of}".strip() + (f" ({'; '.join(names)})" if names else "")


def settings_table(part: Settings, runs: Runs) -> Table:
    """The paper's settings, and those that the runs have."""
    configs = [run.config for group in runs.values() for run in group]
    rows = []
    for what, value, field in part.rows:
        ours = dict.fromkeys(str(config[field]) for config in configs)
        rows.append([what, "-" if value is None else value, ", ".join(ours)])
    return Table(part.title, ("setting", "paper", "ours"), rows)


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


def experiments_table(paper: Paper, runs: Runs, commands: Mapping[str, str]) -> Table:
    """The same in short: a row for each experiment, and the command of its first seed."""
    rows = []
    for name, group in runs.items():
        if group:
            agents = ", ".join(map(str, sorted({run.agents for run in group})))
            hours = f"{sum(map(seconds, group)) / 3600:.2f}"
            command = commands.get(str(group[0].path), str(group[0].path))
            seeds = spans([run.seed for run in group])
            rows.append([name, seeds_of(paper, name, group), seeds, agents, hours, f"`{command}`"])
    return Table("Runs", ("experiment", "seeds", "which", "agents", "hours", "command of the first"), rows)


def over(window: int, runs: Runs, of_tests: bool) -> str:
    """A window in words: so many tests, or episodes and what they count."""
    return f"{window:,} test{'s' * (window > 1)}" if of_tests else f"{window:,} {counted(runs)}"


def counted(runs: Runs) -> str:
    """What a number of episodes counts in these runs."""
    return how_counted([run for group in runs.values() for run in group])
