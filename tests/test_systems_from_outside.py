"""A system of one's own, a module that meets the contract, can do all that the papers' can."""

import json
import os
import signal
import sys
import time
from pathlib import Path

import h5py
import numpy as np
import pytest
from launch import BIN, ROOT, finish, hpcqrl, run, start, worker_pids
from test_resume import INTERRUPTED, same

from hpcqrl.results.reader import read_run
from hpcqrl.systems import find
from hpcqrl.systems.contract import PARTS

PATH = {"PYTHONPATH": f"{ROOT}:{ROOT / 'tests'}"}
AGAIN = ("--system", "reinforce")


def train(out, *options, ranks=1):
    done = hpcqrl("train", "reinforce", "--out", str(out), *options, ranks=ranks, **PATH)
    assert done.returncode == 0, done.stdout + done.stderr
    return read_run(out)


def test_the_system_of_the_tests_is_short():
    assert len((ROOT / "tests/reinforce.py").read_text().splitlines()) <= 80


@pytest.mark.parametrize("ranks", [1, 2, 4])
def test_it_trains_and_learns_on_any_number_of_ranks(tmp_path, ranks):
    found = train(tmp_path / "run.h5", "--seed", "1", ranks=ranks)
    assert found.complete and found.system == "reinforce" and found.agents == ranks
    assert found.counts_each_agent and found.synchronous
    assert found.episodes["episode"].tolist() == list(range(300 * ranks))
    returns = found.episodes["return"]
    assert returns[-50 * ranks :].mean() > 1.5 * returns[: 50 * ranks].mean()
    assert found.episodes["baseline"][ranks:].min() > 0.0
    with h5py.File(tmp_path / "run.h5") as file:
        assert "moving average" in file["episodes"].attrs["about:baseline"]


@pytest.mark.parametrize("ranks", [1, 2])
def test_killed_and_resumed_it_ends_with_the_same_bits(tmp_path, ranks):
    whole, cut, long = tmp_path / "whole.h5", tmp_path / "cut.h5", ("--episodes", "1500")
    train(whole, *long, ranks=ranks)
    command = ("train", "reinforce", *long, "--checkpoint-every", "0.2", "--out", str(cut))
    process = start(str(BIN / "hpcqrl"), *command, ranks=ranks, **PATH)
    while not (cut.exists() and "checkpointed" in read_run(cut).attributes):
        assert process.poll() is None
        time.sleep(0.02)
    os.kill(worker_pids(process.pid)[0], signal.SIGKILL)
    assert finish(process).returncode not in (0, INTERRUPTED)
    refused = hpcqrl("resume", str(cut), ranks=ranks, **PATH)
    assert refused.returncode == 2 and refused.stderr.count("imported only if you say --system reinforce") == 1
    other = hpcqrl("resume", str(cut), "--system", "qa3c", **PATH)
    assert other.returncode == 2 and "is of system reinforce, not qa3c" in other.stderr
    assert hpcqrl("resume", str(cut), *AGAIN, ranks=ranks, **PATH).returncode == 0
    same(read_run(whole), read_run(cut))


def test_it_is_played_exported_described_and_shown_by_the_tools(tmp_path):
    out = tmp_path / "run.h5"
    train(out, "--episodes", "20", ranks=2)
    refused = hpcqrl("evaluate", str(out), **PATH)
    assert refused.returncode == 2 and "say --system reinforce" in refused.stderr
    for command, said in (
        (("evaluate", str(out), *AGAIN, "--episodes", "3", "--sample"), "mean return of 3 episodes"),
        (("export", str(out), *AGAIN, "--out", str(tmp_path / "x.pt2")), "observations [samples, 4] of CartPole-v1"),
        (("describe", str(out), *AGAIN), "output.weight"),
        (("describe", "reinforce"), "output.weight"),
        (("train", "reinforce", "--help"), "Episodes of each agent"),
        (("state", str(out)), "complete"),
    ):
        done = hpcqrl(*command, **PATH)
        assert done.returncode == 0 and said in done.stdout, (command, done.stdout, done.stderr)
    for tool, said in (
        (("table.py", "--last", "10"), "| reinforce, 2 agents | CartPole-v1 | 1 |"),
        (("watch.py", "--once"), "complete"),
        (("curves.py", "--out", str(tmp_path / "x.png")), "1 run drawn"),
        (("export.py", "--csv", str(tmp_path)), "1 run written"),
    ):
        name, *options = tool
        done = run(sys.executable, f"tools/{name}", *options, str(out))
        assert done.returncode == 0 and said in done.stdout, (tool, done.stdout, done.stderr)


def test_the_quantum_one_of_the_examples_learns_and_takes_circuits(tmp_path):
    path = {"PYTHONPATH": f"{ROOT}:{ROOT / 'examples'}:{ROOT / 'tests'}"}
    out, again = tmp_path / "run.h5", ("--system", "quantum_reinforce")
    done = hpcqrl(
        "train", "quantum_reinforce", "--qubits", "4", "--episodes", "120", "--out", str(out), ranks=2, **path
    )
    assert done.returncode == 0, done.stdout + done.stderr
    returns = read_run(out).episodes["return"]
    assert returns[-40:].mean() > 1.5 * returns[:100].mean()
    for command, said in (
        (("evaluate", str(out), "--sample", *again), "mean return of 20 episodes"),
        (("export", str(out), "--out", str(tmp_path / "x.pt2"), *again), "observations [samples, 4]"),
        (("describe", str(out), *again), "circuit:"),
    ):
        done = hpcqrl(*command, **path)
        assert done.returncode == 0 and said in done.stdout, (command, done.stdout, done.stderr)
    own = ("--circuit", "own_circuits:scaled", "--qubits", "2", "--episodes", "5", "--shots", "50")
    done = hpcqrl("train", "quantum_reinforce", *own, "--out", str(tmp_path / "own.h5"), ranks=2, **path)
    assert done.returncode == 0, done.stdout + done.stderr


