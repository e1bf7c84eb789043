"""Options of PPO's networks, and the networks that they say."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal

import numpy as np
from numpy.typing import NDArray

from hpcqrl.brought import brought_candidates, brought_circuit
from hpcqrl.configuration import MOST_LAYERS, added, at_least, within
from hpcqrl.models import flat
from hpcqrl.models.backend import backend_of
from hpcqrl.models.mlp import Mlp
from hpcqrl.models.qpu_options import QpuOptions, check_candidates, check_qpu, check_shots, only_with_circuit
from hpcqrl.models.scaled_vqc import ScaledVqc
from hpcqrl.quantum.circuit import Circuit
from hpcqrl.quantum.circuits import scaled_reuploading
from hpcqrl.quantum.mixture import Mixture

if TYPE_CHECKING:  # torch takes a second to import
    from hpcqrl.models.exported import Exported

Floats = NDArray[np.floating]
LARGEST, SMALLEST_VARIANCE = 10.0, 1e-8  # of normalised observations: see rl/running_moments.py
Kind = Literal["quantum", "classical"]


@dataclass(frozen=True)
class ScaledOptions(QpuOptions):
    """Actor and critic, each a circuit with trained input scaling or a classical network."""

    model: Kind = "quantum"
    """The actor: a circuit with trained input scaling between linear layers [PPO-Q], or a classical network."""
    critic: Kind = "classical"
    """The critic: a classical network [PPO-Q], or a circuit like the actor's."""
    qubits: int = 4
    """Qubits of each circuit [PPO-Q]."""
    layers: int = 1
    """Layers of each circuit [PPO-Q]."""
    circuit: str | None = None
    """One's own circuit, my_package:function, a function (qubits, layers) -> Circuit; by default PPO-Q's."""
    circuits: tuple[str, ...] = added((), before=())
    """Candidates instead of one circuit, each my_package:function, or "papers": what they measure is added up, each
    with a trained weight, so that training shows which is worth most [arXiv:2407.18202]."""
    hidden: int = 64
    """Units of each of the two hidden layers of a classical network [PPO-Q]."""


def has_circuit(options: ScaledOptions) -> bool:
    """Whether one of the networks is a circuit."""
    return "quantum" in (options.model, options.critic)


def check(options: ScaledOptions) -> None:
    """ValueError, naming the value, for one that is out of range, or means nothing to classical networks."""
    at_least(1, qubits=options.qubits, hidden=options.hidden)
    within(1, MOST_LAYERS, layers=options.layers)
    check_qpu(options, has_circuit(options))
    check_shots(options.shots, has_circuit(options))
    only_with_circuit(has_circuit(options), circuit=options.circuit)
    check_candidates(has_circuit(options), options.circuit, options.circuits)


def circuit_of(options: ScaledOptions) -> Circuit | Mixture | None:
    """The circuit that the options mean; None if both networks are classical."""
    if not has_circuit(options):
        return None
    if options.circuit is not None:
        return brought_circuit(options.circuit, options.qubits, options.layers)
    papers = scaled_reuploading(options.qubits, options.layers)
    if options.circuits:
        return brought_candidates(options.circuits, papers, options.qubits, options.layers)
    return papers


def network(
    options: ScaledOptions,
    kind: Kind,
    inputs: int,
    outputs: int,
    gain: float,
    circuit: Circuit | Mixture | None,
    seed: int,
) -> ScaledVqc | Mlp:
    """A network of this kind from so many inputs to so many outputs. seed: of the measurements of its QPU."""
    if kind == "classical":
        return Mlp((inputs, options.hidden, options.hidden, outputs), gain)
    if circuit is None:
        raise ValueError("a quantum network needs a circuit")
    qpu = backend_of(options, options.shots), options.shots, seed
    return ScaledVqc(inputs, outputs, circuit, gain, *qpu)


def seeing(parameters: Mapping[str, Floats], inputs: int) -> tuple[Floats, Floats]:
    """The mean and variance by which observations were normalised, [inputs] each. ValueError if they are missing."""
    layout = flat.Layout({"observation.mean": (inputs,), "observation.variance": (inputs,)})
    mean, variance = layout.split(layout.load(parameters)).values()
    return mean, variance


def exported(
    model: ScaledVqc | Mlp,
    parameters: Mapping[str, Floats],
    see: tuple[Floats, Floats] | None,
    bounds: tuple[Floats, Floats] | None,
) -> "Exported":
    """The actor with named parameters as a torch module, to logits, or, of Beta distributions, to their mean actions.

    see: mean and variance of observations, where they are normalised; bounds: of the environment's actions, [numbers]
    each, where these are continuous.
    """
    from torch.nn.functional import softplus

    from hpcqrl.models.exported import Exported

    outputs = model.torch_outputs()
    constants = {"observation.mean": see[0], "observation.variance": see[1]} if see else {}
    constants |= {"action.low": bounds[0], "action.high": bounds[1]} if bounds else {}

    def function(part: Any, observation: Any) -> Any:
        if see:
            deviation = (part["observation.variance"] + SMALLEST_VARIANCE).sqrt()
            observation = ((observation - part["observation.mean"]) / deviation).clamp(-LARGEST, LARGEST)
        made = outputs(part, observation)
        if bounds is None:
            return made
        alpha, beta = (softplus(made) + 1.0).chunk(2, 1)
        return part["action.low"] + (part["action.high"] - part["action.low"]) * alpha / (alpha + beta)

    return Exported({**parameters, **constants}, function)
