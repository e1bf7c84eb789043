"""Random circuits over all native gates, and what PennyLane says of them."""

import numpy as np
import pennylane as qml
import torch
from hypothesis import strategies as st

from hpcqrl.quantum.trace import Circuit

ONE_QUBIT = {"Hadamard": 0, "PauliX": 0, "PauliY": 0, "PauliZ": 0, "S": 0, "T": 0, "RX": 1, "RY": 1, "RZ": 1}
ONE_QUBIT |= {"PhaseShift": 1, "Rot": 3, "U2": 2, "U3": 3}
TWO_QUBITS = {"CNOT": 0, "CZ": 0, "SWAP": 0, "CRX": 1, "CRY": 1, "CRZ": 1, "ControlledPhaseShift": 1, "CU3": 3}
TWO_QUBITS |= {"CY": 0, "CH": 0, "CRot": 3}
TWO_QUBITS |= {"IsingXX": 1, "IsingYY": 1, "IsingZZ": 1}
MORE_QUBITS = {"Toffoli": 3, "MultiControlledX": 4}  # their wires


KINDS = ["constant", "angle", "weight", "angle", "weight", "product", "sum"]


@st.composite
def circuits(draw: st.DrawFn, largest: int = 10) -> Circuit:
    """A circuit of up to 40 gates whose parameters are constants, angles, weights (bare, or scaled and shifted), or
    sums of their products.
    """
    qubits = draw(st.integers(1, largest))
    names = [*ONE_QUBIT, *(TWO_QUBITS if qubits > 1 else ()), *(MORE_QUBITS if qubits > 3 else ())]
    gates = []
    counts = {"angle": 0, "weight": 0}

    def variable(kind: str) -> tuple[str, int]:
        number = draw(st.integers(max(0, counts[kind] - 1), counts[kind]))  # the last again, or a new one
        counts[kind] = max(counts[kind], number + 1)
        return kind, number

    def parameter() -> tuple[float, list]:
        """An offset, and terms: a scale and one or two variables."""
        kind = draw(st.sampled_from(KINDS))
        scale, offset = draw(st.sampled_from([(1.0, 0.0), (-0.5, 0.25)]))
        if kind == "constant":
            return 0.7 + offset, []
        if kind in counts:
            return offset, [(scale, [variable(kind)])]
        either = st.sampled_from(["angle", "weight"])
        terms = [(scale, [variable(draw(either)), variable(draw(either))])]
        if kind == "sum":
            terms += [(0.5, [variable(draw(either))]), (-1.5, [variable(draw(either))])]
        return offset, terms

    n_gates = draw(st.integers(1, 40))
    for name in draw(st.lists(st.sampled_from(names), min_size=n_gates, max_size=n_gates)):
        wires = draw(st.permutations(range(qubits)))[: MORE_QUBITS.get(name, 2 if name in TWO_QUBITS else 1)]
        gates.append((name, wires, [parameter() for _ in range((ONE_QUBIT | TWO_QUBITS).get(name, 0))]))

    def function(angles, weights):
        of = {"angle": angles, "weight": weights}
        for name, wires, parameters in gates:
            values = []
            for offset, terms in parameters:
                value = torch.tensor(offset, dtype=torch.float64) if torch.is_tensor(weights) else offset
                for scale, variables in terms:
                    product = scale
                    for kind, number in variables:
                        product = product * of[kind][number]
                    value = value + product
                values.append(value)
            if name == "CU3":
                qml.ctrl(qml.U3(*values, wires=wires[1]), control=wires[0])
            else:
                getattr(qml, name)(*values, wires=wires)

    weights = (counts["weight"],) if counts["weight"] else ()
    wires = st.lists(st.sampled_from(range(qubits)), min_size=1, max_size=min(qubits, 4), unique=True)
    word = wires.map(sorted).flatmap(lambda on: st.tuples(*(st.sampled_from([f"X{q}", f"Y{q}", f"Z{q}"]) for q in on)))
    words = st.none() | st.lists(word.map(" ".join), min_size=1, max_size=6)
    return Circuit(function, qubits, counts["angle"], weights, measured=draw(words))


def spelled(circuit: Circuit, word) -> tuple[str, dict]:
    """A word as PennyLane spells it: a letter for each wire."""
    letters = dict(word)
    return "".join(letters.get(q, "I") for q in range(circuit.qubits)), {w: q for q, w in enumerate(circuit.wires)}


def inputs(circuit: Circuit, seed: int, samples: int = 2) -> tuple[np.ndarray, np.ndarray]:
    """Random angles [samples, n] and weights."""
    random = np.random.default_rng(seed)
    angles = random.uniform(-4, 4, (samples, circuit.n_angles))
    return angles, random.uniform(-4, 4, circuit.weights or (0,))


def reference(circuit: Circuit, expval: bool, angles: np.ndarray, weights: np.ndarray, cotangent: np.ndarray):
    """Results, and gradients of sum(cotangent * results) in angles and weights: default.qubit, backpropagation."""
    device = qml.device("default.qubit", wires=circuit.wires)

    @qml.qnode(device, diff_method="backprop", interface="torch")
    def node(angles, weights):
        circuit.function(angles, weights)
        if expval:
            return [qml.expval(qml.pauli.string_to_pauli_word(*spelled(circuit, word))) for word in circuit.words]
        return qml.probs(wires=circuit.wires)

    angle_tensor = torch.tensor(angles, dtype=torch.float64, requires_grad=True)
    weight_tensor = torch.tensor(weights, dtype=torch.float64, requires_grad=True)
    rows = []
    for row in angle_tensor:
        result = node(row, weight_tensor)
        rows.append(torch.stack([torch.as_tensor(value) for value in result]) if expval else torch.as_tensor(result))
    results = torch.stack(rows).double()
    total = (results * torch.tensor(cotangent)).sum() + 0.0 * (angle_tensor.sum() + weight_tensor.sum())
    total.backward()
    return results.detach().numpy(), angle_tensor.grad.numpy(), weight_tensor.grad.numpy()
