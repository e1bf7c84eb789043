"""What a circuit measures is data: Pauli words, the same on every device."""

from dataclasses import replace

import numpy as np
import pytest
import torch
from random_circuits import inputs, reference
from test_circuits_agree_with_pennylane import check

from hpcqrl.quantum import gates, rows
from hpcqrl.quantum.circuits import variational
from hpcqrl.quantum.devices import make_device
from hpcqrl.quantum.program import lower
from hpcqrl.quantum.qpu import make_qpu
from hpcqrl.quantum.torch_circuit import torch_expval
from hpcqrl.quantum.trace import Circuit

WORDS = ("Z0", "X1", "Z0 Z1", "Y2 X0", "Y0 Y1", "Z2 Y1 X0", "X1")
CIRCUIT = replace(variational(3, 2), measured=WORDS)


def ladder(qubits, measured=None):
    def function(angles, weights):
        for q in range(qubits):
            gates.RY(angles[q], wires=q)
        for q in range(qubits - 1):
            gates.CNOT(wires=(q, q + 1))
        for q in range(qubits):
            gates.Rot(*weights[q], wires=q)

    return Circuit(function, qubits, qubits, (qubits, 3), measured=measured)


@pytest.mark.parametrize("qubits", [1, 2, 3, 5, 9])
@pytest.mark.parametrize("letters", ["Z", "X", "Y", "ZZ", "XX", "YY", "XYZ", "YYYY", "ZXYZX"])
def test_words_of_any_letters(letters, qubits):
    if len(letters) <= qubits:
        words = [" ".join(f"{letter}{(q + k) % qubits}" for k, letter in enumerate(letters)) for q in range(qubits)]
        check(ladder(qubits, (*words, "Z0")), True, seed=1)


def test_many_blocks_of_amplitudes():
    check(ladder(13, ("Z0 Z12", "X0 Z1", "Y11 Y3", "X12", "X0 Y12")), True, seed=1)


def test_z_on_every_qubit_is_the_default():
    assert variational(3).measured == ("Z0", "Z1", "Z2")
    assert variational(3).words == (((0, "Z"),), ((1, "Z"),), ((2, "Z"),))
    labelled = Circuit(lambda a, w: None, 2, 0, (), wires=("left", 7))
    assert labelled.measured == ("Zleft", "Z7")
    assert replace(labelled, measured=("X7 Yleft",)).words == (((1, "X"), (0, "Y")),)


def test_what_is_measured_nowhere_is_not_computed():
    kinds = lower(ladder(5, ("Z1 Z2",)), True).rows[:, rows.KIND].tolist()
    assert kinds.count(rows.GATE) == 2 and kinds.count(rows.WORD) == 1 and rows.LAST not in kinds


@pytest.mark.parametrize("name", ["native", "default.qubit", "lightning.qubit", "default.mixed"])
def test_devices_and_qpus_measure_the_words(name):
    angles, weights = inputs(CIRCUIT, seed=0)
    cotangent = np.random.default_rng(1).normal(size=(2, len(WORDS)))
    expected = reference(CIRCUIT, True, angles, weights, cotangent)
    device = make_device(CIRCUIT, name, **({"dtype": np.float64} if name == "native" else {}))
    assert np.allclose(device.expval(angles, weights), expected[0], atol=1e-9)
    value, pullback = device.expval_vjp(angles, weights)
    tolerance = 1e-6 if name == "default.mixed" else 1e-9  # its own rounding
    for ours, theirs in zip((value, *pullback(cotangent)), expected, strict=True):
        assert np.allclose(ours, theirs, atol=tolerance)
    qpu = make_qpu(CIRCUIT, name)
    assert qpu.expval(torch.tensor(angles), torch.tensor(weights)).shape == (2, len(WORDS))


def test_torch_operations_measure_the_words():
    angles, weights = inputs(CIRCUIT, seed=0)
    expected = make_device(CIRCUIT).expval(angles, weights)
    found = torch_expval(CIRCUIT)(torch.tensor(angles), torch.tensor(weights))
    assert np.allclose(found, expected, atol=1e-5)


@pytest.mark.parametrize("name", ["native", "lightning.qubit"])
def test_shots_scatter_around_the_words_values(name):
    shots = 20_000
    angles, weights = inputs(CIRCUIT, seed=0)
    exact = make_device(CIRCUIT).expval(angles, weights)
    device = make_device(CIRCUIT, name, shots)
    estimate, again = device.expval(angles, weights), device.expval(angles, weights)
    assert np.abs(estimate - exact).max() < 5.0 / np.sqrt(shots)
    scatter = np.sqrt((1.0 - exact**2) / shots)
    assert 0.3 < np.abs((again - estimate) / scatter).mean() < 2.5  # of so many shots, no more and no less


def test_words_of_one_basis_cost_the_shots_of_one():
    angles, weights = inputs(CIRCUIT, seed=0)
    plain, products = variational(3, 2), replace(CIRCUIT, measured=("Z2", "Z0 Z1", "Z1", "Z0"))
    alone, together = (make_device(circuit, shots=50, seed=3).expval(angles, weights) for circuit in (plain, products))
    assert np.array_equal(together[:, [3, 2, 0]], alone)
    bits = make_device(plain, seed=3).sample(angles, weights, 50).astype(int)
    assert np.allclose(together[:, 1], 1 - 2 * (bits[:, :, 0] ^ bits[:, :, 1]).mean(1))


@pytest.mark.parametrize(
    ("measured", "message"),
    [
        ((), "one or more words"),
        ("Z0", "one or more words, such as .*, not 'Z0'"),
        (("",), "names a qubit or more, such as 'Z0 X1', not ''"),
        ((0,), "a word is text that names a qubit or more, such as 'Z0 X1', not 0"),
        (("I0",), "letters are X, Y and Z, not 'I' in word 'I0'"),
        (("Z",), "word 'Z' names wire '', which the circuit does not have"),
        (("Z0 X2",), "word 'Z0 X2' names wire '2', which the circuit does not have"),
        (("Z0 X0",), "word 'Z0 X0' names wire 0 twice"),
    ],
)
def test_what_cannot_be_measured_is_named(measured, message):
    with pytest.raises(ValueError, match=message) as refusal:
        Circuit(lambda angles, weights: None, 2, 0, (), measured=measured)
    assert "\n" not in str(refusal.value)
