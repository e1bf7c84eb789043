"""Training from Python, in a script or a notebook, alone or on all ranks of an mpiexec."""

import re
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from types import ModuleType
from typing import TYPE_CHECKING, Any

from hpcqrl import one_thread  # before NumPy and torch are imported, where they have not been
from hpcqrl.brought import name_of
from hpcqrl.configuration import from_options
from hpcqrl.lines import say
from hpcqrl.systems import find
from hpcqrl.systems.contract import Config

if TYPE_CHECKING:
    from hpcqrl.interruption import Interruption
    from hpcqrl.parallel.agents import Agents


def train(
    system: str | ModuleType,
    *,
    out: str | Path | None = None,
    overwrite: bool = False,
    checkpoint_every: float = 60.0,
    patience: float = 60.0,
    lose_at_most: int = 0,
    circuit: str | Callable[..., Any] | None = None,
    qpu: str | Callable[..., Any] | None = None,
    **options: Any,
) -> Path:
    """Train agents, one on each rank of this job (one, without a launcher), and give the path of their results file.

    system: "dist-qtrl", "qa3c", "qdqn-dper", "hdqnn-td3", "ppo", or one's own, a module or its name. options: of the
    system, as `hpcqrl train SYSTEM --help` names them, with _ for -. circuit: one's own, a function (qubits, layers) ->
    Circuit or its name, "module:function"; qpu: a device's name, or a function (wires, shots, seed, rank) -> PennyLane
    device. out: runs/SYSTEM-DATE-TIME.h5 by default. checkpoint_every, patience: seconds. lose_at_most:
    ranks that may be lost, where the MPI goes on without.
    Raises ValueError for what cannot be done. Under a launcher all ranks must call, and an error on one ends all;
    SIGTERM and SIGUSR1 leave a checkpoint and raise SystemExit with status 75: a batch system may start the job again.
    The first Ctrl-C leaves a checkpoint and then is a KeyboardInterrupt, the second one at once.
    """
    name = name_of(system)
    options |= {name: name_of(own) for name, own in (("circuit", circuit), ("qpu", qpu)) if own is not None}
    with _on_all_ranks(patience, lose_at_most) as (agents, interruption):
        from hpcqrl import run

        config: Config | None = None
        with agents.together():  # an option that is wrong on one rank is an error on all
            config = from_options(find(name).Config, options)
        assert config is not None
        return run.train(agents, interruption, name, config, out, overwrite, checkpoint_every)


def resume(
    path: str | Path,
    *,
    system: str | ModuleType | None = None,
    env: str | None = None,
    circuit: str | Callable[..., Any] | None = None,
    qpu: str | Callable[..., Any] | None = None,
    patience: float = 60.0,
    lose_at_most: int = 0,
) -> Path:
    """Carry on with a run that was cut off, from its last checkpoint, and give its path. As `train`.

    system, env, circuit, qpu: what is one's own must be named again, since a file may come from anybody.
    """
    with _on_all_ranks(patience, lose_at_most) as (agents, interruption):
        from hpcqrl import run

        named = (None if own is None else name_of(own) for own in (system, env, circuit, qpu))
        run.resume(agents, interruption, path, run.Named(*named))
        return Path(path)


@contextmanager
def _on_all_ranks(patience: float, lose_at_most: int) -> Iterator[tuple["Agents", "Interruption"]]:
    from hpcqrl.interruption import EXIT_STATUS, Interruption
    from hpcqrl.parallel.agents import start
    from hpcqrl.parallel.errors import Interrupted, Refused, errors_end_all

    interruption = Interruption(patience)
    try:
        agents = start(interruption, lose_at_most)
        with errors_end_all(agents, alone=False), one_thread.also_of_those_that_came_first():
            yield agents, interruption
    except Refused as refused:
        raise ValueError(re.sub("--([a-z]+)", r"\1", str(refused))) from None  # where options are arguments
    except Interrupted as interrupted:
        if agents.rank == 0:
            say(f"interrupted: {interrupted}")
        if interruption.from_keyboard:
            raise KeyboardInterrupt from None
        raise SystemExit(EXIT_STATUS) from None
    finally:
        interruption.end()
