"""A circuit on the native kernels with noise: bits, and what is estimated from them."""

import numpy as np
from numpy.typing import NDArray

from hpcqrl.quantum import noise_kernels as kernels
from hpcqrl.quantum.bits import Bits, frequencies, word_mean
from hpcqrl.quantum.chains import ISING_BASIS, TO_Z, Chain, Rotation, controlled_chains, fixed, single_qubit_chain
from hpcqrl.quantum.circuit import Circuit
from hpcqrl.quantum.cost import Cost
from hpcqrl.quantum.device import Floats, Pullback
from hpcqrl.quantum.gates import FLIPS, Gate
from hpcqrl.quantum.noise import Noise
from hpcqrl.quantum.opened import in_rows, opened
from hpcqrl.quantum.words import measured_together


class NoisyDevice:
    """The native kernels, with errors after each gate of the circuit as it is written, and in the readout.

    The turn of a qubit whose X or Y is measured has none. Its gradients are those of others: see gradients.py.
    """

    def __init__(self, circuit: Circuit, noise: Noise, shots: int | None, seed: int = 0) -> None:
        self.circuit, self.shots, self.cost = circuit, shots, Cost()
        self.random: np.random.Generator | None = np.random.default_rng(seed)
        self._noise, self._free = noise, opened(circuit)
        self._plain = Operations(self._free.gates, circuit.qubits, noise, {})
        self._groups = [
            (Operations(self._free.gates, circuit.qubits, noise, letters), numbers)
            for letters, numbers in measured_together(circuit.words)
        ]

    def expval(self, angles: Floats, weights: Floats) -> Floats:
        values = np.empty((len(angles), len(self.circuit.words)))
        for operations, numbers in self._groups:
            bits = self._measured(operations, angles, weights, self.shots)
            for number in numbers:
                values[:, number] = word_mean(bits, self.circuit.words[number])
        return values

    def probs(self, angles: Floats, weights: Floats, first: int | None = None) -> Floats:
        return frequencies(self._measured(self._plain, angles, weights, self.shots), self.circuit.states(first))

    def sample(self, angles: Floats, weights: Floats, shots: int) -> NDArray[np.uint8]:
        return self._measured(self._plain, angles, weights, shots)

    def expval_vjp(self, angles: Floats, weights: Floats) -> tuple[Floats, Pullback]:
        raise NotImplementedError("sampled bits have no gradients of their own")

    def probs_vjp(self, angles: Floats, weights: Floats, first: int | None = None) -> tuple[Floats, Pullback]:
        raise NotImplementedError("sampled bits have no gradients of their own")

    def _measured(self, operations: "Operations", angles: Floats, weights: Floats, shots: int | None) -> Bits:
        if shots is None:
            raise ValueError("noise strikes single shots: say how many")
        assert self.random is not None
        self.circuit.check(angles, weights)
        values = np.ascontiguousarray(self._free.values(in_rows(angles, weights)))
        if not np.isfinite(values).all():
            raise ValueError("a circuit whose angles or weights are not finite cannot be measured")
        bits = np.empty((len(angles), shots, self.circuit.qubits), np.uint8)
        kernels.trajectories(*operations.tables, values, self.random, bits)
        bits = bits[:, self.random.permutation(shots)]  # those that were struck come first
        low, high = self._noise.readout
        if low or high:
            bits ^= self.random.random(bits.shape) < np.where(bits, high, low)
        self.cost.add(len(angles), shots, 0.0)
        return bits


class Operations:
    """What the kernels run: gates, the errors after each, and turns to the letters that are measured."""

    def __init__(self, gates: tuple[Gate, ...], qubits: int, noise: Noise, letters: dict[int, str]) -> None:
        self._top = qubits - 1
        self._rows: list[tuple[int, ...]] = []
        self._rates: list[float] = []
        self._chains: list[Rotation] = []
        for gate in gates:
            self._add(gate)
            several = int(len(gate.wires) > 1)
            if rate := noise.depolarizing[several]:
                self._put(kernels.DEPOLARIZE, sum(1 << self._bit(wire) for wire in gate.wires), rate=rate)
            if rate := noise.amplitude_damping[several]:
                for wire in gate.wires:
                    self._put(kernels.DAMP, self._bit(wire), rate=rate)
        for qubit, letter in letters.items():
            if letter != "Z":
                self._put(kernels.ONE, self._bit(qubit), chains=([fixed(*TO_Z[letter])],))
        lines = [rotation.parameter for rotation in self._chains]
        places = [parameter.terms[0][1] if parameter.terms else -1 for parameter in lines]
        scales = [parameter.terms[0][0] if parameter.terms else 0.0 for parameter in lines]
        self.tables = (
            np.array(self._rows, np.int64).reshape(-1, 7),
            np.array(self._rates, np.float64),
            np.array([rotation.axis for rotation in self._chains], np.int64),
            np.array(places, np.int64),
            np.array(scales, np.float64),
            np.array([parameter.offset for parameter in lines], np.float64),
        )

    def _bit(self, qubit: int) -> int:
        return self._top - qubit

    def _put(self, kind: int, bit: int, other: int = 0, chains: tuple[Chain, ...] = (), rate: float = 0.0) -> None:
        spans = []
        for chain in chains:
            spans += [len(self._chains), len(self._chains) + len(chain)]
            self._chains += chain
        self._rows.append((kind, bit, other, *spans, *[0] * (4 - len(spans))))
        self._rates.append(rate)

    def _add(self, gate: Gate) -> None:
        *others, target = map(self._bit, gate.wires)
        chain = single_qubit_chain(gate)
        if chain is not None:
            self._put(kernels.ONE, target, chains=(chain,))
        elif gate.name == "SWAP":
            self._put(kernels.SWAP, target, others[0])
        elif gate.name in FLIPS:
            self._put(kernels.FLIP, target, sum(1 << bit for bit in others))
        elif gate.name in ISING_BASIS:
            axis, angle = ISING_BASIS[gate.name]
            for sign in (1.0, -1.0):
                for bit in (*others, target):
                    self._put(kernels.ONE, bit, chains=([fixed(axis, sign * angle)],))
                if sign > 0.0:
                    self._add(gate._replace(name="IsingZZ"))
        else:
            self._put(kernels.CONTROLLED, target, others[0], controlled_chains(gate))


def compile_kernels() -> None:
    """Compile the kernels, or load them from disk if they have been; seconds the first time, 0.3 s later."""
    noise = Noise((0.5, 0.5), (0.5, 0.5), (0.5, 0.5))
    circuit = Circuit(lambda angles, weights: None, 1, 0, ())
    NoisyDevice(circuit, noise, 1).sample(np.zeros((1, 0)), np.zeros(0), 1)
