"""What a paper ran is described as it was printed, and run: what is there is not made again."""

import subprocess
import sys

import numpy as np
import pytest
from launch import ROOT, clean_environment, run
from of_papers import PAPERS, TOOL, jobs_of, paper_of, write
from synthetic import call

sys.path.insert(0, str(ROOT / "tools"))

import reproduce
from papers.paper import Curves, Milestones, Scores, Settings, Speedups, Together


@pytest.mark.parametrize("name", PAPERS)
def test_a_paper_is_described_without_contradiction(name):
    paper = paper_of(name)
    experiments = [experiment.name for experiment in paper.experiments]
    assert len(set(experiments)) == len(experiments)
    used = {name for better, worse, _ in paper.orders for name in (better, worse)}
    for part in paper.parts:
        if isinstance(part, Curves):
            used |= {name for _, names in part.panels for name in names}
        elif isinstance(part, Milestones):
            used |= {row[0] for row in part.rows}
        elif isinstance(part, Together):
            used |= {name for _, names in part.kinds for name in names}
        elif not isinstance(part, Settings):
            used |= {row[0] for row in part.rows}
    assert used == set(experiments)


def test_the_papers_numbers_are_those_printed():
    text = (ROOT / "docs/dist-qtrl.md").read_text()
    scores = next(part for part in paper_of("dist-qtrl").parts if isinstance(part, Scores))
    for _, value, size in scores.rows:
        assert f"{value}" in text and str(size) in text
    speedups = next(part for part in paper_of("dist-qtrl").parts if isinstance(part, Speedups))
    assert [value for _, value in speedups.rows] == [None, 2.06, 3.33, 5.33]


@pytest.mark.parametrize("name", PAPERS)
def test_options_and_sizes_are_what_hpcqrl_takes_and_says(name):
    """`hpcqrl describe` accepts every experiment's options and prints the paper's number of parameters."""
    if name in ("hdqnn-td3", "ppo-q"):
        pytest.importorskip("mujoco" if name == "hdqnn-td3" else "Box2D")
    paper = paper_of(name)
    sizes = {row[0]: row[2] for part in paper.parts if isinstance(part, Scores) for row in part.rows}
    code = (
        "import sys, tyro\n"
        f"from hpcqrl.systems import {paper.system.replace('-', '_')} as system\n"
        "for options in map(str.split, sys.argv[1:]):\n"
        "    config = tyro.cli(system.Config, args=options)\n"
        "    print(system.model(config, system.environment(config), system.circuit(config)).size)\n"
    )
    every = (*paper.experiments, *paper.variants)
    options = [" ".join(experiment.options) for experiment in every]
    done = run(sys.executable, "-c", code, *options)
    assert done.returncode == 0, done.stderr
    for experiment, size in zip(every, map(int, done.stdout.split()), strict=True):
        assert sizes.get(experiment.name) in (None, size), experiment.name


def test_a_shortened_run_has_tests_and_learns_all_the_same(tmp_path):
    (job,) = jobs_of("hdqnn-td3", tmp_path, scale=0.001, only=("Humanoid, PQC",))
    options = dict(zip(job.options[::2], job.options[1::2], strict=True))
    assert options["--steps"] == "1000" and options["--test-every"] == options["--random-steps"] == "100"
    (job,) = jobs_of("hdqnn-td3", tmp_path, only=("Humanoid, PQC",))
    options = dict(zip(job.options[::2], job.options[1::2], strict=True))
    assert (options["--steps"], options["--test-every"], options["--random-steps"]) == ("1000000", "5000", "1000")


def test_complete_runs_are_left_alone_and_others_resumed_or_begun(tmp_path):
    complete, partial, begun, none, other = jobs_of("qa3c", tmp_path, scale=0.001, agents=2)[:5]
    write(complete, np.ones(100))
    write(partial, np.ones(50), complete=False)
    import h5py

    with h5py.File(partial.path, "r+") as file:
        file.attrs["checkpointed"] = 1.0
    write(begun, np.ones(50), complete=False)
    write(other, np.ones(100), episodes=50)
    assert [job.state() for job in (complete, partial, begun, none)] == ["complete", "checkpoint", "begun", "missing"]
    assert partial.command() == ["mpiexec", "-n", "2", "hpcqrl", "resume", str(partial.path)]
    assert begun.command()[-1] == "--overwrite" and "--overwrite" not in none.command()
    with pytest.raises(ValueError, match="is another run: episodes 50, not 100"):
        other.state()
    write(other, np.ones(100), env="Other-v9")
    with pytest.raises(ValueError, match="env Other-v9, not"):
        other.state()
    other.path.write_text("of a newer version, or damaged")
    with pytest.raises(ValueError, match="cannot be read"):
        other.state()
    assert partial.estimate(10.0) == pytest.approx(5.0) and begun.estimate(10.0) == pytest.approx(10.0)


