"""A rank that blocks is named; who does not need it goes on; a run that was told to end does so without it."""

import os
import re
import signal
import time

import numpy as np
import pytest
from launch import BIN, ROOT, finish, hpcqrl, kill_all, start, worker_pids

from hpcqrl.results.reader import read_run

PATH = {"PYTHONPATH": f"{ROOT}:{ROOT / 'tests'}"}
CLASSICAL = ("--model", "classical")
BLOCKS = ("--env", "odd_environments:Blocks-v0", *CLASSICAL, "--episodes", "10000000")


def begin(system, out, *options, ranks=3, **variables):
    command = (str(BIN / "hpcqrl"), "train", system, *options, "--patience", "6", "--out", str(out))
    return start(*command, ranks=ranks, **(PATH | variables))


def until(process, condition, seconds=90):
    end = time.monotonic() + seconds
    while not condition():
        if process.poll() is not None or time.monotonic() > end:
            kill_all(process)
            raise AssertionError(process.communicate())
        time.sleep(0.1)


def rows(out):
    return len(read_run(out).episodes) if out.exists() else 0


def played_once(out):
    found = read_run(out)
    numbers = np.sort(found.episodes["episode"])
    return found.complete and np.array_equal(numbers, np.arange(found.config["episodes"]))


@pytest.mark.parametrize(("system", "options"), [("qa3c", ()), ("qdqn-dper", ()), ("qa3c", ("--root", "serve"))])
def test_agents_that_never_wait_go_on_without_one_that_blocks(tmp_path, system, options):
    out = tmp_path / "run.h5"
    process = begin(system, out, *BLOCKS, *options, "--checkpoint-every", "1")
    until(process, lambda: rows(out) and "checkpointed" in read_run(out).attributes)
    blocked = until_silent(process, out, agent=2)
    before = rows(out)
    until(process, lambda: rows(out) > before + 500)
    assert (read_run(out).episodes["agent"] == 2).sum() == blocked
    process.terminate()
    done = finish(process)
    assert done.returncode == 75, done
    assert re.search(r"rank 2 has not come to the checkpoint for \d+ s, since ", done.stdout), done.stdout
    assert f"ended without rank 2; all of the others is kept; to go on: hpcqrl resume {out}" in done.stdout, done.stdout
    assert hpcqrl("state", str(out)).stdout == "checkpoint\n"


def until_silent(process, out, agent):
    """Wait until an agent has ended no episode for 5 s; how many it had."""
    had, since = -1, time.monotonic()

    def silent():
        nonlocal had, since
        has = int((read_run(out).episodes["agent"] == agent).sum())
        if has != had:
            had, since = has, time.monotonic()
        return time.monotonic() > since + 5.0

    until(process, silent)
    return had


WAITS = ("--env", "odd_environments:Waits-v0", *CLASSICAL, "--learning-rate", "1e-9")  # so that episodes stay short


@pytest.mark.parametrize("system", ["qa3c", "qdqn-dper"])
def test_what_a_lost_rank_had_begun_is_played_after_the_resumption(tmp_path, system):
    out, wait = tmp_path / "run.h5", tmp_path / "wait"
    length = ("--episodes", "6000", "--checkpoint-every", "0.3")
    process = begin(system, out, *WAITS, *length, ranks=3, HPCQRL_TEST_WAIT=str(wait))
    until(process, lambda: rows(out) > 300)
    wait.touch()
    time.sleep(2.0)  # the others end episodes that were begun after those of the one that waits
    process.send_signal(signal.SIGUSR1)
    done = finish(process)
    assert done.returncode == 75 and "ended without rank 2; all of the others is kept" in done.stdout, done
    assert 300 < rows(out) < 6000
    wait.unlink()
    again = ("--env", "odd_environments:Waits-v0")
    done = hpcqrl("resume", str(out), *again, ranks=3, HPCQRL_TEST_WAIT=str(wait), **PATH)
    assert done.returncode == 0 and played_once(out), done


