"""Measure how throughput scales with agents, and draw it with a model that predicts more of them.

$ hpcqrl scaling run qa3c --agents 1 2 4 8 16 32 --qpu-latency 1 5
$ hpcqrl scaling plot runs/scaling/qa3c-weak-*.h5 --out scaling.png
"""

import itertools
import os
import re
import shlex
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Literal

import tyro
from colours import colours_of
from reading import by_seed, label, read_runs, say
from scaling_figure import Series, cores_show, draw_measured, draw_predicted, draw_sharing
from scaling_points import Point, medians, point, steps_a_rollout, updates_a_round
from scaling_report import HEADINGS, report, row, well_spent_in_words
from table import markdown, write
from throughput import Model, fit

from hpcqrl.results.reader import read_run

BIN = Path(sys.executable).parent
STILL = "1e-12"  # the policy stays as it is, so that episodes are alike for all numbers of agents
ALWAYS = {
    "dist-qtrl": ("--learning-rate", STILL),
    "ppo": ("--actor-learning-rate", STILL, "--critic-learning-rate", STILL),
    "qa3c": ("--root", "act", "--learning-rate", STILL),
    "qdqn-dper": ("--root", "act", "--learning-rate", STILL),
}
LOOSE = ("agents", "episodes", "steps", "qpu_latency", "qpu_overhead", "qpu_shot_time")  # differ between a model's runs


