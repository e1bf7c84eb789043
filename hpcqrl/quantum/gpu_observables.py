"""What is read off states on a GPU, and its adjoint: expectation values, probabilities, measured states."""

import numpy as np
from numba import cuda

from hpcqrl.quantum.gpu_kernels import WARP, WARPS, numbered, warp_sum
from hpcqrl.quantum.rows import FLIPPED, KIND, LAST, N_Y, RESULT, SIGNED, TARGET, VARIES


@cuda.jit(device=True)
def _of_word(states, sample, k, flipped, signed, n_y):
    """Amplitude k of a Pauli word times the state: i^n_y X^flipped Z^signed, as in `pauli_words.py`."""
    source = k ^ flipped
    re, im = states[sample, 0, source], states[sample, 1, source]
    if cuda.popc(source & signed) & 1:
        re, im = -re, -im
    if n_y & 1:
        re, im = -im, re
    if n_y & 2:
        re, im = -re, -im
    return re, im


@cuda.jit
def observe(rows, first, states, parts, chunk):
    """Write parts[sample, chunk, row - first] = <X>, <Y>, <Z> of a LAST row's qubit, or a WORD's value, of each chunk
    of so many amplitudes.
    """
    chunks = states.shape[2] // chunk
    sample, number = cuda.blockIdx.x // chunks, cuda.blockIdx.x % chunks
    t, threads = cuda.threadIdx.x, cuda.blockDim.x
    room, side = cuda.shared.array((2, 3, WARPS), np.float64), 0
    for r in range(first, rows.shape[0]):
        x = y = z = states.dtype.type(0)
        bit = 1 << rows[r, TARGET] if rows[r, KIND] == LAST else 0
        for k in range(number * chunk + t, (number + 1) * chunk, threads):
            ar, ai = states[sample, 0, k], states[sample, 1, k]
            if bit:
                br, bi = states[sample, 0, k ^ bit], states[sample, 1, k ^ bit]
                x += ar * br + ai * bi
                turned, weight = ar * bi - ai * br, ar * ar + ai * ai
                y += -turned if k & bit else turned
                z += -weight if k & bit else weight
            else:
                br, bi = _of_word(states, sample, k, rows[r, FLIPPED], rows[r, SIGNED], rows[r, N_Y])
                x += ar * br + ai * bi
        x, y, z = warp_sum(x), warp_sum(y), warp_sum(z)
        if t % WARP == 0:
            room[side, 0, t // WARP], room[side, 1, t // WARP], room[side, 2, t // WARP] = x, y, z
        cuda.syncthreads()
        for column in range(t, 3, threads):
            total = 0.0
            for warp in range(threads // WARP):
                total += room[side, column, warp]
            parts[sample, number, r - first, column] = total
        side ^= 1


@cuda.jit
def results(rows, first, matrices, parts, bloch, result):
    """Add up the chunks into bloch[sample, row - first], and write result[sample, word]."""
    sample, k = numbered(rows.shape[0] - first)
    r = first + k
    if sample < bloch.shape[0]:
        for column in range(3):
            total = 0.0
            for chunk in range(parts.shape[1]):
                total += parts[sample, chunk, k, column]
            bloch[sample, k, column] = total
        value = bloch[sample, k, 0]
        if rows[r, KIND] == LAST:
            which = sample * rows[r, VARIES]
            value = matrices[which, r, 0, 0] * bloch[sample, k, 0]
            value += matrices[which, r, 0, 1] * bloch[sample, k, 1]
            value += matrices[which, r, 0, 2] * bloch[sample, k, 2]
        result[sample, rows[r, RESULT]] = value


@cuda.jit
def observe_adjoint(rows, first, matrices, states, cotangent, lams):
    """Write lambda = sum(cotangent[sample, word] * word) psi."""
    sample, k = numbered(states.shape[2])
    if sample < states.shape[0]:
        re = im = states.dtype.type(0)
        for r in range(first, rows.shape[0]):
            weight = cotangent[sample, rows[r, RESULT]]
            if rows[r, KIND] == LAST:
                bit, which = 1 << rows[r, TARGET], sample * rows[r, VARIES]
                x, y = weight * matrices[which, r, 0, 0], weight * matrices[which, r, 0, 1]
                z = weight * matrices[which, r, 0, 2]
                if k & bit:
                    y, z = -y, -z
                ar, ai = states[sample, 0, k], states[sample, 1, k]
                br, bi = states[sample, 0, k ^ bit], states[sample, 1, k ^ bit]
                re += x * br + y * bi + z * ar
                im += x * bi - y * br + z * ai
            else:
                ar, ai = _of_word(states, sample, k, rows[r, FLIPPED], rows[r, SIGNED], rows[r, N_Y])
                re += weight * ar
                im += weight * ai
        lams[sample, 0, k], lams[sample, 1, k] = re, im


@cuda.jit
def probabilities(states, result):
    """Write the probability of each of the first result.shape[1] basis states."""
    sample, k = numbered(result.shape[1])
    if sample < states.shape[0]:
        re, im = states[sample, 0, k], states[sample, 1, k]
        result[sample, k] = re * re + im * im


@cuda.jit
def probabilities_adjoint(states, cotangent, lams):
    """Write lambda = cotangent * psi; basis states beyond the cotangent count for nothing."""
    sample, k = numbered(states.shape[2])
    if sample < states.shape[0]:
        weight = cotangent[sample, k] if k < cotangent.shape[1] else cotangent.dtype.type(0)
        lams[sample, 0, k], lams[sample, 1, k] = weight * states[sample, 0, k], weight * states[sample, 1, k]


@cuda.jit
def chunk_weights(states, weights, size):
    """Write weights[sample, chunk] = the probability of each chunk of so many basis states, summed in double."""
    sample, chunk = numbered(weights.shape[1])
    if sample < states.shape[0]:
        total = 0.0
        for k in range(chunk * size, (chunk + 1) * size):
            re, im = states[sample, 0, k], states[sample, 1, k]
            total += re * re + im * im
        weights[sample, chunk] = total


@cuda.jit
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
