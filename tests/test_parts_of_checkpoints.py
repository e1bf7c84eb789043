"""What is large of the agents' states lies beside the file: nothing is lost, left behind, or taken for another."""

import os
import signal

import numpy as np
import pytest
from launch import BIN, ROOT, finish, hpcqrl, start, worker_pids
from test_resume import same

from hpcqrl.results import parts
from hpcqrl.results.checkpoint import read_checkpoint
from hpcqrl.results.reader import read_run

PATH = {"PYTHONPATH": f"{ROOT}:{ROOT / 'tests'}"}
ENV = ("--env", "odd_environments:Wide-v0")
TINY = ("--block", "zeros", "--hidden", "4", "--links", "1", "--batch", "8", "--random-steps", "20", "--replay", "300")
STEPS = ("--steps", "700", "--test-every", "350", "--test-episodes", "2")  # 150 steps fill a part


def train(out, *options, ranks=2, **variables):
    command = (str(BIN / "hpcqrl"), "train", "hdqnn-td3", *ENV, *TINY, *STEPS, *options, "--out", str(out))
    return start(*command, ranks=ranks, **PATH, **variables)


def resume(out, ranks=2):
    return hpcqrl("resume", str(out), *ENV, ranks=ranks, **PATH)


def beside(out):
    return sorted(path.name for path in parts.all_beside(out))


def cut_off_with_parts(out, how=signal.SIGUSR1, ranks=2):
    """A run that has ended in its midst, with a checkpoint that has a part of each rank."""
    wait = out.with_name("wait")
    wait.touch()  # it takes its time until there are parts, however long a checkpoint takes, after which there is none
    process = train(out, "--checkpoint-every", "0.02", ranks=ranks, HPCQRL_TEST_WAIT=str(wait))
    while len(parts.all_beside(out)) < ranks:
        assert process.poll() is None, process.communicate()
    if how == signal.SIGKILL:
        os.kill(worker_pids(process.pid)[0], how)
    else:
        process.send_signal(how)
    wait.unlink()
    assert finish(process).returncode != 0


@pytest.mark.parametrize("how", [signal.SIGUSR1, signal.SIGKILL])
def test_cut_off_and_resumed_it_ends_with_the_same_bits_and_nothing_beside(tmp_path, how):
    whole, cut = tmp_path / "whole.h5", tmp_path / "cut.h5"
    assert finish(train(whole)).returncode == 0
    cut_off_with_parts(cut, how)
    saved = read_checkpoint(cut)
    if how == signal.SIGUSR1:
        assert [state[parts.BESIDE][0] for state in saved.agents] == [0, 1]
        assert beside(cut) == sorted(path.name for path in parts.named(cut, saved.agents)), "no others"
        assert all(path.stat().st_size > 1 << 20 for path in parts.all_beside(cut))
    done = resume(cut)
    assert done.returncode == 0, done
    same(read_run(whole), read_run(cut))
    assert sorted(path.name for path in tmp_path.iterdir()) == ["cut.h5", "whole.h5"]


@pytest.mark.parametrize("ranks", [1, 3])
def test_another_number_of_ranks_goes_on_with_them(tmp_path, ranks):
    out = tmp_path / "run.h5"
    cut_off_with_parts(out)
    done = resume(out, ranks)
    assert done.returncode == 0 and read_run(out).complete, done
    assert beside(out) == []


def test_a_part_that_is_missing_damaged_or_anothers_is_named(tmp_path):
    out = tmp_path / "run.h5"
    cut_off_with_parts(out)
    part = sorted(parts.all_beside(out))[1]
    good = part.read_bytes()
    damaged = bytearray(good)
    damaged[len(good) // 2] ^= 1
    cases = {"is missing": None, "is damaged": bytes(damaged), "is not as it was written": good[:-8]}
    before = out.read_bytes()
    for problem, data in cases.items():
        part.unlink(missing_ok=True)
        if data is not None:
            part.write_bytes(data)
        done = resume(out)
        assert done.returncode == 2 and done.stderr.count("\n") == 1, done
        assert part.name in done.stderr and problem in done.stderr, done.stderr
        assert out.read_bytes() == before, "and the file is left as it is"
    part.unlink()
    part.symlink_to("/etc/passwd")
    assert resume(out).returncode == 2
    part.unlink()
    part.write_bytes(good)
    assert resume(out).returncode == 0


def test_what_lies_beside_is_what_was_put_there(tmp_path):
    path, random = tmp_path / "x.h5", np.random.default_rng(0)
    state = {"small": np.arange(5), "large": random.random((700, 800)), "bits": random.random(1 << 20) < 0.5}
    kept = parts.put(path, 3, state)
    assert set(kept) == {"small", parts.BESIDE}
    again = parts.whole(path, kept)
    assert set(again) == set(state) and all(np.array_equal(again[name], value) for name, value in state.items())
    assert again["large"].dtype == np.float64 and again["bits"].dtype == bool
    assert parts.put(path, 3, {"small": np.arange(5)}).keys() == {"small"}
    assert len(parts.all_beside(path)) == 1
