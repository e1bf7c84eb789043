"""A dressed circuit as one function: linear layer, angles, circuit, linear layer.

What `dressed_vqc.py` writes in NumPy for any device, on the native kernels: for circuits that take microseconds,
the calls between the layers cost more than the layers.
"""

from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray

from hpcqrl.models.dressed_kernels import dressed_backward, dressed_forward
from hpcqrl.quantum.circuit import Circuit
from hpcqrl.quantum.mixture import Mixture
from hpcqrl.quantum.program import lower

Floats = NDArray[np.floating]


def hidden_size(circuit: Circuit | Mixture) -> int:
    """How many outputs h the layer before a circuit has: for angles arctan h, and arctan h^2 if it takes two a qubit.

    Raises ValueError if the circuit takes no angles.
    """
    if circuit.n_angles == 0:
        raise ValueError("a dressed circuit takes one angle or more, and this circuit takes none")
    return circuit.qubits if circuit.n_angles == 2 * circuit.qubits else circuit.n_angles


class DressedCircuit:
    """Linear(inputs, hidden), angles arctan h (and arctan h^2), circuit, Linear(words, outputs), as one function.

    theta [size], float64: first weights and bias, circuit, last weights and bias. Source: QA3C (arXiv:2301.05096),
    section IV. tanh: after the first layer and after the circuit.
    """

    def __init__(self, circuit: Circuit, inputs: int, outputs: int, tanh: bool, dtype: type = np.float32) -> None:
        self.hidden, self.words = hidden_size(circuit), len(circuit.measured)
        self.inputs, self.outputs, self.tanh = inputs, outputs, tanh
        self.size = self.hidden * (inputs + 1) + circuit.n_weights + outputs * (self.words + 1)
        self._program = lower(circuit, expval=True)
        # Room for one observation at a time: to make it anew for each `acting` costs as much as a call.
        self._one: Floats = np.empty((1, 2 << self._program.sizes[0]), dtype)
        self._seen = np.empty((1, inputs))
        self._single = self._seen, tanh, np.empty((1, self.hidden)), np.empty((1, self.words)), self._one

    def acting(self, theta: Floats) -> Callable[[Floats], Floats]:
        """Observation [inputs] to outputs [outputs], with these parameters fixed."""
        seen, run = self._seen, (*self._program, self._checked(theta), *self._single)

        def outputs(observation: Floats) -> Floats:
            seen[0] = observation
            result = np.empty((1, self.outputs))
            dressed_forward(*run, result)
            return result[0]

        return outputs

    def outputs_vjp(self, theta: Floats, observation_t: Floats) -> tuple[Floats, Callable[[Floats], Floats]]:
        """Outputs [T, outputs] of observations [T, inputs], and their gradient's way back to theta [size]."""
        theta, samples = self._checked(theta), len(observation_t)
        observations = np.ascontiguousarray(observation_t, np.float64).reshape(samples, self.inputs)
        hidden, features = np.empty((samples, self.hidden)), np.empty((samples, self.words))
        states, result = np.empty((samples, self._one.shape[1]), self._one.dtype), np.empty((samples, self.outputs))
        run = *self._program, theta, observations, self.tanh, hidden, features, states
        dressed_forward(*run, result)

        def pullback(output_gradient_t: Floats) -> Floats:
            cotangent, gradient = np.ascontiguousarray(output_gradient_t, np.float64), np.empty(self.size)
            dressed_backward(*run, cotangent.reshape(samples, self.outputs), gradient)
            return gradient

        return result, pullback

    def _checked(self, theta: Floats) -> Floats:
        if theta.shape != (self.size,):
            raise ValueError(f"the dressed circuit takes {self.size} parameters, not {theta.shape}")
        return np.ascontiguousarray(theta, np.float64)


def compile_kernels(dtype: type = np.float32) -> None:
    """Compile the kernels of dressed circuits, or load them from disk if they have been."""
    circuit = Circuit(lambda angles, weights: None, 1, 2, ())
    outputs, pullback = DressedCircuit(circuit, 1, 1, False, dtype).outputs_vjp(np.zeros(4), np.zeros((1, 1)))
    pullback(outputs)
