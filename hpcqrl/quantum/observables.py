"""Expectation values of Pauli words on a state, and their adjoint.

A word of one qubit is read off the qubit's Bloch vector, turned by the qubit's last chain; others are summed up.
"""

from hpcqrl.quantum.jit import inlined
from hpcqrl.quantum.measurements import bloch_adjoint, bloch_vectors
from hpcqrl.quantum.pauli_words import add_word_adjoints, word_values
from hpcqrl.quantum.rows import KIND, LAST, RESULT, TARGET


@inlined
def _qubits(rows, first):
    """The row after the last one of kind LAST, and a mask of the bits whose Bloch vectors those need."""
    wanted, r = 0, first
    while r < rows.shape[0] and rows[r, KIND] == LAST:
        wanted |= 1 << rows[r, TARGET]
        r += 1
    return r, wanted


@inlined
def observe(psi, bits, rows, first, vectors, bloch, result, sample):
    """Write result[sample, word] of the rows from `first` on."""
    words, wanted = _qubits(rows, first)
    if words > first:
        bloch_vectors(psi, bits, wanted, bloch)
    for r in range(first, words):
        q = rows[r, TARGET]
        value = vectors[r, 0] * bloch[q, 0]
        value += vectors[r, 1] * bloch[q, 1]
        value += vectors[r, 2] * bloch[q, 2]
        result[sample, rows[r, RESULT]] = value
    if words < rows.shape[0]:
        word_values(psi, bits, rows, words, result, sample)


@inlined
def observe_adjoint(psi, bits, rows, first, vectors, bloch, pull, cotangent, sample, u, lam):
    """Write lam = sum(cotangent[sample, word] * word) psi, and add to u what the last chains' gradients need."""
    words, wanted = _qubits(rows, first)
    if words > first:
        bloch_vectors(psi, bits, wanted, bloch)
        pull[:] = 0.0
    for r in range(first, words):
        q = rows[r, TARGET]
        weight = cotangent[sample, rows[r, RESULT]]
        x, y, z = bloch[q, 0], bloch[q, 1], bloch[q, 2]
        hx, hy, hz = weight * vectors[r, 0], weight * vectors[r, 1], weight * vectors[r, 2]
        pull[q, 0] += hx
        pull[q, 1] += hy
        pull[q, 2] += hz
        u[r, 0, 1] += y * hz - z * hy  # bloch x pull: the gradient about each axis, before the last chain
        u[r, 0, 2] += z * hx - x * hz
        u[r, 0, 3] += x * hy - y * hx
    if words > first:
        bloch_adjoint(psi, bits, pull, lam)
    else:
        lam[:] = 0.0
    if words < rows.shape[0]:
        add_word_adjoints(psi, bits, rows, words, cotangent, sample, lam)
