"""Tables, speed-ups and curves of known returns are those one computes by hand, or with scipy."""

import re
import subprocess
import sys

import matplotlib.image
import numpy as np
import pytest
from launch import ROOT, clean_environment
from scipy import stats
from synthetic import call, rows, write_run

sys.path.insert(0, str(ROOT / "tools"))

import crossing
import curves
import intervals
import reading
import speedup
import table

from hpcqrl.results.reader import read_run


def test_scores_are_means_over_the_last_episodes_and_over_seeds(tmp_path, capsys):
    finals = [1.0, 2.0, 4.0, 8.0, 100.0]
    files = [write_run(tmp_path / f"{s}.h5", [0.0] * 50 + [v - 1, v + 1] * 5, seed=s) for s, v in enumerate(finals)]
    other = write_run(tmp_path / "other.h5", [7.0] * 20 + [3.0] * 10, lr=0.1)
    status, output, _ = call(table, capsys, *files, other, "--last", "10", "--format", "csv")
    first, second = rows(output)
    assert status == 0 and first["seeds"] == "5" and second["seeds"] == "1" and "lr 0.1" in second["runs"]
    assert float(first["mean"]) == 23.0 and float(first["interquartile mean"]) == pytest.approx(14 / 3, abs=1e-4)
    assert (float(first["lowest"]), float(first["highest"])) == (1.0, 100.0)
    expected = stats.bootstrap((finals,), np.mean, method="percentile", rng=np.random.default_rng(7))
    low, high = map(float, first["95% interval of the mean"].split(" to "))
    assert low == pytest.approx(expected.confidence_interval.low, abs=0.5)
    assert high == pytest.approx(expected.confidence_interval.high, abs=2.0)
    assert second["95% interval of the mean"] == second["95% interval of that"] == "1 seed"
    assert float(second["mean"]) == 3.0


def test_dist_qtrl_counts_episodes_of_each_agent(tmp_path, capsys):
    path = write_run(tmp_path / "x.h5", [0.0] * 30 + [1.0] * 20 + [2.0] * 20, system="dist-qtrl", agents=4)
    _, output, _ = call(table, capsys, path, "--last", "10", "--format", "csv")
    assert float(rows(output)[0]["mean"]) == 1.5


def test_interquartile_mean_and_intervals_against_what_is_known():
    values = np.random.default_rng(0).normal(size=40)
    assert intervals.interquartile_mean(values) == pytest.approx(np.sort(values)[10:30].mean())
    assert intervals.interval([2.0, 4.0]) == (2.0, 4.0), "both seeds alike have probability 1/4 each"
    many = np.random.default_rng(1).normal(5.0, 2.0, 400)
    normal = stats.norm.interval(0.95, many.mean(), stats.sem(many))
    assert intervals.interval(many) == pytest.approx(normal, abs=0.02)
    assert intervals.interval([3.0, 3.0, 3.0]) == (3.0, 3.0) and np.isnan(intervals.interval([3.0])).all()


def test_the_interval_of_a_speedup_counts_what_is_never_reached_as_infinitely_late():
    where = np.arange(1, 11)
    late, soon, never = (np.where(where >= start, 1.0, 0.0) for start in (8, 2, 99))
    more = where, np.array([soon, soon])
    assert crossing.speedup_interval((where, np.array([late, late])), more, 1.0) == (4, 4)
    assert crossing.speedup_interval((where, np.array([late, never])), more, 1.0) == (4, np.inf)
    assert np.isnan(crossing.speedup_interval((where, np.array([late])), more, 1.0)).all()


def steps_to(target_row, total, agents, times, path, seed=0):
    """A run whose mean over 1 episode of each agent is first 1 at that row."""
    returns = np.zeros(total)
    returns[target_row:] = 1.0
    return write_run(path, returns, "dist-qtrl", agents, seed, times=times)


def test_speedup_is_the_ratio_of_episodes_and_of_seconds_to_the_target(tmp_path, capsys):
    one = [steps_to(row, 200, 1, None, tmp_path / f"one{row}.h5", row) for row in (79, 119)]  # both are there after 120
    four = steps_to(76, 800, 4, 0.5 * (1.0 + np.arange(800)), tmp_path / "four.h5")  # 80 rows: 20 of each agent, 40 s
    status, output, _ = call(speedup, capsys, *one, four, "--window", "1", "--target", "1", "--format", "csv")
    first, second = rows(output)
    assert status == 0 and float(first["episodes of each agent"]) == 120 and float(first["speed-up"]) == 1.0
    assert float(second["episodes of each agent"]) == 20 and float(second["speed-up"]) == 6.0
    assert float(second["efficiency"]) == 1.5 and float(second["seconds"]) == pytest.approx(40.0, abs=0.1)
    assert float(second["speed-up in time"]) == pytest.approx(3.0, abs=0.02)
    assert float(second["efficiency in time"]) == pytest.approx(0.75, abs=0.01)


