"""The work on amplitudes: gates on a state vector, their adjoints, and what is measured.

A state of `bits` qubits is a flat array of 2 * 2^bits floats in blocks of eight amplitudes: eight real parts, then
eight imaginary parts. Bit b of an amplitude's index is qubit b here (PennyLane's wire n-1-b): bits 0, 1, 2 are lanes
within a block, the others choose the block.

A gate acts on a target bit with matrices[row, 0] where the control bit is 0 and matrices[row, 1] where it is 1 (control
-1: the first, everywhere). A matrix is eight floats: re, im of its entries 00, 01, 10, 11.
"""

from hpcqrl.quantum.jit import inlined, jit
from hpcqrl.quantum.simd import WIDTH, WIDTH_BITS, exchange, load, mix, splat, store, total

BLOCK = 2 * WIDTH  # floats in a block
SOME = 256  # blocks that are summed in the state's own precision, before their sum is added in double


@jit
def _insert(number, position, value):
    """Make room for one bit at `position` and set it; a negative position changes nothing."""
    if position < 0:
        return number
    low = number & ((1 << position) - 1)
    return ((number - low) << 1) | (value << position) | low


@jit
def _block_offset(number, low, low_value, high, high_value):
    """Offset of the number-th block among those with given values of up to two of their bits (low < high)."""
    return _insert(_insert(number, low, low_value), high, high_value) * BLOCK


@jit
def _coefficient(matrices, row, zero, one, entry, lane_control):
    return mix(splat(matrices[row, zero, entry]), splat(matrices[row, one, entry]), lane_control)


@jit
def _lane_coefficient(matrices, row, zero, one, entry, partner, target, lane_control):
    """One matrix entry where the target lane bit is 0, another where it is 1."""
    at_zero = _coefficient(matrices, row, zero, one, entry, lane_control)
    return mix(at_zero, _coefficient(matrices, row, zero, one, partner, lane_control), target)


