"""A results file is whole at every moment."""

import io
import json
import os
import signal
import subprocess
import sys
import time

import h5py
import numpy as np
import pytest
from launch import ROOT
from resealed import resealed

from hpcqrl.results.checkpoint import read_checkpoint
from hpcqrl.results.reader import read_run
from hpcqrl.results.recorder import Recorder
from hpcqrl.results.schema import ATTRIBUTES, EPISODE, EVALUATION, FORMAT, PROVENANCE, named, row_dtype

DTYPE = row_dtype(EPISODE)
FACTS = {"format": FORMAT, "system": "a-system", "config": '{"env": "E"}', "seed": 1, "agents": 2, "created": "now"}
FACTS |= dict.fromkeys(PROVENANCE, "0") | {"root": "acts", "history": "[]", "job": ""}
FACTS |= {"checkpoint_every": 60.0, "counts_each_agent": False, "synchronous": False}


def rows(start: int, number: int) -> np.ndarray:
    new = np.zeros(number, DTYPE)
    new["episode"] = np.arange(start, start + number)
    new["return"] = 0.5 * new["episode"]
    return new


def evaluations(start: int, number: int) -> np.ndarray:
    new = np.zeros(number, row_dtype(EVALUATION))
    new["steps"] = 1000 * np.arange(start, start + number)
    return new


def test_a_file_says_what_it_holds(tmp_path):
    path = tmp_path / "new" / "run.h5"
    with Recorder(path, FACTS, EPISODE) as recorder:
        recorder.append(rows(3, 2))
        recorder.append(rows(0, 3))
        recorder.finish({"part/weight": np.arange(4.0)})
    run = read_run(path)
    assert run.complete and run.system == "a-system" and run.config == {"env": "E"} and run.agents == 2
    assert np.array_equal(run.episodes, rows(0, 5)) and run.parameters["part/weight"].tolist() == [0, 1, 2, 3]
    with h5py.File(path) as file:
        assert np.array_equal(file["episodes"], rows(0, 5)), "sorted in the file too"
        assert {f"about:{name}" for name in ATTRIBUTES} <= set(file.attrs)
        assert all("[" in file["episodes"].attrs[f"about:{column.name}"] for column in EPISODE)
        assert file["parameters/part/weight"].attrs["about"]
    assert os.listdir(path.parent) == ["run.h5"]


def test_rows_are_there_before_the_run_ends(tmp_path):
    recorder = Recorder(tmp_path / "run.h5", FACTS, EPISODE)
    assert len(read_run(recorder.path).episodes) == 0
    for start in range(0, 20_000, 1000):  # beyond the first room, so that a new file takes over
        recorder.append(rows(start, 1000))
        run = read_run(recorder.path)
        assert np.array_equal(run.episodes, rows(0, start + 1000)) and not run.complete
    other_program = f"import h5py; print(h5py.File({str(recorder.path)!r})['episodes'].shape[0])"
    assert subprocess.run([sys.executable, "-c", other_program], capture_output=True, check=True).stdout == b"20000\n"


def test_evaluations_stand_beside_episodes(tmp_path):
    with Recorder(tmp_path / "run.h5", FACTS, EPISODE) as recorder:
        recorder.append(evaluations(1, 1), "evaluations")  # before the first episode, and each beyond the first room
        for start in range(0, 10_000, 1000):
            recorder.append(rows(start, 1000))
            recorder.append(evaluations(2 + start, 1000), "evaluations")
            run = read_run(recorder.path)
            assert np.array_equal(run.episodes, rows(0, start + 1000))
            assert np.array_equal(run.evaluations[1:], evaluations(2, start + 1000)) and not run.complete
        recorder.append(evaluations(0, 1), "evaluations")
        recorder.finish({})
    run = read_run(recorder.path)
    assert run.complete and np.array_equal(run.episodes, rows(0, 10_000))
    assert np.array_equal(run.evaluations, evaluations(0, 10_002))
    with h5py.File(recorder.path) as file:
        assert all("[" in file["evaluations"].attrs[f"about:{column.name}"] for column in EVALUATION)


def state(number: int) -> dict[str, np.ndarray]:
    """What a checkpoint keeps, of any size."""
    return {"theta": np.arange(float(number)), "updates": np.array(number)}


