"""The work on amplitudes, on a GPU: passes over a batch of states, forward and back, and what is measured.

states [samples, 2, 2^bits]: real parts, imaginary parts. A block runs the rows of a pass on one tile of one sample, in
its shared memory, all of it synchronised after each row. Matrices are those of `amplitudes.py`, [samples, rows, 2, 8];
rows that do not change with the sample have theirs at sample 0. No sum depends on the order in which threads run.
"""

from typing import Any

import numpy as np
from numba import cuda

from hpcqrl.quantum.card import simulated
from hpcqrl.quantum.gpu_passes import BY, NUMBER, OUTSIDE, SAMPLES, TO

_SIMULATED = simulated()
WARP = 1 if _SIMULATED else 32  # the simulator has no shuffles: there a thread is a warp
WARPS = 32  # of a block, at most
HELD = 8  # amplitudes of a thread, at most, where they change places
# Of indices in shared memory: Numba else computes with 64 bits, and looks for negative ones, which takes as long again.
U32 = np.uint32
_ALL = 0xFFFFFFFF
# Registers of a thread, so that blocks of 512 can be launched on any card; the simulator takes no such option.
_LIMIT = {} if _SIMULATED else {"max_registers": 128}
_ALONE = 16 if _SIMULATED else 256  # threads of a block, where each works alone


def each(kernel: Any, count: int, *arguments: Any) -> None:
    """Launch a kernel with so many threads or more, each of which works alone."""
    if count:
        kernel[-(-count // _ALONE), _ALONE](*arguments)


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
def _product(matrices, moves, sample, bits, number):
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
    """Permute a whole state in its place, or back: every thread holds what it moves, until all have read."""
    re = cuda.local.array(HELD, tile.dtype)
    im = cuda.local.array(HELD, tile.dtype)
    for j in range(HELD):
        k = U32(t + j * threads)
        if k < size:
            place = U32(start + (k if back else U32(source[k])))
            re[j], im[j] = tile[place], tile[U32(size + place)]
    cuda.syncthreads()
    for j in range(HELD):
        k = U32(t + j * threads)
        if k < size:
            place = U32(start + (U32(source[k]) if back else k))
            tile[place], tile[U32(size + place)] = re[j], im[j]


@cuda.jit(**_LIMIT)
def forward_pass(moves, start, stop, fresh, bits, matrices, permutations, places, bases, states):
    """Run the rows start..stop on states [samples, 2, 2^bits], or, if `fresh`, on the product states before them."""
    size, tiles = places.size, bases.size
    sample, base = cuda.blockIdx.x // tiles, bases[cuda.blockIdx.x % tiles]
    t, threads = cuda.threadIdx.x, cuda.blockDim.x
    tile = cuda.shared.array(0, states.dtype)
    for k in range(t, size, threads):
        at = base | places[k]
        if fresh:
            tile[k], tile[size + k] = _product(matrices, moves, sample, bits, at)
        else:
            tile[k], tile[size + k] = states[sample, 0, at], states[sample, 1, at]
    cuda.syncthreads()
    for r in range(start, stop):
        if moves[r, NUMBER] >= 0:
            _permute(tile, 0, size, permutations[moves[r, NUMBER]], False, t, threads)
        else:
            _gate(tile, size, base, moves, r, matrices, sample, t, threads)
        cuda.syncthreads()
    for k in range(t, size, threads):
        at = base | places[k]
        states[sample, 0, at], states[sample, 1, at] = tile[k], tile[size + k]


@cuda.jit(**_LIMIT)
def backward_pass(moves, start, stop, keep, matrices, permutations, places, bases, states, lams, parts):
    """Undo the rows start..stop on states and on lambdas, and write parts[sample, tile, row - start, control's value] =
    Im <lambda| (1, X, Y, Z) |psi> before each, of this tile. Source: Jones and Gacon, arXiv:2009.02823.

    keep: whether states and lambdas are written again.
    """
    size, tiles = places.size, bases.size
    sample, number = cuda.blockIdx.x // tiles, cuda.blockIdx.x % tiles
    base = bases[number]
    t, threads = cuda.threadIdx.x, cuda.blockDim.x
    warps, side = threads // WARP, 0
    room = cuda.shared.array((2, 4, WARPS), np.float64)
    tile = cuda.shared.array(0, states.dtype)  # psi, lambda
    for k in range(t, size, threads):
        at = base | places[k]
        tile[k], tile[size + k] = states[sample, 0, at], states[sample, 1, at]
        tile[2 * size + k], tile[3 * size + k] = lams[sample, 0, at], lams[sample, 1, at]
    cuda.syncthreads()
    for r in range(stop - 1, start - 1, -1):
        if moves[r, NUMBER] >= 0:
            _permute(tile, 0, size, permutations[moves[r, NUMBER]], True, t, threads)
            _permute(tile, 2 * size, size, permutations[moves[r, NUMBER]], True, t, threads)
            cuda.syncthreads()
            continue
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
            parts[sample, number, r - start, value, column] = total
        side ^= 1  # what has been written is read while the next row is on its way
    if keep:
        for k in range(t, size, threads):
            at = base | places[k]
            states[sample, 0, at], states[sample, 1, at] = tile[k], tile[size + k]
            lams[sample, 0, at], lams[sample, 1, at] = tile[2 * size + k], tile[3 * size + k]


@cuda.jit
def permute(states, result, source, back):
    """Permute the states into `result`, or back; for those that are more than a tile."""
    sample, k = numbered(source.size)
    if sample < states.shape[0]:
        to, come = (source[k], k) if back else (k, source[k])
        result[sample, 0, to], result[sample, 1, to] = states[sample, 0, come], states[sample, 1, come]


@cuda.jit
def add_parts(parts, start, stop, u):
    """Add up the parts of all tiles into u[sample, row] of the rows start..stop."""
    sample, k = numbered(8 * (stop - start))
    if sample < u.shape[0]:
        row, value, column = k >> 3, k >> 2 & 1, k & 3
        total = 0.0
        for tile in range(parts.shape[1]):
            total += parts[sample, tile, row, value, column]
        u[sample, start + row, value, column] = total
