"""Several circuits in the place of one: an architecture that is found while it is trained.

What is measured is the sum of what the candidates give, each times a weight of its own, trained with all others.
Source: differentiable quantum architecture search in asynchronous quantum reinforcement learning (arXiv:2407.18202).
"""

from collections.abc import Sequence
from dataclasses import astuple, dataclass

import numpy as np

from hpcqrl.quantum.circuit import Circuit
from hpcqrl.quantum.cost import Cost
from hpcqrl.quantum.device import Device, Floats, Pullback


@dataclass(frozen=True)
class Mixture:
    """Candidates, by name, that take the same angles and measure as many words.

    Its weights are one flat vector: the candidates' shares, then each candidate's own. Raises ValueError for
    candidates that do not fit together.
    """

    names: tuple[str, ...]
    circuits: tuple[Circuit, ...]

    def __post_init__(self) -> None:
        if len(self.circuits) < 2 or len(set(self.names)) < len(self.circuits):
            raise ValueError(f"circuits are two or more candidates, each another, not {', '.join(self.names)}")
        first = self.circuits[0]
        for name, circuit in zip(self.names, self.circuits, strict=True):
            for what, one, other in (
                ("angles", first.n_angles, circuit.n_angles),
                ("words measured", len(first.measured), len(circuit.measured)),
            ):
                if one != other:
                    raise ValueError(
                        f"candidates must be alike in their {what}: {self.names[0]} has {one}, {name} has {other}"
                    )

    @property
    def qubits(self) -> int:
        return max(circuit.qubits for circuit in self.circuits)

    @property
    def n_angles(self) -> int:
        return self.circuits[0].n_angles

    @property
    def n_weights(self) -> int:
        return len(self.circuits) + sum(circuit.n_weights for circuit in self.circuits)

    @property
    def weights(self) -> tuple[int, ...]:
        return (self.n_weights,)

    @property
    def measured(self) -> Sequence[str]:
        return self.circuits[0].measured

    def parts(self, weights: Floats) -> tuple[Floats, list[Floats]]:
        """The shares, [candidates], and each candidate's own weights, of a flat vector."""
        ends = np.cumsum([len(self.circuits), *(circuit.n_weights for circuit in self.circuits)])
        shares, *own = np.split(weights, ends[:-1])
        shapes = (circuit.weights or (0,) for circuit in self.circuits)
        return shares, [each.reshape(shape) for each, shape in zip(own, shapes, strict=True)]

    def started(self, weights: Floats) -> Floats:
        """The same weights with equal shares."""
        weights = weights.copy()
        weights[: len(self.circuits)] = 1.0 / len(self.circuits)
        return weights


class MixedDevice:
    """Every candidate on a device of its own: `expval` and its pullback; angles and weights as the Mixture has them."""

    def __init__(self, mixture: Mixture, devices: Sequence[Device]) -> None:
        self.mixture, self._devices = mixture, devices
        self.generators = {
            f"qpu.{name}": device.random
            for name, device in zip(mixture.names, devices, strict=True)
            if device.random is not None
        }

    @property
    def cost(self) -> Cost:
        """That of all of them."""
        costs = [astuple(device.cost) for device in self._devices]
        return Cost(*map(sum, zip(*costs, strict=True)))

    def expval(self, angles: Floats, weights: Floats) -> Floats:
        shares, own = self.mixture.parts(weights)
        found = (device.expval(angles, each) for device, each in zip(self._devices, own, strict=True))
        return np.sum([share * values for share, values in zip(shares, found, strict=True)], axis=0)

    def expval_vjp(self, angles: Floats, weights: Floats) -> tuple[Floats, Pullback]:
        shares, own = self.mixture.parts(weights)
        runs = [device.expval_vjp(angles, each) for device, each in zip(self._devices, own, strict=True)]
        values = np.sum([share * found for share, (found, _) in zip(shares, runs, strict=True)], axis=0)

        def pullback(cotangent: Floats) -> tuple[Floats, Floats]:
            of_shares = np.array([np.vdot(found, cotangent) for found, _ in runs])
            pulled = [back(share * cotangent) for share, (_, back) in zip(shares, runs, strict=True)]
            of_weights = np.concatenate([of_shares, *(weight.reshape(-1) for _, weight in pulled)])
            return np.sum([angle for angle, _ in pulled], axis=0), of_weights

        return values, pullback
