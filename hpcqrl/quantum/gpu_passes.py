"""A program for a GPU: its rows, grouped into passes over the state, each for what one block's shared memory holds.

A tile is the amplitudes that share all bits of their index but some, which are the tile's (as in `tiles.py`). Where a
whole state is no more than a tile, one pass runs the whole program, permutations included.
"""

from typing import NamedTuple

import numpy as np

from hpcqrl.quantum.program import Program
from hpcqrl.quantum.rows import CONTROL, FIRST, GATE, KIND, PERMUTE, TARGET, VARIES
from hpcqrl.quantum.simd import WIDTH

LOWEST = 5  # bits that all tiles have: what lies together is copied together

# Columns of `moves`: a row's bits within its pass's tile. A control outside the tile is OUTSIDE - its bit, none is -1.
TO, BY, NUMBER, SAMPLES = range(4)
OUTSIDE = -2


class Pass(NamedTuple):
    """Rows start..stop on tiles of the bits in a mask; or, alone, the permutation of so many (else -1)."""

    start: int
    stop: int
    mask: int
    permutation: int = -1


class Passes(NamedTuple):
    """passes: in order; moves [rows, 4], int32; gates: the row after the last one that acts on the state."""

    passes: list[Pass]
    moves: np.ndarray
    gates: int


def passes_of(program: Program, tile: int) -> Passes:
    """The passes of a program, with tiles of so many bits at most."""
    rows, bits = program.rows, program.sizes[0]
    gates = int(np.isin(rows[:, KIND], (FIRST, GATE, PERMUTE)).sum())
    if bits <= tile:
        passes = [Pass(0, gates, (1 << bits) - 1)]
    else:
        passes, row = [], 0
        while row < gates:
            if rows[row, KIND] == PERMUTE:
                passes.append(Pass(row, row + 1, 0, int(rows[row, TARGET])))
            else:
                passes.append(_run(rows, row, gates, bits, tile))
            row = passes[-1].stop
    moves = np.full((len(rows), 4), -1, np.int32)
    for each in passes:
        for row in range(each.start, each.stop):
            if rows[row, KIND] == PERMUTE:
                moves[row] = -1, -1, rows[row, TARGET], 0
            else:
                control = int(rows[row, CONTROL])
                if control >= 0:
                    control = _place(control, each.mask) if each.mask >> control & 1 else OUTSIDE - control
                moves[row] = _place(int(rows[row, TARGET]), each.mask), control, -1, rows[row, VARIES]
    return Passes(passes, moves, gates)


def _run(rows: np.ndarray, start: int, gates: int, bits: int, tile: int) -> Pass:
    """The longest run of gates from a row on whose targets are bits of one tile."""
    lowest = min(LOWEST, tile - 1)
    mask, stop = (1 << lowest) - 1, start
    while stop < gates and rows[stop, KIND] != PERMUTE:
        wanted = mask | 1 << int(rows[stop, TARGET])
        if wanted.bit_count() > tile:
            break
        mask, stop = wanted, stop + 1
    for bit in range(bits):  # filled up with the lowest others
        if mask.bit_count() < tile:
            mask |= 1 << bit
    return Pass(start, stop, mask)


def _place(bit: int, mask: int) -> int:
    """Which of the mask's bits a bit is, counted from the lowest."""
    return (mask & ((1 << bit) - 1)).bit_count()


def spread(bits: int, mask: int) -> tuple[np.ndarray, np.ndarray]:
    """Where in a state are the amplitudes of a tile of the mask's bits, and where each tile begins, int32."""
    return _numbers(mask), _numbers(~mask & ((1 << bits) - 1))


def _numbers(mask: int) -> np.ndarray:
    """All numbers whose bits are among the mask's, from the lowest on."""
    numbers = np.zeros(1, np.int32)
    for bit in range(mask.bit_length()):
        if mask >> bit & 1:
            numbers = np.concatenate([numbers, numbers | np.int32(1 << bit)])
    return numbers


def sources(program: Program) -> np.ndarray:
    """The number of the amplitude from which each comes, for each permutation [., 2^bits], int32."""
    offsets = program.permutations  # in the layout of `amplitudes.py`
    return (offsets // (2 * WIDTH) * WIDTH + offsets % WIDTH).astype(np.int32)
