"""What a program's rows need of the values, on a GPU, and what their gradients give back to them: all in double.

values [samples, inputs and derived numbers]: a sample's angles, the weights, and what `preparation.py` derives of them.
"""

import math

from numba import cuda

from hpcqrl.quantum.gpu_jit import gpu_jit
from hpcqrl.quantum.gpu_kernels import numbered
from hpcqrl.quantum.preparation import FACTOR, OTHER_FACTOR, PLACE, SCALE
from hpcqrl.quantum.rotations import PHASE, X, Y
from hpcqrl.quantum.rows import CONTROL, KIND, LAST, PERMUTE, RESULT, START_0, START_1, STOP_0, STOP_1, VARIES


@cuda.jit(device=True)
def input_value(angles, n_angles, weights, sample, place):
    """A sample's value of this number: the angles come first, then the weights."""
    return angles[sample, place] if place < n_angles else weights[place - n_angles]


@gpu_jit()
def fill(angles, n_angles, weights, n_weights, values):
    """Write each sample's angles, and the weights, to values."""
    sample, place = numbered(n_angles + n_weights)
    if sample < values.shape[0]:
        values[sample, place] = input_value(angles, n_angles, weights, sample, place)


@cuda.jit(device=True)
def derive_sample(terms, n_terms, first, values):
    """Write a sample's derived numbers, which are its values from `first` on."""
    for place in range(first, values.size):
        values[place] = 0.0
    for t in range(n_terms):
        product = terms[t, SCALE] * values[int(terms[t, FACTOR])]
        if terms[t, OTHER_FACTOR] >= 0.0:
            product *= values[int(terms[t, OTHER_FACTOR])]
        values[int(terms[t, PLACE])] += product


@gpu_jit()
def derive(terms, n_terms, first, values):
    """Write all samples' derived numbers."""
    sample = cuda.grid(1)
    if sample < values.shape[0]:
        derive_sample(terms, n_terms, first, values[sample])


@cuda.jit(device=True)
def _angle(slot, sample, rotations, lines, values):
    place = rotations[1, slot]
    return lines[1, slot] + (lines[0, slot] * values[sample, place] if place >= 0 else 0.0)


@cuda.jit(device=True)
def _quaternion(slots, start, stop, sample, rotations, lines, values):
    """As `chain_quaternion`."""
    w, x, y, z, p, q = 1.0, 0.0, 0.0, 0.0, 1.0, 0.0
    for k in range(start, stop):
        slot = slots[k]
        axis, half = rotations[0, slot], 0.5 * _angle(slot, sample, rotations, lines, values)
        c, s = math.cos(half), math.sin(half)
        if axis == X:
            w, x, y, z = c * w - s * x, c * x + s * w, c * y - s * z, c * z + s * y
        elif axis == Y:
            w, x, y, z = c * w - s * y, c * x + s * z, c * y + s * w, c * z - s * x
        else:
            w, x, y, z = c * w - s * z, c * x - s * y, c * y + s * x, c * z + s * w
            if axis == PHASE:
                p, q = c * p - s * q, c * q + s * p
    return w, x, y, z, p, q


@cuda.jit(device=True)
def _matrix(quaternion, matrices, which, r, branch):
    w, x, y, z, p, q = quaternion
    matrices[which, r, branch, 0], matrices[which, r, branch, 1] = p * w + q * z, q * w - p * z
    matrices[which, r, branch, 2], matrices[which, r, branch, 3] = q * x - p * y, -p * x - q * y
    matrices[which, r, branch, 4], matrices[which, r, branch, 5] = p * y + q * x, q * y - p * x
    matrices[which, r, branch, 6], matrices[which, r, branch, 7] = p * w - q * z, q * w + p * z


@cuda.jit(device=True)
def prepare_row(rows, slots, rotations, lines, values, sample, r, matrices):
    """Write the matrices of a row FIRST or GATE, or, in its matrix's place, a LAST row's Bloch vector of A^H Z A."""
    quaternion = _quaternion(slots, rows[r, START_0], rows[r, STOP_0], sample, rotations, lines, values)
    if rows[r, KIND] == LAST:
        w, x, y, z, _, _ = quaternion
        matrices[sample, r, 0, 0] = 2.0 * (x * z - w * y)
        matrices[sample, r, 0, 1] = 2.0 * (y * z + w * x)
        matrices[sample, r, 0, 2] = 1.0 - 2.0 * (x * x + y * y)
    else:
        _matrix(quaternion, matrices, sample, r, 0)
        if rows[r, CONTROL] >= 0:
            quaternion = _quaternion(slots, rows[r, START_1], rows[r, STOP_1], sample, rotations, lines, values)
            _matrix(quaternion, matrices, sample, r, 1)


