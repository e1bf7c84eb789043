"""The figures of a scale test: what was measured, what more agents are predicted to do, and what sharing costs."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from colours import plt, save
from matplotlib.ticker import FixedLocator, NullLocator
from panels import one_legend, panels_of
from scaling_points import Point
from throughput import MOST, WELL, Model, well_spent

BOUND = 0.9  # a measured rate below this share of what the model has with a core for each agent was bound by cores


@dataclass(frozen=True)
class Series:
    """Points of one kind of run and QPU, by the number of agents. bound: whether a point that the model is fitted to
    was bound by cores, so that it knows what they limit.
    """

    name: str
    points: list[Point]
    held_out: set[int]
    model: Model | None
    colour: object
    bound: bool

    @property
    def agents(self) -> np.ndarray:
        return np.array([point.agents for point in self.points])

    @property
    def rates(self) -> np.ndarray:
        return np.array([point.steps for point in self.points])

    def predicted(self, agents: np.ndarray, cores: float | None) -> np.ndarray:
        """Steps a second of so many agents, by the model; cores: None gives every agent its own."""
        assert self.model is not None
        return self.model.steps_per_second(agents, self.points[0].qpu, cores)


def cores_show(points: Sequence[Point], model: Model | None, cores: float) -> bool:
    """Whether one of these points was bound by cores: with fewer of them than agents, and slower than with as many."""
    return model is not None and any(
        point.agents > cores and point.steps < BOUND * model.steps_per_second([point.agents], point.qpu, None)[0]
        for point in points
    )


def draw_measured(series: Sequence[Series], strong: Sequence[tuple[str, list[Point]]], cores: float, out: Path) -> None:
    """Steps a second and efficiency, as far as they were measured, with the model's line; strong: runs whose work in
    all is the same, from start to end, so that agents left without work count too.
    """
    titles = ("steps/s of all agents (bars: lowest and highest run)", "efficiency: rate of an agent, over the fewest's")
    figure, (rates, shares), _ = panels_of(titles)
    for each in series:
        agents = each.agents
        efficiency = each.rates / each.rates[0] * agents[0] / agents
        for kept, face in ((True, each.colour), (False, "white")):
            chosen = np.array([(number not in each.held_out) == kept for number in agents])
            for axes, values in ((rates, each.rates), (shares, efficiency)):
                axes.plot(agents[chosen], values[chosen], "o", color=each.colour, markerfacecolor=face, zorder=3)
        rates.vlines(agents, *np.array([point.between for point in each.points]).T, color=each.colour, linewidth=1.0)
        shares.plot([], [], "o-" if each.model else "o", color=each.colour, label=each.name)
        if each.model is not None:
            inside = np.arange(agents[0], agents[-1] + 1)
            modelled = each.predicted(inside, cores)
            rates.plot(inside, modelled, "-", color=each.colour)
            shares.plot(inside, modelled / modelled[0] * agents[0] / inside, "-", color=each.colour)
    for number, (name, points) in enumerate(strong):
        one, grey = points[0], f"{0.3 * (number % 3):.1f}"
        values = [point.finished / one.finished * one.agents / point.agents for point in points]
        shares.plot([p.agents for p in points], values, "s:", color=grey, label=f"{name}, strong scaling")
    rates.set_yscale("log")
    shares.set_ylim(0.0, 1.15)
    counted = {point.agents for each in series for point in each.points} | {p.agents for _, ps in strong for p in ps}
    _agents(figure, [rates, shares], counted)
    figure.suptitle("circles: measured (filled: the model is fitted to them; hollow: held out); lines: the model")
    save(figure, out)


def draw_predicted(series: Sequence[Series], cores: float, out: Path) -> bool:
    """What the models predict for more agents than were measured, if there is one; whether there is."""
    series = [each for each in series if each.model is not None]
    if not series:
        return False
    figure, (rates, hours), _ = panels_of(("steps/s of all agents", "steps per QPU-hour: steps/s / QPUs x 3600"))
    for each in series:
        agents = each.agents
        hours.plot([], [], "o-", color=each.colour, label=each.name)
        rates.plot(agents, each.rates, "o", color=each.colour, zorder=3)
        hours.plot(agents, 3600.0 * each.rates / agents, "o", color=each.colour, zorder=3)
        all_of_them, shown = np.arange(1, MOST + 1), np.unique(np.geomspace(agents[-1], MOST, 200).astype(int))
        for own, style in ((True, ":"), *([(False, "--")] if each.bound else [])):
            modelled = each.predicted(all_of_them, None if own else cores)
            rates.plot(shown, modelled[shown - 1], style, color=each.colour)
            hours.plot(shown, 3600.0 * modelled[shown - 1] / shown, style, color=each.colour)
            for number, mark in zip(well_spent(modelled), "|d", strict=True):
                if number < MOST:
                    hours.plot(number, 3600.0 * modelled[number - 1] / number, mark, color=each.colour, markersize=9)
    for axes in (rates, hours):
        axes.set_yscale("log")
    _agents(figure, [rates, hours], {10**power for power in range(5)})
    dashed = f"; dashed: on {cores:g} cores" if any(each.bound for each in series) else ""
    figure.suptitle(
        f"circles: measured; predicted: dotted: with a core for each agent{dashed}\n"
        f"bar: the last with {WELL:.0%} of one QPU's steps per QPU-hour; diamond: steps/s times these are most"
    )
    save(figure, out)
    return True


def draw_sharing(series: Sequence[Series], out: Path) -> None:
    """What it costs to share parameters: pushes or Allreduces, updates, staleness, waiting."""
    titles = (
        "a push, or an Allreduce [ms]: median, and 99% (dashed)", "updates/s", "staleness [updates]",
        "time spent in pushes or Allreduce [%]",
    )  # fmt: skip
    figure, panels, _ = panels_of(titles)
    for each in series:
        pushes = 1e3 * np.array([point.push for point in each.points])
        panels[0].plot(each.agents, pushes[:, 2], "--", color=each.colour, linewidth=1.0)
        rest = np.array([(point.updates, point.staleness, 100 * point.waiting) for point in each.points])
        values = (pushes[:, 0], *rest.T)
        for axes, value in zip(panels, values, strict=True):
            if axes is panels[2] and each.points[0].run.synchronous:
                continue  # nothing is stale
            axes.plot(each.agents, value, "o-", color=each.colour, label=each.name, markersize=5)
    for axes, scale in zip(panels, ("log", "log", "symlog", "linear"), strict=True):
        axes.set_yscale(scale if scale == "linear" or axes.dataLim.ymax > 0.0 else "linear")
    if panels[2].lines:
        panels[2].set_ylim(0.0, 2.0 * max(1.0, panels[2].dataLim.ymax))
    panels[2].yaxis.set_major_formatter(lambda value, _: f"{value:g}")
    panels[3].set_ylim(bottom=0.0)
    _agents(figure, panels, {point.agents for each in series for point in each.points})
    save(figure, out)


def _agents(figure: plt.Figure, panels: Sequence[plt.Axes], numbers: set[int]) -> None:
    """A horizontal axis of numbers of agents, each of which has its tick, and a legend."""
    for axes in panels:
        axes.set_xscale("log")
        axes.set_xlabel("agents")
        axes.xaxis.set_major_locator(FixedLocator(sorted(numbers)))
        axes.xaxis.set_minor_locator(NullLocator())
        axes.xaxis.set_major_formatter(lambda value, _: f"{value:,.0f}")
    one_legend(figure, panels)
