"""The work on amplitudes, on a GPU: a program's rows on a tile of a state, forward and back, by the threads of a block.

A tile lies in the block's shared memory: its real parts, its imaginary parts, and back those of lambda. All threads are
synchronised after each row. Matrices are those of `amplitudes.py`, [samples, rows, 2, 8]; rows that do not change with
the sample have theirs at sample 0, or, as `moves` says, at each. No sum depends on the order in which threads run.
"""

from typing import Any

import numpy as np
from numba import cuda

from hpcqrl.quantum.card import simulated
from hpcqrl.quantum.gpu_passes import BY, NUMBER, OUTSIDE, SAMPLES, TO

_SIMULATED = simulated()
WARP = 1 if _SIMULATED else 32  # the simulator has no shuffles: there a thread is a warp
WARPS = 16  # of a block, at most
HELD = 16  # numbers of a thread, at most, where they change places
LARGEST = (WARPS * 32 * HELD).bit_length() - 1  # bits of a tile, at most
# Of indices in shared memory: Numba else computes with 64 bits, and looks for negative ones, which takes as long again.
U32 = np.uint32
_ALL = 0xFFFFFFFF
# Registers of a thread, so that blocks of 512 can be launched on any card; the simulator takes no such option.
LIMIT: dict[str, Any] = {} if _SIMULATED else {"max_registers": 128}


