"""Candidates in the place of one circuit: the sum of what they measure, found again in files, exported, and trained."""

import hashlib

import numpy as np
import pennylane as qml
import pytest
import torch
from launch import ROOT, hpcqrl
from resealed import resealed

from hpcqrl.quantum.circuit import Circuit
from hpcqrl.quantum.circuit_text import from_text, to_text
from hpcqrl.quantum.circuits import variational
from hpcqrl.quantum.devices import generators_of, make_device
from hpcqrl.quantum.mixture import Mixture
from hpcqrl.quantum.torch_circuit import torch_expval
from hpcqrl.results.reader import read_run
from hpcqrl.trained import load

PATH = {"PYTHONPATH": f"{ROOT}:{ROOT / 'tests'}"}
OWN = ("own_circuits:ladder", "own_circuits:unentangled")


def rotated(angles, weights):
    for q in range(2):
        qml.RY(angles[q], wires=q)
        qml.RZ(angles[2 + q], wires=q)
        qml.RX(weights[q], wires=q)


def mixture() -> Mixture:
    return Mixture(("papers", "rotated"), (variational(2, 1), Circuit(rotated, 2, 4, (2,))))


def arguments(seed=0):
    random, mixed = np.random.default_rng(seed), mixture()
    return random.uniform(-1, 1, (5, 4)), random.uniform(-1, 1, mixed.n_weights)


def test_it_measures_the_weighted_sum_that_pennylane_does():
    angles, weights = arguments()
    shares, own = mixture().parts(weights)
    assert shares.shape == (2,) and [each.shape for each in own] == [(1, 2, 3), (2,)]
    expected = 0.0
    for share, circuit, each in zip(shares, mixture().circuits, own, strict=True):

        @qml.qnode(qml.device("default.qubit", wires=2))
        def node(angle, circuit=circuit, each=each):
            circuit.function(angle, each)
            return [qml.expval(qml.Z(q)) for q in range(2)]

        expected = expected + share * np.array([node(angle) for angle in angles])
    found = make_device(mixture(), dtype=np.float64).expval(angles, weights)
    assert np.allclose(found, expected, atol=1e-10)
    assert np.allclose(torch_expval(mixture())(torch.tensor(angles), torch.tensor(weights)), expected, atol=1e-5)
    assert np.allclose(make_device(mixture(), "default.qubit").expval(angles, weights), expected, atol=1e-6)


def test_its_gradient_is_that_of_finite_differences_in_shares_weights_and_angles():
    (angles, weights), device = arguments(1), make_device(mixture(), dtype=np.float64)
    cotangent, step = np.random.default_rng(2).uniform(-1, 1, (5, 2)), 1e-6
    of_angles, of_weights = device.expval_vjp(angles, weights)[1](cotangent)
    for number in range(weights.size):
        moved = step * (np.arange(weights.size) == number)
        difference = device.expval(angles, weights + moved) - device.expval(angles, weights - moved)
        assert np.isclose(of_weights[number], np.vdot(difference, cotangent) / (2 * step), atol=1e-7)
    for number in range(4):
        moved = step * (np.arange(4) == number)
        difference = device.expval(angles + moved, weights) - device.expval(angles - moved, weights)
        assert np.allclose(of_angles[:, number], (difference * cotangent).sum(1) / (2 * step), atol=1e-7)


def test_the_examples_candidates_are_as_strong_as_they_say(monkeypatch):
    monkeypatch.syspath_prepend(str(ROOT / "examples"))
    import candidate_circuits

    circuits = [getattr(candidate_circuits, name)(3, 2) for name in ("phases", "unentangled", "entangled")]
    Mixture(("phases", "unentangled", "entangled"), tuple(circuits))
    random = np.random.default_rng(0)
    angles = np.repeat(random.uniform(-1, 1, (1, 3)), 4, 0)
    angles[[0, 1, 2], [0, 1, 2]] += 0.5  # in each of three rows another one; the last row is as it was
    weights = [random.uniform(-np.pi, np.pi, circuit.weights) for circuit in circuits]
    made = [
        make_device(each, dtype=np.float64).expval(angles, own) for each, own in zip(circuits, weights, strict=True)
    ]
    felt = [np.abs(values[:3] - values[3]) > 1e-6 for values in made]  # [which angle, which qubit]
    assert not felt[0].any() and np.array_equal(felt[1], np.eye(3)) and felt[2].all()

    @qml.qnode(qml.device("default.qubit", wires=3))
    def strongly_entangling(angle):
        qml.AngleEmbedding(angle, wires=range(3), rotation="Y")
        qml.StronglyEntanglingLayers(weights[2], wires=range(3), ranges=[1, 1])
        return [qml.expval(qml.Z(q)) for q in range(3)]

    assert np.allclose(made[2], [strongly_entangling(angle) for angle in angles], atol=1e-10)