def run(
    system: tyro.conf.Positional[Literal["dist-qtrl", "ppo", "qa3c", "qdqn-dper"]],
    agents: tuple[int, ...] = (1, 2, 4, 8, 16, 32),
    qpu_latency: tuple[float, ...] = (1.0, 5.0),
    qpu_overhead: tuple[float, ...] = (0.0,),
    qpu_shot_time: float = 0.0,
    qpu_jitter: float = 0.0,
    episodes: int = 20,
    steps: int = 5120,
    repeats: int = 1,
    kind: Literal["weak", "strong"] = "weak",
    options: str = "",
    out: Path = Path("runs/scaling"),
) -> None:
    """Train with each number of agents, with learning all but off, and print what the runs show: medians of repeats.

    episodes: of each agent, or, of ppo, steps; with --kind strong, of each of the most agents, and as many in all for
    fewer. repeats: runs of each number of agents, all numbers before the next repeat. qpu_latency, qpu_overhead:
    milliseconds of an execution and of a submission, each with each; qpu_shot_time: microseconds of a shot. options:
    more of `hpcqrl train`'s, as in --options="--env Acrobot-v1 --shots 100 --gradient shift". A complete run is not
    repeated.
    """
    if min(agents) < 1 or episodes < 1 or steps < 1 or repeats < 1:
        least = min(*agents, episodes, steps, repeats)
        sys.exit(f"scaling: agents, episodes, steps and repeats must be at least 1, not {least}")
    points = []
    for repeat, latency, overhead in itertools.product(range(1, repeats + 1), qpu_latency, qpu_overhead):
        for number in agents:
            said = {"qpu-latency": latency, "qpu-overhead": overhead, "qpu-shot-time": qpu_shot_time}
            said = {what: value for what, value in (said | {"qpu-jitter": qpu_jitter}).items() if value}
            path = out / _file_name(system, kind, said, options, number, repeat)
            unit, each = ("steps", steps) if system == "ppo" else ("episodes", episodes)
            each = each if kind == "weak" else max(1, each * max(agents) // number)
            wanted = each if system == "dist-qtrl" else each * number
            qpu = [word for what, value in said.items() for word in (f"--{what}", str(value))]
            command = ["train", system, f"--{unit}", str(wanted), *qpu, *ALWAYS[system], *shlex.split(options)]
            load = os.getloadavg()[0]
            kept = path.with_suffix(".command")
            made_by = shlex.join(["mpiexec", "-n", str(number), "hpcqrl", *command])
            if path.exists() and (not kept.exists() or kept.read_text().strip() != made_by):
                say("scaling", f"left out: {path} was not made by this command; another --out, or remove it: {made_by}")
                continue
            if _complete(path):
                print(f"{path} is there already", flush=True)
            else:
                try:
                    path.parent.mkdir(parents=True, exist_ok=True)
                    kept.write_text(f"{made_by}\n")
                except OSError as error:
                    sys.exit(f"scaling: cannot write {kept}: {error}")
                launcher = [str(BIN / "mpiexec"), "-n", str(number), str(BIN / "hpcqrl")]
                done = subprocess.run(
                    [*launcher, *command, "--out", str(path), "--overwrite"], stdout=subprocess.DEVNULL, check=False
                )
                if done.returncode:
                    say("scaling", f"left out: {path}: the run failed with status {done.returncode}")
                    continue
            try:
                found = point(read_run(path))
            except ValueError as error:
                say("scaling", f"left out: {error}")
                continue
            points.append(found)
            print(
                f"{path}: {found.steps:,.0f} steps/s; load before it {load:.1f} on {os.cpu_count()} cores", flush=True
            )
    if not points:
        sys.exit("scaling: no run to show")
    print(markdown(HEADINGS, [row(p) for p in medians(points)]), end="")


def _file_name(system: str, kind: str, said: dict[str, float], options: str, agents: int, repeat: int) -> str:
    """One for each command: what it says besides the system and how long it is, in short."""
    short = [f"{what.removeprefix('qpu-')}-{value:g}" for what, value in said.items()]
    more = re.sub(r"[^A-Za-z0-9._+-]+", "-", options.replace("--", "")).strip("-")
    again = [f"again{repeat}"] if repeat > 1 else []
    return "-".join([system, kind, *short, *([more] if more else []), str(agents), *again]) + ".h5"


def _complete(path: Path) -> bool:
    try:
        return read_run(path).complete
    except ValueError:
        return False


def plot(
    runs: tyro.conf.Positional[tuple[Path, ...]],
    strong: tuple[Path, ...] = (),
    out: Path = Path("scaling.png"),
    cores: float = float(os.cpu_count() or 1),
) -> None:
    """Draw weak scaling, and with --strong strong scaling; fit the model to every second number of agents, and print
    what it is fitted to, its constants, and its error on the numbers held out. Repeated runs are one point, their
    median. Beside OUT, OUT-predicted is of more agents, and OUT-sharing of pushes and waiting. cores: of the machine
    that it ran on; what they limit is predicted only where a point that was bound by them is among those fitted.
    """
    if not cores > 0:
        sys.exit(f"scaling: cores must be above 0, not {cores:g}")
    points = _points(runs)
    kinds = by_seed([point.run for point in points], LOOSE)
    text: list[str] = []
    series: list[Series] = []
    colours = iter(colours_of(sum(len({p.qpu for p in points if p.run in kind}) for kind in kinds)))
    for kind in kinds:
        mine = medians([p for p in points if p.run in kind])
        name = label(kind[0], [p.run for p in points], but=("seed", *LOOSE))
        held_out = set(sorted({p.agents for p in mine})[1::2])
        fitted = [p for p in mine if p.agents not in held_out]
        model = _fit(name, fitted, cores)
        bound = cores_show(fitted, model, cores)
        if model is not None and not bound:
            say(
                "scaling",
                f"note: {name}: no prediction on {cores:g} cores: no point that it is fitted to was bound by them",
            )
        text.append(report(name, mine, held_out, model, cores))
        for qpu in sorted({p.qpu for p in mine}):
            own = [p for p in mine if p.qpu == qpu]
            each = Series(f"{name}, QPU {own[0].qpu_in_words}", own, held_out, model, next(colours), bound)
            series.append(each)
            text[-1] += well_spent_in_words(each, cores)
    named = {part: out.with_name(f"{out.stem}-{part}{out.suffix}") for part in ("predicted", "sharing")}
    try:
        draw_measured(series, _strong_series(_points(strong) if strong else []), cores, out)
        drawn = [out, *([named["predicted"]] if draw_predicted(series, cores, named["predicted"]) else [])]
        draw_sharing(series, named["sharing"])
    except (OSError, ValueError) as error:
        sys.exit(f"scaling: cannot write {out}: {error}")
    write("\n".join(text), None, "scaling")
    print(f"\n{len(points)} runs drawn: {', '.join(map(str, [*drawn, named['sharing']]))}")


def _points(paths: Sequence[Path]) -> list[Point]:
    points = []
    for run in read_runs(paths, "scaling", incomplete=False, hint="", timed=True):
        try:
            points.append(point(run))
        except (ValueError, KeyError) as error:
            say("scaling", f"left out: {error if isinstance(error, ValueError) else f'{run.path} lacks {error}'}")
    if not points:
        sys.exit("scaling: no results file that can be used")
    return points


def _fit(name: str, points: Sequence[Point], cores: float) -> Model | None:
    fewest = min(points, key=lambda p: p.agents)
    run = fewest.run
    counted = min((p for p in points if p.demand is not None), key=lambda p: p.agents, default=fewest)
    push = None if run.synchronous else fewest.push[0] * fewest.updates / fewest.steps  # nobody else has the mutex
    if "rollout" in run.config:
        lengths, meetings = [steps_a_rollout(run)], updates_a_round(run)
    else:
        lengths = [length for p in points for length in p.run.episodes["length"].tolist()] if run.synchronous else [1]
        meetings = 1
    where = [p.agents for p in points], [p.qpu for p in points], [p.steps for p in points], cores, run.synchronous
    jitter = float(run.config.get("qpu_jitter", 0.0))
    try:
        return fit(*where, jitter, push, counted.demand, lengths, meetings)
    except ValueError as error:
        say("scaling", f"note: {name}: no model: {error}")
        return None


def _strong_series(points: Sequence[Point]) -> list[tuple[str, list[Point]]]:
    series = []
    for kind in by_seed([p.run for p in points], ("agents", "episodes", "steps")):
        mine = medians([p for p in points if p.run in kind])
        series.append((f"{kind[0].system}, QPU {mine[0].qpu_in_words}", mine))
    return series


def main() -> None:
    """Run what is asked for."""
    tyro.extras.subcommand_cli_from_dict({"run": run, "plot": plot}, description=__doc__)


if __name__ == "__main__":
    main()
