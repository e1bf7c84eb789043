"""Circuits whose state one block holds: a batch is one launch, and its gradient one more. A block is a sample."""

from typing import Any

import numpy as np
from numba import cuda
from numpy.typing import NDArray

from hpcqrl.quantum.gpu_jit import gpu_jit, launch
from hpcqrl.quantum.gpu_kernels import LIMIT, U32, WARP, WARPS, product, run_row, run_row_back, threads_for, warp_sum
from hpcqrl.quantum.gpu_memory import Scratch
from hpcqrl.quantum.gpu_observables import observe_row, word_value, words_on_state
from hpcqrl.quantum.gpu_preparation import (
    derive_sample,
    derive_sample_back,
    gathered,
    input_value,
    prepare_row,
    slopes_of_row,
)
from hpcqrl.quantum.gpu_program import GpuProgram, Held
from hpcqrl.quantum.rows import KIND, PERMUTE, RESULT


@gpu_jit(**LIMIT)
def forward(
    rows, slots, rotations, lines, terms, n_terms, moves, permutations, gates, bits,
    angles, n_angles, weights, n_weights, values, matrices, keep, states, bloch, width, result,
):  # fmt: skip
    """Prepare a sample's rows, run them, and write its row of `result`: its words, where there are rows after the
    gates, else the probabilities of the first `width` basis states. keep: whether its state is written to `states`.
    """
    sample, t, threads, size = cuda.blockIdx.x, cuda.threadIdx.x, cuda.blockDim.x, 1 << bits
    room = cuda.shared.array((2, 4, WARPS), np.float64)
    tile = cuda.shared.array(0, states.dtype)
    for place in range(t, n_angles + n_weights, threads):
        values[sample, place] = input_value(angles, n_angles, weights, sample, place)
    cuda.syncthreads()
    if t == 0 and n_terms > 0:
        derive_sample(terms, n_terms, n_angles + n_weights, values[sample])
    cuda.syncthreads()
    for r in range(t, rows.shape[0], threads):
        if rows[r, KIND] < PERMUTE:
            prepare_row(rows, slots, rotations, lines, values, sample, r, matrices)
    cuda.syncthreads()
    for k in range(t, size, threads):
        tile[k], tile[size + k] = product(matrices, moves, sample, bits, k)
    cuda.syncthreads()
    for r in range(bits, gates):  # before, there are only first rows, which are not run but multiplied
        run_row(tile, size, 0, moves, r, matrices, permutations, sample, t, threads)
    re, im = tile[:size], tile[size : 2 * size]
    if keep:
        for k in range(t, size, threads):
            states[sample, 0, k], states[sample, 1, k] = re[k], im[k]
    if rows.shape[0] == gates:
        for k in range(t, width, threads):
            result[sample, k] = re[k] * re[k] + im[k] * im[k]
    else:
        for r in range(gates, rows.shape[0]):
            observe_row(rows, r, re, im, 0, size, t, threads, room, bloch[sample, r - gates])
        cuda.syncthreads()
        for r in range(gates + t, rows.shape[0], threads):
            result[sample, rows[r, RESULT]] = word_value(rows, r, matrices, sample, bloch[sample, r - gates])


