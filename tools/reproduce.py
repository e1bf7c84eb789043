"""Run what a paper ran, as far as it is not there yet, and write a report: its tables and figures beside ours.

python tools/reproduce.py dist-qtrl --list
python tools/reproduce.py dist-qtrl --scale 0.02
"""

import shlex
import subprocess
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from importlib import import_module
from pathlib import Path
from typing import Literal

import tyro
from papers.paper import Experiment, Paper
from reading import done, length, say, seconds, unit
from report import write_report
from table import markdown

from hpcqrl.results.reader import Run, read_run

BIN = Path(sys.executable).parent
ROOT = Path(__file__).resolve().parent.parent
MOST_AGENTS = 8  # on this machine, unless --agents says otherwise
RANDOM_STEPS = 1000  # hpcqrl's, in runs of full length
INTERRUPTED = 75  # hpcqrl's exit status when it has left a checkpoint


@dataclass(frozen=True)
class Options:
    """Run what a paper ran, as far as it is not there yet, and write a report: its tables and figures beside ours."""

    paper: tyro.conf.Positional[Literal["dist-qtrl", "qa3c", "qdqn-dper", "hdqnn-td3"]]
    """The paper, by the name of its system."""
    scale: float = 1.0
    """Share of the full length, in episodes or steps, that every run has."""
    seeds: int | None = None
    """Seeds 0, 1, ... of every experiment; by default 5 of Dist-QTRL, 1 of the others."""
    agents: int | None = None
    """Agents, but of Dist-QTRL; by default the paper's, but on this machine 8 at most."""
    only: tuple[str, ...] = ()
    """Only experiments in whose name one of these occurs."""
    out: Path = Path("runs")
    """Folder for results files, PAPER[-xSCALE] in it; the report goes to the folder report in there."""
    list: tyro.conf.FlagCreatePairsOff[bool] = False
    """Show what would run, and about how long that would take on 2 cores, and end."""
    report: tyro.conf.FlagCreatePairsOff[bool] = False
    """Run nothing; write the report of what is there."""
    slurm: tyro.conf.FlagCreatePairsOff[bool] = False
    """Submit what is missing to Slurm and end; when it has run, the same command with --report writes the report."""


