"""Options of hDQNN's networks, and the networks that they say."""

from dataclasses import dataclass
from typing import Literal

from hpcqrl.brought import brought_circuit
from hpcqrl.configuration import MOST_LAYERS, QpuOptions, added, at_least, check_qpu, only_with_circuit, within
from hpcqrl.models.backend import backend_of
from hpcqrl.models.critic import Critic
from hpcqrl.models.hdqnn import Networks
from hpcqrl.models.hybrid_actor import HybridActor
from hpcqrl.quantum.circuit import Circuit
from hpcqrl.quantum.circuits import efficient_su2


@dataclass(frozen=True)
class HybridOptions(QpuOptions):
    """An actor with a sampled circuit in it, the qtDNN that stands in for it in training, and critics."""

    block: Literal["pqc", "fc", "rbg", "zeros"] = "pqc"
    """Inside the actor: the circuit, a linear map, random bits, or zeros [section 3]."""
    qubits: int = 10
    """Qubits of the circuit [Table 1]."""
    layers: int = 10
    """Entangling layers of the circuit [Table 1]."""
    circuit: str | None = added(None, before=None)
    """One's own circuit, without weights: my_package:function, a function (qubits, layers) -> Circuit."""
    links: int = 10
    """Classical links past the circuit [Table 1]."""
    hidden: int = 256
    """Hidden units of PreDNN, PostDNN and critics [Table 1]."""
    qtdnn_hidden: int = 2048
    """Hidden units of the qtDNN [Table 1]."""
    surrogate: Literal["sampled", "expected"] = "sampled"
    """In training, bits drawn with the qtDNN's probabilities and given their gradient, or the probabilities themselves;
    the paper does not say. Only who has trained with bits learns what their noise does (README)."""
    shots: int = 1
    """Measurements of the circuit for one action: each qubit's more frequent bit counts."""


def check(options: HybridOptions) -> None:
    """ValueError, naming the value, for one that is out of range, or means nothing to a block without circuit."""
    within(1, MOST_LAYERS, layers=options.layers)
    at_least(1, hidden=options.hidden, qtdnn_hidden=options.qtdnn_hidden, shots=options.shots)
    at_least(0, links=options.links)
    at_least(2, qubits=options.qubits)
    on_circuit = options.block == "pqc"
    check_qpu(options, on_circuit)
    only_with_circuit(on_circuit, circuit=options.circuit)


def circuit_of(options: HybridOptions) -> Circuit | None:
    """The circuit that the options mean; None for the other blocks."""
    if options.block != "pqc":
        return None
    if options.circuit is not None:
        return brought_circuit(options.circuit, options.qubits, options.layers)
    return efficient_su2(options.qubits, options.layers)


def networks(options: HybridOptions, inputs: int, actions: int, circuit: Circuit | None, seed: int) -> Networks:
    """All networks from so many inputs to so many actions. seed: of the measurements of the actor's QPU.

    Other blocks than the circuit take its place, with the sizes of the paper's.
    """
    circuit = circuit or efficient_su2(options.qubits, options.layers)
    qpu = backend_of(options, None), options.shots, seed
    actor = HybridActor(inputs, actions, circuit, options.block, options.links, options.hidden, *qpu)
    critic = Critic(inputs, actions, options.hidden)
    return Networks(actor, critic, options.qtdnn_hidden, options.surrogate == "sampled")
