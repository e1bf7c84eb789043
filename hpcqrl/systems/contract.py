"""What a run asks of a system, written down. A system is a module that has all of this; see docs/design.md.

The papers' systems meet it, and so may a module of one's own: `hpcqrl train my_package.reinforce`. `run.py` knows
systems by these names alone, and a part that is missing is named at once.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, is_dataclass
from typing import TYPE_CHECKING, Literal, Protocol, TypeVar

import numpy as np
from numpy.typing import NDArray

from hpcqrl.configuration import Dataclass

if TYPE_CHECKING:  # names alone are needed here, and MPI starts when it is imported
    import gymnasium

    from hpcqrl.journal import Journal
    from hpcqrl.models.exported import Exported
    from hpcqrl.models.flat import Layout
    from hpcqrl.parallel.agents import Agents
    from hpcqrl.quantum.circuit import Circuit
    from hpcqrl.quantum.mixture import Mixture
    from hpcqrl.results.schema import Column
    from hpcqrl.states import State

Floats = NDArray[np.floating]
Parameters = Mapping[str, Floats]
Policy = Callable[[Floats], int | Floats]  # from an observation to an action


class Config(Dataclass, Protocol):
    """A frozen dataclass: a documented field for each option, checked in __post_init__; the file keeps all of it."""

    @property
    def env(self) -> str:
        """The environment's id."""

    @property
    def seed(self) -> int:
        """All random numbers of the run come from it."""


class Model(Protocol):
    """What is trained, as one flat vector."""

    @property
    def layout(self) -> Layout:
        """The names and shapes of its parts."""

    @property
    def size(self) -> int:
        """How many parameters there are."""


class Agent(Protocol):
    """One agent, on one rank: its environment, its random numbers, its QPU, and where it is in its training."""

    @property
    def model(self) -> Model:
        """What it trains."""

    @property
    def envs(self) -> Sequence[gymnasium.Env]:
        """The environments that it has made; a run closes them at its end, however it ends."""

    @property
    def extent(self) -> Callable[[int], tuple[int, Literal["episodes", "steps"]]]:
        """How long the whole run is if it goes on with so many agents, over all of them, and in which unit."""

    @property
    def restore(self) -> Callable[[State, State], None]:
        """Go on from a checkpoint: what it keeps for all, and of this agent, as `share_out` gave it: perhaps nothing.

        Raises KeyError for what is missing, ValueError for what is not right.
        """


@dataclass(frozen=True)
class Facts:
    """What a system states of itself.

    columns, tested: of an episode's record, and of a test's, beyond those of all systems; their values go to
    `Journal.episode` and `Journal.evaluation` by name.
    counts_each_agent: whether the length in its configuration is that of each agent, not of all together. synchronous:
    whether agents wait for each other, so that the same seed and ranks give the same run. stochastic: whether its
    policy is a distribution, from which actions can be drawn. measures: what it reads off its circuit.
    """

    columns: tuple[Column, ...] = ()
    counts_each_agent: bool = False
    synchronous: bool = False
    stochastic: bool = False
    measures: Literal["values", "probabilities", "bits"] = "values"
    tested: tuple[Column, ...] = ()


@dataclass(frozen=True)
class Needs:
    """What a run gets ready before a system's agents are built.

    kernels: native circuit kernels, which one rank of each node compiles. root: what rank 0 does: act as the others
    do, only serve the shared parameters, or what a probe of the network finds best. notes: lines to say at the start.
    """

    kernels: bool = False
    root: Literal["act", "serve", "auto"] = "act"
    notes: tuple[str, ...] = ()


C = TypeVar("C", bound=Config)
M = TypeVar("M", bound=Model)
A = TypeVar("A", bound=Agent)
Q = TypeVar("Q", bound="Circuit | Mixture")  # what is in its circuit's place: one, or candidates


class System(Protocol[C, M, A, Q]):
    """The module itself. Its docstring names the paper; it is read from top to bottom beside it."""

    @property
    def FACTS(self) -> Facts:  # noqa: N802
        """What it states of itself."""

    @property
    def Config(self) -> type[C]:  # noqa: N802
        """The class of its configuration."""

    @property
    def Agent(self) -> Callable[[C, int, Q | None], A]:  # noqa: N802
        """Its agent, from the configuration, the rank and the circuit; resets its environment with the rank's seed."""

    def needs(self, config: C) -> Needs:
        """What to get ready."""

    def environment(self, config: C, render_mode: str | None = None) -> gymnasium.Env:
        """The environment that an agent plays in, with what wraps it; not reset."""

    def circuit(self, config: C) -> Q | None:
        """The circuit that the configuration means; None for a model without one. May import what a user brought."""

    def model(self, config: C, env: gymnasium.Env, circuit: Q | None, seed: int = 0) -> M:
        """The model for an environment's spaces. seed: of its QPU. ValueError if the circuit is no fit."""

    def share_out(
        self, common: State, states: Sequence[State], agents: int, finished: NDArray[np.integer]
    ) -> list[State]:
        """The states of so many agents, from those of a checkpoint of perhaps another number of them.

        common: what it keeps for all; finished: the numbers of the file's episodes. Usually `states.each_its_own`.
        Arrays of a megabyte or more are not among them: each rank reads them itself, with what it is given here.
        """

    def train(self, agent: A, agents: Agents, journal: Journal) -> dict[str, Floats]:
        """Train, on all ranks; the trained parameters by name. Every update and episode passes by `journal`."""

    def policy(self, config: C, model: M, parameters: Parameters, random: np.random.Generator | None = None) -> Policy:
        """The trained policy: the best action, or, given random numbers and a distribution, drawn as in training."""

    def exported(self, config: C, model: M, parameters: Parameters, circuit: bool) -> tuple[Exported, int]:
        """The policy as a torch module, and the size of its observations. circuit: with the circuit itself inside,
        where training has put something else in its place. ValueError if there is no such thing."""


AnySystem = System[Config, Model, Agent, "Circuit | Mixture"]
PARTS = tuple(name for name in vars(System) if not name.startswith("_"))


def missing_parts(module: object) -> list[str]:
    """The parts of the contract that a module lacks, or has as something else than it should."""
    missing = [name for name in PARTS if not _is_right(name, getattr(module, name, None))]
    known = getattr(getattr(module, "Config", None), "__dataclass_fields__", ("env", "seed"))
    return missing + [f"Config.{name}" for name in ("env", "seed") if name not in known]


def check_agent(agent: Agent) -> None:
    """ValueError, naming what it lacks, for an agent that is none."""
    missing = [name for name in _parts(Agent) if not hasattr(agent, name)]
    if "model" not in missing:
        missing += [f"model.{name}" for name in _parts(Model) if not hasattr(agent.model, name)]
    if missing:
        raise ValueError(f"the system's Agent lacks {', '.join(missing)} (see hpcqrl.systems.contract)")


def check_needs(needs: Needs) -> None:
    """ValueError for what is no Needs."""
    if not isinstance(needs, Needs):
        raise ValueError(f"the system's needs(config) gives {needs!r}, not a Needs (see hpcqrl.systems.contract)")


def _parts(protocol: type) -> list[str]:
    return [name for name in vars(protocol) if not name.startswith("_")]


def _is_right(name: str, part: object) -> bool:
    if name == "FACTS":
        return isinstance(part, Facts)
    if name == "Config":
        return isinstance(part, type) and is_dataclass(part)
    return callable(part)
