"""A dressed circuit in one call: linear layer, angles, circuit, linear layer; and its gradient in another."""

import math

import numpy as np

from hpcqrl.quantum import kernels
from hpcqrl.quantum.jit import jit


@jit
def dressed_forward(
    rows, slots, rotations, lines, terms, permutations, sizes,
    theta, observations, tanh, hidden, features, states, outputs,
):  # fmt: skip
    """Fill hidden [samples, first], features [samples, words], states (or one for all) and outputs [samples, outputs].

    first: outputs of the first layer, h; the angles are arctan h, and arctan h^2 too where the circuit takes twice as
    many.
    """
    samples, inputs = observations.shape
    first, words, n_outputs, n_angles = hidden.shape[1], features.shape[1], outputs.shape[1], sizes[2]
    bias = first * inputs
    circuit, last_bias = bias + first, theta.size - n_outputs
    last = last_bias - words * n_outputs
    squares = n_angles - first  # where the angles arctan h^2 begin
    angles = np.empty((samples, n_angles))
    for t in range(samples):
        for q in range(first):
            value = theta[bias + q]
            for i in range(inputs):
                value += theta[q * inputs + i] * observations[t, i]
            if tanh:
                value = math.tanh(value)
            hidden[t, q] = value
            angles[t, squares + q] = math.atan(value * value)  # where there are none, the next overwrites it:
            angles[t, q] = math.atan(value)  # a branch here costs more than the arctan
    measured = np.empty((samples, words), states.dtype)
    kernels.forward(
        rows, slots, rotations, lines, terms, permutations, sizes,
        angles, theta[circuit:last], states, kernels.EXPVAL, measured,
    )  # fmt: skip
    for t in range(samples):
        for q in range(words):
            features[t, q] = math.tanh(measured[t, q]) if tanh else measured[t, q]
        for k in range(n_outputs):
            value = theta[last_bias + k]
            for q in range(words):
                value += theta[last + k * words + q] * features[t, q]
            outputs[t, k] = value


@jit
def dressed_backward(
    rows, slots, rotations, lines, terms, permutations, sizes,
    theta, observations, tanh, hidden, features, states, output_gradient, gradient,
):  # fmt: skip
    """Write the gradient of sum(output_gradient * outputs) in theta, from what `dressed_forward` has filled."""
    samples, inputs = observations.shape
    first, words, n_outputs, n_angles = hidden.shape[1], features.shape[1], output_gradient.shape[1], sizes[2]
    bias = first * inputs
    circuit, last_bias = bias + first, theta.size - n_outputs
    last = last_bias - words * n_outputs
    gradient[:] = 0.0
    squares, squared = n_angles - first, 1.0 if n_angles > first else 0.0
    angles, angle_gradient = np.empty((samples, n_angles)), np.empty((samples, n_angles))
    measured_gradient = np.empty((samples, words), states.dtype)
    for t in range(samples):
        for q in range(first):
            value = hidden[t, q]
            angles[t, squares + q] = math.atan(value * value)  # where there are none, the next overwrites it:
            angles[t, q] = math.atan(value)  # a branch here costs more than the arctan
        for q in range(words):
            feature = features[t, q]
            pulled = 0.0
            for k in range(n_outputs):
                pulled += output_gradient[t, k] * theta[last + k * words + q]
                gradient[last + k * words + q] += output_gradient[t, k] * feature
            measured_gradient[t, q] = pulled * (1.0 - feature * feature) if tanh else pulled
        for k in range(n_outputs):
            gradient[last_bias + k] += output_gradient[t, k]
    kernels.backward(
        rows, slots, rotations, lines, terms, permutations, sizes,
        angles, theta[circuit:last], states, kernels.EXPVAL, measured_gradient, angle_gradient, gradient[circuit:last],
    )  # fmt: skip
    for t in range(samples):
        for q in range(first):
            value = hidden[t, q]
            square = value * value
            pulled = angle_gradient[t, q] / (1.0 + square)
            pulled += squared * angle_gradient[t, squares + q] * 2.0 * value / (1.0 + square * square)
            if tanh:
                pulled *= 1.0 - square
            gradient[bias + q] += pulled
            for i in range(inputs):
                gradient[q * inputs + i] += pulled * observations[t, i]
