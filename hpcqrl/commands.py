"""The commands: each takes the arguments that stand after its name, and ends as the command line is to end."""

import sys
from collections.abc import Sequence
from dataclasses import asdict
from importlib.metadata import version as version_of
from types import ModuleType
from typing import Any

from hpcqrl import __version__
from hpcqrl.command_line import parse, refuse, say_once, system_named, with_agents, without_mpi
from hpcqrl.interruption import Interruption
from hpcqrl.options import Describe, DescribeSystem, Evaluate, Export, Nothing, Resume, State, Train
from hpcqrl.systems.contract import Config


def train(arguments: Sequence[str]) -> None:
    """Train agents, one a rank."""
    interruption = Interruption()  # a signal may come while all is being imported
    name, options = _train_options(arguments)
    interruption.patience = options.patience
    wanted = name, options.system, options.out, options.overwrite, options.checkpoint_every
    losses = options.lose_at_most
    with_agents(lambda agents, run: run.train(agents, interruption, *wanted), interruption, "", losses, options.gpu)


def _train_options(arguments: Sequence[str]) -> tuple[str, Train[Config]]:
    """The system's name, which --config or --like may say, and the options, which start from theirs."""
    from hpcqrl.written import defaults, read_written, system_of, unchecked

    try:
        written = read_written(arguments)
        first = None if not arguments or arguments[0].startswith("-") else arguments[0]
        said = system_of(written) if first is None else first
        asked = [each for each in arguments if each in ("-h", "--help")]
        name, system = system_named("train", asked if said is None else [said])
        rest = arguments if first is None else arguments[1:]
        own, others = defaults(written, name, system.Config, Train, rest)
    except (ValueError, OSError) as error:
        refuse(str(error))
    start = unchecked(Train, others | {"system": unchecked(system.Config, own)})
    return name, parse(Train[system.Config], f"train {name}", rest, default=start)  # type: ignore[name-defined]


def resume(arguments: Sequence[str]) -> None:
    """Go on with a run that was cut off."""
    interruption = Interruption()
    options: Resume = parse(Resume, "resume", arguments)
    interruption.patience = options.patience
    named = asdict(options.named)
    if options.config is not None:
        named = _named_in(options.config) | {name: own for name, own in named.items() if own is not None}

    def go_on(agents: Any, run: ModuleType) -> None:
        run.resume(agents, interruption, options.path, run.Named(**named))

    with_agents(go_on, interruption, options.path, options.lose_at_most, options.gpu)


def _named_in(path: str) -> dict[str, str]:
    """What a file of options names of the user's own."""
    from hpcqrl.written import read_written

    try:
        table = read_written(["--config", path]).table
    except (ValueError, OSError) as error:
        refuse(str(error))
    return {name: str(table[name]) for name in ("env", "circuit", "qpu") if ":" in str(table.get(name, ""))}


def evaluate(arguments: Sequence[str]) -> None:
    """Play a trained policy."""
    options: Evaluate = parse(Evaluate, "evaluate", arguments)

    def play() -> None:
        from hpcqrl.trained import evaluate, load

        run = load(options.run, **asdict(options.named), shots=options.shots, noise=options.noise)
        evaluate(run, options.episodes, options.seed, options.sample, options.video)

    without_mpi(play, options.run)


def export(arguments: Sequence[str]) -> None:
    """Write a trained policy for use without this package."""
    options: Export = parse(Export, "export", arguments)

    def write() -> None:
        from hpcqrl.trained import load

        run = load(options.run, **asdict(options.named))
        inputs = run.export(options.out, options.with_circuit, options.overwrite)
        print(f"observations [samples, {inputs}] of {run.recorded.config.env}: {options.out}")

    without_mpi(write, options.run)


def describe(arguments: Sequence[str]) -> None:
    """Print what a run has trained, or a system trains."""
    if arguments and arguments[0].endswith(".h5"):
        _describe_run(arguments)
    else:
        _describe_system(arguments)


def _describe_run(arguments: Sequence[str]) -> None:
    options: Describe = parse(Describe, "describe", arguments)

    def tell() -> None:
        from hpcqrl.description import describe
        from hpcqrl.trained import load
        from hpcqrl.written import as_toml

        run = load(options.run, **asdict(options.named))
        if not options.toml:
            describe(run.recorded, run.parameters)
            return
        own = str(getattr(run.recorded.config, "circuit", None))
        if ":" in own and options.named.circuit is None:
            raise ValueError(f"its circuit is {own}, which is written down only if you say --circuit {own}")
        if candidates := " ".join(getattr(run.recorded.config, "circuits", ())):
            raise ValueError(f"its candidates are {candidates}, which a file of options must not have from here")
        sys.stdout.write(as_toml(run.system, run.recorded.config))

    without_mpi(tell, options.run)


def _describe_system(arguments: Sequence[str]) -> None:
    name, system = system_named("describe", arguments)
    chosen: DescribeSystem[Config] = parse(DescribeSystem[system.Config], f"describe {name}", arguments[1:])  # type: ignore[name-defined]
    config = chosen.system

    def tell() -> None:
        from hpcqrl.description import describe
        from hpcqrl.recorded import Recorded
        from hpcqrl.written import as_toml

        if chosen.toml:
            sys.stdout.write(as_toml(name, config))
        else:
            describe(Recorded(name, system, config, system.circuit(config)))

    without_mpi(tell)


def state(arguments: Sequence[str]) -> None:
    """Print how far a run is."""
    options: State = parse(State, "state", arguments)

    def tell() -> None:
        from hpcqrl.results.checkpoint import read_checkpoint
        from hpcqrl.results.reader import read_run

        facts = read_checkpoint(options.run, "read as a results file").attributes
        state = "complete" if facts["complete"] else "checkpoint" if "checkpointed" in facts else "begun"
        if state != "checkpoint":  # else rows after it, which a power cut may have damaged, do not count
            read_run(options.run)
        print(f"{state} {facts.get('job', '')}".strip())

    without_mpi(tell)


def check(arguments: Sequence[str]) -> None:
    """Print what every rank has, and how they talk."""
    parse(Nothing, "check", arguments)

    def look(agents: Any, run: ModuleType) -> None:
        from hpcqrl.gpus import described
        from hpcqrl.parallel.check import report
        from hpcqrl.rl.optimisers import Adam
        from hpcqrl.sharing_qpus import opened_in_turn

        of_job = opened_in_turn(agents)
        run.compile_kernels(agents)
        report(agents, _native_qpu() + of_job, described(), Adam(1e-4))

    with_agents(look)


def _native_qpu() -> str:
    """The native kernels, and how fast they are here: the median time of one call of QA3C's circuit."""
    import time

    import numpy as np

    from hpcqrl.quantum.circuits import variational
    from hpcqrl.quantum.devices import make_device

    circuit = variational()
    device, angles, weights = make_device(circuit), np.zeros((1, circuit.n_angles)), np.zeros(circuit.weights)
    seconds = []
    for _ in range(300):
        begin = time.perf_counter()
        device.expval(angles, weights)
        seconds.append(time.perf_counter() - begin)
    return f"native: 8 qubits in {1e6 * np.median(seconds):.1f} us"


def version(arguments: Sequence[str]) -> None:
    """Print the versions of this package and of what it runs on."""
    parse(Nothing, "version", arguments)
    packages = (
        "mpi4py",
        "torch",
        "pennylane",
        "pennylane-lightning",
        "numba",
        "numpy",
        "gymnasium",
        "minigrid",
        "h5py",
    )
    say_once("\n".join([f"hpcqrl {__version__}", *(f"{package} {version_of(package)}" for package in packages)]))
