"""Chains of rotations of one qubit: their sines, their matrix, and the gradient of every angle in them.

Every single-qubit gate is, up to a global phase, a chain of rotations about X, Y, Z and (where a control makes its
phase visible) phase shifts. A chain is a run of slot numbers; a slot holds one rotation: its axis and half its angle's
cosine and sine. All of it is float64, whatever the precision of the amplitudes: it is a vanishing share of the work.
"""

import math

import numpy as np

from hpcqrl.quantum.jit import inlined, jit

X, Y, Z, PHASE = 0, 1, 2, 3

# pi/2 in three parts, each but the last with trailing zeros, so that k*part is exact for |k| < 2^20 (Cody and Waite).
_HALF_PI = (1.5707963267341256e00, 6.0771005063039000e-11, 2.0222662487959506e-21)
_LARGEST_REDUCED = 1.0e6


@jit
def half_angle_sines(axis, scale, offset, parameter, values, start, stop, cosine, sine):
    """Fill cosine and sine of (scale * value + offset) / 2 for the slots start..stop; parameter -1 means no value.

    A polynomial (Taylor on |x| <= pi/4, error below 2e-16) instead of the C library's, because this loop vectorises.
    """
    largest = 0.0
    for slot in range(start, stop):
        index = parameter[slot]
        angle = offset[slot]
        if index >= 0:
            angle += scale[slot] * values[index]
        cosine[slot] = 0.5 * angle
        largest = max(largest, abs(cosine[slot]))
    if not largest < _LARGEST_REDUCED:  # also when it is NaN or infinite
        for slot in range(start, stop):
            angle = cosine[slot]
            cosine[slot] = math.cos(angle)
            sine[slot] = math.sin(angle)
        return
    for slot in range(start, stop):
        angle = cosine[slot]
        quarter = np.floor(angle * (2.0 / math.pi) + 0.5)
        x = ((angle - quarter * _HALF_PI[0]) - quarter * _HALF_PI[1]) - quarter * _HALF_PI[2]
        x2 = x * x
        s = 1.0 / 1307674368000.0
        s = 1.0 / 6227020800.0 - x2 * s
        s = 1.0 / 39916800.0 - x2 * s
        s = 1.0 / 362880.0 - x2 * s
        s = 1.0 / 5040.0 - x2 * s
        s = 1.0 / 120.0 - x2 * s
        s = 1.0 / 6.0 - x2 * s
        s = x - x * x2 * s
        c = 1.0 / 20922789888000.0
        c = 1.0 / 87178291200.0 - x2 * c
        c = 1.0 / 479001600.0 - x2 * c
        c = 1.0 / 3628800.0 - x2 * c
        c = 1.0 / 40320.0 - x2 * c
        c = 1.0 / 720.0 - x2 * c
        c = 1.0 / 24.0 - x2 * c
        c = 0.5 - x2 * c
        c = 1.0 - x2 * c
        quadrant = int(quarter) & 3
        odd = quadrant & 1
        sine[slot] = (c if odd else s) * (1.0 if quadrant < 2 else -1.0)
        cosine[slot] = (s if odd else c) * (1.0 if quadrant == 0 or quadrant == 3 else -1.0)


@inlined
def chain_quaternion(slots, start, stop, axis, cosine, sine):
    """(w, x, y, z, p, q): the chain's matrix is (p + iq) (w - i (x X + y Y + z Z)); the first slot acts first."""
    w, x, y, z = 1.0, 0.0, 0.0, 0.0
    p, q = 1.0, 0.0
    if start < stop:
        slot = slots[start]
        w, s = cosine[slot], sine[slot]
        if axis[slot] == X:
            x = s
        elif axis[slot] == Y:
            y = s
        else:
            z = s
            if axis[slot] == PHASE:
                p, q = w, s
    for k in range(start + 1, stop):
        slot = slots[k]
        c, s = cosine[slot], sine[slot]
        if axis[slot] == X:
            w, x, y, z = c * w - s * x, c * x + s * w, c * y - s * z, c * z + s * y
        elif axis[slot] == Y:
            w, x, y, z = c * w - s * y, c * x + s * z, c * y + s * w, c * z - s * x
        else:
            w, x, y, z = c * w - s * z, c * x - s * y, c * y + s * x, c * z + s * w
            if axis[slot] == PHASE:  # PhaseShift(a) = exp(ia/2) RZ(a)
                p, q = c * p - s * q, c * q + s * p
    return w, x, y, z, p, q


@inlined
def chain_matrix(slots, start, stop, axis, cosine, sine, matrices, row, branch):
    """Write matrices[row, branch] = re, im of the entries 00, 01, 10, 11 of the chain's matrix.

    (Whole arrays and an index, here and elsewhere: a view for each gate would cost as much as the arithmetic.)
    """
    w, x, y, z, p, q = chain_quaternion(slots, start, stop, axis, cosine, sine)
    matrices[row, branch, 0], matrices[row, branch, 1] = p * w + q * z, q * w - p * z
    matrices[row, branch, 2], matrices[row, branch, 3] = q * x - p * y, -p * x - q * y
    matrices[row, branch, 4], matrices[row, branch, 5] = p * y + q * x, q * y - p * x
    matrices[row, branch, 6], matrices[row, branch, 7] = p * w - q * z, q * w + p * z


@inlined
def chain_gradient(slots, start, stop, axis, cosine, sine, scale, parameter, u, row, branch, gradient):
    """Add the gradient of every parameter in the chain.

    u[row, branch] = Im <lambda| (1, X, Y, Z) |psi>, with psi and lambda as they are before the chain acts. A rotation's
    derivative is -i/2 times its axis, so its gradient is u's component along that axis; then u turns with the rotation,
    and is what the next one needs. One overlap gives all gradients of the chain.
    """
    u0, ux, uy, uz = u[row, branch, 0], u[row, branch, 1], u[row, branch, 2], u[row, branch, 3]
    for k in range(start, stop):
        slot = slots[k]
        c = cosine[slot] * cosine[slot] - sine[slot] * sine[slot]
        s = 2.0 * cosine[slot] * sine[slot]
        if axis[slot] == X:
            along = ux
            uy, uz = c * uy - s * uz, s * uy + c * uz
        elif axis[slot] == Y:
            along = uy
            uz, ux = c * uz - s * ux, s * uz + c * ux
        else:
            along = uz - u0 if axis[slot] == PHASE else uz
            ux, uy = c * ux - s * uy, s * ux + c * uy
        if parameter[slot] >= 0:
            gradient[parameter[slot]] += scale[slot] * along
