"""The job scripts, submitted to a real Slurm: they train, end, go on after an interruption, and say what is wrong."""

import os
import signal
import time
from importlib.util import find_spec
from pathlib import Path

import numpy as np
import pytest
from launch import PATIENCE, ROOT
from readme import commands

from hpcqrl.results.reader import read_run

LAUNCHERS = ("srun", "mpiexec")
SMALL = {
    "dist_qtrl": ("--hidden", "2", "--layers", "1", "--max-steps", "10", "--episodes", "20"),
    "qa3c": ("--env", "MiniGrid-Empty-5x5-v0", "--qubits", "2", "--layers", "1", "--episodes", "6"),
    "qdqn_dper": ("--qubits", "2", "--layers", "1", "--episodes", "20"),
    "hdqnn_td3": ("--qubits", "2", "--hidden", "4", "--qtdnn-hidden", "4", "--steps", "205", "--random-steps", "200"),
}
ENDLESS = (*SMALL["dist_qtrl"][:-1], "1000000")
LONGER = (  # some seconds of QDQN-DPER, most of them asleep
    *("--qubits", "2", "--layers", "1", "--qpu-latency", "0.05", "--episodes", "600"),
    *("--checkpoint-every", "0", "--out"),
)


def until(condition, log, seconds=PATIENCE):
    """Wait for a condition, at most so long; then fail with what the log says."""
    end = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < end, log.read_text() if log.exists() else f"{log} does not exist"
        time.sleep(0.1)


def test_the_readmes_commands_work_word_for_word_on_four_nodes(cluster, tmp_path):
    """But for numbers of nodes and tasks, and that an array is of one element, and all train for shorter, elsewhere."""
    (check,) = (line for line in commands() if line.startswith("srun"))
    said = cluster.call("srun", "--nodes=4", "--ntasks=8", *check.split()[1:], COLUMNS="120")
    assert all(f" n{number} " in said for number in (1, 2, 3, 4)), said
    lines = [line for line in commands() if line.startswith("sbatch")]
    small = ("--env", "MiniGrid-Empty-5x5-v0", *SMALL["qa3c"][2:]), SMALL["dist_qtrl"]
    for number, (line, shorter) in enumerate(zip(lines, small, strict=True)):
        out = tmp_path / f"{number}.h5"
        words = line.replace("--array=0-19", "--array=3-3").replace("--ntasks=32", "--ntasks=8").split()
        job = cluster.call(
            *words[:1], "--parsable", f"--output={tmp_path}/{number}.log", *words[1:], *shorter, "--out", out
        )
        assert cluster.wait(job.strip())["JobState"] == "COMPLETED", (tmp_path / f"{number}.log").read_text()
        assert read_run(next(tmp_path.glob(f"{number}*.h5"))).complete


@pytest.mark.parametrize("script", SMALL)
def test_a_job_trains_with_both_launchers_on_one_node_and_on_two(cluster, tmp_path, script):
    jobs = {}
    for launcher in LAUNCHERS:
        for nodes in (1, 2):
            path = tmp_path / f"{launcher}-{nodes}"
            jobs[path] = cluster.submit(
                script,
                path.with_suffix(".log"),
                *(*SMALL[script], "--out", str(path.with_suffix(".h5"))),
                options=(f"--nodes={nodes}", "--ntasks=3"),
                HPCQRL_LAUNCHER=launcher,
            )
    thetas = []
    for path, job in jobs.items():
        facts, log = cluster.wait(job), path.with_suffix(".log").read_text()
        assert facts["JobState"] == "COMPLETED", log
        assert facts["NumNodes"] == path.name[-1]
        run = read_run(path.with_suffix(".h5"))
        serves = script in ("qa3c", "qdqn_dper") and path.name[-1] == "2"  # these nodes have no RDMA hardware
        assert run.complete and run.agents == 3 - serves and ("rank 0 does not act" in log) == serves
        thetas.append(np.concatenate([value.ravel() for _, value in sorted(run.parameters.items())]))
    if script in ("dist_qtrl", "hdqnn_td3"):  # synchronous: the same bits, wherever the agents are
        assert all(np.array_equal(theta, thetas[0]) for theta in thetas)


def ranks_of(job: str) -> list[int]:
    """The processes of a job's ranks, in no order."""
    found = []
    for process in Path("/proc").iterdir():
        try:
            command = (process / "cmdline").read_bytes().split(b"\0")
            variables = (process / "environ").read_bytes().split(b"\0")
        except OSError:
            continue
        if b"python" in command[0] and b"train" in command and f"SLURM_JOB_ID={job}".encode() in variables:
            found.append(int(process.name))
    return found


