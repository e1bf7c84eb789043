"""hDQNN's actor: a classical network, a sampled circuit with classical links around it, a classical network."""

from collections.abc import Callable
from typing import Literal

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.nn.functional import leaky_relu, linear

from hpcqrl.models import flat
from hpcqrl.quantum.circuit import Circuit
from hpcqrl.quantum.devices import NATIVE, Backend, make_device

Floats = NDArray[np.floating]
Parts = dict[str, Tensor]
Block = Literal["pqc", "fc", "rbg", "zeros"]

_NO_WEIGHTS = np.zeros(0)
_SLOPE = 0.01  # of the leaky ReLU below zero, torch's


class HybridActor:
    """x -> PreDNN -> angles and links; angles -> block -> bits; (bits, links) -> PostDNN -> tanh -> action in (-1, 1).

    block: "pqc" measures the circuit with these angles, `shots` times, and takes each qubit's more frequent bit (0 for
    a tie); "fc" is a linear map; "rbg" fair random bits; "zeros" zeros. Source: hDQNN (arXiv:2503.09119),
    Figure 2 and Table 1: PreDNN [376, 256, 230], PostDNN [20, 256, 17] for 220 angles, 10 bits and 10 links.
    """

    def __init__(
        self, inputs: int, actions: int, circuit: Circuit, block: Block = "pqc", links: int = 10, hidden: int = 256,
        qpu: str | Backend = NATIVE, shots: int = 1, seed: int = 0, latency: float = 0.0, jitter: float = 0.0,
    ) -> None:  # fmt: skip
        if circuit.n_weights or not circuit.n_angles or not circuit.measures_every_qubit:
            raise ValueError(
                "the hybrid actor takes a circuit with angles, without weights, and measures the bit of every qubit; "
                f"this has {circuit.n_angles} angles and {circuit.n_weights} weights, and measures "
                f"{', '.join(circuit.measured)}"
            )
        self.block, self.qubits, self.n_angles, self.shots = block, circuit.qubits, circuit.n_angles, shots
        self.circuit, qubits = circuit, circuit.qubits
        if block == "pqc":
            self.device = make_device(circuit, qpu, shots, seed, latency, jitter)
            self._exact = make_device(circuit)
        # Of block "rbg", and of the bits drawn in the circuit's place; the device draws from the seed itself.
        self.random = np.random.default_rng(np.random.SeedSequence(seed, spawn_key=(1,)))
        self.generators = {"actor": self.random}
        if block == "pqc" and self.device.random is not None:
            self.generators["qpu"] = self.device.random
        shapes = flat.linear("pre.0", inputs, hidden) | flat.linear("pre.1", hidden, self.n_angles + links)
        if block == "fc":
            shapes |= flat.linear("block", self.n_angles, qubits)
        shapes |= flat.linear("post.0", qubits + links, hidden) | flat.linear("post.1", hidden, actions)
        self.layout = flat.Layout(shapes)
        self.size = self.layout.size

    def acting(self, parameters: Floats) -> Callable[[Floats], tuple[Floats, Floats, Floats]]:
        """Observation [inputs] to action [actions], angles [n_angles] and bits [qubits]: the block itself, float32.

        The parameters are not copied: what changes them changes how the function acts.
        """
        part = self.layout.split(parameters)

        def act(observation: Floats) -> tuple[Floats, Floats, Floats]:
            pre = part["pre.1.weight"] @ _leaky(part["pre.0.weight"] @ observation + part["pre.0.bias"])
            pre += part["pre.1.bias"]
            angles, links = pre[: self.n_angles], pre[self.n_angles :]
            if self.block == "pqc":
                bits = self.measured(angles[None])[0]
            elif self.block == "fc":
                bits = part["block.weight"] @ angles + part["block.bias"]
            elif self.block == "rbg":
                bits = self.random_bits(1)[0]
            else:
                bits = np.zeros(self.qubits, np.float32)
            post = _leaky(part["post.0.weight"] @ np.concatenate([bits, links]) + part["post.0.bias"])
            return np.tanh(part["post.1.weight"] @ post + part["post.1.bias"]), angles, bits

        return act

    def measured(self, angles: Floats) -> Floats:
        """Bits [samples, qubits] of the circuit with these angles [samples, n_angles], as float32."""
        bits = self.device.sample(angles, _NO_WEIGHTS, self.shots)
        return (2 * bits.sum(axis=1, dtype=np.int64) > self.shots).astype(np.float32)

    def exact_bits(self, angles: Floats) -> Floats:
        """What `measured` gives on average, [samples, qubits], exactly: what the qtDNN is to learn."""
        marginals = 0.5 - 0.5 * self._exact.expval(angles, _NO_WEIGHTS)
        if self.shots == 1:
            return marginals
        from scipy.stats import binom

        return binom.sf(self.shots // 2, self.shots, marginals.clip(0.0, 1.0))  # rounding may leave it

    def actions(self, part: Parts, observation: Tensor, bits_of: Callable[[Tensor], Tensor]) -> Tensor:
        """Actions [samples, actions] of observations [samples, inputs], differentiable in the parts of the parameters.

        bits_of: from angles [samples, n_angles] to what stands in the place of a circuit's or random bits, [samples,
        qubits]: to train the actor, the qtDNN's expectations.
        """
        pre = linear(observation, part["pre.0.weight"], part["pre.0.bias"])
        pre = linear(leaky_relu(pre, _SLOPE), part["pre.1.weight"], part["pre.1.bias"])
        angles, links = pre[:, : self.n_angles], pre[:, self.n_angles :]
        if self.block == "fc":
            bits = linear(angles, part["block.weight"], part["block.bias"])
        elif self.block == "zeros":
            bits = angles.new_zeros((angles.shape[0], self.qubits))
        else:
            bits = bits_of(angles)
        post = linear(torch.cat([bits, links], 1), part["post.0.weight"], part["post.0.bias"])
        return torch.tanh(linear(leaky_relu(post, _SLOPE), part["post.1.weight"], part["post.1.bias"]))

    def random_bits(self, samples: int) -> Floats:
        """Fair bits [samples, qubits], as float32."""
        return self.random.integers(0, 2, (samples, self.qubits)).astype(np.float32)


def _leaky(values: Floats) -> Floats:
    return np.maximum(values, np.float32(_SLOPE) * values)
