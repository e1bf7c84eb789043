"""An asynchronous run goes on without agents that are lost, where the MPI can, and loses no episode and no push."""

import json
import os
import random
import signal
import time

import numpy as np
import pytest
from launch import OPEN_MPI, finish, hpcqrl, kill_all, start
from lose_often import OPTIONS, lose, rank_pids

from hpcqrl.parallel.losses import Losses
from hpcqrl.results.reader import read_run
from hpcqrl.results.schema import EPISODE, named, row_dtype


@pytest.mark.parametrize(("system", "victims", "told"), [("qa3c", 2, False), ("qdqn-dper", 1, True)])
def test_a_run_that_loses_agents_ends_with_each_episode_once(open_mpi, tmp_path, system, victims, told):
    chance = random.Random()  # noqa: S311
    killed, again, gap = lose(open_mpi, tmp_path / "run.h5", chance, 4, victims, 1000, system, told)
    assert killed == 0 or again > 0 or told, "what was at play when its agent was killed"
    assert gap < 5.0, "on a busy machine; it is some hundredths of a second"


PUSHES = """
import json, os, signal, sys, time
import numpy as np
from hpcqrl.parallel.agents import start
from hpcqrl.parallel.served_parameters import ServedParameters

class Sum:
    rows = 0
    def step(self, theta, state, steps, gradient):
        theta += gradient

size = int(sys.argv[1])
agents = start(lose_at_most=2)
shared = ServedParameters(agents, np.zeros(size), Sum(), ("episodes",))
pushes, begin = 0, time.monotonic()
if agents.rank in (1, 3):
    signal.setitimer(signal.ITIMER_REAL, 0.2 * agents.rank + np.random.default_rng().uniform(0.0, 0.1))  # its end
if shared.acts:
    while time.monotonic() < begin + 1.5:
        theta, version = shared.push(np.full(size, 2.0 ** (17 * (agents.rank - 1))))
        pushes += 1
    shared.count("episodes")
rows = np.empty(0, [("episode", int), ("agent", int), ("lost", int)])
theta = shared.finish(lambda: agents.losses.keep(rows) if agents.rank == 0 else None)
shared.close()
print(json.dumps([agents.rank, pushes, sorted(set(theta)), shared.state()["version"].item()]))
"""


@pytest.mark.parametrize("size", [7581])  # of messages that wait for their receiver
def test_theta_is_the_sum_of_the_pushes_of_the_living_and_of_whole_ones_of_the_lost(open_mpi, size):
    launched = str(open_mpi / "mpirun"), "--with-ft", "ulfm", "--bind-to", "none", "-n", "4"
    done = finish(start(*launched, str(open_mpi / "python"), "-c", PUSHES, str(size), **OPEN_MPI), 60)
    assert done.returncode == 0, done
    found = {facts[0]: facts[1:] for line in done.stdout.splitlines() if line[0] == "[" for facts in [json.loads(line)]}
    assert sorted(found) == [0, 2] and all(f"rank {lost} has been lost" in done.stdout for lost in (1, 3)), done
    assert found[0][1] == found[2][1] and len(found[0][1]) == 1, "a push in part"
    counts = [int(found[0][1][0]) >> 17 * place & 2**17 - 1 for place in range(3)]  # of pushes, by agent
    assert counts[1] == found[2][0] and min(counts) > 0 and sum(counts) == found[0][2]


def begin(open_mpi, out, options):
    launched = str(open_mpi / "mpirun"), "--with-ft", "ulfm", "--bind-to", "none", "-n", "4"
    train = ("train", *options, "--episodes", "1000000", "--checkpoint-every", "0.2", "--out", str(out))
    process = start(*launched, str(open_mpi / "python"), "-m", "hpcqrl", *train, **OPEN_MPI)
    while process.poll() is None and not (out.exists() and "checkpointed" in read_run(out).attributes):
        time.sleep(0.1)
    return process, rank_pids(process.pid, 4)


@pytest.mark.parametrize(
    ("victims", "message"), [((1, 3), "and with --lose-at-most 1 the run ends"), ((0,), "is lost")]
)
def test_where_more_are_lost_or_the_root_all_end(open_mpi, tmp_path, victims, message):
    out = tmp_path / "run.h5"
    process, pids = begin(open_mpi, out, ("qa3c", *OPTIONS["qa3c"], "--lose-at-most", "1"))
    for victim in victims:
        os.kill(pids[victim], signal.SIGKILL)
        time.sleep(0.3)
    try:
        done = finish(process, 30)
    finally:
        kill_all(process)
    assert done.returncode not in (0, 75) and message in done.stderr, done
    assert hpcqrl("state", str(out)).stdout == "checkpoint\n"


def test_without_the_option_all_end_where_the_launcher_would_let_them_go_on(open_mpi, tmp_path):
    out = tmp_path / "run.h5"
    options = ("dist-qtrl", "--env", "CartPole-v1", "--model", "classical", "--patience", "4")
    process, pids = begin(open_mpi, out, options)
    os.kill(pids[1], signal.SIGKILL)
    try:
        done = finish(process, 60)
    finally:
        kill_all(process)
    assert done.returncode not in (0, 75) and "lost" in done.stderr, done


def test_what_cannot_go_on_is_refused_in_a_line(open_mpi, tmp_path):
    train = ("train", "qa3c", *OPTIONS["qa3c"], "--out", str(tmp_path / "run.h5"))
    for ranks, number, message in ((3, 1, "this MPI ends when a rank is lost"), (2, 1, "0..0"), (3, -1, "0..1")):
        done = hpcqrl(*train, "--lose-at-most", str(number), ranks=ranks)
        assert done.returncode == 2 and message in done.stderr and done.stderr.count("\n") == 1, done
    launched = str(open_mpi / "mpirun"), "--with-ft", "ulfm", "-n", "3", str(open_mpi / "python"), "-m", "hpcqrl"
    for system, *options in (("dist-qtrl",), ("qa3c", "--model", "classical", "--root", "act")):
        done = finish(start(*launched, "train", system, *options, "--lose-at-most", "1", **OPEN_MPI))
        assert done.returncode == 2 and "lose-at-most" in done.stderr, done


HELD = row_dtype(EPISODE + named("lost"))


def rows(*played):
    found = np.zeros(len(played), HELD)
    found["episode"], found["agent"] = zip(*played, strict=True) if played else ((), ())
    return found


def test_what_a_lost_agent_had_begun_is_given_to_others_and_its_late_rows_count_no_more():
    losses, counters = Losses(at_most=2), dict.fromkeys(("episodes", "finished", "left", "resting"), 0)
    losses.begin([[], [], [], []])
    count = lambda rank, name, increment=1: losses.count(counters, name, increment, rank)  # noqa: E731
    assert [count(rank, "episodes") for rank in (1, 2, 3, 2)] == [0, 1, 2, 3]
    losses.lost = {2}
    assert losses.keep(rows((1, 2)))["episode"].tolist() == [1]  # had arrived
    assert losses.keep(rows((3, 2))).size == 0  # too late: 3 is for others
    assert count(1, "left", 0) == 1
    losses.keep(rows((0, 1), (2, 3)))
    assert [count(rank, "episodes") for rank in (1, 1, 3)] == [3, 4, 5]
    assert losses.keep(rows((3, 1)))["lost"].tolist() == [1]
    assert [count(rank, "finished") for rank in (1, 3)] == [2, 3]  # the lost one has no more to do
    assert losses.at_end() == 3
