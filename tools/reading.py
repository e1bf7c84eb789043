"""Results files as the tools read them: many at once, and together those that differ in nothing but their seed."""

import json
import sys
from collections.abc import Iterable, Sequence
from pathlib import Path

import numpy as np

from hpcqrl.results.reader import Run, read_run


def say(tool: str, text: str) -> None:
    """A line on stderr that begins with the tool's name."""
    print(f"{tool}: {text}", file=sys.stderr)


def read_runs(
    paths: Iterable[Path],
    tool: str,
    incomplete: bool = True,
    hint: str = " (--incomplete takes it as it is)",
    timed: bool = False,
) -> list[Run]:
    """The runs that can be used, in the order given; the others are named on stderr, with the reason.

    incomplete: whether a run that goes on, or was cut off, is used for what it has; hint: what to do if it is not;
    timed: their speed is what counts, so that the same run made again is another. Ends the program if none is left.
    """
    runs: list[Run] = []
    for path in dict.fromkeys(paths):
        try:
            run = read_run(path)
            if not len(run.episodes):
                raise ValueError(f"{path} holds no episodes yet")
            if not (run.complete or incomplete):
                raise ValueError(f"{path} is not complete: {done(run):,.0f} of {length(run):,} {unit(run)}{hint}")
            same = [other.path for other in runs if _copies(run, other, timed)]
            if same:
                raise ValueError(f"{path} is a copy of {same[0]}, or the same run made again")
            runs.append(run)
        except ValueError as error:
            say(tool, f"left out: {error}")
    if not runs:
        sys.exit(f"{tool}: no results file that can be used")
    for run in runs:
        if not run.complete:
            say(tool, f"note: {run.path} is not complete: {done(run):,.0f} of {length(run):,} {unit(run)}")
        if len({start["agents"] for start in json.loads(run.attributes.get("history", "[]"))}) > 1:
            say(tool, f"note: {run.path} had other numbers of agents than {run.agents} before it was resumed")
        returns = run.episodes["return"]
        strange = len(returns) - int(np.isfinite(returns).sum())
        if strange:
            say(tool, f"note: {strange:,} of {len(returns):,} returns in {run.path} are not finite")
        elif len(returns) > 1 and np.ptp(returns) == 0.0:
            say(tool, f"note: all returns in {run.path} are {returns[0]:g}")
    for group in [] if timed else by_seed(runs):
        for run, again in pairs_of_a_seed(group):
            say(tool, f"note: {again.path} has the seed of {run.path}, and counts as one more all the same")
    systems = sorted({run.system for run in runs})
    if len(systems) > 1:
        say(tool, f"note: these are runs of different systems: {', '.join(systems)}; {how_counted(runs)}")
    return runs


def _copies(run: Run, other: Run, timed: bool) -> bool:
    """Whether they are one run; synchronous agents have the same episodes whenever a seed is run again."""
    again = run.synchronous and not timed
    columns = ["agent", "return", "length"] if again else list(run.episodes.dtype.names or ())
    return (
        (run.system, fields(run), len(run.episodes)) == (other.system, fields(other), len(other.episodes))
        and run.episodes.dtype == other.episodes.dtype
        and all(run.episodes[name].tobytes() == other.episodes[name].tobytes() for name in columns)
    )


def pairs_of_a_seed(group: Sequence[Run]) -> list[tuple[Run, Run]]:
    """Of runs that may differ in their seed, each that has the seed of an earlier one, after that one."""
    first: dict[int, Run] = {}
    return [(first[run.seed], run) for run in group if first.setdefault(run.seed, run) is not run]


def unit(run: Run) -> str:
    """What the run's length is counted in: episodes, or steps of each agent."""
    return "steps" if "steps" in run.config else "episodes"


def length(run: Run) -> int:
    """How long the run is when it is complete, in its unit, by the system's count."""
    return int(run.config.get(unit(run), len(run.episodes)))


def done(run: Run) -> float:
    """How far the run is, by its finished episodes, counted as its length is."""
    if unit(run) == "steps":
        return float(run.episodes["length"].sum()) / run.agents
    return len(run.episodes) / per_agent(run)


def reached(run: Run) -> int:
    """Where the run is, or stopped, in its unit."""
    return length(run) if run.complete else int(done(run))


def seconds(run: Run) -> float:
    """From the run's start to the last row that it has written."""
    return max((float(rows["time"].max()) for rows in (run.episodes, run.evaluations) if len(rows)), default=0.0)


def per_agent(run: Run) -> int:
    """Episodes of all agents in one as the system counts them."""
    return run.agents if run.counts_each_agent else 1


