"""The papers of tools/reproduce.py, the runs that it makes for them, and files that such runs might have written."""

import sys
from importlib import import_module

from launch import ROOT
from synthetic import write_run

sys.path.insert(0, str(ROOT / "tools"))

import reproduce
from papers.paper import by_name

PAPERS = ("dist-qtrl", "qa3c", "qdqn-dper", "hdqnn-td3", "ppo-q")
TOOL = (sys.executable, "tools/reproduce.py")


def paper_of(name):
    return import_module(f"papers.{name.replace('-', '_')}").PAPER


def jobs_of(name, folder, **options):
    return reproduce.jobs_of(paper_of(name), reproduce.Options(name, **options), folder)


def config_of(job):
    options = by_name(job.experiment.options).items()
    found = {name.removeprefix("--").replace("-", "_"): values[0] if values else True for name, values in options}
    return {job.unit: job.length} | found


def write(job, returns, agents=None, **more):
    return write_run(job.path, returns, job.system, agents or job.ranks, job.seed, **config_of(job) | more)
