"""An emulated QPU gives the same numbers as the device behind it, only later."""

import time

import numpy as np
import pytest
from launch import hpcqrl
from random_circuits import inputs

from hpcqrl.quantum.backend import Backend
from hpcqrl.quantum.circuits import variational
from hpcqrl.quantum.devices import make_device
from hpcqrl.results.reader import read_run

CIRCUIT = variational(3, 2)
LATENCY = 20.0  # ms


@pytest.mark.parametrize(("name", "shots"), [("native", None), ("native", 50), ("default.qubit", None)])
def test_numbers_are_the_devices_own(name, shots):
    angles, weights = inputs(CIRCUIT, seed=0)
    plain, slow = (make_device(CIRCUIT, Backend(name, latency=late), shots, 3) for late in (0.0, 1e-3))
    for call in (lambda d: d.expval(angles, weights), lambda d: d.probs(angles, weights, 5)):
        assert np.array_equal(call(plain), call(slow))
    for measure in ("expval_vjp", "probs_vjp"):
        (value, pullback), (expected, expected_pullback) = (getattr(d, measure)(angles, weights) for d in (slow, plain))
        assert np.array_equal(value, expected)
        for found, wanted in zip(pullback(np.ones_like(value)), expected_pullback(np.ones_like(value)), strict=True):
            assert np.array_equal(found, wanted)
    assert np.array_equal(plain.sample(angles, weights, 7), slow.sample(angles, weights, 7)) or name != "native"


def test_every_sample_of_a_call_is_an_execution_that_takes_its_latency():
    angles, weights = inputs(CIRCUIT, seed=0)
    device = make_device(CIRCUIT, Backend(latency=1e-3 * LATENCY))
    device.expval(angles, weights)  # compiled, if it was not
    before, begin = device.executions, time.perf_counter()
    device.expval_vjp(angles, weights)
    took = time.perf_counter() - begin
    executions = device.executions - before
    assert executions == len(angles) > 1 and took >= 1e-3 * LATENCY * executions


def test_jitter_varies_each_execution_within_its_share_and_as_the_seed_says(monkeypatch):
    slept = []
    monkeypatch.setattr(time, "perf_counter", lambda: 0.0)
    monkeypatch.setattr(time, "sleep", slept.append)
    angles, weights = np.zeros((1, CIRCUIT.n_angles)), np.zeros(CIRCUIT.weights)
    for _ in range(2):
        device = make_device(CIRCUIT, Backend(latency=1e-3 * LATENCY, jitter=0.3), seed=5)
        for _ in range(500):
            device.expval(angles, weights)
    first, second = np.split(1e3 * np.array(slept) / LATENCY, 2)
    assert np.array_equal(first, second)
    assert 0.7 <= first.min() < 0.72 and 1.28 < first.max() <= 1.3 and abs(first.mean() - 1.0) < 0.03


RUNS = {  # options, and each agent's executions: of Dist-QTRL one an episode, of hDQNN one a step, a test's 200 too
    "dist-qtrl": ("--episodes 8 --max-steps 10 --hidden 2 --layers 1", 8),
    "hdqnn-td3": (
        "--steps 30 --random-steps 10 --batch 8 --qubits 3 --layers 1 --test-every 30 --test-episodes 1",
        230,
    ),
}


@pytest.mark.parametrize("system", RUNS)
def test_a_run_on_slow_qpus_has_the_same_bits_and_takes_at_least_its_executions(tmp_path, system):
    options, executions = RUNS[system]
    latency, runs = 2.0 / executions, []  # s
    for name, delay in (("fast", 0.0), ("slow", latency)):
        out = tmp_path / f"{name}.h5"
        options_qpu = ("--qpu-latency", str(1e3 * delay), "--qpu-jitter", "0.2", "--out", str(out))
        done = hpcqrl("train", system, *options.split(), "--checkpoint-every", "0", *options_qpu, ranks=2)
        assert done.returncode == 0, done.stderr
        runs.append(read_run(out))
    fast, slow = runs
    assert np.array_equal(fast.episodes["return"], slow.episodes["return"])
    assert np.array_equal(fast.evaluations["mean"], slow.evaluations["mean"])
    assert all(np.array_equal(fast.parameters[name], value) for name, value in slow.parameters.items())
    rows = slow.episodes if len(slow.episodes) else slow.evaluations
    assert rows["time"].max() >= executions * latency * 0.8
    if system == "dist-qtrl":
        assert (rows["waiting"][2:] > 0.0).all() and rows["waiting"].sum() < 2 * rows["time"].max()


@pytest.mark.parametrize(
    ("system", "option", "value"),
    [("qa3c", "--qpu-latency", "nan"), ("qa3c", "--qpu-jitter", "2"), ("hdqnn-td3", "--qpu-latency", "-1")],
)
def test_a_latency_that_cannot_be_is_refused(system, option, value):
    done = hpcqrl("train", system, option, value)
    assert done.returncode == 2 and option[2:].replace("-", "_") in done.stderr and "Traceback" not in done.stderr
