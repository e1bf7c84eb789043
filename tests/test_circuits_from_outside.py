"""A circuit of one's own goes into every system, is data in the file, and no other is ever put in its place."""

import hashlib
import json
import shutil
import signal

import numpy as np
import own_circuits
import pytest
import torch
from launch import ROOT, finish, hpcqrl
from random_circuits import inputs, reference
from resealed import resealed
from test_resume import INTERRUPTED, begun, wait_for_rows

import hpcqrl as package
from hpcqrl.results.reader import read_run

PATH = {"PYTHONPATH": f"{ROOT}:{ROOT / 'tests'}", "COLUMNS": "200"}
CARTPOLE = ("--env", "CartPole-v1")
FITTING = [  # system, circuit, options, shapes of some trained parts
    ("qa3c", "ladder", ("--qubits", "3"), {"actor.first.weight": (3, 4), "actor.circuit": (2, 3, 2)}),
    ("qa3c", "scaled", ("--qubits", "3"), {"actor.first.weight": (3, 4), "critic.last.weight": (1, 3)}),
    ("qa3c", "three_angles", ("--qubits", "4"), {"actor.first.weight": (3, 4), "actor.last.weight": (2, 2)}),
    ("qdqn-dper", "scaled", ("--qubits", "2", *CARTPOLE), {"first.weight": (2, 4), "circuit": (2, 2, 2)}),
    ("dist-qtrl", "without_angles", (*CARTPOLE, "--hidden", "2"), {"circuit": (3, 4)}),
    ("hdqnn-td3", "without_weights", ("--qubits", "2", "--layers", "3"), {"qtdnn.0.weight": (8, 6)}),
    ("ppo", "three_angles", ("--qubits", "4"), {"actor.first.weight": (3, 4), "actor.last.weight": (2, 2)}),
]
SMALL = {
    "hdqnn-td3": ("--steps", "420", "--hidden", "4", "--qtdnn-hidden", "8", "--batch", "8", "--random-steps", "50"),
    "ppo": ("--steps", "1000"),
}


def train(system, circuit, out, *options, ranks=1):
    size = SMALL.get(system, ("--episodes", "20"))
    command = ("train", system, "--circuit", f"own_circuits:{circuit}", *size, *options, "--out", str(out))
    return hpcqrl(*command, ranks=ranks, **PATH)


@pytest.mark.parametrize(("system", "circuit", "options", "shapes"), FITTING)
def test_it_trains_and_the_file_alone_is_enough_ever_after(tmp_path, system, circuit, options, shapes):
    out = tmp_path / "run.h5"
    done = train(system, circuit, out, *options, ranks=2)
    assert done.returncode == 0, done.stdout + done.stderr
    found = read_run(out)
    assert {name: found.parameters[name].shape for name in shapes} == shapes
    for command, said in (
        (("evaluate", str(out), "--episodes", "2"), "mean return of 2 episodes"),
        (("export", str(out), "--out", str(tmp_path / "x.pt2")), "observations"),
        (("describe", str(out)), "circuit: "),
    ):
        done = hpcqrl(*command, PYTHONPATH=str(ROOT))  # where the user's module is nowhere to be found
        assert done.returncode == 0 and said in done.stdout, done.stdout + done.stderr


@pytest.mark.parametrize("name", ["ladder", "scaled", "three_angles", "without_angles", "without_weights"])
def test_the_circuit_in_the_file_is_the_users(tmp_path, name):
    system = {"without_angles": "dist-qtrl", "without_weights": "hdqnn-td3"}.get(name, "qa3c")
    options = (*CARTPOLE, "--hidden", "2") if system == "dist-qtrl" else ("--qubits", "4", "--layers", "2")
    assert train(system, name, tmp_path / "run.h5", *options).returncode == 0
    kept = package.load(tmp_path / "run.h5", circuit=None).recorded.circuit
    made = getattr(own_circuits, name)(kept.qubits, 3 if system == "dist-qtrl" else 2)
    angles, weights = inputs(made, seed=1)
    cotangent = np.ones((2, len(made.measured)))
    ours, theirs = (reference(circuit, True, angles, weights, cotangent) for circuit in (kept, made))
    for first, second in zip(ours, theirs, strict=True):
        assert np.allclose(first, second, atol=1e-10)


