"""The kernels for GPUs compute what PennyLane computes, and its gradients; here under Numba's simulator of a GPU."""

import numba
import numpy as np
import pytest
import simulated_gpu  # noqa: F401  (first)
from every_gate import every_gate
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from launch import hpcqrl
from random_circuits import circuits, inputs, reference

from hpcqrl.quantum import card, gpu_jit, gpu_tiles, gpu_whole
from hpcqrl.quantum import gates as qml
from hpcqrl.quantum.circuit import Circuit
from hpcqrl.quantum.circuits import variational
from hpcqrl.quantum.devices import make_device
from hpcqrl.quantum.gpu_memory import ROOMS, Rooms
from hpcqrl.quantum.gpu_simulator import GpuSimulator, largest_whole

TOLERANCE = {np.float32: 1e-5, np.float64: 1e-10}


@pytest.fixture(autouse=True, scope="module")
def nothing_is_read_before_it_is_written():
    """Memory of a GPU has anything in it; here what is no number, or no place."""
    take = Rooms.take

    def poisoned(self, shape, dtype):
        room = take(self, shape, dtype)
        room.copy_to_device(np.full(room.shape, np.nan if room.dtype.kind == "f" else -9, room.dtype))
        return room

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(Rooms, "take", poisoned)
        yield


def check(circuit, expval, dtype=np.float64, tile=None, seed=1):
    angles, weights = inputs(circuit, seed)
    width = len(circuit.measured) if expval else 1 << circuit.qubits
    cotangent = np.random.default_rng(seed).uniform(-1, 1, (len(angles), width))
    simulator = GpuSimulator(circuit, expval, dtype, tile)
    result, held = simulator.run_for_gradient(angles, weights)
    gradients = simulator.gradient(angles, weights, held, cotangent)
    for ours, theirs in zip((result, *gradients), reference(circuit, expval, angles, weights, cotangent), strict=True):
        scale = max(1.0, np.abs(theirs).max(initial=0.0))
        assert ours.shape == theirs.shape and np.abs(ours - theirs).max(initial=0.0) <= TOLERANCE[dtype] * scale


@pytest.mark.parametrize(
    ("expval", "dtype", "tile"),
    [(True, np.float64, None), (False, np.float32, None), (True, np.float32, 3), (False, np.float64, 3)],
)
def test_every_gate(expval, dtype, tile):
    """tile: bits of a state that shared memory is taken to hold; the circuit has 4."""
    check(every_gate(), expval, dtype, tile)


@settings(deadline=None, max_examples=10, suppress_health_check=[HealthCheck.too_slow], derandomize=True)
@given(circuits(largest=5), st.booleans(), st.sampled_from([None, 3]), st.integers(0, 2**31))
def test_random_circuits(circuit, expval, tile, seed):
    check(circuit, expval, np.float64, tile, seed)


def test_a_device_is_what_the_native_one_is():
    circuit = variational(3, 1)
    angles, weights = inputs(circuit, seed=3, samples=2)
    for shots in (None, 20):
        ours, native = (make_device(circuit, name, shots, seed=5) for name in ("native-gpu", "native"))
        assert np.allclose(ours.expval(angles, weights), native.expval(angles, weights), atol=1e-6)
        assert np.allclose(ours.probs(angles, weights, 5), native.probs(angles, weights, 5), atol=1e-6)
        assert np.array_equal(ours.sample(angles, weights, 30), native.sample(angles, weights, 30))


def test_two_batches_wait_for_their_gradients():
    """What one call keeps on the card is not written over by another, and is used again when nobody needs it."""
    circuit = Circuit(lambda angles, weights: qml.RX(angles[0], wires=0), 1, 1)
    device, none = make_device(circuit, "native-gpu", dtype=np.float64), np.zeros(0)
    one = device.expval_vjp(np.array([[0.3]]), none)[1]
    other = device.expval_vjp(np.array([[1.2]]), none)[1]
    for _ in range(2):
        assert one(np.ones((1, 1)))[0] == pytest.approx(-np.sin(0.3))
        assert other(np.ones((1, 1)))[0] == pytest.approx(-np.sin(1.2))


def test_a_batch_that_does_not_fit_is_run_in_parts(monkeypatch):
    import hpcqrl.quantum.gpu_simulator as module

    circuit = variational(2, 1)
    angles, weights = inputs(circuit, seed=4, samples=3)
    device = make_device(circuit, "native-gpu", seed=1)
    whole, bits = device.expval(angles, weights), device.sample(angles, weights, 5)
    monkeypatch.setattr(module, "_ALWAYS_THERE", 0)
    monkeypatch.setattr(module, "free_memory", lambda: -ROOMS.idle())
    device = make_device(circuit, "native-gpu", seed=1)
    assert np.array_equal(device.expval(angles, weights), whole)
    assert np.array_equal(device.sample(angles, weights, 5), bits)


@pytest.fixture
def launched(monkeypatch):
    """The kernels that are launched."""
    names = []
    for module in (gpu_jit, gpu_whole, gpu_tiles):

        def launch(kernel, *arguments, own=module.launch):
            names.append(kernel.__name__)
            own(kernel, *arguments)

        monkeypatch.setattr(module, "launch", launch)
    return names


def test_a_batch_is_one_launch_and_its_gradient_one_more(launched):
    """Derived numbers, permutations, all words and weights included; and what a launch counts is none of the next."""
    circuit = every_gate()
    angles, weights = inputs(circuit, seed=6, samples=3)
    simulator = GpuSimulator(circuit, True)
    values, held = simulator.run_for_gradient(angles, weights)
    assert launched == ["forward"]
    once, again = (simulator.gradient(angles, weights, held, np.ones_like(values))[1] for _ in range(2))
    assert launched == ["forward", "backward", "backward"] and np.array_equal(once, again) and np.abs(once).min() > 0
    assert np.array_equal(simulator.run(angles, weights), values) and len(launched) == 4
    launched.clear()
    GpuSimulator(circuit, True, tile=3).run(angles, weights)
    assert launched.count("forward_pass") > 1 and launched[-2:] == ["observe", "results"]


