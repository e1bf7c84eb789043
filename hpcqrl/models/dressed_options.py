"""Options of the networks that QA3C and QDQN-DPER share, and the network that they say."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

import numpy as np
from numpy.typing import NDArray

from hpcqrl.brought import brought_candidates, brought_circuit
from hpcqrl.configuration import MOST_LAYERS, added, at_least, within
from hpcqrl.models.backend import backend_of
from hpcqrl.models.dressed_vqc import DressedLinear, DressedVqc
from hpcqrl.models.qpu_options import QpuOptions, check_candidates, check_qpu, check_shots, only_with_circuit
from hpcqrl.quantum.circuit import Circuit
from hpcqrl.quantum.circuits import variational
from hpcqrl.quantum.mixture import Mixture

if TYPE_CHECKING:  # torch takes a second to import
    from hpcqrl.models.exported import Exported

Floats = NDArray[np.floating]


@dataclass(frozen=True)
class DressedOptions(QpuOptions):
    """A dressed VQC or its classical twin."""

    model: Literal["quantum", "classical"] = "quantum"
    """Dressed VQCs, or linear layers in the circuits' place [QA3C, VI.B; QDQN-DPER, 6.2]."""
    qubits: int = 8
    """Qubits of each circuit, and width of the classical twin [QA3C, VI.B; QDQN-DPER, 6.2]."""
    layers: int = 2
    """Layers of each circuit [QA3C, VI.B; QDQN-DPER, 6.2]."""
    circuit: str | None = added(None, before=None)
    """One's own circuit, my_package:function, a function (qubits, layers) -> Circuit; by default the papers'."""
    circuits: tuple[str, ...] = added((), before=())
    """Candidates instead of one circuit, each my_package:function, or "papers": what they measure is added up, each
    with a trained weight, so that training shows which is worth most [arXiv:2407.18202]."""
    more_entangle: bool = True
    """Also CNOT(q, q+2) in each layer [QA3C's Figure 3 shows two control dots on every wire]."""
    tanh: bool = False
    """tanh after the first linear layer and after the circuit [QA3C's author's later code]; of quantum models alone."""


def check(options: DressedOptions) -> None:
    """ValueError, naming the value, for one that is out of range, or means nothing to a classical model."""
    at_least(1, qubits=options.qubits)
    within(1, MOST_LAYERS, layers=options.layers)
    check_qpu(options, options.model == "quantum")
    check_shots(options.shots, options.model == "quantum")
    only_with_circuit(options.model == "quantum", circuit=options.circuit, tanh=options.tanh)
    check_candidates(options.model == "quantum", options.circuit, options.circuits)
    if options.circuit is not None and not options.more_entangle:
        raise ValueError("more_entangle is of the papers' circuit alone, and circuit names one's own")


def circuit_of(options: DressedOptions) -> Circuit | Mixture | None:
    """The circuit that the options mean; None in the classical twin."""
    if options.model == "classical":
        return None
    if options.circuit is not None:
        return brought_circuit(options.circuit, options.qubits, options.layers)
    papers = variational(options.qubits, options.layers, options.more_entangle)
    if options.circuits:
        return brought_candidates(options.circuits, papers, options.qubits, options.layers)
    return papers


def network(
    options: DressedOptions, inputs: int, outputs: int, circuit: Circuit | Mixture | None, seed: int
) -> DressedVqc | DressedLinear:
    """The network from so many inputs to so many outputs, around a circuit. seed: of the measurements of its QPU."""
    if circuit is None:
        return DressedLinear(inputs, outputs, options.qubits)
    backend = backend_of(options, options.shots)
    return DressedVqc(inputs, outputs, circuit, options.tanh, backend, options.shots, seed)


def exported(
    model: DressedVqc | DressedLinear, parameters: Mapping[str, Floats], circuit: bool
) -> "tuple[Exported, int]":
    """The network with named parameters as a torch module, and the size of its observations; its circuit is inside.

    circuit: whether the user asked for the circuit. Raises ValueError if there is none, and for other parameters.
    """
    from hpcqrl.models.exported import Exported

    if circuit and isinstance(model, DressedLinear):
        raise ValueError("the classical model has no circuit")
    model.layout.load(parameters)
    return Exported(parameters, model.torch_outputs()), parameters["first.weight"].shape[1]