@jit
def apply_gate(state, bits, target, control, matrices, row):
    """Apply a gate in place."""
    lane_control = control if control < WIDTH_BITS else -1
    block_control = control - WIDTH_BITS if control >= WIDTH_BITS else -1
    halves = 2 if block_control >= 0 else 1
    blocks = (1 << (bits - WIDTH_BITS)) // halves
    for half in range(halves):
        first, second = half, 1 if lane_control >= 0 else half
        if target >= WIDTH_BITS:
            r00 = _coefficient(matrices, row, first, second, 0, lane_control)
            i00 = _coefficient(matrices, row, first, second, 1, lane_control)
            r01 = _coefficient(matrices, row, first, second, 2, lane_control)
            i01 = _coefficient(matrices, row, first, second, 3, lane_control)
            r10 = _coefficient(matrices, row, first, second, 4, lane_control)
            i10 = _coefficient(matrices, row, first, second, 5, lane_control)
            r11 = _coefficient(matrices, row, first, second, 6, lane_control)
            i11 = _coefficient(matrices, row, first, second, 7, lane_control)
            bit = target - WIDTH_BITS
            stride = BLOCK << bit
            low, high = min(bit, block_control), max(bit, block_control)
            low_value, high_value = (0, half) if low == bit else (half, 0)
            for pair in range(blocks // 2):
                a = _block_offset(pair, low, low_value, high, high_value)
                b = a + stride
                ar, ai = load(state, a), load(state, a + WIDTH)
                br, bi = load(state, b), load(state, b + WIDTH)
                store(state, a, r00 * ar - i00 * ai + r01 * br - i01 * bi)
                store(state, a + WIDTH, r00 * ai + i00 * ar + r01 * bi + i01 * br)
                store(state, b, r10 * ar - i10 * ai + r11 * br - i11 * bi)
                store(state, b + WIDTH, r10 * ai + i10 * ar + r11 * bi + i11 * br)
        else:
            same_r = _lane_coefficient(matrices, row, first, second, 0, 6, target, lane_control)
            same_i = _lane_coefficient(matrices, row, first, second, 1, 7, target, lane_control)
            other_r = _lane_coefficient(matrices, row, first, second, 2, 4, target, lane_control)
            other_i = _lane_coefficient(matrices, row, first, second, 3, 5, target, lane_control)
            for block in range(blocks):
                a = _insert(block, block_control, half) * BLOCK
                ar, ai = load(state, a), load(state, a + WIDTH)
                br, bi = exchange(ar, target), exchange(ai, target)
                store(state, a, same_r * ar - same_i * ai + other_r * br - other_i * bi)
                store(state, a + WIDTH, same_r * ai + same_i * ar + other_r * bi + other_i * br)


@jit
def adjoint(matrices, row, result):
    """Write the conjugate transposes of a row's two matrices into the same row of `result`."""
    for branch in range(2):
        for entry, partner in ((0, 0), (2, 4), (4, 2), (6, 6)):
            result[row, branch, entry] = matrices[row, branch, partner]
            result[row, branch, entry + 1] = -matrices[row, branch, partner + 1]


@inlined
def _add_overlaps(lam, psi, start, stop, target, half, lane_control, block_control, u, row):
    """Add what some blocks, or pairs of blocks, have of `overlaps`, where a block bit that controls is `half`."""
    nothing = splat(lam[0] - lam[0])
    at_zero, at_one, x, y = nothing, nothing, nothing, nothing
    if target >= WIDTH_BITS:
        bit = target - WIDTH_BITS
        stride = BLOCK << bit
        low, high = min(bit, block_control), max(bit, block_control)
        low_value, high_value = (0, half) if low == bit else (half, 0)
        for pair in range(start, stop):
            a = _block_offset(pair, low, low_value, high, high_value)
            b = a + stride
            ar, ai, br, bi = load(psi, a), load(psi, a + WIDTH), load(psi, b), load(psi, b + WIDTH)
            cr, ci, dr, di = load(lam, a), load(lam, a + WIDTH), load(lam, b), load(lam, b + WIDTH)
            at_zero += cr * ai - ci * ar
            at_one += dr * bi - di * br
            x += cr * bi - ci * br + dr * ai - di * ar
            y += dr * ar + di * ai - cr * br - ci * bi
    else:
        same = nothing
        for block in range(start, stop):
            a = _insert(block, block_control, half) * BLOCK
            ar, ai, cr, ci = load(psi, a), load(psi, a + WIDTH), load(lam, a), load(lam, a + WIDTH)
            br, bi = exchange(ar, target), exchange(ai, target)
            same += cr * ai - ci * ar
            x += cr * bi - ci * br
            y += cr * br + ci * bi
        at_zero, at_one = mix(same, nothing, target), mix(nothing, same, target)
        y = mix(nothing - y, y, target)
    for value in range(2 if lane_control >= 0 else 1):
        if lane_control < 0:
            p, q, v, w, branch = at_zero, at_one, x, y, half
        elif value == 0:
            p, q = mix(at_zero, nothing, lane_control), mix(at_one, nothing, lane_control)
            v, w, branch = mix(x, nothing, lane_control), mix(y, nothing, lane_control), 0
        else:
            p, q = mix(nothing, at_zero, lane_control), mix(nothing, at_one, lane_control)
            v, w, branch = mix(nothing, x, lane_control), mix(nothing, y, lane_control), 1
        u[row, branch, 0] += total(p) + total(q)
        u[row, branch, 1] += total(v)
        u[row, branch, 2] += total(w)
        u[row, branch, 3] += total(p) - total(q)


@jit
def overlaps(lam, psi, bits, target, control, u, row):
    """Add Im <lam| (1, X, Y, Z) on the target |psi> to u[row, 0] where the control bit is 0, to u[row, 1]
    where it is 1."""
    lane_control = control if control < WIDTH_BITS else -1
    block_control = control - WIDTH_BITS if control >= WIDTH_BITS else -1
    halves = 2 if block_control >= 0 else 1
    blocks = (1 << (bits - WIDTH_BITS)) // halves
    count = blocks // 2 if target >= WIDTH_BITS else blocks
    for half in range(halves):
        for start in range(0, count, SOME):
            _add_overlaps(lam, psi, start, min(start + SOME, count), target, half, lane_control, block_control, u, row)
