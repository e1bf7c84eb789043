"""Runs of several environments together: their scores, normalised so that 0 is chance and 1 the best."""

from collections.abc import Mapping, Sequence

import numpy as np
from aggregates import improvement_interval, interquartile_mean, probability_of_improvement, stratified_interval
from intervals import shown
from numpy.typing import NDArray
from papers.returns import returns_of
from reading import say, score

from hpcqrl.results.reader import Run

Tasks = dict[str, NDArray[np.floating]]  # by environment, the normalised score of each seed
TOGETHER = (
    "runs", "environments", "seeds", "interquartile mean, normalised", "95% interval", "probability of improvement",
    "95% interval of that",
)  # fmt: skip


def normalised(kinds: Mapping[str, Sequence[Run]], last: int, tool: str) -> dict[str, Tasks]:
    """Each kind's scores, in the environments that all kinds have been in and whose returns can be normalised.

    What is left out is said in a line each.
    """
    found: dict[str, Tasks] = {}
    unknown: set[str] = set()
    for name, runs in kinds.items():
        scores: dict[str, list[float]] = {}
        for run in runs:
            env, known = str(run.config.get("env")), returns_of(run)
            if known is None:
                unknown.add(env)
                continue
            value = known.normalised(score(run, last))
            if np.isfinite(value):
                scores.setdefault(env, []).append(value)
            else:
                say(tool, f"left out: {run.path}: its score is not finite")
        found[name] = {env: np.array(values) for env, values in scores.items()}
    for env in sorted(unknown):
        say(tool, f"left out: {env}: what chance and the best return there, as these runs have it, is not known")
    found = {name: tasks for name, tasks in found.items() if tasks}
    common = set.intersection(*(set(tasks) for tasks in found.values())) if found else set()
    for env in sorted({env for tasks in found.values() for env in tasks} - common):
        say(tool, f"left out: {env}: not all of these were there")
    return {name: {env: tasks[env] for env in sorted(common)} for name, tasks in found.items()} if common else {}


def together_rows(found: Mapping[str, Tasks]) -> list[list[str]]:
    """A row for each kind; the probability of improvement is that over the first."""
    rows: list[list[str]] = []
    first = list(next(iter(found.values()), {}).values())
    for name, tasks in found.items():
        scores = list(tasks.values())
        middle, sure = interquartile_mean(scores), shown(*stratified_interval(scores))
        above, above_sure = "-", "-"
        if rows:
            above = f"{probability_of_improvement(scores, first):.3f}"
            above_sure = shown(*improvement_interval(scores, first))
        rows.append([name, str(len(tasks)), _seeds(scores), f"{middle:.3f}", sure, above, above_sure])
    return rows


def together_of(kinds: Mapping[str, Sequence[Run]], last: int, tool: str) -> list[list[str]]:
    """The rows of these kinds of runs."""
    found = normalised(kinds, last, tool)
    if not found:
        say(tool, "note: there is no environment in which all of these were, and whose returns can be normalised")
    return together_rows(found)


def _seeds(scores: Sequence[NDArray]) -> str:
    """How many seeds an environment has."""
    fewest, most = min(map(len, scores)), max(map(len, scores))
    return str(most) if fewest == most else f"{fewest} to {most}"
