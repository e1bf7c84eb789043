"""Training from Python, in a script or a notebook, alone or on all ranks of an mpiexec."""

from collections.abc import Callable
from pathlib import Path
from types import ModuleType
from typing import Any

from hpcqrl import one_thread  # noqa: F401  (before NumPy and torch are imported, where they have not been)
from hpcqrl.brought import give
from hpcqrl.configuration import from_options
from hpcqrl.systems import find
from hpcqrl.systems.contract import Config


def train(
    system: str | ModuleType,
    *,
    out: str | Path | None = None,
    overwrite: bool = False,
    checkpoint_every: float = 60.0,
    circuit: str | Callable[..., Any] | None = None,
    **options: Any,
) -> Path:
    """Train agents, one on each rank of this job (one, without a launcher), and give the path of their results file.

    system: "dist-qtrl", "qa3c", "qdqn-dper", "hdqnn-td3", or one's own, a module or its name. options: of the system,
    as `hpcqrl train SYSTEM --help` names them, with _ for -. circuit: one's own, a function (qubits, layers) -> Circuit
    or its name, "module:function". out: runs/SYSTEM-DATE-TIME.h5 by default. checkpoint_every: seconds.
    Raises ValueError for what cannot be done. Under a launcher all ranks must call, and an error on one ends all;
    SIGTERM and SIGUSR1 leave a checkpoint and raise SystemExit with status 75: a batch system may start the job again.
    """
    name = system.__name__ if isinstance(system, ModuleType) else system
    if callable(circuit):
        function, circuit = circuit, f"{circuit.__module__}:{getattr(circuit, '__qualname__', type(circuit).__name__)}"
        give(circuit, function)
    if circuit is not None:
        options["circuit"] = circuit

    from hpcqrl import run
    from hpcqrl.interruption import EXIT_STATUS, Interruption
    from hpcqrl.parallel.agents import Interrupted, Refused, errors_end_all, start

    interruption = Interruption(ctrl_c=False)  # which is Python's own in a notebook
    try:
        agents = start()
        with errors_end_all(agents, alone=False):
            config: Config | None = None
            with agents.together():  # an option that is wrong on one rank is an error on all
                config = from_options(find(name).Config, options)
            assert config is not None
            return run.train(agents, interruption, name, config, out, overwrite, checkpoint_every)
    except Refused as refused:
        raise ValueError(str(refused)) from None
    except Interrupted as interrupted:
        print(f"interrupted: {interrupted}", flush=True)
        raise SystemExit(EXIT_STATUS) from None
    finally:
        interruption.end()
