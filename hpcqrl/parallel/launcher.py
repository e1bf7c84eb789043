"""What the environment says of the MPI launcher, known before MPI itself starts."""

import os

_RANK = ("PMI_RANK", "PMIX_RANK", "OMPI_COMM_WORLD_RANK", "SLURM_PROCID")
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


def lonely(size: int) -> str | None:
    """Why an MPI world of this size cannot be what the launcher meant, or None.

    A process that starts under the launcher of another MPI library often believes to be alone: N runs instead of one.
    """
    found = _first(_SIZE)
    if size != 1 or found is None or found[1] == 1:
        return None
    return (
        f"the launcher started {found[1]} processes ({found[0]}), but this process's MPI library sees only itself; "
        "launcher and library are of two MPI installations: use the mpiexec or srun --mpi=... that belongs to the "
        "library that `hpcqrl check` names"
    )