@gpu_jit(**LIMIT)
def backward(
    rows, slots, rotations, lines, terms, n_terms, moves, permutations, gates, bits, starts, order,
    values, matrices, states, bloch, width, cotangent, u, slopes, n_values, gradient, n_angles, n_weights, finished,
    result,
):  # fmt: skip
    """Undo a sample's rows on its state and on lambda, and write its angles' gradient to result[sample * n_angles + .];
    the block that is last adds up that of the weights over all samples, behind it. finished [1]: 0, before and after.
    """
    sample, t, threads, size = cuda.blockIdx.x, cuda.threadIdx.x, cuda.blockDim.x, 1 << bits
    samples = cuda.gridDim.x
    room = cuda.shared.array((2, 4, WARPS), np.float64)
    is_last = cuda.shared.array(1, np.int32)
    tile = cuda.shared.array(0, states.dtype)  # psi, lambda
    re, im = tile[:size], tile[size : 2 * size]
    for k in range(t, size, threads):
        re[k], im[k] = states[sample, 0, k], states[sample, 1, k]
    cuda.syncthreads()
    for k in range(t, size, threads):
        if rows.shape[0] > gates:
            of_k = words_on_state(rows, gates, matrices, re, im, cotangent, sample, U32(k))
            tile[2 * size + k], tile[3 * size + k] = of_k
        else:
            weight = cotangent[sample, k] if k < width else cotangent.dtype.type(0)
            tile[2 * size + k], tile[3 * size + k] = weight * re[k], weight * im[k]
    cuda.syncthreads()
    for r in range(gates - 1, -1, -1):
        run_row_back(tile, size, 0, moves, r, matrices, permutations, sample, t, threads, room, u[sample, r])
    cuda.syncthreads()
    for r in range(t, rows.shape[0], threads):
        if rows[r, KIND] < PERMUTE:
            slopes_of_row(
                rows, slots, rotations, lines, values, matrices, gates, u, bloch, cotangent, sample, r, slopes
            )
    cuda.syncthreads()
    for place in range(t, n_values, threads):
        gradient[place, sample] = gathered(starts, order, slopes, sample, place)
    cuda.syncthreads()
    if t == 0 and n_terms > 0:
        derive_sample_back(terms, n_terms, values, sample, gradient)
    cuda.syncthreads()
    for place in range(t, n_angles, threads):
        result[sample * n_angles + place] = gradient[place, sample]
    if n_weights > 0:
        cuda.threadfence()  # what this block has written is seen by whoever sees that it is counted
        cuda.syncthreads()
        if t == 0:
            is_last[0] = cuda.atomic.add(finished, 0, 1) == samples - 1
        cuda.syncthreads()
        if is_last[0]:
            cuda.threadfence()
            for weight in range(t // WARP, n_weights, threads // WARP):
                total = 0.0
                for other in range(t % WARP, samples, WARP):
                    total += gradient[n_angles + weight, other]
                total = warp_sum(total)
                if t % WARP == 0:
                    result[samples * n_angles + weight] = total
            if t == 0:
                finished[0] = 0


def run(program: GpuProgram, angles: Any, weights: Any, held: Held, keep: bool, width: int, result: Any) -> None:
    """Fill `held` and `result` [samples, width], for which there are rooms on the card; width may be 0."""
    samples, size = held.values.shape[0], 1 << program.bits
    tables = program.rows, *program.chains, *program.terms, program.moves, program.permutations
    inputs = angles, program.n_angles, weights, program.n_weights
    of_batch = held.values, held.matrices, keep, held.states, held.bloch, width, result
    bytes_ = 2 * size * program.dtype.itemsize
    launch(forward, samples, threads_for(size), bytes_, *tables, program.gates, program.bits, *inputs, *of_batch)


def pull_back(program: GpuProgram, held: Held, cotangent: Any, room: Scratch, width: int) -> tuple[NDArray, NDArray]:
    """The gradients of sum(cotangent * result), in angles [samples, .] and in weights, float64."""
    samples, size = held.values.shape[0], 1 << program.bits
    u = room.take((samples, program.n_rows, 2, 4), np.float64)
    slopes = room.take((samples, program.n_slots), np.float64)
    gradient = room.take((program.n_values, samples), np.float64)
    result = room.take((samples * program.n_angles + program.n_weights,), np.float64)
    tables = program.rows, *program.chains, *program.terms, program.moves, program.permutations
    of_batch = held.values, held.matrices, held.states, held.bloch, width, cotangent, u, slopes
    of_result = program.n_values, gradient, program.n_angles, program.n_weights, program.finished, result
    launch(
        backward, samples, threads_for(size), 4 * size * program.dtype.itemsize,
        *tables, program.gates, program.bits, *program.gathering, *of_batch, *of_result,
    )  # fmt: skip
    both = result.copy_to_host()
    of_angles, of_weights = np.split(both, [samples * program.n_angles])
    return of_angles.reshape(samples, -1), of_weights
