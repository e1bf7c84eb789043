"""Lower a circuit to a program: the few flat tables that the kernels run.

Gates before any entanglement become one product state, and gates after the last one turn the observable instead of the
state. Between them, runs of single-qubit gates merge into the (controlled) gate beside them on the same qubit, and runs
of CNOT and SWAP become one permutation. What remains are passes over the state, one a row.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import NamedTuple

import numpy as np

from hpcqrl.quantum.chains import ISING_BASIS, Chain, controlled_chains, extend, fixed, single_qubit_chain
from hpcqrl.quantum.gates import Gate
from hpcqrl.quantum.kernels import FIRST, GATE, LAST, PERMUTE
from hpcqrl.quantum.rotations import Z
from hpcqrl.quantum.simd import WIDTH, WIDTH_BITS
from hpcqrl.quantum.trace import Circuit, trace


@dataclass
class _Row:
    """One pass over the state; a gate's two chains act where its control (None: everywhere, zero only) is 0 and 1."""

    wires: tuple[int, ...]
    zero: Chain = field(default_factory=list)
    one: Chain | None = None
    permuted: list[Gate] = field(default_factory=list)

    @property
    def target(self) -> int:
        return self.wires[-1]


class Program(NamedTuple):
    """What the kernels run; see `kernels` for the columns of `rows`.

    slots: the chains, one after the other, as numbers into axis, parameter, scale and offset (the rotations; the first
    sizes[1] of them do not depend on the angles). permutations [., 2^bits]: from where in the state each amplitude
    comes. sizes: bits, fixed slots, angles.
    """

    rows: np.ndarray
    slots: np.ndarray
    axis: np.ndarray
    parameter: np.ndarray
    scale: np.ndarray
    offset: np.ndarray
    permutations: np.ndarray
    sizes: tuple[int, int, int]


class _Lowering:
    """Takes gates one by one; keeps on each wire what may still merge with the next."""

    def __init__(self, wires: int) -> None:
        self.first: list[Chain] = [[] for _ in range(wires)]
        self.waiting: list[Chain] = [[] for _ in range(wires)]
        self.rows: list[_Row] = []
        self.last_row = [-1] * wires  # the last row that touches a wire
        self.last_permutation = -1

    def add(self, gate: Gate) -> None:
        chain = single_qubit_chain(gate)
        if chain is not None:
            extend(self.waiting[gate.wires[0]], chain)
        elif gate.name in ("CNOT", "SWAP"):
            self._permute(gate)
        elif gate.name in ISING_BASIS:
            axis, angle = ISING_BASIS[gate.name]
            for wire in gate.wires:
                extend(self.waiting[wire], [fixed(axis, angle)])
            self._control(gate.wires, *controlled_chains(gate._replace(name="IsingZZ")))
            for wire in gate.wires:
                extend(self.waiting[wire], [fixed(axis, -angle)])
        else:
            self._control(gate.wires, *controlled_chains(gate))

    def settle(self, wire: int) -> None:
        """Let what waits on a wire act: on |0>, in the last gate there if it allows, or in a row of its own."""
        chain, self.waiting[wire] = self.waiting[wire], []
        if not chain:
            return
        if self.last_row[wire] < 0:
            while not self.first[wire] and chain and chain[0].axis == Z:  # |0> does not feel it
                chain = chain[1:]
            extend(self.first[wire], chain)
            return
        row = self.rows[self.last_row[wire]]
        if row.permuted or row.target != wire:
            self._place(_Row((wire,), chain))
            return
        extend(row.zero, chain)
        if row.one is not None:
            extend(row.one, chain)

    def _place(self, row: _Row) -> int:
        """Add a row; before the last permutation if it touches none of its wires, so that the permutation can grow."""
        place = len(self.rows)
        if all(self.last_row[wire] < self.last_permutation for wire in row.wires):
            place = self.last_permutation
            self.last_permutation += 1
            self.last_row = [later + 1 if later >= place else later for later in self.last_row]
        self.rows.insert(place, row)
        for wire in row.wires:
            self.last_row[wire] = place
        return place

    def _control(self, wires: tuple[int, ...], zero: Chain, one: Chain) -> None:
        control, target = wires
        self.settle(control)
        if self.last_row[target] < 0:
            self.settle(target)
        before, self.waiting[target] = self.waiting[target], []
        last = self.last_row[target]
        if (
            last >= 0
            and last == self.last_row[control]
            and self.rows[last].wires == wires
            and not self.rows[last].permuted
        ):
            row = self.rows[last]
        else:
            row = _Row(wires, [], [])
            self._place(row)
        assert row.one is not None
        for branch, chain in ((row.zero, zero), (row.one, one)):
            extend(branch, before)
            extend(branch, chain)

    def _permute(self, gate: Gate) -> None:
        for wire in gate.wires:
            self.settle(wire)
        if self.last_permutation >= 0 and all(self.last_row[wire] <= self.last_permutation for wire in gate.wires):
            row = self.rows[self.last_permutation]
            row.permuted.append(gate)
            row.wires = tuple(sorted({*row.wires, *gate.wires}))
            for wire in gate.wires:
                self.last_row[wire] = self.last_permutation
        else:
            self.last_permutation = self._place(_Row(gate.wires, permuted=[gate]))


