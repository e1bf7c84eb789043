"""A disk that is full or cannot be written to costs no more than what was to be written to it."""

import os
import signal
import subprocess

import numpy as np
import pytest
from launch import finish, hpcqrl
from test_resume import INTERRUPTED, begun, command, interrupted

from hpcqrl.results.checkpoint import read_checkpoint
from hpcqrl.results.reader import read_run


@pytest.fixture
def small_disk(tmp_path):
    """A file system of 900 kB."""
    folder = tmp_path / "disk"
    folder.mkdir()
    if os.geteuid() != 0 or subprocess.run(["mount", "-t", "tmpfs", "-o", "size=900k", "tmpfs", folder]).returncode:
        pytest.skip("needs to mount a small disk")
    yield folder
    subprocess.run(["umount", folder], check=True)


def test_a_full_disk_ends_the_run_with_one_error_and_what_was_good_stays_good(small_disk):
    out = small_disk / "run.h5"
    done = hpcqrl(*command("qa3c", out, "--model", "classical", "--episodes", "1000000"), ranks=2)
    assert done.returncode == 1 and "Traceback" not in done.stderr
    assert done.stderr.count(f"cannot write {out}: No space left on device") == 1
    assert [path.name for path in small_disk.iterdir()] == ["run.h5"]
    episodes = read_run(out).episodes
    assert episodes.size and np.unique(episodes["episode"]).size == episodes.size
    saved = read_checkpoint(out)
    assert len(saved.agents) == 2
    kept = saved.rows["episodes"]
    subprocess.run(["mount", "-o", "remount,size=9m", small_disk], check=True)
    process = begun(out, "resume", str(out), ranks=2)
    process.send_signal(signal.SIGUSR1)
    assert finish(process).returncode == INTERRUPTED and read_run(out).episodes.size >= kept > 0


def test_a_folder_that_cannot_be_written_is_said_before_training(small_disk):
    out = small_disk / "run.h5"
    interrupted(out)
    content = out.read_bytes()
    subprocess.run(["mount", "-o", "remount,ro", small_disk], check=True)
    for arguments in (("resume", str(out)), command("qa3c", small_disk / "new.h5")):
        done = hpcqrl(*arguments, ranks=2)
        assert done.returncode == 2 and done.stderr.count("Read-only file system") == 1, done.stderr
    assert out.read_bytes() == content
