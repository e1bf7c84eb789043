"""The throughput model is the queueing theory's, and what a run shows of its rates is what was put into it."""

import re
import sys
from pathlib import Path

import matplotlib.image
import numpy as np
import pytest
from launch import ROOT, run
from synthetic import write_run

sys.path.insert(0, str(ROOT / "tools"))

import scaling
import scaling_figure
import scaling_points
import throughput

from hpcqrl.results.reader import read_run

COUNTS = (1, 2, 4, 8, 16, 32, 64)


def rates(model, latency, cores=2.0):
    return [float(model.steps_per_second([n], latency, cores)[0]) for n in COUNTS]


def test_mean_value_analysis_against_known_queues():
    alone = throughput.mean_value_analysis(20, 0.5, (0.0,))
    assert np.allclose(alone, 2.0 * np.arange(1, 21)), "nobody waits"
    balanced = throughput.mean_value_analysis(20, 0.0, (0.1, 0.1, 0.1))
    assert np.allclose(balanced, np.arange(1, 21) / (np.arange(1, 21) + 2) / 0.1), "K equal queues: N / (N + K - 1)"
    assert throughput.mean_value_analysis(5000, 1.0, (0.01, 0.02))[-1] == pytest.approx(50.0), "the slowest limits"
    erlang = machine_repairman(10, 1.0, 0.3)
    assert np.allclose(throughput.mean_value_analysis(10, 1.0, (0.3,)), erlang)


def machine_repairman(customers, delay, demand):
    """The same with one queue from the steady state of its Markov chain."""
    found = []
    for number in range(1, customers + 1):
        weights = [1.0]
        for waiting in range(number):
            weights.append(weights[-1] * (number - waiting) / delay * demand)
        found.append((1.0 - weights[0] / sum(weights)) / demand)
    return found


@pytest.mark.parametrize("synchronous", [False, True])
def test_the_fit_finds_the_constants_and_predicts_points_that_it_has_not_seen(synchronous):
    truth = throughput.Model(2e-4, 3.2, 2e-5, synchronous, 0.2 if synchronous else 0.0)
    points = [(n, t, r) for t in (0.001, 0.005) for n, r in zip(COUNTS, rates(truth, t), strict=True)]
    noise = np.random.default_rng(0).uniform(0.99, 1.01, len(points))
    seen = [(n, t, r * e) for (n, t, r), e in zip(points, noise, strict=True) if n in COUNTS[::2]]
    push = None if synchronous else truth.exchange
    model = throughput.fit(*zip(*seen, strict=True), 2.0, synchronous, truth.jitter, push)
    assert model.compute == pytest.approx(truth.compute, rel=0.1)
    assert model.executions == pytest.approx(truth.executions, rel=0.05)
    errors = [model.steps_per_second([n], t, 2.0)[0] / r - 1 for n, t, r in points if n not in COUNTS[::2]]
    assert np.abs(errors).max() < 0.03


def test_the_mean_of_the_largest_of_some_draws():
    lengths = np.random.default_rng(0).integers(1, 100, 50)
    drawn = np.random.default_rng(1).choice(lengths, (100_000, 5)).max(axis=1).mean()
    assert throughput.mean_of_largest(lengths, [1, 5]) == pytest.approx([lengths.mean(), drawn], rel=0.01)


def test_slow_and_uneven_qpus_hold_synchronous_agents_up_and_not_the_others():
    steady, uneven = (throughput.Model(0.0, 1.0, 0.0, True, jitter) for jitter in (0.0, 0.5))
    draws = np.random.default_rng(0).uniform(0.5, 1.5, (20_000, 16)).max(axis=1).mean()
    assert steady.steps_per_second([16], 0.1, None) / uneven.steps_per_second([16], 0.1, None) == pytest.approx(
        draws, 0.01
    )


def test_a_round_lasts_as_long_as_the_slowest_agent_in_it():
    random = np.random.default_rng(0)
    lengths = random.integers(5, 100, 300)
    model = throughput.Model(1e-3, 1.0, 0.0, True, 0.5, tuple(lengths.tolist()))
    drawn = random.choice(lengths, (20_000, 8))
    seconds = (1e-3 * drawn + 0.1 * random.uniform(0.5, 1.5, drawn.shape)).max(axis=1)
    assert model.steps_per_second([8], 0.1, None) == pytest.approx(8 * lengths.mean() / seconds.mean(), rel=0.01)
    busy = model.steps_per_second([800], 0.0, 2.0)
    assert busy == pytest.approx(2 / 1e-3), "then cores limit"


def scaled(tmp_path, agents, rate, system="qa3c", latency=5.0, each=40, again=1):
    """A run whose every agent makes `rate` steps a second in episodes of 10, all out of step."""
    times = np.concatenate([(np.arange(1, each + 1) + a / agents) * 10 / rate for a in range(agents)])
    order = np.argsort(times, kind="stable")
    path = tmp_path / f"{system}-{agents}-{latency:g}-{again}.h5"
    episodes = each if system == "dist-qtrl" else each * agents
    return write_run(
        path, np.arange(times.size), system, agents, times=times[order], qpu_latency=latency, episodes=episodes
    )


def test_what_a_run_shows_is_what_was_put_into_it(tmp_path):
    found = scaling_points.point(read_run(scaled(tmp_path, 4, 50.0)))
    assert found.agents == 4 and found.latency == 5.0 and found.steps == pytest.approx(200.0)
    assert found.updates == pytest.approx(40.0, rel=0.05), "the synthetic version grows by 2 an episode, of 20 a second"


def test_plot_prints_errors_on_points_held_out_and_draws(tmp_path):
    model = throughput.Model(2e-4, 3.0, 2e-5)
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
    model, drawn = throughput.Model(2e-4, 3.0, 2e-5), {}
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
        found = scaling_points.point(read_run(tmp_path / f"qdqn-dper-weak-3ms-{agents}.h5"))
        assert found.agents == agents and found.latency == 3.0
        assert 0.0 < found.updates <= agents / 0.003 * 1.05, "each update needs at least one execution"


def test_run_measures_agents_on_emulated_qpus_that_sleep(tmp_path):
    options = "--options=--env MiniGrid-Empty-5x5-v0 --hidden 2 --layers 1 --max-steps 5"
    agents = ("--agents", "1", "2")
    command = ("run", "dist-qtrl", *agents, "--qpu-latency", "40", "--episodes", "12", options)
    done = run(sys.executable, "tools/scaling.py", *command, "--out", str(tmp_path))
    assert done.returncode == 0, done.stderr
    assert sorted(path.name for path in tmp_path.glob("*.h5")) == [f"dist-qtrl-weak-40ms-{n}.h5" for n in (1, 2)]
    other = run(sys.executable, "tools/scaling.py", *command[:-1], "--options=--layers 1", "--out", str(tmp_path))
    assert other.returncode and other.stderr.count("was not made by this command") == 2, other.stderr
    again = run(sys.executable, "tools/scaling.py", *command, "--out", str(tmp_path))
    assert again.returncode == 0 and again.stdout.count("is there already") == 2, again.stdout
    found = scaling_points.point(read_run(tmp_path / "dist-qtrl-weak-40ms-2.h5"))
    assert found.steps <= 2 * 5 / 0.040 * 1.05, "an episode waits for one execution"
    assert scaling.HEADINGS[0] in done.stdout and "load before it" in done.stdout
