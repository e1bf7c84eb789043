"""Actor and critic as two separate networks, in one flat vector."""

from collections.abc import Callable, Mapping
from typing import Generic, Protocol, TypeVar

import numpy as np
from numpy.typing import NDArray

from hpcqrl.models import flat

Floats = NDArray[np.floating]
Pullback = Callable[[Floats], Floats]


class Network(Protocol):
    """Of observations, with flat parameters."""

    layout: flat.Layout
    size: int
    generators: dict[str, np.random.Generator]  # of its circuit's measurements

    def initial(self, random: np.random.Generator) -> Floats: ...

    def acting(self, parameters: Floats) -> Callable[[Floats], Floats]: ...

    def outputs_vjp(self, parameters: Floats, observation_t: Floats) -> tuple[Floats, Pullback]: ...


Net = TypeVar("Net", bound=Network)


class ActorCritic(Generic[Net]):
    """An actor, to logits, and a critic, to one value; parameters: the actor's, then the critic's.

    Source: QA3C (arXiv:2301.05096), Table I.
    """

    def __init__(self, actor: Net, critic: Net) -> None:
        self.actor, self.critic = actor, critic
        shapes = {f"actor.{name}": shape for name, shape in actor.layout.shapes.items()}
        self.layout = flat.Layout(shapes | {f"critic.{name}": shape for name, shape in critic.layout.shapes.items()})
        self.size = self.layout.size
        self.generators = {
            f"{name}.{who}": random
            for who, net in (("actor", actor), ("critic", critic))
            for name, random in net.generators.items()
        }

    def initial(self, random: np.random.Generator) -> Floats:
        """Starting parameters, flat [size]."""
        return np.concatenate([self.actor.initial(random), self.critic.initial(random)])

    def acting(self, theta: Floats) -> Callable[[Floats], Floats]:
        """Observation [inputs] to logits [actions], with these parameters [size] fixed."""
        return self.actor.acting(theta[: self.actor.size])

    def value(self, theta: Floats, observation: Floats) -> float:
        """The critic's V of one observation [inputs]."""
        return float(self.critic.acting(theta[self.actor.size :])(observation)[0])

    def outputs_vjp(
        self, theta: Floats, observation_t: Floats
    ) -> tuple[Floats, Floats, Callable[[Floats, Floats], Floats]]:
        """Logits [T, actions] and V [T] of observations [T, inputs], and the way back of their gradients to theta."""
        value_t, value_pullback = self.critic.outputs_vjp(theta[self.actor.size :], observation_t)
        logits_t, logits_pullback = self.actor.outputs_vjp(theta[: self.actor.size], observation_t)

        def pullback(logit_gradient_t: Floats, value_gradient_t: Floats) -> Floats:
            return np.concatenate([logits_pullback(logit_gradient_t), value_pullback(value_gradient_t[:, None])])

        return logits_t, value_t[:, 0], pullback

    def actor_part(self, parameters: Mapping[str, Floats]) -> dict[str, Floats]:
        """The actor's among named parameters, by its own names. ValueError if any of both networks is missing."""
        self.layout.load(parameters)
        return {name.removeprefix("actor."): value for name, value in parameters.items() if name.startswith("actor.")}