def test_measured_with_shots_each_candidate_has_random_numbers_of_its_own():
    angles, weights = arguments()
    device = make_device(mixture(), shots=20_000, seed=3)
    assert set(generators_of(device)) == {"qpu.papers", "qpu.rotated"}
    exact = make_device(mixture()).expval(angles, weights)
    assert np.abs(device.expval(angles, weights) - exact).max() < 5 * np.abs(weights[:2]).sum() / np.sqrt(20_000)
    assert device.cost.executions == 10 and device.cost.shots == 200_000


def test_as_text_and_back_it_is_the_same():
    again = from_text(to_text(mixture()))
    angles, weights = arguments()
    assert isinstance(again, Mixture) and again.names == ("papers", "rotated")
    assert np.array_equal(make_device(again).expval(angles, weights), make_device(mixture()).expval(angles, weights))


@pytest.mark.parametrize("system", ["qa3c", "qdqn-dper", "ppo"])
def test_a_run_holds_its_candidates_and_says_what_each_is_worth(tmp_path, system):
    out = tmp_path / "run.h5"
    length = ("--steps", "256") if system == "ppo" else ("--episodes", "20")
    names = OWN if system == "ppo" else ("papers", *OWN)  # PPO-Q's takes one angle a qubit
    small = ("--qubits", "3", "--layers", "1", "--circuits", *names)
    done = hpcqrl("train", system, *small, *length, "--out", str(out), ranks=2, **PATH)
    assert done.returncode == 0, done.stdout + done.stderr
    run = read_run(out)
    (name,) = [name for name in run.parameters if name.endswith("circuit") and "critic" not in name]
    shares = run.parameters[name][: len(names)]
    assert (shares != 1 / len(names)).all() and np.abs(shares - 1 / len(names)).max() < 0.5, "equal at first, trained"
    shown = hpcqrl("describe", str(out))
    best = int(np.argmax(np.abs(shares)))
    assert f"{name}: {names[best]} {shares[best]:.3f}" in shown.stdout
    assert hpcqrl("evaluate", str(out), "--episodes", "2").returncode == 0, "without the module"
    like = ("train", "--like", str(out), "--out", str(tmp_path / "again.h5"))
    for command in (like, ("describe", str(out), "--toml")):
        refused = hpcqrl(*command, **PATH)
        assert refused.returncode == 2 and refused.stdout == "" and " ".join(names) in refused.stderr, refused
    assert hpcqrl(*like, "--circuits", *names, **PATH).returncode == 0, "said again"
    load(out).export(tmp_path / "policy.pt2")
    env = load(out).environment()
    seen, _ = env.reset(seed=0)
    logits = torch.export.load(tmp_path / "policy.pt2").module()(torch.tensor(seen[None], dtype=torch.float32))
    assert int(logits.argmax()) == load(out).policy()(seen)


def test_what_does_not_fit_is_refused_and_said(tmp_path):
    cases = {
        ("own_circuits:ladder",): "circuits are two or more candidates",
        ("own_circuits:ladder", "own_circuits:ladder"): "each another",
        ("papers", "own_circuits:three_angles"): "candidates must be alike in their angles: papers has 6",
        ("papers", "own_circuits:noisy"): "own_circuits:noisy cannot be a candidate",
        ("papers", "own_circuits:ladder", "--circuit", "own_circuits:ladder"): "say one of the two",
        ("papers", "own_circuits:ladder", "--model", "classical"): "circuits",
    }
    for names, problem in cases.items():
        command = ("train", "qa3c", "--qubits", "3", "--layers", "1", "--circuits", *names, "--out", f"{tmp_path}/x.h5")
        done = hpcqrl(*command, **PATH)
        shown = " ".join(done.stderr.replace("│", " ").split())
        assert done.returncode == 2 and problem in shown and "Traceback" not in shown, (names, done)


def test_candidates_in_the_file_of_a_system_that_has_none_are_refused(tmp_path):
    out = tmp_path / "run.h5"
    assert hpcqrl("train", "qa3c", "--qubits", "2", "--episodes", "5", "--out", str(out)).returncode == 0
    with resealed(out) as file:
        data = np.frombuffer(to_text(mixture()).encode(), np.uint8)
        del file["circuit"]
        dataset = file.create_dataset("circuit", data=data)
        dataset.attrs["sha256"] = hashlib.sha256(data.tobytes()).hexdigest()
    done = hpcqrl("describe", str(out))
    assert done.returncode == 2 and "it has candidates, and its configuration has none" in done.stderr, done
