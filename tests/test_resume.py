"""A run may be cut off at any moment and carried on: nothing is lost that was kept, and nothing is there twice."""

import json
import os
import random
import shutil
import signal
import subprocess
import time
from contextlib import suppress

import built
import numpy as np
import pytest
from launch import BIN, ROOT, finish, hpcqrl, start, worker_pids

from hpcqrl.results.checkpoint import read_checkpoint
from hpcqrl.results.reader import read_run
from hpcqrl.systems import qa3c

INTERRUPTED = 75
QUICK = {
    "dist-qtrl": ("--layers", "12", "--max-steps", "20", "--episodes", "1500"),
    "qa3c": ("--env", "CartPole-v1", "--episodes", "6000"),
    "qdqn-dper": ("--epsilon-end", "0.3", "--episodes", "1500"),
    "hdqnn-td3": (
        *("--qubits", "3", "--layers", "2", "--hidden", "8", "--qtdnn-hidden", "16", "--batch", "16"),
        *("--random-steps", "150", "--test-every", "300", "--test-episodes", "2", "--steps", "2500"),
    ),
}


def command(system: str, out, *options: str) -> tuple[str, ...]:
    return ("train", system, *QUICK[system], "--checkpoint-every", "0.3", "--out", str(out), *options)


def begun(out, *arguments: str, ranks: int) -> subprocess.Popen[str]:
    """Start it and wait until it has written."""
    before = out.stat().st_mtime_ns if out.exists() else 0
    process = start(str(BIN / "hpcqrl"), *arguments, ranks=ranks, PYTHONPATH=f"{ROOT}:{ROOT / 'tests'}")
    while process.poll() is None and (not out.exists() or out.stat().st_mtime_ns == before):
        time.sleep(0.02)
    return process


def wait_for_rows(out, process) -> None:
    while not len(read_run(out).episodes):
        assert process.poll() is None, process.communicate()
        time.sleep(0.02)


def cut_off(out, system: str, ranks: tuple[int, ...], seed: int, cuts: int = 3) -> int:
    """Train, end it so often in all ways at random moments, resuming it each time, and let it end; how often it did."""
    chance = random.Random(seed)  # noqa: S311
    process = begun(out, *command(system, out), ranks=ranks[0])
    for cut in range(1, cuts + 1):
        time.sleep(chance.uniform(0.0, 1.0))
        if cut % 2:
            process.send_signal(signal.SIGUSR1)
        elif victims := worker_pids(process.pid):
            with suppress(ProcessLookupError):  # it has just ended
                os.kill(chance.choice(victims), signal.SIGKILL)
        done = finish(process)
        assert "Traceback" not in done.stderr, done.stderr
        run = read_run(out)
        assert np.unique(run.episodes["episode"]).size == run.episodes.size
        if run.complete:
            return cut - 1
        process = begun(out, "resume", str(out), ranks=ranks[cut % len(ranks)])
    assert finish(process).returncode == 0 and read_run(out).complete
    return cuts


def hears(pid: int, kind: signal.Signals) -> bool:
    """Whether a process has a handler of its own for a signal: before that, some signals kill it."""
    try:
        with open(f"/proc/{pid}/status") as file:
            caught = next(line for line in file if line.startswith("SigCgt"))
    except (OSError, StopIteration):
        return True
    return bool(int(caught.split()[1], 16) >> (kind - 1) & 1)


def same(first, second) -> None:
    for name in ("episode", "agent", "return", "length", "version"):
        assert np.array_equal(first.episodes[name], second.episodes[name]), name
    for name in ("steps", "agent", "mean", "version"):
        assert np.array_equal(first.evaluations[name], second.evaluations[name]), name
    assert first.parameters.keys() == second.parameters.keys()
    assert all(np.array_equal(value, second.parameters[name]) for name, value in first.parameters.items())


