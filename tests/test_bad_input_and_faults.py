"""Bad input gets one clear message; a fault on one rank ends all; nothing hangs, and nothing half-made stays."""

import os
import signal
import sys
import time

import numpy as np
import pytest
from launch import BIN, ROOT, clean_environment, finish, hpcqrl, run, start, worker_pids

from hpcqrl.results.reader import read_run

TRAIN = ("train", "dist-qtrl")


def since(path) -> float:
    """Seconds since the time that the file holds."""
    return time.time() - float(path.read_text())


@pytest.mark.parametrize("ranks", [1, 2])
@pytest.mark.parametrize(
    ("options", "reason"),
    [
        (("--env", "NoSuch-v0"), "no environment 'NoSuch-v0'"),
        (("--env", "Pendulum-v1"), "Pendulum-v1 has actions Box"),
        (("--env", "test_environments:NeverANumber-v0"), "not finite"),
        (("--qpu", "no.such"), "no PennyLane device 'no.such'"),
        (("--layers", "0"), "layers must lie in 1..1000, not 0"),
        (("--shots", "0"), "shots must be at least 1, not 0"),
        (("--shots", "9", "--model", "classical"), "shots means nothing without a circuit, and this model has none"),
        (("--episodes", "many"), "Error parsing --episodes"),
        (("--no-such-option",), "no-such-option"),
        (("--out", "/proc/no/run.h5"), "cannot write /proc/no/run.h5"),
    ],
)
def test_bad_input(tmp_path, ranks, options, reason):
    out = () if "--out" in options else ("--out", str(tmp_path / "run.h5"))
    done = hpcqrl(*TRAIN, *options, *out, ranks=ranks, PYTHONPATH="tests", COLUMNS="200")
    assert done.returncode == 2, done.stdout + done.stderr
    assert (done.stdout + done.stderr).count(reason) == 1, done.stdout + done.stderr
    assert "Traceback" not in done.stderr
    assert os.listdir(tmp_path) == []


def test_an_existing_file_is_kept_unless_told_otherwise(tmp_path):
    out = tmp_path / "run.h5"
    out.write_bytes(b"precious")
    options = (*TRAIN, "--episodes", "2", "--layers", "1", "--hidden", "2", "--out", str(out))
    done = hpcqrl(*options, ranks=2)
    assert done.returncode == 2 and "run.h5 exists" in done.stderr and out.read_bytes() == b"precious"
    assert hpcqrl(*options, "--overwrite", ranks=2).returncode == 0 and read_run(out).complete


@pytest.mark.parametrize("arguments", [(), ("fly",), ("train",), ("train", "no-such-system"), ("describe", "nothing")])
def test_commands_that_do_not_exist(arguments):
    done = hpcqrl(*arguments, ranks=2)
    assert done.returncode == 2 and "Traceback" not in done.stderr
    assert (done.stdout + done.stderr).count("usage") + (done.stdout + done.stderr).count("there are") == 1


def test_an_error_on_one_rank_ends_all_within_10_s(tmp_path):
    options = (*TRAIN, "--env", "test_environments:NotANumber-v0", "--out", str(tmp_path / "run.h5"))
    done = hpcqrl(*options, ranks=4, PYTHONPATH="tests", HPCQRL_TEST_FAILED=str(tmp_path / "failed"))
    assert done.returncode != 0 and since(tmp_path / "failed") < 10
    assert (done.stdout + done.stderr).count("not finite") == 1


@pytest.mark.parametrize("system", ["qa3c", "qdqn-dper"])
@pytest.mark.parametrize(
    ("env", "options", "reasons"),
    [
        ("Breaks-v0", (), ("hpcqrl: rank 1:\n", "ZeroDivisionError: the cart has left the track")),
        ("InfiniteRewards-v0", (), ("10 gradients in a row held NaN or infinity",)),
        ("InfiniteRewards-v0", ("--root", "serve"), ("10 gradients in a row held NaN or infinity",)),
    ],
)
def test_what_goes_wrong_in_one_asynchronous_agent_ends_all(tmp_path, system, env, options, reasons):
    out = tmp_path / "run.h5"
    options = ("--env", f"test_environments:{env}", "--out", str(out), *options)
    done = hpcqrl("train", system, *options, ranks=4, PYTHONPATH="tests", HPCQRL_TEST_FAILED=str(tmp_path / "failed"))
    assert done.returncode != 0 and since(tmp_path / "failed") < 10
    assert all(reason in done.stderr for reason in reasons), done.stdout + done.stderr
    assert not out.exists() or not read_run(out).complete


