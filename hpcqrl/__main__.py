"""The command line: hpcqrl train | resume | evaluate | ..., and the tools."""

import os
import shutil
import sys
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager, nullcontext, redirect_stderr, redirect_stdout
from dataclasses import asdict
from functools import partial
from importlib.metadata import version
from io import BytesIO, TextIOWrapper
from textwrap import fill
from types import ModuleType
from typing import Any, NoReturn

import tyro

from hpcqrl import (
    __version__,
    one_thread,  # noqa: F401  (before NumPy and torch are imported)
)
from hpcqrl.interruption import EXIT_STATUS, Interruption
from hpcqrl.options import Describe, DescribeSystem, Evaluate, Export, Nothing, Resume, State, Train
from hpcqrl.parallel.launcher import launched_rank, take_gpu
from hpcqrl.progress import say
from hpcqrl.systems import SYSTEMS, find
from hpcqrl.systems.contract import AnySystem, Config
from hpcqrl.tools import TOOLS, run_tool

USAGE = f"""usage: hpcqrl COMMAND

  train SYSTEM     train agents, one a rank; mpiexec or srun for more than one
  resume FILE      go on with a run that was cut off; mpiexec or srun likewise
  evaluate FILE    play a trained policy from its results file
  export FILE      write a trained policy for use without this package
  describe SYSTEM  its parameters by part, and its circuit; or FILE: a run's
  state FILE       begun, checkpoint (it can be resumed) or complete; its job
  check            under mpiexec or srun: what every rank has, how they talk
  version          versions of this package and of what it runs on

  watch FILE       follow a run while it goes on
  curves FILE...   draw learning curves
  table FILE...    final scores, with intervals over seeds
  speedup FILE...  episodes and seconds to a target, by the number of agents
  scaling          throughput by the number of agents, measured and modelled
  reproduce PAPER  what a paper ran, and a report beside its tables and figures
  data FILE...     what results files hold, for other programs

systems: {", ".join(SYSTEMS)},
or one's own by its module: my_package.reinforce
Each command has --help."""


def main() -> None:
    """Run the command line; the exit status is 0, 1 after a failure, 2 if something was wrong with what was asked."""
    arguments = sys.argv[1:]
    commands: dict[str, Callable[[Sequence[str]], None]] = {
        "train": _train,
        "resume": _resume,
        "evaluate": _evaluate,
        "export": _export,
        "describe": _describe,
        "state": _state,
        "check": _check,
        "version": _version,
        "--version": _version,
    }
    commands |= {name: partial(run_tool, name) for name in TOOLS}
    if arguments and arguments[0] in ("-h", "--help"):
        _say(USAGE)
    elif arguments and arguments[0] in commands:
        try:
            with _wrapped_help() if {"-h", "--help"} & set(arguments) else nullcontext():
                commands[arguments[0]](arguments[1:])
            sys.stdout.flush()
        except BrokenPipeError:  # as in `hpcqrl describe qa3c | head`: nobody wants to read more
            sys.stdout = open(os.devnull, "w")  # noqa: SIM115
            sys.exit(1)
    else:
        _refuse(f"no command {arguments[0]!r}\n\n{USAGE}" if arguments else f"a command is missing\n\n{USAGE}")


@contextmanager
def _wrapped_help() -> Iterator[None]:
    """A block that prints help: tyro wraps all of it but the lines that say what a command is for."""
    text, width = TextIOWrapper(BytesIO(), encoding=sys.stdout.encoding), shutil.get_terminal_size().columns
    try:
        with redirect_stdout(text):
            yield
    finally:
        text.seek(0)
        for line in text.read().splitlines():
            print(line if len(line) <= width or not line[:1].isalpha() else fill(line, width))


def _say(text: str) -> None:
    if launched_rank() == 0:
        say(text)


def _refuse(reason: str) -> NoReturn:
    """End with status 2 and one message for the whole job."""
    if launched_rank() == 0:
        print(f"hpcqrl: {reason}", file=sys.stderr, flush=True)
    sys.exit(2)


def _parse(kind: Any, command: str, arguments: Sequence[str], **start: Any) -> Any:
    with ExitStack() as stack:
        if launched_rank() > 0:  # one rank says what is wrong
            nowhere = stack.enter_context(open(os.devnull, "w"))
            stack.enter_context(redirect_stdout(nowhere))
            stack.enter_context(redirect_stderr(nowhere))
        return tyro.cli(kind, prog=f"hpcqrl {command}", args=arguments, **start)


