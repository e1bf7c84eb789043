"""tools/watch.py tells a run that goes on from one that has ended and from one that died, and disturbs none."""

import json
import os
import pty
import re
import signal
import subprocess
import sys
import time

import h5py
import numpy as np
import pytest
from launch import BIN, ROOT, clean_environment, finish, hpcqrl, kill_all, run, start

sys.path.insert(0, str(ROOT / "tools"))

import watch

from hpcqrl.results.schema import ATTRIBUTES

WATCH = (sys.executable, "tools/watch.py")
TRAIN = ("train", "qa3c", "--env", "MiniGrid-Empty-5x5-v0", "--qubits", "2", "--layers", "1")


def shown(out, *options):
    done = run(*WATCH, str(out), *options, COLUMNS="120")
    assert done.returncode == 0, done.stderr
    return done.stdout


def wait_for_rows(out, process):
    while "last seen" not in (shown(out) if out.exists() else "") or "none yet" in shown(out):
        assert process.poll() is None, process.communicate()
        time.sleep(0.2)


def episodes(text):
    return int(re.search(r"episodes +([\d,]+), ", text)[1].replace(",", ""))


def test_a_run_that_goes_on_and_then_is_killed(tmp_path):
    out = tmp_path / "run.h5"
    process = start(str(BIN / "hpcqrl"), *TRAIN, "--episodes", "1000000", "--out", str(out), ranks=2)
    wait_for_rows(out, process)
    first = shown(out, "--once")
    time.sleep(1.5)
    second = shown(out, "--once")
    assert "running" in first and "2 agents" in first and "staleness" in first and "steps/s" in first
    assert episodes(second) > episodes(first)
    assert re.search(r"│ +1 │ +[1-9]", second), second
    kill_all(process)
    os.utime(out, (time.time() - 60,) * 2)  # as if it had been a minute ago
    killed = shown(out)
    assert re.search("DEAD.* 6[0-9] s; it left no checkpoint", killed), killed
    with h5py.File(out, "r+") as file:
        file.attrs["checkpointed"] = time.time() - 300.0
    os.utime(out, (time.time() - 60,) * 2)
    killed = shown(out)
    assert "hpcqrl resume" in killed and "5 min ago" in killed


def test_on_a_terminal_it_follows_a_run_to_its_end(tmp_path):
    out = tmp_path / "run.h5"
    process = start(str(BIN / "hpcqrl"), *TRAIN, "--episodes", "4000", "--out", str(out), ranks=2)  # some 10 s
    while not out.exists():
        assert process.poll() is None, process.communicate()
        time.sleep(0.05)
    terminal, of_watch = pty.openpty()
    environment = clean_environment(TERM="xterm", COLUMNS="120")
    process_of_watch = subprocess.Popen(
        [*WATCH, str(out), "--interval", "0.2"], stdout=of_watch, env=environment, cwd=ROOT
    )
    os.close(of_watch)
    text = b""
    try:
        while part := os.read(terminal, 65536):
            text += part
    except OSError:  # how Linux says that the other end is closed
        pass
    assert process_of_watch.wait(timeout=10) == 0 and finish(process).returncode == 0
    assert b"running" in text and b"complete" in text.split(b"running")[-1] and b"  4,000, " in text
    before = out.read_bytes()
    assert "complete" in shown(out) and out.read_bytes() == before


WRITER = """
import json, sys
import numpy as np
from hpcqrl.results.recorder import Recorder
from hpcqrl.results.schema import EPISODE, row_dtype
while True:
    with Recorder(sys.argv[1], json.loads(sys.argv[2]), EPISODE, overwrite=True) as recorder:
        for size in (1, 10, 5000, 1, 10, 20000):
            recorder.append(np.ones(size, row_dtype(EPISODE)))
"""


def test_a_file_that_is_added_to_and_replaced_all_the_time_can_be_read_at_any_moment(tmp_path):
    out, read = tmp_path / "run.h5", watch.read
    attributes = dict.fromkeys(ATTRIBUTES, "none") | {"format": 1, "config": "{}", "seed": 0, "agents": 1}
    attributes |= {"counts_each_agent": False, "synchronous": False, "checkpoint_every": 0.0, "history": "[]"}
    absent = ("complete", "checkpointed", "interrupted")
    attributes = {name: value for name, value in attributes.items() if name not in absent}
    process = start(sys.executable, "-c", WRITER, str(out), json.dumps(attributes))
    while not out.exists():
        time.sleep(0.05)
    sizes = set()
    end = time.monotonic() + 3.0
    while time.monotonic() < end or (len(sizes) <= 2 and time.monotonic() < end + 60.0):
        rows = read(out)[0].episodes
        assert (rows["length"] == 1).all()
        sizes.add(len(rows))
    assert process.poll() is None, process.communicate()
    kill_all(process)
    assert len(sizes) > 2 and sizes <= {0, 1, 11, 5011, 5012, 5022, 25022}, sizes


def test_a_run_that_was_told_to_end_is_not_called_dead(tmp_path):
    out = tmp_path / "run.h5"
    process = start(str(BIN / "hpcqrl"), *TRAIN, "--episodes", "1000000", "--out", str(out))
    wait_for_rows(out, process)
    process.send_signal(signal.SIGUSR1)
    assert finish(process).returncode == 75
    os.utime(out, (time.time() - 3600,) * 2)
    assert "interrupted, as it was told to: `hpcqrl resume" in shown(out)


@pytest.mark.parametrize("what", ["missing", "text", "foreign", "folder"])
def test_what_cannot_be_watched_is_named(tmp_path, what):
    path = tmp_path / what
    if what == "text":
        path.write_text("no HDF5")
    elif what == "foreign":
        with h5py.File(path, "w") as file:
            file["x"] = 1
    elif what == "folder":
        path.mkdir()
    done = run(*WATCH, str(path))
    assert done.returncode == 1 and str(path) in done.stderr and done.stderr.startswith("watch: "), done.stderr
    assert "Traceback" not in done.stderr and done.stdout == ""


def test_a_small_run_is_complete(tmp_path):
    out = tmp_path / "run.h5"
    assert hpcqrl(*TRAIN, "--episodes", "1", "--out", str(out)).returncode == 0
    text = shown(out)
    assert "complete" in text and episodes(text) == 1 and "DEAD" not in text


def test_returns_that_are_not_finite_are_drawn_as_such():
    curve = watch.curve
    assert curve(np.array([1.0, np.nan, 2.0, np.inf])) == "▁x█x" and curve(np.full(2, np.nan)) == "xx"
