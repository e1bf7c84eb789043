"""What a run shows of how fast its agents are together."""

from dataclasses import dataclass

import numpy as np

from hpcqrl.results.reader import Run


@dataclass(frozen=True)
class Point:
    """What one run shows while all agents were at work; rates are of all of them together.

    latency: of a QPU execution, in ms; steps, updates: a second; finished: steps a second from start to end; push: its
    50th, 95th and 99th percentile in s (of Dist-QTRL the Allreduce's); waiting: share of the agents' time spent in it.
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
    return Point(
        run=run,
        agents=run.agents,
        latency=float(run.config["qpu_latency"]),
        steps=float(steps / (end - begin)),
        updates=float(updates / (end - begin)),
        finished=float(rows["length"].sum() / rows["time"].max()),
        push=(middle, most, nearly_all),
        staleness=stale,
        waiting=float(share),
    )