def test_asynchronous_agents_share_the_episodes_that_are_counted(tmp_path, capsys):
    times = {1: None, 2: 0.5 * np.arange(1.0, 201.0)}
    files = [write_run(tmp_path / f"{n}.h5", np.arange(200.0), agents=n, times=times[n]) for n in (1, 2)]
    _, output, _ = call(speedup, capsys, *files, "--window", "1", "--target", "99", "--format", "csv")
    first, second = rows(output)
    assert float(first["episodes of each agent"]) == 100 and float(second["episodes of each agent"]) == 50
    assert float(second["speed-up"]) == 2.0 and float(second["efficiency"]) == 1.0


def test_a_copy_is_no_second_seed(tmp_path, capsys):
    original, copy = write_run(tmp_path / "a.h5", [1.0, 2.0]), tmp_path / "b.h5"
    copy.write_bytes((tmp_path / "a.h5").read_bytes())
    status, output, errors = call(table, capsys, original, copy, "--format", "csv")
    assert status == 0 and rows(output)[0]["seeds"] == "1" and "b.h5 is a copy of" in errors


def test_a_seed_that_was_run_again_is_no_other_seed_where_it_must_be_the_same_and_is_said_elsewhere(tmp_path, capsys):
    for system, seeds, words in (("dist-qtrl", "1", "the same run made again"), ("qa3c", "2", "has the seed of")):
        files = [
            write_run(tmp_path / f"{system}{n}.h5", [1.0, 2.0], system, times=[n + 1.0, n + 2.0]) for n in range(2)
        ]
        status, output, errors = call(table, capsys, *files, "--format", "csv")
        assert status == 0 and rows(output)[0]["seeds"] == seeds and words in errors, errors


def test_returns_that_are_not_finite_are_said_and_spoil_only_their_windows(tmp_path, capsys):
    returns = np.arange(50.0)
    returns[20], returns[21] = np.nan, np.inf
    path = write_run(tmp_path / "x.h5", returns)
    mean, last = reading.moving_average(read_run(path), 4)
    expected = [returns[row - 3 : row + 1].mean() if not 20 <= row <= 24 else np.nan for row in last]
    assert np.allclose(mean, expected, equal_nan=True) and np.isfinite(mean).sum() == 42
    _, _, errors = call(curves, capsys, path, "--window", "4", "--out", tmp_path / "fig")
    assert "2 of 50 returns" in errors and (tmp_path / "fig.png").exists()


def test_the_default_target_is_drawn_with_the_seeds_that_it_is_the_mean_of():
    """Each of two seeds ends where it ends: no draw of them misses its own end."""
    where = np.arange(1, 11)
    curves_of_one = where, np.array([np.linspace(0.0, end, 10) for end in (1.0, 0.5)])
    more = where, np.array([np.where(where >= 2, 1.0, 0.0)] * 2)
    assert crossing.speedup_interval(curves_of_one, more, 0.75)[1] == np.inf
    assert crossing.speedup_interval(curves_of_one, more, 0.75, [1.0, 0.5]) == (5, 5)


def test_csv_of_several_kinds_is_one_table_of_plain_numbers(tmp_path, capsys):
    files = []
    for layers in (3, 7):
        for agents in (1, 2):
            returns = np.repeat(np.linspace(0.0, agents, 4000), agents)
            path = tmp_path / f"{layers}-{agents}.h5"
            files.append(write_run(path, returns, "dist-qtrl", agents, layers=layers))
    status, output, _ = call(speedup, capsys, *files, "--window", "1", "--last", "1", "--format", "csv")
    found = rows(output)
    assert status == 0 and [row["runs"] for row in found] == [f"dist-qtrl, layers {n}" for n in (3, 3, 7, 7)]
    assert [float(row["episodes of each agent"]) for row in found] == [4000, 2001, 4000, 2001]


def test_seeds_that_have_no_time_in_common_are_drawn_apart_and_short_ones_named(tmp_path, capsys):
    early = write_run(tmp_path / "early.h5", np.arange(50.0), seed=0, episodes=60)
    late = write_run(tmp_path / "late.h5", np.arange(60.0), seed=1, times=100.0 + np.arange(60.0))
    figure = tmp_path / "fig.png"
    options = ("--window", "1", "--out", figure)
    _, _, errors = call(curves, capsys, early, late, *options, "--x", "time")
    assert "no time in common" in errors and figure.exists()
    _, _, errors = call(curves, capsys, early, late, *options)
    assert "drawn to 50 of 60 episodes, where its shortest run ends" in errors


def test_the_target_is_by_default_what_one_agent_ends_with(tmp_path, capsys):
    one = write_run(tmp_path / "1.h5", np.linspace(0.0, 1.0, 100), "dist-qtrl", 1)
    two = write_run(tmp_path / "2.h5", np.repeat(np.linspace(0.0, 2.0, 100), 2), "dist-qtrl", 2)
    _, output, _ = call(speedup, capsys, one, two, "--window", "1", "--last", "1", "--format", "csv")
    assert rows(output)[1]["target"] == "1" and float(rows(output)[1]["speed-up"]) == pytest.approx(100 / 51, abs=0.02)


