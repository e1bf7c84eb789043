"""A trained policy plays, and leaves the house, from its results file alone."""

import subprocess
import sys
from dataclasses import replace

import h5py
import numpy as np
import pytest
import torch
from hypothesis import HealthCheck, given, settings
from launch import hpcqrl, run
from PIL import Image
from random_circuits import circuits, inputs, reference
from resealed import resealed
from test_hdqnn_td3 import PATH, REACH, SMALL

from hpcqrl.evaluation import bootstrap_interval
from hpcqrl.models.trained_vector import TrainedVector
from hpcqrl.quantum.circuits import efficient_su2, quantum_train
from hpcqrl.quantum.torch_circuit import torch_expval, torch_probs, torch_sample
from hpcqrl.results.reader import read_run
from hpcqrl.systems import dist_qtrl, hdqnn_td3, qa3c, qdqn_dper
from hpcqrl.trained import load

RUNS = {
    "dist-qtrl": ("--episodes", "5", "--env", "CartPole-v1", "--hidden", "4", "--layers", "1"),
    "qa3c": ("--episodes", "5", "--qubits", "3", "--tanh"),
    "qdqn-dper": ("--episodes", "5", "--qubits", "3", "--env", "CartPole-v1"),
    "hdqnn-td3": ("--steps", "60", "--test-every", "20", "--surrogate", "expected", "--env", REACH, *SMALL),
}
MODULES = {"dist-qtrl": dist_qtrl, "qa3c": qa3c, "qdqn-dper": qdqn_dper, "hdqnn-td3": hdqnn_td3}


@pytest.fixture(scope="module")
def files(tmp_path_factory):
    folder = tmp_path_factory.mktemp("runs")
    for system, options in RUNS.items():
        done = hpcqrl("train", system, *options, "--out", str(folder / f"{system}.h5"), PYTHONPATH=PATH)
        assert done.returncode == 0, done.stderr
    return folder


def parts(path):
    found = read_run(path)
    module = MODULES[found.system]
    config = module.Config(**found.config)
    return module, config, module.model(config, module.environment(config), module.circuit(config)), found.parameters


@settings(deadline=None, max_examples=25, suppress_health_check=[HealthCheck.too_slow], derandomize=True)
@given(circuits(largest=5))
def test_circuits_in_torch_are_pennylanes(circuit):
    angles, weights = inputs(circuit, seed=1)
    tensors = torch.tensor(angles, dtype=torch.float32), torch.tensor(weights, dtype=torch.float32)
    for expval, ours in ((False, torch_probs(circuit)), (True, torch_expval(circuit))):
        width = len(circuit.measured) if expval else 1 << circuit.qubits
        expected, _, _ = reference(circuit, expval, angles, weights, np.ones((2, width)))
        assert np.allclose(ours(*tensors), expected, atol=2e-5)


@pytest.mark.parametrize("circuit", [quantum_train(3, 2), efficient_su2(4, 2)])
def test_bits_drawn_in_torch_have_the_circuits_probabilities(circuit):
    torch.manual_seed(0)
    angles, weights = inputs(circuit, seed=2)
    bits = torch_sample(circuit, 20_000)(torch.tensor(angles), torch.tensor(weights)).numpy()
    exact, _, _ = reference(circuit, False, angles, weights, np.ones((2, 1 << circuit.qubits)))
    for row, expected in zip(bits @ (1 << np.arange(circuit.qubits)[::-1]), exact, strict=True):
        found = np.bincount(row.astype(int), minlength=len(expected)) / 20_000
        assert (np.abs(found - expected) < 5 * np.sqrt(expected * (1 - expected) / 20_000) + 1e-9).all()


@pytest.mark.parametrize("system", RUNS)
def test_evaluate_plays_what_was_trained(files, tmp_path, system):
    film = tmp_path / "new" / "film.gif"
    command = ["evaluate", str(files / f"{system}.h5"), "--episodes", "4"]
    if system == "qa3c":
        command += ["--video", str(film)]
    if system == "hdqnn-td3":
        refused = hpcqrl(*command, PYTHONPATH=PATH)
        assert refused.returncode == 2 and f"imported only if you say --env {REACH}" in refused.stderr
        command += ["--env", REACH]
    done = hpcqrl(*command, PYTHONPATH=PATH)
    assert done.returncode == 0, done.stderr
    assert "mean return of 4 episodes" in done.stdout
    if system == "hdqnn-td3":  # where the policy measures a circuit
        assert done.stdout == hpcqrl(*command, PYTHONPATH=PATH).stdout
    if system == "qa3c":
        assert Image.open(film).n_frames > 5


