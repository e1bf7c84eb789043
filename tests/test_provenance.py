"""A results file says where it comes from, command line, machine, commit, versions; so does what tools write of it."""

import csv
import json
import platform
import socket
import subprocess
import sys
from importlib.metadata import version

import pytest
from launch import ROOT, clean_environment, hpcqrl
from synthetic import call, write_run

sys.path.insert(0, str(ROOT / "tools"))

import export
import report

from hpcqrl import provenance
from hpcqrl.results.reader import read_run
from hpcqrl.results.schema import PROVENANCE


def git(folder, *arguments):
    identity = ("-c", "user.name=a", "-c", "user.email=a@b")
    command = ["git", "-C", str(folder), *identity, *arguments]
    return subprocess.run(command, capture_output=True, text=True, check=True, env=clean_environment()).stdout.strip()


def test_a_run_says_what_made_it_and_its_resumption_what_went_on(tmp_path):
    out = tmp_path / "a run.h5"
    options = ("--model", "classical", "--episodes", "3", "--out", str(out))
    done = hpcqrl("train", "dist-qtrl", *options)
    assert done.returncode == 0, done.stderr
    facts = read_run(out).attributes
    assert facts["command"] == f"hpcqrl train dist-qtrl --model classical --episodes 3 --out '{out}'"
    assert facts["host"] == socket.gethostname() and facts["python"] == platform.python_version()
    for package in ("numpy", "numba", "torch", "pennylane", "gymnasium", "minigrid"):
        assert facts[package] == version(package)
    model = subprocess.run(["lscpu"], capture_output=True, text=True, check=False).stdout
    assert not model or facts["cpu"].rsplit(", ", 1)[0] in model or platform.machine() in facts["cpu"]
    (start,) = json.loads(facts["history"])
    assert start["command"] == facts["command"]
    status, _, errors = call(export, _Captured(), str(out), "--csv", tmp_path)
    assert status == 0, errors
    (row,) = csv.DictReader((tmp_path / "a run-run.csv").read_text().splitlines())
    assert {name: row[name] for name in PROVENANCE} == {name: str(facts[name]) for name in PROVENANCE}


class _Captured:
    """In capsys's place where what is printed does not matter."""

    def readouterr(self):
        return "", ""


def test_the_commit_is_gits_own_on_a_branch_packed_detached_and_in_a_worktree(tmp_path):
    checkout = tmp_path / "checkout"
    checkout.mkdir()
    assert provenance.commit(checkout) == ""
    try:
        git(checkout, "init", "-q", "-b", "some/branch")
    except (OSError, subprocess.CalledProcessError):
        pytest.skip("needs git")
    assert provenance.commit(checkout) == "", "nothing is committed"
    git(checkout, "commit", "-q", "--allow-empty", "-m", "first")
    assert len(provenance.commit(checkout)) == 40 and provenance.commit(checkout) == git(checkout, "rev-parse", "HEAD")
    git(checkout, "pack-refs", "--all")
    assert provenance.commit(checkout) == git(checkout, "rev-parse", "HEAD")
    git(checkout, "worktree", "add", "-q", "-b", "other", str(tmp_path / "other"))
    git(tmp_path / "other", "commit", "-q", "--allow-empty", "-m", "second")
    assert provenance.commit(tmp_path / "other") == git(tmp_path / "other", "rev-parse", "HEAD")
    assert provenance.commit(tmp_path / "other") != provenance.commit(checkout)
    git(checkout, "checkout", "-q", "--detach")
    assert provenance.commit(checkout) == git(checkout, "rev-parse", "HEAD")
    (checkout / ".git" / "HEAD").write_text("ref: refs/heads/gone\n")
    assert provenance.commit(checkout) == ""


def test_gpus_are_counted_by_their_drivers_names(tmp_path):
    assert provenance.gpu(tmp_path) == ""
    for number, name in enumerate(("NVIDIA H100", "NVIDIA H100", "NVIDIA T4")):
        folder = tmp_path / f"0000:{number}"
        folder.mkdir()
        (folder / "information").write_text(f"Model: \t\t {name}\nIRQ:   \t\t 0\n")
    assert provenance.gpu(tmp_path) == "2 x NVIDIA H100, 1 x NVIDIA T4"


def test_a_command_line_is_one_printable_line(monkeypatch):
    monkeypatch.setattr(sys, "argv", ["/somewhere/bin/hpcqrl", "train", "a\nb", "it's"])
    assert provenance.command_line() == "hpcqrl train 'a?b' 'it'\"'\"'s'"


def test_reports_say_on_what_their_runs_were_made(tmp_path):
    from papers.qa3c import PAPER

    run = read_run(write_run(tmp_path / "x.h5", [1.0, 2.0], episodes=2))
    run.attributes.update(cpu="A CPU, 2 cores", gpu="1 x A GPU", commit="abc123", numpy="9.9")
    text = "\n".join(report._facts(PAPER, {"CartPole, quantum": [run]}, [], "command"))
    for words in ("Trained on: A CPU, 2 cores, 1 x A GPU", "Trained at commit: abc123", "numpy 9.9"):
        assert words in text
    for name in PROVENANCE:
        del run.attributes[name]
    assert "Trained on: not recorded" in "\n".join(report._facts(PAPER, {"CartPole, quantum": [run]}, [], "command"))