def test_a_target_that_is_not_reached_is_said(tmp_path, capsys):
    files = [write_run(tmp_path / f"{n}.h5", [0.25 * n] * 200, "dist-qtrl", n) for n in (1, 2)]
    status, output, errors = call(speedup, capsys, *files, "--target", "0.9")
    assert status and "nothing to compare" in errors and output == ""
    assert re.search(r"1\.h5: the target 0\.9 is not reached, at most 0\.25", errors)
    status, _, errors = call(speedup, capsys, files[0])
    assert status and "all runs have as many agents: 1" in errors


@pytest.mark.parametrize("module", [table, speedup, curves])
def test_what_cannot_be_used_is_named_and_the_rest_is_used(module, tmp_path, capsys):
    bad, none = tmp_path / "bad.h5", tmp_path / "none.h5"
    bad.write_text("no HDF5")
    empty = write_run(tmp_path / "empty.h5", [], complete=False)
    options = ("--out", tmp_path / "out.png")
    status, output, errors = call(module, capsys, bad, none, empty, *options)
    assert status and "no results file that can be used" in errors and not (tmp_path / "out.png").exists()
    for name in ("bad.h5", "none.h5", "empty.h5 holds no episodes"):
        assert name in errors
    files = [write_run(tmp_path / f"{n}.h5", np.repeat(np.arange(300.0), n), "dist-qtrl", n) for n in (1, 2)]
    status, output, errors = call(module, capsys, bad, *files, *options)
    assert status == 0 and "bad.h5" in errors and str(tmp_path / "out.png") in output


def test_incomplete_mixed_and_constant_runs_are_said_in_a_line_each(tmp_path, capsys):
    partial = write_run(tmp_path / "partial.h5", np.arange(50.0), complete=False, episodes=100)
    constant = write_run(tmp_path / "constant.h5", [0.5] * 60)
    dist = write_run(tmp_path / "dist.h5", np.arange(60.0), "dist-qtrl")
    status, output, errors = call(table, capsys, partial, constant, dist)
    assert status == 0 and len(errors.splitlines()) == 5, errors
    assert "partial.h5 is not complete: 50 of 100 episodes" in errors and "partial" not in output
    assert (
        "all returns in" in errors and "different systems: dist-qtrl, qa3c" in errors and "fewer than --last" in errors
    )
    status, output, _ = call(table, capsys, partial, "--incomplete", "--format", "csv")
    assert status == 0 and float(rows(output)[0]["mean"]) == 24.5
    figure = tmp_path / "fig.png"
    status, _, errors = call(curves, capsys, partial, constant, dist, "--out", figure, "--window", "10")
    assert status == 0 and "different systems" in errors and matplotlib.image.imread(figure).std() > 0.01


@pytest.mark.parametrize("x", ["episodes", "steps", "time"])
def test_curves_of_seeds_are_their_mean_with_an_interval(tmp_path, x):
    levels, runs = (1.0, 2.0, 6.0), []
    for seed, level in enumerate(levels):
        write_run(tmp_path / f"{seed}.h5", level + np.arange(500.0), seed=seed, length=3)
        runs.append(read_run(tmp_path / f"{seed}.h5"))
    where, mean, low, high = curves.mean_curve(runs, 10, x)
    last = {"episodes": 500, "steps": 1500, "time": 500}[x]
    assert where[-1] == last and mean[-1] == pytest.approx(3.0 + 499 - 4.5)
    sure = intervals.interval(np.array(levels) + 499 - 4.5, resamples=curves.RESAMPLES)
    assert (low[-1], high[-1]) == pytest.approx(sure)


def test_each_format_holds_the_same_numbers(tmp_path, capsys):
    path = write_run(tmp_path / "a_b.h5", [1.25] * 200, env="Pole_100%")
    texts = {name: call(table, capsys, path, "--format", name)[1] for name in table.WRITERS}
    assert all("1.2500" in text for text in texts.values())
    assert texts["latex"].count("\\\\") == 2 and "Pole\\_100\\%" in texts["latex"] and "\\toprule" in texts["latex"]
    assert texts["markdown"].splitlines()[1].count("---") == len(table.HEADINGS)


def test_tools_run_as_programs(tmp_path):
    path = write_run(tmp_path / "x.h5", [1.0, 2.0])
    for tool in ("table", "curves", "speedup"):
        command = [sys.executable, f"tools/{tool}.py", path, "--out", str(tmp_path / "out.png")]
        done = subprocess.run(command, cwd=ROOT, env=clean_environment(), capture_output=True, text=True)
        assert "Traceback" not in done.stderr and done.returncode == (tool == "speedup"), done.stderr