def test_resumed_without_the_module_it_goes_on_with_the_same_circuit(tmp_path):
    out = tmp_path / "run.h5"
    options = ("--circuit", "own_circuits:scaled", "--qubits", "3", "--episodes", "20000", "--out", str(out))
    process = begun(out, "train", "qa3c", *options, ranks=2)
    wait_for_rows(out, process)
    process.send_signal(signal.SIGUSR1)
    assert finish(process).returncode == INTERRUPTED
    before = read_run(out).circuit
    with resealed(out) as file:
        file.attrs["config"] = json.dumps(json.loads(file.attrs["config"]) | {"episodes": 6000})
    done = hpcqrl("resume", str(out), ranks=2, PYTHONPATH=str(ROOT))
    assert done.returncode == 0, done.stdout + done.stderr
    assert read_run(out).circuit == before and read_run(out).complete


def test_a_policy_plays_with_its_own_circuit_whatever_has_become_of_the_module(tmp_path):
    module, out = tmp_path / "mine.py", tmp_path / "run.h5"
    shutil.copy(ROOT / "tests/own_circuits.py", module)
    path = f"{ROOT}:{tmp_path}"
    options = ("--circuit", "mine:ladder", "--qubits", "3", "--episodes", "10", "--out", str(out))
    assert hpcqrl("train", "qa3c", *options, PYTHONPATH=path).returncode == 0
    played = hpcqrl("evaluate", str(out), PYTHONPATH=path).stdout
    module.write_text(module.read_text().replace("qml.RX(layer[q, 0]", "qml.RY(layer[q, 0]"))  # of the same shape
    assert hpcqrl("evaluate", str(out), PYTHONPATH=path).stdout == played
    assert hpcqrl("evaluate", str(out), "--circuit", "mine:ladder", PYTHONPATH=path).stdout == played
    refused = hpcqrl("evaluate", str(out), "--circuit", "mine:scaled", PYTHONPATH=path)
    assert refused.returncode == 2 and "holds its own circuit, and runs with no other than that" in refused.stderr


def test_an_exported_policy_has_the_words_and_products_of_the_circuit(tmp_path):
    out = tmp_path / "run.h5"
    assert train("qa3c", "scaled", out, "--qubits", "3").returncode == 0
    assert hpcqrl("export", str(out), "--out", str(tmp_path / "x.pt2")).returncode == 0
    policy, observations = package.load(out).policy(), np.random.default_rng(0).normal(size=(20, 4)).astype(np.float32)
    logits = torch.export.load(tmp_path / "x.pt2").module()(torch.from_numpy(observations))
    assert logits.argmax(1).tolist() == [policy(row) for row in observations]


def test_what_a_file_cannot_hold_must_be_named_again(tmp_path):
    out, options = tmp_path / "run.h5", ("--qubits", "1", "--qpu", "default.mixed", "--episodes", "2")
    done = train("qa3c", "noisy", out, *options)
    assert done.returncode == 0 and read_run(out).circuit is None, done.stderr
    refused = hpcqrl("evaluate", str(out), "--episodes", "2", **PATH)
    assert refused.returncode == 2 and refused.stderr.count("\n") == 1
    assert "which it cannot hold: it is imported only if you say --circuit own_circuits:noisy" in refused.stderr
    again = ("--circuit", "own_circuits:noisy")
    assert hpcqrl("evaluate", str(out), "--episodes", "2", *again, **PATH).returncode == 0
    native = train("qa3c", "noisy", tmp_path / "native.h5", "--qubits", "1")
    assert native.returncode == 2 and "--qpu default.mixed" in native.stderr and not (tmp_path / "native.h5").exists()


