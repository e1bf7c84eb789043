"""Start programs under mpiexec, so that whatever happens to them, the test goes on."""

import os
import signal
import subprocess
import sys
import time
from contextlib import suppress
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
BIN = Path(sys.executable).parent
_LAUNCHER = ("PMI_", "PMIX_", "OMPI_", "PRTE_", "HYDRA_", "SLURM_")

OPEN_MPI = {  # what it needs to run as root, and with more ranks than cores
    "OMPI_ALLOW_RUN_AS_ROOT": "1",
    "OMPI_ALLOW_RUN_AS_ROOT_CONFIRM": "1",
    "PRTE_MCA_rmaps_default_mapping_policy": ":oversubscribe",
}


def clean_environment(**variables: str) -> dict[str, str]:
    """This process's environment without traces of a launcher."""
    kept = {name: value for name, value in os.environ.items() if not name.startswith(_LAUNCHER)}
    return kept | {"PYTHONPATH": str(ROOT)} | variables


def start(*command: str, ranks: int | None = None, **variables: str) -> subprocess.Popen[str]:
    """Start a command in a session of its own; under mpiexec if ranks are given."""
    launcher = [] if ranks is None else [str(BIN / "mpiexec"), "-n", str(ranks)]
    return subprocess.Popen(
        [*launcher, *command],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        env=clean_environment(**variables),
        cwd=ROOT,
        start_new_session=True,
    )


PATIENCE = 600.0  # seconds until a test that hangs is ended; not a claim, and no test comes near it


def finish(process: subprocess.Popen[str], timeout: float = PATIENCE) -> subprocess.CompletedProcess[str]:
    """Wait for it; after `timeout` seconds end it and all that it started, and fail."""
    try:
        output, errors = process.communicate(timeout=timeout)
    except subprocess.TimeoutExpired:
        kill_all(process)
        output, errors = process.communicate()
        raise AssertionError(f"still running after {timeout} s\n{output}\n{errors}") from None
    except KeyboardInterrupt:
        kill_all(process)
        raise
    return subprocess.CompletedProcess(process.args, process.returncode, output, errors)


def kill_all(process: subprocess.Popen[str]) -> None:
    """End it and all that it started, and wait until they are gone; mpiexec's ranks are in sessions of their own."""
    pids = [process.pid, *_below(process.pid, _children())]
    for pid in pids:
        with suppress(ProcessLookupError):
            os.kill(pid, signal.SIGKILL)
    while any(_alive(pid) for pid in pids):
        time.sleep(0.01)


def _alive(pid: int) -> bool:
    try:
        with open(f"/proc/{pid}/stat") as file:
            return file.read().rsplit(")", 1)[1].split()[0] != "Z"
    except OSError:
        return False


def run(*command: str, ranks: int | None = None, timeout: float = PATIENCE, **variables: str):
    """Start a command and wait for it."""
    return finish(start(*command, ranks=ranks, **variables), timeout)


def hpcqrl(*arguments: str, ranks: int | None = None, timeout: float = PATIENCE, **variables: str):
    """Run the command line."""
    return run(str(BIN / "hpcqrl"), *arguments, ranks=ranks, timeout=timeout, **variables)


def worker_pids(launcher: int) -> list[int]:
    """The ranks under an mpiexec, in no order."""
    children, found = _children(), []
    for pid in _below(launcher, children):
        try:
            with open(f"/proc/{pid}/cmdline") as file:
                if "/hpcqrl\0" in file.read() and not children.get(pid):
                    found.append(pid)
        except OSError:
            continue
    return found


def below(ancestor: int) -> list[int]:
    """The processes that it started, and those that they did."""
    return _below(ancestor, _children())


def _below(ancestor: int, children: dict[int, list[int]]) -> list[int]:
    return [pid for child in children.get(ancestor, []) for pid in (child, *_below(child, children))]


def _children() -> dict[int, list[int]]:
    found: dict[int, list[int]] = {}
    for entry in filter(str.isdigit, os.listdir("/proc")):
        try:
            with open(f"/proc/{entry}/stat") as file:
                found.setdefault(int(file.read().rsplit(")", 1)[1].split()[1]), []).append(int(entry))
        except OSError:
            continue
    return found
