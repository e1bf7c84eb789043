"""What a scale test says: a table of points, a model with its constants and errors, QPUs that are worth their hours."""

from collections.abc import Sequence

import numpy as np
from scaling_figure import Series
from scaling_points import Point
from table import markdown
from throughput import MOST, WELL, Model, well_spent

HEADINGS = (
    "agents", "QPU", "steps/s", "updates/s", "push ms: 50%", "95%", "99%", "staleness", "waiting",
)  # fmt: skip


def row(point: Point) -> list[str]:
    """What a run shows, under these headings."""
    push = [f"{1e3 * part:.3f}" for part in point.push]
    low, high = point.between
    between = "" if low == high else f" ({_rate(low)} to {_rate(high)})"
    rates = [f"{_rate(point.steps)}{between}", _rate(point.updates)]
    return [str(point.agents), point.qpu_in_words, *rates, *push, f"{point.staleness:.2f}", f"{point.waiting:.1%}"]


def _rate(value: float) -> str:
    return f"{value:,.1f}" if value >= 10.0 else f"{value:.2f}"


def report(name: str, points: Sequence[Point], held_out: set[int], model: Model | None, cores: float) -> str:
    """Points of one kind as a table, the model that is fitted to some of them, and its error on those held out."""
    rows, errors = [], []
    for p in points:
        base, *others = (other for other in points if other.qpu == p.qpu)
        efficiency = f"{p.steps / base.steps * base.agents / p.agents:.3f}" if others else "-"
        predicted = ["-", "-", "-"]
        if model is not None:
            value = float(model.steps_per_second([p.agents], p.qpu, cores)[0])
            error = value / p.steps - 1.0
            predicted = [_rate(value), f"{error:+.1%}", "held out" if p.agents in held_out else "fitted"]
            errors += [abs(error)] * (p.agents in held_out)
        rows.append([*row(p), efficiency, *predicted])
    text = f"{name}\n\n" + markdown((*HEADINGS, "efficiency", "model", "error", "point"), rows)
    if model is None:
        return text
    text += f"\non {cores:g} cores: {_constants(model, any(p.demand is not None for p in points))}\n"
    if errors:
        text += f"error on held-out points: mean {np.mean(errors):.1%}, largest {max(errors):.1%}\n"
    return text


def _constants(model: Model, counted: bool) -> str:
    """The model's, and where each comes from."""
    unit, exchange = (
        ("a round", "seconds a step for each doubling of agents (fitted)")
        if model.synchronous
        else ("a step", "seconds a step in pushes, one at a time (measured at the fewest agents)")
    )
    demand = zip(model.demand._asdict().items(), (True, counted, counted), strict=True)
    asked = ", ".join(f"{value:.4g} {what}" for (what, value), known in demand if known)
    how = "counted at the fewest agents" if counted else "fitted"
    return f"{model.compute:.3g} core seconds a step (fitted); {asked} {unit} ({how}); {model.exchange:.3g} {exchange}"


def well_spent_in_words(series: Series, cores: float) -> str:
    """How many QPUs are worth their hours, by the model, with a core for each agent and on these cores."""
    if series.model is None:
        return ""
    said = []
    for own, where in ((None, "a core for each agent"), *([(cores, f"{cores:g} cores")] if series.bound else [])):
        well, most = (
            f"{number:,}" if number < MOST else f"more than {MOST - 1:,}"
            for number in well_spent(series.predicted(np.arange(1, MOST + 1), own))
        )
        said.append(f"up to {well} with {where} (steps/s times it is largest with {most})")
    hour = 3600.0 * series.predicted(np.array([1]), None)[0]
    begin = f"QPU {series.points[0].qpu_in_words}: a QPU-hour of one brings {hour:,.0f} steps"
    return f"{begin}, and at least {WELL:.0%} of that {'; '.join(said)}\n"
