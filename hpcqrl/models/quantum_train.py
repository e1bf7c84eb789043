"""Quantum-Train: a circuit and a small mapping network that together generate a policy network's parameters."""

import math
from collections.abc import Callable, Sequence
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from hpcqrl.models import flat
from hpcqrl.models.policy import Policy
from hpcqrl.quantum.circuit import Circuit
from hpcqrl.quantum.devices import NATIVE, Backend, make_device

Floats = NDArray[np.floating]

_NO_ANGLES = np.zeros((1, 0))


def qubits_for(k: int) -> int:
    """How many qubits have a basis state for each of k parameters; at least 2."""
    return max(2, math.ceil(math.log2(k)))


class QuantumTrainGenerator:
    """theta = (circuit angles phi, mapping beta) -> the k parameters of a network, M_beta(i_n, p_i), i < k.

    n = ceil(log2 k) qubits. The mapping's input for parameter i is basis state i as bits -1/+1, most significant first,
    and tanh(0.1 2^(n-1) p_i) less its mean over the k; its layers are affine, without activation; the k outputs have
    their mean subtracted. Source: Dist-QTRL, III.A-B and Table I; the details as in the authors' public QTRL notebook.
    """

    def __init__(
        self, k: int, circuit: Circuit, spread: float = 0.05, mapping: Sequence[int] = (10, 64, 10),
        qpu: str | Backend = NATIVE, shots: int | None = None, seed: int = 0,
    ) -> None:  # fmt: skip
        self.k, self.spread, self.qubits, self.circuit = k, spread, qubits_for(k), circuit
        if (circuit.qubits, circuit.n_angles) != (self.qubits, 0) or not circuit.measures_every_qubit:
            raise ValueError(
                f"to generate {k} parameters takes a circuit of {self.qubits} qubits without angles, whose "
                f"probabilities are read; this one has {circuit.qubits} qubits and {circuit.n_angles} angles, and "
                f"measures {', '.join(circuit.measured)}"
            )
        self.device = make_device(circuit, qpu, shots, seed)
        self._scale = 0.1 * 2.0 ** (self.qubits - 1)
        self.mapping_sizes = [self.qubits + 1, *mapping, 1]
        shapes = {"circuit": circuit.weights or (0,)}
        for number, (inputs, outputs) in enumerate(self._layers()):
            shapes |= flat.linear(f"mapping.{number}", inputs, outputs)
        self.layout = flat.Layout(shapes)
        self.size = self.layout.size
        place = np.arange(self.qubits - 1, -1, -1)
        self._bits = 2.0 * (np.arange(k)[:, None] >> place & 1) - 1.0

    def _layers(self) -> list[tuple[int, int]]:
        return list(zip(self.mapping_sizes, self.mapping_sizes[1:], strict=False))

    def initial(self, random: np.random.Generator) -> Floats:
        """Starting parameters, flat [size]: angles uniform in (-pi, pi), layers as torch's.

        But the last layer is scaled so that the generated parameters have the standard deviation `spread`. Otherwise it
        is up to three times that of a network's usual start, the more of it the fewer actions are ever tried: one
        start in five with 13 layers never moved.
        """
        parts = [random.uniform(-math.pi, math.pi, self.circuit.n_weights)]
        for inputs, outputs in self._layers():
            parts.append(flat.initial_linear(inputs, outputs, random))
        theta = np.concatenate(parts)
        part = self.layout.split(theta)
        exact = make_device(self.circuit).probs(_NO_ANGLES, part["circuit"], self.k)[0]  # the same on every rank
        last = theta[-self.mapping_sizes[-2] - 1 :]
        last *= self.spread / self._generated(part, self._encoded(exact)[1]).std()
        return theta

    def generate(self, theta: Floats) -> tuple[Floats, Callable[[Floats], Floats]]:
        """The k network parameters, float64, and eq. 4 as a function: from a gradient in them [k] to that in theta."""
        part = self.layout.split(theta)
        probability, circuit_pullback = self.device.probs_vjp(_NO_ANGLES, part["circuit"], self.k)
        x, centred = self._encoded(probability[0])
        weight, _ = self._mapping_before(part, len(self._layers()))

        def pullback(gradient: Floats) -> Floats:
            gradient = gradient - gradient.mean()
            x_gradient = weight[0, -1] * gradient
            probability_gradient = self._scale * (1.0 - x * x) * (x_gradient - x_gradient.mean())
            _, circuit_gradient = circuit_pullback(probability_gradient[None])
            weight_gradient = np.append(gradient @ self._bits, gradient @ centred)[None]
            mapping = self._mapping_gradients(part, weight_gradient, gradient.sum())
            return self.layout.join({"circuit": circuit_gradient} | mapping)

        return self._generated(part, centred), pullback

    def _encoded(self, probability: Floats) -> tuple[Floats, Floats]:
        """The mapping's input from the probabilities [k], and the same less its mean."""
        x = np.tanh(self._scale * probability.astype(np.float64))
        return x, x - x.mean()

    def _generated(self, part: dict[str, Floats], centred: Floats) -> Floats:
        weight, bias = self._mapping_before(part, len(self._layers()))
        generated: Floats = self._bits @ weight[0, :-1] + centred * weight[0, -1] + bias
        return generated - generated.mean()

    def _mapping_before(self, part: dict[str, Floats], number: int) -> tuple[Floats, Floats]:
        """Layers 0..number-1 as one: they are affine, so to multiply them first spares k passes through each."""
        weight, bias = np.eye(self.mapping_sizes[0]), np.zeros(self.mapping_sizes[0])
        for layer in range(number):
            matrix = part[f"mapping.{layer}.weight"]
            weight, bias = matrix @ weight, matrix @ bias + part[f"mapping.{layer}.bias"]
        return weight, bias

    def _mapping_gradients(
        self, part: dict[str, Floats], weight_gradient: Floats, bias_gradient: float
    ) -> dict[str, Floats]:
        """From the gradients in all layers as one, [1, n+1] and a number, to those in each layer."""
        gradients: dict[str, Floats] = {}
        later = np.ones((1, 1))
        for layer in reversed(range(len(self._layers()))):
            weight, bias = self._mapping_before(part, layer)
            inner = weight_gradient @ weight.T + bias_gradient * bias
            gradients[f"mapping.{layer}.weight"] = later.T @ inner
            gradients[f"mapping.{layer}.bias"] = bias_gradient * later[0]
            later = later @ part[f"mapping.{layer}.weight"]
        return gradients


class GeneratedPolicy(NamedTuple):
    """The policy, and what generates its parameters: circuit and mapping, or, trained directly, the policy itself."""

    policy: Policy
    generator: QuantumTrainGenerator | Policy

    @property
    def layout(self) -> flat.Layout:
        """What is trained: the generator's parameters."""
        return self.generator.layout

    @property
    def size(self) -> int:
        """Their number [Table I]."""
        return self.generator.size

    @property
    def generators(self) -> dict[str, np.random.Generator]:
        """The random numbers of the QPU's measurements, where this process draws them."""
        device = self.generator.device if isinstance(self.generator, QuantumTrainGenerator) else None
        return {"qpu": device.random} if device and device.random is not None else {}