def test_a_checkpoint_takes_the_place_of_the_last_one_in_the_same_file(tmp_path):
    with Recorder(tmp_path / "run.h5", FACTS, EPISODE) as recorder:
        recorder.append(rows(0, 3))
        recorder.checkpoint(1.0, state(10), [state(1), state(2)])
        before = recorder.path.stat().st_ino
        for number in (11, 9, 12):
            recorder.append(rows(number, 1))
            recorder.checkpoint(float(number), state(number), [state(number + 1)], last=number == 12)
            found = read_checkpoint(recorder.path)
            assert found.elapsed == number and np.array_equal(found.common["theta"], np.arange(float(number)))
            assert len(found.agents) == 1 and found.agents[0]["updates"] == number + 1
            assert found.finished.max() == max(number, 11)
            assert 0 <= time.time() - found.attributes["checkpointed"] < 60 and read_run(recorder.path).circuit is None
            assert ("interrupted" in found.attributes) == (number == 12)
        assert recorder.path.stat().st_ino == before and found.rows == {"episodes": 6, "evaluations": 0}
        recorder.append(rows(20, 5000))  # a new file takes over, with the checkpoint
        assert recorder.path.stat().st_ino != before and read_checkpoint(recorder.path).rows["episodes"] == 6
        recorder.checkpoint(13.0, state(100_000), [])  # more than there was room for
        assert read_checkpoint(recorder.path).common["theta"].size == 100_000
        assert len(read_run(recorder.path).episodes) == 5006
        recorder.finish({})
    with h5py.File(recorder.path) as file:
        assert "checkpoint" not in file and recorder.path.stat().st_size < 10_000 + 5006 * DTYPE.itemsize + 20_000


def test_a_run_goes_on_with_the_rows_before_its_checkpoint(tmp_path):
    path = tmp_path / "run.h5"
    with Recorder(path, FACTS, EPISODE) as recorder:
        recorder.append(rows(0, 3))
        recorder.append(evaluations(0, 2), "evaluations")
        recorder.checkpoint(7.0, state(10), [state(1)])
        recorder.append(rows(3, 6000))
    saved = read_checkpoint(path)
    with Recorder(path, FACTS, EPISODE, saved=saved) as recorder:
        assert np.array_equal(read_run(path).episodes, rows(0, 3))
        again = read_checkpoint(path)
        assert again.elapsed == 7.0 and np.array_equal(again.common["theta"], np.arange(10.0))
        assert again.attributes["checkpointed"] == saved.attributes["checkpointed"]
        recorder.append(rows(3, 1))
    assert np.array_equal(read_run(path).episodes, rows(0, 4)) and len(read_run(path).evaluations) == 2
    with Recorder(path, FACTS, EPISODE + named("loss"), saved=read_checkpoint(path)):
        pass  # of a version that notes one thing more
    found = read_run(path).episodes
    assert np.isnan(found["loss"]).all() and np.array_equal(found["return"], rows(0, 3)["return"])
    with pytest.raises(ValueError, match=r"run[.]h5 has episodes of other columns"):
        Recorder(path, FACTS, EPISODE, saved=read_checkpoint(path))
    assert len(read_run(path).episodes) == 3


