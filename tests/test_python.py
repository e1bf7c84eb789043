"""From Python: train, alone or under mpiexec, and read a run; in a script as in a notebook."""

import os
import sys

import numpy as np
import pytest
from launch import run

import hpcqrl
from hpcqrl.quantum import gates
from hpcqrl.results.reader import read_run

TRAIN = """
import sys
import hpcqrl

path = hpcqrl.train("qa3c", env="CartPole-v1", episodes=40, qubits=3, out=sys.argv[1])
print("trained", path)
"""
LADDER = """
import sys
import hpcqrl
from hpcqrl.quantum import gates as qml


def ladder(qubits, layers):
    def gates(angles, weights):
        for q in range(qubits):
            qml.RY(angles[q], wires=q)
        for layer in weights:
            for q in range(qubits - 1):
                qml.CNOT(wires=(q, q + 1))
            for q in range(qubits):
                qml.RX(layer[q], wires=q)

    return hpcqrl.Circuit(gates, qubits, qubits, (layers, qubits), measured=("Z0", f"Z0 Z{qubits - 1}"))


path = hpcqrl.train("qa3c", circuit=ladder, qubits=3, episodes=20, out=sys.argv[1])
print(hpcqrl.load(path).policy()([0.0, 0.1, 0.0, 0.1]))
"""
THREADS = """
import sys
import numpy
import torch
import hpcqrl
from threadpoolctl import threadpool_info
from hpcqrl.quantum.circuits import efficient_su2

threads = lambda: max(pool["num_threads"] for pool in threadpool_info())
before, within = threads(), []


def circuit(qubits, layers):
    within.append(threads())
    return efficient_su2(qubits, layers)


hpcqrl.train("qa3c", circuit=circuit, qubits=3, episodes=4, out=sys.argv[1])
print(before, within, threads())
"""
LOAD = """
import sys
import hpcqrl

run = hpcqrl.load(sys.argv[1])
policy, env = run.policy(), run.environment()
observation, _ = env.reset(seed=1)
print(policy(observation), len(run.episodes), run.config["qubits"], sorted(run.parameters)[0], run.complete)
print("mpi4py" in sys.modules, "torch" in sys.modules, "pennylane" in sys.modules)
"""


@pytest.mark.parametrize("ranks", [None, 1, 2])
def test_a_script_trains_and_another_reads_what_it_has_left(tmp_path, ranks):
    out = tmp_path / "run.h5"
    done = run(sys.executable, "-c", TRAIN, str(out), ranks=ranks)
    assert done.returncode == 0 and done.stdout.count(f"trained {out}") == (ranks or 1), done.stdout + done.stderr
    assert read_run(out).agents == (ranks or 1)
    done = run(sys.executable, "-c", LOAD, str(out))
    assert done.returncode == 0, done.stderr
    first, second = done.stdout.splitlines()
    assert first in ("0 40 3 actor.circuit True", "1 40 3 actor.circuit True")
    assert second == "False False False", "reading starts no MPI, and needs neither torch nor PennyLane"


DIFFERENT = """
import sys
import hpcqrl
from mpi4py import MPI

rank, case = MPI.COMM_WORLD.rank, sys.argv[2]
others = {"more": {"episodes": 70}, "bad": {"episodes": -1}, "typo": {"episode": 50}}
given = {"episodes": 50} if rank == 0 else others[case]
hpcqrl.train("dist-qtrl", model="classical", env="CartPole-v1", out=sys.argv[1], **given)
"""


@pytest.mark.parametrize(
    ("case", "said"),
    [
        ("more", "all ranks must train the same, but rank 0 was asked for"),
        ("bad", "rank 1: episodes must be at least 1, not -1"),
        ("typo", "rank 1: there is no option 'episode'"),
    ],
)
def test_ranks_that_are_asked_for_different_runs_do_not_hang(tmp_path, case, said):
    done = run(sys.executable, "-c", DIFFERENT, str(tmp_path / "run.h5"), case, ranks=2, timeout=60)
    assert done.returncode != 0 and said in done.stderr and not list(tmp_path.iterdir()), done.stderr