def _system(command: str, arguments: Sequence[str]) -> tuple[str, AnySystem]:
    if not arguments or arguments[0] in ("-h", "--help"):
        known = ", ".join(SYSTEMS)
        also = ";\nor a RUN.h5" if command == "describe" else ""
        _say(
            f"usage: hpcqrl {command} SYSTEM [options]\n\nsystems: {known},\nor one's own by its module, "
            f"my_package.reinforce{also}\n\nhpcqrl {command} SYSTEM --help"
        )
        sys.exit(0 if arguments else 2)
    try:
        return arguments[0], find(arguments[0])
    except ValueError as error:
        _refuse(str(error))


def _train(arguments: Sequence[str]) -> None:
    interruption = Interruption()  # a signal may come while all is being imported
    name, options = _train_options(arguments)
    interruption.patience = options.patience
    wanted = name, options.system, options.out, options.overwrite, options.checkpoint_every
    losses = options.lose_at_most
    _with_agents(lambda agents, run: run.train(agents, interruption, *wanted), interruption, "", losses, options.gpu)


def _train_options(arguments: Sequence[str]) -> tuple[str, Train[Config]]:
    """The system's name, which --config or --like may say, and the options, which start from theirs."""
    from hpcqrl.written import defaults, read_written, system_of, unchecked

    try:
        written = read_written(arguments)
        first = None if not arguments or arguments[0].startswith("-") else arguments[0]
        said = system_of(written) if first is None else first
        asked = [each for each in arguments if each in ("-h", "--help")]
        name, system = _system("train", asked if said is None else [said])
        rest = arguments if first is None else arguments[1:]
        own, others = defaults(written, name, system.Config, Train, rest)
    except (ValueError, OSError) as error:
        _refuse(str(error))
    start = unchecked(Train, others | {"system": unchecked(system.Config, own)})
    return name, _parse(Train[system.Config], f"train {name}", rest, default=start)  # type: ignore[name-defined]


def _resume(arguments: Sequence[str]) -> None:
    interruption = Interruption()
    options: Resume = _parse(Resume, "resume", arguments)
    interruption.patience = options.patience
    named = asdict(options.named)
    if options.config is not None:
        named = _named_in(options.config) | {name: own for name, own in named.items() if own is not None}

    def resume(agents: Any, run: ModuleType) -> None:
        run.resume(agents, interruption, options.path, run.Named(**named))

    _with_agents(resume, interruption, options.path, options.lose_at_most, options.gpu)


def _named_in(path: str) -> dict[str, str]:
    """What a file of options names of the user's own."""
    from hpcqrl.written import read_written

    try:
        table = read_written(["--config", path]).table
    except (ValueError, OSError) as error:
        _refuse(str(error))
    return {name: str(table[name]) for name in ("env", "circuit", "qpu") if ":" in str(table.get(name, ""))}


def _with_agents(
    do: Callable[[Any, ModuleType], None],
    interruption: Interruption | None = None,
    file: object = "",
    lose_at_most: int = 0,
    gpus: Sequence[str] = (),
) -> None:
    """Start MPI and do it on all ranks; how it ends is the exit status. file: whose fault a refusal is."""
    unknown = take_gpu(gpus)
    try:
        from hpcqrl.parallel.agents import Interrupted, Refused, errors_end_all, start
    except (ImportError, RuntimeError) as error:
        _refuse(f"MPI does not start, {error}: load the cluster's MPI, or install one with the extra `mpich`")
    from hpcqrl import run

    try:
        agents = start(interruption, lose_at_most)
        with errors_end_all(agents):
            with agents.together():  # the first on whose node it is unknown says it
                if unknown:
                    raise ValueError(unknown)
            do(agents, run)
        if interruption is not None:
            interruption.over()
    except Refused as refused:
        _refuse(_of_file(file, str(refused)))
    except Interrupted as interrupted:
        _say(f"interrupted: {interrupted}")
        sys.exit(EXIT_STATUS)


