"""What trackers' own libraries read is what the results files hold, by CleanRL's names; rliable takes the scores."""

import sys

import numpy as np
import pytest
from launch import BIN, ROOT, finish, hpcqrl, kill_all, start
from synthetic import call, write_run

sys.path.insert(0, str(ROOT / "tools"))

import export
import scores
import trackers

from hpcqrl.results.reader import read_run

RETURNS = [1.5, -2.0, 4.0, 8.0]


def test_points_are_in_the_order_of_time_and_each_comes_once(tmp_path):
    """The reference is the run itself: a file that grows gives the same points as one that is there at once."""
    path = tmp_path / "x.h5"
    written = []

    class Kept:
        def write(self, point):
            written.append(point)

        def close(self):
            written.append("closed")

    follower = trackers.Followed(lambda run, name: Kept())
    times = [4.0, 2.0, 8.0, 6.0]  # the first episode is not the first to end
    for size in (2, 2, 4):
        write_run(path, RETURNS[:size], times=times[:size], length=10, complete=size == 4)
        follower.update(read_run(path))
    assert [point.values["charts/episodic_return"] for point in written] == [-2.0, 1.5, 8.0, 4.0]
    assert [point.steps for point in written] == [10, 20, 30, 40]
    assert [point.values["charts/SPS"] for point in written] == [5.0, 5.0, 5.0, 5.0]
    follower.close()
    assert written[-1] == "closed"


def test_a_test_while_training_is_written_when_all_agents_have_done_their_part(tmp_path):
    path, written = tmp_path / "x.h5", []

    class Kept:
        def write(self, point):
            written.append((point.steps, point.values))

        def close(self):
            pass

    follower = trackers.Followed(lambda run, name: Kept())
    for complete in (False, True):
        write_run(
            path, [1.0], system="hdqnn-td3", agents=2, tests=[3.0, 5.0], test_every=100, steps=200, complete=complete
        )
        follower.update(read_run(path))
        found = [
            (steps, values["eval/episodic_return"]) for steps, values in written if "eval/episodic_return" in values
        ]
        assert found == [(200, 3.0), (400, 5.0)][: 1 + complete], "steps are those of both agents"


def test_tensorboard_reads_what_the_file_holds(tmp_path, capsys):
    pytest.importorskip("tensorboardX")
    accumulator = pytest.importorskip("tensorboard.backend.event_processing.event_accumulator")
    file = write_run(tmp_path / "x.h5", RETURNS, env="A/E-v0", agents=2)
    for _ in range(2):  # again: not twice
        assert call(export, capsys, file, "--tensorboard", tmp_path / "tb")[0] == 0
    (folder,) = (tmp_path / "tb").iterdir()
    assert folder.name.startswith("A-E-v0__qa3c__x__0__")
    found = accumulator.EventAccumulator(str(folder))
    found.Reload()
    for tag, expected in {"charts/episodic_return": RETURNS, "charts/episodic_length": [10.0] * 4}.items():
        events = found.Scalars(tag)
        assert [event.value for event in events] == expected
        assert [event.step for event in events] == [10, 20, 30, 40]
        assert np.allclose(np.diff([event.wall_time for event in events]), 1.0), "a second each"
    (text,) = found.Tensors("hyperparameters/text_summary")
    assert b"|env_id|A/E-v0|" in text.tensor_proto.string_val[0]


def test_wandb_reads_what_the_file_holds(tmp_path, capsys):
    messages = pytest.importorskip("wandb.proto.wandb_internal_pb2")
    file = write_run(tmp_path / "x.h5", RETURNS, seed=3)
    assert call(export, capsys, file, "--wandb-offline", tmp_path / "wb")[0] == 0
    (path,) = (tmp_path / "wb").glob("wandb/offline-run-*/*.wandb")
    rows, config = [], {}
    for data in log_records(path.read_bytes()):
        record = messages.Record()
        record.ParseFromString(data)
        if record.history.item:
            rows.append({".".join(item.nested_key) or item.key: item.value_json for item in record.history.item})
        config |= {item.key: item.value_json for item in record.run.config.update}
    assert [float(row["charts/episodic_return"]) for row in rows] == RETURNS
    assert [int(row["global_step"]) for row in rows] == [10, 20, 30, 40]
    assert (config["exp_name"], config["env_id"], config["seed"]) == ('"qa3c"', '"E-v0"', "3")