@pytest.mark.parametrize(("kib", "bits"), [(48, (11, 10)), (99, (12, 11)), (163, (13, 12)), (227, (13, 12))])
def test_how_large_a_state_one_block_holds(kib, bits):
    """psi and lambda, by the shared memory of CUDA's capabilities 5.0, 8.6, 8.0 and 9.0."""
    found = tuple(largest_whole(np.dtype(dtype), kib << 10) for dtype in (np.float32, np.float64))
    assert found == bits
    for number, size in zip(bits, (4, 8), strict=True):
        assert (4 << number) * size + 1040 <= kib << 10  # bytes, what `backward` has beside them included


def test_more_shared_memory_is_not_used_where_numba_does_not_give_it(monkeypatch):
    monkeypatch.setattr(gpu_jit, "simulated", lambda: False)
    assert gpu_jit.shared_memory.__wrapped__() == gpu_jit.ALWAYS_SHARED


def test_a_kernel_that_a_card_does_not_take_is_a_line(monkeypatch):
    def forward(*arguments):
        raise RuntimeError("Call to cuLaunchKernel\nresults in CUDA_ERROR_LAUNCH_OUT_OF_RESOURCES")

    monkeypatch.setattr(gpu_jit, "simulated", lambda: False)
    monkeypatch.setattr(gpu_jit, "card", lambda: card.Card("GPU 1", 1, "", "", ""))
    kernel = type("Kernel", (), {"__getitem__": lambda *_: forward, "__name__": "forward"})()
    with pytest.raises(ValueError, match=r"^GPU 1 does not take the kernel forward: .*OUT_OF_RESOURCES$"):
        gpu_jit.launch(kernel, 1, 1, 0)


def test_more_than_the_memory_is_refused_with_what_it_takes(monkeypatch):
    import hpcqrl.quantum.gpu_simulator as module

    circuit = Circuit(lambda angles, weights: qml.RX(angles[0], wires=0), 20, 1)
    simulator, angles = GpuSimulator(circuit, True), np.zeros((64, 1))
    monkeypatch.setattr(module, "free_memory", lambda: (1 << 30) - ROOMS.idle())
    with pytest.raises(ValueError, match=r"a batch of 64 of a circuit of 20 qubits takes 2\.\d+ GiB of GPU memory"):
        simulator.run_for_gradient(angles, np.zeros(0))
    with pytest.raises(ValueError, match=r"one sample .* 28 qubits takes 16\.\d+ GiB .* 16.00 GiB are free"):
        GpuSimulator(Circuit(circuit.function, 28, 1), True, np.float64)


def test_without_a_gpu_the_run_is_refused(tmp_path):
    done = hpcqrl("train", "qa3c", "--qpu", "native-gpu", "--out", str(tmp_path / "x.h5"), ranks=2)
    lines = done.stderr.strip().splitlines()
    assert done.returncode == 2 and len(lines) == 1 and "native-gpu finds no NVIDIA driver" in lines[0]


def test_a_run_on_gpus_says_who_shares_one(tmp_path):
    small = ("--env", "CartPole-v1", "--qubits", "2", "--layers", "1", "--episodes", "2")
    simulated = {"NUMBA_ENABLE_CUDASIM": "1"}
    out = str(tmp_path / "x.h5")
    done = hpcqrl("train", "qa3c", *small, "--qpu", "native-gpu", "--out", out, ranks=2, **simulated)
    assert done.returncode == 0, done.stderr
    assert "2 ranks share 1 GPU (Numba's simulator), up to 2 each" in done.stdout
    done = hpcqrl("check", COLUMNS="200", **simulated)
    assert done.returncode == 0 and "samples of 2 qubits with gradient in" in " ".join(done.stdout.split()), done.stderr


class Gpus:
    """So many GPUs, or what is raised in their place."""

    def __init__(self, found):
        self.found = found

    def __len__(self):
        if isinstance(self.found, str):
            raise RuntimeError(self.found)
        return self.found


@pytest.mark.parametrize(
    ("gpus", "opening", "reason"),
    [
        (0, "", "finds no GPU: there is none on this machine, or CUDA_VISIBLE_DEVICES hides it"),
        ("[100] Call to cuInit results in CUDA_ERROR_NO_DEVICE", "", "finds no GPU"),
        (
            "Error at driver init:\n\nno library:",
            "",
            "no NVIDIA driver that works here: Error at driver init: no library; ",
        ),
        (1, "DEVICE_UNAVAILABLE", "a driver for CUDA 11.4 and CUDA 12.8: another process has it alone"),
        (1, "UNSUPPORTED_PTX_VERSION", "a driver for CUDA 11.4 and CUDA 12.8: .*UNSUPPORTED_PTX_VERSION"),
    ],
)
def test_what_is_wrong_with_a_gpu_is_a_line(monkeypatch, gpus, opening, reason):
    def fails():
        raise RuntimeError(f"Call to something\nresults in CUDA_ERROR_{opening}")

    monkeypatch.setattr(card, "simulated", lambda: False)
    monkeypatch.setattr(card, "_versions", lambda: ("11.4", "12.8"))
    monkeypatch.setattr(numba.cuda, "gpus", Gpus(gpus))
    monkeypatch.setattr(numba.cuda, "current_context", fails)
    with pytest.raises(ValueError, match=reason) as raised:
        card.card.__wrapped__()
    assert "\n" not in str(raised.value)
