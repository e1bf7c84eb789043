"""A circuit as plain torch operations, batched: slow beside the kernels, but it can be exported without them."""

from collections.abc import Callable, Sequence

import torch
from torch import Tensor

from hpcqrl.quantum.chains import ISING_BASIS, Chain, controlled_chains, fixed, single_qubit_chain
from hpcqrl.quantum.circuit import Circuit
from hpcqrl.quantum.gates import FLIPS, Gate
from hpcqrl.quantum.mixture import Mixture
from hpcqrl.quantum.rotations import PHASE, X, Y
from hpcqrl.quantum.trace import trace
from hpcqrl.quantum.words import measured_together


def torch_probs(circuit: Circuit) -> Callable[[Tensor, Tensor], Tensor]:
    """The circuit as a torch function: angles [samples, n_angles] and weights (circuit.weights), in radians, to the
    probabilities of all basis states [samples, 2^qubits], qubit 0 most significant.
    """
    gates = trace(circuit)

    def probs(angles: Tensor, weights: Tensor) -> Tensor:
        samples = angles.shape[0]
        values = torch.cat([angles, weights.reshape(1, -1).expand(samples, -1)], 1).to(torch.float32)
        state = torch.zeros(samples, 2**circuit.qubits, dtype=torch.complex64, device=angles.device)
        state[:, 0] = 1.0
        state = state.reshape(samples, *[2] * circuit.qubits)
        waiting: list[Chain] = [[] for _ in range(circuit.qubits)]
        for gate in gates:
            chain = single_qubit_chain(gate)
            if chain is not None:  # single-qubit gates wait, so that a run of them becomes one matrix
                waiting[gate.wires[0]] += chain
                continue
            axis, angle = ISING_BASIS.get(gate.name, (X, 0.0))
            for wire in gate.wires:
                turned = [*waiting[wire], fixed(axis, angle)] if angle else waiting[wire]
                state = _turn(state, values, turned, wire)
                waiting[wire] = [fixed(axis, -angle)] if angle else []
            state = _several_qubits(state, values, gate)
        for wire, chain in enumerate(waiting):
            state = _turn(state, values, chain, wire)
        return state.abs().square().reshape(samples, -1)

    return probs


def torch_expval(circuit: Circuit | Mixture) -> Callable[[Tensor, Tensor], Tensor]:
    """The same to the expectation values of the words that the circuit measures, [samples, words]."""
    if isinstance(circuit, Mixture):
        return _of_candidates(circuit)
    qubits, words = circuit.qubits, circuit.words
    groups = [(torch_probs(circuit.turned(letters)), numbers) for letters, numbers in measured_together(circuit.words)]

    def expval(angles: Tensor, weights: Tensor) -> Tensor:
        signs = 1.0 - 2.0 * _bits(torch.arange(2**qubits, device=angles.device), qubits)
        values: list[Tensor] = [signs] * len(words)
        for probs, numbers in groups:
            masks = [signs[:, [qubit for qubit, _ in words[number]]].prod(1) for number in numbers]
            for number, value in zip(numbers, (probs(angles, weights) @ torch.stack(masks, 1)).unbind(1), strict=True):
                values[number] = value
        return torch.stack(values, 1)

    return expval


def _of_candidates(mixture: Mixture) -> Callable[[Tensor, Tensor], Tensor]:
    sizes = [len(mixture.circuits), *(circuit.n_weights for circuit in mixture.circuits)]
    candidates = [torch_expval(circuit) for circuit in mixture.circuits]

    def expval(angles: Tensor, weights: Tensor) -> Tensor:
        shares, *own = weights.split(sizes)
        found = [share * one(angles, each) for share, one, each in zip(shares, candidates, own, strict=True)]
        return torch.stack(found).sum(0)

    return expval


def torch_sample(circuit: Circuit, shots: int) -> Callable[[Tensor, Tensor], Tensor]:
    """The same to measured bits, [samples, shots, qubits], drawn by torch's generator."""
    probs, qubits = torch_probs(circuit), circuit.qubits

    def sample(angles: Tensor, weights: Tensor) -> Tensor:
        return _bits(torch.multinomial(probs(angles, weights), shots, replacement=True), qubits)

    return sample


def _bits(states: Tensor, qubits: int) -> Tensor:
    places = torch.arange(qubits - 1, -1, -1, device=states.device)
    return (states[..., None] >> places & 1).to(torch.float32)


def _turn(state: Tensor, values: Tensor, chain: Chain, wire: int) -> Tensor:
    """Let a chain act on one wire of state [samples, 2, ..., 2]."""
    if not chain:
        return state
    matrix = _matrix(values, chain)
    moved = state.movedim(1 + wire, 1)
    return (matrix @ moved.reshape(values.shape[0], 2, -1)).reshape(moved.shape).movedim(1, 1 + wire)


def _several_qubits(state: Tensor, values: Tensor, gate: Gate) -> Tensor:
    axes = [1 + wire for wire in gate.wires]
    if gate.name == "SWAP":
        return state.transpose(*axes)
    if gate.name in FLIPS:
        return _flip(state, axes)
    zero, one = state.unbind(axes[0])
    inner = gate.wires[1] - (gate.wires[1] > gate.wires[0])
    chains = controlled_chains(gate._replace(name="IsingZZ") if gate.name in ISING_BASIS else gate)
    branches = [_turn(branch, values, chain, inner) for branch, chain in zip((zero, one), chains, strict=True)]
    return torch.stack(branches, axes[0])


def _flip(state: Tensor, axes: Sequence[int]) -> Tensor:
    """Flip the last axis where all others are at 1."""
    first, *others = axes
    if not others:
        return state.flip(first)
    zero, one = state.unbind(first)
    return torch.stack([zero, _flip(one, [axis - (axis > first) for axis in others])], first)


def _matrix(values: Tensor, chain: Chain) -> Tensor:
    """The chain's matrix for each sample, [samples, 2, 2]; its first rotation acts first."""
    product = None
    for axis, (offset, terms) in chain:
        angle = values.new_full((values.shape[0],), offset)
        for scale, *places in terms:
            angle = angle + scale * values[:, places].prod(1)
        c, s, zero = torch.cos(angle / 2), torch.sin(angle / 2), torch.zeros_like(angle)
        if axis == X:
            entries = [(c, zero), (zero, -s), (zero, -s), (c, zero)]
        elif axis == Y:
            entries = [(c, zero), (-s, zero), (s, zero), (c, zero)]
        elif axis == PHASE:
            entries = [(zero + 1.0, zero), (zero, zero), (zero, zero), (torch.cos(angle), torch.sin(angle))]
        else:
            entries = [(c, -s), (zero, zero), (zero, zero), (c, s)]
        rotation = torch.stack([torch.complex(*entry) for entry in entries], 1).reshape(-1, 2, 2)
        product = rotation if product is None else rotation @ product
    assert product is not None
    return product
