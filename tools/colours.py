"""Matplotlib, drawing to files alone, the colours of lines, and how a figure is written."""

import os
import sys

os.environ["MPLBACKEND"] = "Agg"  # to files alone, whatever a notebook or a login shell has set for itself

from pathlib import Path

import numpy as np

try:
    import matplotlib
    import matplotlib.pyplot as plt
    from matplotlib.ticker import MaxNLocator
except ModuleNotFoundError:
    sys.exit('to draw, matplotlib is needed: pip install "hpcqrl[tools]"')

matplotlib.rcParams["pdf.fonttype"] = matplotlib.rcParams["ps.fonttype"] = 42  # TrueType, as publishers ask
matplotlib.rcParams["svg.fonttype"] = "path"


def colours_of(lines: int) -> list[object]:
    """A colour for each of so many lines, all different."""
    if lines <= 10:
        return [f"C{number}" for number in range(lines)]
    return list(matplotlib.colormaps["turbo"](np.linspace(0, 1, lines)))


def whole_ticks(axes: plt.Axes) -> None:
    """Ticks of the horizontal axis, which counts something, at whole numbers, with commas for thousands."""
    axes.xaxis.set_major_locator(MaxNLocator(6, integer=True, min_n_ticks=1, steps=[1, 2, 5, 10]))
    axes.xaxis.set_major_formatter(lambda value, _: f"{value:,.0f}")


def save(figure: plt.Figure, out: Path, dpi: int = 150) -> None:
    """Write the figure, in the format that its name ends with, and let go of it."""
    out.parent.mkdir(parents=True, exist_ok=True)
    figure.savefig(out, dpi=dpi)
    plt.close(figure)
