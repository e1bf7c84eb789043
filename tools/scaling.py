"""Measure how throughput scales with agents, and draw it with a model that predicts more of them.

python tools/scaling.py run qa3c --agents 1 2 4 8 16 32 --qpu-latency 1 5
python tools/scaling.py plot runs/scaling/qa3c-weak-*.h5 --strong runs/scaling/qa3c-strong-*.h5 --out scaling.png
"""

import itertools
import os
import shlex
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Literal

import numpy as np
import tyro
from colours import colours_of
from reading import by_seed, label, read_runs, say
from scaling_figure import Series, cores_show, draw_measured, draw_predicted, draw_sharing
from scaling_points import Point, medians, point
from table import markdown, write
from throughput import NAMES, Model, fit

from hpcqrl.results.reader import read_run

BIN = Path(sys.executable).parent
STILL = ("--learning-rate", "1e-12")  # the policy stays as it is, so that episodes are alike for all numbers of agents
LOOSE = ("agents", "episodes", "qpu_latency")  # what differs between runs of one model


def run(
    system: tyro.conf.Positional[Literal["dist-qtrl", "qa3c", "qdqn-dper"]],
    agents: tuple[int, ...] = (1, 2, 4, 8, 16, 32),
    qpu_latency: tuple[float, ...] = (1.0, 5.0),
    qpu_jitter: float = 0.0,
    episodes: int = 20,
    repeats: int = 1,
    kind: Literal["weak", "strong"] = "weak",
    options: str = "",
    out: Path = Path("runs/scaling"),
) -> None:
    """Train with each number of agents, with learning all but off, and print what the runs show: medians of repeats.

    episodes: of each agent; with --kind strong, of each of the most agents, and as many in all for fewer. repeats: runs
    of each number of agents, all numbers before the next repeat. qpu_latency: milliseconds, each in turn. options: more
    of `hpcqrl train`'s, as in --options="--env Acrobot-v1". A complete run is not repeated.
    """
    if min(agents) < 1 or episodes < 1 or repeats < 1:
        sys.exit(f"scaling: agents, episodes and repeats must be at least 1, not {min(*agents, episodes, repeats)}")
    points = []
    for repeat, latency in itertools.product(range(1, repeats + 1), qpu_latency):
        for number in agents:
            path = out / f"{system}-{kind}-{latency:g}ms-{number}{f'-again{repeat}' if repeat > 1 else ''}.h5"
            each = episodes if kind == "weak" else max(1, episodes * max(agents) // number)
            synchronous = system == "dist-qtrl"
            wanted = each if synchronous else each * number
            qpu = ("--qpu-latency", str(latency), "--qpu-jitter", str(qpu_jitter))
            root = () if synchronous else ("--root", "act")
            command = ["train", system, "--episodes", str(wanted), *qpu, *root, *STILL, *shlex.split(options)]
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
    print(markdown(HEADINGS, [_row(p) for p in medians(points)]), end="")


def _complete(path: Path) -> bool:
    try:
        return read_run(path).complete
    except ValueError:
        return False


HEADINGS = (
    "agents", "QPU ms", "steps/s", "updates/s", "push ms: 50%", "95%", "99%", "staleness", "waiting",
)  # fmt: skip


def _row(point: Point) -> list[str]:
    push = [f"{1e3 * part:.3f}" for part in point.push]
    between = "" if point.between[0] == point.between[1] else " ({:,.1f} to {:,.1f})".format(*point.between)
    rates = [f"{point.steps:,.1f}{between}", f"{point.updates:,.1f}"]
    return [str(point.agents), f"{point.latency:g}", *rates, *push, f"{point.staleness:.2f}", f"{point.waiting:.1%}"]


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
    colours = iter(colours_of(sum(len({p.latency for p in points if p.run in kind}) for kind in kinds)))
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
        text.append(_report(name, mine, held_out, model, cores))
        for latency in sorted({p.latency for p in mine}):
            own = [p for p in mine if p.latency == latency]
            series.append(Series(f"{name}, QPU {latency:g} ms", own, held_out, model, next(colours), bound))
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
    synchronous, fewest = points[0].run.synchronous, min(points, key=lambda p: p.agents)
    jitter = float(fewest.run.config.get("qpu_jitter", 0.0))
    push = None if synchronous else fewest.push[0] * fewest.updates / fewest.steps  # nobody else has the mutex
    rates = [p.steps for p in points]
    try:
        latencies = [1e-3 * p.latency for p in points]
        lengths = [length for p in points for length in p.run.episodes["length"].tolist()] if synchronous else (1,)
        return fit([p.agents for p in points], latencies, rates, cores, synchronous, jitter, push, lengths)
    except ValueError as error:
        say("scaling", f"note: {name}: no model: {error}")
        return None


def _report(name: str, points: Sequence[Point], held_out: set[int], model: Model | None, cores: float) -> str:
    rows, errors = [], []
    for p in points:
        base, *others = (other for other in points if other.latency == p.latency)
        efficiency = f"{p.steps / base.steps * base.agents / p.agents:.3f}" if others else "-"
        predicted = ["-", "-", "-"]
        if model is not None:
            value = float(model.steps_per_second([p.agents], 1e-3 * p.latency, cores)[0])
            error = value / p.steps - 1.0
            predicted = [f"{value:,.1f}", f"{error:+.1%}", "held out" if p.agents in held_out else "fitted"]
            errors += [abs(error)] * (p.agents in held_out)
        rows.append([*_row(p), efficiency, *predicted])
    text = f"{name}\n\n" + markdown((*HEADINGS, "efficiency", "model", "error", "point"), rows)
    if model is None:
        return text
    names = NAMES["synchronous" if model.synchronous else "asynchronous"]
    constants = zip(names, (model.compute, model.executions, model.exchange), strict=True)
    measured = "" if model.synchronous else " (the last measured, at the fewest agents)"
    text += (
        f"\nfitted, on {cores:g} cores{measured}: "
        + "; ".join(f"{value:.3g} {what}" for what, value in constants)
        + "\n"
    )
    if errors:
        text += f"error on held-out points: mean {np.mean(errors):.1%}, largest {max(errors):.1%}\n"
    return text


def _strong_series(points: Sequence[Point]) -> list[tuple[str, list[Point]]]:
    series = []
    for kind in by_seed([p.run for p in points], ("agents", "episodes")):
        mine = medians([p for p in points if p.run in kind])
        series.append((f"{kind[0].system}, QPU {mine[0].latency:g} ms", mine))
    return series


def main() -> None:
    """Run what is asked for."""
    tyro.extras.subcommand_cli_from_dict({"run": run, "plot": plot}, description=__doc__)


if __name__ == "__main__":
    main()
