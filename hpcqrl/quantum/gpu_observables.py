"""What is read off states on a GPU, and its adjoint: expectation values, probabilities, measured states."""

import numpy as np
from numba import cuda

from hpcqrl.quantum.gpu_jit import gpu_jit
from hpcqrl.quantum.gpu_kernels import U32, WARP, WARPS, numbered, warp_sum
from hpcqrl.quantum.rows import FLIPPED, KIND, LAST, N_Y, RESULT, SIGNED, TARGET, VARIES


@cuda.jit(device=True)
def _of_word(re, im, k, flipped, signed, n_y):
    """Amplitude k of a Pauli word times the state: i^n_y X^flipped Z^signed, as in `pauli_words.py`."""
    source = U32(k ^ U32(flipped))
    a, b = re[source], im[source]
    if cuda.popc(source & U32(signed)) & 1:
        a, b = -a, -b
    if n_y & 1:
        a, b = -b, a
    if n_y & 2:
        a, b = -a, -b
    return a, b


@cuda.jit(device=True)
def observe_row(rows, r, re, im, start, stop, t, threads, room, sums):
    """Write sums[.] = <X>, <Y>, <Z> of a LAST row's qubit, or a WORD's value, of the amplitudes start..stop of a state.

    room [2, 3 or more, WARPS]: shared, half of it for this row, half for the next.
    """
    x = y = z = re.dtype.type(0)
    last = rows[r, KIND] == LAST
    bit = U32(1 << rows[r, TARGET]) if last else U32(0)
    k, end = U32(start + t), U32(stop)
    while k < end:
        ar, ai = re[k], im[k]
        if last:
            br, bi = re[U32(k ^ bit)], im[U32(k ^ bit)]
            x += ar * br + ai * bi
            turned, weight = ar * bi - ai * br, ar * ar + ai * ai
            y += -turned if k & bit else turned
            z += -weight if k & bit else weight
        else:
            br, bi = _of_word(re, im, k, rows[r, FLIPPED], rows[r, SIGNED], rows[r, N_Y])
            x += ar * br + ai * bi
        k = U32(k + U32(threads))
    x, y, z, side = warp_sum(x), warp_sum(y), warp_sum(z), r & 1
    if t % WARP == 0:
        room[side, 0, t // WARP], room[side, 1, t // WARP], room[side, 2, t // WARP] = x, y, z
    cuda.syncthreads()
    for column in range(t, 3, threads):
        total = 0.0
        for warp in range(threads // WARP):
            total += room[side, column, warp]
        sums[column] = total


@cuda.jit(device=True)
def word_value(rows, r, matrices, sample, bloch):
    """What is measured of a row, of what `observe_row` wrote."""
    if rows[r, KIND] != LAST:
        return bloch[0]
    which = sample * rows[r, VARIES]
    value = matrices[which, r, 0, 0] * bloch[0]
    value += matrices[which, r, 0, 1] * bloch[1]
    value += matrices[which, r, 0, 2] * bloch[2]
    return value


@cuda.jit(device=True)
def words_on_state(rows, first, matrices, re, im, cotangent, sample, k):
    """Amplitude k of sum(cotangent[sample, word] * word) psi."""
    total_re = total_im = re.dtype.type(0)
    for r in range(first, rows.shape[0]):
        weight = cotangent[sample, rows[r, RESULT]]
        if rows[r, KIND] == LAST:
            bit, which = U32(1 << rows[r, TARGET]), sample * rows[r, VARIES]
            x, y = weight * matrices[which, r, 0, 0], weight * matrices[which, r, 0, 1]
            z = weight * matrices[which, r, 0, 2]
            if k & bit:
                y, z = -y, -z
            ar, ai, br, bi = re[k], im[k], re[U32(k ^ bit)], im[U32(k ^ bit)]
            total_re += x * br + y * bi + z * ar
            total_im += x * bi - y * br + z * ai
        else:
            ar, ai = _of_word(re, im, k, rows[r, FLIPPED], rows[r, SIGNED], rows[r, N_Y])
            total_re += weight * ar
            total_im += weight * ai
    return total_re, total_im


@gpu_jit()
def observe(rows, first, states, parts, chunk):
    """Write parts[sample, chunk, row - first] of each chunk of so many amplitudes, as `observe_row` does."""
    chunks = states.shape[2] // chunk
    sample, number = cuda.blockIdx.x // chunks, cuda.blockIdx.x % chunks
    start = number * chunk
    room = cuda.shared.array((2, 3, WARPS), np.float64)
    re, im = states[sample, 0], states[sample, 1]
    for r in range(first, rows.shape[0]):
        sums = parts[sample, number, r - first]
        observe_row(rows, r, re, im, start, start + chunk, cuda.threadIdx.x, cuda.blockDim.x, room, sums)


@gpu_jit()
def results(rows, first, matrices, parts, bloch, result):
    """Add up the chunks into bloch[sample, row - first], and write result[sample, word]."""
    sample, k = numbered(rows.shape[0] - first)
    if sample < bloch.shape[0]:
        for column in range(3):
            total = 0.0
            for chunk in range(parts.shape[1]):
                total += parts[sample, chunk, k, column]
            bloch[sample, k, column] = total
        r = first + k
        result[sample, rows[r, RESULT]] = word_value(rows, r, matrices, sample, bloch[sample, k])


@gpu_jit()
def observe_adjoint(rows, first, matrices, states, cotangent, lams):
    """Write lambda = sum(cotangent[sample, word] * word) psi."""
    sample, k = numbered(states.shape[2])
    if sample < states.shape[0]:
        re, im = states[sample, 0], states[sample, 1]
        of_k = words_on_state(rows, first, matrices, re, im, cotangent, sample, U32(k))
        lams[sample, 0, k], lams[sample, 1, k] = of_k


@gpu_jit()
def probabilities(states, width, result):
    """Write the probability of each of the first `width` basis states."""
    sample, k = numbered(width)
    if sample < states.shape[0]:
        re, im = states[sample, 0, k], states[sample, 1, k]
        result[sample, k] = re * re + im * im


@gpu_jit()
def probabilities_adjoint(states, width, cotangent, lams):
    """Write lambda = cotangent * psi; basis states beyond the cotangent count for nothing."""
    sample, k = numbered(states.shape[2])
    if sample < states.shape[0]:
        weight = cotangent[sample, k] if k < width else cotangent.dtype.type(0)
        lams[sample, 0, k], lams[sample, 1, k] = weight * states[sample, 0, k], weight * states[sample, 1, k]


@gpu_jit()
def chunk_weights(states, weights, size):
    """Write weights[sample, chunk] = the probability of each chunk of so many basis states, summed in double."""
    sample, chunk = numbered(weights.shape[1])
    if sample < states.shape[0]:
        total = 0.0
        for k in range(chunk * size, (chunk + 1) * size):
            re, im = states[sample, 0, k], states[sample, 1, k]
            total += re * re + im * im
        weights[sample, chunk] = total


@gpu_jit()
def measure(states, weights, size, uniforms, measured):
    """Write measured[sample, shot] = the basis state at which the summed probability passes uniforms[sample, shot]."""
    sample, shot = numbered(uniforms.shape[1])
    if sample < states.shape[0]:
        norm = 0.0
        for chunk in range(weights.shape[1]):
            norm += weights[sample, chunk]
        wanted, summed, chunk = uniforms[sample, shot] * norm, 0.0, 0
        while chunk < weights.shape[1] - 1 and summed + weights[sample, chunk] <= wanted:
            summed += weights[sample, chunk]
            chunk += 1
        last, found, k = 0, -1, chunk * size
        while found < 0 and k < states.shape[2]:
            re, im = states[sample, 0, k], states[sample, 1, k]
            weight = re * re + im * im
            summed += weight
            if weight > 0.0:
                last = k  # where rounding leaves a uniform beyond the sum
            if wanted < summed:
                found = k
            k += 1
        measured[sample, shot] = last if found < 0 else found
