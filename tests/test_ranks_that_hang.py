"""A rank that blocks is named, and a run that was told to end does so without it."""

import time

import pytest
from launch import BIN, ROOT, finish, hpcqrl, start

from hpcqrl.results.reader import read_run

PATH = {"PYTHONPATH": f"{ROOT}:{ROOT / 'tests'}"}


@pytest.mark.parametrize("system", ["qa3c", "qdqn-dper"])
def test_a_rank_that_blocks_is_named_and_left_behind(tmp_path, system):
    out = tmp_path / "run.h5"
    options = ("--env", "odd_environments:Blocks-v0", "--model", "classical", "--episodes", "10000000")
    command = ("train", system, *options, "--checkpoint-every", "1000", "--patience", "8", "--out", str(out))
    process = start(str(BIN / "hpcqrl"), *command, ranks=3, **PATH)
    while not (out.exists() and len(read_run(out).episodes) > 1000):
        assert process.poll() is None, process.communicate()
        time.sleep(0.1)
    told = time.time()
    process.terminate()
    done = finish(process, timeout=100)
    assert done.returncode == 75 and time.time() - told < 60.0, done
    assert "rank 2 has not come to the checkpoint for 4 s, and ended no episode for" in done.stdout, done.stdout
    assert f"ended without rank 2; what came before is kept; to go on: hpcqrl resume {out}" in done.stdout
    found = read_run(out)
    assert not found.complete and len(found.episodes) > 1000
    assert hpcqrl("state", str(out)).stdout == "begun\n"
