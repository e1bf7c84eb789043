"""What a run shows of how fast its agents are together, and several runs alike."""

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np

from hpcqrl.results.reader import Run


@dataclass(frozen=True)
class Point:
    """What one run shows while all agents were at work; rates are of all of them together.

    latency: of a QPU execution, in ms; steps, updates: a second; finished: steps a second from start to end; push: its
    50th, 95th and 99th percentile in s (of Dist-QTRL the Allreduce's); waiting: share of the agents' time spent in it;
    between: the fewest and the most steps a second of the runs that it is the median of.
    """

    run: Run
    agents: int
    latency: float
    steps: float
    updates: float
    finished: float
    push: tuple[float, float, float]
    staleness: float
    waiting: float
    between: tuple[float, float]


def point(run: Run) -> Point:
    """What a run shows between the moments when the last agent has ended its first episode, and the first its last.

    Raises ValueError, naming the file, if that is no time at all, or the file is older than this tool.
    """
    rows = run.episodes[np.argsort(run.episodes["time"], kind="stable")]
    if "waiting" not in (rows.dtype.names or ()):
        raise ValueError(f"{run.path} lacks the column `waiting`: {run.system} has none, or the file is older")
    agents = [rows[rows["agent"] == agent] for agent in np.unique(rows["agent"])]
    begin, end = max(own["time"][0] for own in agents), min(own["time"][-1] for own in agents)
    if len(agents) < run.agents or end <= begin:
        raise ValueError(f"{run.path} has too few episodes of some agent: more --episodes")
    steps = sum(np.diff(np.interp((begin, end), own["time"], np.cumsum(own["length"])))[0] for own in agents)
    starts = np.concatenate([own["time"][:-1] for own in agents])  # an episode begins where the agent's last has ended
    versions = np.concatenate([own["version"][1:] for own in agents])
    order = np.argsort(starts, kind="stable")
    updates = np.diff(np.interp((begin, end), starts[order], versions[order]))[0]
    within = rows[(rows["time"] > begin) & (rows["time"] <= end)]
    pushes = within["last_push" if "last_push" in (rows.dtype.names or ()) else "waiting"]
    if not len(within):
        raise ValueError(f"{run.path} has too few episodes of some agent: more --episodes")
    share = within["waiting"].sum() / (run.agents * (end - begin))
    middle, most, nearly_all = np.percentile(pushes, (50, 95, 99)).tolist()
    stale = float(within["staleness"].mean()) if "staleness" in (rows.dtype.names or ()) else 0.0
    rate = float(steps / (end - begin))
    return Point(
        run=run,
        agents=run.agents,
        latency=float(run.config["qpu_latency"]),
        steps=rate,
        updates=float(updates / (end - begin)),
        finished=float(rows["length"].sum() / rows["time"].max()),
        push=(middle, most, nearly_all),
        staleness=stale,
        waiting=float(share),
        between=(rate, rate),
    )


def medians(points: Sequence[Point]) -> list[Point]:
    """One point for each latency and number of agents, in that order: the medians of what their runs show."""
    groups: dict[tuple[float, int], list[Point]] = {}
    for each in sorted(points, key=lambda p: (p.latency, p.agents)):
        groups.setdefault((each.latency, each.agents), []).append(each)
    return [_median(group) for group in groups.values()]


def _median(group: Sequence[Point]) -> Point:
    rates = [each.steps for each in group]
    return replace(
        group[0],
        steps=float(np.median(rates)),
        updates=float(np.median([each.updates for each in group])),
        finished=float(np.median([each.finished for each in group])),
        push=tuple(np.median([each.push for each in group], axis=0).tolist()),
        staleness=float(np.median([each.staleness for each in group])),
        waiting=float(np.median([each.waiting for each in group])),
        between=(min(rates), max(rates)),
    )
