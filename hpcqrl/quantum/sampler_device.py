"""A circuit on a Qiskit backend: transpiled once, then one job of its sampler for all samples of a call."""

import time
from math import pi
from typing import Any

import numpy as np
from numpy.typing import NDArray

from hpcqrl.quantum.bits import Bits, frequencies, word_mean
from hpcqrl.quantum.chains import TO_Z
from hpcqrl.quantum.circuit import Circuit
from hpcqrl.quantum.cost import Cost
from hpcqrl.quantum.device import Floats, Pullback
from hpcqrl.quantum.opened import Opened, in_rows, opened
from hpcqrl.quantum.rotations import X
from hpcqrl.quantum.words import measured_together

METHODS = {  # Qiskit's names of gates whose parameters and wires come in the same order
    "Hadamard": "h", "PauliX": "x", "PauliY": "y", "PauliZ": "z", "S": "s", "T": "t", "RX": "rx", "RY": "ry",
    "RZ": "rz", "PhaseShift": "p", "U3": "u", "CNOT": "cx", "CZ": "cz", "CY": "cy", "CH": "ch", "SWAP": "swap",
    "CRX": "crx", "CRY": "cry", "CRZ": "crz", "ControlledPhaseShift": "cp", "IsingXX": "rxx", "IsingYY": "ryy",
    "IsingZZ": "rzz", "Toffoli": "ccx",
}  # fmt: skip


class SamplerDevice:
    """Expectation values and probabilities of a circuit from bits that a Qiskit backend measures.

    backend: a Qiskit BackendV2; shots: of each circuit; sampler: a SamplerV2 that runs on it, None: Qiskit Runtime's.
    Gates' parameters stay open when the circuit is transpiled, so that a call brings numbers alone. It has no
    gradients: see gradients.py.
    Raises ValueError where nothing is said of shots, for a circuit that cannot be traced, or is too large for it.
    """

    def __init__(self, circuit: Circuit, backend: Any, shots: int | None, seed: int = 0, sampler: Any = None) -> None:
        if shots is None:
            raise ValueError(f"{backend.name} measures shots, and nothing exact: say --shots")
        self.circuit, self.shots, self.cost = circuit, shots, Cost()
        self.random: np.random.Generator | None = None  # the backend's own
        self._free = opened(circuit)
        if circuit.qubits > backend.num_qubits:
            raise ValueError(f"{backend.name} has {backend.num_qubits} qubits, and the circuit {circuit.qubits}")
        self._sampler = _runtime_sampler(backend) if sampler is None else sampler
        from qiskit.transpiler import generate_preset_pass_manager

        transpiler = generate_preset_pass_manager(optimization_level=1, backend=backend, seed_transpiler=seed % 2**31)

        def ready(letters: dict[int, str]) -> tuple[Any, list[int]]:
            """The circuit, measured along these letters, as the backend takes it; and which parameters it has."""
            transpiled = transpiler.run(qiskit_circuit(self._free, letters))
            return transpiled, [parameter.index for parameter in transpiled.parameters]

        self._plain = ready({})
        groups = measured_together(circuit.words)
        self._groups = [(ready(letters), numbers) for letters, numbers in groups]

    def expval(self, angles: Floats, weights: Floats) -> Floats:
        values = np.empty((len(angles), len(self.circuit.words)))
        found = self._measure([circuit for circuit, _ in self._groups], angles, weights, self.shots)
        for bits, (_, numbers) in zip(found, self._groups, strict=True):
            for number in numbers:
                values[:, number] = word_mean(bits, self.circuit.words[number])
        return values

    def probs(self, angles: Floats, weights: Floats, first: int | None = None) -> Floats:
        bits = self._measure([self._plain], angles, weights, self.shots)[0]
        return frequencies(bits, self.circuit.states(first))

    def sample(self, angles: Floats, weights: Floats, shots: int) -> NDArray[np.uint8]:
        return self._measure([self._plain], angles, weights, shots)[0]

    def expval_vjp(self, angles: Floats, weights: Floats) -> tuple[Floats, Pullback]:
        raise NotImplementedError("a QPU has no gradients of its own")

    def probs_vjp(self, angles: Floats, weights: Floats, first: int | None = None) -> tuple[Floats, Pullback]:
        raise NotImplementedError("a QPU has no gradients of its own")

    def _measure(
        self, circuits: list[tuple[Any, list[int]]], angles: Floats, weights: Floats, shots: int
    ) -> list[NDArray[np.uint8]]:
        """The bits [samples, shots, qubits] of each circuit, all in one job."""
        self.circuit.check(angles, weights)
        begin, samples = time.perf_counter(), len(angles)
        if not samples:
            return [np.empty((0, shots, self.circuit.qubits), np.uint8) for _ in circuits]
        values = self._free.values(in_rows(angles, weights))
        pubs: list[tuple[Any, ...]] = []
        for circuit, places in circuits:  # one without parameters is another for each sample
            pubs += [(circuit, values[:, places])] if places else [(circuit,)] * samples
        results = iter(self._sampler.run(pubs, shots=shots).result())
        found = []
        for _, places in circuits:
            parts = [_bits(next(results), self.circuit.qubits) for _ in range(1 if places else samples)]
            found.append(np.concatenate(parts))
        self.cost.add(samples * len(circuits), shots, time.perf_counter() - begin)
        return found


def qiskit_circuit(free: Opened, letters: dict[int, str]) -> Any:
    """An opened circuit as Qiskit's, with a parameter for each, that measures qubits along their letters, or Z."""
    from qiskit import QuantumCircuit
    from qiskit.circuit import ParameterVector

    circuit = free.circuit
    parameters = ParameterVector("x", len(free.parameters))
    made = QuantumCircuit(circuit.qubits)
    for name, wires, own in free.gates:
        numbers = [parameters[each.terms[0][1]] if each.terms else each.offset for each in own]
        match name:
            case "Rot" | "CRot":
                for method, number in zip(("rz", "ry", "rz"), numbers, strict=True):
                    getattr(made, method if name == "Rot" else f"c{method}")(number, *wires)
            case "U2":
                made.u(pi / 2, *numbers, *wires)
            case "C(U3)":
                made.cu(*numbers, 0.0, *wires)
            case "MultiControlledX":
                made.mcx(list(wires[:-1]), wires[-1])
            case _:
                getattr(made, METHODS[name])(*numbers, *wires)
    for qubit, letter in letters.items():
        if letter in TO_Z:
            axis, angle = TO_Z[letter]
            (made.rx if axis == X else made.ry)(angle, qubit)
    made.measure_all()
    return made


def _runtime_sampler(backend: Any) -> Any:
    try:
        from qiskit_ibm_runtime import SamplerV2
    except ImportError as error:
        raise ValueError(f"a Qiskit backend needs this package's extra `qiskit`: {error}") from error
    return SamplerV2(mode=backend)


def _bits(result: Any, qubits: int) -> Bits:
    """What a pub's result holds, [samples, shots, qubits]; Qiskit packs bits, the first qubit last."""
    packed = result.data.meas.array
    bits = np.unpackbits(packed.reshape(-1, *packed.shape[-2:]), axis=-1)
    return bits[:, :, : -qubits - 1 : -1]
