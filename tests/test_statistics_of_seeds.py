"""Statistics over seeds and environments are those of rliable, or of the hand; what cannot be known is said."""

import sys

import matplotlib.image
import numpy as np
import pytest
from launch import ROOT
from scipy import stats
from synthetic import call, rows, write_run

sys.path.insert(0, str(ROOT / "tools"))

import aggregates
import bench_chance
import crossing
import curves
import speedup
import table
import together
from papers.returns import RETURNS, returns_of

from hpcqrl.envs.make import make
from hpcqrl.results.reader import read_run

# Scores [seeds, tasks], and what rliable 1.2.0 says of them, its intervals with 20,000 and 2,000 resamples.
OURS = np.array([
    [0.625, 0.674, 0.628], [0.621, 0.593, 0.572], [0.861, 0.889, 0.359],
    [0.347, 0.575, 0.508], [0.135, 0.656, 0.251], [0.454, 0.591, 0.437],
])  # fmt: skip
THEIRS = np.array([
    [0.582, 0.709, 0.474], [0.773, 0.367, 0.57], [0.681, 0.519, 0.351], [0.316, 0.408, 0.544], [0.298, 0.458, 0.468]
])  # fmt: skip
IQM, IQM_INTERVAL = 0.5604, (0.4810, 0.6185)
IMPROVEMENT, IMPROVEMENT_INTERVAL = 0.61111111, (0.4108, 0.8)
LEVELS, PROFILE = (0.3, 0.5, 0.7), (0.88888889, 0.66666667, 0.11111111)
PROFILE_INTERVAL = (0.72222222, 0.5, 0.0), (1.0, 0.83333333, 0.27777778)


def test_statistics_and_intervals_are_rliables():
    ours, theirs = list(OURS.T), list(THEIRS.T)
    assert aggregates.interquartile_mean(ours) == pytest.approx(IQM)
    assert aggregates.stratified_interval(ours) == pytest.approx(IQM_INTERVAL, abs=0.01)
    assert aggregates.probability_of_improvement(ours, theirs) == pytest.approx(IMPROVEMENT)
    assert aggregates.improvement_interval(ours, theirs) == pytest.approx(IMPROVEMENT_INTERVAL, abs=0.02)
    assert aggregates.performance_profile(ours, LEVELS) == pytest.approx(PROFILE)
    low, high = aggregates.profile_interval(ours, LEVELS)
    assert low == pytest.approx(PROFILE_INTERVAL[0]) and high == pytest.approx(PROFILE_INTERVAL[1])


def test_probability_of_improvement_is_mann_and_whitneys_with_ties_by_half():
    random = np.random.default_rng(0)
    ours, theirs = random.integers(0, 6, 7), random.integers(0, 6, 9)
    expected = stats.mannwhitneyu(ours, theirs).statistic / (7 * 9)
    assert aggregates.probability_of_improvement([ours], [theirs]) == pytest.approx(expected)
    assert aggregates.probability_of_improvement([[1.0, 2.0]], [[1.0, 2.0]]) == 0.5
    assert aggregates.improvement_interval([[3.0, 4.0]], [[1.0, 2.0]]) == (1.0, 1.0)


def test_each_task_keeps_its_seeds_when_they_are_drawn_again():
    """Drawn all together, a task of zeros would sometimes be more than half of all, and the mean swing."""
    low, high = aggregates.stratified_interval([[0.0, 0.0], [1.0, 1.0]], np.mean)
    assert (low, high) == (0.5, 0.5)


def test_of_one_seed_there_is_no_interval():
    alone, some = [np.array([0.5])], [np.array([0.1, 0.2])]
    for found in (
        aggregates.stratified_interval(alone),
        aggregates.improvement_interval(alone, some),
        aggregates.improvement_interval(some, alone),
        aggregates.profile_interval(alone, LEVELS),
        crossing.first_at_interval((np.arange(3), np.array([[0.0, 1.0, 1.0]])), 1.0),
    ):
        assert np.isnan(found).all()