def _evaluate(arguments: Sequence[str]) -> None:
    options: Evaluate = _parse(Evaluate, "evaluate", arguments)

    def evaluate() -> None:
        from hpcqrl.trained import evaluate, load

        run = load(options.run, **asdict(options.named), shots=options.shots, noise=options.noise)
        evaluate(run, options.episodes, options.seed, options.sample, options.video)

    _without_mpi(evaluate, options.run)


def _export(arguments: Sequence[str]) -> None:
    options: Export = _parse(Export, "export", arguments)

    def export() -> None:
        from hpcqrl.trained import load

        run = load(options.run, **asdict(options.named))
        inputs = run.export(options.out, options.with_circuit, options.overwrite)
        print(f"observations [samples, {inputs}] of {run.recorded.config.env}: {options.out}")

    _without_mpi(export, options.run)


def _describe(arguments: Sequence[str]) -> None:
    if arguments and arguments[0].endswith(".h5"):
        options: Describe = _parse(Describe, "describe", arguments)

        def of_a_run() -> None:
            from hpcqrl.description import describe
            from hpcqrl.trained import load
            from hpcqrl.written import as_toml

            run = load(options.run, **asdict(options.named))
            if options.toml:
                own = str(getattr(run.recorded.config, "circuit", None))
                if ":" in own and options.named.circuit is None:
                    raise ValueError(f"its circuit is {own}, which is written down only if you say --circuit {own}")
                if candidates := " ".join(getattr(run.recorded.config, "circuits", ())):
                    raise ValueError(
                        f"its candidates are {candidates}, which a file of options must not have from here"
                    )
                sys.stdout.write(as_toml(run.system, run.recorded.config))
            else:
                describe(run.recorded, run.parameters)

        _without_mpi(of_a_run, options.run)
        return
    name, system = _system("describe", arguments)
    chosen: DescribeSystem[Config] = _parse(DescribeSystem[system.Config], f"describe {name}", arguments[1:])  # type: ignore[name-defined]
    config = chosen.system

    def of_a_system() -> None:
        from hpcqrl.description import describe
        from hpcqrl.recorded import Recorded
        from hpcqrl.written import as_toml

        if chosen.toml:
            sys.stdout.write(as_toml(name, config))
            return
        describe(Recorded(name, system, config, system.circuit(config)))

    _without_mpi(of_a_system)


def _of_file(file: object, text: str) -> str:
    """What is wrong with a file, by its name."""
    return text if str(file) in text else f"{file}: {text}"


def _without_mpi(do: Callable[[], None], file: object = "") -> None:
    """Do it, on every rank or task that is asked to; what is wrong with what was asked, or this file, is one line."""
    take_gpu()
    try:
        do()
    except BrokenPipeError:
        raise
    except (ValueError, OSError, ImportError, MemoryError) as error:
        print(f"hpcqrl: {_of_file(file, str(error))}", file=sys.stderr, flush=True)
        sys.exit(2)


def _state(arguments: Sequence[str]) -> None:
    options: State = _parse(State, "state", arguments)

    def state() -> None:
        from hpcqrl.results.checkpoint import read_checkpoint
        from hpcqrl.results.reader import read_run

        facts = read_checkpoint(options.run, "read as a results file").attributes
        state = "complete" if facts["complete"] else "checkpoint" if "checkpointed" in facts else "begun"
        if state != "checkpoint":  # else rows after it, which a power cut may have damaged, do not count
            read_run(options.run)
        print(f"{state} {facts.get('job', '')}".strip())

    _without_mpi(state)


def _check(arguments: Sequence[str]) -> None:
    _parse(Nothing, "check", arguments)

    def check(agents: Any, run: ModuleType) -> None:
        from hpcqrl.gpus import described
        from hpcqrl.parallel.check import report
        from hpcqrl.rl.optimisers import Adam
        from hpcqrl.sharing_qpus import opened_in_turn

        of_job = opened_in_turn(agents)
        run.compile_kernels(agents)
        report(agents, _native_qpu() + of_job, described(), Adam(1e-4))

    _with_agents(check)


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


def _version(arguments: Sequence[str]) -> None:
    _parse(Nothing, "version", arguments)
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
    _say("\n".join([f"hpcqrl {__version__}", *(f"{package} {version(package)}" for package in packages)]))


if __name__ == "__main__":
    main()
