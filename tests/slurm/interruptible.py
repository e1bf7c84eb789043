#!/usr/bin/env python3
"""In hpcqrl's place: trains until it is interrupted, writes a checkpoint then, and ends at once when resumed.

The ranks end one after the other, with status 75, as ranks under load do.
"""

import signal
import sys
import time

import h5py
import numpy as np
from mpi4py import MPI

command, arguments = sys.argv[1], sys.argv[2:]
out = arguments[0] if command == "resume" else arguments[arguments.index("--out") + 1]
signals: list[int] = []
for number in (signal.SIGUSR1, signal.SIGTERM):
    signal.signal(number, lambda number, frame: signals.append(number))
comm = MPI.COMM_WORLD
rank = comm.Get_rank()


def write(**attributes: object) -> None:
    if rank == 0:
        with h5py.File(out, "w" if command == "train" else "r+") as file:
            run = {"system": "none", "format": 1, "config": "{}", "seed": 0, "agents": comm.Get_size()}
            file.attrs.update(run | {"complete": False} | attributes)
            file.require_dataset("episodes", (0,), np.dtype([("episode", "<i8")]))
    comm.Barrier()


if command == "train":
    write()
    if rank == 0:
        print("training", flush=True)
    while not comm.allreduce(len(signals)):
        time.sleep(0.05)
    write(checkpointed=time.time())
else:
    write(complete=True)
MPI.Finalize()
time.sleep(0.3 * rank)
sys.exit(75 if command == "train" else 0)
