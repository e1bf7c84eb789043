"""MPI, started as this package wants it, whichever of its modules comes first: all import it from here."""

import warnings

import mpi4py

mpi4py.rc.thread_level = "funneled"  # one thread a rank; for several, every one-sided operation takes twice as long
with warnings.catch_warnings():
    warnings.filterwarnings("ignore", "suspicious MPI execution environment")  # `lonely` says it, once, with the cure
    from mpi4py import MPI

__all__ = ["MPI"]
