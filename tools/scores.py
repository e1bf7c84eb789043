"""Score matrices, seeds by environments, of runs that differ in nothing else: what rliable takes."""

from collections.abc import Sequence
from pathlib import Path

import numpy as np
from reading import by_seed, label, say, score

from hpcqrl.results.reader import Run

LOOSE = ("env", "env_option", "episodes", "steps", "actions")  # what differs between one algorithm's environments


def score_matrices(runs: Sequence[Run], last: int, tool: str) -> tuple[dict[str, np.ndarray], list[str]]:
    """Of each algorithm the mean returns of its runs' last episodes, [seeds, environments], and the environments.

    An algorithm that lacks an environment is left out; where it has more seeds in one, the first so many count. Both
    are said. last: by the system's count.
    """
    environments = sorted({_environment(run) for run in runs})
    found = {}
    for group in by_seed(runs, apart_from=LOOSE):
        name = label(group[0], runs, but=("seed", *LOOSE))
        columns = [sorted((run for run in group if _environment(run) == env), key=_seed) for env in environments]
        counts = [len(column) for column in columns]
        if min(counts) == 0:
            say(tool, f"left out of the scores: {name}, which has no runs in {environments[counts.index(0)]}")
            continue
        if min(counts) < max(counts):
            say(tool, f"note: {name}: of {max(counts)} seeds in one environment, {min(counts)} count, as in another")
        found[name] = np.array([[score(column[row], last) for column in columns] for row in range(min(counts))])
    return found, environments


def write_scores(path: Path, matrices: dict[str, np.ndarray]) -> None:
    """As NumPy's npz: `dict(numpy.load(path))` is what rliable takes, once the scores are normalised."""
    path.parent.mkdir(parents=True, exist_ok=True)
    with open(path, "wb") as file:
        np.savez(file, allow_pickle=False, **matrices)


def _environment(run: Run) -> str:
    return " ".join([str(run.config.get("env", "?")), *map(str, run.config.get("env_option") or ())])


def _seed(run: Run) -> int:
    return run.seed
