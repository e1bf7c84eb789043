"""A QPU that may fail or not answer: tried again, waiting longer each time, and given up in the end."""

import queue
import threading
import time
from collections.abc import Callable
from typing import Any

import numpy as np
from numpy.typing import NDArray

from hpcqrl.lines import say
from hpcqrl.quantum.circuit import CircuitError
from hpcqrl.quantum.cost import Cost
from hpcqrl.quantum.device import Device, Floats, Pullback
from hpcqrl.quantum.waiting import away

_FIRST_WAIT = 1.0  # seconds before the second try; twice as long before each further one


class QpuFailed(Exception):  # noqa: N818
    """A QPU has failed as often as it may; the message says how, the last time."""


class PatientDevice:
    """A device whose calls have a limit of time, 0: none, and are repeated so often where they fail.

    Results that are no numbers are failures, too. Raises QpuFailed when all tries are used up.
    """

    def __init__(self, device: Device, name: str, timeout: float, retries: int) -> None:
        self.circuit, self.random = device.circuit, device.random
        self._device, self._name, self._timeout, self._retries = device, name, timeout, retries
        self.cost: Cost = device.cost

    def expval(self, angles: Floats, weights: Floats) -> Floats:
        self.circuit.check(angles, weights)  # what is asked wrongly is no failure of the QPU
        return self._tried(lambda: _finite(self._device.expval(angles, weights)))

    def probs(self, angles: Floats, weights: Floats, first: int | None = None) -> Floats:
        self.circuit.check(angles, weights)
        self.circuit.states(first)
        return self._tried(lambda: _finite(self._device.probs(angles, weights, first)))

    def sample(self, angles: Floats, weights: Floats, shots: int) -> NDArray[np.uint8]:
        self.circuit.check(angles, weights)
        return self._tried(lambda: self._device.sample(angles, weights, shots))

    def expval_vjp(self, angles: Floats, weights: Floats) -> tuple[Floats, Pullback]:
        self.circuit.check(angles, weights)
        value, pullback = self._tried(lambda: _finite_first(self._device.expval_vjp(angles, weights)))
        return value, lambda cotangent: self._tried(lambda: pullback(cotangent))

    def probs_vjp(self, angles: Floats, weights: Floats, first: int | None = None) -> tuple[Floats, Pullback]:
        self.circuit.check(angles, weights)
        self.circuit.states(first)
        value, pullback = self._tried(lambda: _finite_first(self._device.probs_vjp(angles, weights, first)))
        return value, lambda cotangent: self._tried(lambda: pullback(cotangent))

    def _tried(self, call: Callable[[], Any]) -> Any:
        with away():
            return self._tried_again(call)

    def _tried_again(self, call: Callable[[], Any]) -> Any:
        begin, wait = time.monotonic(), _FIRST_WAIT
        for retry in range(self._retries + 1):
            try:
                return within(self._timeout, call)
            except CircuitError:
                raise  # it will be wrong again
            except Exception as error:  # each plugin raises what it likes
                reason = " ".join(f"{type(error).__name__}: {error}".split())[:300]
                if retry == self._retries:
                    raise QpuFailed(f"{self._name} has failed {retry + 1} times: {reason}") from error
            at = f"{time.strftime('%H:%M:%S')}, after {time.monotonic() - begin:.1f} s"
            say(f"{self._name} failed at {at} ({reason}); tried again in {wait:g} s")
            time.sleep(wait)
            wait *= 2.0


def within(seconds: float, call: Callable[[], Any]) -> Any:
    """What a call returns or raises, in a thread that is left behind if that takes longer; TimeoutError then."""
    if not seconds:
        return call()
    answer: queue.SimpleQueue[tuple[bool, Any]] = queue.SimpleQueue()

    def run() -> None:
        try:
            answer.put((True, call()))
        except BaseException as error:
            answer.put((False, error))

    threading.Thread(target=run, daemon=True).start()
    try:
        good, result = answer.get(timeout=seconds)
    except queue.Empty:
        raise TimeoutError(f"no answer in {seconds:g} s") from None
    if not good:
        raise result
    return result


def _finite(values: Floats) -> Floats:
    if not np.isfinite(values).all():
        raise ArithmeticError("it returns what is no number")
    return values


def _finite_first(result: tuple[Floats, Pullback]) -> tuple[Floats, Pullback]:
    _finite(result[0])
    return result
