"""Damaged files are found by every reader, in a line that names the part; none hangs, or is read as another."""

import sys

import h5py
import numpy as np
import pytest
from launch import BIN, hpcqrl, run
from test_results_files import FACTS, evaluations, rows, state

from hpcqrl.results import proof
from hpcqrl.results.checkpoint import read_checkpoint
from hpcqrl.results.reader import read_run
from hpcqrl.results.recorder import Recorder
from hpcqrl.results.schema import ATTRIBUTES, EPISODE


@pytest.fixture(scope="module")
def files(tmp_path_factory):
    """A run that goes on, with a checkpoint, and a complete one."""
    folder = tmp_path_factory.mktemp("files")
    for name in ("checkpoint", "complete"):
        with Recorder(folder / f"{name}.h5", FACTS, EPISODE, circuit='{"qubits": 1}') as recorder:
            recorder.append(rows(0, 50))
            recorder.append(evaluations(0, 20), "evaluations")
            recorder.checkpoint(3.0, state(40), [state(5), state(6)])
            recorder.append(rows(50, 7))
            if name == "complete":
                recorder.finish({"actor.w": np.arange(12.0).reshape(3, 4), "actor.b": np.ones(4)})
    return folder


def facts(path) -> str:
    """All that readers say of a file, for comparison."""
    found, saved = read_run(path), read_checkpoint(path)
    attributes = {name: value for name, value in found.attributes.items() if name in (*ATTRIBUTES, "checkpointed")}
    tables = [table.tobytes() for table in (found.episodes, found.evaluations)]
    states = [saved.common, *saved.agents, found.parameters]
    arrays = [(name, array.dtype, array.shape, array.tobytes()) for each in states for name, array in each.items()]
    return repr((sorted(attributes.items()), tables, found.circuit, arrays, saved[3:7]))


def test_whatever_byte_is_changed_the_file_is_refused_or_says_the_same(files, tmp_path, monkeypatch):
    monkeypatch.setattr(proof, "SECONDS", 2)
    chance, changed = np.random.default_rng(0), tmp_path / "changed.h5"
    refused = {}
    for name in ("checkpoint", "complete"):
        whole, said = (files / f"{name}.h5").read_bytes(), facts(files / f"{name}.h5")
        written = np.flatnonzero(np.frombuffer(whole, np.uint8))  # most of the rest is room
        for place in chance.choice(written, 150, replace=False):
            content = bytearray(whole)
            content[place] ^= 1 << chance.integers(8)
            changed.write_bytes(content)
            try:
                assert facts(changed) == said, place
            except ValueError as error:
                assert "\n" not in str(error) and str(changed) in str(error)
                reason = str(error).partition(": ")[2]
                refused[reason] = refused.get(reason, 0) + 1
    parts = ("episodes are", "attributes are", "parameters are", "checkpoint is")
    assert {f"its {part} damaged" for part in parts} <= set(refused)
    assert sum(refused.values()) > 100


def places(path):
    """Where each part of a file lies."""
    with h5py.File(path) as file:
        found = {
            "episodes are": file["episodes"].id.get_chunk_info(0).byte_offset + 16,
            "evaluations are": file["evaluations"].id.get_chunk_info(0).byte_offset,
            "circuit is not": file["circuit"].id.get_offset(),
            "attributes are": path.read_bytes().index(b'{"env": "E"}') + 9,
        }
        if "checkpoint" in file:
            half = file["checksums/checkpoint"][()]["half"]
            found["checkpoint is"] = file["checkpoint"].id.get_offset() + half * file["checkpoint"].shape[1] + 300
        if "parameters" in file:
            found["parameters are"] = file["parameters/actor.b"].id.get_offset()
    return found


def test_rows_after_a_checkpoint_that_a_power_cut_has_taken_do_not_keep_a_run_from_going_on(files, tmp_path):
    path = tmp_path / "run.h5"
    content = bytearray((files / "checkpoint.h5").read_bytes())
    size = rows(0, 1).itemsize
    with h5py.File(files / "checkpoint.h5") as file:
        after = file["episodes"].id.get_chunk_info(0).byte_offset + 50 * size
    content[after : after + 7 * size] = bytes(7 * size)
    path.write_bytes(content)
    with pytest.raises(ValueError, match="its episodes are damaged"):
        read_run(path)
    assert hpcqrl("state", str(path)).stdout == "checkpoint\n"
    with Recorder(path, FACTS, EPISODE, saved=read_checkpoint(path)):
        assert np.array_equal(read_run(path).episodes, rows(0, 50))


@pytest.mark.parametrize(
    ("name", "readers"),
    [
        ("checkpoint", ["hpcqrl resume", "hpcqrl state", "watch.py --once", "table.py --incomplete"]),
        ("complete", ["hpcqrl evaluate", "hpcqrl export --out OUT", "hpcqrl describe", "curves.py --out OUT"]),
        ("complete", ["export.py --csv OUT", "speedup.py", "scaling.py plot --out OUT"]),
    ],
)
def test_every_command_and_tool_names_the_damaged_part(files, tmp_path, name, readers):
    parts = list(places(files / f"{name}.h5").items())
    for number, reader in enumerate(readers):
        part, place = parts[number % len(parts)]
        path = tmp_path / f"{part}.h5"
        content = bytearray((files / f"{name}.h5").read_bytes())
        content[place] ^= 4
        path.write_bytes(content)
        program, *options = reader.replace("OUT", str(tmp_path / "x")).split()
        options.insert(program == "hpcqrl" or "plot" in options, str(path))
        command = (str(BIN / "hpcqrl"),) if program == "hpcqrl" else (sys.executable, f"tools/{program}")
        done = run(*command, *options)
        assert done.returncode in (1, 2) and "Traceback" not in done.stderr, (reader, part, done.stderr)
        assert done.stderr.count(f"its {part}") == 1 and str(path) in done.stderr, (reader, part, done.stderr)
