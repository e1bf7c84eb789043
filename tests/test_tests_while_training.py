"""Tests of the policy between steps of training: they end, and a run that is told to end does not wait for them."""

import signal
import time

import numpy as np
import pytest
from launch import BIN, ROOT, finish, hpcqrl, start

from hpcqrl.results.reader import read_run

PATH = {"PYTHONPATH": f"{ROOT}:{ROOT / 'tests'}"}
TINY = ("--block", "zeros", "--hidden", "4", "--links", "1", "--batch", "8", "--random-steps", "20", "--replay", "500")


def begin(out, *options, ranks=1):
    process = start(str(BIN / "hpcqrl"), "train", "hdqnn-td3", *TINY, *options, "--out", str(out), ranks=ranks, **PATH)
    while not out.exists():
        assert process.poll() is None, process.communicate()
        time.sleep(0.02)
    return process


def test_a_signal_is_heard_in_a_test_that_does_not_end(tmp_path):
    out, env = tmp_path / "run.h5", ("--env", "odd_environments:Endless-v0")
    process = begin(out, *env, "--test-every", "50", "--steps", "60", "--test-episodes", "100", ranks=2)
    time.sleep(2.0)
    process.send_signal(signal.SIGTERM)
    done = finish(process, timeout=30)
    assert done.returncode == 75 and "all of it is kept" in done.stdout, done
    found = read_run(out)
    assert "checkpointed" in found.attributes and not len(found.evaluations)


@pytest.mark.alone  # the second run takes as long as the first
def test_a_test_that_was_cut_off_comes_again_and_changes_nothing(tmp_path):
    whole, cut = tmp_path / "whole.h5", tmp_path / "cut.h5"
    length = ("--test-every", "30", "--steps", "150", "--test-episodes", "100")  # nearly all of it is tests
    process, started = begin(whole, *length, ranks=2), time.monotonic()
    assert finish(process).returncode == 0
    process, took = begin(cut, *length, ranks=2), time.monotonic() - started
    cuts = 0
    for wait in (0.3 * took, 2.0, 3.0):
        time.sleep(wait)
        process.send_signal(signal.SIGUSR1)
        if finish(process, timeout=60).returncode == 0:
            break
        cuts += 1
        process = start(str(BIN / "hpcqrl"), "resume", str(cut), ranks=2, **PATH)
    assert cuts and finish(process).returncode == 0
    first, second = read_run(whole), read_run(cut)
    assert np.array_equal(first.evaluations["mean"], second.evaluations["mean"])
    assert first.evaluations["steps"].tolist() == [30, 30, 60, 60, 90, 90, 120, 120, 150, 150]
    assert all(np.array_equal(value, second.parameters[name]) for name, value in first.parameters.items())


def test_evaluate_ends_where_the_environment_does_not(tmp_path):
    out, env = tmp_path / "run.h5", ("--env", "odd_environments:Endless-v0")
    assert finish(begin(out, *env, "--test-every", "1000", "--steps", "40")).returncode == 0
    done = hpcqrl("evaluate", str(out), "--episodes", "2", *env, **PATH)
    assert done.returncode == 0 and "mean return of 2 episodes 100000.000" in done.stdout, done
