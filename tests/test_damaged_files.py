"""Damaged files are found by every reader, in a line that names the part; none hangs, or is read as another."""

import shutil
import sys
from contextlib import suppress

import damage
import h5py
import numpy as np
import pytest
from launch import BIN, ROOT, hpcqrl, run
from resealed import resealed
from test_results_files import FACTS, evaluations, rows, state

from hpcqrl.results import proof
from hpcqrl.results.checkpoint import read_checkpoint
from hpcqrl.results.reader import read_run
from hpcqrl.results.recorder import Recorder
from hpcqrl.results.schema import ATTRIBUTES, EPISODE, row_dtype

EPISODE_BUT_LENGTH = row_dtype(tuple(column for column in EPISODE if column.name != "length"))
OF_TEXT = [(column.name, "S9" if column.name == "length" else column.dtype) for column in EPISODE]


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
    known = {name: value for name, value in found.attributes.items() if name in (*ATTRIBUTES, "checkpointed")}
    attributes = {name: getattr(value, "item", lambda value=value: value)() for name, value in known.items()}
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
        for place in chance.choice(written, 70, replace=False):
            content = bytearray(whole)
            content[place] ^= 1 << chance.integers(8)
            changed.write_bytes(content)
            try:
                assert facts(changed) == said, place
            except ValueError as error:
                assert "\n" not in str(error) and str(changed) in str(error)
                reason = str(error).partition(": ")[2]
                refused[reason] = refused.get(reason, 0) + 1
    assert sum(refused.values()) > 40 and len(refused) > 5, refused


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


def _without(name):
    return lambda file: file.pop(name)


def _instead(name, value):
    def change(file) -> None:
        del file[name]
        file[name] = value

    return change


def _attribute(name, value):
    return lambda file: file.attrs.__setitem__(name, value)


@pytest.mark.parametrize(
    ("change", "said"),
    [
        (_without("episodes"), "not one of hpcqrl's results"),
        (_without("evaluations"), "its evaluations are gone"),
        (_without("circuit"), "its circuit is gone"),
        (_without("checkpoint"), "its checkpoint is gone"),
        (_without("checksums"), "its checksums are gone"),
        (_without("checksums/checkpoint"), "its checksums of checkpoint are gone"),
        (_instead("episodes", 1.0), "its episodes are no table"),
        (_instead("episodes", np.zeros(3)), "its episodes are no table"),
        (_instead("episodes", np.zeros(3, EPISODE_BUT_LENGTH)), "its episodes lack length"),
        (_instead("episodes", np.zeros(3, OF_TEXT)), "its episodes have length of another type"),
        (_instead("checkpoint", np.zeros(3)), "its checkpoint is not as it was written"),
        (_instead("checkpoint", np.zeros((2, 0), np.uint8)), "its checkpoint is damaged"),
        (_instead("circuit", h5py.Empty("u1")), "/circuit is not of plain numbers"),
        (
            lambda file: file.create_dataset("parameters/huge", (10**12,), "f8"),
            "is not of plain numbers that it can hold",
        ),
        (lambda file: file.create_dataset("parameters/text", data="text"), "is not of plain numbers"),
        *(
            (_attribute("config", text), "its config is")
            for text in ("[]", "3", "not JSON", '{"a": NaN}', "[" * 30_000)
        ),
        (_attribute("agents", 0), "its agents is 0, not a whole number from 1"),
        (_attribute("agents", 10**9), "its agents is"),
        (_attribute("seed", -1), "its seed is -1"),
        (_attribute("complete", "no"), "its complete is 'no', not true or false"),
        (_attribute("checkpoint_every", np.nan), "its checkpoint_every is"),
        (_attribute("history", '[{"agents": []}]'), "its history is not a list of starts"),
        (_attribute("system", "a\nb"), "its system is 'a\\nb', not a line of text"),
        (lambda file: file.attrs.pop("agents"), "it lacks agents"),
    ],
)
def test_what_is_of_another_kind_is_said_in_a_line(files, tmp_path, change, said):
    path = tmp_path / "run.h5"
    shutil.copy(files / "checkpoint.h5", path)
    with h5py.File(path, "r+") as file:
        change(file)
    with suppress(AttributeError, MemoryError), resealed(path):  # of some things there is no checksum
        pass
    for reader in (read_run, read_checkpoint):
        with pytest.raises(ValueError) as refused:
            reader(path)
        assert said in str(refused.value) and str(path) in str(refused.value) and "\n" not in str(refused.value)


def test_a_checkpoint_with_other_arrays_is_said_in_a_line(tmp_path):
    from hpcqrl.parallel.errors import Refused

    old = ROOT / "tests/data/0.1.0/qa3c-checkpoint.h5"
    for name, value, said in (
        ("common/theta", np.zeros(3), "it has 3 parameters, this model 78"),
        ("common/target", np.zeros(3), "target is of float64 (3,)"),
        ("common/moments", np.zeros((2, 78), np.int64), "moments is of int64 (2, 78)"),
        ("common/version", np.array(-1), "version is int64 (), not a count"),
        ("agents/0/unfinished", np.array([-5]), "unfinished episodes are int64 (1,), not numbers of episodes"),
        ("agents/0/random.env", np.zeros(9, np.uint8), "checkpoint does not fit"),
    ):
        path = tmp_path / "run.h5"
        shutil.copy(old, path)
        with h5py.File(path, "r+") as file:
            _instead(f"checkpoint/{name}", value)(file)
        with pytest.raises(Refused) as refused:
            damage.resume(path)
        assert said in str(refused.value) and str(path) in str(refused.value) and "\n" not in str(refused.value)


def test_files_damaged_in_any_way_make_no_reader_fail_otherwise(tmp_path, monkeypatch):
    """More of it: python tests/damage.py --files 2000."""
    monkeypatch.setattr(proof, "SECONDS", 2)
    (tmp_path / "damaged").mkdir()
    said, faults = damage.repeat(tmp_path / "damaged", damage.samples(tmp_path), 15, seed=7)
    assert not faults, "\n".join(faults.values())
    assert len(said) > 15