def test_importing_the_package_imports_nothing_heavy():
    code = "import sys, hpcqrl; print([name for name in ('numpy', 'torch', 'mpi4py', 'h5py') if name in sys.modules])"
    assert run(sys.executable, "-c", code).stdout == "[]\n"


@pytest.mark.parametrize("ranks", [None, 2])
def test_a_circuit_defined_in_the_script_itself(tmp_path, ranks):
    script, out = tmp_path / "script.py", tmp_path / "run.h5"
    script.write_text(LADDER)
    done = run(sys.executable, str(script), str(out), ranks=ranks)
    assert done.returncode == 0, done.stdout + done.stderr
    found = read_run(out)
    assert found.config["circuit"] == "__main__:ladder" and '"Z0 Z2"' in found.circuit
    loaded = hpcqrl.load(out)
    assert loaded.recorded.circuit.measured == ("Z0", "Z0 Z2") and loaded.policy()(np.zeros(4, np.float32)) in (0, 1)


def test_what_cannot_be_done_is_a_value_error_and_the_interpreter_lives_on(tmp_path):
    (tmp_path / "there.h5").write_bytes(b"x")
    for options, said in (
        ({"episode": 3}, "there is no option 'episode'; there are: env, episodes"),
        ({"env": "Nowhere-v0"}, "no environment 'Nowhere-v0'"),
        ({"qubits": 0}, "qubits must be at least 1, not 0"),
        ({"out": tmp_path / "there.h5"}, "there.h5 exists"),
        ({"circuit": "nowhere:ladder"}, "there is no module 'nowhere'"),
    ):
        with pytest.raises(ValueError, match=said):
            hpcqrl.train("qa3c", **({"out": tmp_path / "x.h5", "episodes": 3} | options))
    with pytest.raises(ValueError, match="no system 'qa3'"):
        hpcqrl.train("qa3", out=tmp_path / "x.h5")
    with pytest.raises(ValueError, match=r"none\.h5 cannot be read"):
        hpcqrl.load(tmp_path / "none.h5")
    assert [path.name for path in tmp_path.iterdir()] == ["there.h5"]
    with pytest.raises(AttributeError, match="no attribute 'trian'"):
        hpcqrl.trian  # noqa: B018


def test_an_error_in_training_is_raised_and_not_the_end_of_the_interpreter(tmp_path):
    sys.path.insert(0, "tests")
    with pytest.raises(ZeroDivisionError, match="the cart has left the track"):
        hpcqrl.train("qa3c", env="test_environments:Breaks-v0", episodes=10_000, out=tmp_path / "x.h5")
    assert hpcqrl.train("qa3c", episodes=3, qubits=2, out=tmp_path / "x.h5", overwrite=True).exists()


CUT = """
import os, signal, sys, threading, time
import hpcqrl

def press():
    while not os.path.exists(sys.argv[1]):
        time.sleep(0.02)
    time.sleep(1.0)
    os.kill(os.getpid(), signal.SIGINT)

threading.Thread(target=press, daemon=True).start()
try:
    hpcqrl.train("qa3c", episodes=3000, qubits=2, out=sys.argv[1])
except KeyboardInterrupt:
    print(hpcqrl.load(sys.argv[1]))
print(hpcqrl.load(hpcqrl.resume(sys.argv[1])))
"""


def test_ctrl_c_in_a_notebook_keeps_a_checkpoint_and_resume_goes_on(tmp_path):
    done = run(sys.executable, "-c", CUT, str(tmp_path / "run.h5"))
    assert done.returncode == 0, done.stderr
    assert done.stdout.count("episodes, not complete>\n") == 1 and "resumed after" in done.stdout
    assert done.stdout.endswith("run.h5: qa3c, seed 0, 3,000 episodes, complete>\n")