RECORDED = """#!/bin/sh
echo "start $2 $(date +%s%N)" >> {log}; sleep {seconds}; echo "end $2 $(date +%s%N)" >> {log}; exit 3
"""


@pytest.mark.parametrize(("cores", "least", "most"), [(1, 8, 8), (2, 8, 8), (9, 8, 9), (64, 18, 18)])
def test_runs_go_on_at_once_as_far_as_there_are_cores(tmp_path, monkeypatch, capsys, cores, least, most):
    (tmp_path / "mpiexec").write_text(RECORDED.format(log=tmp_path / "log", seconds=3 if cores == 64 else 0.6))
    (tmp_path / "mpiexec").chmod(0o755)
    monkeypatch.setattr(reproduce, "BIN", tmp_path)
    jobs = jobs_of("dist-qtrl", tmp_path, seeds=1)[:7]  # of 1, 1, 1, 1, 2, 4 and 8 ranks
    reproduce.make(jobs, cores)
    events = sorted((line.split() for line in (tmp_path / "log").read_text().splitlines()), key=lambda event: event[2])
    ranks, highest = 0, 0
    for what, number, _ in events:
        ranks += int(number) if what == "start" else -int(number)
        highest = max(highest, ranks)
    assert len(events) == 14 and ranks == 0 and least <= highest <= most
    assert capsys.readouterr().err.count("failed with status 3") == 7, "each that fails is named, and the rest goes on"


def test_list_runs_nothing_and_bad_requests_are_a_line(tmp_path, capsys):
    status, output, _ = call(reproduce, capsys, "qdqn-dper", "--list", "--out", tmp_path)
    assert status == 0 and "20 of 20 runs to make" in output and not list(tmp_path.iterdir())
    wrong = (
        (("--scale", "0"), "scale must be"),
        (("--only", "none"), "no experiment"),
        (("--report",), "no run, so there is nothing"),
    )
    for options, words in wrong:
        status, _, errors = call(reproduce, capsys, "qa3c", *options, "--out", tmp_path)
        assert status and words in errors


def test_it_runs_what_is_missing_and_reports_it(tmp_path):
    command = (*TOOL, "qa3c", "--scale", "0.0002", "--agents", "2", "--only", "CartPole", "--out", str(tmp_path))
    done = run(*command)
    assert done.returncode == 0, done.stderr
    page = (tmp_path / "qa3c-x0.0002" / "report" / "index.html").read_text()
    assert done.stdout.count("mpiexec") == 2 and "203" in page and "251" in page and "CartPole, quantum" in page
    assert "no run" in page, "of Acrobot there is none, and it says so"
    again = run(*command)
    assert again.returncode == 0 and "mpiexec" not in again.stdout, "all was there"


STUB = """#!/bin/sh
if [ $(basename $0) = squeue ]; then case "$*" in *seed1*) echo 17;; esac; else echo "$@" >> {log}; fi
"""


def test_with_slurm_what_is_missing_and_not_queued_is_submitted(tmp_path):
    """What is handed to Slurm; that the job scripts then do it is tested on a real one, in tests/slurm."""
    log = tmp_path / "log"
    for name in ("sbatch", "squeue"):
        (tmp_path / name).write_text(STUB.format(log=log))
        (tmp_path / name).chmod(0o755)
    environment = clean_environment(PATH=f"{tmp_path}:/usr/bin:/bin")
    command = [*TOOL, "qa3c", "--slurm", "--only", "CartPole, quantum", "--seeds", "2", "--out", str(tmp_path / "runs")]
    done = subprocess.run(command, cwd=ROOT, env=environment, capture_output=True, text=True)
    assert done.returncode == 0 and "job 17" in done.stdout, done.stderr
    (line,) = log.read_text().splitlines()
    assert "--ntasks=80" in line and "jobs/qa3c.sbatch --env CartPole-v1 --model quantum --episodes 100000" in line
    assert line.endswith("CartPole-quantum-seed0.h5")
