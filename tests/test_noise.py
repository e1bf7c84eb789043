"""Noise at native speed: the shots are those of the density matrix, and learning, evaluation and refusals go by it."""

import itertools
import time
from functools import reduce

import numpy as np
import pennylane as qml
import pytest
from launch import ROOT, hpcqrl
from random_circuits import ONE_QUBIT, TWO_QUBITS
from scipy.stats import chi2

from hpcqrl.quantum.backend import Backend
from hpcqrl.quantum.circuit import Circuit
from hpcqrl.quantum.circuits import variational
from hpcqrl.quantum.devices import make_device
from hpcqrl.quantum.noise import Noise
from hpcqrl.results.reader import read_run

PAULIS = [np.eye(2), *(qml.matrix(gate(0)) for gate in (qml.X, qml.Y, qml.Z))]


def random_circuit(random, qubits, gates):
    """A circuit of random gates of one, two and three qubits, of two angles and two weights."""
    chosen = []
    for _ in range(gates):
        names = ONE_QUBIT if random.random() < 0.5 else TWO_QUBITS | {"Toffoli": 0}
        name = random.choice(list(names))
        wires = random.permutation(qubits)[: 3 if name == "Toffoli" else 2 if name in TWO_QUBITS else 1]
        chosen.append((name, wires.tolist(), random.integers(0, 4, names[name])))

    def function(a, w):
        numbers = [a[0], a[1] + 0.5, w[0] * a[0], w[1]]
        for name, wires, which in chosen:
            if name == "CU3":
                qml.ctrl(qml.U3(*(numbers[k] for k in which), wires=wires[1]), wires[0])
            else:
                getattr(qml, name)(*(numbers[k] for k in which), wires=wires)

    return Circuit(function, qubits, 2, (2,))


def density_probabilities(circuit, noise, angles, weights, turns=()):
    """What default.mixed says: errors after each gate as Kraus operators, readout as a matrix of confusion."""
    with qml.queuing.AnnotatedQueue() as queue:
        circuit.apply(angles, weights)
    operations = []
    for gate in qml.tape.QuantumScript.from_queue(queue).operations:
        operations.append(gate)
        several = int(len(gate.wires) > 1)
        rate, words = noise.depolarizing[several], list(itertools.product(PAULIS, repeat=len(gate.wires)))
        shares = [1.0 - rate, *[rate / (len(words) - 1)] * (len(words) - 1)]
        kraus = [np.sqrt(share) * reduce(np.kron, word) for share, word in zip(shares, words, strict=True)]
        operations.append(qml.QubitChannel(kraus, wires=gate.wires))
        operations += [qml.AmplitudeDamping(noise.amplitude_damping[several], wires=wire) for wire in gate.wires]
    tape = qml.tape.QuantumScript([*operations, *turns], [qml.probs(wires=circuit.wires)])
    found = np.asarray(qml.execute([tape], qml.device("default.mixed", wires=circuit.wires))[0])
    low, high = noise.readout
    confusion = reduce(np.kron, [np.array([[1.0 - low, high], [low, 1.0 - high]])] * circuit.qubits)
    return confusion @ found


NOISES = [
    Noise(depolarizing=(0.03, 0.1)),
    Noise(amplitude_damping=(0.04, 0.08)),
    Noise(readout=(0.03, 0.1)),
    Noise((0.02, 0.05), (0.03, 0.06), (0.02, 0.05)),
]


