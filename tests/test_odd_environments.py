"""What an environment does that it should not is named; it is closed at the end; its numbers are kept or renewed."""

import json

import numpy as np
import odd_environments  # noqa: F401  (registers them)
import pytest
from launch import ROOT, hpcqrl

from hpcqrl.envs.make import make
from hpcqrl.in_step import InStep
from hpcqrl.learner import Learner
from hpcqrl.randomness import jump_random_states, random_states, set_random_states
from hpcqrl.results.reader import read_run

PATH = {"PYTHONPATH": f"{ROOT}:{ROOT / 'tests'}"}


def train(out, system, env, *options, ranks=None, **variables):
    small = ("--model", "classical") if system != "hdqnn-td3" else ()
    command = ("train", system, "--env", f"odd_environments:{env}-v0", *small, *options, "--out", str(out))
    return hpcqrl(*command, ranks=ranks, timeout=100, **PATH, **variables)


@pytest.mark.parametrize("way", ["sysexit", "generator", "exit"])
@pytest.mark.parametrize(("system", "ranks"), [("qa3c", 2), ("dist-qtrl", 2), ("qa3c", 1)])
def test_whatever_ends_one_rank_ends_all_with_a_message(tmp_path, system, ranks, way):
    out = tmp_path / "run.h5"
    done = train(out, system, "Leaves", "--episodes", "4000", ranks=ranks, HPCQRL_TEST_LEAVE=way)
    assert done.returncode not in (0, 75) and f"hpcqrl: rank {ranks - 1}:" in done.stderr, done
    assert "odd_environments.py" in done.stderr and not (out.exists() and read_run(out).complete)


@pytest.mark.parametrize(("system", "ranks"), [("qa3c", 2), ("dist-qtrl", 2), ("qa3c", 1)])
def test_no_exit_of_c_passes_for_a_good_end(tmp_path, system, ranks):
    """As Fortran's STOP calls it; nothing of Python's is then to be had."""
    out = tmp_path / "run.h5"
    done = train(out, system, "Leaves", "--episodes", "4000", ranks=ranks, HPCQRL_TEST_LEAVE="stop")
    assert done.returncode not in (0, 75) and "Alarm clock" in done.stdout + done.stderr, done
    assert not read_run(out).complete


def test_environments_are_closed_when_all_is_done(tmp_path):
    out = tmp_path / "run.h5"
    assert train(out, "qa3c", "Threaded", "--episodes", "3").returncode == 0
    done = hpcqrl("evaluate", str(out), "--env", "odd_environments:Threaded-v0", timeout=100, **PATH)
    assert done.returncode == 0, done.stderr
    broken = train(tmp_path / "no.h5", "qa3c", "Threaded", "--actions", "3")
    assert broken.returncode == 2 and "the first 3 cannot be used" in broken.stderr


def test_rewards_may_be_arrays_of_one_number_but_not_nothing(tmp_path):
    for system in ("dist-qtrl", "qa3c", "qdqn-dper"):
        done = train(tmp_path / f"{system}.h5", system, "RewardArray", "--episodes", "3")
        assert done.returncode == 0 and read_run(tmp_path / f"{system}.h5").episodes["return"].min() > 1.0, done.stderr
        done = train(tmp_path / "none.h5", system, "NoReward", "--episodes", "3")
        assert done.returncode == 1 and "gave the reward None, which is not a number" in done.stderr


def test_what_does_not_fit_is_named(tmp_path):
    for env, said in (
        ("HalfOfADict", "the environment gave the observation array(["),
        ("Words", "has observations Text("),
        ("OtherSize", "the environment gave an observation of 1 numbers; its space has 7"),
        ("Foreign", "has random numbers of str, not of NumPy: no checkpoint can keep them"),
    ):
        done = train(tmp_path / "run.h5", "qa3c", env, ranks=2)
        assert done.returncode == 2 and done.stderr.count(said) == 1 and "Traceback" not in done.stderr, done.stderr
    done = train(tmp_path / "run.h5", "qa3c", "OldInterface")
    assert done.returncode == 2 and "Traceback" in done.stderr and "values to unpack" in done.stderr


def test_a_minigrid_that_needs_more_than_moving_about_is_said_to(tmp_path):
    options = ("--model", "classical", "--episodes", "2", "--max-steps", "5", "--out")
    for env, said in (("DoorKey-5x5", True), ("Empty-5x5", False)):
        done = hpcqrl("train", "dist-qtrl", "--env", f"MiniGrid-{env}-v0", *options, str(tmp_path / f"{env}.h5"))
        assert done.returncode == 0 and ("only the first 3 actions are used" in done.stdout) == said


@pytest.mark.parametrize("kind", ["PCG64", "PCG64DXSM", "MT19937", "Philox", "SFC64"])
def test_random_generators_of_every_kind_are_kept(kind):
    first, second = (np.random.Generator(getattr(np.random, kind)(seed)) for seed in (1, 2))
    first.random(5)
    first.integers(0, 9, 3, np.uint32)
    state = random_states({"x": first})
    json.loads(state["random.x"].tobytes())
    set_random_states({"x": second}, state)
    assert np.array_equal(first.random(700), second.random(700))
    jump_random_states({"x": second}, 3)
    assert not np.array_equal(first.random(9), second.random(9))


def test_the_old_kind_of_generator_is_kept():
    first, second = np.random.RandomState(1), np.random.RandomState(2)
    first.normal(size=3)
    set_random_states({"x": second}, random_states({"x": first}))
    assert np.array_equal(first.normal(size=700), second.normal(size=700))


@pytest.mark.parametrize("holder", [InStep, Learner])
@pytest.mark.parametrize("env", ["OwnNumbers-v0", "Legacy-v0", "CartPole-v1"])
def test_after_a_resumption_starts_go_on_or_are_new_ones(holder, env):
    """Not those of the run's start once more: which is what numbers that nobody sees would give."""
    before = holder(make(env), 100, 0, 0)
    starts = [before_start(before) for _ in range(4)]
    common = {"theta": np.zeros(1), "moments": np.zeros((2, 1)), "updates": np.array(7), "episodes": np.array(7)}
    common |= {"version": np.array(7)}
    kept, after = before.state(), holder(make(env), 100, 0, 0)
    after.restore(common, kept)
    later = [before_start(after) for _ in range(4)]
    assert not set(starts) & set(later)
    if env != "OwnNumbers-v0":
        assert later == [before_start(before) for _ in range(4)], "bit by bit where Gymnasium's numbers are used"
    again = holder(make(env), 100, 0, 0)  # a second time, from a checkpoint of the resumed run
    again.restore(common | {"version": np.array(9), "updates": np.array(9)}, after.state())
    assert not {before_start(again) for _ in range(4)} & {*starts, *later}


def before_start(holder) -> float:
    return float(holder._seeded.env.reset()[0][0])
