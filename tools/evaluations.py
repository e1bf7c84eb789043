"""The figure of /evaluations, what a system's tests while it trained have found: for `curves.py --tests`."""

from dataclasses import replace
from pathlib import Path

from colours import colours_of, plt
from reading import common_tests, label, say

from hpcqrl.results.reader import Run


def draw_tests(runs: list[Run], out: Path) -> None:
    """Write the figure of /evaluations: the mean over seeds, and the band from the lowest to the highest seed."""
    groups: dict[str, list[Run]] = {}
    for run in runs:
        alike = replace(
            run, config={name: value for name, value in run.config.items() if name not in ("seed", "steps")}
        )
        groups.setdefault(repr((run.system, run.agents, sorted(alike.config.items(), key=str))), []).append(alike)
    figure, axes = plt.subplots(figsize=(8, 5), layout="constrained")
    for group, colour in zip(groups.values(), colours_of(len(groups)), strict=True):
        steps, means = common_tests(group)
        name = f"{label(group[0], [other[0] for other in groups.values()])}, {len(group)} seed{'s'[: len(group) > 1]}"
        name += "" if all(run.complete for run in group) else ", not complete"
        last = max(int(run.evaluations["steps"].max()) for run in group)
        if not steps:
            say("curves", f"left out: {name}: its seeds have no test in common")
            continue
        if steps[-1] < last:
            say("curves", f"note: {name}: drawn to {steps[-1]:,} of {last:,} steps, where its shortest run ends")
        axes.plot(steps, means.mean(axis=0), "o-" if len(steps) == 1 else "-", label=name, color=colour, zorder=2)
        axes.fill_between(steps, means.min(axis=0), means.max(axis=0), color=colour, alpha=0.15, linewidth=0)
    if not axes.lines:
        raise ValueError("there is no line to draw")
    axes.set_title(", ".join(sorted({str(run.config.get("env")) for run in runs})))
    axes.set_xlabel("environment steps of each agent")
    axes.set_ylabel("mean test return; band: lowest to highest seed")
    axes.grid(alpha=0.3)
    figure.legend(loc="outside lower center", ncols=2, fontsize="small", frameon=False)
    out.parent.mkdir(parents=True, exist_ok=True)
    figure.savefig(out, dpi=150)
    plt.close(figure)
