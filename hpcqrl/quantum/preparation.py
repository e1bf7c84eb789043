"""What a program's rows need of the values, and what their gradients give back to them."""

from hpcqrl.quantum.jit import inlined, jit
from hpcqrl.quantum.rotations import chain_gradient, chain_matrix, chain_quaternion, half_angle_sines
from hpcqrl.quantum.rows import CONTROL, FIRST, KIND, LAST, PERMUTE, START_0, START_1, STOP_0, STOP_1, VARIES

PLACE, FACTOR, OTHER_FACTOR, SCALE = range(4)  # columns of terms: of the derived number, of one or two factors, and it


@inlined
def derive(terms, start, stop, values):
    """Compute derived numbers: the sums of scale * value, or scale * value * value, that parameters are made of."""
    for t in range(start, stop):
        values[int(terms[t, PLACE])] = 0.0
    for t in range(start, stop):
        product = terms[t, SCALE] * values[int(terms[t, FACTOR])]
        if terms[t, OTHER_FACTOR] >= 0.0:
            product *= values[int(terms[t, OTHER_FACTOR])]
        values[int(terms[t, PLACE])] += product


@inlined
def derive_back(terms, start, stop, values, gradient):
    """Pass the gradient of derived numbers on to what they are made of, and clear it."""
    for t in range(start, stop):
        pulled = terms[t, SCALE] * gradient[int(terms[t, PLACE])]
        one, other = int(terms[t, FACTOR]), int(terms[t, OTHER_FACTOR])
        if other < 0:
            gradient[one] += pulled
        else:
            gradient[one] += pulled * values[other]
            gradient[other] += pulled * values[one]
    for t in range(start, stop):
        gradient[int(terms[t, PLACE])] = 0.0


@jit
def prepare(rows, slots, axis, scale, offset, parameter, fixed, varies, values, cosine, sine, matrices, vectors):
    """Fill the sines of the slots that change with the sample (or of those that do not), and what follows from them.

    A FIRST row's vector is its qubit's two amplitudes, a LAST row's the Bloch vector of A^H Z A; a GATE has matrices.
    """
    if varies:
        half_angle_sines(axis, scale, offset, parameter, values, fixed, axis.size, cosine, sine)
    else:
        half_angle_sines(axis, scale, offset, parameter, values, 0, fixed, cosine, sine)
    for r in range(rows.shape[0]):
        if (rows[r, VARIES] == 1) != varies or rows[r, KIND] >= PERMUTE:
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
def gradients(rows, slots, axis, cosine, sine, scale, parameter, varies, u, gradient):
    """Turn the overlaps of the rows that change with the sample (or do not) into gradients, and clear them."""
    for r in range(rows.shape[0]):
        if (rows[r, VARIES] == 1) != varies or rows[r, KIND] >= PERMUTE:
            continue
        chain_gradient(
            slots, rows[r, START_0], rows[r, STOP_0], axis, cosine, sine, scale, parameter, u, r, 0, gradient
        )
        if rows[r, CONTROL] >= 0:
            chain_gradient(
                slots, rows[r, START_1], rows[r, STOP_1], axis, cosine, sine, scale, parameter, u, r, 1, gradient
            )
        u[r, :, :] = 0.0