@gpu_jit()
def prepare(rows, slots, rotations, lines, values, matrices):
    """Write the matrices and Bloch vectors of all rows, of those that do not change with the sample at sample 0."""
    sample, r = numbered(rows.shape[0])
    if sample < values.shape[0] and rows[r, KIND] < PERMUTE and (sample == 0 or rows[r, VARIES] == 1):
        prepare_row(rows, slots, rotations, lines, values, sample, r, matrices)


@cuda.jit(device=True)
def _chain_slopes(slots, start, stop, sample, rotations, lines, values, u0, ux, uy, uz, slopes):
    """As `chain_gradient`: the slope in each rotation's value, at its place in the chains."""
    for k in range(start, stop):
        slot = slots[k]
        axis, angle = rotations[0, slot], _angle(slot, sample, rotations, lines, values)
        c, s = math.cos(angle), math.sin(angle)
        if axis == X:
            along = ux
            uy, uz = c * uy - s * uz, s * uy + c * uz
        elif axis == Y:
            along = uy
            uz, ux = c * uz - s * ux, s * uz + c * ux
        else:
            along = uz - u0 if axis == PHASE else uz
            ux, uy = c * ux - s * uy, s * ux + c * uy
        slopes[sample, k] = lines[0, slot] * along


@cuda.jit(device=True)
def slopes_of_row(rows, slots, rotations, lines, values, matrices, first, u, bloch, cotangent, sample, r, slopes):
    """Turn a row's overlaps u[sample, row, control's value] into slopes[sample, place in the chains]. The rows from
    `first` on are observed, and those of kind LAST have theirs from their qubit's Bloch vector.
    """
    if rows[r, KIND] == LAST:
        which, weight = sample * rows[r, VARIES], cotangent[sample, rows[r, RESULT]]
        x, y, z = bloch[sample, r - first, 0], bloch[sample, r - first, 1], bloch[sample, r - first, 2]
        hx, hy = weight * matrices[which, r, 0, 0], weight * matrices[which, r, 0, 1]
        hz = weight * matrices[which, r, 0, 2]
        u0, ux, uy, uz = 0.0, y * hz - z * hy, z * hx - x * hz, x * hy - y * hx
    else:
        u0, ux = u[sample, r, 0, 0], u[sample, r, 0, 1]
        uy, uz = u[sample, r, 0, 2], u[sample, r, 0, 3]
    start, stop = rows[r, START_0], rows[r, STOP_0]
    _chain_slopes(slots, start, stop, sample, rotations, lines, values, u0, ux, uy, uz, slopes)
    if rows[r, CONTROL] >= 0:
        start, stop = rows[r, START_1], rows[r, STOP_1]
        u0, ux = u[sample, r, 1, 0], u[sample, r, 1, 1]
        uy, uz = u[sample, r, 1, 2], u[sample, r, 1, 3]
        _chain_slopes(slots, start, stop, sample, rotations, lines, values, u0, ux, uy, uz, slopes)


@gpu_jit()
def slopes_of_rows(rows, slots, rotations, lines, values, matrices, first, u, bloch, cotangent, slopes):
    """The same of all rows."""
    sample, r = numbered(rows.shape[0])
    if sample < values.shape[0] and rows[r, KIND] < PERMUTE:
        slopes_of_row(rows, slots, rotations, lines, values, matrices, first, u, bloch, cotangent, sample, r, slopes)


@cuda.jit(device=True)
def gathered(starts, order, slopes, sample, place):
    """The sum of the slopes order[starts[place]..starts[place + 1]]: a value's, of a sample."""
    total = 0.0
    for k in range(starts[place], starts[place + 1]):
        total += slopes[sample, order[k]]
    return total


@gpu_jit()
def gather(starts, order, slopes, gradient):
    """Write gradient[place of a value, sample]."""
    place, sample = numbered(gradient.shape[1])
    if place < gradient.shape[0]:
        gradient[place, sample] = gathered(starts, order, slopes, sample, place)


@cuda.jit(device=True)
def derive_sample_back(terms, n_terms, values, sample, gradient):
    """Pass the gradient of a sample's derived numbers on to what they are made of."""
    for t in range(n_terms):
        pulled = terms[t, SCALE] * gradient[int(terms[t, PLACE]), sample]
        one, other = int(terms[t, FACTOR]), int(terms[t, OTHER_FACTOR])
        if other < 0:
            gradient[one, sample] += pulled
        else:
            gradient[one, sample] += pulled * values[sample, other]
            gradient[other, sample] += pulled * values[sample, one]


@gpu_jit()
def derive_back(terms, n_terms, values, gradient):
    """The same of all samples."""
    sample = cuda.grid(1)
    if sample < gradient.shape[1]:
        derive_sample_back(terms, n_terms, values, sample, gradient)


@gpu_jit()
def over_samples(gradient, start, total):
    """Add up total[place] = the gradient of the values from `start` on, over all samples."""
    place = cuda.grid(1)
    if place < total.size:
        total[place] = 0.0
        for sample in range(gradient.shape[1]):
            total[place] += gradient[start + place, sample]
