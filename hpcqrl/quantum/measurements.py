"""What is read off a state: each qubit's Bloch vector, probabilities, sampled bits; and their adjoints."""

from hpcqrl.quantum.amplitudes import BLOCK, SOME
from hpcqrl.quantum.jit import inlined, jit
from hpcqrl.quantum.simd import WIDTH, WIDTH_BITS, exchange, load, mix, splat, store, total


@inlined
def _add_lane_bloch(psi, start, stop, q, bloch):
    """Add what some blocks have of a lane qubit's Bloch vector."""
    nothing = splat(psi[0] - psi[0])
    x, y, weight = nothing, nothing, nothing
    for block in range(start, stop):
        a = block * BLOCK
        ar, ai = load(psi, a), load(psi, a + WIDTH)
        br, bi = exchange(ar, q), exchange(ai, q)
        weight += ar * ar + ai * ai
        x += ar * br + ai * bi
        y += ar * bi - ai * br
    bloch[q, 0] += total(x)
    bloch[q, 1] += total(mix(y, nothing - y, q))
    bloch[q, 2] += total(mix(weight, nothing - weight, q))


@inlined
def _add_block_bloch(psi, start, stop, q, bloch):
    """Add what some pairs of blocks have of another qubit's."""
    nothing = splat(psi[0] - psi[0])
    x, y, z = nothing, nothing, nothing
    bit = q - WIDTH_BITS
    stride = BLOCK << bit
    for pair in range(start, stop):
        low = pair & ((1 << bit) - 1)
        a = (((pair - low) << 1) | low) * BLOCK
        ar, ai = load(psi, a), load(psi, a + WIDTH)
        br, bi = load(psi, a + stride), load(psi, a + stride + WIDTH)
        x += ar * br + ai * bi
        y += ar * bi - ai * br
        z += ar * ar + ai * ai - br * br - bi * bi
    bloch[q, 0] += 2.0 * total(x)
    bloch[q, 1] += 2.0 * total(y)
    bloch[q, 2] += total(z)


@jit
def bloch_vectors(psi, bits, wanted, bloch):
    """Write bloch[q] = <X>, <Y>, <Z> of each qubit in a mask, float64."""
    blocks = 1 << (bits - WIDTH_BITS)
    bloch[:] = 0.0
    for q in range(min(bits, WIDTH_BITS)):
        for start in range(0, blocks if wanted >> q & 1 else 0, SOME):
            _add_lane_bloch(psi, start, min(start + SOME, blocks), q, bloch)
    for q in range(WIDTH_BITS, bits):
        for start in range(0, blocks // 2 if wanted >> q & 1 else 0, SOME):
            _add_block_bloch(psi, start, min(start + SOME, blocks // 2), q, bloch)


@jit
def bloch_adjoint(psi, bits, gradient, lam):
    """Write lam = sum over qubits of (gradient[q] . (X, Y, Z)) psi, the adjoint of `bloch_vectors`."""
    nothing = splat(psi[0] - psi[0])
    lane_z = nothing
    for q in range(WIDTH_BITS):
        lane_z += mix(splat(gradient[q, 2]), splat(-gradient[q, 2]), q)
    for block in range(1 << (bits - WIDTH_BITS)):
        a = block * BLOCK
        ar, ai = load(psi, a), load(psi, a + WIDTH)
        z = gradient[0, 2] - gradient[0, 2]
        re, im = nothing, nothing
        for q in range(bits):
            if q < WIDTH_BITS:
                br, bi = exchange(ar, q), exchange(ai, q)
                y = mix(splat(gradient[q, 1]), splat(-gradient[q, 1]), q)
            else:
                one = block >> (q - WIDTH_BITS) & 1 == 1
                z += -gradient[q, 2] if one else gradient[q, 2]
                y = splat(-gradient[q, 1] if one else gradient[q, 1])
                b = (block ^ (1 << (q - WIDTH_BITS))) * BLOCK
                br, bi = load(psi, b), load(psi, b + WIDTH)
            x = splat(gradient[q, 0])
            re += x * br + y * bi
            im += x * bi - y * br
        d = lane_z + splat(z)
        store(lam, a, re + d * ar)
        store(lam, a + WIDTH, im + d * ai)


@jit
def probabilities(psi, result):
    """Write the probability of each of the first result.size basis states."""
    for k in range(result.size):
        a = (k >> WIDTH_BITS) * BLOCK + (k & (WIDTH - 1))
        result[k] = psi[a] * psi[a] + psi[a + WIDTH] * psi[a + WIDTH]


@jit
def probabilities_adjoint(psi, gradient, lam):
    """Write lam = gradient * psi; basis states beyond gradient.size count for nothing."""
    lam[(gradient.size >> WIDTH_BITS) * BLOCK :] = 0.0
    for k in range(gradient.size):
        a = (k >> WIDTH_BITS) * BLOCK + (k & (WIDTH - 1))
        lam[a], lam[a + WIDTH] = gradient[k] * psi[a], gradient[k] * psi[a + WIDTH]


@jit
def sample_bits(psi, uniforms, order, wires, bits):
    """Write bits[s, wire] = 0 or 1 for every shot: the basis state at which the summed probability passes uniforms[s].

    The shots are drawn together, in one pass over the states, in the order that sorts the uniforms.
    """
    states = 1 << wires
    norm = 0.0
    for k in range(states):
        a = (k >> WIDTH_BITS) * BLOCK + (k & (WIDTH - 1))
        norm += psi[a] * psi[a] + psi[a + WIDTH] * psi[a + WIDTH]
    summed = 0.0
    shot = 0
    last = 0  # the last state that is possible at all: where rounding leaves a uniform beyond the sum
    for k in range(states):
        a = (k >> WIDTH_BITS) * BLOCK + (k & (WIDTH - 1))
        probability = psi[a] * psi[a] + psi[a + WIDTH] * psi[a + WIDTH]
        if probability > 0.0:
            last = k
        summed += probability
        while shot < uniforms.size and uniforms[order[shot]] * norm < summed:
            for wire in range(wires):
                bits[order[shot], wire] = k >> (wires - 1 - wire) & 1
            shot += 1
    while shot < uniforms.size:
        for wire in range(wires):
            bits[order[shot], wire] = last >> (wires - 1 - wire) & 1
        shot += 1
