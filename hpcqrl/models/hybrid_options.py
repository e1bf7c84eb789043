"""Options of hDQNN's networks, and the networks that they say."""

from dataclasses import dataclass
from typing import Literal

from hpcqrl.brought import brought_circuit
from hpcqrl.configuration import MOST_LAYERS, added, at_least, positive, within
from hpcqrl.models.backend import backend_of
from hpcqrl.models.critic import Critic
from hpcqrl.models.hdqnn import Networks
from hpcqrl.models.hybrid_actor import HybridActor
from hpcqrl.models.qpu_options import NATIVE_QPUS, QpuOptions, check_qpu, only_with_circuit
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
    surrogate: Literal["sampled", "expected", "exact"] = "sampled"
    """In training, bits drawn with the qtDNN's probabilities and given their gradient, or the probabilities themselves;
    the paper does not say. exact: no qtDNN: the circuit is measured, its own gradient computed; native kernels only."""
    surrogate_updates: int = added(1, before=1)
    """Steps of the qtDNN for one of the actor: 1, on the mini-batch of the update before; more [later versions: 32]: on
    so many parts of the actor's mini-batch, and then critics and actor move one after the other [section 3]."""
    shots: int = 1
    """Measurements of the circuit for one action [1: the text of version 1; later versions: 100 or 1000]."""
    measure: Literal["bits", "marginals"] = added("bits", before="bits")
    """What counts of them: each qubit's more frequent bit [section 2], or the mean of its bits [later versions]."""
    angle_scale: float = added(1.0, before=1.0)
    """Factor on what PreDNN's last weights make of an observation: below 1 the angles stay near one point, where the
    qtDNN can follow the circuit (docs/hdqnn.md) [1: the paper]."""


def check(options: HybridOptions, batch: int) -> None:
    """ValueError, naming the value, for one that is out of range, or means nothing to a block without circuit.

    batch: samples of a mini-batch.
    """
    within(1, MOST_LAYERS, layers=options.layers)
    at_least(1, hidden=options.hidden, qtdnn_hidden=options.qtdnn_hidden, shots=options.shots)
    at_least(0, links=options.links)
    at_least(2, qubits=options.qubits)
    on_circuit = options.block == "pqc"
    check_qpu(options, on_circuit)
    marginals, exact = options.measure == "marginals", options.surrogate == "exact"
    only_with_circuit(on_circuit, circuit=options.circuit, measure=marginals and "marginals")
    if marginals and options.shots == 1:
        raise ValueError("measure marginals needs at least 2 shots, not 1: the mean of one bit is that bit")
    if exact and not on_circuit:
        raise ValueError(f"surrogate exact is of a circuit's gradient, and the block {options.block} has none")
    if exact and options.qpu not in NATIVE_QPUS:
        raise ValueError(f"surrogate exact computes gradients on the native kernels, not on qpu {options.qpu}")
    if options.surrogate_updates > 1 and (exact or not on_circuit):
        raise ValueError(f"surrogate_updates {options.surrogate_updates} means nothing without a qtDNN to fit")
    within(1, batch, surrogate_updates=options.surrogate_updates)
    positive(angle_scale=options.angle_scale)


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
    actor = HybridActor(
        inputs,
        actions,
        circuit,
        options.block,
        options.links,
        options.hidden,
        backend_of(options, None),
        options.shots,
        seed,
        measure=options.measure,
        angle_scale=options.angle_scale,
    )
    critic = Critic(inputs, actions, options.hidden)
    return Networks(actor, critic, options.qtdnn_hidden, options.surrogate)
