"""Files that older versions wrote can be read for ever: tests/data/VERSION holds one of each system and state."""

import json
import shutil
import sys
from dataclasses import fields

import h5py
import numpy as np
import pytest
from launch import ROOT, hpcqrl, run

from hpcqrl.results.reader import read_run
from hpcqrl.systems import SYSTEMS as KNOWN
from hpcqrl.systems import find

DATA = ROOT / "tests/data"
VERSIONS = sorted(folder.name for folder in DATA.iterdir())
SYSTEMS = [system for system in KNOWN if (DATA / "0.1.0" / f"{system}-complete.h5").exists()]
FILES = [(version, system) for version in VERSIONS for system in SYSTEMS]
PLAYED = {  # what version 0.1.0 itself printed of its files
    "dist-qtrl": "MiniGrid-Empty-5x5-v0: mean return of 10 episodes 0.460, 95% interval 0.269 to 0.652",
    "qa3c": "CartPole-v1: mean return of 10 episodes 25.200, 95% interval 18.400 to 32.400",
    "qdqn-dper": "hpcqrl/CartPoleMod-v0: mean return of 10 episodes 10.700, 95% interval 10.200 to 11.200",
    "hdqnn-td3": "Pendulum-v1: mean return of 10 episodes -1590.723, 95% interval -1664.277 to -1515.432",
}


@pytest.mark.parametrize(("version", "system"), FILES)
def test_what_they_hold_is_read(version, system):
    complete, checkpoint = (read_run(DATA / version / f"{system}-{state}.h5") for state in ("complete", "checkpoint"))
    assert complete.complete and complete.parameters and not checkpoint.complete and not checkpoint.parameters
    for found in (complete, checkpoint):
        assert found.system == system and found.attributes["hpcqrl"] == version and len(found.episodes)
        assert found.counts_each_agent == (system == "dist-qtrl")
        assert found.synchronous == (system in ("dist-qtrl", "hdqnn-td3"))
    for found, state in ((complete, "complete"), (checkpoint, "checkpoint")):
        assert hpcqrl("state", str(found.path)).stdout == f"{state}\n"


@pytest.mark.parametrize(("version", "system"), FILES)
def test_their_policies_play_as_they_did(version, system):
    path, sample = str(DATA / version / f"{system}-complete.h5"), ("--sample",) * find(system).FACTS.stochastic
    done = hpcqrl("evaluate", path, "--episodes", "10", *sample)
    assert done.returncode == 0 and done.stdout.startswith(PLAYED[system]), done.stdout + done.stderr


@pytest.mark.parametrize(("version", "system"), FILES)
def test_their_policies_are_exported_and_described(version, system, tmp_path):
    path = str(DATA / version / f"{system}-complete.h5")
    done = hpcqrl("export", path, "--out", str(tmp_path / "x.pt2"))
    assert done.returncode == 0 and (tmp_path / "x.pt2").exists(), done.stderr
    done = hpcqrl("describe", path)
    size = sum(value.size for value in read_run(path).parameters.values())
    assert done.returncode == 0 and f"{size:,}" in done.stdout and "circuit: " in done.stdout, done.stdout + done.stderr


@pytest.mark.parametrize(("version", "system"), FILES)
def test_their_runs_go_on(version, system, tmp_path):
    out = tmp_path / "run.h5"
    shutil.copy(DATA / version / f"{system}-checkpoint.h5", out)
    done = hpcqrl("resume", str(out), ranks=2)
    assert done.returncode == 0 and "resumed after" in done.stdout, done.stdout + done.stderr
    found = read_run(out)
    assert found.complete and found.episodes["episode"].tolist() == list(range(len(found.episodes)))
    if found.synchronous:  # as that version itself went on; the last bits are the processor's
        whole = read_run(DATA / version / f"{system}-resumed.h5")
        assert np.array_equal(found.episodes["return"], whole.episodes["return"])
        for name, value in whole.parameters.items():
            assert np.allclose(found.parameters[name], value, rtol=1e-4, atol=1e-5), name


@pytest.mark.parametrize("version", VERSIONS)
@pytest.mark.parametrize(
    ("tool", "said"),
    [
        (("table.py", "--last", "5", "--incomplete"), "hdqnn-td3, 2 agents"),
        (("curves.py", "--out", "OUT/x.png"), "8 runs drawn"),
        (("speedup.py", "--last", "5", "--window", "5"), "all runs have as many agents: 2"),
        (("export.py", "--csv", "OUT"), "8 runs written"),
        (("scaling.py", "plot", "--out", "OUT/x.png"), ""),
    ],
)
def test_the_tools_read_them(version, tool, said, tmp_path):
    name, *options = (part.replace("OUT", str(tmp_path)) for part in tool)
    paths = [str(DATA / version / f"{system}-{state}.h5") for system in SYSTEMS for state in ("complete", "checkpoint")]
    done = run(sys.executable, f"tools/{name}", *options, *paths)
    assert "Traceback" not in done.stderr and "cannot be read" not in done.stderr, done.stderr
    assert said in done.stdout + done.stderr, done.stdout + done.stderr


@pytest.mark.parametrize(("version", "system"), FILES)
def test_they_can_be_watched(version, system):
    for state in ("complete", "checkpoint"):
        done = run(sys.executable, "tools/watch.py", "--once", str(DATA / version / f"{system}-{state}.h5"))
        assert done.returncode == 0 and "episodes" in done.stdout, done.stdout + done.stderr


@pytest.mark.parametrize("system", SYSTEMS)
def test_a_field_that_a_file_lacks_says_what_it_was_before(system):
    """So every field that 0.1.0 did not have has a value for it, and none that it had is gone."""
    written = json.loads(h5py.File(DATA / "0.1.0" / f"{system}-complete.h5").attrs["config"])
    now = {field.name: field for field in fields(find(system).Config)}
    assert set(written) <= set(now)
    assert all("before" in now[name].metadata for name in set(now) - set(written))


def test_a_file_of_a_later_version_is_refused_by_what_it_says_that_is_new(tmp_path):
    later = tmp_path / "later.h5"
    shutil.copy(DATA / "0.1.0/qa3c-checkpoint.h5", later)
    with h5py.File(later, "r+") as file:
        file.attrs["config"] = json.dumps(json.loads(file.attrs["config"]) | {"telepathy": True})
        file.attrs["hpcqrl"] = "7.0.0"
    for command, ranks in (("resume", 2), ("evaluate", 1)):
        done = hpcqrl(command, str(later), ranks=ranks)
        assert done.returncode == 2 and done.stderr.count("\n") == 1, done.stderr
        assert "was written by hpcqrl 7.0.0 with options that this one does not know: ['telepathy']" in done.stderr