def test_a_rank_that_dies_ends_its_job_within_10_s(cluster, tmp_path):
    jobs = {}
    for launcher in LAUNCHERS:
        out = tmp_path / f"{launcher}.h5"
        options = ("--nodes=2", "--ntasks=2")
        jobs[out] = cluster.submit(
            "dist_qtrl", out.with_suffix(".log"), *ENDLESS, "--out", str(out), options=options, HPCQRL_LAUNCHER=launcher
        )
    for victim, (out, job) in enumerate(jobs.items()):
        until(lambda out=out: out.exists() and len(read_run(out).episodes), out.with_suffix(".log"))
        ranks = sorted(ranks_of(job))
        assert len(ranks) == 2
        os.kill(ranks[victim], signal.SIGKILL)
        facts = cluster.wait(job, "FAILED", seconds=10)
        assert facts["ExitCode"] != "0:0" and facts["Restarts"] == "0" and not read_run(out).complete
        assert ranks_of(job) == []


def test_an_error_on_one_rank_ends_its_job_within_10_s(cluster, tmp_path):
    logs = {launcher: tmp_path / f"{launcher}.log" for launcher in LAUNCHERS}
    environment = ("--env", "test_environments:NotANumber-v0", "--out")
    jobs = {
        launcher: cluster.submit(
            "dist_qtrl",
            log,
            *environment,
            str(log.with_suffix(".h5")),
            options=("--nodes=2", "--ntasks=2"),
            HPCQRL_LAUNCHER=launcher,
            PYTHONPATH=f"{ROOT}:{ROOT / 'tests'}",
        )
        for launcher, log in logs.items()
    }
    for launcher, log in logs.items():
        until(lambda log=log: log.exists() and "not finite" in log.read_text(), log)
        facts = cluster.wait(jobs[launcher], "FAILED", seconds=10)
        assert facts["ExitCode"] != "0:0" and log.read_text().count("not finite") == 1


def test_an_array_of_seeds_and_one_of_agent_counts_have_a_file_for_each(cluster, tmp_path):
    arguments = ("dist-qtrl", *SMALL["dist_qtrl"], "--out")
    seeds = cluster.submit(
        "seeds", tmp_path / "%a.log", *arguments, str(tmp_path / "seed.h5"), options=("--array=3,5", "--ntasks=1")
    )
    counts = cluster.submit(
        "scaling", tmp_path / "%a.log", *arguments, str(tmp_path / "agents.h5"), options=("--array=1,2", "--ntasks=2")
    )
    for job in (f"{seeds}_3", f"{seeds}_5", f"{counts}_1", f"{counts}_2"):
        assert cluster.wait(job)["JobState"] == "COMPLETED"
    assert sorted(path.name for path in tmp_path.glob("*.h5")) == [
        "agents-1.h5",
        "agents-2.h5",
        "seed-3.h5",
        "seed-5.h5",
    ]
    assert [read_run(tmp_path / f"seed-{seed}.h5").seed for seed in (3, 5)] == [3, 5]
    assert [read_run(tmp_path / f"agents-{agents}.h5").agents for agents in (1, 2)] == [1, 2]


def test_a_job_shares_out_the_qpus_that_its_environment_names(cluster, tmp_path):
    log, out = tmp_path / "log", tmp_path / "x.h5"
    fakes = [ROOT, ROOT / "tests/fake_qrmi", *([] if find_spec("qiskit_aer") else [ROOT / "tests/fake_qiskit"])]
    on_qpus = ("--qpu", "qrmi", "--shots", "20", "--gradient", "exact", "--out", str(out))
    job = cluster.submit(
        "qpu",
        log,
        *("dist-qtrl", "--env", "CartPole-v1", "--hidden", "2", "--layers", "1", "--episodes", "3", *on_qpus),
        options=("--nodes=2", "--ntasks=4"),
        PYTHONPATH=":".join(map(str, fakes)),
        QRMI_JOB_QPU_RESOURCES="ibm_a,ibm_b",
        QRMI_JOB_QPU_TYPES="ibm-quantum-system,ibm-quantum-system",
    )
    assert cluster.wait(job)["JobState"] == "COMPLETED", log.read_text()
    assert "QPU ibm_a: ranks 0, 2; QPU ibm_b: ranks 1, 3" in log.read_text() and read_run(out).complete


