"""What a run shows of its rates and of what it asks of QPUs is what was put into it, and predicts other runs."""

import re
import sys
from pathlib import Path
from types import SimpleNamespace

import matplotlib.image
import numpy as np
import pytest
from launch import ROOT, run
from synthetic import write_run

sys.path.insert(0, str(ROOT / "tools"))

import scaling
import scaling_figure
import scaling_points
from throughput import Demand, Model, Qpu

from hpcqrl.results.reader import read_run
from hpcqrl.results.schema import EPISODE, EXTRA, row_dtype

COUNTS = (1, 2, 4, 8, 16, 32, 64)


def rates(model, latency):
    return [float(model.steps_per_second([n], Qpu(latency), 2.0)[0]) for n in COUNTS]


def scaled(tmp_path, agents, rate, system="qa3c", latency=5.0, each=40, again=1, **more):
    """A run whose every agent makes `rate` steps a second in episodes of 10, all out of step."""
    times = np.concatenate([(np.arange(1, each + 1) + a / agents) * 10 / rate for a in range(agents)])
    order = np.argsort(times, kind="stable")
    path = tmp_path / f"{system}-{agents}-{latency:g}-{more.get('qpu_overhead', 0.0):g}-{again}.h5"
    more |= {"qpu_latency": latency, "episodes": each if system == "dist-qtrl" else each * agents}
    return write_run(path, np.arange(times.size), system, agents, times=times[order], **more)


def test_what_a_run_shows_is_what_was_put_into_it(tmp_path):
    found = scaling_points.point(read_run(scaled(tmp_path, 4, 50.0)))
    assert found.agents == 4 and found.qpu == Qpu(5e-3) and found.steps == pytest.approx(200.0)
    assert found.updates == pytest.approx(40.0, rel=0.05), "the synthetic version grows by 2 an episode, of 20 a second"
    assert found.demand is None, "a file of an older version does not say it"
    asked = {"asked": (30, 20, 3000), "qpu_overhead": 10.0, "qpu_shot_time": 2.5}
    found = scaling_points.point(read_run(scaled(tmp_path, 4, 50.0, **asked)))
    assert (
        found.qpu == pytest.approx((5e-3, 10e-3, 2.5e-6))
        and found.qpu_in_words == "5 ms + 10 ms/submission + 2.5 us/shot"
    )
    assert found.demand == pytest.approx((3.0, 2.0, 300.0)), "a step"
    found = scaling_points.point(read_run(scaled(tmp_path, 4, 50.0, "dist-qtrl", **asked)))
    assert found.demand == pytest.approx((30.0, 20.0, 3000.0)), "a round, which is an episode"


def test_plot_prints_errors_on_points_held_out_and_draws(tmp_path):
    model = Model(2e-4, Demand(3.0), 2e-5)
    files = [
        scaled(tmp_path, n, r / n, latency=t)
        for t in (1.0, 5.0)
        for n, r in zip(COUNTS[:5], rates(model, 1e-3 * t), strict=False)
    ]
    out, bad = tmp_path / "figures" / "scaling.png", tmp_path / "bad.h5"
    bad.write_text("no HDF5")
    done = run(sys.executable, "tools/scaling.py", "plot", *files, str(bad), "--cores", "2", "--out", str(out))
    assert done.returncode == 0 and "bad.h5" in done.stderr and "Traceback" not in done.stderr, done.stderr
    assert done.stdout.count("held out") == 4 and matplotlib.image.imread(out).std() > 0.01
    assert float(re.search(r"held-out points: mean ([\d.]+)%", done.stdout)[1]) < 10.0
    assert re.search(r"(2\.9|3\.0|3\.1)\d* executions a step \(fitted\)", done.stdout), "the files do not say it"


@pytest.mark.parametrize("synchronous", [False, True])
def test_what_is_counted_at_one_agent_predicts_qpus_that_differ_in_all_their_times(tmp_path, capsys, synchronous):
    """Overheads and latencies change together here, so that a single fitted number of executions cannot do it."""
    each, system = (10, "dist-qtrl") if synchronous else (1, "qa3c")
    model = Model(2e-4, Demand(3.0 * each, 2.0 * each, 30.0 * each), 2e-5, synchronous, lengths=(each,))
    files = []
    for n in (1, 2, 4, 8):
        for qpu in (Qpu(5e-3, 0.0, 1e-5), Qpu(1e-3, 20e-3, 1e-5)):
            rate = float(model.steps_per_second([n], qpu, 2.0)[0]) / n
            said = {"asked": (30, 20, 300), "qpu_overhead": 1e3 * qpu.overhead, "qpu_shot_time": 10.0}
            files.append(scaled(tmp_path, n, rate, system, 1e3 * qpu.latency, **said))
    scaling.plot(tuple(map(Path, files)), out=tmp_path / "x.png", cores=2.0)
    said = capsys.readouterr().out
    assert float(re.search(r"held-out points: mean [\d.]+%, largest ([\d.]+)%", said)[1]) < 2.0
    unit = (
        "30 executions, 20 submissions, 300 shots a round" if synchronous else "3 executions, 2 submissions, 30 shots a"
    )
    assert unit in said and said.count("| held out |") == 4 and "counted at the fewest agents" in said
    alone = float(model.steps_per_second([1], Qpu(5e-3, 0.0, 1e-5), 2.0)[0])
    brings = re.search(r"QPU 5 ms \+ 10 us/shot: a QPU-hour of one brings ([\d,]+) steps, and at least 90%", said)
    assert float(brings[1].replace(",", "")) == pytest.approx(3600.0 * alone, rel=0.02)


