"""Shared parameters lose no push, tear no read, and need no attention from the root; started by ../test_parallel.py."""

import time

import numpy as np
import pytest
from mpi4py import MPI

from hpcqrl.parallel.agents import Agents
from hpcqrl.parallel.shared_parameters import SharedParameters
from hpcqrl.rl.optimisers import Adam, RMSprop

pytestmark = pytest.mark.mpi
MODES = ["mutex", "accumulate"]
PUSHES = 300


class PlainDescent:
    """theta falls by the gradient."""

    rows = 0

    def step(self, theta, state, steps, gradient):
        theta -= gradient


@pytest.fixture(params=[MPI.COMM_SELF, MPI.COMM_WORLD], ids=["self", "world"])
def agents(request):
    return Agents(request.param)


@pytest.mark.parametrize("mode", MODES)
@pytest.mark.parametrize("size", [1, 244, 7581])
def test_no_push_is_lost(agents, mode, size):
    shared = SharedParameters(agents, np.zeros(size), PlainDescent(), mode=mode)
    shared.pull()
    for _ in range(PUSHES):
        shared.push(np.ones(size))
    agents.comm.Barrier()
    theta, version = shared.pull()
    assert version == PUSHES * agents.size
    assert np.array_equal(theta, np.full(size, -float(version)))
    agents.comm.Barrier()
    shared.close()


def test_no_read_mixes_two_versions(agents):
    """Every push takes 1 from every number, so that a theta of one version is -version throughout."""
    shared = SharedParameters(agents, np.zeros(7581), PlainDescent())
    for k in range(PUSHES):
        theta, version = shared.push(np.ones(7581)) if (k + agents.rank) % 2 else shared.pull()
        assert theta.min() == theta.max() == -version
    agents.comm.Barrier()
    shared.close()


def test_counters_hand_out_every_number_once(agents):
    shared = SharedParameters(agents, np.zeros(3), PlainDescent(), counters=("episodes", "steps"))
    mine = [shared.count("episodes") for _ in range(PUSHES)]
    shared.count("steps", 5)
    everyone = [number for numbers in agents.comm.allgather(mine) for number in numbers]
    assert sorted(everyone) == list(range(PUSHES * agents.size))
    assert shared.count("episodes", 0) == PUSHES * agents.size and shared.count("steps", 0) == 5 * agents.size
    agents.comm.Barrier()
    shared.close()


@pytest.mark.parametrize("optimiser", [Adam(1e-2, (0.92, 0.999)), RMSprop(1e-3)])
@pytest.mark.parametrize("mode", MODES)
def test_one_agent_alone_takes_the_optimisers_steps(optimiser, mode):
    random = np.random.default_rng(0)
    theta, state = random.normal(size=20), np.zeros((optimiser.rows, 20))
    shared = SharedParameters(Agents(MPI.COMM_SELF), theta, optimiser, mode=mode)
    shared.pull()
    for step in range(50):
        gradient = random.normal(size=20)
        optimiser.step(theta, state, step, gradient)
        found, version = shared.push(gradient)
        assert np.allclose(found, theta, rtol=0, atol=1e-14) and version == step + 1
    shared.close()


@pytest.mark.parametrize("mode", MODES)
def test_a_root_that_computes_does_not_stop_the_others(mode):
    """For 3 s the root calls no MPI function; on one node the others go on meanwhile."""
    agents = Agents(MPI.COMM_WORLD)
    shared = SharedParameters(agents, np.zeros(244), Adam(1e-4), mode=mode)
    agents.comm.Barrier()
    slowest = 0.0
    if agents.rank == 0:
        time.sleep(3.0)
    else:
        end = time.monotonic() + 2.5
        while (begin := time.monotonic()) < end:
            shared.push(np.ones(244))
            slowest = max(slowest, time.monotonic() - begin)
    assert slowest < 2.0  # one that waits for the root takes longer
    agents.comm.Barrier()
    assert agents.size == 1 or shared.pull()[1] > 100
    agents.comm.Barrier()
    shared.close()