@pytest.mark.parametrize("part", PARTS)
def test_a_part_of_the_contract_that_is_missing_is_named(tmp_path, part):
    text = (ROOT / "tests/reinforce.py").read_text()
    (tmp_path / "lacking.py").write_text(f"{text}\ndel {part}\n")
    sys.path.insert(0, str(tmp_path))
    try:
        with pytest.raises(ValueError, match=rf"module 'lacking' is no system: it lacks {part} \("):
            find("lacking")
    finally:
        sys.path.remove(str(tmp_path))
        sys.modules.pop("lacking", None)


def test_what_is_no_system_is_refused_in_a_line(tmp_path):
    (tmp_path / "no_system.py").write_text("x = 1\n")
    (tmp_path / "lacks_a_module.py").write_text("import nowhere\n")
    environment = {"PYTHONPATH": f"{ROOT}:{tmp_path}"}
    for name, said in (
        ("qa3", "no system 'qa3'; there are: dist-qtrl, qa3c, qdqn-dper, hdqnn-td3, ppo, and one's own by its module"),
        ("no_system", "module 'no_system' is no system: it lacks FACTS, Config"),
        ("lacks_a_module", "cannot be imported: No module named 'nowhere'"),
        ("..", "no system '..'"),
        ("", "no system ''"),
    ):
        done = hpcqrl("train", name, "--out", str(tmp_path / "x.h5"), ranks=2, **environment)
        assert done.returncode == 2 and done.stderr.count(said) == 1 and done.stderr.count("\n") == 1, done.stderr
        assert not Path(tmp_path / "x.h5").exists()


@pytest.mark.parametrize(
    ("old", "new", "said"),
    [
        ("self.model, self.extent = ", "self.model, self.length = ", "the system's Agent lacks extent"),
        ("self.envs, self", "self.environments, self", "the system's Agent lacks envs"),
        ("    def restore(", "    def restored(", "the system's Agent lacks restore"),
        ("return Needs()", "return None", "needs(config) gives None, not a Needs"),
        ("    seed: int = 0", "    seeds: int = 0", "it lacks Config.seed"),
        ("@dataclass(frozen=True)", "", "it lacks Config"),
    ],
)
def test_a_part_of_its_parts_that_is_missing_is_named(tmp_path, old, new, said):
    text = (ROOT / "tests/reinforce.py").read_text()
    assert old in text
    text = text.replace(old, new).replace("self.envs[0]", "environment(config)" if "envs" in old else "self.envs[0]")
    (tmp_path / "lacking.py").write_text(text)
    done = hpcqrl("train", "lacking", "--out", str(tmp_path / "x.h5"), ranks=2, PYTHONPATH=f"{ROOT}:{tmp_path}")
    assert done.returncode == 2 and said in done.stderr and done.stderr.count("\n") == 1, done.stderr
    assert not (tmp_path / "x.h5").exists()


def test_a_fraction_in_a_column_of_whole_numbers_is_refused(tmp_path):
    text = (ROOT / "tests/reinforce.py").read_text()
    (tmp_path / "whole.py").write_text(text.replace('"baseline", "<f8"', '"baseline", "<i4"'))
    done = hpcqrl("train", "whole", "--out", str(tmp_path / "x.h5"), PYTHONPATH=f"{ROOT}:{tmp_path}")
    assert done.returncode == 1 and "whole numbers in its column 'baseline', but its record has" in done.stderr


def test_a_system_that_takes_no_checkpoints_ends_when_it_is_told_to(tmp_path):
    text = (ROOT / "tests/reinforce.py").read_text()
    (tmp_path / "endless.py").write_text(text.replace("if agents.wished:", "if False:"))
    out = tmp_path / "x.h5"
    command = ("train", "endless", "--episodes", "1000000", "--patience", "1", "--out", str(out))
    process = start(str(BIN / "hpcqrl"), *command, ranks=2, PYTHONPATH=f"{ROOT}:{tmp_path}")
    while not out.exists():
        assert process.poll() is None
        time.sleep(0.02)
    process.send_signal(signal.SIGUSR1)
    done = finish(process, 60)
    assert done.returncode == INTERRUPTED and "and no checkpoint since" in done.stdout, done


def test_a_record_that_is_not_what_the_system_states_is_refused_at_the_first(tmp_path):
    text = (ROOT / "tests/reinforce.py").read_text()
    (tmp_path / "misnamed.py").write_text(text.replace("baseline=agent.baseline)", "base=agent.baseline)"))
    done = hpcqrl("train", "misnamed", "--out", str(tmp_path / "x.h5"), PYTHONPATH=f"{ROOT}:{tmp_path}")
    assert done.returncode == 1 and "states the columns ['baseline'], but its record has ['base']" in done.stderr
    assert not (tmp_path / "x.h5").exists()


def test_the_facts_are_in_the_file_for_whoever_reads_it(tmp_path):
    out = tmp_path / "run.h5"
    train(out, "--episodes", "3")
    with h5py.File(out) as file:
        facts = file.attrs["counts_each_agent"], file.attrs["synchronous"], json.loads(file.attrs["config"])["episodes"]
    assert np.array_equal(facts, (True, True, 3))
