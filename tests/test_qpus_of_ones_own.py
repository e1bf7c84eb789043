"""A QPU by a function or by options; one submission a batch; one that fails is tried again, rested from, given up."""

import sys

import numpy as np
import pytest
from launch import BIN, ROOT, finish, hpcqrl, run, start

import hpcqrl as package
from hpcqrl.quantum.backend import Backend
from hpcqrl.quantum.circuits import variational
from hpcqrl.quantum.devices import make_device
from hpcqrl.quantum.patient import PatientDevice, QpuFailed
from hpcqrl.results.reader import read_run
from hpcqrl.results.schema import COST, EPISODE, with_columns

PATH = {"PYTHONPATH": f"{ROOT}:{ROOT / 'tests'}", "COLUMNS": "200"}
SMALL = ("qa3c", "--env", "CartPole-v1", "--qubits", "2", "--layers", "1")


def train(out, *options, ranks=1, **variables):
    return hpcqrl("train", *SMALL, *options, "--out", str(out), ranks=ranks, **PATH, **variables)


def test_a_function_makes_the_device_and_must_be_named_again(tmp_path):
    out = tmp_path / "run.h5"
    own = ("--qpu", "flaky_device:noisy")
    done = train(out, *own, "--episodes", "4", ranks=2)
    assert done.returncode == 0, done.stderr
    assert read_run(out).config["qpu"] == "flaky_device:noisy"
    refused = hpcqrl("evaluate", str(out), "--episodes", "2", **PATH)
    assert refused.returncode == 2 and "imported only if you say --qpu flaky_device:noisy" in refused.stderr
    for qpu in (*own,), ("--qpu", "native"), ("--qpu", "lightning.qubit", "--shots", "50"):
        done = hpcqrl("evaluate", str(out), "--episodes", "2", *qpu, **PATH)
        assert done.returncode == 0 and "mean return of 2 episodes" in done.stdout, done.stderr


@pytest.mark.parametrize("gradient", [(), ("--gradient", "shift")])
def test_a_call_is_one_submission(tmp_path, gradient):
    count, shots = tmp_path / "count", ("--shots", "20") if gradient else ()
    options = ("--qpu", "flaky_device:counting", "--episodes", "2", *gradient, *shots)
    assert train(tmp_path / "run.h5", *options, HPCQRL_TEST_COUNT=str(count)).returncode == 0
    submitted = [int(line) for line in count.read_text().split()]
    steps = int(read_run(tmp_path / "run.h5").episodes["length"].sum())
    if gradient:  # 2 actions' and 5 steps' values, each with the shifts of 10 parameters, to both sides
        assert max(submitted) == 5 * (1 + 2 * 10)
    else:
        assert max(submitted) == 5
    assert len(submitted) < 2.2 * steps


@pytest.mark.parametrize(
    ("options", "said"),
    [
        (
            ("--qpu", "flaky_device:nothing"),
            "flaky_device:nothing(wires, shots, seed, rank) returns None, not a PennyLane device or a Qiskit backend",
        ),
        (("--qpu", "flaky_device:broken"), "flaky_device:broken fails: ConnectionError: no route to the cryostat"),
        (("--qpu", "flaky_device:qiskit_backend"), "fake_backend measures shots, and nothing exact: say --shots"),
        (("--qpu", "flaky_device:none"), "module 'flaky_device' has no 'none'"),
        (("--qpu", "nowhere:device"), "there is no module 'nowhere'"),
        (("--qpu", "qiskit.nothing"), "install pennylane-qiskit, or this package's extra `qiskit`"),
        (("--qpu", "default.qubit", "--qpu-option", "nonsense=3"), "'default.qubit' with {'nonsense': 3}"),
        (("--qpu", "default.qubit", "--qpu-option", "nonsense"), "qpu_option is key=value, each key once, not"),
        (("--qpu-option", "a=1"), "qpu_option is of PennyLane's devices by name, and the QPU is native"),
        (("--qpu-latency", "-1"), "qpu_latency must lie in 0.0..60000.0, not -1.0"),
        (("--qpu-overhead", "1e9"), "qpu_overhead must lie in"),
        (("--model", "classical", "--gradient", "shift"), "gradient means nothing without a circuit"),
    ],
)
def test_what_is_wrong_is_said_in_a_line(tmp_path, options, said):
    done = train(tmp_path / "run.h5", *options, ranks=2)
    assert done.returncode == 2 and done.stderr.count(said) == 1 and "Traceback" not in done.stderr, done.stderr
    assert not (tmp_path / "run.h5").exists()


def test_options_reach_the_device(tmp_path):
    options = ("--qpu", "default.qubit", "--qpu-option", "max_workers=null", "--episodes", "2")
    assert train(tmp_path / "run.h5", *options).returncode == 0


@pytest.mark.parametrize("how", ["raise", "nan", "block"])
def test_a_call_that_fails_is_made_again(tmp_path, how):
    out, shared = tmp_path / "run.h5", ("--qpu", "flaky_device:flaky", "--qpu-timeout", "2", "--episodes", "6")
    done = train(out, *shared, HPCQRL_TEST_FAIL=how, HPCQRL_TEST_RANKS="0")
    assert done.returncode == 0 and "flaky_device:flaky failed at" in done.stdout, done.stdout + done.stderr
    assert "tried again in 1 s" in done.stdout and read_run(out).complete


