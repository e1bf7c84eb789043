"""Quantum-Train: a circuit and a small mapping network that together generate a policy network's parameters."""

import math
from collections.abc import Sequence

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from hpcqrl.models import flat
from hpcqrl.quantum.circuits import quantum_train
from hpcqrl.quantum.qpu import Qpu, make_qpu


class QuantumTrainGenerator:
    """theta = (circuit angles phi, mapping beta) -> the k parameters of a network, M_beta(i_n, p_i), i < k.

    n = ceil(log2 k) qubits. The mapping's input for parameter i is basis state i as bits -1/+1, most significant first,
    and tanh(0.1 2^(n-1) p_i) less its mean over the k; its layers are affine, without activation; the k outputs have
    their mean subtracted. Source: Dist-QTRL, III.A-B and Table I; the details as in the authors' public QTRL notebook.
    """

    def __init__(
        self, k: int, layers: int, mapping: Sequence[int] = (10, 64, 10), qpu: str = "native", shots: int | None = None,
        seed: int = 0,
    ) -> None:  # fmt: skip
        self.k = k
        self.qubits = max(2, math.ceil(math.log2(k)))
        self.circuit = quantum_train(self.qubits, layers)
        self.qpu: Qpu = make_qpu(self.circuit, qpu, shots, seed)
        self.mapping_sizes = [self.qubits + 1, *mapping, 1]
        self.layout: dict[str, tuple[int, ...]] = {"circuit": self.circuit.weights}
        for number, (inputs, outputs) in enumerate(zip(self.mapping_sizes, self.mapping_sizes[1:], strict=False)):
            self.layout |= flat.linear(f"mapping.{number}", inputs, outputs)
        self.size = flat.size(self.layout)
        place = np.arange(self.qubits - 1, -1, -1)
        bits = np.arange(k)[:, None] >> place & 1
        self._bits = torch.from_numpy((2 * bits - 1).astype(np.float32))

    def initial(self, random: np.random.Generator) -> NDArray[np.float64]:
        """Starting parameters, flat [size]: angles uniform in (-pi, pi), layers as torch's."""
        parts = [random.uniform(-math.pi, math.pi, self.circuit.n_weights)]
        for inputs, outputs in zip(self.mapping_sizes, self.mapping_sizes[1:], strict=False):
            parts.append(flat.initial_linear(inputs, outputs, random))
        return np.concatenate(parts)

    def generate(self, theta: Tensor) -> Tensor:
        """The k network parameters, float32, differentiable in theta [size]."""
        part = flat.split(self.layout, theta)
        probability = self.qpu.probs(torch.zeros(1, 0), part["circuit"], self.k)[0]
        x = torch.tanh(0.1 * 2 ** (self.qubits - 1) * probability)
        weight, bias = self._mapping(part)
        generated = self._bits @ weight[:-1] + (x - x.mean()) * weight[-1] + bias
        return generated - generated.mean()

    def _mapping(self, part: dict[str, Tensor]) -> tuple[Tensor, Tensor]:
        """All layers as one: they are affine, so multiplying them first spares k passes through each of them."""
        weight, bias = part["mapping.0.weight"], part["mapping.0.bias"]
        for number in range(1, len(self.mapping_sizes) - 1):
            layer = part[f"mapping.{number}.weight"]
            weight, bias = layer @ weight, layer @ bias + part[f"mapping.{number}.bias"]
        return weight[0], bias
