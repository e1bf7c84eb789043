"""How much sooner more agents reach a target: episodes and seconds to it, speed-up, efficiency (Dist-QTRL, Table II).

python tools/speedup.py runs/*.h5
python tools/speedup.py runs/*.h5 --target 0.9 --format csv --out speedup.csv
"""

import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import tyro
from intervals import ratio_interval, shown
from reading import axis, by_seed, label, moving_average, per_agent, read_runs, say, score
from table import WRITERS, Format, write

from hpcqrl.results.reader import Run


@dataclass(frozen=True)
class Options:
    """Episodes and seconds to a target against the number of agents, with speed-up and efficiency."""

    runs: tyro.conf.Positional[tuple[Path, ...]]
    """Results files of runs with different numbers of agents."""
    target: float | None = None
    """Mean return to be reached; by default the final one of the fewest agents [Dist-QTRL, Table II]."""
    window: int = 100
    """Episodes over which the mean is taken: of each agent in dist-qtrl, else of all."""
    format: Format = "markdown"
    """How the table is written."""
    out: Path | None = None
    """A file for it; by default it is printed."""
    incomplete: tyro.conf.FlagCreatePairsOff[bool] = False
    """Take also runs that are not complete, for what they have."""


HEADINGS = (
    "agents", "seeds", "target", "episodes of each agent", "speed-up", "95% interval", "efficiency",
    "seconds", "speed-up in time", "efficiency in time",
)  # fmt: skip


@dataclass(frozen=True)
class Reached:
    """When runs of so many agents reach the target: episodes of each agent, and seconds, for every seed."""

    agents: int
    episodes: list[float]
    seconds: list[float]


def reaching(run: Run, target: float, window: int) -> tuple[float, float] | None:
    """Episodes of each agent, and seconds, until the mean over a window first is the target or more; None if never."""
    mean, rows = moving_average(run, window)
    above = np.flatnonzero(mean >= target)
    if not len(above):
        return None
    row = rows[above[0]]
    return (row + 1) / run.agents, float(axis(run, "time")[row])


def default_target(groups: Sequence[Sequence[Run]], window: int) -> float:
    """The final mean return, over seeds, of the group with the fewest agents."""
    fewest = min(groups, key=lambda group: group[0].agents)
    return float(np.mean([score(run, window) for run in fewest]))


def reached(groups: Sequence[Sequence[Run]], target: float, window: int, tool: str = "speedup") -> list[Reached]:
    """For each group, by the number of agents; one of which a run does not reach the target is named and left out."""
    found = []
    for group in sorted(groups, key=lambda group: group[0].agents):
        moments = [reaching(run, target, window) for run in group]
        missed = [run for run, moment in zip(group, moments, strict=True) if moment is None]
        if missed:
            highest = max(moving_average(run, window)[0].max() for run in missed)
            which = ", ".join(str(run.path) for run in missed)
            say(tool, f"left out: {which}: the target {target:.4g} is not reached, at most {highest:.4g}")
        times = [moment for moment in moments if moment is not None]
        if times:
            found.append(Reached(group[0].agents, [time[0] for time in times], [time[1] for time in times]))
    return found


def rows_of(found: Sequence[Reached], target: float) -> list[list[str]]:
    """The table: everything against the fewest agents."""
    rows, base = [], found[0]
    for each in found:
        more = each.agents / base.agents
        episodes, seconds = np.mean(each.episodes), np.mean(each.seconds)
        speedup, faster = np.mean(base.episodes) / episodes, np.mean(base.seconds) / seconds
        sure = "-" if each is base else shown(*ratio_interval(base.episodes, each.episodes), 2)
        by_episodes = [f"{episodes:,.0f}", f"{speedup:.2f}", sure, f"{speedup / more:.2f}"]
        by_time = [f"{seconds:,.1f}", f"{faster:.2f}", f"{faster / more:.2f}"]
        rows.append([str(each.agents), str(len(each.episodes)), f"{target:.4g}", *by_episodes, *by_time])
    return rows


def main() -> None:
    """Read the files, name those that cannot be used, and write a table for each kind of run."""
    options = tyro.cli(Options, description=__doc__)
    if options.window < 1:
        sys.exit(f"speedup: window must be at least 1, not {options.window}")
    runs = read_runs(options.runs, "speedup", options.incomplete)
    texts = []
    for kind in by_seed(runs, apart_from=("agents", "episodes")):
        name = label(kind[0], runs, but=("seed", "agents", "episodes"))
        groups = by_seed(kind, apart_from=("episodes",))
        if len(groups) == 1:
            say("speedup", f"left out: {name}: all runs have {kind[0].agents} agents, so there is nothing to compare")
            continue
        target = default_target(groups, options.window) if options.target is None else options.target
        if any(options.window * per_agent(run) > len(run.episodes) for run in kind):
            say("speedup", f"note: {name}: some runs have fewer episodes than the window, {options.window}")
        found = reached(groups, target, options.window)
        if len(found) < 2:
            say("speedup", f"left out: {name}: no two numbers of agents reach the target {target:.4g}")
            continue
        if found[0].agents != min(run.agents for run in kind):
            say("speedup", f"note: {name}: speed-ups are against {found[0].agents} agents")
        table = WRITERS[options.format](HEADINGS, rows_of(found, target))
        texts.append(
            table if options.format == "csv" else f"{'%' if options.format == 'latex' else ''}{name}\n\n{table}"
        )
    if not texts:
        sys.exit("speedup: nothing to compare")
    write("\n".join(texts), options.out, "speedup")


if __name__ == "__main__":
    main()
