"""The command line: hpcqrl train | resume | evaluate | ..., and the tools."""

import os
import sys
from collections.abc import Callable, Sequence
from contextlib import nullcontext
from functools import partial

from hpcqrl import one_thread  # noqa: F401  (before NumPy and torch are imported)
from hpcqrl.command_line import refuse, say_once, wrapped_help
from hpcqrl.commands import check, describe, evaluate, export, resume, state, train, version
from hpcqrl.systems import SYSTEMS
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
        "train": train,
        "resume": resume,
        "evaluate": evaluate,
        "export": export,
        "describe": describe,
        "state": state,
        "check": check,
        "version": version,
        "--version": version,
    }
    commands |= {name: partial(run_tool, name) for name in TOOLS}
    if arguments and arguments[0] in ("-h", "--help"):
        say_once(USAGE)
    elif arguments and arguments[0] in commands:
        try:
            with wrapped_help() if {"-h", "--help"} & set(arguments) else nullcontext():
                commands[arguments[0]](arguments[1:])
            sys.stdout.flush()
        except BrokenPipeError:  # as in `hpcqrl describe qa3c | head`: nobody wants to read more
            sys.stdout = open(os.devnull, "w")  # noqa: SIM115
            sys.exit(1)
    else:
        refuse(f"no command {arguments[0]!r}\n\n{USAGE}" if arguments else f"a command is missing\n\n{USAGE}")


if __name__ == "__main__":
    main()
