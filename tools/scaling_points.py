"""What a run shows of how fast its agents are together, and several runs alike."""

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray
from throughput import Demand, Qpu

from hpcqrl.results.reader import Run
from hpcqrl.results.schema import COST

ASKED = [column.name for column in COST[:3]]  # executions, submissions, shots


@dataclass(frozen=True)
class Point:
    """What one run shows while all agents were at work; rates are of all of them together.

    qpu: its times; steps, updates: a second; finished: steps a second from start to end; push: its 50th, 95th and 99th
    percentile in s (of Dist-QTRL the Allreduce's, of PPO all of a rollout's); waiting: share of the agents' time spent
    in it; between: the fewest and the most steps a second of the runs that it is the median of; demand: of the QPU, a
    step, or, of synchronous agents, a round; None of an older file, which does not say it.
    """

    run: Run
    agents: int
    qpu: Qpu
    steps: float
    updates: float
    finished: float
    push: tuple[float, float, float]
    staleness: float
    waiting: float
    between: tuple[float, float]
    demand: Demand | None

    @property
    def qpu_in_words(self) -> str:
        """Its times that are not 0."""
        said = zip(self.qpu, (1e3, 1e3, 1e6), ("ms", "ms/submission", "us/shot"), strict=True)
        return " + ".join(f"{scale * time:g} {unit}" for time, scale, unit in said if time) or "0 ms"


def point(run: Run) -> Point:
    """What a run shows between the moments when the last agent has ended its first episode, or rollout, and the first
    its last.

    Raises ValueError, naming the file, if that is no time at all, or the file is older than this tool.
    """
    rows = run.episodes[np.argsort(run.episodes["time"], kind="stable")]
    names = rows.dtype.names or ()
    if "waiting" not in names:
        raise ValueError(f"{run.path} lacks the column `waiting`: {run.system} has none, or the file is older")
    agents = [rows[rows["agent"] == agent] for agent in np.unique(rows["agent"])]
    done = _done(run, agents)
    begin, end = max(each.time[0] for each in done), min(each.time[-1] for each in done)
    within = rows[(rows["time"] > begin) & (rows["time"] <= end)]
    if len(agents) < run.agents or end <= begin or not len(within):
        raise ValueError(f"{run.path} has too few episodes of some agent: more --episodes")

    def all_of(parts: Sequence[tuple[NDArray, NDArray]]) -> float:
        """What has come together in that time, of all agents: of each, times, and what there was until then."""
        return float(sum(np.diff(np.interp((begin, end), time, until))[0] for time, until in parts))

    steps = all_of([(each.time, each.steps) for each in done])
    if "rollout" in run.config:
        updates = steps / (steps_a_rollout(run) * run.agents) * updates_a_round(run)
        pushes = within["waiting"][within["waiting"] > 0.0]
    else:
        starts = np.concatenate(
            [own["time"][:-1] for own in agents]
        )  # an episode begins where the one before has ended
        versions = np.concatenate([own["version"][1:] for own in agents])
        order = np.argsort(starts, kind="stable")
        updates = float(np.diff(np.interp((begin, end), starts[order], versions[order]))[0])
        pushes = within["last_push" if "last_push" in names else "waiting"]
    units = sum(int((each.rounds if run.synchronous else each.steps)[-1]) for each in done)  # of the whole run
    rate, seconds = steps / (end - begin), float(end - begin)
    middle, most, nearly_all = np.percentile(pushes, (50, 95, 99)).tolist()
    times = (run.config.get(name, 0.0) for name in ("qpu_latency", "qpu_overhead", "qpu_shot_time"))
    return Point(
        run=run,
        agents=run.agents,
        qpu=Qpu(*(unit * float(time) for unit, time in zip((1e-3, 1e-3, 1e-6), times, strict=True))),
        steps=rate,
        updates=updates / seconds,
        finished=float(sum(each.steps[-1] for each in done) / rows["time"].max()),
        push=(middle, most, nearly_all),
        staleness=float(within["staleness"].mean()) if "staleness" in names else 0.0,
        waiting=all_of([(own["time"], np.cumsum(own["waiting"])) for own in agents]) / (run.agents * seconds),
        between=(rate, rate),
        demand=Demand(*(float(rows[name].sum() / units) for name in ASKED)) if set(ASKED) <= set(names) else None,
    )


@dataclass(frozen=True)
class Done:
    """What an agent had done at some times: its steps, and its rounds, of an episode or a rollout."""

    time: NDArray
    steps: NDArray
    rounds: NDArray


def _done(run: Run, agents: Sequence[np.ndarray]) -> list[Done]:
    """Of each agent, by its records in the order of time. PPO's of a rollout come together, the first with the waiting;
    an agent of which no episode has ended in a rollout has none, but all rollouts are in step.
    """
    if "rollout" not in run.config:
        return [Done(own["time"], np.cumsum(own["length"]), np.arange(1, len(own) + 1)) for own in agents]
    time = max((own["time"][own["waiting"] > 0.0] for own in agents), key=len)
    rounds, each = np.arange(1, len(time) + 1), steps_a_rollout(run)
    wanted = -(-int(run.config["steps"]) // (each * run.agents))
    if len(time) != wanted:
        reason = "in the others no agent ended an episode, or an older version noted it: a longer --rollout"
        raise ValueError(f"{run.path} tells of {len(time)} of {wanted} rollouts; {reason}")
    return [Done(time, each * rounds, rounds) for _ in agents]


def steps_a_rollout(run: Run) -> int:
    """Of each agent of PPO."""
    return int(run.config["envs"]) * int(run.config["rollout"])


def updates_a_round(run: Run) -> int:
    """How often synchronous agents update their parameters in a round."""
    config = run.config
    return int(config["epochs"]) * steps_a_rollout(run) // int(config["minibatch"]) if "rollout" in config else 1


def medians(points: Sequence[Point]) -> list[Point]:
    """One point for each QPU and number of agents, in that order: the medians of what their runs show."""
    groups: dict[tuple[Qpu, int], list[Point]] = {}
    for each in sorted(points, key=lambda p: (p.qpu, p.agents)):
        groups.setdefault((each.qpu, each.agents), []).append(each)
    return [_median(group) for group in groups.values()]


def _median(group: Sequence[Point]) -> Point:
    rates, counted = [each.steps for each in group], [each.demand for each in group if each.demand is not None]
    return replace(
        group[0],
        steps=float(np.median(rates)),
        updates=float(np.median([each.updates for each in group])),
        finished=float(np.median([each.finished for each in group])),
        push=tuple(np.median([each.push for each in group], axis=0).tolist()),
        staleness=float(np.median([each.staleness for each in group])),
        waiting=float(np.median([each.waiting for each in group])),
        between=(min(rates), max(rates)),
        demand=Demand(*np.median(counted, axis=0).tolist()) if counted else None,
    )