def test_an_agent_whose_qpu_is_dead_rests_and_the_others_play_on(tmp_path):
    out, mended = tmp_path / "run.h5", tmp_path / "mended"
    options = ("--qpu", "flaky_device:flaky", "--qpu-retries", "0", "--episodes", "20", "--checkpoint-every", "1")
    variables = {"HPCQRL_TEST_FAIL": "dead", "HPCQRL_TEST_MENDED": str(mended)}
    done = train(out, *options, ranks=2, HPCQRL_TEST_RANKS="1", **variables)
    assert (
        "rank 1: flaky_device:flaky has failed 1 times: RuntimeError: the QPU is warm; this agent rests" in done.stdout
    )
    assert done.returncode == 75 and "no QPU is left that answers" in done.stdout, done.stdout + done.stderr
    played = read_run(out).episodes
    assert len(played) >= 19 and (played["agent"] == 0).sum() > 10
    mended.touch()
    again = {"HPCQRL_TEST_RANKS": "1", **variables}
    done = hpcqrl("resume", str(out), "--qpu", "flaky_device:flaky", ranks=2, **PATH, **again)
    assert done.returncode == 0 and len(read_run(out).episodes) == 20, done.stderr


def test_when_no_qpu_is_left_the_run_keeps_all_and_can_be_resumed(tmp_path):
    out, mended = tmp_path / "run.h5", tmp_path / "mended"
    options = ("--qpu", "flaky_device:flaky", "--qpu-retries", "0", "--episodes", "15")
    variables = {"HPCQRL_TEST_FAIL": "dead", "HPCQRL_TEST_MENDED": str(mended), "HPCQRL_TEST_RANKS": "0,1"}
    done = train(out, *options, ranks=2, **variables)
    assert (
        done.returncode == 75 and "no QPU is left that answers" in done.stdout and "all of it is kept" in done.stdout
    ), done
    mended.touch()
    for other in ("native", "flaky_device:noisy"):  # names nothing that the file has, and so imports nothing of it
        refused = hpcqrl("resume", str(out), "--qpu", other, ranks=2, **PATH, **variables)
        assert refused.returncode == 2 and refused.stderr.count("is on flaky_device:flaky; to go on") == 1, refused
    done = hpcqrl("resume", str(out), "--qpu", "flaky_device:flaky", ranks=2, **PATH, **variables)
    assert done.returncode == 0, done.stderr
    assert np.array_equal(np.sort(read_run(out).episodes["episode"]), np.arange(15))


def test_agents_in_step_end_with_the_status_of_those_who_may_be_resumed(tmp_path):
    out = tmp_path / "run.h5"
    options = ("dist-qtrl", "--env", "CartPole-v1", "--hidden", "2", "--layers", "1", "--qpu", "flaky_device:flaky")
    variables = {"HPCQRL_TEST_FAIL": "dead", "HPCQRL_TEST_MENDED": str(tmp_path / "no"), "HPCQRL_TEST_RANKS": "1"}
    more = ("--qpu-retries", "0", "--episodes", "300", "--checkpoint-every", "0.2", "--out", str(out))
    done = finish(start(str(BIN / "hpcqrl"), "train", *options, *more, ranks=2, **PATH, **variables))
    assert done.returncode == 75 and "rank 1: flaky_device:flaky has failed 1 times" in done.stdout, done


def test_waits_grow_and_what_is_asked_wrongly_is_not_asked_again(capsys, monkeypatch):
    waits = []
    monkeypatch.setattr("hpcqrl.quantum.patient.time.sleep", waits.append)
    device = make_device(variational(2, 1), Backend("default.qubit"))
    assert isinstance(device, PatientDevice)
    failing = PatientDevice(device, "x", 0.0, 3)
    with pytest.raises(QpuFailed, match=r"x has failed 4 times: ZeroDivisionError"):
        failing._tried(lambda: 1 / 0)
    assert waits == [1.0, 2.0, 4.0] and capsys.readouterr().out.count("tried again") == 3
    with pytest.raises(ValueError, match="the circuit takes angles"):
        failing.expval(np.zeros((1, 3)), np.zeros((1, 2, 3)))


def test_a_function_itself_may_be_given_in_python(tmp_path):
    import flaky_device

    path = package.train("qa3c", qpu=flaky_device.noisy, qubits=2, layers=1, episodes=2, out=tmp_path / "x.h5")
    run = package.load(path, qpu=flaky_device.noisy)
    assert run.policy()(np.zeros(4, np.float32)) in (0, 1)


def test_what_the_qpus_were_asked_for_is_in_the_file_and_all_that_reads_it_says_it(tmp_path):
    out, count = tmp_path / "run.h5", tmp_path / "count"
    options = ("--qpu", "flaky_device:counting", "--episodes", "4", "--gradient", "shift", "--shots", "20")
    done = train(out, *options, HPCQRL_TEST_COUNT=str(count))
    submitted = [int(line) for line in count.read_text().split()]
    rows = read_run(out).episodes
    assert rows["executions"].sum() == sum(submitted) and rows["submissions"].sum() == len(submitted)
    assert rows["shots"].sum() == 20 * sum(submitted) and 0.0 < rows["qpu_seconds"].sum() < rows["time"].max()
    said = f"{sum(submitted):,} circuits in {len(submitted):,} submissions, {20 * sum(submitted):,} shots"
    assert said in done.stdout
    for tool, shown in (("watch", said), ("table", f"| {sum(submitted):,} | {len(submitted):,} |")):
        assert shown in run(sys.executable, str(ROOT / f"tools/{tool}.py"), str(out), COLUMNS="200").stdout


def test_what_counts_nothing_has_no_columns_and_rows_of_older_files_none_of_it(tmp_path):
    assert train(tmp_path / "x.h5", "--episodes", "2").returncode == 0
    rows = read_run(tmp_path / "x.h5").episodes
    assert not {column.name for column in COST} & set(rows.dtype.names)
    now = with_columns(rows, EPISODE + COST)
    assert all((now[column.name] == 0).all() for column in COST)
