"""Lower a circuit to a program: the few flat tables that the kernels run.

Gates before any entanglement become one product state, and gates after the last one turn the observable instead of the
state. Between them, runs of single-qubit gates merge into the (controlled) gate beside them on the same qubit, and runs
of CNOT, Toffoli and SWAP become one permutation. What remains are passes over the state, one a row.
"""

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np

from hpcqrl.quantum.chains import Chain
from hpcqrl.quantum.circuit import Circuit
from hpcqrl.quantum.gates import Gate
from hpcqrl.quantum.kernels import FIRST, GATE, LAST, PERMUTE
from hpcqrl.quantum.lowering import Lowering
from hpcqrl.quantum.rotations import Z
from hpcqrl.quantum.simd import WIDTH, WIDTH_BITS
from hpcqrl.quantum.slots import Slots
from hpcqrl.quantum.trace import trace


class Program(NamedTuple):
    """What the kernels run; see `kernels` for the columns of `rows`.

    slots: the chains, one after the other, as numbers of rotations, whose tables `Slots` describes. permutations
    [., 2^bits]: from where in the state each amplitude comes. sizes: bits, fixed slots, angles, fixed terms, derived
    numbers.
    """

    rows: np.ndarray
    slots: np.ndarray
    rotations: np.ndarray
    lines: np.ndarray
    terms: np.ndarray
    term_scale: np.ndarray
    permutations: np.ndarray
    sizes: tuple[int, int, int, int, int]


def lower(circuit: Circuit, expval: bool) -> Program:
    """The program of a circuit: for expectation values of Z on every wire, or for probabilities and samples."""
    lowering = Lowering(circuit.qubits)
    for gate in trace(circuit):
        lowering.add(gate)
    last: list[Chain] = []
    for wire in range(circuit.qubits):
        while lowering.waiting[wire] and lowering.waiting[wire][-1].axis == Z:  # a measurement of Z does not feel it
            lowering.waiting[wire].pop()
        if not expval or lowering.last_row[wire] < 0:
            lowering.settle(wire)
        last.append(lowering.waiting[wire])
    return _Tables(circuit, lowering, last if expval else None).program()


class _Tables:
    """Numbers the rotations and lays everything out in arrays."""

    def __init__(self, circuit: Circuit, lowering: Lowering, last: Sequence[Chain] | None) -> None:
        self.wires = circuit.qubits
        self.bits = max(circuit.qubits, WIDTH_BITS)
        self.lowering, self.last = lowering, last
        chains = [*lowering.first, *(last or [])]
        chains += [chain for row in lowering.rows for chain in (row.zero, row.one or [])]
        self.numbers = Slots(circuit, chains)
        self.slots: list[int] = []

    def _span(self, chain: Chain) -> tuple[int, int]:
        start = len(self.slots)
        self.slots += [self.numbers.number[rotation] for rotation in chain]
        return start, len(self.slots)

    def _bit(self, wire: int) -> int:
        return self.wires - 1 - wire

    def _edge_rows(self, kind: int, chains: Sequence[Chain]) -> list[tuple[int, ...]]:
        """A row for each bit, the idle ones that fill up a block of lanes included."""
        by_bit = [*reversed(chains), *([] for _ in range(self.bits - self.wires))]
        return [
            (kind, bit, -1, *self._span(chain), 0, 0, self.numbers.varies(chain)) for bit, chain in enumerate(by_bit)
        ]

    def program(self) -> Program:
        rows = self._edge_rows(FIRST, self.lowering.first)
        permutations: dict[tuple[Gate, ...], int] = {}
        for row in self.lowering.rows:
            if row.permuted:
                number = permutations.setdefault(tuple(row.permuted), len(permutations))
                rows.append((PERMUTE, number, -1, 0, 0, 0, 0, False))
                continue
            control = -1 if row.one is None else self._bit(row.wires[0])
            one = row.one or []
            varies = self.numbers.varies(row.zero) or self.numbers.varies(one)
            rows.append((GATE, self._bit(row.target), control, *self._span(row.zero), *self._span(one), varies))
        if self.last is not None:
            rows += self._edge_rows(LAST, self.last)
        rotations, lines, terms, term_scale = self.numbers.tables()
        sources = [self._sources(gates) for gates in permutations]
        return Program(
            rows=np.array(rows, np.int64),
            slots=np.array(self.slots, np.int64),
            rotations=rotations,
            lines=lines,
            terms=terms,
            term_scale=term_scale,
            permutations=np.array(sources, np.int32).reshape(len(sources), 1 << self.bits),
            sizes=self.numbers.sizes(self.bits),
        )

    def _sources(self, gates: Sequence[Gate]) -> np.ndarray:
        """Offset in the state whence each amplitude comes as flips and SWAPs (each its own inverse) act in order."""
        index = np.arange(1 << self.bits, dtype=np.int64)
        for gate in reversed(gates):
            *controls, target = (self._bit(wire) for wire in gate.wires)
            if gate.name == "SWAP":
                differ = (index >> controls[0] ^ index >> target) & 1
                index ^= differ << controls[0] | differ << target
            else:
                flipped = np.bitwise_and.reduce([index >> control for control in controls]) & 1
                index ^= flipped << target
        return (index >> WIDTH_BITS) * 2 * WIDTH + (index & (WIDTH - 1))
