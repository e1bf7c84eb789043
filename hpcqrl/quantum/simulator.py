"""A circuit on the native kernels, NumPy in and NumPy out."""

import numpy as np
from numpy.typing import NDArray

from hpcqrl.quantum import kernels
from hpcqrl.quantum.circuit import Circuit
from hpcqrl.quantum.program import Program, lower

Floats = NDArray[np.floating]

_DOUBLE = np.dtype(np.float64)


class Simulator:
    """Exact simulation of a circuit: what is measured, samples, and vector-Jacobian products.

    angles [samples, circuit.n_angles] and weights (circuit.weights) in radians, any float; amplitudes, results
    and cotangents have `dtype`, gradients are float64.
    """

    def __init__(self, circuit: Circuit, expval: bool, dtype: type[np.floating] = np.float32) -> None:
        self.circuit = circuit
        self.dtype = np.dtype(dtype)
        if self.dtype not in (np.float32, np.float64):
            raise ValueError(f"the precision is float32 or float64, not {self.dtype}")
        self.program: Program = lower(circuit, expval)
        self._outcome = kernels.EXPVAL if expval else kernels.PROBS
        self._state_size = 2 << self.program.sizes[0]
        self._one_state = np.empty((1, self._state_size), self.dtype)

    def run(self, angles: Floats, weights: Floats, first: int | None = None) -> Floats:
        """Expectation values [samples, words], or the probabilities of the `first` basis states (all of them)."""
        inputs = self._inputs(angles, weights)
        result = np.empty((len(angles), self._results(first)), self.dtype)
        kernels.forward(*self.program, *inputs, self._one_state, self._outcome, result)
        return result

    def run_for_gradient(self, angles: Floats, weights: Floats, first: int | None = None) -> tuple[Floats, Floats]:
        """The same, and the states that `gradient` needs."""
        inputs = self._inputs(angles, weights)
        states = np.empty((len(angles), self._state_size), self.dtype)
        result = np.empty((len(angles), self._results(first)), self.dtype)
        kernels.forward(*self.program, *inputs, states, self._outcome, result)
        return result, states

    def gradient(self, angles: Floats, weights: Floats, states: Floats, cotangent: Floats) -> tuple[Floats, Floats]:
        """Gradients of sum(cotangent * result) in angles and in weights, float64."""
        inputs = self._inputs(angles, weights)
        results = len(angles), self._results(cotangent.shape[1])
        if states.shape != (len(angles), self._state_size) or cotangent.shape != results:
            raise ValueError(f"states {states.shape} and cotangent {cotangent.shape} are not of {results} results")
        angle_gradient = np.empty(angles.shape)
        weight_gradient = np.empty(weights.size)
        cotangent = np.ascontiguousarray(cotangent, self.dtype)
        kernels.backward(*self.program, *inputs, states, self._outcome, cotangent, angle_gradient, weight_gradient)
        return angle_gradient, weight_gradient.reshape(weights.shape)

    def sample(self, angles: Floats, weights: Floats, shots: int, random: np.random.Generator) -> NDArray[np.uint8]:
        """Measured bits [samples, shots, qubits], one measurement of all qubits a shot; not for expval=True."""
        bits = np.empty((angles.shape[0], shots, self.circuit.qubits), np.uint8)
        uniforms = np.empty((1, shots))
        nothing = np.empty((1, 0), self.dtype)
        angles, weights = self._inputs(angles, weights)
        if not (np.isfinite(angles).all() and np.isfinite(weights).all()):
            raise ValueError("a circuit whose angles or weights are not finite cannot be measured")
        for k in range(angles.shape[0]):
            random.random(out=uniforms)
            one = angles[k : k + 1]
            kernels.forward(*self.program, one, weights, self._one_state, kernels.STATE, nothing)
            kernels.sample(self._one_state, uniforms, np.argsort(uniforms), bits[k : k + 1])
        return bits

    def _inputs(self, angles: Floats, weights: Floats) -> tuple[Floats, Floats]:
        """Of one type, for which the kernels are compiled, and of the shapes that they rely on."""
        self.circuit.check(angles, weights)
        return _plain(angles), _plain(weights).reshape(-1)

    def _results(self, first: int | None) -> int:
        return len(self.circuit.measured) if self._outcome == kernels.EXPVAL else self.circuit.states(first)


def _plain(array: Floats) -> Floats:
    """As the kernels are compiled for: contiguous, float64, writeable."""
    if array.flags.carray and array.dtype == _DOUBLE:
        return array
    return np.require(array, _DOUBLE, ("C", "W"))


def compile_kernels(dtype: type[np.floating] = np.float32) -> None:
    """Compile the kernels, or load them from disk if they have been; seconds the first time, 0.3 s later."""
    circuit = Circuit(lambda angles, weights: None, 1, 0, ())
    angles, weights = np.zeros((1, 0)), np.zeros(0)
    for expval in (True, False):
        simulator = Simulator(circuit, expval, dtype)
        result, states = simulator.run_for_gradient(angles, weights)
        simulator.gradient(angles, weights, states, result)
    simulator.sample(angles, weights, 1, np.random.default_rng(0))