@pytest.mark.parametrize("system", ["dist-qtrl", "qa3c"])
def test_actions_are_the_likeliest_or_drawn_with_the_policys_probabilities(files, system):
    module, config, model, parameters = parts(files / f"{system}.h5")
    observation = np.array([0.1, -0.2, 0.03, 0.4], np.float32)
    exported, _ = module.exported(config, model, parameters, False)
    with torch.no_grad():
        probabilities = torch.softmax(exported(torch.tensor(observation)[None])[0], 0).numpy()
    assert module.policy(config, model, parameters)(observation) == probabilities.argmax()
    draw = module.policy(config, model, parameters, np.random.default_rng(0))
    drawn = np.bincount([draw(observation) for _ in range(4000)], minlength=2) / 4000
    assert (np.abs(drawn - probabilities) < 5 * np.sqrt(probabilities * (1 - probabilities) / 4000)).all()
    sampled, greedy = (hpcqrl("evaluate", str(files / f"{system}.h5"), *o) for o in (("--sample",), ()))
    assert sampled.returncode == greedy.returncode == 0 and "always the likeliest" not in sampled.stdout
    assert "actions: always the likeliest; --sample draws them" in greedy.stdout


def test_what_draws_no_actions_has_nothing_to_sample(files):
    done = hpcqrl("evaluate", str(files / "qdqn-dper.h5"), "--sample")
    assert done.returncode == 2 and "draws no actions" in done.stderr


def test_the_tests_while_training_can_be_drawn(files, tmp_path):
    tool = (sys.executable, "tools/curves.py", "--tests", "--out", str(tmp_path / "tests.png"))
    done = run(*tool, *(str(files / f"{system}.h5") for system in RUNS))
    assert done.returncode == 0 and "qa3c.h5 holds no evaluations" in done.stderr, done.stderr
    assert "1 run drawn" in done.stdout and np.asarray(Image.open(tmp_path / "tests.png")).std() > 1.0


def test_the_interval_is_that_of_the_mean():
    returns = np.random.default_rng(0).normal(3.0, 2.0, 400)
    low, high = bootstrap_interval(returns.tolist(), 0)
    error = returns.std() / np.sqrt(400)
    assert (low, high) == pytest.approx(
        (returns.mean() - 1.96 * error, returns.mean() + 1.96 * error), abs=0.05 * error * 4
    )


@pytest.mark.parametrize("system", RUNS)
def test_an_exported_policy_acts_alike_without_this_package(files, tmp_path, system):
    out, inputs_file = tmp_path / "policy.pt2", tmp_path / "observations.npy"
    module, config, model, parameters = parts(files / f"{system}.h5")
    command = ("-m", "hpcqrl", "export", str(files / f"{system}.h5"), "--out", str(out), "--env", config.env)
    done = run(sys.executable, *command, PYTHONPATH=PATH)
    assert done.returncode == 0, done.stderr
    observations = np.random.default_rng(0).uniform(-1, 1, (7, 2 if system == "hdqnn-td3" else 4)).astype(np.float32)
    np.save(inputs_file, observations)
    script = (
        "import sys, numpy, torch\n"
        "policy = torch.export.load(sys.argv[1]).module()\n"
        "print(policy(torch.from_numpy(numpy.load(sys.argv[2]))).tolist(), 'hpcqrl' in sys.modules)\n"
    )
    loaded = subprocess.run(
        [sys.executable, "-c", script, str(out), str(inputs_file)], capture_output=True, text=True, check=True, cwd="/"
    )
    outputs, _, ours = loaded.stdout.strip().rpartition(" ")
    outputs = np.array(eval(outputs))  # noqa: S307
    assert ours == "False" and len(outputs) == 7
    if system == "hdqnn-td3":
        split = TrainedVector(model.layouts, model.layout.join(parameters), "cpu").part
        expected = model.actions(split["actor"], split, torch.from_numpy(observations)).detach().numpy()
        expected = -2.0 + 1.5 * (expected + 1.0)  # to the environment's own range
        assert np.allclose(outputs, expected, atol=1e-5)
    else:
        policy = module.policy(config, model, parameters)
        assert outputs.argmax(axis=1).tolist() == [policy(row) for row in observations]