def test_no_push_is_lost_over_two_nodes(cluster):
    tests = "-m", "mpi4py", "-m", "pytest", "-x", "-q", "--with-mpi", "tests/mpi/test_shared_parameters.py"
    chosen = "-k", "lost or mixes or counters"
    shown = cluster.call("salloc", "--nodes=2", "--ntasks=4", "mpiexec", "-n", "4", "python", *tests, *chosen)
    assert shown.count("16 passed") == 4, shown


@pytest.mark.parametrize("launcher", LAUNCHERS)
def test_every_rank_has_a_gpu_of_its_own(cluster, tmp_path, launcher):
    log = tmp_path / "log"
    options, program = ("--nodes=2", "--ntasks=4"), str(ROOT / "tests/slurm/which_gpu.py")
    job = cluster.submit("gpu", log, options=options, HPCQRL_LAUNCHER=launcher, HPCQRL=program)
    assert cluster.wait(job)["JobState"] == "COMPLETED", log.read_text()
    lines = sorted(line for line in log.read_text().splitlines() if line.startswith("rank on"))
    assert lines == [f"rank on {host} has GPU {gpu}" for host in ("n1", "n2") for gpu in (0, 1)]


def test_an_interrupted_job_goes_on_from_its_checkpoint(cluster, tmp_path):
    """Warned by Slurm as before its time limit, signalled by a user, or requeued, on two nodes."""
    how = {
        "warned": ("scancel", "--batch", "--signal=USR1"),
        "signalled": ("scancel", "--signal=USR1"),
        "requeued": ("scontrol", "requeue"),
    }
    jobs = {}
    for launcher in LAUNCHERS:
        for name in how:
            out = tmp_path / f"{launcher}-{name}.h5"
            overwrite = ("--overwrite",) if name == "signalled" else ()  # once, not again by the job's second start
            submit = "qdqn_dper", out.with_suffix(".log"), *LONGER, str(out), *overwrite
            jobs[out] = cluster.submit(*submit, options=("--nodes=2", "--ntasks=2"), HPCQRL_LAUNCHER=launcher)
    for out, job in jobs.items():
        until(out.exists, out.with_suffix(".log"))
        cluster.call(*how[out.stem.split("-")[1]], job)
    for job in jobs.values():
        start_again(cluster, job, restarts=1)
    for out, job in jobs.items():
        facts, log = cluster.wait(job), out.with_suffix(".log").read_text()
        assert facts["JobState"] == "COMPLETED" and facts["Restarts"] == "1", log
        assert log.count("hpcqrl train qdqn-dper") == 1
        resumed = [line for line in log.splitlines() if f"hpcqrl resume {out}" in line and "to go on:" not in line]
        assert len(resumed) == 1, "that of the job, beside what the interrupted run has advised"
        assert ("is queued again" in log) == ("requeued" not in out.name)
        run = read_run(out)
        assert run.complete and run.episodes["episode"].tolist() == list(range(600))


def test_a_job_that_gives_way_to_another_goes_on_after_it(cluster, tmp_path):
    jobs = {}
    for launcher in LAUNCHERS:
        out = tmp_path / f"{launcher}.h5"
        options = ("--partition=spare", "--nodes=2", "--ntasks=2")
        submit = "qdqn_dper", out.with_suffix(".log"), *LONGER, str(out)
        jobs[out] = cluster.submit(*submit, options=options, HPCQRL_LAUNCHER=launcher)
    for out in jobs:
        until(lambda out=out: out.exists() and len(read_run(out).episodes), out.with_suffix(".log"))
    urgent = ("--partition=main", "--nodes=4", "--exclusive", f"--output={tmp_path}/urgent.log", "--wrap=sleep 1")
    urgent = cluster.call("sbatch", "--parsable", *urgent).strip()
    assert cluster.wait(urgent)["JobState"] == "COMPLETED"
    for out, job in jobs.items():
        start_again(cluster, job, restarts=1)
        facts, log = cluster.wait(job), out.with_suffix(".log").read_text()
        assert facts["JobState"] == "COMPLETED" and facts["Restarts"] == "1", log
        assert log.count("hpcqrl train qdqn-dper") == 1 and "(told to end)" not in log
        assert read_run(out).complete and read_run(out).episodes["episode"].tolist() == list(range(600))


