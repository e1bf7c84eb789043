"""The words in which a paper is described."""

from dataclasses import dataclass
from typing import Literal


@dataclass(frozen=True)
class Experiment:
    """One thing the paper trained.

    options: of `hpcqrl train`; agents: None if the paper has as many as its machine had; rate: episodes a second, by
    the system's count, roughly, on 2 cores: what --list estimates from before there are runs.
    """

    name: str
    options: tuple[str, ...]
    rate: float
    agents: int | None = None


@dataclass(frozen=True)
class Scores:
    """A table of final scores: for each experiment the paper's score and number of parameters, where it gives them.

    last: episodes, by the system's count, whose mean return is the score.
    """

    title: str
    last: int
    rows: tuple[tuple[str, float | None, int | None], ...]


@dataclass(frozen=True)
class Speedups:
    """A table of episodes to the target, against the first experiment: the paper's speed-up of each."""

    title: str
    window: int
    rows: tuple[tuple[str, float | None], ...]


@dataclass(frozen=True)
class Curves:
    """A figure of moving averages, a panel for each title.

    band: over seeds, or the paper's: within the window; target: the experiment whose final score is drawn as a line.
    """

    title: str
    window: int
    panels: tuple[tuple[str, tuple[str, ...]], ...]
    band: Literal["seeds", "std"] = "seeds"
    target: str | None = None


@dataclass(frozen=True)
class Paper:
    """orders: what the paper says is better than what, or no worse ("about"), and where it says so."""

    title: str
    source: str
    system: str
    episodes: int
    agents: int
    seeds: int
    experiments: tuple[Experiment, ...]
    parts: tuple[Scores | Speedups | Curves, ...]
    orders: tuple[tuple[str, str, str], ...]
    notes: tuple[str, ...] = ()
