"""What a gate's parameter is made of: a polynomial of degree 2 in angles and weights, found by probing."""

from collections.abc import Callable
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.floating]
Term = tuple[float, int] | tuple[float, int, int]

MOST_INPUTS = 16  # of one parameter
_NEAREST = 4  # values on either side that may be a line's, whose ratio is not known beyond rounding
_TINY = 1e-9  # relative to what a parameter is made of: below it is rounding


class Parameter(NamedTuple):
    """offset + the sum of terms, radians; (scale, i) is scale * values[i], (scale, i, j) scale * values[i] * values[j].

    values are the angles, then the weights; terms are in the order of their places, i <= j, and each is there once.
    """

    offset: float
    terms: tuple[Term, ...] = ()

    def shifted(self, angle: float) -> "Parameter":
        return self._replace(offset=self.offset + angle)

    def negated(self) -> "Parameter":
        return Parameter(-self.offset, tuple((-scale, *places) for scale, *places in self.terms))  # type: ignore[misc]


def find(parameters_at: Callable[[Floats], Floats], numbers: int) -> list[Parameter | None]:
    """What each of a circuit's parameters is made of; None where it is no polynomial that a `Parameter` can be.

    parameters_at: all parameters, as the circuit computes them from so many numbers. It is called on random ones, some
    of them large and some negative, so that what depends on size or sign is found. Where a parameter follows one number
    along a straight line, a few calls tell; for others there is one call for each number, to see which have a part in
    them, and a fit of those, which must hold for numbers that it has not seen.
    """
    random = np.random.default_rng(20240229)
    bits = max(1, (numbers - 1).bit_length())
    values = random.uniform(0.1, 3.0, (6 + bits, numbers))
    values[4] += 20.0
    values[5] += 20.0
    values[[3, 5]] *= -1.0
    for bit in range(bits):  # any two of the numbers have different signs in one of these
        values[6 + bit, np.arange(numbers) >> bit & 1 == 1] *= -1.0
    seen = np.array([parameters_at(row) for row in values])
    ratios = (values[2] - values[0]) / (values[1] - values[0])
    order = np.argsort(ratios)
    ratios = ratios[order]
    found = [_line(values, column, ratios, order) for column in seen.T]
    curved = [index for index, parameter in enumerate(found) if parameter is None]
    if not curved:
        return found
    felt = np.zeros((numbers, len(curved)), bool)
    for number in range(numbers):
        changed = values[0].copy()
        changed[number] += 0.7
        felt[number] = parameters_at(changed)[curved] != seen[0, curved]
    inputs = [np.flatnonzero(column) for column in felt.T]
    most = min(MOST_INPUTS, max(map(len, inputs)))
    probes = random.uniform(-3.0, 3.0, (20 + (most + 1) * (most + 2) // 2, numbers))
    probed = np.array([parameters_at(row)[curved] for row in probes])
    for place, index in enumerate(curved):
        if len(inputs[place]) <= MOST_INPUTS:
            found[index] = _polynomial(inputs[place].tolist(), probes, probed[:, place], values, seen[:, index])
    return found


def _line(values: Floats, seen: Floats, ratios: Floats, order: NDArray[np.integer]) -> Parameter | None:
    """The straight line in one of the values that what is seen follows, if there is one.

    ratios: of two of each value's steps, in order; a line's steps have the ratio of its value's, so that few values
    need to be tried, however many there are.
    """
    if np.ptp(seen) == 0.0:
        return Parameter(float(seen[0]))
    if not values.size or not np.isfinite(seen).all() or seen[1] == seen[0]:
        return None
    place = np.searchsorted(ratios, (seen[2] - seen[0]) / (seen[1] - seen[0]))
    nearest = order[max(0, place - _NEAREST) : place + _NEAREST]
    slopes = (seen[1:] - seen[0])[:, None] / (values[1:, nearest] - values[0, nearest])
    error = np.ptp(slopes, axis=0)
    best = int(np.argmin(error))
    if error[best] > _TINY * (1.0 + abs(slopes[0, best])):
        return None
    index, scale = int(nearest[best]), slopes[:, best].mean()
    return Parameter(float(np.round(seen[0] - scale * values[0, index], 12)), ((_rounded(scale), index),))


def _polynomial(inputs: list[int], probes: Floats, probed: Floats, values: Floats, seen: Floats) -> Parameter | None:
    """The polynomial in some inputs through what was probed, if it holds of the values, and what was seen, too."""
    if not np.isfinite(probed).all() or not np.isfinite(seen).all():
        return None
    monomials: list[tuple[int, ...]] = [(), *((i,) for i in inputs)]
    monomials += [(i, j) for place, i in enumerate(inputs) for j in inputs[place:]]
    for _ in range(2):  # again without what rounding left
        scales = np.linalg.lstsq(_powers(probes, monomials), probed)[0]
        large = np.abs(scales) > _TINY * np.abs(scales).max()
        monomials = [monomial for monomial, keep in zip(monomials, large, strict=True) if keep]
    powers = _powers(np.concatenate([values, probes]), monomials) * scales[large]
    if (np.abs(powers.sum(1) - np.concatenate([seen, probed])) > _TINY * (1.0 + np.abs(powers).sum(1))).any():
        return None
    scale = dict(zip(monomials, scales[large], strict=True))
    offset = float(np.round(scale.pop((), 0.0), 12))
    return Parameter(offset, tuple((_rounded(number), *places) for places, number in scale.items()))  # type: ignore[misc]


def _powers(values: Floats, monomials: list[tuple[int, ...]]) -> Floats:
    return np.stack([values[:, places].prod(1) for places in monomials], 1)


def _rounded(number: float) -> float:
    return float(f"{number:.12g}")
