"""Colours of lines."""

import matplotlib
import numpy as np


def colours_of(lines: int) -> list[object]:
    """A colour for each of so many lines, all different."""
    if lines <= 10:
        return [f"C{number}" for number in range(lines)]
    return list(matplotlib.colormaps["turbo"](np.linspace(0, 1, lines)))
