"""IBM's fake backends on Aer where Qiskit is installed, else a stand-in of 5 qubits on PennyLane's default.qubit.

HPCQRL_TEST_COUNT names a file that gets a line for each job: the QPU, how many circuits, how many numbers each.
"""

import os

import numpy as np

try:
    from qiskit_aer import AerSimulator
    from qiskit_ibm_runtime import SamplerV2 as RuntimeSampler
    from qiskit_ibm_runtime.fake_provider import FakeManilaV2
except ImportError:
    AerSimulator = None


class Backend:
    num_qubits = 5

    def __init__(self, name):
        self.name = name


def get_backend(resource):
    return AerSimulator.from_backend(FakeManilaV2()) if AerSimulator else Backend(resource.name)


class SamplerV2:
    def __init__(self, resource):
        self.name = resource.name
        self.random = np.random.default_rng(0)
        self.aer = RuntimeSampler(mode=get_backend(resource)) if AerSimulator else None

    def run(self, pubs, *, shots):
        if "HPCQRL_TEST_COUNT" in os.environ:
            with open(os.environ["HPCQRL_TEST_COUNT"], "a") as file:
                for circuit, *values in pubs:
                    file.write(f"{self.name} {len(values[0]) if values else 1} {circuit.num_qubits}\n")
        if self.aer:
            return self.aer.run(pubs, shots=shots)
        return Job(
            [self._measured(circuit, values[0] if values else np.zeros((1, 0)), shots) for circuit, *values in pubs]
        )

    def _measured(self, circuit, rows, shots):
        states = np.array(
            [self.random.choice(2**circuit.num_qubits, shots, p=probabilities(circuit, row)) for row in rows]
        )
        qubits = circuit.num_qubits  # Qiskit's first qubit is the last bit
        bits = states[..., None] >> np.arange(qubits)[::-1] & 1
        packed = bits[..., ::-1]
        pad = -qubits % 8
        return Result(np.packbits(np.pad(packed, ((0, 0), (0, 0), (pad, 0))).astype(np.uint8), axis=-1))


class Job:
    def __init__(self, results):
        self.results = results

    def result(self):
        return self.results


class Result:
    def __init__(self, array):
        self.array = array

    @property
    def data(self):
        return self

    meas = data


GATES = {"h": "Hadamard", "rx": "RX", "ry": "RY", "rz": "RZ", "cx": "CNOT", "cz": "CZ", "u": "U3", "crx": "CRX"}


def probabilities(circuit, values):
    """Of the basis states, the first qubit most significant."""
    import pennylane as qml

    number = {parameter: value for parameter, value in zip(circuit.parameters, values, strict=True)}
    operations = []
    for name, arguments in circuit.gates:
        if name == "cu":
            numbers = [number.get(each, each) for each in arguments[:3]]
            operations.append(qml.ctrl(qml.U3(*numbers, wires=arguments[5]), arguments[4]))
            continue
        operation = getattr(qml, GATES[name])
        numbers = [number.get(each, each) for each in arguments[: operation.num_params]]
        operations.append(operation(*numbers, wires=arguments[operation.num_params :]))
    tape = qml.tape.QuantumScript(operations, [qml.probs(wires=range(circuit.num_qubits))])
    found = qml.device("default.qubit").execute(tape)
    return found / found.sum()
