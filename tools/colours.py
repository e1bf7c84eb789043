"""Matplotlib, drawing to files alone, and the colours of lines."""

import os
import sys

os.environ["MPLBACKEND"] = "Agg"  # to files alone, whatever a notebook or a login shell has set for itself

import numpy as np

try:
    import matplotlib
    import matplotlib.pyplot as plt  # noqa: F401  (for all tools: after the line above)
except ModuleNotFoundError:
    sys.exit('to draw, matplotlib is needed: pip install "hpcqrl[tools]"')


def colours_of(lines: int) -> list[object]:
    """A colour for each of so many lines, all different."""
    if lines <= 10:
        return [f"C{number}" for number in range(lines)]
    return list(matplotlib.colormaps["turbo"](np.linspace(0, 1, lines)))
