"""However long a run is, its ranks' memory stays what it was."""

import re
import sys

import pytest
from launch import run


@pytest.mark.parametrize("kind", ["mutex", "accumulate", "serve"])
def test_pushes_leak_nothing(kind):
    """With MPICH, a release of the mutex by Accumulate once leaked 128 bytes: 9 MB over these."""
    done = run(sys.executable, "-m", "mpi4py", "tests/memory_of_pushes.py", kind, ranks=2)
    assert done.returncode == 0, done.stderr
    grown = [int(number) for number in re.findall(r"grew by (-?\d+) kB", done.stdout)]
    assert len(grown) == 2 and max(grown) < 2000, done.stdout
