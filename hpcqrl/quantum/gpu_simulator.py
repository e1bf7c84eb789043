"""A circuit on a GPU, NumPy in and NumPy out: what `Simulator` is on a processor."""

import weakref
from typing import Any

import numpy as np
from numpy.typing import NDArray

from hpcqrl.quantum import gpu_observables, gpu_tiles, gpu_whole
from hpcqrl.quantum.card import GIB, GpuMemoryError, card, free_memory
from hpcqrl.quantum.circuit import Circuit
from hpcqrl.quantum.gpu_jit import each, shared_memory
from hpcqrl.quantum.gpu_kernels import LARGEST
from hpcqrl.quantum.gpu_memory import ROOMS
from hpcqrl.quantum.gpu_program import GpuProgram, Held

Floats = NDArray[np.floating]

TILE = {
    np.dtype(np.float32): 11,
    np.dtype(np.float64): 10,
}  # bits: psi and lambda fit the 48 KiB that a block always has
_STATIC = 2 << 10  # bytes of shared memory, at most, that kernels have beside a tile
_ALWAYS_THERE = 64 << 20  # bytes; to ask how many are free takes longer than small work does


class GpuSimulator:
    """Exact simulation of a circuit: what is measured, samples, and vector-Jacobian products.

    angles [samples, circuit.n_angles] and weights (circuit.weights) in radians; amplitudes, results and cotangents have
    `dtype`, gradients are float64. tile: bits of the states that a block's shared memory holds. Raises ValueError
    without a GPU, or where one sample with its gradient is more than its memory.
    """

    def __init__(
        self, circuit: Circuit, expval: bool, dtype: type[np.floating] = np.float32, tile: int | None = None
    ) -> None:
        self.circuit, self.dtype = circuit, np.dtype(dtype)
        if self.dtype not in TILE:
            raise ValueError(f"the precision is float32 or float64, not {self.dtype}")
        self.card = card()
        if tile is None:
            tile = TILE[self.dtype]
            whole = largest_whole(self.dtype, shared_memory()) if circuit.qubits > tile else tile
        else:
            whole = tile
        self.program = GpuProgram(circuit, expval, self.dtype, whole, tile)
        self._way: Any = gpu_whole if self.program.is_whole else gpu_tiles
        self._needed(1, True, self.card.memory)
        self.program.copy_tables()
        self._rooms = ROOMS

    def run(self, angles: Floats, weights: Floats, first: int | None = None) -> Floats:
        """Expectation values [samples, words], or the probabilities of the `first` basis states (all of them)."""
        angles, weights = self._inputs(angles, weights)
        result = np.empty((len(angles), self._results(first)), self.dtype)
        for piece in self._pieces(len(angles)):
            result[piece] = self._run(angles[piece], weights, result.shape[1], False)[0]
        return result

    def run_for_gradient(self, angles: Floats, weights: Floats, first: int | None = None) -> tuple[Floats, Held]:
        """The same, and what `gradient` needs; GpuMemoryError for more samples than fit the memory that is free."""
        angles, weights = self._inputs(angles, weights)
        if len(angles) * self.program.bytes(True) > _ALWAYS_THERE:
            self._needed(len(angles), True, free_memory() + self._rooms.idle())
        return self._run(angles, weights, self._results(first), True)

    def gradient(self, angles: Floats, weights: Floats, held: Held, cotangent: Floats) -> tuple[Floats, Floats]:
        """Gradients of sum(cotangent * result) in angles and in weights, float64."""
        samples = len(angles)
        if held.values.shape[0] != samples or cotangent.shape != (samples, self._results(cotangent.shape[1])):
            raise ValueError(f"cotangent {cotangent.shape} is not of {samples} samples' results")
        if not self.program.n_values or not samples:
            return np.zeros(angles.shape), np.zeros(weights.shape)
        with self._rooms.scratch() as room:
            seed = room.filled(np.ascontiguousarray(cotangent, self.dtype))
            of_angles, of_weights = self._way.pull_back(self.program, held, seed, room, cotangent.shape[1])
            return of_angles, of_weights.reshape(weights.shape)

    def sample(self, angles: Floats, weights: Floats, shots: int, random: np.random.Generator) -> NDArray[np.uint8]:
        """Measured bits [samples, shots, qubits], one measurement of all qubits a shot; not for expval=True.

        The random numbers are those that `Simulator` draws, and so are the bits, but where rounding decides.
        """
        angles, weights = self._inputs(angles, weights)
        if not (np.isfinite(angles).all() and np.isfinite(weights).all()):
            raise ValueError("a circuit whose angles or weights are not finite cannot be measured")
        bits = np.empty((len(angles), shots, self.circuit.qubits), np.uint8)
        chunk = 1 << self.circuit.qubits // 2
        for piece in self._pieces(len(angles), 12 * shots):
            samples = len(angles[piece])
            with self._rooms.scratch() as room:
                _, held = self._run(angles[piece], weights, 0, True)
                uniforms = room.filled(random.random((samples, shots)))
                weight = room.take((samples, (1 << self.circuit.qubits) // chunk), np.float64)
                measured = room.take((samples, shots), np.int32)
                each(gpu_observables.chunk_weights, weight.size, held.states, weight, chunk)
                each(gpu_observables.measure, samples * shots, held.states, weight, chunk, uniforms, measured)
                numbers = measured.copy_to_host()
            for qubit in range(self.circuit.qubits):
                bits[piece, :, qubit] = numbers >> (self.circuit.qubits - 1 - qubit) & 1
        return bits

    def _run(self, angles: Floats, weights: Floats, width: int, keep: bool) -> tuple[Floats, Held]:
        """Results [samples, width], and, if `keep`, the final states of a batch."""
        samples, held, rooms, program = len(angles), Held(), self._rooms, self.program
        if not samples:
            raise ValueError("a batch has one sample or more")
        states = (samples, 2, 1 << program.bits) if keep or not program.is_whole else (1, 1, 1)
        held.values = rooms.take((samples, program.n_values), np.float64)
        held.matrices = rooms.take((samples, program.n_rows, 2, 8), self.dtype)
        held.states = rooms.take(states, self.dtype)
        held.bloch = rooms.take((samples, program.n_words, 3), np.float64)
        weakref.finalize(held, rooms.give, held.values, held.matrices, held.states, held.bloch)
        with rooms.scratch() as room:
            result = room.take((samples, width), self.dtype)
            self._way.run(program, room.filled(angles), room.filled(weights), held, keep, width, result)
            return result.copy_to_host() if width else np.empty((samples, 0), self.dtype), held

    def _inputs(self, angles: Floats, weights: Floats) -> tuple[Floats, Floats]:
        self.circuit.check(angles, weights)
        return np.ascontiguousarray(angles, np.float64), np.ascontiguousarray(weights, np.float64).reshape(-1)

    def _results(self, first: int | None) -> int:
        return len(self.circuit.measured) if self.program.expval else self.circuit.states(first)

    def _needed(self, samples: int, gradient: bool, memory: int) -> None:
        """ValueError if a batch takes more than so much memory."""
        needed = samples * self.program.bytes(gradient)
        if needed > memory:
            batch = f"a batch of {samples}" if samples > 1 else "one sample"
            raise GpuMemoryError(
                f"{batch} of a circuit of {self.circuit.qubits} qubits takes {needed / GIB:.2f} GiB of GPU memory "
                f"with its gradient, and of {self.card.name} {memory / GIB:.2f} GiB are free"
            )

    def _pieces(self, samples: int, beside: int = 0) -> list[slice]:
        """A batch in parts whose states fit half of the free memory; beside: what else a sample takes, bytes."""
        size = self.program.bytes(False) + beside
        if samples * size <= _ALWAYS_THERE:
            return [slice(0, samples)]
        most = max(1, (free_memory() + self._rooms.idle()) // 2 // size)
        return [slice(start, min(start + most, samples)) for start in range(0, samples, most)]


def largest_whole(dtype: np.dtype, shared: int) -> int:
    """Bits of the largest state that, with lambda, fits so much shared memory, and a block's threads."""
    bits = TILE[dtype]
    while bits < LARGEST and (8 << bits) * dtype.itemsize + _STATIC <= shared:
        bits += 1
    return bits