def lower(circuit: Circuit, expval: bool) -> Program:
    """The program of a circuit: for expectation values of Z on every wire, or for probabilities and samples."""
    lowering = _Lowering(circuit.qubits)
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

    def __init__(self, circuit: Circuit, lowering: _Lowering, last: Sequence[Chain] | None) -> None:
        self.wires, self.n_angles = circuit.qubits, circuit.n_angles
        self.bits = max(circuit.qubits, WIDTH_BITS)
        self.lowering, self.last = lowering, last
        chains = [*lowering.first, *(last or [])]
        chains += [chain for row in lowering.rows for chain in (row.zero, row.one or [])]
        used = dict.fromkeys(rotation for chain in chains for rotation in chain)
        self.fixed = [rotation for rotation in used if not self._varies([rotation])]
        self.varying = [rotation for rotation in used if self._varies([rotation])]
        self.slot = {rotation: number for number, rotation in enumerate([*self.fixed, *self.varying])}
        self.slots: list[int] = []

    def _varies(self, chain: Chain) -> bool:
        return any(0 <= rotation.parameter.position < self.n_angles for rotation in chain)

    def _span(self, chain: Chain) -> tuple[int, int]:
        start = len(self.slots)
        self.slots += [self.slot[rotation] for rotation in chain]
        return start, len(self.slots)

    def _bit(self, wire: int) -> int:
        return self.wires - 1 - wire

    def _edge_rows(self, kind: int, chains: Sequence[Chain]) -> list[tuple[int, ...]]:
        """A row for each bit, the idle ones that fill up a block of lanes included."""
        by_bit = [*reversed(chains), *([] for _ in range(self.bits - self.wires))]
        return [(kind, bit, -1, *self._span(chain), 0, 0, self._varies(chain)) for bit, chain in enumerate(by_bit)]

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
            varies = self._varies(row.zero) or self._varies(one)
            rows.append((GATE, self._bit(row.target), control, *self._span(row.zero), *self._span(one), varies))
        if self.last is not None:
            rows += self._edge_rows(LAST, self.last)
        rotations = list(self.slot)
        sources = [self._sources(gates) for gates in permutations]
        return Program(
            rows=np.array(rows, np.int64),
            slots=np.array(self.slots, np.int64),
            axis=np.array([rotation.axis for rotation in rotations], np.int64),
            parameter=np.array([rotation.parameter.position for rotation in rotations], np.int64),
            scale=np.array([rotation.parameter.scale for rotation in rotations], np.float64),
            offset=np.array([rotation.parameter.offset for rotation in rotations], np.float64),
            permutations=np.array(sources, np.int32).reshape(len(sources), 1 << self.bits),
            sizes=(self.bits, len(self.fixed), self.n_angles),
        )

    def _sources(self, gates: Sequence[Gate]) -> np.ndarray:
        """Offset in the state whence each amplitude comes as CNOTs and SWAPs (each its own inverse) act in order."""
        index = np.arange(1 << self.bits, dtype=np.int64)
        for gate in reversed(gates):
            a, b = (self._bit(wire) for wire in gate.wires)
            if gate.name == "CNOT":
                index ^= (index >> a & 1) << b
            else:
                differ = (index >> a ^ index >> b) & 1
                index ^= differ << a | differ << b
        return (index >> WIDTH_BITS) * 2 * WIDTH + (index & (WIDTH - 1))
