"""Expectation values of Pauli words of several qubits, and their adjoint.

A word is i^y X^x Z^z, for masks x and z of bits and y letters Y: to a basis state k it gives a sign, the parity of
k & z, and flips its bits x. Words of Z alone need no more of a state than its probabilities: all of them take one pass.
"""

import numpy as np

from hpcqrl.quantum.amplitudes import BLOCK, SOME
from hpcqrl.quantum.jit import inlined, jit
from hpcqrl.quantum.rows import FLIPPED, N_Y, RESULT, SIGNED
from hpcqrl.quantum.simd import WIDTH, WIDTH_BITS, exchange, load, mix, parity, splat, store, total


@inlined
def _lane_signs(number, z):
    """The number, with the sign of each lane."""
    signs = splat(number)
    for bit in range(WIDTH_BITS):
        if z >> bit & 1:
            signs = mix(signs, splat(number - number) - signs, bit)
    return signs


@inlined
def _flipped(state, offset, x):
    """Eight real or imaginary parts, their lanes flipped."""
    lanes = load(state, offset)
    for bit in range(WIDTH_BITS):
        if x >> bit & 1:
            lanes = exchange(lanes, bit)
    return lanes


@jit
def word_values(psi, bits, rows, first, result, sample):
    """Write result[sample, word] of the rows from `first` on."""
    one = psi.dtype.type(1)
    blocks = 1 << (bits - WIDTH_BITS)
    weights = np.empty(SOME * WIDTH, psi.dtype)
    sums = np.zeros(rows.shape[0])  # float64, whatever the precision of the amplitudes
    for start in range(0, blocks, SOME):
        stop = min(start + SOME, blocks)
        for block in range(start, stop):
            ar, ai = load(psi, block * BLOCK), load(psi, block * BLOCK + WIDTH)
            store(weights, (block - start) * WIDTH, ar * ar + ai * ai)
        for r in range(first, rows.shape[0]):
            x, z, y = rows[r, FLIPPED], rows[r, SIGNED], rows[r, N_Y]
            block_x, block_z = x >> WIDTH_BITS, z >> WIDTH_BITS
            value, plus, minus = splat(one - one), splat(one), splat(-one)
            for block in range(start, stop):
                sign = minus if parity(block & block_z) else plus
                if x == 0:
                    value += sign * load(weights, (block - start) * WIDTH)
                    continue
                b = (block ^ block_x) * BLOCK
                ar, ai = load(psi, block * BLOCK), load(psi, block * BLOCK + WIDTH)
                br, bi = _flipped(psi, b, x), _flipped(psi, b + WIDTH, x)
                value += sign * (bi * ar - br * ai if y & 1 else br * ar + bi * ai)
            sums[r] += total(value * _lane_signs(one, z))
    for r in range(first, rows.shape[0]):
        result[sample, rows[r, RESULT]] = -sums[r] if rows[r, N_Y] & 2 else sums[r]


@jit
def add_word_adjoints(psi, bits, rows, first, cotangent, sample, lam):
    """Add sum(cotangent[sample, word] * word) psi to lam, the adjoint of `word_values`."""
    factors = np.empty(SOME * WIDTH, psi.dtype)
    blocks = 1 << (bits - WIDTH_BITS)
    for start in range(0, blocks, SOME):
        stop = min(start + SOME, blocks)
        factors[:] = 0.0
        for r in range(first, rows.shape[0]):
            x, z, y = rows[r, FLIPPED], rows[r, SIGNED], rows[r, N_Y]
            block_x, block_z = x >> WIDTH_BITS, z >> WIDTH_BITS
            weight = cotangent[sample, rows[r, RESULT]]
            signs = _lane_signs(-weight if y & 2 else weight, z)
            negative = _lane_signs(weight if y & 2 else -weight, z)
            for block in range(start, stop):
                sign = negative if parity(block & block_z) else signs
                if x == 0:
                    c = (block - start) * WIDTH
                    store(factors, c, load(factors, c) + sign)
                    continue
                a, b = block * BLOCK, (block ^ block_x) * BLOCK
                br, bi = _flipped(psi, b, x), _flipped(psi, b + WIDTH, x)
                if y & 1:
                    store(lam, a, load(lam, a) + sign * bi)
                    store(lam, a + WIDTH, load(lam, a + WIDTH) - sign * br)
                else:
                    store(lam, a, load(lam, a) + sign * br)
                    store(lam, a + WIDTH, load(lam, a + WIDTH) + sign * bi)
        for block in range(start, stop):
            a, c = block * BLOCK, load(factors, (block - start) * WIDTH)
            store(lam, a, load(lam, a) + c * load(psi, a))
            store(lam, a + WIDTH, load(lam, a + WIDTH) + c * load(psi, a + WIDTH))
