"""Gradients for QPUs that give none: exact ones from the native kernels, parameter shift, simultaneous perturbation."""

import math
from collections.abc import Callable
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from hpcqrl.quantum.circuit import Circuit
from hpcqrl.quantum.device import Device, Floats, Pullback
from hpcqrl.quantum.native_device import NativeDevice
from hpcqrl.quantum.opened import Opened, in_rows

TWO_SHIFTS = ((0.5 * math.pi, 0.5),)  # distances, and what a difference of two results counts
FOUR_SHIFTS = (
    (0.5 * math.pi, (math.sqrt(2.0) + 1.0) / (4.0 * math.sqrt(2.0))),
    (1.5 * math.pi, -(math.sqrt(2.0) - 1.0) / (4.0 * math.sqrt(2.0))),
)
SPSA_STEP = 0.1  # radians
NO_WEIGHTS = np.zeros(0)


class ExactGradients:
    """Values from a QPU, slopes from the native kernels: how one usually trains on hardware.

    Source: PPO-Q (arXiv:2501.07085), value + (the simulator's value - the same, detached).
    """

    def __init__(self, device: Device) -> None:
        self.circuit, self.random = device.circuit, device.random
        self.cost = device.cost
        self._device, self._native = device, NativeDevice(device.circuit)
        self.expval, self.probs, self.sample = device.expval, device.probs, device.sample

    def expval_vjp(self, angles: Floats, weights: Floats) -> tuple[Floats, Pullback]:
        return self._device.expval(angles, weights), self._native.expval_vjp(angles, weights)[1]

    def probs_vjp(self, angles: Floats, weights: Floats, first: int | None = None) -> tuple[Floats, Pullback]:
        return self._device.probs(angles, weights, first), self._native.probs_vjp(angles, weights, first)[1]


class EstimatedGradients:
    """Gradients from more executions of the same QPU, all those of a call in one submission.

    "shift", parameter shift: each gate's parameter moved by pi/2 to both sides, those with two frequencies by 3 pi/2,
    too. Source: Schuld et al. (arXiv:1811.11184); Anselmetti et al. (arXiv:2104.05695), eq. 8, for two frequencies.
    "spsa": all angles and weights moved at once, at random, to both sides: two executions a sample, for an estimate
    with the right mean (to second order in the step) and a large variance. Source: Spall, IEEE Trans. Autom. Control
    37, 332 (1992), eq. 2.2. device: of the `opened` circuit; seed: of spsa's directions, if it has no numbers.
    """

    def __init__(
        self, circuit: Circuit, free: Opened, device: Device, method: Literal["shift", "spsa"], seed: int = 0
    ) -> None:
        self.circuit, self._free, self._device, self._spsa = circuit, free, device, method == "spsa"
        self.random, self.cost = device.random, device.cost
        if self._spsa and self.random is None:
            self.random = np.random.default_rng(seed)
        moves = [
            (place, sign * distance, sign * weight)
            for place, four in enumerate(free.two_frequencies)
            for distance, weight in (FOUR_SHIFTS if four else TWO_SHIFTS)
            for sign in (1.0, -1.0)
        ]
        places, distances, weights = zip(*moves, strict=True) if moves else ((), (), ())
        self._place, self._distance, self._weight = np.array(places, int), np.array(distances), np.array(weights)
        self._is_of = (self._place[:, None] == np.arange(len(free.parameters))).astype(np.float64)

    def expval(self, angles: Floats, weights: Floats) -> Floats:
        return self._device.expval(self._free.values(self._numbers(angles, weights)), NO_WEIGHTS)

    def probs(self, angles: Floats, weights: Floats, first: int | None = None) -> Floats:
        return self._device.probs(self._free.values(self._numbers(angles, weights)), NO_WEIGHTS, first)

    def sample(self, angles: Floats, weights: Floats, shots: int) -> NDArray[np.uint8]:
        return self._device.sample(self._free.values(self._numbers(angles, weights)), NO_WEIGHTS, shots)

    def expval_vjp(self, angles: Floats, weights: Floats) -> tuple[Floats, Pullback]:
        return self._vjp(angles, weights, lambda rows: self._device.expval(rows, NO_WEIGHTS))

    def probs_vjp(self, angles: Floats, weights: Floats, first: int | None = None) -> tuple[Floats, Pullback]:
        return self._vjp(angles, weights, lambda rows: self._device.probs(rows, NO_WEIGHTS, first))

    def _numbers(self, angles: Floats, weights: Floats) -> Floats:
        self.circuit.check(angles, weights)
        return in_rows(angles, weights)

    def _vjp(self, angles: Floats, weights: Floats, run: Callable[[Floats], Floats]) -> tuple[Floats, Pullback]:
        numbers, samples = self._numbers(angles, weights), len(angles)
        value, slopes = (self._directions if self._spsa else self._shifts)(numbers, run)
        shape = weights.shape

        def pullback(cotangent: Floats) -> tuple[Floats, Floats]:
            found = slopes(np.asarray(cotangent, np.float64).reshape(samples, -1))
            return found[:, : angles.shape[1]], found[:, angles.shape[1] :].sum(axis=0).reshape(shape)

        return value, pullback

    def _shifts(self, numbers: Floats, run: Callable[[Floats], Floats]) -> tuple[Floats, Callable[[Floats], Floats]]:
        values, moves = self._free.values(numbers), len(self._place)
        moved = np.repeat(values[:, None], moves, axis=1)
        moved[:, np.arange(moves), self._place] += self._distance
        results = run(np.concatenate([values, moved.reshape(-1, values.shape[1])]))
        at_moved = results[len(values) :].reshape(len(values), moves, results.shape[1])

        def slopes(cotangent: Floats) -> Floats:
            parts = np.einsum("smw,sw->sm", at_moved, cotangent) * self._weight
            return self._free.pullback(numbers, parts @ self._is_of)

        return results[: len(values)], slopes

    def _directions(
        self, numbers: Floats, run: Callable[[Floats], Floats]
    ) -> tuple[Floats, Callable[[Floats], Floats]]:
        assert self.random is not None
        ways = self.random.choice((-1.0, 1.0), numbers.shape)
        rows = np.concatenate([numbers, numbers + SPSA_STEP * ways, numbers - SPSA_STEP * ways])
        value, above, below = np.split(run(self._free.values(rows)), 3)
        return value, lambda cotangent: ((above - below) * cotangent).sum(1, keepdims=True) * ways / (2.0 * SPSA_STEP)
