"""MPI, started as this package wants it, whichever of its modules comes first: all import it from here."""

import os
import warnings

import mpi4py

FAULT_TOLERANT = "OMPI_MCA_mpi_ft_enable"  # what Open MPI's `mpirun --with-ft ulfm` tells the ranks
if os.environ.get(FAULT_TOLERANT) == "1":  # else its end waits for a lost rank, too, about once in ten times
    os.environ.setdefault("OMPI_MCA_async_mpi_finalize", "1")
mpi4py.rc.thread_level = "funneled"  # one thread a rank; for several, every one-sided operation takes twice as long
with warnings.catch_warnings():
    warnings.filterwarnings("ignore", "suspicious MPI execution environment")  # `lonely` says it, once, with the cure
    from mpi4py import MPI

__all__ = ["FAULT_TOLERANT", "MPI"]
