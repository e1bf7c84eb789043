"""The claims of tests/mpi, under mpiexec with 1, 2, 4 and 8 ranks."""

import sys

import pytest
from launch import run


@pytest.mark.parametrize("ranks", [1, 2, 4, 8])
def test_under_mpiexec(ranks):
    done = run(sys.executable, "-m", "mpi4py", "-m", "pytest", "-x", "-q", "--with-mpi", "tests/mpi", ranks=ranks)
    assert done.returncode == 0, done.stdout + done.stderr
    passed = "51 passed, 7 skipped" if ranks == 1 else "58 passed"
    assert done.stdout.count(passed) == ranks, done.stdout


def test_a_rank_takes_the_gpu_of_its_number_on_the_node():
    done = run(sys.executable, "tests/slurm/which_gpu.py", ranks=3, CUDA_VISIBLE_DEVICES="4,7")
    assert done.returncode == 0 and sorted(line[-1] for line in done.stdout.splitlines()) == ["4", "4", "7"], done
    alone = run(sys.executable, "tests/slurm/which_gpu.py", CUDA_VISIBLE_DEVICES="4,7")
    assert alone.stdout.endswith("GPU 4,7\n")
