"""What agents do together; started under mpiexec by ../test_parallel.py."""

import time

import numpy as np
import pytest
from mpi4py import MPI

from hpcqrl.parallel import arrays
from hpcqrl.parallel.agents import Agents
from hpcqrl.parallel.errors import Refused
from hpcqrl.parallel.records import RecordStream

pytestmark = pytest.mark.mpi
WORLD = [MPI.COMM_SELF, MPI.COMM_WORLD]


@pytest.fixture(params=WORLD, ids=["self", "world"])
def agents(request):
    return Agents(request.param)


def test_the_mean_is_that_of_all_vectors(agents):
    vectors = [np.random.default_rng(rank).normal(size=2529) for rank in range(agents.size)]
    assert np.allclose(agents.mean(vectors[agents.rank]), np.mean(vectors, axis=0), rtol=0, atol=1e-15)


def test_the_mean_has_the_same_bits_everywhere(agents):
    mean = agents.mean(np.random.default_rng(agents.rank).normal(size=2529))
    agents.check_equal(mean, "the mean")


def test_a_rank_that_strays_is_found(agents):
    vector = np.zeros(10)
    vector[3] = 1e-300 if agents.rank == agents.size - 1 else 0.0
    if agents.size == 1:
        agents.check_equal(vector, "theta")
    else:
        with pytest.raises(RuntimeError, match="theta is no longer the same on all"):
            agents.check_equal(vector, "theta")


def test_one_that_fails_fails_all(agents):
    failing = agents.size - 1
    with pytest.raises(Refused, match="no such luck"), agents.together():
        if agents.rank == failing:
            raise ValueError("no such luck")
    with agents.together():
        pass


def test_text_is_gathered_in_order(agents):
    texts = agents.gather_text("ä" * agents.rank)
    assert texts == ["ä" * rank for rank in range(agents.size)]


def test_the_first_on_a_node_is_done_before_the_others_begin(agents):
    with agents.first_on_each_node() as first:
        begin = time.monotonic()
        if first:
            time.sleep(0.2)
        end = time.monotonic()
    assert first == (agents.rank == 0)
    first_end = agents.comm.bcast(end if first else None)
    assert first or begin >= first_end


def test_no_record_is_lost_or_doubled(agents):
    dtype = np.dtype([("agent", "<i4"), ("number", "<i8")])
    stream = RecordStream(agents, dtype)
    collected = []
    end = time.monotonic() + 2.0
    number = 0
    while time.monotonic() < end or (agents.rank == 0 and len(collected) < 2):
        stream.put((agents.rank, number))
        number += 1
        rows = stream.poll()
        assert agents.rank == 0 or rows is None
        if rows is not None:
            collected.append(rows)
        time.sleep(0.001)
    rows = stream.collect()
    numbers = agents.comm.allgather(number)
    if agents.rank == 0:
        assert len(collected) >= 2 and collected[0].size, "they arrive while the run goes on"
        everything = np.sort(np.concatenate([*collected, rows]), order=["agent", "number"])
        expected = [(rank, k) for rank in range(agents.size) for k in range(numbers[rank])]
        assert everything.tolist() == expected
    else:
        assert rows is None


def test_arrays_of_many_messages_arrive_whole(agents, monkeypatch):
    monkeypatch.setattr(arrays, "_PIECE", 1000)  # bytes
    own = {"rank": np.array(agents.rank), "many": np.arange(5000.0) + agents.rank, "none": np.empty((0, 3), np.int8)}
    states = arrays.gather(agents, own)
    back = arrays.scatter(agents, states)
    assert (states is None) == (agents.rank > 0) and back.keys() == own.keys()
    assert all(np.array_equal(back[name], value) and back[name].dtype == value.dtype for name, value in own.items())
