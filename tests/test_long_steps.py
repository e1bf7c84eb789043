"""Finished episodes are kept while a rank is within a step, waits for its QPU, or for another rank."""

import threading
import time

import numpy as np
import pytest
from launch import BIN, ROOT, finish, kill_all, start
from test_ranks_that_hang import until

from hpcqrl.parallel.deputy import Deputy
from hpcqrl.results.reader import read_run

PATH = {"PYTHONPATH": f"{ROOT}:{ROOT / 'tests'}"}
ENV = ("--env", "odd_environments:Waits-v0", "--learning-rate", "1e-9")
QPU = ("--env", "CartPole-v1", "--learning-rate", "1e-9", "--qpu", "flaky_device:waits")


def of(out, agent):
    episodes = read_run(out).episodes if out.exists() else np.empty(0, [("agent", int)])
    return int((episodes["agent"] == agent).sum())


def begin(system, out, wait, *options, ranks, waits=0):
    command = (str(BIN / "hpcqrl"), "train", system, *options, "--checkpoint-every", "1000", "--out", str(out))
    return start(*command, ranks=ranks, HPCQRL_TEST_WAIT=str(wait), HPCQRL_TEST_WAITS=str(waits), **PATH)


@pytest.mark.parametrize(
    ("options", "more"), [((*ENV, "--model", "classical"), 2000), ((*QPU, "--qubits", "4", "--layers", "1"), 3)]
)
def test_of_asynchronous_agents(tmp_path, options, more):
    out, wait = tmp_path / "run.h5", tmp_path / "wait"
    process = begin("qa3c", out, wait, *options, "--episodes", "10000000", ranks=2)
    until(process, lambda: of(out, 0) and of(out, 1))
    wait.touch()
    time.sleep(2.0)
    rank_0, rank_1 = of(out, 0), of(out, 1)
    until(process, lambda: of(out, 1) > rank_1 + more)
    assert of(out, 0) == rank_0
    wait.unlink()
    until(process, lambda: of(out, 0) > rank_0)
    process.terminate()
    done = finish(process, timeout=60)
    assert done.returncode == 75 and "Traceback" not in done.stderr, done


@pytest.mark.parametrize("ranks", [1, 2])
def test_of_an_agent_that_is_within_a_long_step_itself(tmp_path, ranks):
    out, wait = tmp_path / "run.h5", tmp_path / "wait"
    options = (*ENV, "--model", "classical", "--episodes", "10000000")
    process = begin("qa3c", out, wait, *options, ranks=ranks, waits=ranks - 1)
    until(process, lambda: of(out, ranks - 1))
    wait.touch()
    ended = wait.with_name("wait.ended")
    until(process, lambda: ended.exists() and ended.read_text())
    until(process, lambda: of(out, ranks - 1) == int(ended.read_text()), seconds=30)
    kill_all(process)


def test_of_agents_in_step_while_it_waits_for_another(tmp_path):
    out, wait = tmp_path / "run.h5", tmp_path / "wait"
    options = (*ENV, "--model", "classical", "--episodes", "1000000")
    process = begin("dist-qtrl", out, wait, *options, ranks=3, waits=1)
    until(process, lambda: of(out, 1))
    wait.touch()
    until(process, lambda: of(out, 0) == of(out, 2) == of(out, 1) + 1)
    wait.unlink()
    had = of(out, 1)
    until(process, lambda: of(out, 1) > had + 2)
    process.terminate()
    assert finish(process, timeout=60).returncode == 75


def test_a_deputy_acts_while_one_is_away_and_then_alone():
    calls = []
    deputy = Deputy(lambda: calls.append(threading.get_ident()))
    try:
        time.sleep(1.2)
        assert not calls
        with deputy, deputy:
            time.sleep(1.2)
        had = len(calls)
        assert had and set(calls) != {threading.get_ident()}
        time.sleep(1.2)
        assert len(calls) == had
    finally:
        deputy.end()


def test_what_goes_wrong_in_a_deputys_hands_is_raised_where_one_comes_back():
    def full():
        raise OSError("no space left on device")

    deputy = Deputy(full)
    with pytest.raises(OSError, match="no space"), deputy:
        time.sleep(1.2)
    deputy.end()


def test_only_the_runs_own_thread_can_be_away():
    calls = []
    deputy = Deputy(lambda: calls.append(1))

    def another():
        with deputy:
            time.sleep(1.2)

    thread = threading.Thread(target=another)
    thread.start()
    thread.join()
    deputy.end()
    assert not calls
