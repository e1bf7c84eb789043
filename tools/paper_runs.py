"""A run of a paper's experiment: how it is made, and what is there of it."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from papers.paper import Experiment, by_name
from reading import done, reached, spans

from hpcqrl.results.reader import Run, read_run

ALIKE = 0.9  # of the longest run of an experiment: shorter ones would end its curves, and are left out
RANDOM_STEPS = 1000  # hpcqrl's, in runs of full length


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
        """Its results file, if there is one. Raises ValueError for one that cannot be read."""
        if not self.path.exists():
            return None
        try:
            return read_run(self.path)
        except ValueError as error:
            raise ValueError(f"{error}; another --out, or remove it") from error

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
            return "missing"
        differs = self.differs(run)
        if (has := run.config.get(self.unit)) != self.length:
            differs.append(f"{self.unit} {has}, not {self.length}")
        if differs:
            raise ValueError(f"{self.path} is another run: {'; '.join(differs)}: another --out, or remove it")
        return "complete" if run.complete else "checkpoint" if "checkpointed" in run.attributes else "begun"

    def differs(self, run: Run) -> list[str]:
        """In what a run differs from this one, but for its length."""
        wanted = {"system": self.system, "seed": str(self.seed)}
        for name, values in by_name(self.experiment.options).items():
            wanted[name.removeprefix("--")] = values[0] if values else "True"
        has = {"system": run.system} | {name.replace("_", "-"): str(value) for name, value in run.config.items()}
        if run.complete:
            wanted["ranks"], has["ranks"] = str(self.ranks), str(ranks_of(run))
        return [f"{name} {has.get(name)}, not {value}" for name, value in wanted.items() if has.get(name) != value]

    def reported(self) -> Run:
        """The run as a report takes it, whatever its length. Raises ValueError, saying why, if there is none."""
        run = self.found()
        if run is None:
            raise ValueError(f"{self.path}: missing")
        if differs := self.differs(run):
            raise ValueError(f"{self.path} is another run: {'; '.join(differs)}")
        tested = self.experiment.test_every is not None
        if not len(run.evaluations if tested else run.episodes):
            raise ValueError(f"{self.path} holds no {'tests' if tested else 'episodes'} yet")
        return run

    def estimate(self, rate: float) -> float:
        """Seconds that the run will still take, at so many episodes, or steps, a second."""
        state = self.state()
        if state == "complete":
            return 0.0
        run = self.found() if state == "checkpoint" else None
        return max(0.0, self.length - (0.0 if run is None else done(run))) / rate


def ranks_of(run: Run) -> int:
    """MPI ranks that the run had: its agents, and the root if it only served."""
    return run.agents + (run.attributes.get("root") == "serves")


def gather(jobs: Sequence[Job]) -> tuple[dict[str, list[Run]], list[str]]:
    """The runs that are there, by experiment, and a line for each that is not, or cannot be taken; missing seeds
    have one together.
    """
    runs: dict[str, list[Run]] = {job.experiment.name: [] for job in jobs}
    missing: dict[str, list[int]] = {}
    lines = []
    for job in jobs:
        name = job.experiment.name
        try:
            if not job.path.exists():
                missing.setdefault(name, []).append(job.seed)
            else:
                runs[name].append(job.reported())
        except ValueError as error:
            lines.append(str(error))
    for name, group in runs.items():
        longest = max(map(reached, group), default=0)
        short = [run for run in group if reached(run) < ALIKE * longest]
        lines += [f"{r.path} stopped at {reached(r):,}, another of {name} is at {longest:,}: left out" for r in short]
        runs[name] = [run for run in group if reached(run) >= ALIKE * longest]
    alike: dict[str, list[str]] = {}
    for name, seeds in missing.items():
        alike.setdefault(f"seed{'s' * (len(seeds) > 1)} {spans(seeds)}", []).append(name)
    return runs, [
        *lines,
        *(
            f"missing: {seeds} of {'all' if len(names) == len(runs) else '; '.join(names)}"
            for seeds, names in alike.items()
        ),
    ]
