"""An emulated QPU: any device, whose results come as late as those of hardware."""

import time
from typing import TypeVar

import numpy as np
from numpy.typing import NDArray

from hpcqrl.quantum.device import Device, Floats, Pullback

Result = TypeVar("Result")


class EmulatedQpu:
    """A device behind the latency of a QPU: its numbers are the device's own, but they come later.

    latency: of one circuit execution, in seconds; jitter: the share by which each one's varies, uniformly and as the
    seed says. Every sample of a call is an execution, one after another, and the caller sleeps until the last would be
    done; what the simulation itself takes is within that time. Gradients come with those executions: a QPU would have
    to run two more for each parameter and sample (parameter shift), which are not counted here.
    """

    def __init__(self, device: Device, latency: float, jitter: float = 0.0, seed: int = 0) -> None:
        self.circuit, self.random = device.circuit, device.random
        self.executions = 0
        self._device, self._latency, self._jitter = device, latency, jitter
        self._delays = np.random.default_rng(np.random.SeedSequence(seed, spawn_key=(2,)))

    def expval(self, angles: Floats, weights: Floats) -> Floats:
        done = self._done(angles)
        return _at(done, self._device.expval(angles, weights))

    def probs(self, angles: Floats, weights: Floats, first: int | None = None) -> Floats:
        done = self._done(angles)
        return _at(done, self._device.probs(angles, weights, first))

    def sample(self, angles: Floats, weights: Floats, shots: int) -> NDArray[np.uint8]:
        done = self._done(angles)
        return _at(done, self._device.sample(angles, weights, shots))

    def expval_vjp(self, angles: Floats, weights: Floats) -> tuple[Floats, Pullback]:
        done = self._done(angles)
        return _at(done, self._device.expval_vjp(angles, weights))

    def probs_vjp(self, angles: Floats, weights: Floats, first: int | None = None) -> tuple[Floats, Pullback]:
        done = self._done(angles)
        return _at(done, self._device.probs_vjp(angles, weights, first))

    def _done(self, angles: Floats) -> float:
        """When the executions of a call that begins now are done."""
        samples = len(angles)
        self.executions += samples
        varied = samples + self._jitter * self._delays.uniform(-1.0, 1.0, samples).sum()
        return time.perf_counter() + self._latency * varied


def _at(done: float, result: Result) -> Result:
    """The result, once it is time."""
    time.sleep(max(0.0, done - time.perf_counter()))
    return result
