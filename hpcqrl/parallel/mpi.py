"""MPI, started as this package wants it, whichever of its modules comes first: all import it from here."""

import os
import warnings

import mpi4py

_SAID = "OMPI_MCA_mpi_ft_enable"  # by Open MPI's `mpirun --with-ft ulfm`
_FAULT_TOLERANT = os.environ.get(_SAID) == "1"
if _FAULT_TOLERANT:  # else its end waits for a lost rank, too, about once in ten times
    os.environ.setdefault("OMPI_MCA_async_mpi_finalize", "1")
if "MPI4PY_RC_THREAD_LEVEL" not in os.environ:  # one thread at a time; with several, a push takes twice as long
    mpi4py.rc.thread_level = "serialized"
with warnings.catch_warnings():
    warnings.filterwarnings("ignore", "suspicious MPI execution environment")  # `lonely` says it, once, with the cure
    from mpi4py import MPI


def can_lose() -> bool:
    """Whether this MPI goes on when a rank is lost."""
    return _FAULT_TOLERANT and MPI.Get_library_version().startswith("Open MPI")


__all__ = ["MPI", "can_lose"]
