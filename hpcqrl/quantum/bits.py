"""What is estimated from measured bits [samples, shots, qubits]."""

import numpy as np
from numpy.typing import NDArray

from hpcqrl.quantum.words import Word

Floats = NDArray[np.floating]
Bits = NDArray[np.uint8]


def word_mean(bits: Bits, word: Word) -> Floats:
    """The mean of a word over the shots [samples], each qubit measured along its letter."""
    odd = bits[:, :, [qubit for qubit, _ in word]].sum(axis=2) & 1
    mean: Floats = 1.0 - 2.0 * odd.mean(axis=1)
    return mean


def frequencies(bits: Bits, first: int) -> Floats:
    """How often each of the first basis states was found, [samples, first], float64; qubit 0 is most significant."""
    samples, shots, qubits = bits.shape
    states = bits @ (1 << np.arange(qubits)[::-1])
    counts = [np.bincount(row, minlength=1 << qubits)[:first] for row in states]
    return np.array(counts, np.float64).reshape(samples, first) / shots
