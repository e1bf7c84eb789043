"""A circuit on a GPU, NumPy in and NumPy out: what `Simulator` is on a processor."""

import weakref
from typing import Any

import numpy as np
from numpy.typing import NDArray

from hpcqrl.quantum import gpu_kernels, gpu_observables, gpu_preparation
from hpcqrl.quantum.card import GIB, GpuMemoryError, card, free_memory
from hpcqrl.quantum.circuit import Circuit
from hpcqrl.quantum.gpu_kernels import each, threads_for
from hpcqrl.quantum.gpu_memory import ROOMS, Scratch, there
from hpcqrl.quantum.gpu_passes import Pass, passes_of, sources, spread
from hpcqrl.quantum.program import lower

Floats = NDArray[np.floating]

TILE = {
    np.dtype(np.float32): 11,
    np.dtype(np.float64): 10,
}  # bits: psi and lambda fit the 48 KiB that a block always has
_CHUNK = 2048  # amplitudes that a block reads off
_ALWAYS_THERE = 64 << 20  # bytes; to ask how many are free takes longer than small work does


class Held:
    """What `gradient` needs of a batch, on the card."""

    values: Any
    matrices: Any
    states: Any
    bloch: Any


class GpuSimulator:
    """Exact simulation of a circuit: what is measured, samples, and vector-Jacobian products.

    angles [samples, circuit.n_angles] and weights (circuit.weights) in radians; amplitudes, results and cotangents have
    `dtype`, gradients are float64. tile: bits of the states that a block's shared memory holds. Raises ValueError
    without a GPU, or where one sample with its gradient is more than its memory.
    """

    def __init__(
        self, circuit: Circuit, expval: bool, dtype: type[np.floating] = np.float32, tile: int | None = None
    ) -> None:
        self.circuit, self._expval, self.dtype = circuit, expval, np.dtype(dtype)
        if self.dtype not in TILE:
            raise ValueError(f"the precision is float32 or float64, not {self.dtype}")
        self.card = card()
        self.program = program = lower(circuit, expval)
        bits, _, self._n_angles, _, derived = program.sizes
        self._bits, self._places = bits, circuit.n_angles + circuit.n_weights + derived
        self._tile = tile or TILE[self.dtype]
        self.passes = passes_of(program, self._tile)
        self._whole = len(self.passes.passes) == 1 and self.passes.passes[0].permutation < 0  # a state is one tile
        self._needed(1, True, self.card.memory)
        self._rooms = ROOMS
        self._n_terms, self._n_rows, self._n_slots = len(program.terms), len(program.rows), len(program.slots)
        places = program.rotations[1][program.slots] if len(program.slots) else np.zeros(0, np.int64)
        order = np.argsort(places, kind="stable")
        starts = np.searchsorted(places[order], np.arange(self._places + 1))
        tables = (program.rows, program.slots, program.rotations, program.lines, program.terms, sources(program))
        self._rows, self._slots, self._rotations, self._lines, self._terms, self._permutations = map(there, tables)
        self._moves, self._order, self._starts = map(there, (self.passes.moves, order, starts))
        masks = {one.mask for one in self.passes.passes if one.permutation < 0}
        self._spread = {mask: tuple(map(there, spread(bits, mask))) for mask in masks}

    def run(self, angles: Floats, weights: Floats, first: int | None = None) -> Floats:
        """Expectation values [samples, words], or the probabilities of the `first` basis states (all of them)."""
        angles, weights = self._inputs(angles, weights)
        result = np.empty((len(angles), self._results(first)), self.dtype)
        for piece in self._pieces(len(angles)):
            result[piece] = self._run(angles[piece], weights, result.shape[1])[0]
        return result

    def run_for_gradient(self, angles: Floats, weights: Floats, first: int | None = None) -> tuple[Floats, Held]:
        """The same, and what `gradient` needs; GpuMemoryError for more samples than fit the memory that is free."""
        angles, weights = self._inputs(angles, weights)
        if len(angles) * self._bytes(True) > _ALWAYS_THERE:
            self._needed(len(angles), True, free_memory() + self._rooms.idle())
        return self._run(angles, weights, self._results(first))

    def gradient(self, angles: Floats, weights: Floats, held: Held, cotangent: Floats) -> tuple[Floats, Floats]:
        """Gradients of sum(cotangent * result) in angles and in weights, float64."""
        samples, n_weights = len(angles), self.circuit.n_weights
        if held.states.shape[0] != samples or cotangent.shape != (samples, self._results(cotangent.shape[1])):
            raise ValueError(f"cotangent {cotangent.shape} is not of {samples} samples' results")
        if not self._places or not samples:
            return np.zeros(angles.shape), np.zeros(weights.shape)
        with self._rooms.scratch() as room:
            seed = room.filled(np.ascontiguousarray(cotangent, self.dtype))
            lams = room.take(held.states.shape, self.dtype)
            count = samples << self._bits
            if self._expval:
                observed = self._rows, self.passes.gates, held.matrices
                each(gpu_observables.observe_adjoint, count, *observed, held.states, seed, lams)
            else:
                each(gpu_observables.probabilities_adjoint, count, held.states, seed, lams)
            u = room.take((samples, self._n_rows, 2, 4), np.float64)
            self._back(held, lams, u, room)
            slopes = room.take((samples, self._n_slots), np.float64)
            gradient = room.take((self._places, samples), np.float64)
            tables = self._rows, self._slots, self._rotations, self._lines
            of_rows = held.values, held.matrices, self.passes.gates, u, held.bloch, seed, slopes
            each(gpu_preparation.slopes_of_rows, samples * self._n_rows, *tables, *of_rows)
            each(gpu_preparation.gather, self._places * samples, self._starts, self._order, slopes, gradient)
            if self._n_terms:
                each(gpu_preparation.derive_back, samples, self._terms, self._n_terms, held.values, gradient)
            of_weights = np.zeros(n_weights)
            if n_weights:
                total = room.take((n_weights,), np.float64)
                each(gpu_preparation.over_samples, n_weights, gradient, self._n_angles, total)
                of_weights = total.copy_to_host()
            of_angles = gradient.copy_to_host() if self._n_angles else np.zeros((0, samples))
            return np.ascontiguousarray(of_angles[: self._n_angles].T), of_weights.reshape(weights.shape)

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
                held = self._forward(angles[piece], weights)
                uniforms = room.filled(random.random((samples, shots)))
                weight = room.take((samples, (1 << self.circuit.qubits) // chunk), np.float64)
                measured = room.take((samples, shots), np.int32)
                each(gpu_observables.chunk_weights, weight.size, held.states, weight, chunk)
                each(gpu_observables.measure, samples * shots, held.states, weight, chunk, uniforms, measured)
                numbers = measured.copy_to_host()
            for qubit in range(self.circuit.qubits):
                bits[piece, :, qubit] = numbers >> (self.circuit.qubits - 1 - qubit) & 1
        return bits

    def _run(self, angles: Floats, weights: Floats, results: int) -> tuple[Floats, Held]:
        samples = len(angles)
        if not samples:
            raise ValueError("a batch has one sample or more")
        held = self._forward(angles, weights)
        with self._rooms.scratch() as room:
            result = room.take((samples, results), self.dtype)
            if self._expval:
                chunk = min(_CHUNK, 1 << self._bits)
                parts = room.take((samples, (1 << self._bits) // chunk, results, 3), np.float64)
                threads = threads_for(min(chunk, 1024))
                observe = gpu_observables.observe[samples * parts.shape[1], threads]
                observe(self._rows, self.passes.gates, held.states, parts, chunk)
                tables = self._rows, self.passes.gates, held.matrices
                each(gpu_observables.results, samples * results, *tables, parts, held.bloch, result)
            else:
                each(gpu_observables.probabilities, samples * results, held.states, result)
            return result.copy_to_host(), held

    def _forward(self, angles: Floats, weights: Floats) -> Held:
        """The final states of a batch."""
        samples, held, rooms = len(angles), Held(), self._rooms
        held.values = rooms.take((samples, self._places), np.float64)
        held.matrices = rooms.take((samples, self._n_rows, 2, 8), self.dtype)
        held.states = rooms.take((samples, 2, 1 << self._bits), self.dtype)
        held.bloch = rooms.take((samples, len(self.circuit.measured), 3), np.float64)
        weakref.finalize(held, rooms.give, held.values, held.matrices, held.states, held.bloch)
        with rooms.scratch() as room:
            inputs = room.filled(angles), self._n_angles, room.filled(weights), self.circuit.n_weights
            each(gpu_preparation.fill, samples * (self._n_angles + self.circuit.n_weights), *inputs, held.values)
            if self._n_terms:
                first = self._n_angles + self.circuit.n_weights
                each(gpu_preparation.derive, samples, self._terms, self._n_terms, first, held.values)
            tables = self._rows, self._slots, self._rotations, self._lines
            each(gpu_preparation.prepare, samples * self._n_rows, *tables, held.values, held.matrices)
            states = held.states
            apart = any(one.permutation >= 0 for one in self.passes.passes)
            spare = room.take(states.shape, self.dtype) if apart else states
            for one in self.passes.passes:
                if one.permutation >= 0:
                    self._permute(states, spare, one, False)
                    states, spare = spare, states
                elif one.stop >= self._bits:  # before, there are only first rows, which are not run but multiplied
                    fresh = one.start < self._bits
                    start = self._bits if fresh else one.start
                    places, bases = self._spread[one.mask]
                    config = samples * bases.size, threads_for(places.size), 0, 2 * places.size * self.dtype.itemsize
                    run = start, one.stop, fresh, self._bits, held.matrices, self._permutations, places, bases
                    gpu_kernels.forward_pass[config](self._moves, *run, states)
            if states is not held.states:
                held.states.copy_to_device(states)
        return held

    def _back(self, held: Held, lams: Any, u: Any, room: Scratch) -> None:
        """Run all passes back, and fill u[samples, rows, 2, 4] with each row's overlaps."""
        samples, states = lams.shape[0], held.states
        if not self._whole:
            states, spare = (room.take(states.shape, self.dtype) for _ in range(2))
            states.copy_to_device(held.states)
        for one in reversed(self.passes.passes):
            if one.permutation >= 0:
                self._permute(states, spare, one, True)
                states, spare = spare, states
                self._permute(lams, spare, one, True)
                lams, spare = spare, lams
                continue
            places, bases = self._spread[one.mask]
            parts = room.take((samples, bases.size, one.stop - one.start, 2, 4), np.float64)
            config = samples * bases.size, threads_for(places.size), 0, 4 * places.size * self.dtype.itemsize
            run = one.start, one.stop, not self._whole, held.matrices, self._permutations, places, bases
            gpu_kernels.backward_pass[config](self._moves, *run, states, lams, parts)
            count = samples * 8 * (one.stop - one.start)
            each(gpu_kernels.add_parts, count, parts, one.start, one.stop, u)

    def _permute(self, states: Any, result: Any, one: Pass, back: bool) -> None:
        source = self._permutations[one.permutation]
        each(gpu_kernels.permute, states.shape[0] * source.size, states, result, source, back)

    def _inputs(self, angles: Floats, weights: Floats) -> tuple[Floats, Floats]:
        self.circuit.check(angles, weights)
        return np.ascontiguousarray(angles, np.float64), np.ascontiguousarray(weights, np.float64).reshape(-1)

    def _results(self, first: int | None) -> int:
        return len(self.circuit.measured) if self._expval else self.circuit.states(first)

    def _bytes(self, gradient: bool) -> int:
        """Of the card's memory, for a sample."""
        states = 1 + (gradient or not self._whole) + (gradient and not self._whole) * 2
        parts = 0 if self._whole else 64 * max(one.stop - one.start for one in self.passes.passes)
        tiles = 1 if self._whole else 1 << self._bits - self._tile
        rows = len(self.passes.moves)
        small = rows * (16 * self.dtype.itemsize + 64 * 2) + 16 * self._places + 24 * len(self.circuit.measured)
        return states * (2 << self._bits) * self.dtype.itemsize + small + gradient * parts * tiles

    def _needed(self, samples: int, gradient: bool, memory: int) -> None:
        """ValueError if a batch takes more than so much memory."""
        needed = samples * self._bytes(gradient)
        if needed > memory:
            batch = f"a batch of {samples}" if samples > 1 else "one sample"
            raise GpuMemoryError(
                f"{batch} of a circuit of {self.circuit.qubits} qubits takes {needed / GIB:.2f} GiB of GPU memory "
                f"with its gradient, and of {self.card.name} {memory / GIB:.2f} GiB are free"
            )

    def _pieces(self, samples: int, beside: int = 0) -> list[slice]:
        """A batch in parts whose states fit half of the free memory; beside: what else a sample takes, bytes."""
        size = self._bytes(False) + beside
        if samples * size <= _ALWAYS_THERE:
            return [slice(0, samples)]
        most = max(1, (free_memory() + self._rooms.idle()) // 2 // size)
        return [slice(start, min(start + most, samples)) for start in range(0, samples, most)]
