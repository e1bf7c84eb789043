"""Lose agents of asynchronous runs at random moments, and count what is lost with them: python tests/lose_often.py

Of Open MPI, whose programs lie where --programs says. Each run must end complete with each episode once, or, where it
was told to end after its losses, when it is resumed. Exits with 1 at the first that does not.
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

import numpy as np
import tyro
from launch import OPEN_MPI, below, finish, kill_all, start

from hpcqrl.results.reader import read_run

OPTIONS = {
    "qa3c": ("--env", "CartPole-v1", "--model", "classical", "--learning-rate", "1e-9"),  # so that episodes stay short
    "qdqn-dper": ("--model", "classical", "--learning-rate", "1e-9", "--epsilon-end", "0.3"),
}


def main(
    programs: Path,
    kills: int = 100,
    ranks: int = 8,
    most: int = 3,
    system: str = "qa3c",
    episodes: int = 4000,
    seed: int = 0,
) -> None:
    """kills: how many in all; most: in a run; ranks, system, episodes: of a run; seed: of moments, victims and ends."""
    signal.signal(signal.SIGTERM, lambda *_: sys.exit("lose_often: told to end"))
    chance, done, runs, resumed, again = random.Random(seed), 0, 0, 0, 0  # noqa: S311
    gaps: list[float] = []
    with tempfile.TemporaryDirectory() as folder:
        while done < kills:
            out, victims = Path(folder) / f"{runs}.h5", chance.randint(1, min(most, kills - done))
            told = runs % 4 == 3
            killed, played, gap = lose(programs, out, chance, ranks, victims, episodes, system, told)
            done, runs, resumed, again = done + killed, runs + 1, resumed + told, again + played
            gaps.append(gap)
            print(f"{done} kills, {runs} runs, {again} episodes played again, none ended for {gap:.2f} s", flush=True)
    print(
        f"{system}, {ranks} ranks: {done} kills in {runs} runs, up to {most} in one; {resumed} of them told to end "
        f"after that and resumed; each of {episodes} episodes once in each run, {again} played again by others; "
        f"after a kill, these ended none for at most {np.median(gaps):.2f} s in the median, {max(gaps):.2f} s at most"
    )


def lose(
    programs: Path,
    out: Path,
    chance: random.Random,
    ranks: int = 4,
    victims: int = 1,
    episodes: int = 4000,
    system: str = "qa3c",
    told: bool = False,
) -> tuple[int, int, float]:
    """Train, kill so many of its agents at random moments, and see that it ends well.

    told: it is also told to end, and resumed. Returns how many were killed, how many episodes were played again by
    others, and the seconds for which these ended none, at most, after a kill.
    """
    launched = str(programs / "mpirun"), "--with-ft", "ulfm", "--bind-to", "none", "-n", str(ranks)
    hpcqrl = (*launched, str(programs / "python"), "-m", "hpcqrl")
    train = ("train", system, *OPTIONS[system], "--episodes", str(episodes), "--checkpoint-every", "0.2")
    process = start(*hpcqrl, *train, "--lose-at-most", str(victims), "--out", str(out), **OPEN_MPI)
    lost = chance.sample(range(1, ranks), victims)
    try:
        begun = wait_for(process, out, 1)
        pids, kills = rank_pids(process.pid, ranks), []
        for victim in lost:
            time.sleep(chance.uniform(0.0, 1.5))
            if process.poll() is not None or read_run(out).complete:
                break  # a machine too fast for so few episodes
            os.kill(pids[victim], signal.SIGKILL)
            kills.append(time.time() - begun)
        if told:
            time.sleep(chance.uniform(0.0, 0.5))
            for rank in set(range(ranks)) - set(lost):
                os.kill(pids[rank], signal.SIGUSR1)
        done = finish(process, 120)
        check(done.returncode in ((0, 75) if told else (0,)) and "Traceback" not in done.stderr, done)
        named = re.findall(r"ranks? ([\d, ]+) ha.* been lost", done.stdout)
        check(sorted(int(rank) for line in named for rank in line.split(", ")) == sorted(lost[: len(kills)]), done)
        if done.returncode:
            check(not read_run(out).complete, "it ended with a checkpoint, and is complete")
            process = start(*hpcqrl, "resume", str(out), **OPEN_MPI)
            done = finish(process, 120)
            check(done.returncode == 0 and "Traceback" not in done.stderr, done)
    finally:
        if process.poll() is None:
            kill_all(process)
    run = read_run(out)
    check(run.complete, "it is not complete")
    numbers = np.sort(run.episodes["episode"])
    check(
        np.array_equal(numbers, np.arange(episodes)),
        f"episodes missing or twice: {np.setdiff1d(np.arange(episodes), numbers)}",
    )
    return len(kills), int((run.episodes["lost"] > 0).sum()), longest_gap(run.episodes, lost, kills)


def longest_gap(rows: np.ndarray, lost: list[int], kills: list[float]) -> float:
    """Seconds in which agents that were not killed ended no episode, at most, of those that begin within a second of a
    kill."""
    times = np.sort(rows["time"][~np.isin(rows["agent"], lost)])
    near = [np.diff(times)[np.abs(times[:-1] - kill - times[0]) < 1.0] for kill in kills]
    return max((float(gaps.max()) for gaps in near if gaps.size), default=0.0)


def wait_for(process: subprocess.Popen, out: Path, rows: int) -> float:
    """Until the run has so many rows; when that was."""
    while process.poll() is None:
        try:
            if len(read_run(out).episodes) >= rows:
                break
        except (OSError, ValueError):
            pass
        time.sleep(0.01)
    return time.time()


def rank_pids(launcher: int, ranks: int) -> list[int]:
    """The process of each rank, in order."""
    found = {}
    for pid in below(launcher):
        try:
            command, environment = (Path(f"/proc/{pid}/{name}").read_text() for name in ("cmdline", "environ"))
        except OSError:
            continue
        number = re.search(r"\bPMIX_RANK=(\d+)\0", environment)
        if "\0-m\0hpcqrl\0" in command and "mpirun" not in command and number:
            found[int(number[1])] = pid
    check(sorted(found) == list(range(ranks)), f"these ranks run: {sorted(found)}")
    return [found[rank] for rank in range(ranks)]


def check(good: bool, what: object) -> None:
    """Exit with what is wrong, if it is not good."""
    if not good:
        sys.exit(f"lose_often: {what}")


if __name__ == "__main__":
    tyro.cli(main)