@pytest.mark.parametrize(
    ("system", "ranks", "seed"), [("dist-qtrl", 1, 0), ("dist-qtrl", 4, 1), ("hdqnn-td3", 1, 2), ("hdqnn-td3", 2, 3)]
)
def test_a_synchronous_run_ends_with_the_same_bits_as_one_never_interrupted(tmp_path, system, ranks, seed):
    whole, cut = tmp_path / "whole.h5", tmp_path / "cut.h5"
    assert hpcqrl(*command(system, whole), ranks=ranks).returncode == 0
    assert cut_off(cut, system, (ranks,), seed) >= 1
    same(read_run(whole), read_run(cut))


@pytest.mark.parametrize(
    ("system", "ranks", "seed"), [("qa3c", (4,), 0), ("qdqn-dper", (3,), 1), ("qa3c", (4, 2, 5, 1), 2)]
)
def test_an_asynchronous_run_ends_with_every_episode_once(tmp_path, system, ranks, seed):
    out = tmp_path / "run.h5"
    assert cut_off(out, system, ranks, seed) >= 1
    run = read_run(out)
    assert run.episodes["episode"].tolist() == list(range(run.config["episodes"]))
    assert np.isfinite(np.concatenate([value.ravel() for value in run.parameters.values()])).all()


def test_another_number_of_agents_is_said_in_the_file(tmp_path):
    out = tmp_path / "run.h5"
    process = begun(out, *command("dist-qtrl", out), ranks=4)
    process.send_signal(signal.SIGUSR1)
    assert finish(process).returncode == INTERRUPTED
    assert hpcqrl("resume", str(out), ranks=2).returncode == 0
    run = read_run(out)
    history = json.loads(run.attributes["history"])
    assert [start["agents"] for start in history] == [4, 2] and run.agents == 2
    assert run.episodes["episode"].tolist() == list(range(len(run.episodes)))
    updates = history[1]["episodes"] // 4
    assert len(run.episodes) == 4 * updates + 2 * (run.config["episodes"] - updates)


def test_time_goes_on_where_the_checkpoint_was_on_all_ranks(tmp_path):
    out = tmp_path / "run.h5"
    process = begun(out, *command("qa3c", out), ranks=2)
    wait_for_rows(out, process)
    process.send_signal(signal.SIGUSR1)
    assert finish(process).returncode == INTERRUPTED
    before = read_run(out).episodes
    assert hpcqrl("resume", str(out), ranks=2).returncode == 0
    after = read_run(out).episodes
    new = after[~np.isin(after["episode"], before["episode"])]
    assert set(new["agent"]) == {0, 1} and new["time"].min() > before["time"].max()


def test_an_agent_that_joins_draws_other_numbers_than_one_of_its_rank_that_left():
    first, joined, later = (built.agent(qa3c, 3) for _ in range(3))
    for agent, version in ((joined, 5), (later, 6)):
        agent.restore({"theta": agent.theta, "version": np.array(version)}, {})
    observations = [agent.env.reset()[0].tolist() for agent in (first, joined, later)]
    draws = [agent.learner.random.random() for agent in (first, joined, later)]
    assert len(set(draws)) == 3 and len({tuple(observation) for observation in observations}) == 3


@pytest.mark.parametrize("kind", [signal.SIGUSR1, signal.SIGTERM])
def test_a_run_told_to_end_has_a_checkpoint_within_10_s(tmp_path, kind):
    out = tmp_path / "run.h5"
    process = begun(out, *command("qa3c", out, "--episodes", "100000", "--checkpoint-every", "0"), ranks=8)
    wait_for_rows(out, process)
    begin = time.time()
    process.send_signal(kind)
    done = finish(process)
    assert done.returncode == INTERRUPTED, done.stderr
    assert "hpcqrl resume" in done.stdout
    saved = read_checkpoint(out)
    assert len(saved.agents) == 8 and 0.0 < saved.attributes["checkpointed"] - begin < 10.0
    assert len(read_run(out).episodes) == saved.rows["episodes"] > 0


