"""Gates to passes over the state: what merges, what commutes, what is a permutation.

Runs of single-qubit gates merge into the (controlled) gate beside them on the same qubit, and runs of CNOT, Toffoli and
SWAP become one permutation.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field

from hpcqrl.quantum.chains import ISING_BASIS, Chain, controlled_chains, extend, fixed, single_qubit_chain
from hpcqrl.quantum.gates import FLIPS, Gate
from hpcqrl.quantum.rotations import Z


@dataclass
class Row:
    """One pass over the state; a gate's two chains act where its control (None: everywhere, zero only) is 0 and 1."""

    wires: tuple[int, ...]
    zero: Chain = field(default_factory=list)
    one: Chain | None = None
    permuted: list[Gate] = field(default_factory=list)

    @property
    def target(self) -> int:
        return self.wires[-1]


class Lowering:
    """Takes gates one by one; keeps on each wire what may still merge with the next."""

    def __init__(self, wires: int) -> None:
        self.first: list[Chain] = [[] for _ in range(wires)]
        self.waiting: list[Chain] = [[] for _ in range(wires)]
        self.rows: list[Row] = []
        self.last_row = [-1] * wires  # the last row that touches a wire
        self.last_permutation = -1

    def add(self, gate: Gate) -> None:
        chain = single_qubit_chain(gate)
        if chain is not None:
            extend(self.waiting[gate.wires[0]], chain)
        elif gate.name == "SWAP" or gate.name in FLIPS:
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

    def trim(self, wire: int) -> None:
        """Drop what a measurement of Z on a wire does not feel."""
        chain = self.waiting[wire]
        while chain and chain[-1].axis == Z:
            chain.pop()

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
            self._place(Row((wire,), chain))
            return
        extend(row.zero, chain)
        if row.one is not None:
            extend(row.one, chain)

    def _place(self, row: Row) -> int:
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
            row = Row(wires, [], [])
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
            self.last_permutation = self._place(Row(gate.wires, permuted=[gate]))


def felt(gates: Sequence[Gate], wires: set[int]) -> list[Gate]:
    """The gates that measurements on some wires feel: those in their light cone."""
    kept = []
    for gate in reversed(gates):
        if wires & set(gate.wires):
            wires = wires | set(gate.wires)
            kept.append(gate)
    return kept[::-1]