def test_it_trains_in_a_thread_too(tmp_path):
    code = """
import sys, threading, hpcqrl
thread = threading.Thread(target=lambda: hpcqrl.train("qa3c", episodes=5, qubits=2, out=sys.argv[1]))
thread.start(), thread.join()
print(len(hpcqrl.load(sys.argv[1]).episodes))
"""
    done = run(sys.executable, "-c", code, str(tmp_path / "run.h5"))
    assert done.returncode == 0 and done.stdout.endswith("\n5\n"), done.stdout + done.stderr


def test_what_cannot_be_resumed_is_a_value_error(tmp_path):
    with pytest.raises(ValueError, match=r"none\.h5"):
        hpcqrl.resume(tmp_path / "none.h5")
    with pytest.raises(ValueError, match="a module, a function, or the name of one is expected, not 7"):
        hpcqrl.train(7, out=tmp_path / "x.h5")
    path = hpcqrl.train("qa3c", episodes=3, qubits=2, out=tmp_path / "x.h5")
    assert hpcqrl.resume(path) == path  # complete: nothing is left to do
    with pytest.raises(ValueError, match="is of system qa3c, not dist-qtrl"):
        hpcqrl.resume(path, system="dist-qtrl")
    hpcqrl.load(path).export(str(tmp_path / "x.pt2"))


def test_a_module_can_be_given_as_the_system(tmp_path):
    import reinforce

    path = hpcqrl.train(reinforce, episodes=5, out=tmp_path / "x.h5")
    found = hpcqrl.load(path, system=reinforce)
    assert found.episodes["baseline"].size == 5 and found.policy(sample=True)(np.zeros(4, np.float32)) in (0, 1)
    with pytest.raises(ValueError, match="imported only if you say --system reinforce"):
        hpcqrl.load(path).policy()


def own(qubits, layers):
    def gates_of(angles, weights):
        for q in range(qubits):
            gates.RX(angles[q], wires=q)

    return hpcqrl.Circuit(gates_of, qubits, qubits, ())


def test_the_function_that_is_given_is_the_circuit_whatever_its_name_means_by_now(tmp_path):
    def local(qubits, layers):
        return own(qubits, layers)

    functions = {"own": own, "local": local, "lambda": lambda qubits, layers: own(qubits, layers)}
    for name, function in functions.items():
        path = hpcqrl.train("qa3c", circuit=function, qubits=2, episodes=2, out=tmp_path / f"{name}.h5")
        assert '"RX"' in hpcqrl.load(path).circuit


@pytest.mark.parametrize(
    "option", [{"model": "clasical"}, {"episodes": 4.5}, {"tanh": "yes"}, {"push": "maybe"}, {"episodes": None}]
)
def test_options_of_the_wrong_kind_are_refused(tmp_path, option):
    with pytest.raises(ValueError, match=f"{next(iter(option))} must be "):
        hpcqrl.train("qa3c", out=tmp_path / "x.h5", **option)
    numbers = {"episodes": np.int64(2), "learning_rate": np.float32(1e-3)}
    assert hpcqrl.train("qa3c", qubits=2, out=tmp_path / "y.h5", **numbers).exists()


@pytest.mark.skipif(len(os.sched_getaffinity(0)) < 2, reason="needs two cores")
def test_a_rank_has_one_thread_also_where_numpy_and_torch_came_first(tmp_path, monkeypatch):
    """But where one has asked for more; and a notebook has its threads back afterwards."""
    cores = len(os.sched_getaffinity(0))
    for name in ("OMP_NUM_THREADS", "MKL_NUM_THREADS", "OPENBLAS_NUM_THREADS", "NUMBA_NUM_THREADS"):
        monkeypatch.delenv(name, raising=False)
    for variables, during in (({}, 1), ({"OMP_NUM_THREADS": str(cores)}, cores)):
        done = run(sys.executable, "-c", THREADS, str(tmp_path / f"{during}.h5"), **variables)
        assert done.stdout.splitlines()[-1] == f"{cores} {[during]} {cores}", done
