"""Run a program, and its adjoint, over a batch, in one call each. `program.py` says what the tables hold."""

import numpy as np

from hpcqrl.quantum.amplitudes import BLOCK, adjoint, apply_gate, overlaps
from hpcqrl.quantum.jit import jit
from hpcqrl.quantum.measurements import probabilities, probabilities_adjoint, sample_bits
from hpcqrl.quantum.observables import observe, observe_adjoint
from hpcqrl.quantum.preparation import derive, derive_back, gradients, prepare
from hpcqrl.quantum.product_states import product_state, product_state_adjoint
from hpcqrl.quantum.rows import CONTROL, GATE, KIND, LAST, PERMUTE, TARGET, WORD
from hpcqrl.quantum.simd import WIDTH, WIDTH_BITS
from hpcqrl.quantum.tiles import LARGE, LARGE_BACK, apply_run, apply_run_back, tile_of

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


@jit
def forward(
    rows, slots, rotations, lines, terms, permutations, sizes,
    angles, weights, states, outcome, result,
):  # fmt: skip
    """Run the program for each row of `angles`; write result[sample] = each Pauli word's value, or probabilities.

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
    derive(terms, 0, fixed_terms, values)
    prepare(rows, slots, axis, scale, offset, parameter, fixed, False, values, cosine, sine, matrices, vectors)
    for sample in range(samples):
        values[:n_angles] = angles[sample]
        derive(terms, fixed_terms, terms.shape[0], values)
        prepare(rows, slots, axis, scale, offset, parameter, fixed, True, values, cosine, sine, matrices, vectors)
        final = states[sample if states.shape[0] > 1 else 0]
        psi, moved = final, False  # each permutation moves it between its place and the spare one
        product_state(vectors, bits, lanes[0], lanes[1], psi)
        r = bits
        while r < n_rows and (rows[r, KIND] == GATE or rows[r, KIND] == PERMUTE):
            if rows[r, KIND] == GATE and psi.nbytes >= LARGE:
                stop, mask = tile_of(rows, r, 1)
                apply_run(psi, bits, rows, r, stop, mask, matrices)
                r = stop
                continue
            if rows[r, KIND] == GATE:
                apply_gate(psi, bits, rows[r, TARGET], rows[r, CONTROL], matrices, r)
            else:
                _permute(psi, spare, permutations[rows[r, TARGET]])
                psi, spare, moved = spare, psi, not moved
            r += 1
        if moved:
            final[:] = psi
            psi, spare = final, psi
        if outcome == EXPVAL:
            observe(psi, bits, rows, r, vectors, bloch, result, sample)
        elif outcome == PROBS:
            probabilities(psi, result[sample])


@jit
def backward(
    rows, slots, rotations, lines, terms, permutations, sizes,
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
    derive(terms, 0, fixed_terms, values)
    prepare(rows, slots, axis, scale, offset, parameter, fixed, False, values, cosine, sine, matrices, vectors)
    for sample in range(samples):
        values[:n_angles] = angles[sample]
        derive(terms, fixed_terms, terms.shape[0], values)
        prepare(rows, slots, axis, scale, offset, parameter, fixed, True, values, cosine, sine, matrices, vectors)
        psi[:] = states[sample]
        last = n_rows
        if outcome == EXPVAL:
            while rows[last - 1, KIND] == LAST or rows[last - 1, KIND] == WORD:
                last -= 1
            observe_adjoint(psi, bits, rows, last, vectors, bloch, pull, cotangent, sample, u, lam)
        else:
            probabilities_adjoint(psi, cotangent[sample], lam)
        to_do = last - 1
        for r in range(last - 1, bits - 1, -1):
            if r > to_do:
                continue  # done, together with the gates before
            if rows[r, KIND] == PERMUTE:
                permutation = permutations[rows[r, TARGET]]
                _permute_back(lam, spare, permutation)
                lam, spare = spare, lam
                _permute_back(psi, spare, permutation)
                psi, spare = spare, psi
                continue
            if psi.nbytes >= LARGE_BACK:
                to_do, mask = tile_of(rows, r, -1)
                apply_run_back(psi, lam, bits, rows, r, to_do, mask, matrices, back, u)
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
        gradients(rows, slots, axis, cosine, sine, scale, parameter, True, u, gradient)
        derive_back(terms, fixed_terms, terms.shape[0], values, gradient)
        angle_gradient[sample] = gradient[:n_angles]
        gradient[:n_angles] = 0.0
    gradients(rows, slots, axis, cosine, sine, scale, parameter, False, u, gradient)
    derive_back(terms, 0, fixed_terms, values, gradient)
    weight_gradient[:] = gradient[n_angles:inputs]


@jit
def sample(states, uniforms, order, bits_out):
    """Write bits_out [samples, shots, wires] from `forward`'s states, for uniforms [samples, shots] in [0, 1).

    order [samples, shots] sorts each row of uniforms.
    """
    for k in range(uniforms.shape[0]):
        sample_bits(states[k], uniforms[k], order[k], bits_out.shape[2], bits_out[k])
