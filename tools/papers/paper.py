"""The words in which a paper is described."""

from dataclasses import dataclass, replace
from typing import Literal


@dataclass(frozen=True)
class Experiment:
    """One thing the paper trained.

    options: of `hpcqrl train`; agents: None if the paper has as many as its machine had; rate: episodes (or steps) a
    second, by the system's count, roughly, on 2 cores: what --list estimates from before there are runs; length: None
    if it is the paper's; test_every: steps between tests.
    """

    name: str
    options: tuple[str, ...]
    rate: float
    agents: int | None = None
    length: int | None = None
    test_every: int | None = None


@dataclass(frozen=True)
class Scores:
    """A table of final scores: for each experiment the paper's score and number of parameters, where it gives them.

    last: episodes, by the system's count, whose mean return is the score; if the paper's length is in steps, tests, or
    steps in which episodes end.
    """

    title: str
    last: int
    rows: tuple[tuple[str, float | None, int | None], ...]


@dataclass(frozen=True)
class Milestones:
    """A table of how far a learning curve is after so many episodes: for each experiment the episodes, by the system's
    count, and what somebody else's program then has. window: episodes whose mean it is; whose: that program's.
    """

    title: str
    window: int
    whose: str
    rows: tuple[tuple[str, int, float], ...]


@dataclass(frozen=True)
class Settings:
    """A table of settings: what is set, as the paper gives it (None if it does not), and our configuration's field."""

    title: str
    rows: tuple[tuple[str, str | None, str], ...]


@dataclass(frozen=True)
class Speedups:
    """A table of episodes to the target, against the first experiment: the paper's speed-up of each.

    last: the target is the first experiment's mean return over so many episodes, its last; targets: that one (None),
    and others.
    """

    title: str
    window: int
    last: int
    rows: tuple[tuple[str, float | None], ...]
    targets: tuple[float | None, ...] = (None,)


@dataclass(frozen=True)
class Together:
    """A table and a figure of kinds of runs over several environments: for each kind, the experiments that are of it.

    last: episodes, by the system's count, whose mean return is a run's score.
    """

    title: str
    last: int
    kinds: tuple[tuple[str, tuple[str, ...]], ...]


@dataclass(frozen=True)
class Curves:
    """A figure of moving averages, a panel for each title.

    window: episodes, or of tests, tests; band: over seeds, or the paper's: within the window; target: the experiment
    whose final score is drawn as a line; tests: whether the returns are those of tests while training.
    """

    title: str
    window: int
    panels: tuple[tuple[str, tuple[str, ...]], ...]
    band: Literal["seeds", "std"] = "seeds"
    target: tuple[str, int] | None = None
    tests: bool = False


@dataclass(frozen=True)
class Choice:
    """What the paper leaves open, chosen otherwise: the options that say so, and the orders of experiments that it may
    decide, which are then run with these options too.
    """

    name: str
    options: tuple[str, ...]
    orders: tuple[tuple[str, str], ...]


@dataclass(frozen=True)
class Paper:
    """length: of each run, in its unit, by the system's count; orders: what the paper says is better than what, and
    where it says so; choices: what it leaves open; tested: whether runs whose length is in steps are scored by tests
    while training, else by the episodes that end in so many steps, the last ones.
    """

    title: str
    source: str
    system: str
    length: int
    agents: int
    seeds: int
    experiments: tuple[Experiment, ...]
    parts: tuple[Scores | Milestones | Settings | Speedups | Together | Curves, ...]
    orders: tuple[tuple[str, str, str], ...]
    notes: tuple[str, ...] = ()
    unit: Literal["episodes", "steps"] = "episodes"
    choices: tuple[Choice, ...] = ()
    tested: bool = True

    @property
    def by_tests(self) -> bool:
        """Whether scores and curves are of tests."""
        return self.unit == "steps" and self.tested

    @property
    def variants(self) -> tuple[Experiment, ...]:
        """The experiments once more, as the choices have them."""
        named = {experiment.name: experiment for experiment in self.experiments}
        return tuple(
            _chosen(named[name], choice)
            for choice in self.choices
            for name in dict.fromkeys(name for order in choice.orders for name in order)
        )

    def full_length(self, name: str) -> int:
        """How long the paper's runs of an experiment are."""
        return next(each.length or self.length for each in (*self.experiments, *self.variants) if each.name == name)


def chosen(name: str, choice: Choice) -> str:
    """What an experiment is called where it is run as the choice has it."""
    return f"{name}, {choice.name}"


def _chosen(experiment: Experiment, choice: Choice) -> Experiment:
    options = by_name(experiment.options) | by_name(choice.options)
    flat = tuple(part for name, values in options.items() for part in (name, *values))
    return replace(experiment, name=chosen(experiment.name, choice), options=flat)


def by_name(options: tuple[str, ...]) -> dict[str, tuple[str, ...]]:
    """Options of a command line, each with its values; a flag has none."""
    found: dict[str, tuple[str, ...]] = {}
    for part in options:
        if part.startswith("--"):
            name, found[part] = part, ()
        else:
            found[name] += (part,)
    return found
