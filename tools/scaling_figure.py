"""The figure of a scale test: what is measured, what the model says, and what it predicts for more agents."""

from pathlib import Path

import numpy as np
from colours import plt
from scaling_points import Point
from throughput import Model

MOST = 10_000  # agents that are predicted


def panels_of_a_figure() -> tuple[plt.Figure, np.ndarray]:
    """An empty figure, and its 2 x 3 panels."""
    return plt.subplots(2, 3, figsize=(15, 8.5), layout="constrained")


def draw_series(
    panels: np.ndarray,
    name: str,
    series: list[Point],
    held_out: set[int],
    model: Model | None,
    cores: float,
    colour: object,
) -> None:
    agents = np.array([p.agents for p in series])
    efficiency = np.array([p.steps / series[0].steps * series[0].agents / p.agents for p in series])
    for kept, face in ((True, colour), (False, "white")):
        chosen = np.array([(p.agents not in held_out) == kept for p in series])
        for axes, values in ((panels[0, 0], np.array([p.steps for p in series])), (panels[0, 1], efficiency)):
            axes.plot(agents[chosen], values[chosen], "o", color=colour, markerfacecolor=face, zorder=3)
    panels[0, 0].vlines(agents, *np.array([p.between for p in series]).T, color=colour, linewidth=1.0)
    panels[0, 0].plot([], [], "o-", color=colour, label=name)
    panels[0, 1].plot([], [], "o-", color=colour, label=name)
    if model is not None:
        many = np.unique(np.geomspace(1, MOST, 200).astype(int))
        for own_core in (False, True):
            rate = model.steps_per_second(many, 1e-3 * series[0].latency, None if own_core else cores)
            alone = model.steps_per_second([agents[0]], 1e-3 * series[0].latency, None if own_core else cores)
            share = rate / alone * agents[0] / many
            for axes, values in ((panels[0, 0], rate), (panels[0, 1], share)):
                inside = many <= agents.max()
                if not own_core:
                    axes.plot(many[inside], values[inside], "-", color=colour)
                axes.plot(many[~inside], values[~inside], ":" if own_core else "--", color=colour)
    for values, marker in zip(np.array([p.push for p in series]).T, ("o-", "^--", "v:"), strict=True):
        panels[0, 2].plot(agents, 1e3 * values, marker, color=colour, markersize=4)
    panels[0, 2].plot([], [], "o-", color=colour, label=name)
    panels[1, 0].plot(agents, [p.updates for p in series], "o-", color=colour, label=name)
    panels[1, 1].plot(agents, [p.staleness for p in series], "o-", color=colour, label=name)
    panels[1, 2].plot(agents, [100 * p.waiting for p in series], "o-", color=colour, label=name)


def draw_strong(panels: np.ndarray, name: str, series: list[Point], grey: float) -> None:
    """Efficiency where the work in all is the same: from start to end, so that agents left without work count too."""
    one = series[0]
    values = [p.finished / one.finished * one.agents / p.agents for p in series]
    panels[0, 1].plot([p.agents for p in series], values, "s:", color=f"{grey:.1f}", label=f"{name}, strong scaling")


def finish(figure: plt.Figure, panels: np.ndarray, out: Path) -> None:
    """Title, label and write the figure."""
    titles = {
        (0, 0): ("steps/s of all agents (bars: lowest and highest run)", "log"),
        (0, 1): ("efficiency: rate of an agent, over that among the fewest", "linear"),
        (0, 2): ("push, or Allreduce [ms]: 50% (circle), 95% (up), 99% (down)", "log"),
        (1, 0): ("updates/s", "log"),
        (1, 1): ("staleness [updates]", "symlog"),
        (1, 2): ("time spent in pushes or Allreduce [%]", "linear"),
    }
    for place, (title, scale) in titles.items():
        axes = panels[place]
        axes.set_title(title, fontsize="medium")
        axes.set_xscale("log")
        axes.set_yscale(scale if scale == "linear" or axes.dataLim.ymax > 0.0 else "linear")
        axes.set_xlabel("agents")
        axes.grid(alpha=0.3)
    panels[0, 1].set_ylim(0.0, 1.15)
    panels[1, 1].set_ylim(0.0, 2.0 * max(1.0, panels[1, 1].dataLim.ymax))
    panels[1, 2].set_ylim(bottom=0.0)
    handles, labels = panels[0, 1].get_legend_handles_labels()
    figure.legend(handles, labels, loc="outside lower center", ncols=3, fontsize="small", frameon=False)
    figure.suptitle(
        "measured: circles (filled: the model is fitted to them; hollow: held out); line: model\n"
        f"predicted: dashed, on this machine's cores; dotted, with a core for each agent, up to {MOST:,}",
        fontsize="medium",
    )
    out.parent.mkdir(parents=True, exist_ok=True)
    figure.savefig(out, dpi=120)
    plt.close(figure)