def how_counted(runs: Sequence[Run]) -> str:
    """What a number of episodes counts in these runs."""
    each = sorted({run.system for run in runs if run.counts_each_agent})
    if all(run.counts_each_agent for run in runs):
        return "episodes of each agent"
    return f"episodes of all agents ({', '.join(each)}: of each agent)" if each else "episodes of all agents"


def by_seed(runs: Iterable[Run], apart_from: Sequence[str] = ()) -> list[list[Run]]:
    """The runs in groups that differ in nothing but their seed, and the configuration's fields named in apart_from.

    Agents are a field here, by the name "agents".
    """
    groups: dict[str, list[Run]] = {}
    for run in runs:
        facts = {name: value for name, value in fields(run).items() if name not in ("seed", *apart_from)}
        groups.setdefault(repr((run.system, sorted(facts.items()))), []).append(run)
    return list(groups.values())


def kinds_of(runs: Sequence[Run]) -> dict[str, list[Run]]:
    """Runs that differ in seed and environment alone, by what they are called."""
    but = ("seed", "env", "actions")
    return {label(kind[0], runs, but): kind for kind in by_seed(runs, apart_from=("env", "actions"))}


def range_of(runs: Iterable[Run]) -> tuple[float, float]:
    """The lowest and the highest return of all their episodes and tests: what returns can be, as far as is known."""
    values = [run.episodes["return"] for run in runs] + [run.evaluations["mean"] for run in runs]
    finite = np.concatenate([np.empty(0), *(each[np.isfinite(each)] for each in values)])
    return (float(finite.min()), float(finite.max())) if len(finite) else (-np.inf, np.inf)


def fields(run: Run) -> dict[str, object]:
    """The run's configuration, and its number of agents."""
    said = {name: value for name, value in run.config.items() if value is not None}  # older files lack what is None
    return {"agents": run.agents} | said


def label(run: Run, runs: Iterable[Run], but: Sequence[str] = ("seed",)) -> str:
    """The run's system, its agents, and whatever of its configuration other runs of that system do not share."""
    alike = [other for other in runs if other.system == run.system]
    differs = [
        f"default {name}" if value is None else f"{name} {value}"
        for name, value in run.config.items()
        if name not in but and any(other.config.get(name) != value for other in alike)
    ]
    agents = [] if "agents" in but else [f"{run.agents} agent{'s' if run.agents > 1 else ''}"]
    return ", ".join([run.system, *agents, *differs])


def tests(run: Run) -> dict[int, float]:
    """Steps of each agent before each test, to the mean return of all agents' episodes in it."""
    found = {}
    for steps in np.unique(run.evaluations["steps"]):
        rows = run.evaluations[run.evaluations["steps"] == steps]
        found[int(steps)] = float(np.average(rows["mean"], weights=rows["episodes"]))
    return found


def common_tests(runs: Sequence[Run]) -> tuple[list[int], np.ndarray]:
    """The steps at which all of the runs were tested, and the mean returns there, [runs, steps]."""
    found = [tests(run) for run in runs]
    steps = sorted(set.intersection(*map(set, found)))
    return steps, np.array([[each[step] for step in steps] for each in found])


def score(run: Run, last: int) -> float:
    """Mean return of the run's last episodes, as many as `last` by the system's count."""
    return float(run.episodes["return"][-last * per_agent(run) :].mean())


def moving_average(run: Run, window: int, power: int = 1) -> tuple[np.ndarray, np.ndarray]:
    """Mean return over `window` episodes, by the system's count, at every row where the window is full, and those rows'
    numbers. A run that has fewer episodes has one point: the mean of all. power: of the returns, before the mean.
    NaN where a return in the window is not finite.
    """
    returns = run.episodes["return"] ** power
    size, finite = min(window * per_agent(run), len(returns)), np.isfinite(returns)
    sums, strange = (np.concatenate([[0.0], np.cumsum(values)]) for values in (np.where(finite, returns, 0.0), ~finite))
    means = (sums[size:] - sums[:-size]) / size
    return np.where(strange[size:] > strange[:-size], np.nan, means), np.arange(size - 1, len(returns))


def axis(run: Run, what: str) -> np.ndarray:
    """For each row: the episodes (by the system's count), the steps of all agents, or the seconds, until its end."""
    if what == "steps":
        return np.cumsum(run.episodes["length"].astype(np.int64))
    if what == "time":
        return np.maximum.accumulate(run.episodes["time"])
    return np.arange(1, len(run.episodes) + 1) / per_agent(run)


def spans(numbers: Sequence[int]) -> str:
    """Numbers in short: 0 to 4, 7."""
    found: list[list[int]] = []
    for number in sorted(set(numbers)):
        if found and number == found[-1][-1] + 1:
            found[-1].append(number)
        else:
            found.append([number])
    return ", ".join(f"{run[0]} to {run[-1]}" if len(run) > 2 else ", ".join(map(str, run)) for run in found)
