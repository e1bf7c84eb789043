"""A dressed circuit is the composition that it is said to be, for any circuit: PennyLane and torch are the oracle."""

import numpy as np
import pennylane as qml
import pytest
import torch
from test_measured_words import ladder

from hpcqrl.models.dressed_vqc import DressedVqc
from hpcqrl.quantum.backend import Backend
from hpcqrl.quantum.circuits import efficient_su2, variational
from hpcqrl.quantum.drawing import draw
from hpcqrl.quantum.trace import Circuit
from hpcqrl.systems import ppo


def scaled(angles, weights):
    for q in range(3):
        qml.RX(weights[q] * angles[q], wires=q)
    qml.CRot(*weights[:3], wires=(0, 1))
    qml.RY(weights[3] * angles[3], wires=1)


CIRCUITS = {
    "the papers'": variational(3, 2),
    "an angle a qubit": ladder(3, ("Z0", "X1 Y2")),
    "other angles": Circuit(scaled, 3, 4, (4,), measured=("Z0 Z1", "Z2", "X1", "Y0 Z2")),
    "two angles a qubit by chance": Circuit(scaled, 2 + 1, 6, (4,), measured=("Z0",)),
    "no weights": efficient_su2(2, 1),
    "one angle": Circuit(lambda a, w: qml.RY(a[0], wires=0), 2, 1, (), measured=("Z0", "X0", "Z1")),
}


def composed(circuit: Circuit, tanh: bool, part: dict, observations: torch.Tensor) -> torch.Tensor:
    squash = torch.tanh if tanh else torch.nn.Identity()
    hidden = squash(observations @ part["first.weight"].T + part["first.bias"])
    if circuit.n_angles == 2 * circuit.qubits:
        hidden = torch.cat([hidden, hidden**2], 1)

    @qml.qnode(qml.device("default.qubit", wires=circuit.qubits), interface="torch")
    def measured(angles):
        circuit.function(angles, part["circuit"])
        paulis = {"X": qml.X, "Y": qml.Y, "Z": qml.Z}
        return [qml.expval(qml.prod(*[paulis[letter](wire) for wire, letter in word])) for word in circuit.words]

    features = squash(torch.stack([torch.stack(measured(row)) for row in torch.arctan(hidden)]))
    return features @ part["last.weight"].T + part["last.bias"]


@pytest.mark.parametrize("tanh", [False, True])
@pytest.mark.parametrize("name", CIRCUITS)
def test_outputs_and_gradients(name, tanh):
    circuit, random = CIRCUITS[name], np.random.default_rng(0)
    fast, plain = (DressedVqc(5, 2, circuit, tanh, **more) for more in ({}, {"qpu": Backend(latency=1e-6)}))
    assert fast.compiled and not plain.compiled
    theta, observations, cotangent = (
        random.normal(size=fast.size),
        random.normal(size=(4, 5)),
        random.normal(size=(4, 2)),
    )
    part = {key: torch.tensor(value, requires_grad=True) for key, value in fast.layout.split(theta).items()}
    expected = composed(circuit, tanh, part, torch.tensor(observations))
    found = torch.autograd.grad((expected * torch.tensor(cotangent)).sum(), list(part.values()), allow_unused=True)
    gradient = torch.cat(
        [torch.zeros(p.numel()) if g is None else g.reshape(-1) for g, p in zip(found, part.values(), strict=True)]
    )
    for vqc in (fast, plain):
        outputs, pullback = vqc.outputs_vjp(theta, observations)
        assert np.allclose(outputs, expected.detach(), atol=2e-5)
        assert np.allclose(pullback(cotangent), gradient, atol=2e-4)
        assert np.allclose(vqc.acting(theta)(observations[1]), outputs[1], atol=1e-6)
        exported = vqc.torch_outputs()(
            {k: v.detach().float() for k, v in part.items()}, torch.tensor(observations).float()
        )
        assert np.allclose(exported, outputs, atol=2e-5)


def test_the_parts_of_its_layout_and_its_first_parameters():
    vqc = DressedVqc(4, 2, variational(3, 2))
    assert list(vqc.layout.shapes) == ["first.weight", "first.bias", "circuit", "last.weight", "last.bias"]
    random = np.random.default_rng(3)
    circuit, first, last = random.normal(size=(2, 3, 3)), random.normal(size=(3, 4)), random.normal(size=(2, 3))
    parts = [0.1 * first, np.zeros(3), 0.01 * circuit, 0.1 * last, np.zeros(2)]
    initial = vqc.initial(np.random.default_rng(3))
    assert np.array_equal(initial, np.concatenate([part.reshape(-1) for part in parts]))
    assert DressedVqc(4, 2, efficient_su2(2, 1)).initial(np.random.default_rng(0)).size == 8 * 5 + 2 * 3


def test_a_circuit_without_angles_takes_no_input():
    with pytest.raises(ValueError, match="takes one angle or more, and this circuit takes none"):
        DressedVqc(4, 2, Circuit(lambda angles, weights: None, 2, 0, (3,)))


def test_what_is_measured_is_drawn():
    circuit = ladder(2, ("Z0 X1", "Y1"))
    values = draw(circuit)
    assert "<Z@X>" in values or "Z@X" in values, values
    assert "Y" in values.split("\n", 1)[1]
    reuploading = draw(ppo.circuit(ppo.Config()))
    assert all(gate in reuploading for gate in ("●", "RZ──RZ──RY")), (
        "a first slice of its weights has no ring, and no angle"
    )
    assert "Probs" in draw(circuit, "probabilities") and "Sample" in draw(circuit, "bits")
    with pytest.raises(ValueError, match="one of values, probabilities, bits, not 'state'"):
        draw(circuit, "state")
