"""Run what a paper ran, as far as it is not there yet, and write a report: its tables and figures beside ours.

$ hpcqrl reproduce dist-qtrl --list
$ hpcqrl reproduce dist-qtrl --scale 0.02
$ hpcqrl reproduce dist-qtrl --docs docs/results
"""

import os
import shlex
import signal
import subprocess
import sys
import time
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from importlib import import_module
from pathlib import Path
from typing import Literal

import tyro
from paper_runs import Job, gather, ranks_of
from papers.paper import Paper
from reading import done, say, seconds
from report import write_docs, write_report
from table import markdown

from hpcqrl.results.reader import Run

BIN = Path(sys.executable).parent
ROOT = Path(__file__).resolve().parent.parent
MOST_AGENTS = 8  # on this machine, unless --agents says otherwise
# Open MPI would bind the ranks of runs that go on at once to the same cores.
UNBOUND = {"PRTE_MCA_hwloc_default_binding_policy": "none", "OMPI_MCA_hwloc_base_binding_policy": "none"}
INTERRUPTED = 75  # hpcqrl's exit status when it has left a checkpoint


@dataclass(frozen=True)
class Options:
    """Run what a paper ran, as far as it is not there yet, and write a report: its tables and figures beside ours."""

    paper: tyro.conf.Positional[Literal["dist-qtrl", "qa3c", "qdqn-dper", "hdqnn-td3", "ppo-q"]]
    """The paper, by its system's name, or its own."""
    scale: float = 1.0
    """Share of the full length, in episodes or steps, that every run has."""
    seeds: int | None = None
    """So many seeds of every experiment; by default 5 of Dist-QTRL, 1 of the others."""
    first_seed: int = 0
    """The first of them. The defaults of this package were chosen with seeds below 1000: others chose nothing."""
    agents: int | None = None
    """Agents, but of Dist-QTRL; by default the paper's, but on this machine 8 at most."""
    cores: int = field(default_factory=lambda: len(os.sched_getaffinity(0)))
    """Runs go on at once as long as they have no more ranks than this; by default this machine's."""
    only: tuple[str, ...] = ()
    """Only experiments in whose name one of these occurs."""
    out: Path = Path("runs")
    """Folder for results files, PAPER[-xSCALE] in it; the report goes to the folder report in there."""
    list: tyro.conf.FlagCreatePairsOff[bool] = False
    """Show what would run, and about how long that would take on 2 cores, and end."""
    report: tyro.conf.FlagCreatePairsOff[bool] = False
    """Run nothing; write the report of what is there, also of runs that stopped early, which are marked."""
    variants: tyro.conf.FlagCreatePairsOff[bool] = False
    """Run also what the paper leaves open the other way, where that may decide an order of models."""
    docs: Path | None = None
    """Run nothing; write PAPER.md and its figures into this folder, to be kept: the report in short."""
    slurm: tyro.conf.FlagCreatePairsOff[bool] = False
    """Submit what is missing to Slurm and end; when it has run, the same command with --report writes the report."""

    @property
    def reports(self) -> bool:
        """Whether nothing is run."""
        return self.report or self.docs is not None


def _readable(job: Job) -> Run | None:
    """Its file, if it is there and can be read: what cannot is said later, in a line."""
    try:
        return job.found()
    except ValueError:
        return None


def jobs_of(paper: Paper, options: Options, folder: Path) -> list[Job]:
    """All runs, seed by seed, so that a report has something of everything early."""
    seeds = paper.seeds if options.seeds is None else options.seeds
    most = paper.agents if options.slurm else min(paper.agents, MOST_AGENTS)
    agents = most if options.agents is None else options.agents
    jobs = []
    for seed in range(options.first_seed, options.first_seed + seeds):
        for experiment in (*paper.experiments, *(paper.variants if options.variants or options.reports else ())):
            if options.only and not any(part in experiment.name for part in options.only):
                continue
            ranks, full = experiment.agents or agents, experiment.length or paper.length
            path = folder / f"{experiment.name.replace(', ', '-').replace(' ', '-')}-seed{seed}.h5"
            shortened = max(1, round(full * options.scale))
            job = Job(experiment, seed, ranks, shortened, paper.unit, paper.system, path)
            if options.reports and options.agents is None and experiment.agents is None and (run := _readable(job)):
                job = replace(job, ranks=ranks_of(run))  # as many as Slurm had
            jobs.append(job)
    return jobs


def show_list(jobs: Sequence[Job], command: str) -> None:
    """What would run, and about how long it would take, by the rate of runs that are there, else the paper module's."""
    rows, total = [], 0.0
    for job in jobs:
        left = job.estimate(_rate(job, jobs))
        total += left
        facts = [job.experiment.name, str(job.seed), str(job.ranks), f"{job.length:,}", job.state(), _time(left)]
        rows.append([*facts, shlex.join(job.command()) if job.state() != "complete" else ""])
    print(markdown(("experiment", "seed", "ranks", jobs[0].unit, "state", "about", "command"), rows), end="")
    unmade = sum(job.state() != "complete" for job in jobs)
    print(f"\n{unmade} of {len(jobs)} runs to make, about {_time(total)} on 2 cores, one after the other: {command}")


