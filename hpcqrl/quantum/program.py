"""Lower a circuit to a program: the few flat tables that the kernels run.

Gates before any entanglement become one product state, and gates after the last one turn the observable instead of the
state. Between them, runs of single-qubit gates merge into the (controlled) gate beside them on the same qubit, and runs
of CNOT, Toffoli and SWAP become one permutation. What remains are passes over the state, one a row.
"""

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np

from hpcqrl.quantum.chains import TO_Z, Chain, extend, fixed
from hpcqrl.quantum.circuit import Circuit
from hpcqrl.quantum.gates import Gate
from hpcqrl.quantum.lowering import Lowering, felt
from hpcqrl.quantum.rotations import Z
from hpcqrl.quantum.rows import FIRST, GATE, LAST, PERMUTE, WORD
from hpcqrl.quantum.simd import WIDTH, WIDTH_BITS
from hpcqrl.quantum.slots import Slots
from hpcqrl.quantum.trace import trace
from hpcqrl.quantum.words import Word


class Program(NamedTuple):
    """What the kernels run; see `rows` for the columns of `rows`.

    slots: the chains, one after the other, as numbers of rotations, whose tables `Slots` describes. permutations
    [., 2^bits]: from where in the state each amplitude comes. sizes: bits, fixed slots, angles, fixed terms, derived
    numbers.
    """

    rows: np.ndarray
    slots: np.ndarray
    rotations: np.ndarray
    lines: np.ndarray
    terms: np.ndarray
    permutations: np.ndarray
    sizes: tuple[int, int, int, int, int]


class _Observed(NamedTuple):
    """A measured word: of one wire by the chain that turns it, or, where the chain is empty, by its letters."""

    word: Word
    chain: Chain


def lower(circuit: Circuit, expval: bool) -> Program:
    """The program of a circuit: for expectation values of its words, or for probabilities and samples."""
    lowering = Lowering(circuit.qubits)
    if not expval:
        for gate in trace(circuit):
            lowering.add(gate)
        for wire in range(circuit.qubits):
            lowering.trim(wire)
            lowering.settle(wire)
        return _Tables(circuit, lowering, []).program()
    letters: dict[int, set[str]] = {}
    for word in circuit.words:
        for wire, letter in word:
            letters.setdefault(wire, set()).add(letter)
    for gate in felt(trace(circuit), set(letters)):
        lowering.add(gate)
    together = {wire for word in circuit.words if len(word) > 1 for wire, _ in word}
    for wire in range(circuit.qubits):
        if letters.get(wire) == {"Z"}:
            lowering.trim(wire)
        if wire in together or lowering.last_row[wire] < 0:
            lowering.settle(wire)
    return _Tables(circuit, lowering, [_observed(word, lowering) for word in circuit.words]).program()


def _observed(word: Word, lowering: Lowering) -> _Observed:
    wire, letter = word[0]
    chain = list(lowering.waiting[wire])
    if letter != "Z":
        extend(chain, [fixed(*TO_Z[letter])])
    while chain and chain[-1].axis == Z:
        chain.pop()
    return _Observed(word, chain if lowering.waiting[wire] else [])


class _Tables:
    """Numbers the rotations and lays everything out in arrays."""

    def __init__(self, circuit: Circuit, lowering: Lowering, observed: Sequence[_Observed]) -> None:
        self.wires = circuit.qubits
        self.bits = max(circuit.qubits, WIDTH_BITS)
        self.lowering, self.observed = lowering, observed
        chains = [*lowering.first, *(chain for _, chain in observed)]
        chains += [chain for row in lowering.rows for chain in (row.zero, row.one or [])]
        self.numbers = Slots(circuit, chains)
        self.slots: list[int] = []

    def _span(self, chain: Chain) -> tuple[int, int]:
        start = len(self.slots)
        self.slots += [self.numbers.number[rotation] for rotation in chain]
        return start, len(self.slots)

    def _bit(self, wire: int) -> int:
        return self.wires - 1 - wire

    def _first_rows(self) -> list[tuple[int, ...]]:
        """A row for each bit, the idle ones that fill up a block of lanes included."""
        by_bit = [*reversed(self.lowering.first), *([] for _ in range(self.bits - self.wires))]
        return [
            (FIRST, bit, -1, *self._span(chain), 0, 0, self.numbers.varies(chain), 0)
            for bit, chain in enumerate(by_bit)
        ]

    def _observed_rows(self) -> list[tuple[int, ...]]:
        """A row for each word, those that are turned by a chain first."""
        last: list[tuple[int, ...]] = []
        words: list[tuple[int, ...]] = []
        for result, (word, chain) in enumerate(self.observed):
            if chain:
                bit = self._bit(word[0][0])
                last.append((LAST, bit, -1, *self._span(chain), 0, 0, self.numbers.varies(chain), result))
            else:
                flipped = sum(1 << self._bit(wire) for wire, letter in word if letter in "XY")
                signed = sum(1 << self._bit(wire) for wire, letter in word if letter in "YZ")
                n_y = sum(letter == "Y" for _, letter in word)
                words.append((WORD, flipped, signed, n_y, 0, 0, 0, False, result))
        return [*last, *words]

    def program(self) -> Program:
        rows = self._first_rows()
        permutations: dict[tuple[Gate, ...], int] = {}
        for row in self.lowering.rows:
            if row.permuted:
                number = permutations.setdefault(tuple(row.permuted), len(permutations))
                rows.append((PERMUTE, number, -1, 0, 0, 0, 0, False, 0))
                continue
            control = -1 if row.one is None else self._bit(row.wires[0])
            one = row.one or []
            varies = self.numbers.varies(row.zero) or self.numbers.varies(one)
            rows.append((GATE, self._bit(row.target), control, *self._span(row.zero), *self._span(one), varies, 0))
        rows += self._observed_rows()
        rotations, lines, terms = self.numbers.tables()
        sources = [self._sources(gates) for gates in permutations]
        return Program(
            rows=np.array(rows, np.int64),
            slots=np.array(self.slots, np.int64),
            rotations=rotations,
            lines=lines,
            terms=terms,
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
