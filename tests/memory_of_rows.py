"""How much memory a run's file takes, as a multiple of the rows' own, and how many bytes a checkpoint writes.

Arguments: a folder, and how many rows. Prints memory until the last checkpoint, and until the end, and the bytes of the
last checkpoint.
"""

import sys
from pathlib import Path

import numpy as np
from test_results_files import FACTS, state

from hpcqrl.results.recorder import Recorder
from hpcqrl.results.schema import EPISODE, EXTRA, row_dtype

COLUMNS = EPISODE + tuple(EXTRA.values())
AT_ONCE = 10_000  # rows


def peak() -> int:
    """Bytes that this process has had at most."""
    with open("/proc/self/status") as file:
        return 1024 * next(int(line.split()[1]) for line in file if line.startswith("VmHWM"))


def written() -> int:
    """Bytes that this process has written."""
    with open("/proc/self/io") as file:
        return next(int(line.split()[1]) for line in file if line.startswith("wchar"))


def record(path: Path, number: int) -> tuple[float, float, int]:
    """Record so many rows, in disorder, with checkpoints on the way."""
    before = peak()
    with Recorder(path, FACTS, COLUMNS, overwrite=True) as recorder:
        for start in range(0, number, AT_ONCE):
            rows = np.zeros(AT_ONCE, row_dtype(COLUMNS))
            rows["episode"] = np.arange(start, start + AT_ONCE)[::-1]
            recorder.append(rows)
            begin = written()
            recorder.checkpoint(1.0, state(2000), [state(100)] * 8)
            of_checkpoint = written() - begin
        size = number * rows.itemsize
        until_checkpoint = (peak() - before) / size
        recorder.finish({"theta": np.zeros(2000)})
    return until_checkpoint, (peak() - before) / size, of_checkpoint


if __name__ == "__main__":
    folder, number = Path(sys.argv[1]), int(sys.argv[2])
    record(folder / "small.h5", 2 * AT_ONCE)  # what is allocated only once is there by now
    print(*record(folder / "run.h5", number))