@pytest.mark.parametrize("system", ["qa3c", "dist-qtrl"])
def test_repeats_are_one_point_their_median(tmp_path, capsys, system):
    alone = scaled(tmp_path, 1, 50.0, system)
    pairs = [scaled(tmp_path, 2, rate, system, again=again) for again, rate in enumerate((40.0, 49.0, 50.0))]
    scaling.plot(tuple(map(Path, (*pairs, alone))), out=tmp_path / "x.png")
    said = capsys.readouterr()
    row = next(line for line in said.out.splitlines() if line.startswith("| 2 "))
    assert row.split(" | ")[2] == "98.0 (80.0 to 100.0)" and "| 0.980 |" in row and not said.err.count("left out")


@pytest.mark.parametrize(("most", "bound"), [(4, False), (64, True)])
def test_what_cores_limit_is_predicted_only_where_they_limited_something_that_was_measured(
    tmp_path, capsys, monkeypatch, most, bound
):
    model, drawn = Model(2e-4, Demand(3.0), 2e-5), {}
    counts = [n for n in COUNTS if n <= most]
    files = [scaled(tmp_path, n, r / n, latency=1.0) for n, r in zip(counts, rates(model, 1e-3), strict=False)]
    monkeypatch.setattr(scaling_figure, "save", lambda figure, out: drawn.update({out.name: figure}))
    scaling.plot(tuple(map(Path, files)), out=tmp_path / "x.png", cores=2.0)
    said = capsys.readouterr()
    assert list(drawn) == ["x.png", "x-predicted.png", "x-sharing.png"] and "x-sharing.png" in said.out
    assert ("no point that it is fitted to was bound" in said.err) is not bound
    styles = [line.get_linestyle() for line in drawn["x-predicted.png"].axes[0].lines]
    assert styles.count(":") == 1 and styles.count("--") == bound
    assert ("on 2 cores" in drawn["x-predicted.png"].get_suptitle()) is bound
    assert drawn["x.png"].axes[0].get_xticks().tolist() == counts


def test_bad_input_is_a_line_each(tmp_path, capsys):
    figure, short = tmp_path / "x.png", write_run(tmp_path / "short.h5", [1.0, 2.0], agents=2)
    for files in ((), (short,), (tmp_path / "none.h5",)):
        with pytest.raises(SystemExit, match="no results file that can be used"):
            scaling.plot(tuple(map(Path, files)), out=figure)
        said = capsys.readouterr().err
        assert not files or "too few episodes" in said or "none.h5" in said
    assert not figure.exists()
    scaling.plot((Path(scaled(tmp_path, 2, 50.0)),), out=figure)
    assert "no model: a model needs at least 2" in capsys.readouterr().err and figure.exists()


def test_run_measures_asynchronous_agents_whose_updates_wait_for_their_qpus(tmp_path):
    command = ("run", "qdqn-dper", "--agents", "1", "2", "--qpu-latency", "3", "--episodes", "4")
    done = run(sys.executable, "tools/scaling.py", *command, "--options=--layers 1", "--out", str(tmp_path))
    assert done.returncode == 0, done.stderr
    for agents in (1, 2):
        found = scaling_points.point(read_run(tmp_path / f"qdqn-dper-weak-latency-3-layers-1-{agents}.h5"))
        assert found.agents == agents and found.qpu == Qpu(3e-3)
        assert 0.0 < found.updates <= agents / 0.003 * 1.05, "each update needs at least one execution"


