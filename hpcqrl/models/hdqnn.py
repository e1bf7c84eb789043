"""All networks of hDQNN in TD3: the qtDNN, two critics, and the hybrid actor."""

import math
from collections.abc import Callable, Mapping

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from hpcqrl.models import flat
from hpcqrl.models.critic import Critic
from hpcqrl.models.exported import Exported
from hpcqrl.models.hybrid_actor import HybridActor
from hpcqrl.models.qtdnn import QtDnn
from hpcqrl.quantum.torch_circuit import torch_sample

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
            self.qtdnn = QtDnn(actor.n_angles, actor.qubits, qtdnn_hidden)
            self.layouts = {"qtdnn": self.qtdnn.layout} | self.layouts
        shapes: dict[str, flat.Shape] = {}
        for network, layout in self.layouts.items():
            shapes |= {f"{network}.{name}": shape for name, shape in layout.shapes.items()}
        self.layout = flat.Layout(shapes)
        self.size = self.layout.size  # of the flat vector

    def initial(self, random: np.random.Generator) -> Floats:
        """Starting parameters, flat [size], float32, each layer as torch.nn.Linear starts."""
        weights = [shape for shape in self.layout.shapes.values() if len(shape) == 2]
        layers = [flat.initial_linear(inputs, outputs, random) for outputs, inputs in weights]
        return np.concatenate(layers).astype(np.float32)

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

    def surrogate_error(self, part: dict[str, Parts], angles: Floats) -> float:
        """Mean |difference| of the qtDNN's probabilities of bits and the circuit's own, at angles [samples, angles].

        NaN for a block that has no qtDNN.
        """
        if self.actor.block != "pqc":
            return math.nan
        qtdnn = part["qtdnn"]
        with torch.no_grad():
            at = torch.from_numpy(angles).to(qtdnn["0.weight"].device)
            expected = self.qtdnn.expected_bits(qtdnn, at).cpu().numpy()
        return float(np.abs(expected - self.actor.exact_bits(angles)).mean())

    def acting(self, parameters: Floats) -> Callable[[Floats], Floats]:
        """Observation [inputs] to action [actions] with these parameters [size] fixed, the block itself inside."""
        act = self.actor.acting(self.actor_part(parameters))
        return lambda observation: act(observation)[0]

    def actor_part(self, parameters: Floats) -> Floats:
        """The actor's part of a flat vector [size]: it is the last."""
        return parameters[self.size - self.actor.size :]

    def torch_actions(self, low: Floats, high: Floats, shots: int | None) -> Callable[[Parts, Tensor], Tensor]:
        """Named parameters and observations [samples, inputs] to actions within low and high, in torch alone.

        shots: with the circuit inside, simulated and measured so often; None: with what stood in its place in training.
        """
        lowest, highest = (torch.tensor(bound, dtype=torch.float32) for bound in (low, high))
        sample = None if shots is None else torch_sample(self.actor.circuit, shots)

        def actions(part: Parts, observation: Tensor) -> Tensor:
            def bits_of(angles: Tensor) -> Tensor:
                if self.actor.block == "rbg":
                    return torch.randint(0, 2, (angles.shape[0], self.actor.qubits)).to(torch.float32)
                if sample is not None and shots is not None:
                    ones = sample(angles, angles.new_zeros(0)).sum(1)
                    return (2 * ones > shots).to(torch.float32)
                expected = self.qtdnn.expected_bits(_of("qtdnn", part), angles)
                return torch.bernoulli(expected) if self.sampled else expected

            action = self.actor.actions(_of("actor", part), observation, bits_of)
            return lowest + 0.5 * (action + 1.0) * (highest - lowest)

        return actions

    def exported(
        self, parameters: Mapping[str, Floats], low: Floats, high: Floats, shots: int | None
    ) -> tuple[Exported, int]:
        """`torch_actions` as a module, with the parameters that it needs, and the size of its observations."""
        self.layout.load(parameters)
        networks = ("actor.", "qtdnn.") if shots is None else ("actor.",)
        kept = {name: value for name, value in parameters.items() if name.startswith(networks)}
        return Exported(kept, self.torch_actions(low, high, shots)), kept["actor.pre.0.weight"].shape[1]


def _of(network: str, part: Parts) -> Parts:
    return {name.removeprefix(f"{network}."): value for name, value in part.items() if name.startswith(f"{network}.")}