@pytest.mark.parametrize("seed", range(10))
def test_the_shots_are_those_of_the_density_matrix(seed):
    random, shots = np.random.default_rng(seed), 40_000
    circuit, noise = random_circuit(random, 3 + seed % 2, 16), NOISES[seed % 4]
    angles, weights = random.uniform(-3.0, 3.0, (2, 2)), random.uniform(-3.0, 3.0, 2)
    device = make_device(circuit, Backend(noise=noise), shots, seed)
    statistic, freedom = 0.0, 0
    for row, found in zip(angles, device.probs(angles, weights), strict=True):
        expected = shots * density_probabilities(circuit, noise, row, weights)
        large = expected > 5.0
        pairs = list(zip(shots * found[large], expected[large], strict=True))
        pairs.append((shots * found[~large].sum(), expected[~large].sum()))
        pairs = [pair for pair in pairs if pair[1] > 5.0]
        statistic += sum((seen - wanted) ** 2 / wanted for seen, wanted in pairs)
        freedom += len(pairs) - 1
        assert shots * found[expected < 1e-9].sum() == 0
    assert chi2.sf(statistic, freedom) > 1e-4, (statistic, freedom)
    exact = make_device(circuit).probs(angles, weights)
    ideal = sum(shots * (f - e) ** 2 / max(e, 1e-3) for f, e in zip(found, exact[1], strict=True))
    assert ideal > chi2.isf(1e-3, len(found)), "the test would not see the noise"


def test_words_of_any_letters_are_measured():
    noise = NOISES[3]
    circuit = Circuit(variational(3, 1).function, 3, 6, (1, 3, 3), measured=("X0", "Y1 Z2", "Z0 Z1"))
    random = np.random.default_rng(0)
    angles, weights = random.normal(size=(1, 6)), random.normal(size=(1, 3, 3))
    found = make_device(circuit, Backend(noise=noise), 100_000).expval(angles, weights)[0]
    turns = ([qml.RY(-np.pi / 2, 0), qml.RX(np.pi / 2, 1)], [qml.RX(np.pi / 2, 1), qml.RY(-np.pi / 2, 0)], [])
    signs = {0: [1, 1, 1, 1, -1, -1, -1, -1], 1: [1, -1, -1, 1, 1, -1, -1, 1], 2: [1, 1, -1, -1, -1, -1, 1, 1]}
    for word, turn in enumerate(turns):
        exact = density_probabilities(circuit, noise, angles[0], weights, turn) @ signs[word]
        assert abs(found[word] - exact) < 5.0 / np.sqrt(100_000)


def test_the_same_seed_gives_the_same_shots_and_another_others():
    circuit = variational(3, 1)
    inputs = np.ones((2, 6)), np.ones((1, 3, 3))
    first, same, other = (
        make_device(circuit, Backend(noise=NOISES[3]), 50, seed).sample(*inputs, 50) for seed in (1, 1, 2)
    )
    assert np.array_equal(first, same) and not np.array_equal(first, other)


def test_gradients_are_of_the_noisy_circuit_by_shift_and_of_the_ideal_one_by_exact():
    circuit, noise = variational(2, 1), Noise(depolarizing=(0.05, 0.2))
    random = np.random.default_rng(3)
    angles, weights = random.normal(size=(1, 4)), random.normal(size=(1, 2, 3))
    signs = np.array([[1, 1, -1, -1], [1, -1, 1, -1]])

    def noisy(which):
        def value(step):
            moved = weights.copy()
            moved.flat[which] += step
            return signs @ density_probabilities(circuit, noise, angles[0], moved)

        return (value(1e-4) - value(-1e-4)).sum() / 2e-4

    def gradient(way):
        value, pullback = make_device(circuit, Backend(noise=noise, gradient=way), 100_000).expval_vjp(angles, weights)
        return pullback(np.ones_like(value))[1].ravel()

    ideal = make_device(circuit, dtype=np.float64).expval_vjp(angles, weights)[1](np.ones((1, 2)))[1].ravel()
    wanted = np.array([noisy(which) for which in range(6)])
    assert np.abs(wanted - ideal).max() > 0.08
    assert np.allclose(gradient("shift"), wanted, atol=0.015)
    for way in (None, "exact"):
        assert np.allclose(gradient(way), ideal, atol=1e-4)


