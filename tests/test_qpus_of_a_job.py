"""The QPUs that a scheduler gives a job through QRMI: shared out, opened, said; what is wrong with them is a line."""

import importlib.util
import json
import os
import signal
import sys
import time
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
from launch import PATIENCE, ROOT, finish, hpcqrl, start
from random_circuits import inputs, reference
from test_gradients_of_qpus import MIXED

from hpcqrl.quantum.circuits import variational
from hpcqrl.quantum.job_qpus import JobQpu, job_qpus, shared_out
from hpcqrl.quantum.sampler_device import SamplerDevice
from hpcqrl.results.reader import read_run

QISKIT = importlib.util.find_spec("qiskit_aer") is not None
FAKES = [ROOT, ROOT / "tests/fake_qrmi", *([] if QISKIT else [ROOT / "tests/fake_qiskit"])]
PATH = {"PYTHONPATH": ":".join(map(str, FAKES)), "COLUMNS": "200"}
JOB = {"QRMI_JOB_QPU_RESOURCES": "ibm_a,ibm_b", "QRMI_JOB_QPU_TYPES": "ibm-quantum-system,qiskit-runtime-service"}
QA3C = ("qa3c", "--qubits", "2", "--layers", "1", "--qpu", "qrmi", "--gradient", "exact")
DIST_QTRL = (
    "dist-qtrl",
    "--env",
    "CartPole-v1",
    "--hidden",
    "2",
    "--layers",
    "1",
    "--qpu",
    "qrmi",
    "--gradient",
    "exact",
)


def test_the_lists_are_read_by_today_s_names_and_the_older_ones():
    pair = [JobQpu("ibm_a", "ibm-quantum-system"), JobQpu("ibm_b", "qiskit-runtime-service")]
    assert job_qpus(JOB) == pair
    assert job_qpus({name.replace("QRMI_", "SLURM_"): value for name, value in JOB.items()}) == pair
    assert (
        job_qpus({name: value.replace(",", " ; ") for name, value in JOB.items()} | {"QRMI_LIST_DELIMITER": ";"})
        == pair
    )


def test_qpus_are_shared_out_in_turn_node_by_node():
    assert shared_out(["a"] * 4, 2) == [0, 1, 0, 1]
    assert shared_out(["a", "b", "a", "b"], 2) == [0, 0, 1, 1]  # each node has both
    assert shared_out(["a", "a", "b", "b", "b"], 4) == [0, 1, 2, 3, 0]
    assert shared_out(["a", "b"], 3) == [0, 1]


@pytest.mark.parametrize(
    ("variables", "said"),
    [
        ({}, "there are none: QRMI_JOB_QPU_RESOURCES is not set, or empty; ask for some with #SBATCH --qpu=NAME"),
        (
            JOB | {"QRMI_PLUGIN_ERROR": "no token\nfor ibm_a"},
            "the job's QPUs could not be acquired: no token for ibm_a",
        ),
        (
            JOB | {"QRMI_JOB_QPU_TYPES": "ibm-quantum-system"},
            "must pair up, and are ibm_a,ibm_b and ibm-quantum-system",
        ),
        (JOB | {"QRMI_JOB_QPU_TYPES": "ibm-quantum-system,abacus"}, "QPU ibm_b is of type abacus; --qpu qrmi runs on"),
        (
            JOB | {"HPCQRL_TEST_DOWN": "ibm_b"},
            "QPU ibm_b (qiskit-runtime-service) is not accessible: it does not answer",
        ),
        (
            JOB | {"QRMI_JOB_QPU_RESOURCES": "ibm_a,broken"},
            "QPU broken (qiskit-runtime-service) is not accessible: RuntimeError: broken_QRMI_IBM_QS_ENDPOINT",
        ),
    ],
)
def test_what_is_wrong_with_them_is_said_in_a_line(tmp_path, variables, said):
    for command in (("train", *QA3C, "--shots", "9", "--out", str(tmp_path / "x.h5")), ("check",)):
        if command[0] == "check" and "QRMI_PLUGIN_ERROR" not in variables:
            continue  # once; and there is nothing wrong with a job without QPUs
        done = hpcqrl(*command, ranks=2, **PATH, **variables)
        assert done.returncode == 2 and done.stderr.count(said) == 1 and "Traceback" not in done.stderr, done
    assert not (tmp_path / "x.h5").exists()


@pytest.mark.parametrize(
    ("options", "said"),
    [
        (("--qubits", "2"), "QPUs of a job measure shots, and nothing exact: qpu qrmi needs shots"),
        (("--shots", "9", "--qpu-option", "a=1"), "qpu_option is of PennyLane's devices by name, and the QPU is qrmi"),
        (("--shots", "9", "--qubits", "6"), "5 qubits, and the circuit 6"),
    ],
)
def test_what_is_asked_of_them_wrongly_too(tmp_path, options, said):
    done = hpcqrl("train", *QA3C, *options, "--out", str(tmp_path / "x.h5"), ranks=2, **PATH, **JOB)
    assert done.returncode == 2 and done.stderr.count(said) == 1 and "Traceback" not in done.stderr, done


def test_without_qrmi_the_extra_is_named(tmp_path):
    if importlib.util.find_spec("qrmi"):
        pytest.skip("QRMI is installed here")
    done = hpcqrl("train", *QA3C, "--shots", "9", "--out", str(tmp_path / "x.h5"), **JOB)
    assert done.returncode == 2 and "needs this package's extra `qrmi`" in done.stderr, done


def test_check_says_which_rank_has_which():
    done = hpcqrl("check", ranks=3, **PATH, **JOB)
    shown = [line.split("native: ")[1] for line in done.stdout.splitlines() if "native: " in line]
    assert ["ibm_a" in line for line in shown] == [True, False, True], done.stdout + done.stderr
    assert all("5 qubits" in line for line in shown)


