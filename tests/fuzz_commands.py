"""Command lines by chance: python tests/fuzz_commands.py --lines 10000. None may end in a traceback, or not end.

Each is run up to where training would begin: options, environment, circuit, agent. Prints the first that is not right.
"""

import contextlib
import io
import os
import random
import signal
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import get_type_hints

import tyro

ROOT = Path(__file__).resolve().parent.parent
SECONDS = 60  # of processor time that a line may take; the longest are circuits of 28 qubits
HANGS = 600  # seconds after which a line hangs, on a machine however busy
SYSTEMS = ("dist-qtrl", "qa3c", "qdqn-dper", "hdqnn-td3", "ppo")
NUMBERS = (
    *(
        "0",
        "1",
        "2",
        "3",
        "-1",
        "0.5",
        "1e-3",
        "nan",
        "inf",
        "-inf",
        "1e400",
        "1000",
        "100000",
        "1e9",
        "",
        " ",
        "seven",
    ),
    *(str(10**12), str(10**13), str(2**31), str(2**63 - 1), str(2**63), str(2**64), str(10**40), "0x10", "1_000", "٣"),
)
WORDS = (
    *(
        "native",
        "native-gpu",
        "lightning.qubit",
        "default.mixed",
        "default.nothing",
        "CartPole-v1",
        "Pendulum-v1",
        "nowhere:X-v0",
    ),
    *("MiniGrid-Empty-5x5-v0", "own_circuits:ladder", "own_circuits:without_weights", "own_circuits:", ":x", "a:b:c"),
    *(
        "../../etc/passwd",
        "\x1b[31m",
        "ü",
        "x" * 5000,
        "--",
        "-",
        "None",
        "True",
        "quantum",
        "classical",
        "pqc",
        "cuda",
    ),
)
FILES = (
    "qa3c-complete.h5",
    "qa3c-checkpoint.h5",
    "dist-qtrl-complete.h5",
    "hdqnn-td3-complete.h5",
    "none.h5",
    ".",
    "/dev/null",
)


def main(lines: int = 200, seed: int = 0, at_once: int = 50, begin: int = 0) -> None:
    """lines: how many; seed: of chance; at_once: how many a process runs; begin: the number of the first one."""
    done = 0
    with tempfile.TemporaryDirectory() as folder:
        for first in range(begin, begin + lines, at_once):
            command = [
                sys.executable,
                __file__,
                "--some",
                str(seed),
                str(first),
                str(min(at_once, begin + lines - first)),
                folder,
            ]
            variables = os.environ | {"PYTHONPATH": f"{ROOT}:{ROOT / 'tests'}", "COLUMNS": "100"}
            ended = subprocess.run(command, capture_output=True, text=True, env=variables, cwd=folder)
            if ended.returncode:
                where = f"status {ended.returncode}, in lines {first} to {first + at_once}"
                sys.exit(f"{ended.stdout[-6000:]}\n{ended.stderr[-6000:]}\n{where}")
            left = [path.name for path in Path(folder).iterdir()]
            if left:
                sys.exit(f"something is left behind: {left}\n{ended.stdout}")
            done += ended.stdout.count("\n")
    print(f"{done} command lines, no traceback")


def some(seed: int, first: int, number: int, folder: Path) -> None:
    """Run some lines in this process."""
    import hpcqrl.__main__ as command_line
    from hpcqrl import run
    from hpcqrl.memory import as_large_as_memory

    def prepare(agents, interruption, run, out, overwrite, every, resumed=None):
        """Instead of a whole run: what comes before its training."""
        with agents.together(), as_large_as_memory():
            run.system.needs(run.config)
            run.system.Agent(run.config, agents.rank, run.circuit)

    run._run, run.compile_kernels = prepare, lambda agents, noise: None
    exiting = os._exit
    for line in range(first, first + number):
        arguments = by_chance(random.Random(1_000_000 * seed + line), folder)  # noqa: S311
        said, begin = io.StringIO(), time.monotonic()
        signal.setitimer(signal.ITIMER_PROF, SECONDS)  # these end this process, whatever it is in
        signal.alarm(HANGS)
        print(arguments, flush=True)
        status: object = 0
        with contextlib.redirect_stdout(said), contextlib.redirect_stderr(said):
            sys.argv = ["hpcqrl", *arguments]
            os._exit = lambda status: sys.exit(f"os._exit({status})")
            try:
                command_line.main()
            except SystemExit as end:
                status = end.code or 0
            finally:
                os._exit = exiting
        signal.alarm(0)
        signal.setitimer(signal.ITIMER_PROF, 0)
        if status not in (0, 2) or "Traceback" in said.getvalue():
            print(said.getvalue(), f"\nstatus {status} after {time.monotonic() - begin:.1f} s")
            sys.exit(1)


def by_chance(chance: random.Random, folder: Path) -> list[str]:
    """A command line."""
    command = chance.choice(
        ("train",) * 6 + ("describe", "evaluate", "export", "resume", "state", "version", "", "fly")
    )
    if command in ("train", "describe") and chance.random() < 0.9:
        system = chance.choice(SYSTEMS)
        options = [word for _ in range(chance.randrange(5)) for word in an_option(chance, system)]
        out = ["--out", str(folder / "x.h5")] if command == "train" else []
        return [command, system, *options, *out]
    file = chance.choice(FILES)
    path = str(ROOT / "tests/data/0.1.0" / file) if file.endswith("e.h5") or "checkpoint" in file else file
    episodes = ["--episodes", chance.choice(("2", "0", "-3", "x", "nan"))] if command == "evaluate" else []
    named = [
        word
        for name in ("--env", "--system", "--circuit")
        if chance.random() < 0.2
        for word in (name, chance.choice(WORDS))
    ]
    out = ["--out", chance.choice(("x.txt", "", "/proc/x.pt2", "/none/x.pt2"))] if command == "export" else []
    return [command, path, *episodes, *named, *out][: chance.randrange(1, 9)]


def an_option(chance: random.Random, system: str) -> list[str]:
    from hpcqrl.systems import find

    kinds = get_type_hints(find(system).Config)
    name = chance.choice([*kinds, "checkpoint_every", "patience", "overwrite", "nothing"])
    value = chance.choice(NUMBERS if chance.random() < 0.7 else WORDS)
    option = f"--{name.replace('_', '-')}"
    return [option] if chance.random() < 0.1 else [f"{option}={value}"] if chance.random() < 0.2 else [option, value]


if __name__ == "__main__":
    if sys.argv[1:2] == ["--some"]:
        some(*map(int, sys.argv[2:5]), Path(sys.argv[5]))
    else:
        tyro.cli(main)
