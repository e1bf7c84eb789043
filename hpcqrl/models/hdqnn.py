"""All networks of hDQNN in TD3: the qtDNN, two critics, and the hybrid actor."""

import math
from collections.abc import Callable, Mapping
from typing import Literal

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
Surrogate = Literal["sampled", "expected", "exact"]


class Networks:
    """qtDNN (for block "pqc" with a surrogate), critic_1, critic_2 and actor, one after the other in one flat vector.

    So whichever an update moves, and those that have targets (all but the qtDNN), are each one piece of the vector.
    surrogate: when the actor is trained, the circuit's place is taken by what is drawn with the qtDNN's probabilities
        and has their gradient ("sampled"), or by these themselves ("expected"); or by the circuit, measured, with its
        own gradient, that of what is measured on average ("exact"): then there is no qtDNN.
    """

    def __init__(
        self, actor: HybridActor, critic: Critic, qtdnn_hidden: int, surrogate: Surrogate = "expected"
    ) -> None:
        self.actor, self.critic, self.surrogate = actor, critic, surrogate
        self.layouts = {"critic_1": critic.layout, "critic_2": critic.layout, "actor": actor.layout}
        self.has_qtdnn = actor.block == "pqc" and surrogate != "exact"
        if self.has_qtdnn:
            self.qtdnn = QtDnn(actor.n_angles, actor.qubits, qtdnn_hidden)
            self.layouts = {"qtdnn": self.qtdnn.layout} | self.layouts
        shapes: dict[str, flat.Shape] = {}
        for network, layout in self.layouts.items():
            shapes |= {f"{network}.{name}": shape for name, shape in layout.shapes.items()}
        self.layout = flat.Layout(shapes)
        self.size = self.layout.size  # of the flat vector

    def initial(self, random: np.random.Generator) -> Floats:
        """Starting parameters, flat [size], float32, each layer as torch.nn.Linear starts; but where angles are scaled,
        so that they stay near a point, this is a point anywhere: around 0 a circuit of rotations has hardly a slope.
        """
        weights = [shape for shape in self.layout.shapes.values() if len(shape) == 2]
        layers = [flat.initial_linear(inputs, outputs, random) for outputs, inputs in weights]
        theta = np.concatenate(layers).astype(np.float32)
        if self.actor.angle_scale != 1.0:
            bias = self.layout.split(theta)["actor.pre.1.bias"]
            bias[: self.actor.n_angles] = random.uniform(-math.pi, math.pi, self.actor.n_angles)
        return theta

    def actions(self, actor: Parts, part: dict[str, Parts], observation: Tensor) -> Tensor:
        """An actor's actions [samples, actions], with what trains it in the circuit's place, the qtDNN among `part`."""

        def bits_of(angles: Tensor) -> Tensor:
            if self.actor.block == "rbg":
                return torch.from_numpy(self.actor.random_bits(len(angles))).to(angles.device)
            if self.has_qtdnn:
                expected = self.qtdnn.expected_bits(part["qtdnn"], angles)
                if self.surrogate == "expected":
                    return expected
                return self.actor.drawn(expected) + expected - expected.detach()
            measured = torch.from_numpy(self.actor.measured(angles.detach().cpu().numpy())).to(angles.device)
            if not angles.requires_grad:
                return measured
            expected = self.actor.exact.expected(angles)
            return measured + (expected - expected.detach())

        return self.actor.actions(actor, observation, bits_of)

    def smaller_value(self, part: dict[str, Parts], observation: Tensor, action: Tensor) -> Tensor:
        """The smaller of both critics' values, [samples]. Source: TD3, Algorithm 1."""
        return torch.minimum(*(self.critic.value(part[name], observation, action) for name in ("critic_1", "critic_2")))

    def acting(self, parameters: Floats) -> Callable[[Floats], Floats]:
        """Observation [inputs] to action [actions] with these parameters [size] fixed, the block itself inside."""
        act = self.actor.acting(self.actor_part(parameters))
        return lambda observation: act(observation)[0]

    def actor_part(self, parameters: flat.Vector) -> flat.Vector:
        """The actor's part of a flat vector [size], NumPy's or torch's: it is the last."""
        return parameters[self.size - self.actor.size :]

    def torch_actions(self, low: Floats, high: Floats, shots: int | None) -> Callable[[Parts, Tensor], Tensor]:
        """Named parameters and observations [samples, inputs] to actions within low and high, in torch alone.

        shots: with the circuit inside, simulated and measured so often; None: with what stood in its place in training.
        """
        lowest, highest = (torch.tensor(bound, dtype=torch.float32) for bound in (low, high))
        sample = None if shots is None else torch_sample(self.actor.circuit, shots)
        marginals = self.actor.measure == "marginals"

        def actions(part: Parts, observation: Tensor) -> Tensor:
            def bits_of(angles: Tensor) -> Tensor:
                if self.actor.block == "rbg":
                    return torch.randint(0, 2, (angles.shape[0], self.actor.qubits)).to(torch.float32)
                if sample is not None and shots is not None:
                    ones = sample(angles, angles.new_zeros(0)).sum(1)
                    return ones / shots if marginals else (2 * ones > shots).to(torch.float32)
                expected = self.qtdnn.expected_bits(_of("qtdnn", part), angles)
                if self.surrogate == "expected":
                    return expected
                if marginals:
                    return torch.binomial(torch.full_like(expected, self.actor.shots), expected) / self.actor.shots
                return torch.bernoulli(expected)

            action = self.actor.actions(_of("actor", part), observation, bits_of)
            return lowest + 0.5 * (action + 1.0) * (highest - lowest)

        return actions

    def exported(
        self, parameters: Mapping[str, Floats], low: Floats, high: Floats, circuit: bool
    ) -> tuple[Exported, int]:
        """`torch_actions` as a module, with the parameters that it needs, and the size of its observations.

        circuit: with the circuit inside, as always where nothing has stood in its place in training.
        """
        self.layout.load(parameters)
        shots = self.actor.shots if circuit or (self.actor.block == "pqc" and not self.has_qtdnn) else None
        networks = ("actor.", "qtdnn.") if shots is None else ("actor.",)
        kept = {name: value for name, value in parameters.items() if name.startswith(networks)}
        return Exported(kept, self.torch_actions(low, high, shots)), kept["actor.pre.0.weight"].shape[1]


def _of(network: str, part: Parts) -> Parts:
    return {name.removeprefix(f"{network}."): value for name, value in part.items() if name.startswith(f"{network}.")}
