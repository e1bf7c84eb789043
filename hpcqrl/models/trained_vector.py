"""Several torch networks in training as one flat vector, with gradient, targets and Adam's moments beside it."""

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.optim.adam import adam

from hpcqrl.models.flat import Layout

Floats = NDArray[np.floating]
Parts = dict[str, Tensor]


class TrainedVector:
    """theta, target and gradient [size], and Adam's two moments, float32, of networks that lie one after the other.

    `part` and `target_part` are the named arrays of each network, as views: what moves theta moves them. Every array in
    `part` has its piece of `gradient` as its .grad, so that backward passes add into the flat vector itself, which
    then crosses MPI as it is. Networks that move together must be neighbours.
    """

    def __init__(self, layouts: dict[str, Layout], theta: Floats, device: str) -> None:
        self.layouts = layouts
        self.theta = torch.from_numpy(theta).to(device)
        self.target, self.gradient = self.theta.clone(), torch.zeros_like(self.theta)
        self.moments = torch.zeros((2, theta.size), device=device)
        self.adam_steps = torch.zeros(len(layouts), device=device)
        ends = np.cumsum([layout.size for layout in layouts.values()]).tolist()
        self.place = {name: slice(end - layouts[name].size, end) for name, end in zip(layouts, ends, strict=True)}
        self.part, self.target_part, gradients = (self._split(v) for v in (self.theta, self.target, self.gradient))
        for network, parts in gradients.items():
            for name, gradient in parts.items():
                self.part[network][name].requires_grad_().grad = gradient

    def piece(self, networks: list[str]) -> slice:
        """Where neighbouring networks lie."""
        return slice(self.place[networks[0]].start, self.place[networks[-1]].stop)

    def adam(self, networks: list[str], learning_rate: float) -> None:
        """Move networks down the gradient, each by Adam's step of its own count (0.9, 0.999, 1e-8)."""
        vectors = (
            [vector[self.place[name]] for name in networks] for vector in (self.theta, self.gradient, *self.moments)
        )
        theta, gradient, first, second = vectors
        steps = [self.adam_steps[list(self.layouts).index(name)] for name in networks]
        adam(
            theta, gradient, first, second, [], steps, lr=learning_rate, beta1=0.9, beta2=0.999, eps=1e-8,
            weight_decay=0.0, amsgrad=False, maximize=False, fused=True,
        )  # fmt: skip

    def targets_follow(self, networks: list[str], tau: float) -> None:
        """Move the targets of neighbouring networks by the share tau towards them."""
        piece = self.piece(networks)
        self.target[piece].lerp_(self.theta[piece], tau)

    def moved(self, networks: list[str]) -> Tensor:
        """Of neighbouring networks all that `adam` moves, theta and both moments, as one flat vector: a copy."""
        piece = self.piece(networks)
        return torch.cat([self.theta.detach()[piece], self.moments[0, piece], self.moments[1, piece]])

    def move_to(self, networks: list[str], moved: Tensor) -> None:
        """Have it so."""
        piece = self.piece(networks)
        self.theta.data[piece], self.moments[:, piece] = moved.reshape(3, -1)[0], moved.reshape(3, -1)[1:]

    def state(self) -> dict[str, NDArray]:
        """What a checkpoint keeps."""
        return {name: vector.detach().cpu().numpy() for name, vector in self._kept().items()}

    def restore(self, state: dict[str, NDArray]) -> None:
        """Go on from what `state` gave."""
        for name, vector in self._kept().items():
            vector.data.copy_(torch.from_numpy(state[name]))

    def _kept(self) -> Parts:
        return {"theta": self.theta, "target": self.target, "moments": self.moments, "adam_steps": self.adam_steps}

    def _split(self, vector: Tensor) -> dict[str, Parts]:
        return {name: layout.split(vector[self.place[name]]) for name, layout in self.layouts.items()}