def log_records(data):
    """Of W&B's transaction log: LevelDB's format, in blocks of 32 kB, after 7 bytes of W&B's own."""
    place, parts = 7, b""
    while place + 7 <= len(data):
        room = 32768 - place % 32768
        if room < 7:
            place += room
            continue
        size, kind = int.from_bytes(data[place + 4 : place + 6], "little"), data[place + 6]
        parts += data[place + 7 : place + 7 + size]
        place += 7 + size
        if kind in (1, 4):  # whole, or the last part
            yield parts
            parts = b""


def test_without_them_the_extra_is_named(tmp_path, capsys, monkeypatch):
    monkeypatch.setattr(trackers, "find_spec", lambda name: None)
    for option in ("--tensorboard", "--wandb-offline"):
        status, _, errors = call(export, capsys, tmp_path / "x.h5", option, tmp_path)
        assert status and "hpcqrl[trackers]" in errors


def test_watch_writes_for_tensorboard_while_a_run_goes_on_and_waits_for_its_file(tmp_path):
    pytest.importorskip("tensorboardX")
    accumulator = pytest.importorskip("tensorboard.backend.event_processing.event_accumulator")
    out, folder = tmp_path / "run.h5", tmp_path / "tb"
    watch = start(str(BIN / "hpcqrl"), "watch", str(out), "--tensorboard", str(folder), "--interval", "0.2")
    train = ("train", "qa3c", "--env", "MiniGrid-Empty-5x5-v0", "--qubits", "2", "--layers", "1", "--episodes", "400")
    trained = hpcqrl(*train, "--out", str(out))
    if trained.returncode:
        kill_all(watch)  # it would wait for ever
    assert trained.returncode == 0, trained.stderr
    done = finish(watch, timeout=60)
    assert done.returncode == 0 and "waiting for" in done.stdout and "complete" in done.stdout, done.stderr
    (events,) = folder.iterdir()
    found = accumulator.EventAccumulator(str(events), size_guidance={"scalars": 0})
    found.Reload()
    rows = np.sort(read_run(out).episodes, order="time", kind="stable")
    assert [event.value for event in found.Scalars("charts/episodic_return")] == pytest.approx(rows["return"])
    assert found.Scalars("charts/episodic_return")[-1].step == rows["length"].sum()


def three_algorithms(folder):
    """One with 3 seeds in each of two environments, one with 2 and 3, one that lacks an environment."""
    found = []
    for name, lr, seeds in (("a", 0.1, (3, 3)), ("b", 0.2, (2, 3)), ("c", 0.3, (3, 0))):
        for env, count in zip(("X-v0", "Y-v0"), seeds, strict=True):
            for seed in range(count):
                value = 100 * lr + (env == "Y-v0") + seed / 10
                file = folder / f"{name}{env}{seed}.h5"
                found.append(write_run(file, [0.0] * 5 + [value - 1, value + 1] * 2, seed=seed, env=env, lr=lr))
    return found


def test_score_matrices_are_seeds_by_environments(tmp_path, capsys):
    files = three_algorithms(tmp_path)
    status, output, errors = call(export, capsys, *files, "--scores", tmp_path / "s.npz", "--last", "4")
    assert status == 0 and "lr 0.3, which has no runs in Y-v0" in errors and "of 3 seeds" in errors
    assert "environments: X-v0, Y-v0" in output
    found = dict(np.load(tmp_path / "s.npz", allow_pickle=False))
    expected = {0.1: [[10.0, 11.0], [10.1, 11.1], [10.2, 11.2]], 0.2: [[20.0, 21.0], [20.1, 21.1]]}
    assert {name.split("lr ")[1]: matrix.tolist() for name, matrix in found.items()} == {
        str(lr): pytest.approx(np.array(rows)) for lr, rows in expected.items()
    }


def test_rliable_takes_them(tmp_path):
    library = pytest.importorskip("rliable.library")
    metrics = pytest.importorskip("rliable.metrics")
    runs = [read_run(file) for file in three_algorithms(tmp_path)]
    matrices, _ = scores.score_matrices(runs, 4, "data")
    means, intervals = library.get_interval_estimates(
        matrices, lambda x: np.array([metrics.aggregate_mean(x)]), reps=50
    )
    assert sorted(value[0] for value in means.values()) == pytest.approx([10.6, 20.55])
    assert all(low <= means[name][0] <= high for name, (low, high) in intervals.items())
