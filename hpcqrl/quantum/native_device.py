"""A circuit on the native kernels, those of processors or those of GPUs."""

from typing import Any

import numpy as np
from numpy.typing import NDArray

from hpcqrl.quantum.bits import frequencies, word_mean
from hpcqrl.quantum.circuit import Circuit
from hpcqrl.quantum.cost import Cost
from hpcqrl.quantum.device import Floats, Pullback
from hpcqrl.quantum.simulator import Simulator
from hpcqrl.quantum.words import measured_together


class NativeDevice:
    """The native kernels.

    With shots, values are estimated from measured bits (words that no one measurement gives, from as many shots each),
    while gradients stay exact: they are what the parameter-shift
    estimator of a real device gives on average, without its noise. (A PennyLane device has that noise too.) on_gpu:
    raises ValueError without a GPU, or where the circuit is too large for it.
    """

    def __init__(
        self,
        circuit: Circuit,
        shots: int | None = None,
        seed: int = 0,
        dtype: Any = np.float32,
        on_gpu: bool = False,
    ) -> None:
        self.circuit, self.shots, self.dtype, self.on_gpu = circuit, shots, dtype, on_gpu
        self.random: np.random.Generator | None = np.random.default_rng(seed)
        self.cost = Cost()  # counted where bits are drawn
        self._simulators: dict[bool, Any] = {}
        self._turned: list[tuple[Any, list[int]]] | None = None
        if on_gpu:
            self.simulator(True)  # at once, so that what is wrong with the GPU is said at the start

    def simulator(self, expval: bool) -> Any:
        """The circuit's simulator, for expectation values or for probabilities and samples."""
        if expval not in self._simulators:
            self._simulators[expval] = self._simulator_of(self.circuit, expval)
        return self._simulators[expval]

    def _simulator_of(self, circuit: Circuit, expval: bool) -> Any:
        if not self.on_gpu:
            return Simulator(circuit, expval, self.dtype)
        from hpcqrl.quantum.card import card

        card()  # says what is wrong before Numba does
        from hpcqrl.quantum.gpu_simulator import GpuSimulator

        return GpuSimulator(circuit, expval, self.dtype)

    def _bases(self) -> list[tuple[Any, list[int]]]:
        """Of each group of words that are measured together, a simulator that measures them, and their numbers."""
        if self._turned is None:
            self._turned = []
            for letters, numbers in measured_together(self.circuit.words):
                turned = self.circuit.turned(letters)
                own = turned is self.circuit
                self._turned.append((self.simulator(False) if own else self._simulator_of(turned, False), numbers))
        return self._turned

    def expval(self, angles: Floats, weights: Floats) -> Floats:
        if self.shots is None:
            return self.simulator(True).run(angles, weights)
        values = np.empty((len(angles), len(self.circuit.words)), self.dtype)
        assert self.random is not None
        for simulator, numbers in self._bases():
            self.cost.add(len(angles), self.shots, 0.0)
            bits = simulator.sample(angles, weights, self.shots, self.random)
            for number in numbers:
                values[:, number] = word_mean(bits, self.circuit.words[number])
        return values

    def probs(self, angles: Floats, weights: Floats, first: int | None = None) -> Floats:
        if self.shots is None:
            return self.simulator(False).run(angles, weights, first)
        first = self.circuit.states(first)
        return frequencies(self.sample(angles, weights, self.shots), first).astype(self.dtype)

    def sample(self, angles: Floats, weights: Floats, shots: int) -> NDArray[np.uint8]:
        assert self.random is not None
        self.cost.add(len(angles), shots, 0.0)
        return self.simulator(False).sample(angles, weights, shots, self.random)

    def expval_vjp(self, angles: Floats, weights: Floats) -> tuple[Floats, Pullback]:
        angles, weights = angles.copy(), weights.copy()  # the caller may change them before the pullback
        exact, states = self.simulator(True).run_for_gradient(angles, weights)
        value = exact if self.shots is None else self.expval(angles, weights)
        return value, lambda cotangent: self.simulator(True).gradient(angles, weights, states, cotangent)

    def probs_vjp(self, angles: Floats, weights: Floats, first: int | None = None) -> tuple[Floats, Pullback]:
        angles, weights = angles.copy(), weights.copy()
        exact, states = self.simulator(False).run_for_gradient(angles, weights, first)
        value = exact if self.shots is None else self.probs(angles, weights, first)
        return value, lambda cotangent: self.simulator(False).gradient(angles, weights, states, cotangent)
