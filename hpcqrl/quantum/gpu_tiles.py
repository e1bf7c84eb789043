"""Circuits whose state is more than one block holds: passes over states in the card's memory, a tile a block."""

from typing import Any

import numpy as np
from numba import cuda
from numpy.typing import NDArray

from hpcqrl.quantum import gpu_observables, gpu_preparation
from hpcqrl.quantum.gpu_jit import each, gpu_jit, launch
from hpcqrl.quantum.gpu_kernels import LIMIT, WARPS, numbered, product, run_row, run_row_back, threads_for
from hpcqrl.quantum.gpu_memory import ROOMS, Scratch
from hpcqrl.quantum.gpu_passes import Pass
from hpcqrl.quantum.gpu_program import GpuProgram, Held

_CHUNK = 2048  # amplitudes that a block reads off


@gpu_jit(**LIMIT)
def forward_pass(moves, start, stop, fresh, bits, matrices, permutations, places, bases, states):
    """Run the rows start..stop on states [samples, 2, 2^bits], or, if `fresh`, on the product states before them."""
    size, tiles = places.size, bases.size
    sample, base = cuda.blockIdx.x // tiles, bases[cuda.blockIdx.x % tiles]
    t, threads = cuda.threadIdx.x, cuda.blockDim.x
    tile = cuda.shared.array(0, states.dtype)
    for k in range(t, size, threads):
        at = base | places[k]
        if fresh:
            tile[k], tile[size + k] = product(matrices, moves, sample, bits, at)
        else:
            tile[k], tile[size + k] = states[sample, 0, at], states[sample, 1, at]
    cuda.syncthreads()
    for r in range(start, stop):
        run_row(tile, size, base, moves, r, matrices, permutations, sample, t, threads)
    for k in range(t, size, threads):
        at = base | places[k]
        states[sample, 0, at], states[sample, 1, at] = tile[k], tile[size + k]


@gpu_jit(**LIMIT)
def backward_pass(moves, start, stop, matrices, permutations, places, bases, states, lams, parts):
    """Undo the rows start..stop on states and on lambdas, and write parts[sample, tile, row - start], the overlaps of
    `run_row_back`.
    """
    size, tiles = places.size, bases.size
    sample, number = cuda.blockIdx.x // tiles, cuda.blockIdx.x % tiles
    base = bases[number]
    t, threads = cuda.threadIdx.x, cuda.blockDim.x
    room = cuda.shared.array((2, 4, WARPS), np.float64)
    tile = cuda.shared.array(0, states.dtype)  # psi, lambda
    for k in range(t, size, threads):
        at = base | places[k]
        tile[k], tile[size + k] = states[sample, 0, at], states[sample, 1, at]
        tile[2 * size + k], tile[3 * size + k] = lams[sample, 0, at], lams[sample, 1, at]
    cuda.syncthreads()
    for r in range(stop - 1, start - 1, -1):
        overlaps = parts[sample, number, r - start]
        run_row_back(tile, size, base, moves, r, matrices, permutations, sample, t, threads, room, overlaps)
    for k in range(t, size, threads):
        at = base | places[k]
        states[sample, 0, at], states[sample, 1, at] = tile[k], tile[size + k]
        lams[sample, 0, at], lams[sample, 1, at] = tile[2 * size + k], tile[3 * size + k]


@gpu_jit()
def permute(states, result, source, back):
    """Permute the states into `result`, or back."""
    sample, k = numbered(source.size)
    if sample < states.shape[0]:
        to, come = (source[k], k) if back else (k, source[k])
        result[sample, 0, to], result[sample, 1, to] = states[sample, 0, come], states[sample, 1, come]


@gpu_jit()
def add_parts(parts, start, stop, u):
    """Add up the parts of all tiles into u[sample, row] of the rows start..stop."""
    sample, k = numbered(8 * (stop - start))
    if sample < u.shape[0]:
        row, value, column = k >> 3, k >> 2 & 1, k & 3
        total = 0.0
        for tile in range(parts.shape[1]):
            total += parts[sample, tile, row, value, column]
        u[sample, start + row, value, column] = total


