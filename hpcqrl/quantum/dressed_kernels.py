"""A dressed circuit in one call: linear layer, angles, circuit, linear layer; and its gradient in another."""

import math

import numpy as np

from hpcqrl.quantum import kernels
from hpcqrl.quantum.jit import jit


@jit
def dressed_forward(
    rows, slots, rotations, lines, terms, term_scale, permutations, sizes,
    theta, observations, tanh, hidden, features, states, outputs,
):  # fmt: skip
    """Fill hidden and features [samples, qubits], the states (or one for all), and outputs [samples, outputs]."""
    samples, inputs = observations.shape
    qubits, n_outputs = hidden.shape[1], outputs.shape[1]
    bias = qubits * inputs
    circuit, last_bias = bias + qubits, theta.size - n_outputs
    last = last_bias - qubits * n_outputs
    angles = np.empty((samples, 2 * qubits))
    for t in range(samples):
        for q in range(qubits):
            value = theta[bias + q]
            for i in range(inputs):
                value += theta[q * inputs + i] * observations[t, i]
            if tanh:
                value = math.tanh(value)
            hidden[t, q] = value
            angles[t, q] = math.atan(value)
            angles[t, qubits + q] = math.atan(value * value)
    measured = np.empty((samples, qubits), states.dtype)
    kernels.forward(
        rows, slots, rotations, lines, terms, term_scale, permutations, sizes,
        angles, theta[circuit:last], states, kernels.EXPVAL, measured,
    )  # fmt: skip
    for t in range(samples):
        for q in range(qubits):
            features[t, q] = math.tanh(measured[t, q]) if tanh else measured[t, q]
        for k in range(n_outputs):
            value = theta[last_bias + k]
            for q in range(qubits):
                value += theta[last + k * qubits + q] * features[t, q]
            outputs[t, k] = value


@jit
def dressed_backward(
    rows, slots, rotations, lines, terms, term_scale, permutations, sizes,
    theta, observations, tanh, hidden, features, states, output_gradient, gradient,
):  # fmt: skip
    """Write the gradient of sum(output_gradient * outputs) in theta, from what `dressed_forward` has filled."""
    samples, inputs = observations.shape
    qubits, n_outputs = hidden.shape[1], output_gradient.shape[1]
    bias = qubits * inputs
    circuit, last_bias = bias + qubits, theta.size - n_outputs
    last = last_bias - qubits * n_outputs
    gradient[:] = 0.0
    angles, angle_gradient = np.empty((samples, 2 * qubits)), np.empty((samples, 2 * qubits))
    measured_gradient = np.empty((samples, qubits), states.dtype)
    for t in range(samples):
        for q in range(qubits):
            value, feature = hidden[t, q], features[t, q]
            angles[t, q] = math.atan(value)
            angles[t, qubits + q] = math.atan(value * value)
            pulled = 0.0
            for k in range(n_outputs):
                pulled += output_gradient[t, k] * theta[last + k * qubits + q]
                gradient[last + k * qubits + q] += output_gradient[t, k] * feature
            measured_gradient[t, q] = pulled * (1.0 - feature * feature) if tanh else pulled
        for k in range(n_outputs):
            gradient[last_bias + k] += output_gradient[t, k]
    kernels.backward(
        rows, slots, rotations, lines, terms, term_scale, permutations, sizes,
        angles, theta[circuit:last], states, kernels.EXPVAL, measured_gradient, angle_gradient, gradient[circuit:last],
    )  # fmt: skip
    for t in range(samples):
        for q in range(qubits):
            value = hidden[t, q]
            square = value * value
            pulled = angle_gradient[t, q] / (1.0 + square)
            pulled += angle_gradient[t, qubits + q] * 2.0 * value / (1.0 + square * square)
            if tanh:
                pulled *= 1.0 - square
            gradient[bias + q] += pulled
            for i in range(inputs):
                gradient[q * inputs + i] += pulled * observations[t, i]
