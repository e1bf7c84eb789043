"""A circuit's program on a GPU: its tables, copied there once, and the sizes that launches need."""

from typing import Any

import numpy as np

from hpcqrl.quantum.circuit import Circuit
from hpcqrl.quantum.gpu_memory import there
from hpcqrl.quantum.gpu_passes import passes_of, sources, spread
from hpcqrl.quantum.program import lower
from hpcqrl.quantum.rows import VARIES


class GpuProgram:
    """The program of a circuit, for expectation values of its words or for probabilities and samples.

    whole: bits of the largest state that runs in one block, from the first row to the last; tile: bits of the tiles of
    those that are larger. A block prepares all rows of its sample itself, those that do not change with it included.
    """

    def __init__(self, circuit: Circuit, expval: bool, dtype: np.dtype, whole: int, tile: int) -> None:
        self.expval, self.dtype = expval, dtype
        self._program = program = lower(circuit, expval)
        self.bits, _, _, _, derived = program.sizes
        self.is_whole = self.bits <= whole
        if self.is_whole:
            program.rows[:, VARIES] = 1
        self.tile = self.bits if self.is_whole else tile
        self.passes, self._moves, self.gates = passes_of(program, self.tile)
        self.n_angles, self.n_weights = circuit.n_angles, circuit.n_weights
        self.n_inputs = circuit.n_angles + circuit.n_weights
        self.n_values = self.n_inputs + derived
        self.n_rows, self.n_words = len(program.rows), len(circuit.measured)
        self.n_terms, self.n_slots = len(program.terms), len(program.slots)

    def bytes(self, gradient: bool) -> int:
        """Of the card's memory that a sample takes."""
        small = self.n_rows * (16 * self.dtype.itemsize + 64 * 2) + 16 * self.n_values + 24 * self.n_words
        state = (2 << self.bits) * self.dtype.itemsize
        if self.is_whole:
            return state + small
        parts = 64 * max(one.stop - one.start for one in self.passes) << self.bits - self.tile
        return (4 * state + parts if gradient else 2 * state) + small

    def copy_tables(self) -> None:
        """Have them on the card: before any launch."""
        program = self._program
        places = program.rotations[1][program.slots] if self.n_slots else np.zeros(0, np.int64)
        order = np.argsort(places, kind="stable")
        self.rows, self.moves, self.permutations = map(there, (program.rows, self._moves, sources(program)))
        self.chains = tuple(map(there, (program.slots, program.rotations, program.lines)))
        self.terms = there(program.terms), self.n_terms
        self.gathering = there(np.searchsorted(places[order], np.arange(self.n_values + 1))), there(order)
        self.finished = there(np.zeros(1, np.int32))  # blocks that are, in a launch that counts them
        masks = {one.mask for one in self.passes if one.permutation < 0}
        self._spread = {mask: tuple(map(there, spread(self.bits, mask))) for mask in masks}

    def spread(self, mask: int) -> Any:
        """Of tiles of the mask's bits the places of amplitudes and the bases, as in `gpu_passes.spread`."""
        return self._spread[mask]


class Held:
    """What a gradient needs of a batch, on the card; without `states` where no gradient is wanted."""

    values: Any
    matrices: Any
    states: Any
    bloch: Any