def run(program: GpuProgram, angles: Any, weights: Any, held: Held, keep: bool, width: int, result: Any) -> None:
    """Fill `held` and `result` [samples, width], for which there are rooms on the card; width may be 0. States are kept
    whether or not they are to be.
    """
    samples, states = held.values.shape[0], held.states
    inputs = angles, program.n_angles, weights, program.n_weights
    each(gpu_preparation.fill, samples * program.n_inputs, *inputs, held.values)
    if program.n_terms:
        each(gpu_preparation.derive, samples, *program.terms, program.n_inputs, held.values)
    tables = program.rows, *program.chains
    each(gpu_preparation.prepare, samples * program.n_rows, *tables, held.values, held.matrices)
    with ROOMS.scratch() as room:
        apart = any(one.permutation >= 0 for one in program.passes)
        spare = room.take(states.shape, program.dtype) if apart else states
        for one in program.passes:
            if one.permutation >= 0:
                _permute(program, states, spare, one, False)
                states, spare = spare, states
            elif one.stop >= program.bits:  # before, there are only first rows, which are not run but multiplied
                fresh = one.start < program.bits
                start = program.bits if fresh else one.start
                places, bases = program.spread(one.mask)
                blocks, size = samples * bases.size, places.size * program.dtype.itemsize
                rows = program.moves, start, one.stop, fresh, program.bits
                spread = held.matrices, program.permutations, places, bases
                launch(forward_pass, blocks, threads_for(places.size), 2 * size, *rows, *spread, states)
        if states is not held.states:
            held.states.copy_to_device(states)
        if program.expval and width:
            chunk = min(_CHUNK, 1 << program.bits)
            parts = room.take((samples, (1 << program.bits) // chunk, width, 3), np.float64)
            blocks, threads = samples * parts.shape[1], threads_for(min(chunk, 1024))
            launch(gpu_observables.observe, blocks, threads, 0, program.rows, program.gates, states, parts, chunk)
            observed = program.rows, program.gates, held.matrices, parts, held.bloch, result
            each(gpu_observables.results, samples * width, *observed)
        else:
            each(gpu_observables.probabilities, samples * width, states, width, result)


def pull_back(program: GpuProgram, held: Held, cotangent: Any, room: Scratch, width: int) -> tuple[NDArray, NDArray]:
    """The gradients of sum(cotangent * result), in angles [samples, .] and in weights, float64."""
    samples, n_angles = held.values.shape[0], program.n_angles
    lams = room.take(held.states.shape, program.dtype)
    if program.expval:
        observed = program.rows, program.gates, held.matrices, held.states, cotangent, lams
        each(gpu_observables.observe_adjoint, samples << program.bits, *observed)
    else:
        each(gpu_observables.probabilities_adjoint, samples << program.bits, held.states, width, cotangent, lams)
    u = _back(program, held, lams, room)
    slopes = room.take((samples, program.n_slots), np.float64)
    gradient = room.take((program.n_values, samples), np.float64)
    tables = program.rows, *program.chains, held.values, held.matrices, program.gates
    each(gpu_preparation.slopes_of_rows, samples * program.n_rows, *tables, u, held.bloch, cotangent, slopes)
    each(gpu_preparation.gather, program.n_values * samples, *program.gathering, slopes, gradient)
    if program.n_terms:
        each(gpu_preparation.derive_back, samples, *program.terms, held.values, gradient)
    of_weights = np.zeros(program.n_weights)
    if program.n_weights:
        total = room.take((program.n_weights,), np.float64)
        each(gpu_preparation.over_samples, program.n_weights, gradient, n_angles, total)
        of_weights = total.copy_to_host()
    of_angles = gradient.copy_to_host()[:n_angles] if n_angles else np.zeros((0, samples))
    return np.ascontiguousarray(of_angles.T), of_weights


def _back(program: GpuProgram, held: Held, lams: Any, room: Scratch) -> Any:
    """Run all passes back; u[samples, rows, 2, 4], each row's overlaps."""
    samples = lams.shape[0]
    u = room.take((samples, program.n_rows, 2, 4), np.float64)
    states, spare = (room.take(lams.shape, program.dtype) for _ in range(2))
    states.copy_to_device(held.states)
    for one in reversed(program.passes):
        if one.permutation >= 0:
            _permute(program, states, spare, one, True)
            states, spare = spare, states
            _permute(program, lams, spare, one, True)
            lams, spare = spare, lams
            continue
        places, bases = program.spread(one.mask)
        parts = room.take((samples, bases.size, one.stop - one.start, 2, 4), np.float64)
        blocks, size = samples * bases.size, places.size * program.dtype.itemsize
        rows = program.moves, one.start, one.stop, held.matrices, program.permutations
        launch(backward_pass, blocks, threads_for(places.size), 4 * size, *rows, places, bases, states, lams, parts)
        each(add_parts, samples * 8 * (one.stop - one.start), parts, one.start, one.stop, u)
    return u


def _permute(program: GpuProgram, states: Any, result: Any, one: Pass, back: bool) -> None:
    source = program.permutations[one.permutation]
    each(permute, states.shape[0] * source.size, states, result, source, back)
