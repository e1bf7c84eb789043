"""A circuit whose gates' parameters are its inputs: what parameter shift moves, one at a time."""

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from hpcqrl.quantum.circuit import Circuit
from hpcqrl.quantum.gates import Gate
from hpcqrl.quantum.parameters import Parameter
from hpcqrl.quantum.replay import Replay
from hpcqrl.quantum.trace import trace

Floats = NDArray[np.floating]

# Gates whose parameters turn by half angles where controls are one: two frequencies, 1/2 and 1.
TWO_FREQUENCIES = {"CRX": (0,), "CRY": (0,), "CRZ": (0,), "CRot": (0, 1, 2), "C(U3)": (0,)}


class Opened(NamedTuple):
    """circuit: with an angle for each parameter that depends on anything, and no weights; gates: its own. parameters
    [angles]: what each was before, a polynomial of the angles and weights; two_frequencies [angles]: whether it takes
    four shifts.
    """

    circuit: Circuit
    gates: tuple[Gate, ...]
    parameters: tuple[Parameter, ...]
    two_frequencies: NDArray[np.bool_]

    def values(self, numbers: Floats) -> Floats:
        """The parameters [samples, parameters] for each sample's angles and weights, in one row of numbers."""
        found = np.empty((len(numbers), len(self.parameters)))
        for place, parameter in enumerate(self.parameters):
            found[:, place] = parameter.offset
            for scale, *places in parameter.terms:
                found[:, place] += scale * numbers[:, places].prod(axis=1)
        return found

    def pullback(self, numbers: Floats, gradient: Floats) -> Floats:
        """The gradient in the numbers of one in the parameters."""
        found = np.zeros_like(numbers)
        for place, parameter in enumerate(self.parameters):
            for scale, *places in parameter.terms:
                for number, other in zip(places, reversed(places), strict=True):
                    factor = numbers[:, other] if len(places) == 2 else 1.0
                    found[:, number] += scale * gradient[:, place] * factor
        return found


def in_rows(angles: Floats, weights: Floats) -> Floats:
    """Each sample's angles and weights in one row, float64: the numbers that parameters are made of."""
    shared = np.repeat(np.asarray(weights, np.float64).reshape(1, -1), len(angles), axis=0)
    return np.concatenate([np.asarray(angles, np.float64), shared], axis=1)


def opened(circuit: Circuit) -> Opened:
    """Raises ValueError for a circuit that cannot be traced."""
    gates: list[Gate] = []
    parameters: list[Parameter] = []
    four: list[bool] = []
    for gate in trace(circuit):
        own = []
        for place, parameter in enumerate(gate.parameters):
            if parameter.terms:
                own.append(Parameter(0.0, ((1.0, len(parameters)),)))
                parameters.append(parameter)
                four.append(place in TWO_FREQUENCIES.get(gate.name, ()))
            else:
                own.append(parameter)
        gates.append(gate._replace(parameters=tuple(own)))
    words = [" ".join(f"{letter}{qubit}" for qubit, letter in word) for word in circuit.words]
    free = Circuit(Replay(tuple(gates)), circuit.qubits, len(parameters), (), measured=tuple(words))
    return Opened(free, tuple(gates), tuple(parameters), np.array(four, bool))
