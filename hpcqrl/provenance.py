"""What a results file says of where it comes from."""

import json
import os
import platform
import shlex
import socket
import sys
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from datetime import UTC, datetime
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

import hpcqrl
from hpcqrl.parallel.agents import Agents, library
from hpcqrl.recorded import Recorded
from hpcqrl.results.schema import FORMAT

PACKAGES = ("numpy", "numba", "torch", "pennylane", "gymnasium", "minigrid", "envpool")
_JOB = ("SLURM_JOB_ID", "PBS_JOBID", "LSB_JOBID", "FLUX_JOB_ID")


def attributes(
    run: Recorded, agents: Agents, every: float, before: Mapping[str, Any], episodes: int, qpus: Sequence[str]
) -> dict[str, Any]:
    """The root attributes of a run's file. before: those of the file that it goes on with, of so many episodes; qpus:
    each rank's of the job's QPUs, if it is on those.
    """
    now, command = datetime.now(UTC).isoformat(timespec="seconds"), command_line()
    acting = int(agents.size - agents.root_serves)
    start = {"time": now, "agents": acting, "episodes": episodes, "command": command}
    start |= {"qpus": list(qpus)} if qpus else {}
    return {
        "format": FORMAT,
        "system": run.name,
        "config": json.dumps(asdict(run.config)),
        "counts_each_agent": run.system.FACTS.counts_each_agent,
        "synchronous": run.system.FACTS.synchronous,
        "seed": run.config.seed,
        "agents": acting,
        "root": "serves" if agents.root_serves else "acts",
        "created": before.get("created", now),
        "history": json.dumps([*json.loads(before.get("history", "[]")), start]),
        "checkpoint_every": every,
        "job": next((os.environ[name] for name in _JOB if os.environ.get(name)), ""),
        "command": before.get("command", command),
        "host": _line(socket.gethostname()),
        "cpu": cpu(),
        "gpu": gpu(),
        "commit": commit(Path(hpcqrl.__file__).resolve().parent.parent),
        "hpcqrl": hpcqrl.__version__,
        "python": platform.python_version(),
        **{name: _version(name) for name in PACKAGES},
        "mpi": library(),
    }


def command_line() -> str:
    """What this process was started with, as a shell would take it; the program by its name alone."""
    program, *arguments = sys.argv or [""]
    return _line(shlex.join([Path(program).name, *arguments]))


def cpu() -> str:
    """The processor's name, and how many cores this rank may use."""
    names = _values(Path("/proc/cpuinfo"), "model name")
    cores = len(os.sched_getaffinity(0))
    return f"{names[0] if names else platform.machine()}, {cores} core{'s' * (cores > 1)}"


def gpu(driver: Path = Path("/proc/driver/nvidia/gpus")) -> str:
    """The machine's GPUs by their driver, which does not start CUDA; empty where there are none."""
    names = [name for each in sorted(driver.glob("*/information")) for name in _values(each, "Model")]
    return ", ".join(f"{names.count(name)} x {name}" for name in dict.fromkeys(names))


def commit(checkout: Path) -> str:
    """The commit that is checked out in this folder; empty where it is no checkout. Git itself is not needed."""
    try:
        git = checkout / ".git"
        if git.is_file():  # of a worktree: the name of its folder
            git = checkout / git.read_text().strip().removeprefix("gitdir: ")
        head = (git / "HEAD").read_text().strip()
        if not head.startswith("ref: "):
            return _line(head)
        branch = head.removeprefix("ref: ")
        shared = git / (git / "commondir").read_text().strip() if (git / "commondir").exists() else git
        for folder in (git, shared):
            if (folder / branch).is_file():
                return _line((folder / branch).read_text().strip())
        packed = (line.split() for line in (shared / "packed-refs").read_text().splitlines())
        return next((_line(words[0]) for words in packed if words[1:] == [branch]), "")
    except (OSError, ValueError):
        return ""


def _values(path: Path, key: str) -> list[str]:
    """What a file of lines `key : value` says of a key."""
    try:
        pairs = [line.split(":", 1) for line in path.read_text(errors="replace").splitlines() if ":" in line]
    except OSError:
        return []
    return [_line(value.strip()) for name, value in pairs if name.strip() == key]


def _version(package: str) -> str:
    try:
        return version(package)
    except PackageNotFoundError:
        return ""


def _line(text: str) -> str:
    """A text as a results file takes it: one printable line."""
    return "".join(character if character.isprintable() else "?" for character in text)