@pytest.mark.parametrize("launcher", LAUNCHERS)
def test_a_signal_while_a_job_still_starts_is_not_lost(cluster, tmp_path, launcher):
    out, log = tmp_path / "run.h5", tmp_path / "log"
    chosen = {"options": ("--ntasks=2",), "HPCQRL_LAUNCHER": launcher}
    job = cluster.submit("qdqn_dper", log, *LONGER, str(out), **chosen)
    until(lambda: log.exists() and "hpcqrl train" in log.read_text(), log)
    cluster.call("scancel", "--batch", "--signal=USR1", job)
    start_again(cluster, job, restarts=1)
    assert cluster.wait(job)["JobState"] == "COMPLETED" and read_run(out).complete, log.read_text()
    assert log.read_text().count("it is queued again") == 1


def start_again(cluster, job, restarts):
    """Have a job that is queued again start now: Slurm would wait two minutes."""
    assert cluster.wait(job, "PENDING", seconds=120)["Restarts"] == str(restarts)
    cluster.call("scontrol", "update", f"JobId={job}", "StartTime=now+2")


def test_a_job_whose_rank_was_killed_can_be_requeued(cluster, tmp_path):
    """Without a checkpoint it begins anew, and neither the file nor shared memory of the first start disturbs it."""
    out, log = tmp_path / "run.h5", tmp_path / "log"
    job = cluster.submit("qdqn_dper", log, *LONGER, str(out), options=("--ntasks=2",))
    until(out.exists, log)
    os.kill(ranks_of(job)[0], signal.SIGKILL)
    cluster.wait(job, "FAILED", seconds=10)
    cluster.call("scontrol", "requeue", job)
    start_again(cluster, job, restarts=1)
    until(lambda: log.read_text().count("results in") == 2, log)
    cluster.call("scancel", "--signal=USR1", job)
    start_again(cluster, job, restarts=2)
    assert cluster.wait(job)["JobState"] == "COMPLETED" and read_run(out).complete, log.read_text()
    assert f"--out {out} --overwrite" in log.read_text() and f"hpcqrl resume {out}" in log.read_text()


def test_a_cancelled_job_stays_cancelled_and_another_goes_on(cluster, tmp_path):
    for launcher in LAUNCHERS:
        out, log = tmp_path / f"{launcher}.h5", tmp_path / f"{launcher}.log"
        submit = ("qdqn_dper", log, *LONGER, str(out))
        chosen = {"options": ("--ntasks=2",), "HPCQRL_LAUNCHER": launcher}
        job = cluster.submit(*submit, **chosen)
        until(out.exists, log)
        cluster.call("scancel", job)
        until(lambda job=job: not ranks_of(job), log)
        assert cluster.wait(job)["JobState"] == "CANCELLED" and "checkpointed" in read_run(out).attributes
        assert cluster.wait(cluster.submit(*submit, **chosen))["JobState"] == "COMPLETED"
        assert f"hpcqrl resume {out}" in log.read_text() and read_run(out).complete


def test_what_is_wrong_is_said_in_the_log(cluster, tmp_path):
    wrong = {
        "option": (("--no-such-option",), {}, "no-such-option", "2:0"),
        "file": (("--out",), {}, "--out needs the name of a file", "1:0"),
        "launcher": ((), {"HPCQRL_LAUNCHER": "aprun"}, "must be srun or mpiexec, not aprun", "2:0"),
        "command": ((), {"HPCQRL": "no-such-command"}, "no-such-command", "127:0"),
    }
    jobs = {
        name: cluster.submit("qa3c", tmp_path / name, *arguments, options=("--ntasks=2",), **variables)
        for name, (arguments, variables, _, _) in wrong.items()
    }
    for name, (_, _, reason, status) in wrong.items():
        facts, log = cluster.wait(jobs[name]), (tmp_path / name).read_text()
        assert facts["JobState"] == "FAILED" and reason in log and "Traceback" not in log, log
        assert facts["ExitCode"] == status, log


def test_a_rank_that_starts_late_does_not_hide_why_another_failed(cluster, tmp_path):
    late = tmp_path / "late"
    late.write_text('#!/usr/bin/env bash\nif [ $SLURM_PROCID = 1 ]; then exec sleep 60; fi\nexec hpcqrl "$@"\n')
    late.chmod(0o755)
    job = cluster.submit("qa3c", tmp_path / "log", "--no-such-option", options=("--ntasks=2",), HPCQRL=str(late))
    assert cluster.wait(job, seconds=30)["ExitCode"] == "2:0", (tmp_path / "log").read_text()
