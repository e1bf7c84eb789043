"""Files and folders that lead elsewhere, or are others': nothing outside is read, written over, or run."""

import os
import shutil
import signal
import subprocess
import time

import h5py
import numpy as np
import pytest
from launch import BIN, ROOT, clean_environment, finish, hpcqrl, start
from test_resume import INTERRUPTED, hears

from hpcqrl.quantum import jit
from hpcqrl.results.reader import read_run

GOOD = ROOT / "tests/data/0.1.0/qa3c-complete.h5"
LONG = ("train", "dist-qtrl", "--model", "classical", "--env", "CartPole-v1", "--episodes", "1000000")


def _soft(file, folder):
    file["episodes"] = h5py.SoftLink("/elsewhere")


def _external(file, folder):
    shutil.copy(GOOD, folder / "other.h5")
    file["episodes"] = h5py.ExternalLink("other.h5", "/episodes")


def _pipe(file, folder):
    os.mkfifo(folder / "pipe")
    file["episodes"] = h5py.ExternalLink("pipe", "/episodes")


def _raw(file, folder):
    (folder / "secret").write_bytes(bytes(800))
    file.create_dataset("episodes", (100,), "f8", external=[(str(folder / "secret"), 0, 800)])


def _virtual(file, folder):
    shutil.copy(GOOD, folder / "other.h5")
    layout = h5py.VirtualLayout((10,), "f8")
    layout[:] = h5py.VirtualSource(str(folder / "other.h5"), "episodes", (10,))
    file.create_virtual_dataset("episodes", layout)


@pytest.mark.parametrize("lead", [_soft, _external, _pipe, _raw, _virtual])
def test_a_file_whose_data_is_elsewhere_is_refused_before_anything_is_read(tmp_path, lead):
    path = tmp_path / "run.h5"
    shutil.copy(GOOD, path)
    with h5py.File(path, "r+") as file:
        del file["episodes"]
        lead(file, tmp_path)
    for command in ("state", "evaluate", "resume"):
        done = hpcqrl(command, str(path), timeout=60)
        assert done.returncode == 2 and done.stderr.count("\n") == 1 and "/episodes" in done.stderr, done.stderr
        assert "link to somewhere else" in done.stderr or "data somewhere else" in done.stderr


def test_a_pipe_is_no_results_file(tmp_path):
    os.mkfifo(tmp_path / "pipe.h5")
    done = hpcqrl("state", str(tmp_path / "pipe.h5"), timeout=60)
    assert done.returncode == 2 and "it is no file" in done.stderr


def interrupted(out, *options):
    process = start(str(BIN / "hpcqrl"), *options, "--out", str(out))
    while not (out.exists() and len(read_run(out).episodes)):
        assert process.poll() is None, process.communicate()
        time.sleep(0.05)
    return process


def test_a_link_to_a_results_file_stays_a_link_and_the_file_keeps_its_mode(tmp_path):
    scratch, link = tmp_path / "scratch.h5", tmp_path / "home" / "run.h5"
    process = interrupted(scratch, *LONG)
    process.send_signal(signal.SIGUSR1)
    assert finish(process).returncode == INTERRUPTED
    scratch.chmod(0o640)
    link.parent.mkdir()
    link.symlink_to(scratch)
    rows = len(read_run(scratch).episodes)
    process = start(str(BIN / "hpcqrl"), "resume", str(link))
    while len(read_run(scratch).episodes) <= rows:
        time.sleep(0.05)
    again = hpcqrl("resume", str(scratch))
    assert again.returncode == 2 and "another run is writing it" in again.stderr, "one file, one run"
    process.send_signal(signal.SIGTERM)
    assert finish(process).returncode == INTERRUPTED
    assert link.is_symlink() and not scratch.is_symlink() and scratch.stat().st_mode & 0o777 == 0o640
    assert sorted(path.name for path in tmp_path.iterdir()) == ["home", "scratch.h5"]


def test_ctrl_c_leaves_a_checkpoint_and_says_how_to_go_on(tmp_path):
    out = tmp_path / "run.h5"
    process = interrupted(out, *LONG)
    process.send_signal(signal.SIGINT)
    done = finish(process)
    assert done.returncode == INTERRUPTED and f"to go on: hpcqrl resume {out}" in done.stdout, done
    assert hpcqrl("state", str(out)).stdout == "checkpoint\n"


def test_the_second_ctrl_c_ends_a_run_that_does_not_hear_the_first(tmp_path):
    process = start(str(BIN / "hpcqrl"), *LONG, "--out", str(tmp_path / "run.h5"))
    while not hears(process.pid, signal.SIGINT):
        time.sleep(0.01)
    process.send_signal(signal.SIGINT)
    process.send_signal(signal.SIGINT)
    assert finish(process, timeout=60).returncode in (1, 130, -2, INTERRUPTED)


@pytest.mark.parametrize("output", ["/dev/full", "closed pipe"])
def test_a_run_goes_on_where_nobody_can_read_what_it_says(tmp_path, output):
    out = tmp_path / "run.h5"
    command = [str(BIN / "hpcqrl"), *LONG[:-1], "2000", "--out", str(out)]
    if output == "/dev/full":
        with open(output, "w") as full:
            done = subprocess.run(command, stdout=full, env=clean_environment(), timeout=100)
    else:
        reader, writer = os.pipe()
        os.close(reader)
        done = subprocess.run(command, stdout=writer, env=clean_environment(), timeout=100)
        os.close(writer)
    assert done.returncode == 0 and read_run(out).complete


def test_commands_without_mpi_answer_in_every_task():
    done = hpcqrl("state", str(GOOD), ranks=3)
    assert done.returncode == 0 and done.stdout.count("complete") == 3
    done = hpcqrl("state", "none.h5", ranks=2)
    assert done.returncode == 2 and "none.h5 cannot be read" in done.stderr


def test_kernels_are_kept_only_where_nobody_else_can_write(tmp_path, monkeypatch):
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    own = jit._cache_folder()
    assert own.is_relative_to(tmp_path)
    own.chmod(0o777)
    assert not jit._cache_folder().is_relative_to(tmp_path)
    shutil.rmtree(own)
    (tmp_path / "elsewhere").mkdir(mode=0o700)
    own.symlink_to(tmp_path / "elsewhere")
    assert not jit._cache_folder().is_relative_to(tmp_path)


def test_a_damaged_or_full_kernel_cache_costs_no_more_than_compiling():
    class Broken:
        flushed = False

        def load_overload(self, signature, target):
            raise EOFError("Ran out of input")

        def save_overload(self, signature, data):
            raise OSError(28, "No space left on device")

        def flush(self):
            self.flushed = True

    broken = Broken()
    cache = jit._Forgiving(broken)
    assert cache.load_overload(None, None) is None and broken.flushed
    cache.save_overload(None, np.zeros(3))
