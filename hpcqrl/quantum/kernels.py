"""Run a program, and its adjoint, over a batch, in one call each. `program.py` says what the tables hold."""

import numpy as np

from hpcqrl.quantum.amplitudes import BLOCK, adjoint, apply_gate, overlaps
from hpcqrl.quantum.jit import inlined, jit
from hpcqrl.quantum.measurements import (
    bloch_adjoint,
    bloch_vectors,
    probabilities,
    probabilities_adjoint,
    sample_bits,
)
from hpcqrl.quantum.product_states import product_state, product_state_adjoint
from hpcqrl.quantum.rotations import chain_gradient, chain_matrix, chain_quaternion, half_angle_sines
from hpcqrl.quantum.simd import WIDTH, WIDTH_BITS

# Columns of `rows`. A row is a qubit's first chain, a gate, a permutation, or a qubit's last chain.
KIND, TARGET, CONTROL, START_0, STOP_0, START_1, STOP_1, VARIES = range(8)
FIRST, GATE, PERMUTE, LAST = range(4)

EXPVAL, PROBS, STATE = range(3)  # what `forward` is asked for


@jit
def _permute(source, result, permutation):
    for k in range(permutation.size):
        a = (k >> WIDTH_BITS) * BLOCK + (k & (WIDTH - 1))
        result[a], result[a + WIDTH] = source[permutation[k]], source[permutation[k] + WIDTH]


@jit
def _permute_back(source, result, permutation):
    for k in range(permutation.size):
        a = (k >> WIDTH_BITS) * BLOCK + (k & (WIDTH - 1))
        result[permutation[k]], result[permutation[k] + WIDTH] = source[a], source[a + WIDTH]


@inlined
def _derive(terms, term_scale, start, stop, values):
    """Compute derived numbers: the sums of scale * value, or scale * value * value, that parameters are made of."""
    for t in range(start, stop):
        values[terms[t, 0]] = 0.0
    for t in range(start, stop):
        product = term_scale[t] * values[terms[t, 1]]
        if terms[t, 2] >= 0:
            product *= values[terms[t, 2]]
        values[terms[t, 0]] += product


@inlined
def _derive_back(terms, term_scale, start, stop, values, gradient):
    """Pass the gradient of derived numbers on to what they are made of, and clear it."""
    for t in range(start, stop):
        pulled = term_scale[t] * gradient[terms[t, 0]]
        if terms[t, 2] < 0:
            gradient[terms[t, 1]] += pulled
        else:
            gradient[terms[t, 1]] += pulled * values[terms[t, 2]]
            gradient[terms[t, 2]] += pulled * values[terms[t, 1]]
    for t in range(start, stop):
        gradient[terms[t, 0]] = 0.0


@jit
def _prepare(rows, slots, axis, scale, offset, parameter, fixed, varies, values, cosine, sine, matrices, vectors):
    """Fill the sines of the slots that change with the sample (or of those that do not), and what follows from them.

    A FIRST row's vector is its qubit's two amplitudes, a LAST row's the Bloch vector of A^H Z A; a GATE has matrices.
    """
    if varies:
        half_angle_sines(axis, scale, offset, parameter, values, fixed, axis.size, cosine, sine)
    else:
        half_angle_sines(axis, scale, offset, parameter, values, 0, fixed, cosine, sine)
    for r in range(rows.shape[0]):
        if (rows[r, VARIES] == 1) != varies or rows[r, KIND] == PERMUTE:
            continue
        if rows[r, KIND] == LAST:
            w, x, y, z, _, _ = chain_quaternion(slots, rows[r, START_0], rows[r, STOP_0], axis, cosine, sine)
            vectors[r, 0] = 2.0 * (x * z - w * y)
            vectors[r, 1] = 2.0 * (y * z + w * x)
            vectors[r, 2] = 1.0 - 2.0 * (x * x + y * y)
            continue
        chain_matrix(slots, rows[r, START_0], rows[r, STOP_0], axis, cosine, sine, matrices, r, 0)
        if rows[r, KIND] == FIRST:
            vectors[r, 0], vectors[r, 1] = matrices[r, 0, 0], matrices[r, 0, 1]
            vectors[r, 2], vectors[r, 3] = matrices[r, 0, 4], matrices[r, 0, 5]
        elif rows[r, CONTROL] >= 0:
            chain_matrix(slots, rows[r, START_1], rows[r, STOP_1], axis, cosine, sine, matrices, r, 1)


