"""All networks of hDQNN in TD3: the qtDNN, two critics, and the hybrid actor."""

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from hpcqrl.models import flat
from hpcqrl.models.critic import Critic
from hpcqrl.models.hybrid_actor import HybridActor
from hpcqrl.models.qtdnn import QtDnn

Floats = NDArray[np.floating]
Parts = dict[str, Tensor]


class Networks:
    """qtDNN (for block "pqc"), critic_1, critic_2 and actor, one after the other in one flat vector.

    So whichever an update moves, and those that have targets (all but the qtDNN), are each one piece of the vector.
    sampled: in the circuit's place stand bits drawn with the qtDNN's probabilities, with the gradient of these, not the
        probabilities themselves.
    """

    def __init__(self, actor: HybridActor, critic: Critic, qtdnn_hidden: int, sampled: bool = False) -> None:
        self.actor, self.critic, self.sampled = actor, critic, sampled
        self.layouts = {"critic_1": critic.layout, "critic_2": critic.layout, "actor": actor.layout}
        if actor.block == "pqc":
            self.circuit = actor.circuit
            self.qtdnn = QtDnn(actor.n_angles, actor.qubits, qtdnn_hidden)
            self.layouts = {"qtdnn": self.qtdnn.layout} | self.layouts
        shapes: dict[str, flat.Shape] = {}
        self.place: dict[str, slice] = {}
        self.size = 0  # of the flat vector
        for network, layout in self.layouts.items():
            shapes |= {f"{network}.{name}": shape for name, shape in layout.shapes.items()}
            self.place[network] = slice(self.size, self.size + layout.size)
            self.size += layout.size
        self.layout = flat.Layout(shapes)

    def initial(self, random: np.random.Generator) -> Floats:
        """Starting parameters, flat [size], float32, each layer as torch.nn.Linear starts."""
        weights = [shape for shape in self.layout.shapes.values() if len(shape) == 2]
        layers = [flat.initial_linear(inputs, outputs, random) for outputs, inputs in weights]
        return np.concatenate(layers).astype(np.float32)

    def split(self, vector: Tensor) -> dict[str, Parts]:
        """The parts of each network, as views of a flat vector [size]."""
        return {name: layout.split(vector[self.place[name]]) for name, layout in self.layouts.items()}

    def actions(self, actor: Parts, part: dict[str, Parts], observation: Tensor) -> Tensor:
        """An actor's actions [samples, actions], with the qtDNN among `part` in the circuit's place."""

        def bits_of(angles: Tensor) -> Tensor:
            if self.actor.block == "rbg":
                return torch.from_numpy(self.actor.random_bits(len(angles))).to(angles.device)
            expected = self.qtdnn.expected_bits(part["qtdnn"], angles)
            if not self.sampled:
                return expected
            uniform = self.actor.random.random(expected.shape, np.float32)
            bits = (torch.from_numpy(uniform).to(angles.device) < expected).to(torch.float32)
            return bits + expected - expected.detach()

        return self.actor.actions(actor, observation, bits_of)

    def smaller_value(self, part: dict[str, Parts], observation: Tensor, action: Tensor) -> Tensor:
        """The smaller of both critics' values, [samples]. Source: TD3, Algorithm 1."""
        return torch.minimum(*(self.critic.value(part[name], observation, action) for name in ("critic_1", "critic_2")))