def test_four_ranks_share_two_qpus_and_go_on_after_a_kill(tmp_path):
    out, count = tmp_path / "x.h5", tmp_path / "count"
    options = ("--shots", "100", "--episodes", "60", "--checkpoint-every", "0.3", "--out", str(out))
    variables = PATH | JOB | {"HPCQRL_TEST_COUNT": str(count)}
    process = start(f"{os.path.dirname(sys.executable)}/hpcqrl", "train", *DIST_QTRL, *options, ranks=4, **variables)
    until = time.monotonic() + PATIENCE
    while time.monotonic() < until and process.poll() is None:
        if out.exists() and "checkpointed" in read_run(out).attributes:
            break
        time.sleep(0.1)
    process.send_signal(signal.SIGKILL)
    killed = finish(process)
    assert "QPU ibm_a: ranks 0, 2; QPU ibm_b: ranks 1, 3" in killed.stdout, killed
    done = hpcqrl("resume", str(out), ranks=3, **variables)
    assert done.returncode == 0 and "QPU ibm_a: ranks 0, 2; QPU ibm_b: rank 1" in done.stdout, done
    run = read_run(out)
    assert run.complete and np.array_equal(run.episodes["episode"], np.arange(len(run.episodes)))
    first, second = json.loads(run.attributes["history"])
    assert first["qpus"] == ["ibm_a", "ibm_b", "ibm_a", "ibm_b"] and second["qpus"] == ["ibm_a", "ibm_b", "ibm_a"]
    jobs = [line.split()[0] for line in count.read_text().splitlines()]
    assert 0.3 < jobs.count("ibm_a") / len(jobs) < 0.8


@pytest.fixture
def fakes(monkeypatch):
    """The stand-ins, in this process."""
    for folder in FAKES[1:]:
        monkeypatch.syspath_prepend(str(folder))
    from qrmi import Resource
    from qrmi.primitives.ibm import SamplerV2, get_backend

    yield get_backend(Resource("ibm_a")), SamplerV2(Resource("ibm_a"))
    for name in [name for name in sys.modules if name.split(".")[0] in ("qrmi", *(() if QISKIT else ("qiskit",)))]:
        del sys.modules[name]


def test_a_call_is_one_job_and_its_numbers_are_those_of_the_circuit(fakes, monkeypatch, tmp_path):
    backend, sampler = fakes
    if QISKIT:  # without its noise
        from qiskit_aer import AerSimulator
        from qiskit_ibm_runtime import SamplerV2

        backend = AerSimulator(seed_simulator=0)
        sampler = SamplerV2(mode=backend)
    from hpcqrl.quantum import gates as qml
    from hpcqrl.quantum.circuit import Circuit

    def some(a, w):
        qml.Hadamard(wires=0)
        qml.RY(a[0] * w[0], wires=1)
        qml.Rot(w[0], w[1], a[1], wires=2)
        qml.CNOT(wires=(0, 1))
        qml.U2(a[0], 0.3, wires=2)
        qml.CRX(w[2], wires=(1, 2))

    circuit = MIXED if QISKIT else Circuit(some, 3, 2, (3,), measured=("Z0", "X1", "Z0 Y2"))
    device = SamplerDevice(circuit, backend, 20_000, sampler=sampler)
    angles, weights = inputs(circuit, 3)
    for expval, found in ((True, device.expval(angles, weights)), (False, device.probs(angles, weights))):
        exact = reference(circuit, expval, angles, weights, np.zeros_like(found))[0]
        assert np.abs(found - exact).max() < 5.0 / np.sqrt(20_000)
    assert device.cost.submissions == 2 and device.cost.executions == 2 * 2  # a row of angles each


@pytest.mark.skipif(not (QISKIT and importlib.util.find_spec("qrmi")), reason="QRMI and Aer are not installed")
def test_qrmi_s_own_backend_and_sampler_take_what_they_are_sent():
    """Its classes as they are; what would answer over the network is Aer."""
    from qiskit_aer import AerSimulator
    from qiskit_ibm_runtime import RuntimeEncoder
    from qiskit_ibm_runtime import SamplerV2 as RuntimeSampler
    from qiskit_ibm_runtime.fake_provider import FakeManilaV2
    from qrmi import TaskStatus
    from qrmi.primitives.ibm import SamplerV2, get_backend

    fake, aer, sent = FakeManilaV2(), RuntimeSampler(mode=AerSimulator(seed_simulator=0)), []

    class Resource:
        def target(self):
            files = {"configuration": fake.conf_filename, "properties": fake.props_filename}
            whole = {name: json.loads((Path(fake.dirname) / file).read_text()) for name, file in files.items()}
            return SimpleNamespace(value=json.dumps(whole))

        def task_start(self, payload):
            sent.append(payload)
            return "task"

        def task_status(self, task):
            return TaskStatus.Completed

        def task_result(self, task):
            return SimpleNamespace(value=json.dumps(aer.run(self.pubs, shots=20_000).result(), cls=RuntimeEncoder))

        def task_stop(self, task):
            pass

    resource = Resource()

    class Sampler(SamplerV2):
        def run(self, pubs, *, shots):
            resource.pubs = pubs
            return super().run(pubs, shots=shots)

    circuit = variational(3, 1)
    device = SamplerDevice(circuit, get_backend(resource), 20_000, sampler=Sampler(resource))
    angles, weights = inputs(circuit, 4)
    found = device.expval(angles, weights)
    exact = reference(circuit, True, angles, weights, np.zeros_like(found))[0]
    assert np.abs(found - exact).max() < 5.0 / np.sqrt(20_000) and len(sent) == 1