@jit
def forward(
    rows, slots, rotations, lines, terms, term_scale, permutations, sizes,
    angles, weights, states, outcome, result,
):  # fmt: skip
    """Run the program for each row of `angles`; write result[sample] = <Z> of each wire, or probabilities.

    states [samples, 2 * 2^bits] receives the final states; a single row is shared by all samples, for who needs the
    results alone.
    """
    bits, fixed, n_angles, fixed_terms, derived = sizes
    samples, n_rows = angles.shape[0], rows.shape[0]
    axis, parameter, scale, offset = rotations[0], rotations[1], lines[0], lines[1]
    inputs = n_angles + weights.size
    values = np.empty(inputs + derived)
    values[n_angles:inputs] = weights
    cosine, sine = np.empty(axis.size), np.empty(axis.size)
    matrices = np.empty((n_rows, 2, 8), states.dtype)
    vectors = np.zeros((n_rows, 4), states.dtype)
    lanes = np.empty((2, WIDTH_BITS + 1, WIDTH), states.dtype)
    bloch = np.empty((bits, 3))
    spare = np.empty(states.shape[1], states.dtype)
    _derive(terms, term_scale, 0, fixed_terms, values)
    _prepare(rows, slots, axis, scale, offset, parameter, fixed, False, values, cosine, sine, matrices, vectors)
    for sample in range(samples):
        values[:n_angles] = angles[sample]
        _derive(terms, term_scale, fixed_terms, term_scale.size, values)
        _prepare(rows, slots, axis, scale, offset, parameter, fixed, True, values, cosine, sine, matrices, vectors)
        psi = states[sample if states.shape[0] > 1 else 0]
        product_state(vectors, bits, lanes[0], lanes[1], psi)
        r = bits
        while r < n_rows and rows[r, KIND] != LAST:
            if rows[r, KIND] == GATE:
                apply_gate(psi, bits, rows[r, TARGET], rows[r, CONTROL], matrices, r)
            else:
                _permute(psi, spare, permutations[rows[r, TARGET]])
                psi[:] = spare
            r += 1
        if outcome == EXPVAL:
            bloch_vectors(psi, bits, bloch)
            wires = result.shape[1]
            for q in range(wires):
                value = vectors[r + q, 0] * bloch[q, 0]
                value += vectors[r + q, 1] * bloch[q, 1]
                value += vectors[r + q, 2] * bloch[q, 2]
                result[sample, wires - 1 - q] = value
        elif outcome == PROBS:
            probabilities(psi, result[sample])