def test_every_write_leaves_a_whole_file(tmp_path, monkeypatch):
    """Replays all that is written while a run goes on, one write after the other, and reads the file after each."""
    recorder = Recorder(tmp_path / "run.h5", FACTS, EPISODE)
    recorder.append(rows(0, 5))
    recorder.append(evaluations(0, 1), "evaluations")
    recorder.checkpoint(1.0, state(1000), [state(1)])
    image, writes = bytearray(recorder.path.read_bytes()), []
    write = os.pwrite
    monkeypatch.setattr(os, "pwrite", lambda file, data, at: writes.append((at, bytes(data))) or write(file, data, at))
    for start in range(5, 4000, 799):
        recorder.append(rows(start, 799))
        recorder.append(evaluations(start // 799 + 1, 1), "evaluations")
        recorder.checkpoint(1.0, state(1000 + start % 7), [state(1)])
    monkeypatch.undo()
    recorder.close()
    found, tests, kept, copy = 0, 1, 0, tmp_path / "copy.h5"
    for place, data in writes:
        image[place : place + len(data)] = data
        copy.write_bytes(image)
        run, checkpoint = read_run(copy), read_checkpoint(copy)
        with h5py.File(io.BytesIO(image)) as file:  # as other programs read it
            episodes = file["episodes"][:]
        assert len(episodes) >= len(run.episodes) >= found and np.array_equal(episodes, rows(0, len(episodes)))
        assert np.array_equal(run.episodes, rows(0, len(run.episodes)))
        assert len(run.evaluations) >= tests and np.array_equal(run.evaluations, evaluations(0, len(run.evaluations)))
        assert checkpoint.rows["episodes"] >= kept and checkpoint.common["theta"].size == checkpoint.common["updates"]
        found, tests, kept = len(run.episodes), len(run.evaluations), checkpoint.rows["episodes"]
    assert found == kept == 4000 and tests == 6 and len(writes) > 5 * 8


def test_what_must_be_written_at_once_lies_within_a_page(tmp_path):
    """There, what one write writes is there as a whole, or not at all."""
    for length in range(0, 8000, 333):
        with Recorder(tmp_path / f"{length}.h5", FACTS | {"config": json.dumps({"env": "E" * length})}, EPISODE) as run:
            run.checkpoint(1.0, state(length), [])
            places = run._file._tables.values()
            assert all(record % 4096 + 32 <= 4096 for record in (run._file._record, *(each.record for each in places)))
            assert all(each.length % 8 == 0 for each in places)


def test_a_killed_writer_leaves_its_rows(tmp_path):
    script = (
        f"import sys, time; sys.path.insert(0, {str(ROOT / 'tests')!r})\n"
        "from test_results_files import *\n"
        "recorder = Recorder(sys.argv[1], FACTS, EPISODE)\n"
        "for start in range(10**9):\n"
        "    recorder.append(rows(start, 1)); print(start, flush=True)\n"
    )
    random = np.random.default_rng(0)
    for attempt in range(4):
        path = tmp_path / f"{attempt}.h5"
        process = subprocess.Popen([sys.executable, "-c", script, str(path)], stdout=subprocess.PIPE, text=True)
        process.stdout.readline()
        time.sleep(random.uniform(0.0, 0.4))
        process.send_signal(signal.SIGKILL)
        acknowledged = [0, *map(int, process.communicate()[0].split("\n")[:-1])][-1]
        run = read_run(path)
        assert len(run.episodes) > acknowledged and np.array_equal(run.episodes, rows(0, len(run.episodes)))


def test_an_existing_file_is_not_touched(tmp_path):
    path = tmp_path / "run.h5"
    path.write_bytes(b"precious")
    with pytest.raises(FileExistsError, match=r"run\.h5 exists; choose another --out, or pass --overwrite"):
        Recorder(path, FACTS, EPISODE)
    assert path.read_bytes() == b"precious"
    Recorder(path, FACTS, EPISODE, overwrite=True)
    assert read_run(path).system == "a-system"


def test_a_place_that_cannot_be_written_is_named(tmp_path):
    (tmp_path / "file").touch()
    with pytest.raises(OSError, match="cannot write"):
        Recorder(tmp_path / "file" / "run.h5", FACTS, EPISODE)
    with pytest.raises(OSError, match="cannot write"):
        Recorder("/proc/run.h5", FACTS, EPISODE)


def test_a_run_that_fails_before_its_first_episode_leaves_no_file(tmp_path):
    for number in (0, 1):
        with pytest.raises(ZeroDivisionError), Recorder(tmp_path / f"{number}.h5", FACTS, EPISODE) as recorder:
            recorder.append(rows(0, number))
            raise ZeroDivisionError
    assert os.listdir(tmp_path) == ["1.h5"] and len(read_run(tmp_path / "1.h5").episodes) == 1


def test_what_is_to_be_replaced_stays_until_there_is_something_in_its_place(tmp_path):
    path = tmp_path / "run.h5"
    with Recorder(path, FACTS, EPISODE) as recorder:
        recorder.append(rows(0, 3))
        recorder.finish({})
    (tmp_path / ".run.h5.123.partial").touch()  # of a run that was killed
    with pytest.raises(ZeroDivisionError), Recorder(path, FACTS, EPISODE, overwrite=True):
        assert len(read_run(path).episodes) == 0
        raise ZeroDivisionError
    assert os.listdir(tmp_path) == ["run.h5"] and read_run(path).complete
    (tmp_path / ".new.h5.replaced").write_text("set aside by a run that was killed, of a file that is gone")
    with pytest.raises(ZeroDivisionError), Recorder(tmp_path / "new.h5", FACTS, EPISODE):
        raise ZeroDivisionError
    assert not (tmp_path / "new.h5").exists()
    (tmp_path / ".new.h5.replaced").unlink()
    with Recorder(path, FACTS, EPISODE, overwrite=True) as recorder:
        recorder.append(rows(0, 1))
    assert os.listdir(tmp_path) == ["run.h5"] and len(read_run(path).episodes) == 1


def test_files_of_others_are_named(tmp_path):
    (tmp_path / "text.h5").write_text("no HDF5")
    with h5py.File(tmp_path / "foreign.h5", "w") as file:
        file["data"] = 1
    for name, reason in (("none.h5", "cannot be read"), ("text.h5", "cannot be read"), ("foreign.h5", "not one of")):
        with pytest.raises(ValueError, match=rf"{name.replace('.', '[.]')}.*{reason}"):
            read_run(tmp_path / name)


@pytest.mark.parametrize("damage", ["a plain array", "a group", "a column less", "format", "config", "seed"])
def test_a_file_with_parts_of_another_kind_is_named(tmp_path, damage):
    path = tmp_path / "run.h5"
    with Recorder(path, FACTS, EPISODE) as recorder:
        recorder.append(rows(0, 3))
    with resealed(path) as file:
        if damage in ("format", "config", "seed"):
            file.attrs[damage] = "{abc"
        else:
            episodes = file["episodes"][:]
            del file["episodes"]
            if damage == "a group":
                file.create_group("episodes")
            else:
                file["episodes"] = np.zeros(3) if damage == "a plain array" else episodes[["episode", "return"]]
    with pytest.raises(ValueError, match=r"run[.]h5 cannot be read as a results file"):
        read_run(path)
