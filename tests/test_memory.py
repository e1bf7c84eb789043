"""However long a run is, its ranks' memory stays what it was."""

import re
import sys

import numpy as np
import pytest
from launch import run

from hpcqrl.results.reader import read_run

pytestmark = pytest.mark.alone


@pytest.mark.parametrize("kind", ["mutex", "accumulate", "serve"])
def test_pushes_leak_nothing(kind):
    """With MPICH, a release of the mutex by Accumulate once leaked 128 bytes: 9 MB over these."""
    done = run(sys.executable, "-m", "mpi4py", "tests/memory_of_pushes.py", kind, ranks=2)
    assert done.returncode == 0, done.stderr
    grown = [int(number) for number in re.findall(r"grew by (-?\d+) kB", done.stdout)]
    assert len(grown) == 2 and max(grown) < 2000, done.stdout


def test_neither_memory_nor_checkpoints_grow_with_the_rows(tmp_path):
    """With two million, rank 0 once held five times their size, and a checkpoint took more than a second."""
    done = [run(sys.executable, "tests/memory_of_rows.py", str(tmp_path), str(n)) for n in (300_000, 40_000)]
    assert not any(each.stderr for each in done), done
    many, few = (list(map(float, each.stdout.split())) for each in done)
    assert many[0] < 0.3 and many[1] < 1.5, many
    assert many[2] == few[2] < 40_000, (many, few)
    assert np.array_equal(read_run(tmp_path / "run.h5").episodes["episode"], np.arange(40_000))
