"""Where a run goes on: what its file offers, told to all ranks, and each agent's own part of the checkpoint."""

import json
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from hpcqrl.parallel.agents import Agents
from hpcqrl.parallel.arrays import scatter
from hpcqrl.recorded import Named, Recorded, recorded
from hpcqrl.results import parts, proof
from hpcqrl.results.checkpoint import Checkpoint, read_checkpoint
from hpcqrl.states import State, check_common
from hpcqrl.systems.contract import Agent, AnySystem

_COMMON = "common/"  # before the names of what a checkpoint keeps for all


@dataclass(frozen=True)
class Resumption:
    """What goes on, the same on all ranks, but for `saved`, the checkpoint, which is rank 0's alone.

    every: seconds between checkpoints; elapsed: seconds of running before the last one.
    """

    run: Recorded
    every: float
    elapsed: float
    complete: bool
    saved: Checkpoint | None


def read_resumption(agents: Agents, path: str, named: Named) -> Resumption:
    """Read the file, on rank 0, and tell all. All ranks must call; raises Refused, on all, for what cannot be done."""
    saved, told = None, ""
    with agents.together():
        if agents.rank == 0:
            saved = read_checkpoint(path)
            proof.end()
            facts = saved.attributes
            for option, what in (("env", "of environment"), ("qpu", "on")):
                known, again = saved.config.get(option), getattr(named, option)
                if again is not None and again != known:
                    raise ValueError(f"{path} is {what} {known}; to go on with it, say --{option} {known}")
            run = [str(facts["system"]), saved.config, str(facts.get("hpcqrl", "?")), saved.circuit]
            every = float(facts.get("checkpoint_every", 0.0))
            told = json.dumps([*run, every, saved.elapsed, bool(facts["complete"])])
    name, values, version, circuit, every, elapsed, complete = json.loads(agents.tell(told))
    with agents.together():
        run_again = recorded(path, name, values, version, circuit, named)
    return Resumption(run_again, every, elapsed, complete, saved)


def restore(agents: Agents, path: str, system: AnySystem, agent: Agent, saved: Checkpoint | None) -> None:
    """Give every rank what is common to all, and what is its own. All must call; saved: rank 0's, from this file.

    A file without a checkpoint has nothing to give: its run begins again.
    """
    states: list[State] | None = None
    with agents.together(), _of(path):  # what may fail on rank 0 does so before the others wait for their states
        if agents.rank == 0 and saved is not None:
            if saved.common:
                check_common(saved.common, agent.model.size)
            states = _states(saved, system, agents)
    state = scatter(agents, states)
    common = {key.removeprefix(_COMMON): value for key, value in state.items() if key.startswith(_COMMON)}
    own = {key: value for key, value in state.items() if not key.startswith(_COMMON)}
    with agents.together():
        own = parts.whole(Path(path).resolve(), own)
    with agents.together(), _of(path):
        if common:
            agent.restore(common, own)


@contextmanager
def _of(path: str) -> Iterator[None]:
    """A block that uses what a checkpoint holds: what does not fit is said of the file."""
    try:
        yield
    except KeyError as error:
        raise ValueError(f"{path} cannot be resumed: its checkpoint lacks {error}") from error
    except (ValueError, TypeError, LookupError, OverflowError, RuntimeError) as error:
        if not _reads_the_checkpoint(error):
            raise
        raise ValueError(f"{path} cannot be resumed: its checkpoint does not fit: {error}") from error


def _reads_the_checkpoint(error: BaseException) -> bool:
    """Whether an error comes from taking numbers over: what an environment raises when played again keeps its place."""
    place = error.__traceback__
    while place is not None and place.tb_next is not None:
        place = place.tb_next
    module = str(place.tb_frame.f_globals.get("__name__")) if place else ""
    return module.split(".")[0] in ("hpcqrl", "numpy", "json", "torch")


def _states(saved: Checkpoint, system: AnySystem, agents: Agents) -> list[State]:
    """For each rank what is common to all and, but for a root that serves, an agent's own."""
    acting = agents.size - agents.root_serves
    own = system.share_out(saved.common, saved.agents, acting, saved.finished)
    common = {f"{_COMMON}{key}": value for key, value in saved.common.items()}
    return [common] * agents.root_serves + [common | state for state in own]