def _rate(job: Job, jobs: Sequence[Job]) -> float:
    for other in (job, *jobs):
        run = other.found() if other.experiment == job.experiment else None
        if run is not None and len(run.episodes) > 10:
            return done(run) / seconds(run)
    return job.experiment.rate


def _time(span: float) -> str:
    for size, name in ((3600, "h"), (60, "min")):
        if span >= 2 * size:
            return f"{span / size:.1f} {name}"
    return f"{span:.0f} s"


def make(jobs: Sequence[Job], cores: int) -> None:
    """Make the runs that are not complete, as many at once as have a core for each rank; one that fails is named."""
    missing = [(number, job) for number, job in enumerate(jobs, 1) if job.state() != "complete"]  # all, before any runs
    running: dict[subprocess.Popen, Job] = {}
    try:
        for number, job in missing:
            while running and job.ranks + sum(other.ranks for other in running.values()) > cores:
                _wait_for_one(running)
            command = job.command()
            print(f"[{number} of {len(jobs)}] {shlex.join(command)}", flush=True)
            command[0], command[3] = str(BIN / "mpiexec"), str(BIN / "hpcqrl")
            running[subprocess.Popen(command, stdout=subprocess.DEVNULL, env=os.environ | UNBOUND)] = job
        while running:
            _wait_for_one(running)
    finally:
        for process in running:
            process.terminate()
        for process in running:
            process.wait()


def _wait_for_one(running: dict[subprocess.Popen, Job]) -> None:
    while all(process.poll() is None for process in running):
        time.sleep(0.1)
    process = next(process for process in running if process.poll() is not None)
    job = running.pop(process)
    if process.returncode == INTERRUPTED:
        sys.exit(f"reproduce: interrupted: {job.path} has a checkpoint, and the same command goes on from it")
    if process.returncode:
        say("reproduce", f"{job.path}: the run failed with status {process.returncode}")


def submit(jobs: Sequence[Job]) -> None:
    """Give the runs that are not complete to Slurm, where they are not queued already; ends if it does not take one."""
    for job in jobs:
        if job.state() == "complete":
            continue
        name = f"{job.system}-{job.path.stem}"
        queued = subprocess.run(
            ["squeue", "--noheader", f"--name={name}", "--format=%i"],  # noqa: S607
            capture_output=True, text=True, check=False,
        )  # fmt: skip
        if queued.stdout.strip():
            print(f"{job.path} is queued already: job {queued.stdout.split()[0]}")
            continue
        script = ROOT / "jobs" / f"{job.system.replace('-', '_')}.sbatch"
        overwrite = ["--overwrite"] if job.state() == "begun" else []
        command = ["sbatch", f"--job-name={name}", f"--ntasks={job.ranks}", str(script), *job.options, *overwrite]
        print(shlex.join(command), flush=True)
        if subprocess.run(command, check=False).returncode:
            sys.exit(f"reproduce: {job.path}: Slurm did not take the job")


def main() -> None:
    """Run what is missing, and write the report."""
    options = tyro.cli(Options, description=__doc__)
    signal.signal(
        signal.SIGTERM, lambda *_: sys.exit("reproduce: told to end: runs that were going on have checkpoints")
    )
    for name in ("scale", "seeds", "agents", "cores"):
        value = getattr(options, name)
        if value is not None and not 0 < value < float("inf"):
            sys.exit(f"reproduce: {name} must be above 0, not {value}")
    paper: Paper = import_module(f"papers.{options.paper.replace('-', '_')}").PAPER
    folder = options.out / (options.paper if options.scale == 1.0 else f"{options.paper}-x{options.scale:g}")
    try:
        jobs = jobs_of(paper, options, folder)
    except ValueError as error:
        sys.exit(f"reproduce: {error}")
    if not jobs:
        sys.exit(f"reproduce: no experiment has a name with {' or '.join(map(repr, options.only))}")
    command = shlex.join(["hpcqrl", "reproduce", *(part for part in sys.argv[1:] if part != "--list")])
    try:
        if options.list:
            return show_list(jobs, command)
        if options.slurm and not options.reports:
            return submit(jobs)
        if not options.reports:
            make(jobs, options.cores)
        optional = () if options.variants else [experiment.name for experiment in paper.variants]
        runs, missing = gather([job for job in jobs if job.path.exists() or job.experiment.name not in optional])
    except ValueError as error:
        sys.exit(f"reproduce: {error}")
    except (KeyboardInterrupt, FileNotFoundError) as error:
        sys.exit(f"reproduce: interrupted: {error!r}")
    for line in missing:
        say("reproduce", f"not in the report: {line}")
    if not any(runs.values()):
        sys.exit("reproduce: no run, so there is nothing to report")
    commands = {str(job.path): shlex.join([*job.launch, "train", job.system, *job.options]) for job in jobs}
    try:
        if options.docs is not None:
            page = write_docs(paper, runs, missing, commands, command, options.docs)
        else:
            page = write_report(paper, runs, missing, commands, command, folder / "report")
    except OSError as error:
        sys.exit(f"reproduce: cannot write the report: {error}")
    print(f"written: {page}")


if __name__ == "__main__":
    main()