@dataclass(frozen=True)
class Job:
    """One run of an experiment: how it is made, and what is there of it. ranks: MPI ranks; length: in the unit."""

    experiment: Experiment
    seed: int
    ranks: int
    length: int
    unit: str
    system: str
    path: Path

    def found(self) -> Run | None:
        """Its results file, if there is one that can be read."""
        try:
            return read_run(self.path)
        except ValueError:
            return None

    @property
    def options(self) -> list[str]:
        """Those of `hpcqrl train`."""
        own = [f"--{self.unit}", str(self.length), "--seed", str(self.seed), "--out", str(self.path)]
        return [*self.experiment.options, *self._tests(), *own]

    def _tests(self) -> list[str]:
        """A shortened run has ten tests all the same, and begins to learn after a tenth."""
        if self.experiment.test_every is None:
            return []
        tenth = max(1, self.length // 10)
        every, random_steps = min(self.experiment.test_every, tenth), min(RANDOM_STEPS, tenth)
        return ["--test-every", str(every), "--random-steps", str(random_steps)]

    @property
    def launch(self) -> list[str]:
        """hpcqrl on all ranks."""
        return ["mpiexec", "-n", str(self.ranks), "hpcqrl"]

    def command(self) -> list[str]:
        """What makes the run, or goes on with it."""
        run = self.found()
        if run is not None and "checkpointed" in run.attributes:
            return [*self.launch, "resume", str(self.path)]
        return [*self.launch, "train", self.system, *self.options, *(["--overwrite"] if self.path.exists() else [])]

    def state(self) -> str:
        """complete, checkpoint, begun, or missing. Raises ValueError if another run has the file's name."""
        run = self.found()
        if run is None:
            return "begun" if self.path.exists() else "missing"
        ranks = run.agents + (run.attributes.get("root") == "serves")
        other = run.system != self.system or length(run) != self.length
        if other or (run.complete and ranks != self.ranks):
            raise ValueError(
                f"{self.path} is another run: {run.system}, {ranks} ranks, {length(run):,} {unit(run)}, "
                f"not {self.system}, {self.ranks}, {self.length:,}; another --out, or remove it"
            )
        return "complete" if run.complete else "checkpoint" if "checkpointed" in run.attributes else "begun"

    def estimate(self, rate: float) -> float:
        """Seconds that the run will still take, at so many episodes, or steps, a second."""
        state = self.state()
        if state == "complete":
            return 0.0
        run = self.found() if state == "checkpoint" else None
        return max(0.0, self.length - (0.0 if run is None else done(run))) / rate


def jobs_of(paper: Paper, options: Options, folder: Path) -> list[Job]:
    """All runs, seed by seed, so that a report has something of everything early."""
    seeds = paper.seeds if options.seeds is None else options.seeds
    most = paper.agents if options.slurm else min(paper.agents, MOST_AGENTS)
    agents = most if options.agents is None else options.agents
    jobs = []
    for seed in range(seeds):
        for experiment in paper.experiments:
            if options.only and not any(part in experiment.name for part in options.only):
                continue
            ranks, full = experiment.agents or agents, experiment.length or paper.length
            path = folder / f"{experiment.name.replace(', ', '-').replace(' ', '-')}-seed{seed}.h5"
            shortened = max(1, round(full * options.scale))
            jobs.append(Job(experiment, seed, ranks, shortened, paper.unit, paper.system, path))
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


def make(jobs: Sequence[Job]) -> None:
    """Make the runs that are not complete, one after the other; one that fails is named, and the rest goes on."""
    for number, job in enumerate(jobs, 1):
        if job.state() == "complete":
            continue
        command = job.command()
        print(f"[{number} of {len(jobs)}] {shlex.join(command)}", flush=True)
        command[0], command[3] = str(BIN / "mpiexec"), str(BIN / "hpcqrl")
        status = subprocess.run(command, stdout=subprocess.DEVNULL, check=False).returncode
        if status == INTERRUPTED:
            sys.exit(f"reproduce: interrupted: {job.path} has a checkpoint, and the same command goes on from it")
        if status:
            say("reproduce", f"{job.path}: the run failed with status {status}")


def submit(jobs: Sequence[Job]) -> None:
    """Give the runs that are not complete to Slurm, where they are not queued already."""
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
            say("reproduce", f"{job.path}: Slurm did not take the job")


def main() -> None:
    """Run what is missing, and write the report."""
    options = tyro.cli(Options, description=__doc__)
    for name, value in (("scale", options.scale), ("seeds", options.seeds), ("agents", options.agents)):
        if value is not None and not 0 < value < float("inf"):
            sys.exit(f"reproduce: {name} must be above 0, not {value}")
    paper: Paper = import_module(f"papers.{options.paper.replace('-', '_')}").PAPER
    folder = options.out / (options.paper if options.scale == 1.0 else f"{options.paper}-x{options.scale:g}")
    jobs = jobs_of(paper, options, folder)
    if not jobs:
        sys.exit(f"reproduce: no experiment has a name with {' or '.join(map(repr, options.only))}")
    command = shlex.join(["python", "tools/reproduce.py", *(part for part in sys.argv[1:] if part != "--list")])
    try:
        if options.list:
            return show_list(jobs, command)
        if options.slurm and not options.report:
            return submit(jobs)
        if not options.report:
            make(jobs)
        runs = {job.experiment.name: [] for job in jobs}  # type: dict[str, list[Run]]
        missing = []
        for job in jobs:
            run = job.found() if job.state() == "complete" else None
            if run is None:
                missing.append(f"{job.path}: {job.state()}")
            else:
                runs[job.experiment.name].append(run)
    except ValueError as error:
        sys.exit(f"reproduce: {error}")
    except (KeyboardInterrupt, FileNotFoundError) as error:
        sys.exit(f"reproduce: interrupted: {error!r}")
    for line in missing:
        say("reproduce", f"not in the report: {line}")
    if not any(runs.values()):
        sys.exit("reproduce: no complete run, so there is nothing to report")
    commands = {str(job.path): shlex.join([*job.launch, "train", job.system, *job.options]) for job in jobs}
    page = write_report(paper, runs, missing, commands, command, folder / "report")
    print(f"written: {page}")


if __name__ == "__main__":
    main()