def test_it_is_fifty_times_as_fast_as_the_density_matrix():
    circuit, noise = variational(8, 2), Noise(depolarizing=(0.001, 0.01), readout=(0.02, 0.02))
    random = np.random.default_rng(0)
    angles, weights = random.normal(size=(1, 16)), random.normal(size=(2, 8, 3))
    device = make_device(circuit, Backend(noise=noise), 1000)
    device.expval(angles, weights)

    def seconds(call, times):
        found = []
        for _ in range(times):
            begin = time.process_time()
            call()
            found.append(time.process_time() - begin)
        return min(found)

    @qml.set_shots(1000)
    @qml.qnode(qml.device("default.mixed", wires=8))
    def mixed():
        with qml.queuing.AnnotatedQueue() as queue:
            circuit.apply(angles[0], weights)
        for gate in qml.tape.QuantumScript.from_queue(queue).operations:
            qml.apply(gate)
            for wire in gate.wires:
                qml.DepolarizingChannel(0.001 if len(gate.wires) == 1 else 0.01, wires=wire)
        return [qml.expval(qml.Z(qubit)) for qubit in range(8)]

    ours = seconds(lambda: device.expval(angles, weights), 5)
    theirs = seconds(mixed, 1)
    assert theirs > 50.0 * ours, (theirs, ours)


SMALL = ("qa3c", "--env", "CartPole-v1", "--qubits", "2", "--layers", "1")
GIVEN = ("--noise", "depolarizing=0.01,0.05", "--noise", "readout=0.02", "--noise", "amplitude-damping=0.01")


@pytest.mark.parametrize("gradient", ["exact", "shift", "spsa"])
def test_agents_learn_with_it_and_policies_are_tested_with_it(tmp_path, gradient):
    out = tmp_path / "x.h5"
    options = ("--shots", "20", *GIVEN, "--gradient", gradient, "--episodes", "6", "--out", str(out))
    done = hpcqrl("train", *SMALL, *options, ranks=2)
    assert done.returncode == 0, done.stderr
    assert read_run(out).config["noise"] == list(GIVEN[1::2]) and read_run(out).episodes["shots"].sum() > 0
    for anew in ((), ("--noise", "readout=0.5"), ("--qpu", "default.qubit")) if gradient == "exact" else ():
        done = hpcqrl("evaluate", str(out), "--episodes", "2", *anew)
        assert done.returncode == 0 and "mean return of 2 episodes" in done.stdout, done.stderr


@pytest.mark.parametrize(
    ("options", "said"),
    [
        (("--noise", "depolarizing=1.5", "--shots", "9"), "noise depolarizing is one number or two in 0..1, not '1.5'"),
        (("--noise", "readout=-0.1", "--shots", "9"), "noise readout is one number or two in 0..1, not '-0.1'"),
        (("--noise", "readout=nan", "--shots", "9"), "noise readout is one number or two in 0..1, not 'nan'"),
        (("--noise", "readout=1,0,1", "--shots", "9"), "noise readout is one number or two in 0..1, not '1,0,1'"),
        (("--noise", "cosmic=0.1", "--shots", "9"), "noise is depolarizing=P1,P2, amplitude-damping=P1,P2, readout="),
        (("--noise", "readout=0", "--noise", "readout=0", "--shots", "9"), "each once, not 'readout=0'"),
        (("--noise", "readout=0.1"), "noise strikes single shots, and nothing exact: it needs shots"),
        (("--noise", "readout=0.1", "--shots", "9", "--qpu", "default.mixed"), "noise is of the native kernels, and"),
        (("--noise", "readout=0.1", "--model", "classical"), "noise means nothing without a circuit"),
    ],
)
def test_what_is_wrong_is_said_in_a_line(tmp_path, options, said):
    done = hpcqrl("train", *SMALL, *options, "--out", str(tmp_path / "x.h5"), COLUMNS="300", PYTHONPATH=str(ROOT))
    assert done.returncode == 2 and said in done.stdout + done.stderr and "Traceback" not in done.stderr, done
