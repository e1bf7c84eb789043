"""A noise model: the native kernels train, and what is trained is played on a QPU whose gates fail now and then.

mpiexec -n 2 hpcqrl train qa3c --qubits 2 --layers 1 --episodes 2000 --out runs/ideal.h5
PYTHONPATH=examples hpcqrl evaluate runs/ideal.h5 --qpu noisy_qpu:device --shots 200
PYTHONPATH=examples hpcqrl train qa3c --qubits 2 --layers 1 --qpu noisy_qpu:device --gradient exact --episodes 20
"""

import os

import pennylane as qml


def device(wires, shots, seed, rank):
    """Each qubit is depolarised after each gate of two qubits, with probability NOISE (by default 0.02)."""
    probability = float(os.environ.get("NOISE", "0.02"))
    two_qubits = qml.noise.op_in(["CNOT", "CZ"])
    model = qml.NoiseModel({two_qubits: lambda op, **_: [qml.DepolarizingChannel(probability, w) for w in op.wires]})
    return qml.noise.add_noise(qml.device("default.mixed", wires=wires, seed=seed), model)
