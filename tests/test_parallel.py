"""The claims of tests/mpi, under mpiexec with 1, 2, 4 and 8 ranks."""

import os
import re
import subprocess
import sys

import pytest
from launch import OPEN_MPI, ROOT, finish, run, start


@pytest.mark.parametrize("ranks", [1, 2, 4, 8])
def test_under_mpiexec(ranks):
    done = run(sys.executable, "-m", "mpi4py", "-m", "pytest", "-x", "-q", "--with-mpi", "tests/mpi", ranks=ranks)
    assert done.returncode == 0, done.stdout + done.stderr
    passed = [int(number) for number in re.findall(r"(\d+) passed", done.stdout)]
    skipped = [int(number) for number in re.findall(r"(\d+) skipped", done.stdout)]
    assert len(passed) == ranks and len(set(passed)) == 1 and passed[0] > 0, done.stdout
    assert len(skipped) == (ranks == 1), "only a single rank has nobody to serve"


def test_no_push_is_lost_with_open_mpi(open_mpi):
    tests = "-m", "mpi4py", "-m", "pytest", "-x", "-q", "--with-mpi", "tests/mpi/test_shared_parameters.py"
    launched = str(open_mpi / "mpiexec"), "--bind-to", "none", "-n", "4", str(open_mpi / "python"), *tests
    done = finish(start(*launched, **OPEN_MPI))
    assert done.returncode == 0, done.stdout + done.stderr
    assert len(re.findall(r"\d+ passed", done.stdout)) == 4 and "skipped" not in done.stdout, done.stdout
    library = run(
        str(open_mpi / "python"), "-c", "from mpi4py import MPI; print(MPI.Get_library_version())", **OPEN_MPI
    )
    assert library.stdout.startswith("Open MPI"), library


@pytest.mark.parametrize(("ranks", "crowded"), [(1, False), (2, True)])
def test_ranks_that_share_the_only_core_they_may_use_are_crowded(ranks, crowded):
    program = "from hpcqrl.parallel.agents import start; import os; os.write(1, b'%d\\n' % start()._crowded)"
    done = run("taskset", "-c", str(min(os.sched_getaffinity(0))), sys.executable, "-c", program, ranks=ranks)
    assert done.stdout.split() == [str(int(crowded))] * ranks, done


@pytest.mark.skipif(not hasattr(os, "O_DIRECT"), reason="pipes that keep writes apart are Linux's")
@pytest.mark.parametrize(("says", "number"), [("say", 1), ("warn", 2)])
def test_a_line_is_written_in_one_piece_for_no_other_ranks_to_end_up_within_it(says, number):
    """Also where output is not buffered, where print writes the text and its end one after the other."""
    read, write = os.pipe2(os.O_DIRECT)
    program = f"from hpcqrl.lines import {says}; {says}('an end')"
    into = {1: "stdout", 2: "stderr"}[number]
    subprocess.run([sys.executable, "-u", "-c", program], cwd=ROOT, check=True, timeout=60, **{into: write})
    os.close(write)
    assert os.read(read, 4096) == b"an end\n"
    os.close(read)


def test_a_rank_takes_the_gpu_of_its_number_on_the_node():
    done = run(sys.executable, "tests/slurm/which_gpu.py", ranks=3, CUDA_VISIBLE_DEVICES="4,7")
    assert done.returncode == 0 and sorted(line[-1] for line in done.stdout.splitlines()) == ["4", "4", "7"], done
    alone = run(sys.executable, "tests/slurm/which_gpu.py", CUDA_VISIBLE_DEVICES="4,7")
    assert alone.stdout.endswith("GPU 4,7\n")
