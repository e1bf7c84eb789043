"""What a system trains, in text: its parameters by part, and its circuit."""

import math
from collections.abc import Iterator, Mapping

import numpy as np

from hpcqrl.recorded import Recorded


def describe(run: Recorded, parameters: Mapping[str, np.ndarray] | None = None) -> None:
    """Print it; parameters: those that were trained, if they were.

    Raises ValueError, in one line, if the configuration's environment or circuit is no fit.
    """
    from rich.console import Console
    from rich.table import Table

    env = run.system.environment(run.config)
    model = run.system.model(run.config, env, run.circuit)
    env.close()
    kind = "classical" if run.circuit is None else "quantum"
    table = Table(title=f"{run.name}, {run.config.env}, {kind}")
    table.add_column("parameters")
    table.add_column("shape")
    table.add_column("number", justify="right")
    for part, shape in model.layout.shapes.items():
        table.add_row(part, " x ".join(map(str, shape)), f"{math.prod(shape):,}")
    table.add_section()
    table.add_row("all", "", f"{model.size:,}")
    Console().print(table)
    if run.circuit is not None:
        from hpcqrl.quantum.drawing import draw

        print(draw(run.circuit, run.system.FACTS.measures))
        for line in _shares(run, parameters or {}):
            print(line)


def _shares(run: Recorded, parameters: Mapping[str, np.ndarray]) -> Iterator[str]:
    """Of candidates, what each is worth in what was trained."""
    from hpcqrl.quantum.mixture import Mixture

    if not isinstance(run.circuit, Mixture):
        return
    for part, values in parameters.items():
        if part.split(".")[-1] == "circuit":
            shares, _ = run.circuit.parts(values)
            order = np.argsort(-np.abs(shares))
            yield f"{part}: " + ", ".join(f"{run.circuit.names[each]} {shares[each]:.3f}" for each in order)