@jit
def backward(
    rows, slots, rotations, lines, terms, term_scale, permutations, sizes,
    angles, weights, states, outcome, cotangent, angle_gradient, weight_gradient,
):  # fmt: skip
    """Write the gradients of sum(cotangent * result) in angles [samples, :] and weights, from `forward`'s states.

    The adjoint method (Jones and Gacon, arXiv:2009.02823): lambda and the state run backwards through the program
    together; between them, before each gate, lies that gate's gradient. (To keep every state on the way instead was
    no faster: it saves a quarter of the arithmetic and costs memory to write, read and page in.)
    """
    bits, fixed, n_angles, fixed_terms, derived = sizes
    samples, n_rows = angles.shape[0], rows.shape[0]
    axis, parameter, scale, offset = rotations[0], rotations[1], lines[0], lines[1]
    inputs = n_angles + weights.size
    values = np.empty(inputs + derived)
    values[n_angles:inputs] = weights
    gradient = np.zeros(values.size)
    cosine, sine = np.empty(axis.size), np.empty(axis.size)
    matrices = np.empty((n_rows, 2, 8), states.dtype)
    vectors = np.zeros((n_rows, 4), states.dtype)
    lanes = np.empty((2, WIDTH_BITS + 1, WIDTH), states.dtype)
    bloch = np.empty((bits, 3))
    pull = np.empty((bits, 3), states.dtype)
    back = np.empty((n_rows, 2, 8), states.dtype)
    overlap = np.empty((bits, 4))
    u = np.zeros((n_rows, 2, 4))
    psi, lam, spare = (
        np.empty(states.shape[1], states.dtype),
        np.empty(states.shape[1], states.dtype),
        np.empty(states.shape[1], states.dtype),
    )
    _derive(terms, term_scale, 0, fixed_terms, values)
    _prepare(rows, slots, axis, scale, offset, parameter, fixed, False, values, cosine, sine, matrices, vectors)
    for sample in range(samples):
        values[:n_angles] = angles[sample]
        _derive(terms, term_scale, fixed_terms, term_scale.size, values)
        _prepare(rows, slots, axis, scale, offset, parameter, fixed, True, values, cosine, sine, matrices, vectors)
        psi[:] = states[sample]
        last = n_rows
        if outcome == EXPVAL:
            last -= bits
            wires = cotangent.shape[1]
            bloch_vectors(psi, bits, bloch)
            for q in range(bits):
                weight = cotangent[sample, wires - 1 - q] if q < wires else 0.0
                x, y, z = bloch[q, 0], bloch[q, 1], bloch[q, 2]
                hx, hy, hz = weight * vectors[last + q, 0], weight * vectors[last + q, 1], weight * vectors[last + q, 2]
                pull[q, 0], pull[q, 1], pull[q, 2] = hx, hy, hz
                u[last + q, 0, 1] += (
                    y * hz - z * hy
                )  # bloch x pull: the gradient about each axis, before the last chain
                u[last + q, 0, 2] += z * hx - x * hz
                u[last + q, 0, 3] += x * hy - y * hx
            bloch_adjoint(psi, bits, pull, lam)
        else:
            probabilities_adjoint(psi, cotangent[sample], lam)
        for r in range(last - 1, bits - 1, -1):
            if rows[r, KIND] == PERMUTE:
                permutation = permutations[rows[r, TARGET]]
                _permute_back(lam, spare, permutation)
                lam, spare = spare, lam
                _permute_back(psi, spare, permutation)
                psi, spare = spare, psi
                continue
            adjoint(matrices, r, back)
            apply_gate(lam, bits, rows[r, TARGET], rows[r, CONTROL], back, r)
            apply_gate(psi, bits, rows[r, TARGET], rows[r, CONTROL], back, r)
            overlaps(lam, psi, bits, rows[r, TARGET], rows[r, CONTROL], u, r)
        product_state_adjoint(vectors, bits, lanes[0], lanes[1], spare, lam, overlap)
        for q in range(bits):
            s0, t0, s1, t1 = overlap[q, 0], overlap[q, 1], overlap[q, 2], overlap[q, 3]
            along_z = s0 * matrices[q, 0, 1] + t0 * matrices[q, 0, 0] + s1 * matrices[q, 0, 5] + t1 * matrices[q, 0, 4]
            u[q, 0, 0] += along_z  # <lambda|Z|0> = <lambda|0>
            u[q, 0, 3] += along_z
            u[q, 0, 1] += (
                s0 * matrices[q, 0, 3] + t0 * matrices[q, 0, 2] + s1 * matrices[q, 0, 7] + t1 * matrices[q, 0, 6]
            )
            u[q, 0, 2] += (
                s0 * matrices[q, 0, 2] - t0 * matrices[q, 0, 3] + s1 * matrices[q, 0, 6] - t1 * matrices[q, 0, 7]
            )
        _gradients(rows, slots, axis, cosine, sine, scale, parameter, True, u, gradient)
        _derive_back(terms, term_scale, fixed_terms, term_scale.size, values, gradient)
        angle_gradient[sample] = gradient[:n_angles]
        gradient[:n_angles] = 0.0
    _gradients(rows, slots, axis, cosine, sine, scale, parameter, False, u, gradient)
    _derive_back(terms, term_scale, 0, fixed_terms, values, gradient)
    weight_gradient[:] = gradient[n_angles:inputs]


@jit
def _gradients(rows, slots, axis, cosine, sine, scale, parameter, varies, u, gradient):
    """Turn the overlaps of the rows that change with the sample (or do not) into gradients, and clear them."""
    for r in range(rows.shape[0]):
        if (rows[r, VARIES] == 1) != varies or rows[r, KIND] == PERMUTE:
            continue
        chain_gradient(
            slots, rows[r, START_0], rows[r, STOP_0], axis, cosine, sine, scale, parameter, u, r, 0, gradient
        )
        if rows[r, CONTROL] >= 0:
            chain_gradient(
                slots, rows[r, START_1], rows[r, STOP_1], axis, cosine, sine, scale, parameter, u, r, 1, gradient
            )
        u[r, :, :] = 0.0


@jit
def sample(states, uniforms, order, bits_out):
    """Write bits_out [samples, shots, wires] from `forward`'s states, for uniforms [samples, shots] in [0, 1).

    order [samples, shots] sorts each row of uniforms.
    """
    for k in range(uniforms.shape[0]):
        sample_bits(states[k], uniforms[k], order[k], bits_out.shape[2], bits_out[k])
