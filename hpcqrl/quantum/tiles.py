"""Gates on states that do not fit the caches, applied tile by tile: as many of them as one tile takes, in one pass.

A tile is the amplitudes that share all bits of their index but some, which are the tile's. It is copied to a small
state of these bits alone, where the gates act whose targets are among them; a control elsewhere is the same for a whole
tile. So a run of gates reads and writes the whole state once, instead of once a gate.
"""

import numpy as np

from hpcqrl.quantum.amplitudes import adjoint, apply_gate, overlaps
from hpcqrl.quantum.jit import jit
from hpcqrl.quantum.rows import CONTROL, GATE, KIND, TARGET
from hpcqrl.quantum.simd import WIDTH, load, store

# Bytes of the smallest state that is worth it: forward there is one state alone to keep at hand, back there are three.
LARGE, LARGE_BACK = 32 << 20, 8 << 20
TILE = 13  # bits of a tile
LOWEST = 5  # bits that all tiles have: what lies together is copied together


@jit
def tile_of(rows, first, step):
    """(the row after the last one of a run from `first` on, or back for step -1; a mask of its tile's bits)."""
    mask, count, r = (1 << LOWEST) - 1, LOWEST, first
    while 0 <= r < rows.shape[0] and rows[r, KIND] == GATE:
        if not mask >> rows[r, TARGET] & 1:
            if count == TILE:
                break
            mask |= 1 << rows[r, TARGET]
            count += 1
        r += step
    bit = LOWEST
    while count < TILE:  # filled up with the lowest others
        if not mask >> bit & 1:
            mask |= 1 << bit
            count += 1
        bit += 1
    return r, mask


@jit
def _spread(number, mask):
    """The number's bits, from the lowest on, at the places of the mask's."""
    result, bit = 0, 0
    while number:
        if mask >> bit & 1:
            result |= (number & 1) << bit
            number >>= 1
        bit += 1
    return result


@jit
def _place(bit, mask):
    """Which of the mask's bits a bit is, counted from the lowest."""
    place = 0
    for lower in range(bit):
        place += mask >> lower & 1
    return place


@jit
def _copy(source, source_start, result, start, size):
    for k in range(0, size, WIDTH):
        store(result, start + k, load(source, source_start + k))


@jit
def _offsets(mask):
    """Where in a state the pieces of a tile begin, in floats."""
    offsets = np.empty(1 << (TILE - LOWEST), np.int64)
    for piece in range(offsets.size):
        offsets[piece] = 2 * _spread(piece << LOWEST, mask)
    return offsets


@jit
def _control(rows, r, start, mask):
    """(a row's control bit within the tile, or -1; which of its matrices then acts on the whole tile)."""
    control = rows[r, CONTROL]
    if control < 0:
        return -1, 0
    if mask >> control & 1:
        return _place(control, mask), 0
    return -1, start >> control & 1


@jit
def apply_run(psi, bits, rows, first, stop, mask, matrices):
    """Apply the gates of the rows first..stop."""
    piece, offsets = 2 << LOWEST, _offsets(mask)
    tile, acting = np.empty(2 << TILE, psi.dtype), np.empty_like(matrices)
    for number in range(1 << (bits - TILE)):
        start = _spread(number, ~mask)
        for k in range(offsets.size):
            _copy(psi, 2 * start + offsets[k], tile, k * piece, piece)
        for r in range(first, stop):
            control, branch = _control(rows, r, start, mask)
            acting[r, 0], acting[r, 1] = matrices[r, branch], matrices[r, 1]
            apply_gate(tile, TILE, _place(rows[r, TARGET], mask), control, acting, r)
        for k in range(offsets.size):
            _copy(tile, k * piece, psi, 2 * start + offsets[k], piece)


@jit
def apply_run_back(psi, lam, bits, rows, last, stop, mask, matrices, back, u):
    """Undo the gates of the rows from `last` down to stop + 1 on psi and lambda, and add each one's overlaps to u."""
    piece, offsets = 2 << LOWEST, _offsets(mask)
    tile, tile_lam = np.empty(2 << TILE, psi.dtype), np.empty(2 << TILE, psi.dtype)
    acting, own = np.empty_like(matrices), np.zeros_like(u)
    for r in range(last, stop, -1):
        adjoint(matrices, r, back)
    for number in range(1 << (bits - TILE)):
        start = _spread(number, ~mask)
        for k in range(offsets.size):
            _copy(psi, 2 * start + offsets[k], tile, k * piece, piece)
            _copy(lam, 2 * start + offsets[k], tile_lam, k * piece, piece)
        for r in range(last, stop, -1):
            control, branch = _control(rows, r, start, mask)
            target = _place(rows[r, TARGET], mask)
            acting[r, 0], acting[r, 1] = back[r, branch], back[r, 1]
            apply_gate(tile_lam, TILE, target, control, acting, r)
            apply_gate(tile, TILE, target, control, acting, r)
            overlaps(tile_lam, tile, TILE, target, control, own, r)
            u[r, branch] += own[r, 0]
            u[r, 1] += own[r, 1]
            own[r] = 0.0
        for k in range(offsets.size):
            _copy(tile, k * piece, psi, 2 * start + offsets[k], piece)
            _copy(tile_lam, k * piece, lam, 2 * start + offsets[k], piece)
