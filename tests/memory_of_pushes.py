"""Under mpiexec: how much each rank grows over many pushes, pulls and counts. Argument: mutex, accumulate or serve."""

import os
import sys

import numpy as np
from mpi4py import MPI

from hpcqrl.parallel.agents import Agents
from hpcqrl.parallel.served_parameters import ServedParameters
from hpcqrl.parallel.shared_parameters import SharedParameters
from hpcqrl.rl.optimisers import Adam

kind, pushes = sys.argv[1], 200_000
agents, theta, gradient = Agents(MPI.COMM_WORLD), np.zeros(20), np.ones(20)
if kind == "serve":
    shared = ServedParameters(agents, theta, Adam(1e-9), ("episodes",))
else:
    shared = SharedParameters(agents, theta, Adam(1e-9), ("episodes",), kind)


def kilobytes() -> int:
    with open("/proc/self/statm") as file:
        return int(file.read().split()[1]) * os.sysconf("SC_PAGE_SIZE") // 1024


before = kilobytes()
mine = pushes // (agents.size - (kind == "serve"))
for number in range(mine if shared.acts else 0):
    shared.push(gradient)
    if number % 10 == 0:
        shared.count("episodes")
        shared.renew_target()
        shared.target()
    if number == mine // 4:
        before = kilobytes()  # what is only allocated once is there by now
shared.finish(lambda: None)
print(f"rank {agents.rank} grew by {kilobytes() - before} kB", flush=True)
shared.close()
