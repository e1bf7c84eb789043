"""The figure of /evaluations, what a system's tests while it trained have found: for `curves.py --tests`."""

from dataclasses import replace
from pathlib import Path

from colours import colours_of, save, whole_ticks
from panels import band, one_legend, panels_of
from reading import common_tests, label, range_of, say

from hpcqrl.results.reader import Run


def draw_tests(runs: list[Run], out: Path, title: str | None = None) -> None:
    """Write the figure of /evaluations, a panel for each environment: the mean over seeds, and the band from the lowest
    to the highest seed.
    """
    groups: dict[str, list[Run]] = {}
    for run in runs:
        alike = replace(
            run, config={name: value for name, value in run.config.items() if name not in ("seed", "steps")}
        )
        groups.setdefault(repr((run.system, run.agents, sorted(alike.config.items(), key=str))), []).append(alike)
    firsts = [group[0] for group in groups.values()]
    plain = {key: label(group[0], firsts, ("seed", "env")) for key, group in groups.items()}
    names = list(dict.fromkeys(plain.values()))
    colours = dict(zip(names, colours_of(len(names)), strict=True))
    envs = list(dict.fromkeys(str(run.config.get("env")) for run in runs))
    figure, panels, columns = panels_of([title or envs[0]] if len(envs) == 1 else envs)
    for key, group in groups.items():
        axes, within = panels[envs.index(str(group[0].config.get("env")))], range_of(group)
        steps, means = common_tests(group)
        name = f"{plain[key]}, {len(group)} seed{'s'[: len(group) > 1]}"
        name += "" if all(run.complete for run in group) else ", not complete"
        last = max(int(run.evaluations["steps"].max()) for run in group)
        if not steps:
            say("curves", f"left out: {name}: its seeds have no test in common")
            continue
        if steps[-1] < last:
            say("curves", f"note: {name}: drawn to {steps[-1]:,} of {last:,} steps, where its shortest run ends")
        colour = colours[plain[key]]
        axes.plot(steps, means.mean(axis=0), "o-" if len(steps) == 1 else "-", label=name, color=colour, zorder=2)
        band(axes, steps, means.min(axis=0), means.max(axis=0), within, color=colour, alpha=0.15)
    if not any(axes.lines for axes in panels):
        raise ValueError("there is no line to draw")
    for axes in panels:
        axes.set_xlabel("environment steps of each agent")
        whole_ticks(axes)
    for axes in panels[::columns]:
        axes.set_ylabel("mean test return; band: lowest to highest seed")
    if title and len(envs) > 1:
        figure.suptitle(title)
    one_legend(figure, panels)
    save(figure, out)
