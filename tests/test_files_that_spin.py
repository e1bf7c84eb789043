"""A file with which HDF5 comes to no end is given up; another process finds out, and leaves nothing behind."""

import os
import shutil
import signal
import subprocess
import sys
import time

import pytest
from launch import BIN, ROOT, clean_environment, finish, run, start

from hpcqrl.results import proof
from hpcqrl.results.reader import read_run

SPINS = ROOT / "tests/damaged/spins.h5"  # HDF5 spins for ever reading an attribute of it
GOOD = ROOT / "tests/data/0.1.0/qa3c-complete.h5"


def test_it_is_given_up_after_10_s_in_one_line():
    begin = time.monotonic()
    readers = [start(str(BIN / "hpcqrl"), command, str(SPINS)) for command in ("state", "evaluate", "resume")]
    readers.append(start(sys.executable, "tools/watch.py", "--once", str(SPINS)))
    table = start(sys.executable, "tools/table.py", str(SPINS), str(GOOD))
    for process in readers:
        done = finish(process, timeout=60)
        assert done.returncode in (1, 2) and done.stderr.count("\n") == 1, (process.args, done.stderr)
        assert f"{SPINS} cannot be" in done.stderr and "not within 10 s" in done.stderr
    done = finish(table, timeout=60)
    assert done.stderr.count("not within 10 s") == 1 and "qa3c" in done.stdout, "the others are read"
    assert time.monotonic() - begin > 10.0


def test_a_process_that_has_ended_or_was_killed_is_started_again(monkeypatch):
    monkeypatch.setattr(proof, "SECONDS", 1)
    read_run(GOOD)
    first = proof._process.pid
    read_run(GOOD)
    assert proof._process.pid == first, "one for all files"
    os.kill(first, signal.SIGKILL)
    proof._process.wait()
    assert read_run(GOOD).complete and proof._process.pid != first
    with pytest.raises(ValueError, match=r"spins.h5 cannot be read .* HDF5 .*not within 1 s"):
        read_run(SPINS)
    assert read_run(GOOD).complete


def test_it_ends_with_the_process_that_it_reads_for():
    script = f"""
import os, signal
from hpcqrl.results import proof, reader
reader.read_run({str(GOOD)!r})
print(proof._process.pid, flush=True)
os.kill(os.getpid(), signal.SIGKILL)
"""
    pid = int(run(sys.executable, "-c", script).stdout)
    end = time.monotonic() + 10.0
    while os.path.exists(f"/proc/{pid}") and time.monotonic() < end:
        time.sleep(0.01)
    assert not os.path.exists(f"/proc/{pid}")


def test_it_imports_nothing_from_the_working_directory(tmp_path):
    for name in ("h5py", "json", "hpcqrl", "numpy"):
        (tmp_path / f"{name}.py").write_text(f"open({str(tmp_path / 'imported')!r}, 'w')")
    shutil.copy(GOOD, tmp_path / "run.h5")
    command = [str(BIN / "hpcqrl"), "state", "run.h5"]
    done = subprocess.run(command, cwd=tmp_path, env=clean_environment(), capture_output=True, text=True, timeout=100)
    assert done.stdout == "complete\n" and not (tmp_path / "imported").exists(), done.stderr
