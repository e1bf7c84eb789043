"""Draw learning curves: mean return against episodes, a line a run.

python tools/curves.py runs/*.h5 --out fig.png
python tools/curves.py runs/*.h5 --tests --out tests.png
"""

import sys
from dataclasses import dataclass, replace
from pathlib import Path

import matplotlib
import numpy as np
import tyro

from hpcqrl.results.reader import Run, read_run

matplotlib.use("Agg")
import matplotlib.pyplot as plt


@dataclass(frozen=True)
class Options:
    """Draw learning curves: mean return against episodes, a line a run."""

    runs: tyro.conf.Positional[tuple[Path, ...]]
    """Results files."""
    out: Path = Path("curves.png")
    """The figure: PNG, PDF or SVG, by its ending."""
    tests: bool = False
    """Draw /evaluations instead: mean test return against steps, one line for runs alike but for seed and steps."""
    window: int = 100
    """Episodes over which the mean is taken: of each agent in dist-qtrl, of all in the asynchronous systems."""


SYNCHRONOUS = ("dist-qtrl",)  # these count episodes of each agent, as their papers do; the others count all


def curve(run: Run, window: int) -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]:
    """Episodes as the system counts them, and mean and quartiles of the returns in the window that ends there."""
    agents = run.agents if run.system in SYNCHRONOUS else 1
    returns = run.episodes["return"]
    size = min(window * agents, len(returns))
    step = max(agents, len(returns) // 400)
    ends = np.arange(size, len(returns) + 1, step)
    windows = [returns[end - size : end] for end in ends]
    low, high = np.array([np.percentile(part, (25, 75)) for part in windows]).T
    return ends / agents, np.array([part.mean() for part in windows]), low, high


def label(run: Run, runs: list[Run]) -> str:
    """The run's system, and whatever of its configuration the others do not share."""
    differs = [
        f"{name} {value}"
        for name, value in run.config.items()
        if any(other.config.get(name) != value for other in runs if other.system == run.system)
    ]
    agents = f"{run.agents} agent{'s' if run.agents > 1 else ''}"
    state = [] if run.complete else ["not complete"]
    return ", ".join([run.system, agents, *differs, *state])


def episodes_label(runs: list[Run]) -> str:
    """What the horizontal axis counts."""
    each = [run.system in SYNCHRONOUS for run in runs]
    if all(each):
        return "episodes of each agent"
    return (
        f"episodes of all agents ({', '.join(SYNCHRONOUS)}: of each agent)" if any(each) else "episodes of all agents"
    )


def draw_tests(runs: list[Run], out: Path) -> None:
    """Write the figure of /evaluations: the mean over seeds, and the band from the lowest to the highest seed."""
    groups: dict[str, list[Run]] = {}
    for run in runs:
        alike = replace(
            run, config={name: value for name, value in run.config.items() if name not in ("seed", "steps")}
        )
        groups.setdefault(repr((run.system, run.agents, sorted(alike.config.items(), key=str))), []).append(alike)
    figure, axes = plt.subplots(figsize=(8, 5), layout="constrained")
    for number, group in enumerate(groups.values()):
        seeds = [_tests(run) for run in group]
        steps = sorted(set.intersection(*(set(seed) for seed in seeds)))
        means = np.array([[seed[step] for step in steps] for seed in seeds])
        name = f"{label(group[0], [other[0] for other in groups.values()])}, {len(group)} seed{'s'[: len(group) > 1]}"
        axes.plot(steps, means.mean(axis=0), label=name, color=f"C{number}", zorder=2)
        axes.fill_between(steps, means.min(axis=0), means.max(axis=0), color=f"C{number}", alpha=0.15, linewidth=0)
    axes.set_title(", ".join(sorted({str(run.config.get("env")) for run in runs})))
    axes.set_xlabel("environment steps of each agent")
    axes.set_ylabel("mean test return; band: lowest to highest seed")
    axes.grid(alpha=0.3)
    figure.legend(loc="outside lower center", ncols=2, fontsize="small", frameon=False)
    out.parent.mkdir(parents=True, exist_ok=True)
    figure.savefig(out, dpi=150)
    plt.close(figure)


def _tests(run: Run) -> dict[int, float]:
    """Steps to the mean return of all agents' test episodes then."""
    found = {}
    for steps in np.unique(run.evaluations["steps"]):
        rows = run.evaluations[run.evaluations["steps"] == steps]
        found[int(steps)] = float(np.average(rows["mean"], weights=rows["episodes"]))
    return found


def draw(runs: list[Run], window: int, out: Path) -> None:
    """Write the figure."""
    figure, axes = plt.subplots(figsize=(8, 5 + 0.1 * len(runs)), layout="constrained")
    many = plt.get_cmap("turbo")(np.linspace(0, 1, len(runs)))
    for number, run in enumerate(runs):
        colour = f"C{number}" if len(runs) <= 10 else many[number]
        episodes, mean, low, high = curve(run, window)
        axes.plot(episodes, mean, label=label(run, runs), color=colour, zorder=2)
        axes.fill_between(episodes, low, high, color=colour, alpha=0.3 / (1 + len(runs)), linewidth=0, zorder=1)
    axes.set_title(", ".join(sorted({str(run.config.get("env")) for run in runs})))
    axes.set_xlabel(episodes_label(runs))
    axes.set_ylabel(f"return: mean and quartiles over {window} episodes")
    axes.grid(alpha=0.3)
    figure.legend(loc="outside lower center", ncols=1 if len(runs) < 4 else 2, fontsize="small", frameon=False)
    out.parent.mkdir(parents=True, exist_ok=True)
    figure.savefig(out, dpi=150)
    plt.close(figure)


def main() -> None:
    """Read the files, name those that cannot be used, and draw the rest."""
    options = tyro.cli(Options, description=__doc__)
    if options.window < 1:
        sys.exit(f"curves: window must be at least 1, not {options.window}")
    runs = []
    for path in options.runs:
        try:
            run = read_run(path)
            if not len(run.evaluations if options.tests else run.episodes):
                raise ValueError(f"{path} holds no {'evaluations' if options.tests else 'episodes'} yet")
            runs.append(run)
        except ValueError as error:
            print(f"curves: left out: {error}", file=sys.stderr)
    if not runs:
        sys.exit("curves: no results file that can be drawn")
    try:
        if options.tests:
            draw_tests(runs, options.out)
        else:
            draw(runs, options.window, options.out)
    except (OSError, ValueError) as error:
        sys.exit(f"curves: cannot write {options.out}: {error}")
    print(f"{len(runs)} runs drawn: {options.out}")


if __name__ == "__main__":
    main()
