"""How much sooner more agents reach a target: episodes and seconds to it, speed-up, efficiency (Dist-QTRL, Table II).

$ hpcqrl speedup runs/*.h5
$ hpcqrl speedup runs/*.h5 --target 0.9 --format csv --out speedup.csv
"""

import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import tyro
from crossing import Curves, first_at, learning, seconds_until, speedup_interval
from intervals import shown
from reading import by_seed, label, per_agent, read_runs, say, score
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
    """Episodes over which the mean is taken: of each agent in dist-qtrl, else of all. The target is reached where the
    mean over seeds is."""
    last: int = 500
    """Episodes at the end that give the default target, counted likewise."""
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
    """When the mean over seeds, of runs of so many agents, reaches the target; episodes: of each agent."""

    agents: int
    sharing: int
    """How many agents share the episodes that the curves count."""
    curves: Curves
    episodes: float
    seconds: float


def _fewest(groups: Sequence[Sequence[Run]]) -> Sequence[Run]:
    return min(groups, key=lambda group: group[0].agents)


def reached(groups: Sequence[Sequence[Run]], target: float, window: int) -> list[Reached]:
    """For each group, by the number of agents; one that does not reach the target is named and left out."""
    found = []
    for group in sorted(groups, key=lambda group: group[0].agents):
        curves = learning(group, window)
        episodes = first_at(curves, target)
        if episodes is None:
            which, highest = ", ".join(str(run.path) for run in group), curves[1].mean(axis=0).max()
            say("speedup", f"left out: {which}: the target {target:.4g} is not reached, at most {highest:.4g}")
        else:
            agents, first = group[0].agents, int(curves[0][0])
            if episodes == first:
                say("speedup", f"note: with {agents} agents the target is reached from the start, in the first window")
            sharing = agents // per_agent(group[0])
            found.append(Reached(agents, sharing, curves, episodes / sharing, seconds_until(group, episodes)))
    return found


def rows_of(found: Sequence[Reached], target: float, ends: Sequence[float] | None) -> list[list[str]]:
    """The table: everything against the fewest agents. ends: as for `speedup_interval`."""
    rows, base = [], found[0]
    for each in found:
        more = each.agents / base.agents
        speedup, faster = base.episodes / each.episodes, base.seconds / each.seconds
        less = each.sharing / base.sharing
        low, high = speedup_interval(base.curves, each.curves, target, ends)
        sure = "-" if each is base else shown(less * low, less * high, 2)
        by_episodes = [f"{each.episodes:,.0f}", f"{speedup:.2f}", sure, f"{speedup / more:.2f}"]
        by_time = [f"{each.seconds:,.1f}", f"{faster:.2f}", f"{faster / more:.2f}"]
        rows.append([str(each.agents), str(len(each.curves[1])), f"{target:.4g}", *by_episodes, *by_time])
    return rows


def main() -> None:
    """Read the files, name those that cannot be used, and write a table for each kind of run."""
    options = tyro.cli(Options, description=__doc__)
    for name, value in (("window", options.window), ("last", options.last)):
        if value < 1:
            sys.exit(f"speedup: {name} must be at least 1, not {value}")
    runs = read_runs(options.runs, "speedup", options.incomplete)
    tables: dict[str, list[list[str]]] = {}
    for kind in by_seed(runs, apart_from=("agents", "episodes")):
        name = label(kind[0], runs, but=("seed", "agents", "episodes"))
        groups = by_seed(kind, apart_from=("episodes",))
        if len(groups) == 1:
            say("speedup", f"left out: {name}: nothing to compare, for all runs have as many agents: {kind[0].agents}")
            continue
        ends, target = None, options.target
        if target is None:
            ends = [score(run, options.last) for run in _fewest(groups)]
            target = float(np.mean(ends))
        if any(options.window * per_agent(run) > len(run.episodes) for run in kind):
            say("speedup", f"note: {name}: some runs have fewer episodes than the window, {options.window}")
        if options.target is None and any(
            2 * options.last * per_agent(run) > len(run.episodes) for run in _fewest(groups)
        ):
            say(
                "speedup", f"note: {name}: the target is the mean of the last {options.last} episodes, over half of all"
            )
        found = reached(groups, target, options.window)
        if len(found) < 2:
            say("speedup", f"left out: {name}: no two numbers of agents reach the target {target:.4g}")
            continue
        if found[0].agents != min(run.agents for run in kind):
            say("speedup", f"note: {name}: speed-ups are against {found[0].agents} agents")
            ends = None  # they are not those of the runs that all are compared with
        tables[name] = rows_of(found, target, ends)
    if not tables:
        sys.exit("speedup: nothing to compare")
    if options.format == "csv":  # one table for all
        rows = [[name, *row] for name, table in tables.items() for row in table]
        text = WRITERS["csv"](("runs", *HEADINGS), rows)
    else:
        comment = "%" if options.format == "latex" else ""
        texts = [f"{comment}{name}\n\n{WRITERS[options.format](HEADINGS, rows)}" for name, rows in tables.items()]
        text = "\n".join(texts)
    write(text, options.out, "speedup")


if __name__ == "__main__":
    main()
