"""The examples run as they say, and what they show is so."""

import ast
import json
import os
import subprocess
import sys

import matplotlib.image
import numpy as np
import pennylane as qml
import pytest
from launch import BIN, ROOT, clean_environment, hpcqrl

from hpcqrl.results.reader import read_run

EXAMPLES = ROOT / "examples"
PATH = {"PYTHONPATH": f"{EXAMPLES}:{ROOT}"}


@pytest.fixture
def examples(monkeypatch):
    """Their folder on sys.path."""
    monkeypatch.syspath_prepend(str(EXAMPLES))


def by_chance():
    """The mean return in the corridor of walks of at most 50 steps, each to the left or to the right at random."""
    steps = np.random.default_rng(0).integers(2, size=(1000, 50)) * 2 - 1
    place, at_end = np.zeros(1000, int), np.zeros((1000, 50), bool)
    for t, step in enumerate(steps.T):
        place = np.maximum(0, place + step)
        at_end[:, t] = place >= 5
    return -np.where(at_end.any(1), at_end.argmax(1) + 1, 50).mean()


def test_agents_learn_to_walk_the_corridor(tmp_path):
    out = tmp_path / "corridor.h5"
    small = ("--qubits", "3", "--layers", "1", "--learning-rate", "0.02", "--episodes", "400", "--out", str(out))
    done = hpcqrl("train", "qa3c", "--env", "corridor:Corridor-v0", *small, ranks=2, **PATH)
    assert done.returncode == 0, done.stderr
    returns = read_run(out).episodes["return"]
    assert returns.max() == -5.0 and returns[-50:].mean() > -6.0 > by_chance() + 10.0
    shown = hpcqrl("evaluate", str(out), "--env", "corridor:Corridor-v0", **PATH)
    assert "corridor:Corridor-v0: mean return of 20 episodes -5.000" in shown.stdout, shown.stderr


def test_the_circuit_scales_its_inputs_and_measures_neighbours(examples, tmp_path):
    from scaled_circuit import scaled

    from hpcqrl.quantum.devices import make_device

    circuit, random = scaled(3, 2), np.random.default_rng(0)
    angles, weights = random.normal(size=3), random.normal(size=(2, 3, 3))

    @qml.qnode(qml.device("default.qubit", wires=3))
    def reference():
        for layer in weights:
            for q in range(3):
                qml.RY((1.0 + layer[q, 0]) * angles[q], wires=q)
            for pair in ((0, 1), (1, 2), (2, 0)):
                qml.CNOT(wires=pair)
            for q in range(3):
                qml.RZ(layer[q, 1], wires=q)
                qml.RY(layer[q, 2], wires=q)
        z = [qml.Z(q) for q in range(3)]
        return [qml.expval(word) for word in (*z, z[0] @ z[1], z[1] @ z[2])]

    found = make_device(circuit, dtype=np.float64).expval(angles[None], weights)
    assert np.allclose(found[0], reference(), atol=1e-10)
    out = tmp_path / "scaled.h5"
    small = ("--circuit", "scaled_circuit:scaled", "--qubits", "3", "--episodes", "5", "--out", str(out))
    done = hpcqrl("train", "qa3c", *small, **PATH)
    assert done.returncode == 0, done.stderr
    assert "mean return of 2 episodes" in hpcqrl("evaluate", str(out), "--episodes", "2").stdout, "without its module"


def test_noise_draws_values_towards_zero_as_depolarising_does(examples, monkeypatch):
    from noisy_qpu import device

    monkeypatch.setenv("NOISE", "0.06")

    @qml.qnode(device(2, None, 0, 0))
    def noisy():
        qml.CNOT(wires=(0, 1))
        return qml.expval(qml.Z(0)), qml.expval(qml.Z(0) @ qml.Z(1))

    kept = 1.0 - 4.0 * 0.06 / 3.0  # of <Z>, by each channel
    assert np.allclose(noisy(), (kept, kept**2))


def test_what_was_trained_without_noise_is_played_with_it(tmp_path):
    out = tmp_path / "ideal.h5"
    small = ("--env", "MiniGrid-Empty-5x5-v0", "--qubits", "2", "--layers", "1")
    assert hpcqrl("train", "qa3c", *small, "--episodes", "20", "--out", str(out)).returncode == 0
    play = ("evaluate", str(out), "--qpu", "noisy_qpu:device", "--shots", "50", "--episodes", "2", "--sample")
    played = hpcqrl(*play, **PATH)
    assert played.returncode == 0 and "mean return of 2 episodes" in played.stdout, played.stderr


def test_a_sweep_has_three_rates_by_three_seeds(tmp_path):
    command = ["bash", "examples/sweep.sh", "--env", "MiniGrid-Empty-5x5-v0", "--qubits", "2", "--layers", "1"]
    environment = clean_environment(SWEEP=str(tmp_path)) | {"PATH": f"{BIN}:{os.environ['PATH']}"}
    done = subprocess.run(
        [*command, "--episodes", "3"], cwd=ROOT, env=environment, capture_output=True, text=True, timeout=300
    )
    assert done.returncode == 0, done.stderr
    runs = [read_run(path) for path in tmp_path.glob("*.h5")]
    assert sorted((run.config["learning_rate"], run.seed) for run in runs) == [
        (rate, seed) for rate in (0.0003, 0.001, 0.003) for seed in range(3)
    ]
    rows = [line for line in done.stdout.splitlines() if "learning_rate" in line]
    assert len(rows) == 3 and all("| 3 |" in row for row in rows), done.stdout
    assert matplotlib.image.imread(tmp_path / "curves.png").std() > 0.01


def test_the_notebooks_cells_run_in_their_order(tmp_path):
    notebook = json.loads((EXAMPLES / "from_training_to_figure.ipynb").read_text())
    assert notebook["nbformat"] == 4 and not any(cell.get("outputs") for cell in notebook["cells"])
    program = "\n\n".join("".join(cell["source"]) for cell in notebook["cells"] if cell["cell_type"] == "code")
    (tmp_path / "cells.py").write_text(program + "\n\nprint(float(total))")
    environment = clean_environment(MPLBACKEND="Agg")
    done = subprocess.run(
        [sys.executable, "cells.py"], cwd=tmp_path, env=environment, capture_output=True, text=True, timeout=300
    )
    assert done.returncode == 0 and -1.0 <= float(done.stdout.splitlines()[-1]) <= 1.0, done.stderr
    assert matplotlib.image.imread(tmp_path / "runs/notebook/curves.png").std() > 0.01


def test_every_example_says_how_it_is_run():
    for path in EXAMPLES.glob("*.py"):
        text = ast.get_docstring(ast.parse(path.read_text()))
        assert "hpcqrl " in text and path.stem in text, path
