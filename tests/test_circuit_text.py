"""A circuit as text is the same circuit again; any other text is refused, whatever it is, and nothing of it runs."""

import json
import time

import numpy as np
import pennylane as qml
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from random_circuits import circuits, inputs
from test_circuits_agree_with_pennylane import check

from hpcqrl.quantum.circuit_text import from_text, to_text
from hpcqrl.quantum.circuits import efficient_su2, quantum_train, variational
from hpcqrl.quantum.devices import make_device
from hpcqrl.quantum.torch_circuit import torch_expval
from hpcqrl.quantum.trace import Circuit, trace

relaxed = settings(deadline=None, max_examples=60, suppress_health_check=list(HealthCheck), derandomize=True)


def scaled(angles, weights):
    qml.IQPEmbedding(angles, wires=["a", "b"])
    qml.Rot(0.1, weights[2] * angles[0] + weights[3], 1 / 3, wires="b")
    qml.ctrl(qml.U3(*weights[:3], wires="a"), control="b")
    qml.MultiControlledX(wires=["b", "c", "d", "a"])


SCALED = Circuit(scaled, 4, 2, (4,), wires=("a", "b", "c", "d"), measured=("Za", "Xb Zc"))
TEXT = to_text(SCALED)


@relaxed
@given(circuits(), st.integers(0, 2**31))
def test_text_gives_the_same_circuit(circuit, seed):
    again = from_text(to_text(circuit))
    assert trace(again) == trace(circuit) and to_text(again) == to_text(circuit)
    assert (again.qubits, again.n_angles, again.weights) == (circuit.qubits, circuit.n_angles, circuit.weights)
    assert again.words == circuit.words
    angles, weights = inputs(circuit, seed)
    found, expected = (make_device(each).expval_vjp(angles, weights) for each in (again, circuit))
    assert np.array_equal(found[0], expected[0])
    for ours, theirs in zip(found[1](found[0]), expected[1](expected[0]), strict=True):
        assert np.array_equal(ours, theirs)


@pytest.mark.parametrize("circuit", [variational(), quantum_train(4, 2), efficient_su2(4, 2), SCALED])
def test_the_circuit_from_text_runs_everywhere(circuit):
    again = from_text(to_text(circuit))
    for expval in (True, False):
        check(again, expval, seed=1)
    angles, weights = inputs(circuit, seed=2)
    expected = make_device(circuit, dtype=np.float64).expval(angles, weights)
    for name in ("native", "lightning.qubit", "default.qubit", "default.mixed"):
        assert np.allclose(make_device(again, name).expval(angles, weights), expected, atol=1e-5)
    import torch

    found = torch_expval(again)(torch.tensor(angles), torch.tensor(weights))
    assert np.allclose(found, expected, atol=1e-5)


def test_the_text_is_plain():
    assert to_text(Circuit(lambda a, w: qml.RX(0.5 - w[0] * a[0], wires=0), 1, 1, (1,), measured=("X0",))) == (
        '{"format": 1, "qubits": 1, "angles": 1, "weights": [1], "measured": ["X0"], '
        '"gates": [["RX", [0], [[0.5, [-1.0, 0, 1]]]]]}'
    )


def test_what_cannot_be_traced_is_no_text():
    with pytest.raises(ValueError, match=r"--qpu default\.mixed"):
        to_text(Circuit(lambda angles, weights: qml.DepolarizingChannel(0.1, wires=0), 1, 0, ()))


def refusal(text) -> str:
    with pytest.raises(ValueError) as refused:
        from_text(text)
    assert "\n" not in str(refused.value) and len(str(refused.value)) < 300
    return str(refused.value)


