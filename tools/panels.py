"""A figure of several panels, one for each environment, and one legend for all of them."""

from collections.abc import Sequence
from typing import Any

import numpy as np
from colours import plt
from numpy.typing import ArrayLike


def panels_of(titles: Sequence[str]) -> tuple[plt.Figure, list[plt.Axes], int]:
    """A figure with a panel for each title, and how many columns they are in."""
    number = len(titles)
    columns = number if number <= 3 else 2 if number == 4 else 3
    lines = -(-number // columns)
    size = (8.0, 5.0) if number == 1 else (4.6 * columns, 3.8 * lines + 0.4)
    figure, grid = plt.subplots(lines, columns, figsize=size, squeeze=False, layout="constrained")
    panels = list(grid.flat)
    for axes in panels[number:]:
        axes.set_visible(False)
    for axes, title in zip(panels, titles, strict=False):
        axes.set_title(title, fontsize="medium")
        axes.grid(alpha=0.3)
    return figure, panels[:number], columns


def band(
    axes: plt.Axes, where: ArrayLike, low: ArrayLike, high: ArrayLike, within: tuple[float, float], **style: Any
) -> None:
    """A band, cut to what returns can be: nothing lies beyond the lowest and the highest of all episodes."""
    axes.fill_between(where, np.clip(low, *within), np.clip(high, *within), linewidth=0, **style)


def one_legend(figure: plt.Figure, panels: Sequence[plt.Axes]) -> None:
    """Below all panels, each label once."""
    handles = {
        label: handle
        for axes in panels
        for handle, label in zip(*axes.get_legend_handles_labels(), strict=True)
        if not label.startswith("_")
    }
    if not handles:
        return
    longest, room = max(map(len, handles)) + 9, figure.get_size_inches()[0] * 11.5  # characters, about
    columns = max(1, min(len(handles), 4, int(room // longest)))
    size = 8.5 if longest < room else max(4.0, 8.5 * room / longest)
    figure.legend(
        handles.values(), handles.keys(), loc="outside lower center", ncols=columns, fontsize=size, frameon=False
    )