def threads_for(size: int) -> int:
    """How many threads share so many amplitudes, four each: a power of two, of two warps or more."""
    if _SIMULATED:
        return max(2, size // HELD)
    return min(max(2 * WARP, size // 4), WARPS * WARP)


@cuda.jit(device=True)
def warp_sum(value):
    """The sum over a warp, for its first thread."""
    distance = WARP >> 1
    while distance > 0:
        value += cuda.shfl_down_sync(_ALL, value, distance)
        distance >>= 1
    return value


@cuda.jit(device=True)
def numbered(count):
    """(sample, number) of this thread, of so many a sample."""
    thread = cuda.grid(1)
    return thread // count, thread % count


@cuda.jit(device=True)
def _insert(number, position, value):
    """Make room for one bit at `position` and set it."""
    low = U32(number & U32((1 << position) - 1))
    return U32(U32(U32(number ^ low) << 1) | U32(value << position) | low)


@cuda.jit(device=True)
def _share(size, by, base, t, threads):
    """Which pairs are this thread's: (the first, the step, how many there are, the value of the control bit).

    Half of the threads take the pairs where a control in the tile is 0, half those where it is 1.
    """
    if by >= 0:
        half = threads >> 1
        value = 1 if t >= half else 0
        return t - value * half, half, size >> 2, value
    value = base >> (OUTSIDE - by) & 1 if by <= OUTSIDE else 0
    return t, threads, size >> 1, value


@cuda.jit(device=True)
def _pair(number, target, by, value):
    """The amplitude of a pair whose target bit is 0."""
    if by < 0:
        return _insert(number, target, 0)
    if by < target:
        return _insert(_insert(number, by, value), target, 0)
    return _insert(_insert(number, target, 0), by, value)


@cuda.jit(device=True)
def product(matrices, moves, sample, bits, number):
    """An amplitude of the product state that the first rows make of |0...0>."""
    re, im = matrices.dtype.type(1), matrices.dtype.type(0)
    for q in range(bits):
        which = sample * moves[q, SAMPLES]
        entry = 4 * (number >> q & 1)
        a, b = matrices[which, q, 0, entry], matrices[which, q, 0, entry + 1]
        re, im = re * a - im * b, re * b + im * a
    return re, im


@cuda.jit(device=True)
def _gate(tile, size, base, moves, r, matrices, sample, t, threads):
    target, by = moves[r, TO], moves[r, BY]
    which = sample * moves[r, SAMPLES]
    first, step, count, value = _share(size, by, base, t, threads)
    m = matrices[which, r, value]
    r00, i00, r01, i01, r10, i10, r11, i11 = m[0], m[1], m[2], m[3], m[4], m[5], m[6], m[7]
    bit, im, number, stop = U32(1 << target), U32(size), U32(first), U32(count)
    while number < stop:
        a = _pair(number, target, by, value)
        b, c = U32(a | bit), U32(a + im)
        d = U32(b + im)
        ar, ai, br, bi = tile[a], tile[c], tile[b], tile[d]
        tile[a] = r00 * ar - i00 * ai + r01 * br - i01 * bi
        tile[c] = r00 * ai + i00 * ar + r01 * bi + i01 * br
        tile[b] = r10 * ar - i10 * ai + r11 * br - i11 * bi
        tile[d] = r10 * ai + i10 * ar + r11 * bi + i11 * br
        number = U32(number + U32(step))


@cuda.jit(device=True)
def _gate_back(tile, size, base, moves, r, matrices, sample, t, threads):
    """Undo a gate on psi and lambda; this thread's part of Im <lambda| (1, X, Y, Z) |psi>, as they then are."""
    target, by = moves[r, TO], moves[r, BY]
    which = sample * moves[r, SAMPLES]
    first, step, count, value = _share(size, by, base, t, threads)
    m = matrices[which, r, value]  # its conjugate transpose acts
    r00, i00, r01, i01, r10, i10, r11, i11 = m[0], -m[1], m[4], -m[5], m[2], -m[3], m[6], -m[7]
    at_zero = at_one = x = y = matrices.dtype.type(0)
    bit, im, number, stop = U32(1 << target), U32(size), U32(first), U32(count)
    lam = U32(2 * size)  # where lambda begins
    while number < stop:
        a = _pair(number, target, by, value)
        b, c = U32(a | bit), U32(a + im)
        d = U32(b + im)
        sr, si, tr, ti = tile[a], tile[c], tile[b], tile[d]
        ar, ai = r00 * sr - i00 * si + r01 * tr - i01 * ti, r00 * si + i00 * sr + r01 * ti + i01 * tr
        br, bi = r10 * sr - i10 * si + r11 * tr - i11 * ti, r10 * si + i10 * sr + r11 * ti + i11 * tr
        tile[a], tile[c], tile[b], tile[d] = ar, ai, br, bi
        a, b, c, d = U32(a + lam), U32(b + lam), U32(c + lam), U32(d + lam)
        sr, si, tr, ti = tile[a], tile[c], tile[b], tile[d]
        cr, ci = r00 * sr - i00 * si + r01 * tr - i01 * ti, r00 * si + i00 * sr + r01 * ti + i01 * tr
        dr, di = r10 * sr - i10 * si + r11 * tr - i11 * ti, r10 * si + i10 * sr + r11 * ti + i11 * tr
        tile[a], tile[c], tile[b], tile[d] = cr, ci, dr, di
        at_zero += cr * ai - ci * ar
        at_one += dr * bi - di * br
        x += cr * bi - ci * br + dr * ai - di * ar
        y += dr * ar + di * ai - cr * br - ci * bi
        number = U32(number + U32(step))
    return at_zero + at_one, x, y, at_zero - at_one


@cuda.jit(device=True)
def _permute(tile, start, size, source, back, t, threads):
    """Permute the numbers of a whole state from `start` on in their place, or back: every thread holds what it moves,
    until all have read.
    """
    held = cuda.local.array(HELD, tile.dtype)
    for j in range(HELD):
        k = U32(t + j * threads)
        if k < size:
            held[j] = tile[U32(start + (k if back else U32(source[k])))]
    cuda.syncthreads()
    for j in range(HELD):
        k = U32(t + j * threads)
        if k < size:
            tile[U32(start + (U32(source[k]) if back else k))] = held[j]


@cuda.jit(device=True)
def run_row(tile, size, base, moves, r, matrices, permutations, sample, t, threads):
    """Run a row on the tile that begins at `base` of a sample's state."""
    if moves[r, NUMBER] >= 0:
        for part in range(2):
            _permute(tile, part * size, size, permutations[moves[r, NUMBER]], False, t, threads)
    else:
        _gate(tile, size, base, moves, r, matrices, sample, t, threads)
    cuda.syncthreads()


@cuda.jit(device=True)
def run_row_back(tile, size, base, moves, r, matrices, permutations, sample, t, threads, room, overlaps):
    """Undo a row on psi and lambda, and write overlaps[control's value] = Im <lambda| (1, X, Y, Z) |psi> before it, of
    this tile. room [2, 4, WARPS]: shared; rows that follow each other use one half of it and the other, since what has
    been written is read while the next row is on its way. Source: Jones and Gacon, arXiv:2009.02823.
    """
    if moves[r, NUMBER] >= 0:
        for part in range(4):
            _permute(tile, part * size, size, permutations[moves[r, NUMBER]], True, t, threads)
        cuda.syncthreads()
        return
    side, warps = r & 1, threads // WARP
    one, x, y, z = _gate_back(tile, size, base, moves, r, matrices, sample, t, threads)
    one, x, y, z = warp_sum(one), warp_sum(x), warp_sum(y), warp_sum(z)
    if t % WARP == 0:
        room[side, 0, t // WARP], room[side, 1, t // WARP] = one, x
        room[side, 2, t // WARP], room[side, 3, t // WARP] = y, z
    cuda.syncthreads()
    by = moves[r, BY]
    for k in range(t, 8, threads):
        value, column = k >> 2, k & 3
        begin, end = 0, warps
        if by >= 0:  # each half of the warps has had one value
            begin, end = value * (warps >> 1), (value + 1) * (warps >> 1)
        elif value != (base >> (OUTSIDE - by) & 1 if by <= OUTSIDE else 0):
            end = 0
        total = 0.0
        for warp in range(begin, end):
            total += room[side, column, warp]
        overlaps[value, column] = total


def write_last(found, size):
    """Write 1 to found [1] by the last of so many numbers in shared memory, where a block has them."""
    tile = cuda.shared.array(0, np.float32)
    if cuda.threadIdx.x == 31:
        tile[size - 1] = 1.0
    cuda.syncthreads()
    if cuda.threadIdx.x == 0:
        found[0] = tile[size - 1]
