"""Shots of a noisy circuit by quantum trajectories: each has its own errors, drawn on the way.

All shots of a sample go together until something strikes one: it then takes a copy of the state, and goes on by itself.
The state [2, 2^qubits] holds real and imaginary parts, float32; qubit q is bit qubits - 1 - q of a state's number.
An operation is a row (kind, bit, other, start, stop, start of the second chain, its stop); see the kinds.
"""

import math

import numpy as np

from hpcqrl.quantum.jit import inlined, jit

ONE, CONTROLLED, FLIP, SWAP, DEPOLARIZE, DAMP = range(6)
# ONE: a chain on a bit. CONTROLLED: two chains on a bit, where the other bit is 0 and where it is 1. FLIP: a bit where
# all of a mask are 1. SWAP: two bits. DEPOLARIZE: a mask of bits. DAMP: a bit.
X, Y, Z, PHASE = range(4)


@jit
def chain_matrix(axis, angles, start, stop, matrix):
    """Write the product of rotations about X, Y, Z, or phase shifts, complex [2, 2]."""
    matrix[0, 0], matrix[0, 1], matrix[1, 0], matrix[1, 1] = 1.0, 0.0, 0.0, 1.0
    for k in range(start, stop):
        c, s = math.cos(0.5 * angles[k]), math.sin(0.5 * angles[k])
        for column in range(2):
            upper, lower = matrix[0, column], matrix[1, column]
            if axis[k] == X:
                matrix[0, column], matrix[1, column] = c * upper - 1j * s * lower, c * lower - 1j * s * upper
            elif axis[k] == Y:
                matrix[0, column], matrix[1, column] = c * upper - s * lower, c * lower + s * upper
            elif axis[k] == Z:
                matrix[0, column], matrix[1, column] = (c - 1j * s) * upper, (c + 1j * s) * lower
            else:
                matrix[1, column] = (c + 1j * s) * (c + 1j * s) * lower


@inlined
def _turn(psi, start, stop, step, m):
    """Apply a matrix [8] (real and imaginary parts, row by row) to some amplitudes, and those a step behind them."""
    m0, m1, m2, m3, m4, m5, m6, m7 = m[0], m[1], m[2], m[3], m[4], m[5], m[6], m[7]
    for a in range(start, stop):
        ar, ai, br, bi = psi[0, a], psi[1, a], psi[0, a + step], psi[1, a + step]
        psi[0, a] = m0 * ar - m1 * ai + m2 * br - m3 * bi
        psi[1, a] = m0 * ai + m1 * ar + m2 * bi + m3 * br
        psi[0, a + step] = m4 * ar - m5 * ai + m6 * br - m7 * bi
        psi[1, a + step] = m4 * ai + m5 * ar + m6 * bi + m7 * br


@jit
def apply(psi, kind, bit, other, matrices):
    """One operation that is no error; matrices [2, 8] are its chains'. It goes by runs in which its bits stay."""
    size, step = psi.shape[1], 1 << bit
    if kind == ONE:
        for start in range(0, size, 2 * step):
            _turn(psi, start, start + step, step, matrices[0])
    elif kind == CONTROLLED:
        run, idle = min(step, 1 << other), matrices[0, 0] == 1.0 and matrices[0, 6] == 1.0
        for start in range(0, size, run):
            one = start >> other & 1
            if start & step == 0 and (one or not idle):
                _turn(psi, start, start + run, step, matrices[one])
    elif kind == FLIP:
        run = (step | other) & -(step | other)
        for start in range(0, size, run):
            if start & (step | other) == other:
                _exchange(psi, start, start + run, step)
    else:
        run = min(step, 1 << other)
        for start in range(0, size, run):
            if start & step and not start >> other & 1:
                _exchange(psi, start, start + run, (1 << other) - step)


@inlined
def _exchange(psi, start, stop, step):
    for part in range(2):
        for a in range(start, stop):
            psi[part, a], psi[part, a + step] = psi[part, a + step], psi[part, a]


@jit
def strike(psi, mask, random):
    """Apply one of the Pauli words on the bits of a mask but the identity."""
    count = 0
    while mask >> count:
        count += 1
    flips, signs = 0, 0
    while flips == 0 and signs == 0:
        for bit in range(count):
            if mask >> bit & 1:
                word = int(4.0 * random.random())  # I, X, Z, or Y but for a global phase
                flips |= (word & 1) << bit
                signs |= (word >> 1) << bit
    for a in range(psi.shape[1]):
        b = a ^ flips
        if b < a:
            continue
        odd, odd_b = _parity(a & signs), _parity(b & signs)
        for part in range(2):
            first, second = psi[part, a], psi[part, b]
            psi[part, b] = -first if odd else first
            psi[part, a] = -second if odd_b else second


