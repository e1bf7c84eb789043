"""Kill a training run again and again at random moments, and count what is lost: python tests/kill_often.py --kills 200

Any rank may be hit, the root too; of eight kills two wait until the root is writing a checkpoint, and hit it; one hits
the launcher, one all processes at once, and one a run that has only just been resumed. Each time the file must
open, hold no episode twice, still have the checkpoint that was acknowledged last, and lack at most
the last 2 s of episodes; and `hpcqrl resume` must carry on. Prints what it found, and exits with 1 at the first that is
not so.
"""

import os
import random
import re
import signal
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import h5py
import numpy as np
import tyro
from launch import BIN, finish, kill_all, start, worker_pids

from hpcqrl.results.reader import read_run

ENDLESS = "100000000"
OPTIONS = {
    "dist-qtrl": ("--hidden", "2", "--layers", "1", "--max-steps", "20", "--episodes", ENDLESS),
    "qa3c": ("--episodes", ENDLESS),
    "qdqn-dper": ("--epsilon-end", "0.3", "--episodes", ENDLESS),
    "hdqnn-td3": (
        *("--qubits", "3", "--layers", "2", "--hidden", "8", "--qtdnn-hidden", "16", "--batch", "16"),
        *("--random-steps", "150", "--replay", "2000", "--steps", ENDLESS),
    ),
}


def main(kills: int = 200, system: str = "qa3c", ranks: int = 4, seed: int = 0) -> None:
    """kills: how many; system and ranks: of the run; seed: of the moments and victims."""
    signal.signal(signal.SIGTERM, lambda *_: sys.exit("kill_often: told to end"))
    with tempfile.TemporaryDirectory() as folder:
        repeat(Path(folder) / "run.h5", kills, system, ranks, random.Random(seed))  # noqa: S311


def repeat(out: Path, kills: int, system: str, ranks: int, chance: random.Random) -> None:
    """Kill and resume so often, and print what was seen; nothing is left running."""
    train = ("train", system, *OPTIONS[system], "--checkpoint-every", "0.2")
    process = start(str(BIN / "hpcqrl"), *train, "--out", str(out), ranks=ranks)
    lost, victims, before_first = [], dict.fromkeys(range(ranks), 0), 0
    cut_off = 0
    try:
        for kill in range(kills):
            if kill % 8 == 6:  # in the midst of its start
                time.sleep(chance.uniform(0.0, 4.0))
            else:
                wait_for_rows(process, out)
                time.sleep(chance.uniform(0.0, 1.5))
            pids = sorted(worker_pids(process.pid))
            check(len(pids) == ranks or kill % 8 == 6, f"{len(pids)} ranks run: {process.poll()}")
            victim = chance.randrange(ranks)
            acknowledged = state(out)[0]
            if kill % 4 == 3:
                victim = 0
                before = out.stat().st_mtime_ns
                while process.poll() is None and out.stat().st_mtime_ns == before:
                    pass
                later = time.perf_counter() + chance.uniform(0.0, 0.001)  # rows come first
                while time.perf_counter() < later:
                    pass
            killed = time.time()
            if kill % 8 == 5 or len(pids) < ranks:
                kill_all(process)
            elif kill % 8 == 1:
                process.kill()
                wait_until_gone(pids)
            else:
                os.kill(pids[victim], signal.SIGKILL)
            done = finish(process, 20)
            cut_off += half_written(out)
            check(done.returncode != 0 and "Traceback" not in done.stderr, done.stderr)
            victims[victim] += 1
            run = read_run(out)
            check(not run.complete, "it is complete")
            check(np.unique(run.episodes["episode"]).size == len(run.episodes), "an episode is twice")
            check(state(out)[0] >= acknowledged, "a checkpoint was lost")
            before_first += acknowledged == 0.0
            if kill % 8 != 6:  # a run that starts has nothing to lose yet
                lost.append(killed - out.stat().st_mtime)
                check(lost[-1] < 2.0, f"{lost[-1]:.2f} s are gone")
            process = start(str(BIN / "hpcqrl"), "resume", str(out), ranks=ranks)
            if sys.stdout.isatty() or kill % 20 == 19:
                print(f"{kill + 1} kills, {len(run.episodes):,} episodes, lost at most {max(lost):.2f} s", flush=True)
        wait_for_rows(process, out)
        process.send_signal(signal.SIGUSR1)
        check(finish(process).returncode == 75, "the last does not end with a checkpoint")
    finally:
        if process.poll() is None:
            kill_all(process)
    print(
        f"{system}, {ranks} ranks: {kills} kills (by rank {victims}), each resumed, {before_first} before the first "
        f"checkpoint, {cut_off} in the midst of writing one; "
        f"{len(read_run(out).episodes):,} episodes, none twice; no acknowledged checkpoint lost; between "
        f"the last write and the kill {np.median(lost):.2f} s in the median, at most {max(lost):.2f} s"
    )


def wait_for_rows(process: subprocess.Popen, out: Path) -> None:
    """Until the run has written to its file."""
    before = state(out)
    while process.poll() is None and state(out) <= before:
        time.sleep(0.01)


def state(out: Path) -> tuple[float, float]:
    """When the file's checkpoint was made, and when it was written to at all; zeros where there is none."""
    try:
        return float(read_run(out).attributes.get("checkpointed", 0.0)), out.stat().st_mtime
    except (OSError, ValueError):
        return 0.0, 0.0


def wait_until_gone(pids: list[int]) -> None:
    """Without their launcher, ranks end; a resumption before that would find the file in use."""
    end = time.monotonic() + 20.0
    while any(Path(f"/proc/{pid}").exists() for pid in pids):
        check(time.monotonic() < end, "ranks live on without their launcher")
        time.sleep(0.05)


def half_written(out: Path) -> bool:
    """Whether the half of /checkpoint that is not in use holds a later one: the kill came before it was named."""
    with h5py.File(out, "r", locking=False) as file:
        if "checkpoint" not in file:
            return False
        used = int(file["checksums/checkpoint"]["half"])
        heads = [file["checkpoint"][half, : 1 << 16].tobytes() for half in (used, 1 - used)]
    times = [re.search(rb'"elapsed": ([0-9.]+)', head) for head in heads]
    return times[1] is not None and float(times[1][1]) > float(times[0][1])


def check(good: bool, what: str) -> None:
    """Exit with what is wrong, if it is not good."""
    if not good:
        sys.exit(f"kill_often: {what}")


if __name__ == "__main__":
    tyro.cli(main)