def test_a_rank_that_comes_back_is_one_of_them_again(tmp_path):
    out, wait = tmp_path / "run.h5", tmp_path / "wait"
    length = ("--episodes", "30000", "--checkpoint-every", "0.5")
    process = begin("qa3c", out, *WAITS, *length, ranks=3, HPCQRL_TEST_WAIT=str(wait))
    until(process, lambda: rows(out) > 300)
    wait.touch()
    for _ in range(2):  # the first may have been under way
        last = read_run(out).attributes.get("checkpointed")
        until(process, lambda last=last: read_run(out).attributes.get("checkpointed") != last)
    wait.unlink()
    done = finish(process, timeout=200)
    assert done.returncode == 0 and played_once(out), done
    assert "rank 2 has not come to the checkpoint" in done.stdout and "rank 2 is back" in done.stdout, done.stdout
    found = read_run(out).episodes
    assert found["time"][found["agent"] == 2].max() > found["time"].max() - 2.0


@pytest.mark.parametrize(("system", "victim"), [("dist-qtrl", 1), ("dist-qtrl", 0), ("hdqnn-td3", 2)])
def test_agents_in_step_name_the_one_they_wait_for_and_end_without_it(tmp_path, system, victim):
    out = tmp_path / "run.h5"
    length = {
        "dist-qtrl": ("--env", "CartPole-v1", *CLASSICAL, "--episodes", "1000000"),
        "hdqnn-td3": ("--block", "zeros", "--hidden", "8", "--steps", "1000000", "--random-steps", "10"),
    }[system]
    process = begin(system, out, *length, "--checkpoint-every", "0.5", ranks=3)
    until(process, lambda: rows(out) and "checkpointed" in read_run(out).attributes)
    stopped = rank(process, victim)
    os.kill(stopped, signal.SIGSTOP)
    time.sleep(5.0)
    for pid in set(worker_pids(process.pid)) - {stopped}:
        os.kill(pid, signal.SIGUSR1)
    done = finish(process)
    assert done.returncode == 75 and re.search(rf"rank {victim} has not come for \d+ s, since ", done.stdout), done
    assert f"ended without rank {victim}; what was kept before can be resumed" in done.stdout, done
    assert hpcqrl("state", str(out)).stdout == "checkpoint\n"


def test_the_second_signal_ends_at_once(tmp_path):
    out = tmp_path / "run.h5"
    process = begin("qa3c", out, *BLOCKS, "--checkpoint-every", "1000", "--patience", "1000")
    until(process, lambda: rows(out) > 1000)
    process.send_signal(signal.SIGUSR1)
    time.sleep(2.0)
    process.send_signal(signal.SIGUSR1)
    done = finish(process, timeout=20)
    assert done.returncode == 75 and "ended without rank 2; all of the others is kept" in done.stdout, done


def test_who_holds_the_mutex_and_stops_is_named(tmp_path):
    code = """
import os, signal, sys, time
from hpcqrl.parallel import waiting
from hpcqrl.parallel.agents import start
from hpcqrl.parallel.window import Window

class Told:
    patience = 2.0
    def ends_after(self, seconds):
        return seconds > 2.0

agents = start(Told())
window = Window(agents, 64)
if agents.rank == 1:
    window.__enter__()
agents.barrier()
if agents.rank == 1:
    os.kill(os.getpid(), signal.SIGSTOP)
with window:
    print("never")
"""
    done = finish(start("python", "-m", "mpi4py", "-c", code, ranks=2, PATH=f"{BIN}:{os.environ['PATH']}"))
    assert done.returncode == 75 and re.search(r"rank 1 has not answered for \d+ s, since ", done.stdout), done


def rank(process, number):
    """The process of this rank."""
    for pid in worker_pids(process.pid):
        with open(f"/proc/{pid}/environ") as file:
            if f"PMI_RANK={number}\0" in file.read():
                return pid
    raise AssertionError(f"no rank {number}")
