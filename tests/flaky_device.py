"""PennyLane devices of a user's own: functions (wires, shots, seed, rank), good ones, and such as fail."""

import os
import time

import numpy as np
import pennylane as qml
from pennylane.devices import DefaultQubit


def noisy(wires, shots, seed, rank):
    return qml.device("default.mixed", wires=wires, seed=seed)


def nothing(wires, shots, seed, rank):
    return None


def broken(wires, shots, seed, rank):
    raise ConnectionError("no route to the cryostat")


class Counting(DefaultQubit):
    """Writes a line for each submission: how many circuits it brought."""

    def execute(self, circuits, *arguments, **options):
        with open(os.environ["HPCQRL_TEST_COUNT"], "a") as file:
            file.write(f"{len(circuits)}\n")
        return super().execute(circuits, *arguments, **options)


def counting(wires, shots, seed, rank):
    return Counting(wires=wires, seed=seed)


class Flaky(DefaultQubit):
    """On the ranks HPCQRL_TEST_RANKS every 40th submission fails, as HPCQRL_TEST_FAIL says, until there is a file."""

    submissions, rank = 0, 0

    def execute(self, circuits, *arguments, **options):
        Flaky.submissions += 1
        results = super().execute(circuits, *arguments, **options)
        how = os.environ["HPCQRL_TEST_FAIL"]
        if str(self.rank) not in os.environ["HPCQRL_TEST_RANKS"].split(","):
            return results
        if how == "dead" and not os.path.exists(os.environ["HPCQRL_TEST_MENDED"]) and Flaky.submissions > 40:
            raise RuntimeError("the QPU is warm")
        if Flaky.submissions % 40 == 0:
            if how == "raise":
                raise RuntimeError("calibration lost")
            if how == "block":
                time.sleep(1e9)
            if how == "nan":
                return tuple(np.nan * np.asarray(result) for result in results)
        return results


def flaky(wires, shots, seed, rank):
    device = Flaky(wires=wires, seed=seed)
    device.rank = rank
    return device


class Waits(DefaultQubit):
    """Its submissions on rank 0 wait while there is the file that HPCQRL_TEST_WAIT names."""

    rank = 0

    def execute(self, circuits, *arguments, **options):
        while self.rank == 0 and os.path.exists(os.environ["HPCQRL_TEST_WAIT"]):
            time.sleep(0.05)
        return super().execute(circuits, *arguments, **options)


def waits(wires, shots, seed, rank):
    device = Waits(wires=wires, seed=seed)
    device.rank = rank
    return device


class QiskitBackend:
    """What is seen of one before anything runs."""

    name, target, num_qubits = "fake_backend", None, 5


def qiskit_backend(wires, shots, seed, rank):
    return QiskitBackend()