def test_sample_complexity_says_when_how_sure_and_how_many():
    where = np.arange(1, 11)
    late, soon, never = (np.where(where >= start, 1.0, 0.0) for start in (8, 2, 99))
    assert crossing.sample_complexity((where, np.array([late, soon])), 1.0) == ("8", "2 to 8", "2 of 2")
    assert crossing.sample_complexity((where, np.array([late, never])), 1.0) == ("not reached", "8 to inf", "1 of 2")
    assert crossing.sample_complexity((where, np.array([soon])), 1.0) == ("2", "1 seed", "1 of 1")


def grid_of_runs(tmp_path):
    """Two kinds of runs in two environments, 3 seeds each, whose normalised scores are 0.2 and 0.7, 0.1 apart."""
    files = []
    for env in ("CartPole-v1", "Acrobot-v1"):
        known = RETURNS[env, None, None]
        for seed in range(3):
            for rate, level in ((0.1, 0.2), (0.2, 0.7)):
                value = known.chance + (level + 0.1 * seed) * (known.best - known.chance)
                path = tmp_path / f"{env}-{rate}-{seed}.h5"
                files.append(write_run(path, [value - 1.0, value + 1.0] * 10, seed=seed, env=env, rate=rate))
    return files


def test_runs_of_several_environments_are_normalised_and_put_together(tmp_path, capsys):
    files = grid_of_runs(tmp_path)
    other = [write_run(tmp_path / f"o{s}.h5", [1.0] * 20, seed=s, env="Other-v0", rate=0.1) for s in range(2)]
    half = write_run(tmp_path / "half.h5", [5.0, 6.0] * 10, env="Pendulum-v1", rate=0.1)
    options = ("--together", "--last", "10", "--format", "csv")
    status, output, errors = call(table, capsys, *files, *other, half, *options)
    first, second = rows(output)
    assert status == 0 and first["environments"] == "2" and first["seeds"] == "3" and "rate 0.1" in first["runs"]
    assert "left out: Other-v0: what chance and the best" in errors and "left out: Pendulum-v1: not all" in errors
    assert float(first["interquartile mean, normalised"]) == pytest.approx(0.3)
    assert float(second["interquartile mean, normalised"]) == pytest.approx(0.8)
    assert float(second["probability of improvement"]) == 1.0 and first["probability of improvement"] == "-"
    low, high = map(float, second["95% interval"].split(" to "))
    assert 0.7 <= low < 0.8 < high <= 0.9
    figure = tmp_path / "profiles.pdf"
    status, _, _ = call(curves, capsys, *files, "--profiles", "--labels", "slow", "fast", "--out", figure)
    assert status == 0 and b"CIDFontType2" in figure.read_bytes() and b"Type3" not in figure.read_bytes()
    status, _, errors = call(table, capsys, *other, *options)
    assert "no environment in which all of these were" in errors


def test_a_table_says_chance_and_when_a_target_is_reached(tmp_path, capsys):
    returns = np.where(np.arange(400) < 150, 10.0, 30.0)
    files = [write_run(tmp_path / f"{s}.h5", returns, seed=s, env="CartPole-v1") for s in range(2)]
    alone = write_run(tmp_path / "alone.h5", returns, env="Mine-v0")
    _, output, _ = call(table, capsys, *files, alone, "--target", "30", "--format", "csv")
    known, unknown = rows(output)
    assert float(known["chance"]) == 22.46 and unknown["chance"] == "-"
    assert known["episodes to 30"] == "250" and known["95% interval of those"] == "250 to 250"
    assert known["seeds that get there"] == "2 of 2" and unknown["95% interval of those"] == "1 seed"