@pytest.mark.parametrize("circuit", [True, False])
def test_hdqnns_circuit_or_bits_drawn_from_its_qtdnn_can_be_exported(files, circuit):
    module, config, model, parameters = parts(files / "hdqnn-td3.h5")
    model.surrogate = "sampled"
    policy, inputs_size = module.exported(config, model, parameters, circuit)
    assert inputs_size == 2
    torch.manual_seed(0)
    observation = np.array([0.3, -0.4], np.float32)
    observations = torch.from_numpy(np.repeat(observation[None], 4000, axis=0))
    drawn = policy(observations).numpy()[:, 0]
    if circuit:
        ours = module.policy(config, model, parameters)
        played = np.array([ours(observation)[0] for _ in range(4000)])
    else:
        split = TrainedVector(model.layouts, model.layout.join(parameters), "cpu").part
        played = model.actions(split["actor"], split, observations).detach().numpy()[:, 0]
    played = -2.0 + 1.5 * (played + 1.0)
    values = np.unique(np.round(np.concatenate([drawn, played]), 4))
    assert 2 <= len(values) <= 2**3, "an action for each string of bits"
    for value in values:
        first, second = (np.mean(np.abs(actions - value) < 2e-4) for actions in (drawn, played))
        assert abs(first - second) < 5 * np.sqrt(2 * 0.25 / 4000)


def test_a_block_without_circuit_cannot_be_exported_with_one(files):
    module, config, model, parameters = parts(files / "hdqnn-td3.h5")
    with pytest.raises(ValueError, match="the block fc has no circuit"):
        module.exported(replace(config, block="fc"), model, parameters, circuit=True)


def test_actions_are_not_drawn_with_the_environments_own_numbers(tmp_path):
    """An untrained policy guesses a coin about as often right as wrong."""
    out, coin = str(tmp_path / "run.h5"), ("--env", "test_environments:Coin-v0")
    assert hpcqrl("train", "qa3c", "--episodes", "2", *coin, "--out", out, PYTHONPATH=PATH).returncode == 0
    done = hpcqrl("evaluate", out, "--sample", "--episodes", "50", *coin, PYTHONPATH=PATH)
    assert 8.0 < float(done.stdout.split("mean return of 50 episodes ")[1].split(",")[0]) < 12.0, done.stdout


def test_files_that_hold_no_policy(files, tmp_path):
    text, foreign, unfinished = (tmp_path / name for name in ("text.h5", "foreign.h5", "unfinished.h5"))
    text.write_text("no HDF5")
    with h5py.File(foreign, "w") as file:
        file["data"] = 1
    unfinished.write_bytes((files / "qa3c.h5").read_bytes())
    with resealed(unfinished) as file:
        file.attrs["complete"] = False
        del file["parameters"]
    damaged = tmp_path / "damaged.h5"
    damaged.write_bytes((files / "qa3c.h5").read_bytes())
    with resealed(damaged) as file:
        del file["parameters/actor.first.bias"]
    for path, reason in (
        (tmp_path / "none.h5", "cannot be read"), (text, "cannot be read"), (foreign, "not one of hpcqrl's"),
        (unfinished, "is not complete"),
    ):  # fmt: skip
        with pytest.raises(ValueError, match=rf"{path.name}.*{reason}"):
            load(path).policy()
    out = ("--out", str(tmp_path / "policy.pt2"))
    policies = str(files / "qa3c.h5")
    for command, reason in (
        (("export", str(damaged), *out), "should have actor.first.bias of shape"),
        (("export", str(files / "dist-qtrl.h5"), *out, "--with-circuit"), "holds no circuit"),
        (("evaluate", str(unfinished)), "is not complete"),
        (("evaluate", policies, "--episodes", "1"), "episodes must be at least 2"),
        (("evaluate", policies, "--video", "film.mp4"), "must end in .gif"),
    ):
        done = hpcqrl(*command)
        assert done.returncode == 2 and reason in done.stderr and done.stderr.count("\n") == 1, done.stderr
        assert not (tmp_path / "policy.pt2").exists()
