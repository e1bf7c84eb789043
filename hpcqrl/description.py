"""What a system trains, in text: its parameters by part, and its circuit."""

import math

from hpcqrl.recorded import Recorded


def describe(run: Recorded) -> None:
    """Print it. Raises ValueError, in one line, if the configuration's environment or circuit is no fit."""
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
