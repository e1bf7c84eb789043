"""States without entanglement: what a circuit's first gates make of |0...0>, built by doubling, and its adjoint.

Gates before any entanglement cost two passes over the state instead of one per gate.
"""

from hpcqrl.quantum.amplitudes import BLOCK, SOME
from hpcqrl.quantum.jit import jit
from hpcqrl.quantum.simd import WIDTH, WIDTH_BITS, load, splat, store, total


@jit
def _lane_products(vectors, re, im):
    """re, im [4, 8]: row k holds the 2^k amplitudes of the lowest k qubits."""
    re[0, 0], im[0, 0] = 1.0, 0.0
    for q in range(WIDTH_BITS):
        half = 1 << q
        for k in range(half):
            a, b = re[q, k], im[q, k]
            re[q + 1, k] = a * vectors[q, 0] - b * vectors[q, 1]
            im[q + 1, k] = a * vectors[q, 1] + b * vectors[q, 0]
            re[q + 1, k + half] = a * vectors[q, 2] - b * vectors[q, 3]
            im[q + 1, k + half] = a * vectors[q, 3] + b * vectors[q, 2]


@jit
def _double(source, source_offset, result, offset, blocks, vectors, q):
    r0, i0, r1, i1 = splat(vectors[q, 0]), splat(vectors[q, 1]), splat(vectors[q, 2]), splat(vectors[q, 3])
    for block in range(blocks):
        a = source_offset + block * BLOCK
        low = offset + block * BLOCK
        high = low + blocks * BLOCK
        ar, ai = load(source, a), load(source, a + WIDTH)
        store(result, high, r1 * ar - i1 * ai)
        store(result, high + WIDTH, r1 * ai + i1 * ar)
        store(result, low, r0 * ar - i0 * ai)
        store(result, low + WIDTH, r0 * ai + i0 * ar)


@jit
def product_state(vectors, bits, re, im, state):
    """Write the state whose qubit q is vectors[q] = (re, im of its amplitude 0, re, im of its amplitude 1)."""
    _lane_products(vectors, re, im)
    for k in range(WIDTH):
        state[k], state[WIDTH + k] = re[WIDTH_BITS, k], im[WIDTH_BITS, k]
    for q in range(WIDTH_BITS, bits):
        _double(state, 0, state, 0, 1 << (q - WIDTH_BITS), vectors, q)


@jit
def product_state_adjoint(vectors, bits, re, im, partial, lam, overlap):
    """Write overlap[q] = sum of conj(lam) d(state)/d(vectors[q]) as re, im for amplitude 0 and for 1; consumes lam.

    `partial` is room for one more state: it holds the products of the lower qubits, that of 2^k blocks at block 2^k.
    """
    _lane_products(vectors, re, im)
    for k in range(WIDTH if bits > WIDTH_BITS else 0):
        partial[BLOCK + k], partial[BLOCK + WIDTH + k] = re[WIDTH_BITS, k], im[WIDTH_BITS, k]
    for q in range(WIDTH_BITS, bits - 1):
        blocks = 1 << (q - WIDTH_BITS)
        _double(partial, blocks * BLOCK, partial, 2 * blocks * BLOCK, blocks, vectors, q)
    nothing = splat(lam[0] - lam[0])
    for q in range(bits - 1, WIDTH_BITS - 1, -1):
        blocks = 1 << (q - WIDTH_BITS)
        r0, i0, r1, i1 = splat(vectors[q, 0]), splat(vectors[q, 1]), splat(vectors[q, 2]), splat(vectors[q, 3])
        overlap[q, :] = 0.0
        for start in range(0, blocks, SOME):
            s0, t0, s1, t1 = nothing, nothing, nothing, nothing
            for block in range(start, min(start + SOME, blocks)):
                low = block * BLOCK
                high = low + blocks * BLOCK
                p = high  # the partial product of `blocks` blocks begins at block number `blocks`
                ar, ai = load(partial, p), load(partial, p + WIDTH)
                cr, ci, dr, di = load(lam, low), load(lam, low + WIDTH), load(lam, high), load(lam, high + WIDTH)
                s0 += cr * ar + ci * ai
                t0 += cr * ai - ci * ar
                s1 += dr * ar + di * ai
                t1 += dr * ai - di * ar
                store(lam, low, r0 * cr + i0 * ci + r1 * dr + i1 * di)
                store(lam, low + WIDTH, r0 * ci - i0 * cr + r1 * di - i1 * dr)
            overlap[q, 0] += total(s0)
            overlap[q, 1] += total(t0)
            overlap[q, 2] += total(s1)
            overlap[q, 3] += total(t1)
    for q in range(WIDTH_BITS - 1, -1, -1):
        half = 1 << q
        for column in range(4):
            overlap[q, column] = 0.0
        for k in range(half):
            a, b = re[q, k], im[q, k]
            c, d, e, f = lam[k], lam[WIDTH + k], lam[k + half], lam[WIDTH + k + half]
            overlap[q, 0] += c * a + d * b
            overlap[q, 1] += c * b - d * a
            overlap[q, 2] += e * a + f * b
            overlap[q, 3] += e * b - f * a
            lam[k] = vectors[q, 0] * c + vectors[q, 1] * d + vectors[q, 2] * e + vectors[q, 3] * f
            lam[WIDTH + k] = vectors[q, 0] * d - vectors[q, 1] * c + vectors[q, 2] * f - vectors[q, 3] * e