def test_runs_of_one_seed_are_marked_everywhere(tmp_path, capsys):
    files = [
        write_run(tmp_path / f"{n}.h5", np.repeat(np.linspace(0.0, n, 300), n), "dist-qtrl", n, env="E-v0")
        for n in (1, 2)
    ]
    _, output, _ = call(table, capsys, *files)
    assert output.count("| 1 seed |") == 4
    _, output, _ = call(speedup, capsys, *files)
    assert output.count("| 1 seed |") == 1, "the other is what it is compared with"
    names = curves.names_of([[read_run(file)] for file in files], [read_run(file) for file in files], ())
    assert [name.rsplit(", ", 1)[1] for name in names] == ["1 seed", "1 seed"]


def test_chance_is_what_a_random_policy_returns():
    """The papers' table, measured anew with fewer episodes, is within four standard errors; CartPole's chance is known:
    about 22. The shortest way through Empty-5x5 has 5 steps of 100.
    """
    for (name, actions, _), known in RETURNS.items():
        if name in ("CartPole-v1", "hpcqrl/CartPoleMod-v2"):
            returns = bench_chance.random_returns(make(name, actions), 400)
            assert abs(returns.mean() - known.chance) < 4.0 * returns.std() / 20.0, name
        assert known.best > known.chance and known.normalised(known.best) == 1.0 and known.normalised(known.chance) == 0
    env = make("MiniGrid-Empty-5x5-v0", 3)
    env.reset(seed=0)
    assert bench_chance.shortest_path(env) == 5


def test_an_environment_with_options_of_its_own_is_not_normalised(tmp_path):
    paths = [write_run(tmp_path / "a.h5", [1.0], env="CartPole-v1", env_option=["a=1"])]
    paths += [write_run(tmp_path / "b.h5", [1.0], "dist-qtrl", env="MiniGrid-Empty-5x5-v0", max_steps=100)]
    paths += [write_run(tmp_path / "c.h5", [1.0], env="MiniGrid-Empty-5x5-v0")]
    option, three, seven = (returns_of(read_run(path)) for path in paths)
    assert option is None and three.chance == 0.4523 and seven.chance == 0.1981
    assert together.normalised({"x": [read_run(paths[0])]}, 1, "test") == {}


def test_each_environment_has_a_panel_and_bands_end_where_returns_do(tmp_path, capsys, monkeypatch):
    files, drawn = grid_of_runs(tmp_path), []
    monkeypatch.setattr(curves, "save", lambda figure, out: drawn.append(figure))
    titles = ("--title", "Mine", "--labels", "slow", "fast", "--x-label", "played", "--y-label", "won")
    status, _, errors = call(curves, capsys, *files, "--window", "5", *titles)
    (figure,) = drawn
    assert status == 0, errors
    assert [axes.get_title() for axes in figure.axes] == ["CartPole-v1", "Acrobot-v1"]
    assert figure.get_suptitle() == "Mine" and figure.axes[0].get_ylabel() == "won"
    assert {axes.get_xlabel() for axes in figure.axes} == {"played"}
    (legend,) = figure.legends
    assert [text.get_text() for text in legend.get_texts()] == ["slow, 3 seeds", "fast, 3 seeds"]
    for axes in figure.axes:
        low, high = curves.range_of([read_run(file) for file in files if axes.get_title() in file])
        heights = np.concatenate([path.vertices[:, 1] for band in axes.collections for path in band.get_paths()])
        assert low <= heights.min() and heights.max() <= high
        ticks = axes.get_xticks()
        assert np.array_equal(ticks, np.round(ticks))
    status, _, errors = call(curves, capsys, *files, "--labels", "one")
    assert status and "labels must be 2, not 1" in errors


def test_a_figure_of_profiles_is_drawn(tmp_path, capsys):
    figure = tmp_path / "x.png"
    status, _, _ = call(curves, capsys, *grid_of_runs(tmp_path), "--profiles", "--out", figure)
    assert status == 0 and matplotlib.image.imread(figure).std() > 0.01
