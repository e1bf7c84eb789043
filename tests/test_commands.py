"""What the other commands and the tools print and draw."""

import sys

import matplotlib.image
import pytest
from launch import hpcqrl, run

TOOLS = (sys.executable, "tools/curves.py")


def test_describe_shows_the_papers_counts_and_the_circuit():
    done = hpcqrl("describe", "dist-qtrl", "--layers", "7")
    assert done.returncode == 0, done.stderr
    assert "2,061" in done.stdout and "7 x 2 x 13 x 3" in done.stdout and "╰U3" in done.stdout
    classical = hpcqrl("describe", "dist-qtrl", "--model", "classical")
    assert "4,835" in classical.stdout and "circuit" not in classical.stdout


def test_help_says_every_default_and_its_source():
    done = hpcqrl("train", "dist-qtrl", "--help", COLUMNS="200")
    assert done.returncode == 0
    for option in ("env", "episodes", "seed", "model", "layers", "qpu", "shots", "out", "overwrite"):
        assert f"--{option}" in done.stdout
    assert "(default: 4000)" in done.stdout and "[Table I" in done.stdout


@pytest.mark.parametrize("ranks", [1, 2, 4])
def test_check_has_a_row_for_every_rank(ranks):
    done = hpcqrl("check", ranks=ranks, COLUMNS="150")
    assert done.returncode == 0, done.stderr
    assert done.stdout.count("native: 8 qubits") == ranks
    assert f"{ranks} ranks" in done.stdout and "MPICH" in done.stdout and "Allreduce of 2529 float64" in done.stdout
    assert done.stdout.count("pushes/s") == 2
    assert ranks == 1 or "go on while the root computes" in done.stdout


def test_curves_draws_what_it_can_and_names_the_rest(tmp_path):
    good, bad, figure = tmp_path / "good.h5", tmp_path / "bad.h5", tmp_path / "figures" / "fig.png"
    bad.write_text("no HDF5")
    options = ("--hidden", "2", "--layers", "1", "--episodes", "30", "--max-steps", "10", "--out", str(good))
    assert hpcqrl("train", "dist-qtrl", *options, ranks=2).returncode == 0
    done = run(*TOOLS, str(good), str(bad), str(tmp_path / "none.h5"), "--out", str(figure))
    assert done.returncode == 0, done.stderr
    assert "bad.h5" in done.stderr and "none.h5" in done.stderr and "Traceback" not in done.stderr
    assert matplotlib.image.imread(figure).std() > 0.01
    nothing = run(*TOOLS, str(bad), "--out", str(tmp_path / "other.png"))
    assert nothing.returncode == 1 and "Traceback" not in nothing.stderr and not (tmp_path / "other.png").exists()