def changed(**values) -> str:
    return json.dumps(json.loads(TEXT) | values)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        (b"{}", "has text, not b'{}'"),
        ("", "is JSON"),
        ("[" * 100_000, "is JSON"),
        ("9" * 5000, "is JSON"),
        (TEXT.replace('"format"', '"gates": [], "format"', 1), "is JSON: a key is there twice"),
        ("[]", "has an object of format, qubits"),
        (changed(more=1), "has an object of format, qubits"),
        (changed(format=2), "has format 1, not 2"),
        (changed(format=True), "has format 1, not True"),
        (changed(qubits=29), "has 1 to 28 qubits, not 29"),
        (changed(qubits=2.0), "has 1 to 28 qubits, not 2.0"),
        (changed(angles=-1), "angles, not -1"),
        (changed(weights=[0]), r"has sizes of weights, not \[0\]"),
        (changed(weights=[10**6, 10**6]), "at most 1000000 weights"),
        (changed(measured=[]), "one or more words"),
        (changed(measured=["Z9"]), "word 'Z9' names wire '9'"),
        (changed(measured=[1]), r"has measured words, not \[1\]"),
        (changed(gates={}), "at most 50000 gates"),
        (changed(gates=[["__import__", [0], []]]), "has a gate's name, not '__import__'"),
        (changed(gates=[["CNOT", [0], []]]), r"has the wires of CNOT, not \[0\]"),
        (changed(gates=[["CNOT", [0, 4], []]]), r"has wires 0 to 3, not \[0, 4\]"),
        (changed(gates=[["CNOT", [0, True], []]]), r"has wires 0 to 3, not \[0, True\]"),
        (changed(gates=[["CNOT", [1, 1], []]]), r"has different wires, not \[1, 1\]"),
        (changed(gates=[["RX", [1], []]]), r"has the parameters of RX, not \[\]"),
        (changed(gates=[["RX", [1], [0.5]]]), r"has \[offset, terms\], not 0.5"),
        (changed(gates=[["RX", [1], [[float("nan")]]]]), "NaN is no number"),
        (TEXT.replace("[[0.1", "[[1e999", 1), r"has \[offset, terms\], not \[inf\]"),
        (changed(gates=[["RX", [1], [[0, [1, 6]]]]]), r"has places below 6, not \[1, 6\]"),
        (changed(gates=[["RX", [1], [[0, [1, 1, 0]]]]]), "places in order"),
        (changed(gates=[["RX", [1], [[0, [1, 1], [2, 1]]]]]), "each term once"),
    ],
)
def test_what_is_no_circuit_is_named(text, message):
    import re

    assert re.search(message, refusal(text))


KEYS = st.sampled_from(["format", "qubits", "angles", "weights", "measured", "gates", "more"])
PIECES = (
    st.none() | st.booleans() | st.integers() | st.floats() | st.text() | st.sampled_from([*"XYZ", "RX", "CNOT", "Z0"])
)
VALUES = st.recursive(PIECES, lambda inner: st.lists(inner) | st.dictionaries(KEYS | st.text(), inner), max_leaves=30)


@settings(relaxed, max_examples=400)
@given(st.data())
def test_whatever_a_text_is_it_is_a_circuit_or_refused_at_once(data):
    """Any text, any JSON, and the text of a circuit with a part of it changed for something else."""
    whole = json.loads(TEXT)
    spot, key = whole, data.draw(KEYS)
    while True:  # walk down to some place, and put some other value there
        inner = spot.get(key) if isinstance(spot, dict) else spot[key]
        if not isinstance(inner, list) or not inner or data.draw(st.booleans()):
            spot[key] = data.draw(VALUES)
            break
        spot, key = inner, data.draw(st.integers(0, len(inner) - 1))
    text = data.draw(st.sampled_from([json.dumps(whole), json.dumps(data.draw(VALUES)), data.draw(st.text())]))
    begin = time.perf_counter()
    try:
        assert trace(from_text(text)) is not None
    except ValueError as error:
        assert "\n" not in str(error)
    assert time.perf_counter() - begin < 5.0


def test_the_largest_texts_are_refused_or_read_at_once():
    gate = ["Rot", [1], [[0.0, [1.0, 0]]] * 3]
    begin = time.perf_counter()
    assert len(trace(from_text(changed(gates=[gate] * 50_000)))) == 50_000
    assert "at most" in refusal(changed(gates=[gate] * 50_001))
    assert "characters" in refusal(" " * 8_000_001)
    assert "JSON" in refusal("[" * 8_000_000)
    assert time.perf_counter() - begin < 15.0