@inlined
def _parity(number):
    odd = False
    while number:
        number &= number - 1
        odd = not odd
    return odd


@jit
def excited(psi, bit):
    """The probability of 1, of a state of norm 1."""
    one, step = 0.0, 1 << bit
    for start in range(step, psi.shape[1], 2 * step):
        for a in range(start, start + step):
            one += psi[0, a] * psi[0, a] + psi[1, a] * psi[1, a]
    return one


@jit
def relax(psi, bit, jumps, rate, one):
    """Let a qubit fall from 1 to 0, or, if it did not, be the likelier 0 for that. one: the probability of 1 before."""
    step = 1 << bit
    if jumps:
        up, down = np.float32(1.0 / math.sqrt(one)), np.float32(0.0)
    else:
        up = np.float32(1.0 / math.sqrt(max(1.0 - rate * one, 1e-30)))
        down = np.float32(up * math.sqrt(1.0 - rate))
    for part in range(2):
        for start in range(0, psi.shape[1], 2 * step):
            for a in range(start, start + step):
                psi[part, a] = up * psi[part, a + step if jumps else a]
                psi[part, a + step] *= down


@jit
def draw(psi, random, qubits, bits):
    """Measure all qubits of a state of norm 1 once."""
    left, found = random.random(), 0
    for a in range(psi.shape[1]):
        weight = psi[0, a] * psi[0, a] + psi[1, a] * psi[1, a]
        if weight > 0.0:  # else it cannot be, whatever rounding leaves
            found = a
        left -= weight
        if left < 0.0:
            break
    _write(found, qubits, bits)


@inlined
def _write(state, qubits, bits):
    for q in range(qubits):
        bits[q] = state >> (qubits - 1 - q) & 1


@jit
def go_on(psi, operations, begin, matrices, rates, random):
    """The rest of the circuit for one shot, with what else strikes it."""
    for k in range(begin, operations.shape[0]):
        kind, bit, other = operations[k, 0], operations[k, 1], operations[k, 2]
        if kind == DEPOLARIZE:
            if random.random() < rates[k]:
                strike(psi, bit, random)
        elif kind == DAMP:
            one = excited(psi, bit)
            relax(psi, bit, random.random() < rates[k] * one, rates[k], one)
        else:
            apply(psi, kind, bit, other, matrices[k])


@jit
def trajectories(operations, rates, axis, place, scale, offset, values, random, bits):
    """Write bits [samples, shots, qubits] of a noisy circuit.

    Rotation k is by scale[k] * values[sample, place[k]] + offset[k], place -1 meaning none; rates [operations] are of
    errors.
    """
    samples, shots, qubits = bits.shape
    angles, matrix = np.empty(axis.size), np.empty((2, 2), np.complex128)
    matrices = np.empty((operations.shape[0], 2, 8), np.float32)
    clean, own = np.empty((2, 1 << qubits), np.float32), np.empty((2, 1 << qubits), np.float32)
    summed = np.empty(1 << qubits)
    for sample in range(samples):
        for k in range(axis.size):
            angles[k] = offset[k] + (scale[k] * values[sample, place[k]] if place[k] >= 0 else 0.0)
        for k in range(operations.shape[0]):
            for chain in range(2 if operations[k, 0] == CONTROLLED else 1 if operations[k, 0] == ONE else 0):
                chain_matrix(axis, angles, operations[k, 3 + 2 * chain], operations[k, 4 + 2 * chain], matrix)
                for entry in range(4):
                    number = matrix[entry // 2, entry % 2]
                    matrices[k, chain, 2 * entry], matrices[k, chain, 2 * entry + 1] = number.real, number.imag
        clean[:] = 0.0
        clean[0, 0] = 1.0
        drawn = 0
        for k in range(operations.shape[0]):
            kind, bit, other = operations[k, 0], operations[k, 1], operations[k, 2]
            if kind != DEPOLARIZE and kind != DAMP:
                apply(clean, kind, bit, other, matrices[k])
                continue
            one = excited(clean, bit) if kind == DAMP else 1.0
            rate = rates[k] * one
            for _ in range(shots - drawn):
                if random.random() < rate:
                    own[:] = clean
                    if kind == DEPOLARIZE:
                        strike(own, bit, random)
                    else:
                        relax(own, bit, True, rates[k], one)
                    go_on(own, operations, k + 1, matrices, rates, random)
                    draw(own, random, qubits, bits[sample, drawn])
                    drawn += 1
            if kind == DAMP:
                relax(clean, bit, False, rates[k], one)
        total = 0.0
        for a in range(summed.size):
            total += clean[0, a] * clean[0, a] + clean[1, a] * clean[1, a]
            summed[a] = total
        for shot in range(drawn, shots):
            found = min(np.searchsorted(summed, total * random.random(), "right"), summed.size - 1)
            _write(found, qubits, bits[sample, shot])
