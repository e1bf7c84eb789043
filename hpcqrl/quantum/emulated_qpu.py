"""An emulated QPU: any device, whose results come as late as those of hardware."""

import time
from typing import TypeVar

import numpy as np
from numpy.typing import NDArray

from hpcqrl.quantum.backend import Backend
from hpcqrl.quantum.cost import Cost
from hpcqrl.quantum.device import Device, Floats, Pullback
from hpcqrl.quantum.waiting import away

Result = TypeVar("Result")


class EmulatedQpu:
    """A device behind the times of a QPU: its numbers are the device's own, but they come later.

    A submission takes the backend's overhead; every sample of it is an execution, one after another, of its latency
    (with jitter, uniformly and as the seed says) and so many shots. The caller sleeps until the last would be done;
    what the simulation itself takes is within that time. A device's own gradients come with those executions; those of
    parameter shift and spsa, which wrap this one, need more, and all of them are counted and waited for.
    """

    def __init__(self, device: Device, backend: Backend, shots: int | None, seed: int = 0) -> None:
        self.circuit, self.random, self.cost = device.circuit, device.random, Cost()
        self._device, self._backend, self._shots = device, backend, shots
        self._delays = np.random.default_rng(np.random.SeedSequence(seed, spawn_key=(2,)))

    @property
    def executions(self) -> int:
        """Of circuits, so far."""
        return self.cost.executions

    def expval(self, angles: Floats, weights: Floats) -> Floats:
        done = self._done(angles, self._shots)
        return _at(done, self._device.expval(angles, weights))

    def probs(self, angles: Floats, weights: Floats, first: int | None = None) -> Floats:
        done = self._done(angles, self._shots)
        return _at(done, self._device.probs(angles, weights, first))

    def sample(self, angles: Floats, weights: Floats, shots: int) -> NDArray[np.uint8]:
        done = self._done(angles, shots)
        return _at(done, self._device.sample(angles, weights, shots))

    def expval_vjp(self, angles: Floats, weights: Floats) -> tuple[Floats, Pullback]:
        done = self._done(angles, self._shots)
        return _at(done, self._device.expval_vjp(angles, weights))

    def probs_vjp(self, angles: Floats, weights: Floats, first: int | None = None) -> tuple[Floats, Pullback]:
        done = self._done(angles, self._shots)
        return _at(done, self._device.probs_vjp(angles, weights, first))

    def _done(self, angles: Floats, shots: int | None) -> float:
        """When the executions of a call that begins now are done."""
        samples, backend = len(angles), self._backend
        varied = samples + backend.jitter * self._delays.uniform(-1.0, 1.0, samples).sum()
        seconds = backend.overhead + backend.latency * varied + backend.shot_time * samples * (shots or 0)
        self.cost.add(samples, shots, seconds)
        return time.perf_counter() + seconds


def _at(done: float, result: Result) -> Result:
    """The result, once it is time."""
    with away():
        time.sleep(max(0.0, done - time.perf_counter()))
    return result
