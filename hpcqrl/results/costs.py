"""What the QPUs of runs have been asked for, from their rows."""

import numpy as np

from hpcqrl.results.schema import COST


def costs(rows: np.ndarray) -> dict[str, float]:
    """The sum of each column of costs, by name; nothing where rows have none, or all are 0."""
    if COST[0].name not in (rows.dtype.names or ()):
        return {}
    found = {column.name: rows[column.name].sum().item() for column in COST}
    return found if any(found.values()) else {}


def costs_in_words(rows: np.ndarray) -> str:
    """The same in a phrase; nothing where there are none."""
    found = costs(rows)
    if not found:
        return ""
    circuits, submissions, shots, seconds = found.values()
    return f"{circuits:,} circuits in {submissions:,} submissions, {shots:,} shots, {seconds:,.1f} s"