def test_run_measures_agents_on_emulated_qpus_that_sleep(tmp_path):
    options = "--options=--env MiniGrid-Empty-5x5-v0 --hidden 2 --layers 1 --max-steps 5"
    agents = ("--agents", "1", "2")
    command = ("run", "dist-qtrl", *agents, "--qpu-latency", "40", "--episodes", "12", options)
    done = run(sys.executable, "tools/scaling.py", *command, "--out", str(tmp_path))
    assert done.returncode == 0, done.stderr
    name = "dist-qtrl-weak-latency-40-env-MiniGrid-Empty-5x5-v0-hidden-2-layers-1-max-steps-5"
    assert sorted(path.name for path in tmp_path.glob("*.h5")) == [f"{name}-{n}.h5" for n in (1, 2)]
    longer = [word.replace("12", "13") for word in command]
    other = run(sys.executable, "tools/scaling.py", *longer, "--out", str(tmp_path))
    assert other.returncode and other.stderr.count("was not made by this command") == 2, other.stderr
    again = run(sys.executable, "tools/scaling.py", *command, "--out", str(tmp_path))
    assert again.returncode == 0 and again.stdout.count("is there already") == 2, again.stdout
    found = scaling_points.point(read_run(tmp_path / f"{name}-2.h5"))
    assert found.steps <= 2 * 5 / 0.040 * 1.05, "an episode waits for one execution"
    assert found.demand == pytest.approx((1.0, 1.0, 0.0))
    assert scaling.HEADINGS[0] in done.stdout and "load before it" in done.stdout


def test_ppo_is_measured_by_its_rollouts_and_asks_what_its_circuit_takes(tmp_path):
    options = "--options=--envs 4 --rollout 32 --epochs 1 --minibatch 32 --qubits 2 --shots 10 --gradient shift"
    qpu = ("--qpu-latency", "0.1", "--qpu-overhead", "1", "3", "--qpu-shot-time", "1")
    command = ("run", "ppo", "--agents", "2", *qpu, "--steps", "500", options)
    done = run(sys.executable, "tools/scaling.py", *command, "--out", str(tmp_path))
    assert done.returncode == 0, done.stderr
    files = sorted(tmp_path.glob("*.h5"))
    assert len(files) == 2, "an overhead each"
    for path, overhead in zip(files, (1e-3, 3e-3), strict=True):
        read = read_run(path)
        found = scaling_points.point(read)
        circuits = 1 + 2 * (4 + 4 + 4)  # RY and RZ of weights, of angles, and of weights at the end, on each qubit
        executions = 4 * 32 * (1 + circuits)
        assert found.demand == pytest.approx((executions, 32 + 4, 10 * executions), rel=0.01)
        seconds = found.demand.seconds(found.qpu)
        assert found.qpu == pytest.approx((1e-4, overhead, 1e-6)) and 0.0 < found.waiting < 1.0
        assert 0.02 < found.steps / (2 * 4 * 32 / seconds) < 1.0 and found.updates == pytest.approx(found.steps / 64)
        assert read.episodes["waiting"].sum() < 2 * read.episodes["time"].max()


@pytest.mark.parametrize("missed", [(1,), (0, 1)])
def test_rollouts_in_which_an_agent_ended_no_episode_count_too_if_another_did(missed):
    """Six rollouts of 2 x 10 steps of each of two agents, 2 s each, of which the third has no record of some agents."""
    dtype = row_dtype((*EPISODE, EXTRA["waiting"]))
    rows = [
        (
            0,
            agent,
            0.0,
            7,
            2.0 * rollout + 1e-6 * second,
            0,
            0.0 if second else 0.1 * (1 + (rollout == 4 and agent in missed)),
        )
        for rollout in range(1, 7)
        for agent in (0, 1)
        for second in (0, 1)
        if not (rollout == 3 and agent in missed)
    ]
    config = {"envs": 2, "rollout": 10, "epochs": 3, "minibatch": 5, "steps": 239, "qpu_latency": 1.0}
    run = SimpleNamespace(path="x.h5", agents=2, config=config, synchronous=True, episodes=np.array(rows, dtype))
    if len(missed) == 2:
        with pytest.raises(ValueError, match="tells of 5 of 6 rollouts"):
            scaling_points.point(run)
    else:
        found = scaling_points.point(run)
        assert found.steps == pytest.approx(2 * 20 / 2.0) and found.updates == pytest.approx(12 / 2.0)
        assert found.waiting == pytest.approx(0.05, rel=0.01) and found.demand is None


def test_runs_of_other_options_have_other_names():
    said = {"qpu-latency": 1.0}
    names = {
        scaling._file_name("qa3c", "weak", said | more, options, agents, repeat)
        for more in ({}, {"qpu-overhead": 2.0}, {"qpu-shot-time": 2.0}, {"qpu-jitter": 0.5}, {"qpu-overhead": 0.5})
        for options in ("", "--shots 100", "--shots 100 --gradient spsa", "--shots 10 --gradient spsa")
        for agents in (1, 11)
        for repeat in (1, 2)
    }
    assert len(names) == 5 * 4 * 2 * 2 and all(re.fullmatch(r"[\w.+-]+\.h5", name) for name in names)
