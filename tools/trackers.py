"""What runs hold, written for TensorBoard and for Weights & Biases, by the names that CleanRL gives it.

A point for each finished episode: charts/episodic_return and charts/episodic_length against the steps of all agents
until its end (`global_step`), charts/SPS, and what else a system records; eval/episodic_return of tests while training.
Configurations have CleanRL's env_id, exp_name and seed besides their own fields.
"""

import json
import sys
from collections.abc import Callable, Iterator, Mapping
from datetime import datetime
from importlib.util import find_spec
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from reading import tests

from hpcqrl.results.reader import Run

TAGS = {"return": "charts/episodic_return", "length": "charts/episodic_length", "loss": "losses/loss"}
NOT_DRAWN = ("episode", "agent", "time", "version")


class Point(NamedTuple):
    """steps: of all agents until then; when: Unix seconds; values: by their tags."""

    steps: int
    when: float
    values: dict[str, float]


class Followed:
    """What trackers have of a run: `update` writes what is new in its file.

    open: of a run and its name what writes points and `close`s.
    """

    def __init__(self, open_tracker: Callable[[Run, str], "TensorBoard | WandbOffline"]) -> None:
        self._open = open_tracker
        self._tracker: TensorBoard | WandbOffline | None = None
        self._name = ""

    def update(self, run: Run) -> int:
        """Write what was not there the last time, or all where the file is now another run's; how many points."""
        name = _name(run)
        if self._tracker is None or name != self._name:
            self.close()
            self._tracker, self._name = self._open(run, name), name
            self._episodes, self._tests, self._steps = set[int](), set[int](), 0
        points = [*self._new_episodes(run), *self._new_tests(run)]
        for point in points:
            self._tracker.write(point)
        return len(points)

    def close(self) -> None:
        """All is written."""
        if self._tracker is not None:
            self._tracker.close()

    def _new_episodes(self, run: Run) -> Iterator[Point]:
        start = _start(run)
        for row in run.episodes[np.argsort(run.episodes["time"], kind="stable")]:
            if int(row["episode"]) in self._episodes:
                continue
            self._episodes.add(int(row["episode"]))
            self._steps += int(row["length"])
            columns = [name for name in row.dtype.names if name not in NOT_DRAWN]
            values = {TAGS.get(name, f"charts/{name}"): float(row[name]) for name in columns}
            if row["time"] > 0:
                values["charts/SPS"] = self._steps / float(row["time"])
            yield Point(self._steps, start + float(row["time"]), values)

    def _new_tests(self, run: Run) -> Iterator[Point]:
        """Of tests that have an end: where agents test each its part, the last may still be without some."""
        found = tests(run) if len(run.evaluations) else {}
        for steps, mean in found.items():
            if steps not in self._tests and (run.complete or steps < max(found)):
                self._tests.add(steps)
                when = float(run.evaluations["time"][run.evaluations["steps"] == steps].max())
                yield Point(steps * run.agents, _start(run) + when, {"eval/episodic_return": mean})


class TensorBoard:
    """A folder of event files of one run, for `tensorboard --logdir` the folder above."""

    def __init__(self, folder: Path, run: Run, name: str) -> None:
        from tensorboardX import SummaryWriter

        for before in (folder / name).glob("events.out.tfevents.*"):  # of the same run: all of it comes again
            before.unlink()
        self._writer = SummaryWriter(str(folder / name), flush_secs=1)
        rows = "\n".join(f"|{key}|{value}|" for key, value in _configuration(run).items())
        self._writer.add_text("hyperparameters", f"|param|value|\n|-|-|\n{rows}", 0, _start(run))

    def write(self, point: Point) -> None:
        for tag, value in point.values.items():
            self._writer.add_scalar(tag, value, point.steps, point.when)

    def close(self) -> None:
        self._writer.close()


class WandbOffline:
    """A run of W&B's in a folder, which `wandb sync` sends where it shall go; nothing is sent from here."""

    def __init__(self, folder: Path, run: Run, name: str) -> None:
        import wandb

        folder.mkdir(parents=True, exist_ok=True)
        settings = wandb.Settings(mode="offline", silent=True, disable_git=True, disable_code=True, console="off")
        options = {"project": "hpcqrl", "name": name, "group": run.system, "config": _configuration(run)}
        self._run = wandb.init(dir=folder, settings=settings, reinit="create_new", **options)

    def write(self, point: Point) -> None:
        self._run.log({"global_step": point.steps, "_timestamp": point.when, **point.values})

    def close(self) -> None:
        self._run.finish()


def followed(tensorboard: Path | None, wandb: Path | None, tool: str) -> list[Followed]:
    """The trackers that are asked for, in their folders. Ends the program, naming the extra, where one is missing."""
    found = []
    for folder, option, package, kind in (
        (tensorboard, "--tensorboard", "tensorboardX", TensorBoard),
        (wandb, "--wandb-offline", "wandb", WandbOffline),
    ):
        if folder is None:
            continue
        if find_spec(package) is None:
            sys.exit(f'{tool}: {option} needs {package}: pip install "hpcqrl[trackers]"')
        found.append(Followed(lambda run, name, kind=kind, folder=folder: kind(folder, run, name)))  # type: ignore[misc]
    return found


def _name(run: Run) -> str:
    """As CleanRL names runs: environment, experiment, seed, when it began."""
    parts = run.config.get("env", "?"), run.system, run.path.stem, run.seed, int(_start(run))
    return "__".join(str(part).replace("/", "-") for part in parts)


def _start(run: Run) -> float:
    try:
        return datetime.fromisoformat(str(run.attributes.get("created", ""))).timestamp()
    except ValueError:
        return 0.0


def _configuration(run: Run) -> Mapping[str, Any]:
    own = {
        name: value if isinstance(value, str | int | float) else json.dumps(value) for name, value in run.config.items()
    }
    names = {"env_id": run.config.get("env", "?"), "exp_name": run.system, "seed": run.seed, "agents": run.agents}
    return own | names