def test_hdqnn_can_be_told_to_end_while_its_actions_are_random(tmp_path):
    out = tmp_path / "run.h5"
    options = ("--random-steps", "999999", "--steps", "1000000", "--checkpoint-every", "0")
    process = begun(out, *command("hdqnn-td3", out, *options), ranks=2)
    begin = time.time()
    process.send_signal(signal.SIGUSR1)
    assert finish(process).returncode == INTERRUPTED
    saved = read_checkpoint(out)
    assert saved.attributes["checkpointed"] - begin < 10.0
    assert 0 < saved.common["steps"] < 999_999 and saved.common["updates"] == 0


def test_counters_moments_and_replay_are_those_of_the_checkpoint(tmp_path):
    """Resumed and at once interrupted again, the checkpoint is the same but for the few updates in between."""
    out, kept = tmp_path / "run.h5", tmp_path / "kept.h5"
    process = begun(out, *command("qdqn-dper", out, "--checkpoint-every", "0"), ranks=1)
    time.sleep(1.0)
    process.send_signal(signal.SIGUSR1)
    assert finish(process).returncode == INTERRUPTED
    shutil.copy(out, kept)
    process = start(str(BIN / "hpcqrl"), "resume", str(out))
    while not hears(process.pid, signal.SIGUSR1):  # before the first update: it is asked to end while it starts
        time.sleep(0.01)
    process.send_signal(signal.SIGUSR1)
    assert finish(process).returncode == INTERRUPTED
    old, new = read_checkpoint(kept), read_checkpoint(out)
    assert new.common["version"] == old.common["version"] + 1
    steps_before, steps_after = (int(saved.common["counter.steps"]) for saved in (old, new))
    steps = steps_after - steps_before
    assert 1 <= steps <= 5 and new.agents[0]["steps"] == old.agents[0]["steps"] + steps
    stored = int(old.agents[0]["replay.stored"])
    assert new.agents[0]["replay.stored"] == stored + 1
    capacity = len(old.agents[0]["replay.reward"])
    kept_places = [place for place in range(capacity) if capacity < 1000 or place != stored % 1000]
    for name in ("observation", "reward", "terminated", "taken"):
        first, second = (saved.agents[0][f"replay.{name}"][kept_places] for saved in (old, new))
        assert np.array_equal(first, second), name
    assert np.array_equal(old.agents[0]["unfinished"], new.agents[0]["unfinished"])
    renewed = steps_before // 2000 < steps_after // 2000  # the update was the one that copies theta to the target
    assert np.array_equal(new.common["target"], new.common["theta"] if renewed else old.common["target"])
    decay, rate = 0.99, 1e-3  # of RMSprop: both moves are the same gradient's
    squares = (new.common["moments"][0] - decay * old.common["moments"][0]) / (1.0 - decay)
    moved = rate * np.sqrt(squares.clip(0.0)) / (np.sqrt(new.common["moments"][0]) + 1e-8)
    assert old.common["moments"][0].max() > 0.0 and squares.min() > -1e-12
    assert np.allclose(np.abs(new.common["theta"] - old.common["theta"]), moved, rtol=1e-5, atol=1e-8)


def interrupted(out) -> None:
    process = begun(out, *command("dist-qtrl", out), ranks=1)
    process.send_signal(signal.SIGUSR1)
    assert finish(process).returncode == INTERRUPTED


def test_a_run_killed_before_its_first_checkpoint_starts_again(tmp_path):
    whole, cut = tmp_path / "whole.h5", tmp_path / "cut.h5"
    longer = ("--episodes", "4000")
    assert hpcqrl(*command("dist-qtrl", whole, *longer), ranks=2).returncode == 0
    process = begun(cut, *command("dist-qtrl", cut, *longer, "--checkpoint-every", "1000"), ranks=2)
    wait_for_rows(cut, process)
    os.kill(worker_pids(process.pid)[0], signal.SIGKILL)
    assert finish(process).returncode not in (0, INTERRUPTED)
    assert hpcqrl("resume", str(cut), ranks=2).returncode == 0
    same(read_run(whole), read_run(cut))
