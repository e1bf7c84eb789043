"""What can be known of the MPI launcher before MPI itself starts."""

import os
import sys
from collections.abc import Sequence
from pathlib import Path

_RANK = ("PMI_RANK", "PMIX_RANK", "OMPI_COMM_WORLD_RANK", "SLURM_PROCID")
_LOCAL_RANK = ("MPI_LOCALRANKID", "OMPI_COMM_WORLD_LOCAL_RANK", "SLURM_LOCALID")  # Slurm's last: mpiexec runs inside it
_SIZE = ("PMI_SIZE", "OMPI_COMM_WORLD_SIZE", "SLURM_STEP_NUM_TASKS")


def _first(names: tuple[str, ...]) -> tuple[str, int] | None:
    for name in names:
        value = os.environ.get(name, "")
        if value.isdigit():
            return name, int(value)
    return None


def launched_rank() -> int:
    """The rank that the launcher gave this process; 0 where there is none."""
    found = _first(_RANK)
    return found[1] if found else 0


def lonely(size: int, library: str) -> str | None:
    """Why an MPI world of this size cannot be what the launcher meant, or None. library: whose world it is, in words.

    A process that starts under the launcher of another MPI library often believes to be alone: N runs instead of one.
    """
    found = _first(_SIZE)
    if size != 1 or found is None or found[1] == 1:
        return None
    return (
        f"the launcher started {found[1]} processes ({found[0]}), but this process's MPI library, {library}, sees only "
        "itself; launcher and library do not belong together: use the library's own mpiexec, or srun "
        f"{'--mpi=pmix' if 'Open MPI' in library else '--mpi=pmi2'}"
    )


_LAUNCHERS = ("mpiexec", "mpirun", "prterun", "orterun", "srun", "mpiexec.hydra")


def output_is_terminal() -> bool:
    """Whether what this process prints ends on a terminal: its launcher's does, which passes it on through a pipe.

    (Open MPI's gives its ranks a terminal of their own, wherever its output goes.) Without a launcher, or with one on
    another machine, it is this process's own output that counts.
    """
    pid = os.getppid()
    try:
        while pid > 1:
            process = Path(f"/proc/{pid}")
            if (process / "comm").read_text().strip() in _LAUNCHERS:
                return os.readlink(process / "fd" / "1").startswith(("/dev/pts/", "/dev/tty"))
            pid = int((process / "stat").read_text().rsplit(")", 1)[1].split()[1])
    except (OSError, ValueError, IndexError):
        pass
    return sys.stdout.isatty()


def take_gpu(wanted: Sequence[str] = (), driver: Path = Path("/proc/driver/nvidia/gpus")) -> str | None:
    """Leave this process one of the GPUs that it sees, or of those wanted, by its rank on the node; to be called before
    CUDA starts, which MPI may do. None, or in one line why it cannot be.

    wanted: indices among those that it sees, which are CUDA_VISIBLE_DEVICES or else all, or UUIDs, or how these begin.
    Where ranks are more than GPUs, they share them. Without a launcher it is the first that is wanted; if none is,
    nothing changes then, as with one GPU or none.
    """
    installed = sorted(driver.iterdir()) if driver.is_dir() else []
    said = os.environ.get("CUDA_VISIBLE_DEVICES")
    visible = list(map(str, range(len(installed)))) if said is None else said.split(",")
    uuids = list(map(_uuid, installed)) if said is None else visible
    chosen: list[str] = []
    for name in wanted:
        found = [uuid for uuid in uuids if name and uuid.startswith(name)]
        if name.isdecimal():
            found = visible[int(name) : int(name) + 1]
        if len(found) != 1 or not found[0]:
            seen = f"on this machine ({', '.join(uuids)})" if said is None else f"of CUDA_VISIBLE_DEVICES={said}"
            return f"--gpu {name}: it is none of the {len(list(filter(None, visible)))} GPUs {seen}, numbered from 0"
        chosen += found
    local = _first(_LOCAL_RANK)
    if chosen or (local is not None and len(visible) > 1):
        among = chosen or visible
        os.environ["CUDA_VISIBLE_DEVICES"] = among[(local[1] if local else 0) % len(among)]
    return None


def _uuid(gpu: Path) -> str:
    """A GPU's, by its folder of the driver's; "" where it does not say it."""
    try:
        lines = (gpu / "information").read_text(errors="replace").splitlines()
    except OSError:
        return ""
    return next((line.split(":", 1)[1].strip() for line in lines if line.startswith("GPU UUID")), "")
