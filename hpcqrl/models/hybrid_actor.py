"""hDQNN's actor: a classical network, a sampled circuit with classical links around it, a classical network."""

from collections.abc import Callable
from typing import Literal

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.nn.functional import leaky_relu, linear

from hpcqrl.models import flat
from hpcqrl.models.exact_bits import ExactBits
from hpcqrl.models.products import last_linear
from hpcqrl.quantum.circuit import Circuit
from hpcqrl.quantum.devices import NATIVE, NATIVE_GPU, Backend, make_device

Floats = NDArray[np.floating]
Parts = dict[str, Tensor]
Block = Literal["pqc", "fc", "rbg", "zeros"]
Measure = Literal["bits", "marginals"]

_NO_WEIGHTS = np.zeros(0)
_SLOPE = 0.01  # of the leaky ReLU below zero, torch's


class HybridActor:
    """x -> PreDNN -> angles and links; angles -> block -> bits; (bits, links) -> PostDNN -> tanh -> action in (-1, 1).

    block: "pqc" measures the circuit with these angles, `shots` times, and takes each qubit's more frequent bit (0 for
    a tie), or, if `measure` says marginals, the mean of its bits; "fc" is a linear map; "rbg" fair random bits; "zeros"
    zeros. angle_scale: of what PreDNN's last weights, not its bias, give as angles, which so stay near a point.
    Source: hDQNN (arXiv:2503.09119), Figure 2 and Table 1: PreDNN [376, 256, 230], PostDNN [20, 256, 17] for 220
    angles, 10 bits and 10 links.
    """

    def __init__(
        self, inputs: int, actions: int, circuit: Circuit, block: Block = "pqc", links: int = 10, hidden: int = 256,
        qpu: str | Backend = NATIVE, shots: int = 1, seed: int = 0,
        measure: Measure = "bits", angle_scale: float = 1.0,
    ) -> None:  # fmt: skip
        if circuit.n_weights or not circuit.n_angles or not circuit.measures_every_qubit:
            raise ValueError(
                "the hybrid actor takes a circuit with angles, without weights, and measures the bit of every qubit; "
                f"this has {circuit.n_angles} angles and {circuit.n_weights} weights, and measures "
                f"{', '.join(circuit.measured)}"
            )
        self.block, self.qubits, self.n_angles, self.shots = block, circuit.qubits, circuit.n_angles, shots
        self.circuit, self.measure, self.angle_scale, qubits = circuit, measure, angle_scale, circuit.qubits
        if block == "pqc":
            self.device = make_device(circuit, qpu, shots, seed)
            on_gpu = (qpu if isinstance(qpu, str) else qpu.name) == NATIVE_GPU
            self.exact = ExactBits(circuit, shots, measure == "marginals", on_gpu)
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
            if self.angle_scale != 1.0:
                pre[: self.n_angles] *= np.float32(self.angle_scale)
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
        """What is measured of the circuit with these angles [samples, n_angles]: [samples, qubits], float32."""
        bits = self.device.sample(angles, _NO_WEIGHTS, self.shots)
        ones = bits.sum(axis=1, dtype=np.int64)
        return (ones / self.shots if self.measure == "marginals" else 2 * ones > self.shots).astype(np.float32)

    def drawn(self, expected: Tensor) -> Tensor:
        """The same drawn with the probabilities that a network in the circuit's place gives, [samples, qubits]."""
        if self.measure == "marginals":
            chances = expected.detach().cpu().double().clamp(0.0, 1.0).numpy()
            means = self.random.binomial(self.shots, chances) / self.shots
            return torch.from_numpy(means.astype(np.float32)).to(expected.device)
        uniform = self.random.random(expected.shape, np.float32)
        return (torch.from_numpy(uniform).to(expected.device) < expected).to(torch.float32)

    def actions(self, part: Parts, observation: Tensor, bits_of: Callable[[Tensor], Tensor]) -> Tensor:
        """Actions [samples, actions] of observations [samples, inputs], differentiable in the parts of the parameters.

        bits_of: from angles [samples, n_angles] to what stands in the place of a circuit's or random bits, [samples,
        qubits]: to train the actor, the qtDNN's expectations.
        """
        angles, links = self.angles_and_links(part, observation)
        if self.block == "fc":
            bits = linear(angles, part["block.weight"], part["block.bias"])
        elif self.block == "zeros":
            bits = angles.new_zeros((angles.shape[0], self.qubits))
        else:
            bits = bits_of(angles)
        post = linear(torch.cat([bits, links], 1), part["post.0.weight"], part["post.0.bias"])
        return torch.tanh(last_linear(leaky_relu(post, _SLOPE), part["post.1.weight"], part["post.1.bias"]))

    def angles_and_links(self, part: Parts, observation: Tensor) -> tuple[Tensor, Tensor]:
        """What PreDNN makes of observations [samples, inputs]: [samples, n_angles] and [samples, links]."""
        hidden = leaky_relu(linear(observation, part["pre.0.weight"], part["pre.0.bias"]), _SLOPE)
        weight, bias = part["pre.1.weight"], part["pre.1.bias"]
        if self.angle_scale != 1.0:
            weight = torch.cat([self.angle_scale * weight[: self.n_angles], weight[self.n_angles :]])
        pre = last_linear(hidden, weight, bias)
        return pre[:, : self.n_angles], pre[:, self.n_angles :]

    def random_bits(self, samples: int) -> Floats:
        """Fair bits [samples, qubits], as float32."""
        return self.random.integers(0, 2, (samples, self.qubits)).astype(np.float32)


def _leaky(values: Floats) -> Floats:
    return np.maximum(values, np.float32(_SLOPE) * values)
