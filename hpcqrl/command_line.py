"""What the commands do alike: read their options, refuse what is wrong in one line, have the rest done on all ranks."""

import os
import shutil
import sys
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager, redirect_stderr, redirect_stdout
from io import BytesIO, TextIOWrapper
from textwrap import fill
from types import ModuleType
from typing import Any, NoReturn

import tyro

from hpcqrl.interruption import EXIT_STATUS, Interruption
from hpcqrl.lines import say, warn
from hpcqrl.parallel.launcher import launched_rank, take_gpu
from hpcqrl.systems import SYSTEMS, find
from hpcqrl.systems.contract import AnySystem


@contextmanager
def wrapped_help() -> Iterator[None]:
    """A block that prints help: tyro wraps all of it but the lines that say what a command is for."""
    text, width = TextIOWrapper(BytesIO(), encoding=sys.stdout.encoding), shutil.get_terminal_size().columns
    try:
        with redirect_stdout(text):
            yield
    finally:
        text.seek(0)
        for line in text.read().splitlines():
            print(line if len(line) <= width or not line[:1].isalpha() else fill(line, width))


def say_once(text: str) -> None:
    """Print a line for the whole job."""
    if launched_rank() == 0:
        say(text)


def refuse(reason: str) -> NoReturn:
    """End with status 2 and one message for the whole job."""
    if launched_rank() == 0:
        warn(f"hpcqrl: {reason}")
    sys.exit(2)


def parse(kind: Any, command: str, arguments: Sequence[str], **start: Any) -> Any:
    """The options of a command, of this kind; start: tyro's `default`, where it is not the kind's own."""
    with ExitStack() as stack:
        if launched_rank() > 0:  # one rank says what is wrong
            nowhere = stack.enter_context(open(os.devnull, "w"))
            stack.enter_context(redirect_stdout(nowhere))
            stack.enter_context(redirect_stderr(nowhere))
        return tyro.cli(kind, prog=f"hpcqrl {command}", args=arguments, **start)


def system_named(command: str, arguments: Sequence[str]) -> tuple[str, AnySystem]:
    """The system that a command names first, and its name; shows what there is where it names none."""
    if not arguments or arguments[0] in ("-h", "--help"):
        known = ", ".join(SYSTEMS)
        also = ";\nor a RUN.h5" if command == "describe" else ""
        say_once(
            f"usage: hpcqrl {command} SYSTEM [options]\n\nsystems: {known},\nor one's own by its module, "
            f"my_package.reinforce{also}\n\nhpcqrl {command} SYSTEM --help"
        )
        sys.exit(0 if arguments else 2)
    try:
        return arguments[0], find(arguments[0])
    except ValueError as error:
        refuse(str(error))


def with_agents(
    do: Callable[[Any, ModuleType], None],
    interruption: Interruption | None = None,
    file: object = "",
    lose_at_most: int = 0,
    gpus: Sequence[str] = (),
) -> None:
    """Start MPI and do it on all ranks; how it ends is the exit status. file: whose fault a refusal is."""
    unknown = take_gpu(gpus)
    try:
        from hpcqrl.parallel.agents import start
        from hpcqrl.parallel.errors import Interrupted, Refused, errors_end_all
    except (ImportError, RuntimeError) as error:
        refuse(f"MPI does not start, {error}: load the cluster's MPI, or install one with the extra `mpich`")
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
        refuse(_of_file(file, str(refused)))
    except Interrupted as interrupted:
        say_once(f"interrupted: {interrupted}")
        sys.exit(EXIT_STATUS)


def without_mpi(do: Callable[[], None], file: object = "") -> None:
    """Do it, on every rank or task that is asked to; what is wrong with what was asked, or this file, is one line."""
    take_gpu()
    try:
        do()
    except BrokenPipeError:
        raise
    except (ValueError, OSError, ImportError, MemoryError) as error:
        warn(f"hpcqrl: {_of_file(file, str(error))}")
        sys.exit(2)


def _of_file(file: object, text: str) -> str:
    """What is wrong with a file, by its name."""
    return text if str(file) in text else f"{file}: {text}"
