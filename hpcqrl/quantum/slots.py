"""The rotations of a program, numbered, and what their angles are computed from.

A slot is one rotation, by scale * value + offset. The values are the angles, the weights, and a derived number for each
parameter that is no straight line in one of these.
"""

from collections.abc import Iterable, Sequence

import numpy as np

from hpcqrl.quantum.chains import Chain, Rotation
from hpcqrl.quantum.circuit import Circuit
from hpcqrl.quantum.parameters import Parameter, Term

Terms = tuple[Term, ...]


class Slots:
    """Numbers of rotations and of derived numbers; of both, first those that do not change with the sample."""

    def __init__(self, circuit: Circuit, chains: Iterable[Chain]) -> None:
        self.n_angles, self.n_inputs = circuit.n_angles, circuit.n_angles + circuit.n_weights
        used = sorted(dict.fromkeys(rotation for chain in chains for rotation in chain), key=self._varies)
        self.number = {rotation: number for number, rotation in enumerate(used)}
        self.n_fixed = len(used) - sum(map(self._varies, used))
        self.derived: dict[Terms, int] = {}
        for terms in (rotation.parameter.terms for rotation in used):
            if terms and not _straight(terms):  # a number is derived once, for its negative too
                self.derived.setdefault(min(terms, _negated(terms)), len(self.derived))
        self.n_fixed_terms = sum(len(terms) for terms in self.derived if not self._follow(terms))

    def sizes(self, bits: int) -> tuple[int, int, int, int, int]:
        """bits, fixed slots, angles, fixed terms, derived numbers."""
        return bits, self.n_fixed, self.n_angles, self.n_fixed_terms, len(self.derived)

    def varies(self, chain: Chain) -> bool:
        """Whether a chain changes with the sample."""
        return any(map(self._varies, chain))

    def tables(self) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """rotations (axis, place of the value or -1), lines (scale, offset), each [2, slots]; terms [., 4] (places of a
        derived number and of one or two factors, or -1, and the scale; one float table, since each array that a kernel
        takes costs as much as small work does).
        """
        placed = [(rotation, *self._place(rotation.parameter)) for rotation in self.number]
        rotations = [(rotation.axis, place) for rotation, place, _ in placed]
        lines = [(scale, rotation.parameter.offset) for rotation, _, scale in placed]
        terms = [(self.n_inputs + number, term) for terms, number in self.derived.items() for term in terms]
        return (
            _columns(rotations, np.int64),
            _columns(lines, np.float64),
            np.array([(*(place, *factors, -1)[:3], scale) for place, (scale, *factors) in terms]).reshape(-1, 4),
        )

    def _varies(self, rotation: Rotation) -> bool:
        return self._follow(rotation.parameter.terms)

    def _follow(self, terms: Terms) -> bool:
        return any(place < self.n_angles for _, *places in terms for place in places)

    def _place(self, parameter: Parameter) -> tuple[int, float]:
        """Where in the values is what a parameter takes, and by what it is multiplied; -1 for nothing."""
        if not parameter.terms:
            return -1, 0.0
        if _straight(parameter.terms):
            scale, place = parameter.terms[0]  # type: ignore[misc]
            return place, scale
        if parameter.terms in self.derived:
            return self.n_inputs + self.derived[parameter.terms], 1.0
        return self.n_inputs + self.derived[_negated(parameter.terms)], -1.0


def _straight(terms: Terms) -> bool:
    return len(terms) == 1 and len(terms[0]) == 2


def _negated(terms: Terms) -> Terms:
    return Parameter(0.0, terms).negated().terms


def _columns(rows: Sequence[tuple[float, float]], dtype: type) -> np.ndarray:
    return np.ascontiguousarray(np.array(rows, dtype).reshape(-1, 2).T)