REFUSED = [
    ("qa3c", "nowhere:ladder", (), "there is no module 'nowhere'"),
    ("qa3c", "own_circuits:nothing", (), "module 'own_circuits' has no 'nothing'"),
    ("qa3c", "ladder", (), "is named module:function, not 'ladder'"),
    ("qa3c", "own_circuits:number", (), "own_circuits:number is 7, not a function (qubits, layers) -> Circuit"),
    ("qa3c", "own_circuits:no_circuit", (), "own_circuits:no_circuit(8, 2) returns 'a circuit', not an hpcqrl.Circuit"),
    ("qa3c", "own_circuits:other_qubits", (), "own_circuits:other_qubits(8, 2) has 9 qubits, not the 8"),
    ("qa3c", "own_circuits:no_qubits", (), "a circuit has 1 to 28 qubits, not 0"),
    ("qa3c", "own_circuits:thirty_qubits", (), "a circuit has 1 to 28 qubits, not 30"),
    ("qa3c", "own_circuits:wrong_word", (), "Z99"),
    ("qa3c", "own_circuits:wrong_letter", (), "Q0"),
    ("qa3c", "own_circuits:no_line", (), "a parameter of RX"),
    ("qa3c", "own_circuits:without_angles", (), "takes one angle or more"),
    (
        "qa3c",
        "own_circuits:ladder",
        ("--model", "classical"),
        "circuit means nothing without a circuit, and this model has none",
    ),
    ("qdqn-dper", "own_circuits:without_angles", (), "takes one angle or more"),
    ("dist-qtrl", "own_circuits:ladder", (), "without angles"),
    ("hdqnn-td3", "own_circuits:ladder", (), "without weights"),
    (
        "hdqnn-td3",
        "own_circuits:ladder",
        ("--block", "fc"),
        "circuit means nothing without a circuit, and this model has none",
    ),
]


@pytest.mark.parametrize(("system", "circuit", "options", "said"), REFUSED)
def test_what_does_not_fit_is_refused_in_one_line(tmp_path, system, circuit, options, said):
    out = tmp_path / "run.h5"
    done = hpcqrl("train", system, "--circuit", circuit, *options, "--out", str(out), ranks=2, **PATH)
    text = done.stdout + done.stderr
    assert done.returncode == 2 and text.count(said) == 1 and "Traceback" not in text, text
    assert not list(tmp_path.iterdir())


def test_a_circuit_that_was_tampered_with_is_refused(tmp_path):
    out, changed = tmp_path / "run.h5", tmp_path / "changed.h5"
    assert train("qa3c", "ladder", out, "--qubits", "3").returncode == 0
    text = read_run(out).circuit
    gates = json.loads(text)
    for content, said in (
        (text.replace("1.0", "2.0", 1), "its circuit is not as it was written"),
        (json.dumps(gates | {"qubits": 99}), "has a circuit that is not right"),
        (json.dumps(gates | {"gates": [["RX", [7], [[0.0, [1.0, 0]]]]]}), "has a circuit that is not right"),
        (json.dumps(gates | {"gates": [["__import__", [0], []]]}), "has a circuit that is not right"),
        (json.dumps(gates | {"angles": 0}), "has a circuit that is not right"),
        ("[" * 100_000, "has a circuit that is not right"),
    ):
        shutil.copy(out, changed)
        with resealed(changed) as file:
            sha256 = file["circuit"].attrs["sha256"]
            del file["circuit"]
            file["circuit"] = np.frombuffer(content.encode(), np.uint8)
            own = hashlib.sha256(content.encode()).hexdigest()  # as one would who means it
            file["circuit"].attrs["sha256"] = sha256 if "as it was written" in said else own
        done = hpcqrl("evaluate", str(changed))
        assert done.returncode == 2 and said in done.stderr and done.stderr.count("\n") == 1, done.stderr