@pytest.mark.parametrize(
    ("system", "options"),
    [
        ("dist-qtrl", ("--env", "test_environments:InfiniteRewards-v0", "--hidden", "2", "--layers", "1")),
        (
            "hdqnn-td3",
            (
                *("--env", "test_environments:InfiniteRewardsBox-v0", "--random-steps", "200", "--steps", "1000"),
                *("--qubits", "2", "--layers", "1", "--hidden", "4", "--qtdnn-hidden", "4"),
            ),
        ),
    ],
)
def test_synchronous_agents_do_not_learn_from_infinity_either(tmp_path, system, options):
    out = tmp_path / "run.h5"
    done = hpcqrl("train", system, *options, "--out", str(out), ranks=2, PYTHONPATH="tests")
    assert done.returncode != 0 and not (out.exists() and read_run(out).complete)
    assert done.stderr.count("10 gradients in a row held NaN or infinity") == 1, done.stdout + done.stderr


def test_without_an_mpi_library_one_rank_says_so(tmp_path):
    done = hpcqrl("check", ranks=2, MPI4PY_LIBMPI=str(tmp_path / "libmpi.so"))
    assert done.returncode == 2 and done.stderr.count("hpcqrl: MPI does not start") == 1
    assert "Traceback" not in done.stderr, done.stderr


def test_an_exception_where_others_wait_ends_all(tmp_path):
    script = (
        "from hpcqrl.parallel.agents import *\n"
        "from hpcqrl.parallel.errors import *\n"
        "from test_environments import fails_now\n"
        "agents = start()\n"
        "with errors_end_all(agents):\n"
        "    if agents.rank == 2: fails_now(); raise ZeroDivisionError('on rank 2')\n"
        "    agents.mean(np.zeros(3))\n"
    )
    paths = {"PYTHONPATH": f"{ROOT}:{ROOT / 'tests'}", "HPCQRL_TEST_FAILED": str(tmp_path / "failed")}
    done = run(sys.executable, "-c", script, ranks=4, **paths)
    assert done.returncode != 0 and since(tmp_path / "failed") < 10
    assert "ZeroDivisionError: on rank 2" in done.stderr


@pytest.mark.parametrize("victim", range(4))
def test_a_killed_rank_ends_all_and_leaves_the_episodes(tmp_path, victim):
    out = tmp_path / "run.h5"
    options = ("--hidden", "2", "--layers", "1", "--max-steps", "5", "--episodes", "1000000", "--out", str(out))
    process = start(str(BIN / "hpcqrl"), *TRAIN, *options, ranks=4)
    while not out.exists() or not len(read_run(out).episodes):
        assert process.poll() is None, process.communicate()
        time.sleep(0.1)
    time.sleep(1.0 + 0.4 * victim)
    workers = worker_pids(process.pid)
    assert len(workers) == 4
    os.kill(workers[victim], signal.SIGKILL)
    killed = time.time()
    done = finish(process, timeout=10)
    assert done.returncode != 0
    run = read_run(out)
    assert not run.complete
    since_last_write = killed - out.stat().st_mtime
    last = np.array([run.episodes["time"][run.episodes["agent"] == agent].max() for agent in range(4)])
    waited_to_be_sent = last[0] - last.min()  # the root's own rows are as old as the write
    assert since_last_write + waited_to_be_sent < 2.0, (since_last_write, last)
    assert np.unique(run.episodes["episode"]).size == run.episodes.size


def test_processes_that_each_believe_to_be_alone_are_refused(tmp_path):
    """As when an MPI library runs under the launcher of another: its variables are there, but the world has size 1."""
    out = tmp_path / "run.h5"
    for variable in ("OMPI_COMM_WORLD_SIZE", "SLURM_STEP_NUM_TASKS"):
        done = hpcqrl(*TRAIN, "--out", str(out), **{variable: "4"})
        assert done.returncode == 2 and "4 processes" in done.stderr and "srun --mpi=pmi2" in done.stderr, done
    assert not out.exists()


def test_help_and_version_need_no_mpi():
    """On many clusters MPI cannot start on a login node."""
    hidden = clean_environment()["PATH"]
    for arguments in (("--help",), ("version",), ("train", "dist-qtrl", "--help")):
        done = hpcqrl(*arguments, PATH=hidden, MPI4PY_MPIABI="none", MPI4PY_LIBMPI="/nonexistent")
        assert done.returncode == 0, done.stderr
