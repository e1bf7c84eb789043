"""A run, from its start or from its last checkpoint, to its results file: where the objects are wired together."""

from contextlib import ExitStack
from datetime import datetime
from pathlib import Path

from hpcqrl import provenance
from hpcqrl.beginning import say_what_begins
from hpcqrl.compilation import compile_kernels
from hpcqrl.configuration import check_seed
from hpcqrl.envs.long_steps import steps_within
from hpcqrl.evaluation import close
from hpcqrl.gpus import shared
from hpcqrl.interruption import EXIT_STATUS, Interruption
from hpcqrl.journal import Journal
from hpcqrl.lines import say
from hpcqrl.memory import as_large_as_memory
from hpcqrl.parallel.agents import Agents
from hpcqrl.parallel.launcher import output_is_terminal
from hpcqrl.parallel.root import root_serves
from hpcqrl.progress import Progress, summary
from hpcqrl.quantum.backend import this_rank
from hpcqrl.quantum.cost import counted
from hpcqrl.quantum.patient import QpuFailed
from hpcqrl.quantum.waiting import with_away
from hpcqrl.recorded import NOTHING, Named, Recorded
from hpcqrl.results.lock import lock_of
from hpcqrl.results.reader import read_run
from hpcqrl.results.recorder import Recorder
from hpcqrl.results.schema import COST, EPISODE
from hpcqrl.resumption import Resumption, read_resumption, restore
from hpcqrl.sharing_qpus import share_qpus, who_has_which
from hpcqrl.systems import find
from hpcqrl.systems.contract import Config, Needs, check_agent, check_needs


def train(
    agents: Agents,
    interruption: Interruption,
    name: str,
    config: Config,
    out: str | Path | None = None,
    overwrite: bool = False,
    checkpoint_every: float = 60.0,
) -> Path:
    """Train from the start; the results file. All ranks must call; raises Refused, on all, for what cannot be done."""
    run, wanted = None, f"{name}, {config}"
    told = agents.tell(wanted)
    with agents.together():
        if told != wanted:
            raise ValueError(f"all ranks must train the same, but rank 0 was asked for {told}, another for {wanted}")
        if not 0.0 <= checkpoint_every < float("inf"):
            raise ValueError(f"checkpoint_every must be 0 or more seconds, not {checkpoint_every}")
        check_seed(config.seed)
        system = find(name)
        run = Recorded(name, system, config, system.circuit(config))
    assert run is not None
    out = Path(out or agents.tell(f"runs/{name}-{datetime.now():%Y%m%d-%H%M%S}.h5"))
    _run(agents, interruption, run, out, overwrite, checkpoint_every)
    return out


def resume(agents: Agents, interruption: Interruption, path: str | Path, named: Named = NOTHING) -> None:
    """Go on from a file's last checkpoint, or from the start if it has none. As `train`."""
    found = read_resumption(agents, str(path), named)
    if not found.complete:
        _run(agents, interruption, found.run, Path(path), False, found.every, found)
    elif agents.rank == 0:
        say(f"{path} is complete: there is nothing to resume")


def _run(
    agents: Agents,
    interruption: Interruption,
    run: Recorded,
    out: Path,
    overwrite: bool,
    every: float,
    resumed: Resumption | None = None,
) -> None:
    system, config = run.system, run.config
    needs = Needs()
    with agents.together():
        needs = system.needs(config)
        check_needs(needs)
        may_lose = needs.root != "act" and any(column.name == "lost" for column in system.FACTS.columns)
        if agents.losses.at_most and not may_lose:
            raise ValueError(
                "--lose-at-most is for qa3c and qdqn-dper, whose agents need a root that serves, and no other"
            )
    saved = resumed.saved if resumed else None
    with ExitStack() as cleanup:
        if needs.kernels:
            with agents.together():
                from hpcqrl.quantum.jit import cached

                if not cached():  # a wrong environment is named before anyone waits for kernels
                    close(system.environment(config))
            compile_kernels(agents, noise=bool(getattr(config, "noise", ())))
        this_rank(agents.rank)
        agents.root_serves = root_serves(agents, needs.root)
        qpus = share_qpus(agents, config)
        with agents.together(), as_large_as_memory(), counted() as costs:
            agent = system.Agent(config, agents.rank, run.circuit)
            check_agent(agent)
            for env in agent.envs:
                cleanup.callback(close, env)
        sharing = shared(agents)
        columns, tested = EPISODE + system.FACTS.columns, system.FACTS.tested
        if resumed:
            restore(agents, str(out), system, agent, saved)
        recorder, progress = None, None
        with agents.together():
            if agents.rank == 0:
                before, episodes = (saved.attributes, saved.rows.get("episodes", 0)) if saved else ({}, 0)
                facts = provenance.attributes(run, agents, every, before, episodes, qpus)
                text = _circuit_text(run)
                recorder = cleanup.enter_context(
                    Recorder(out, facts, columns + COST * bool(costs), overwrite, saved, text, tested)
                )
        if recorder is not None:
            say_what_begins(run, agents, needs, out, episodes if resumed else None, (sharing, who_has_which(qpus)))
            whole, unit = agent.extent(agents.size - agents.root_serves)
            done = saved.steps if saved and unit == "steps" else episodes
            progress = cleanup.enter_context(Progress(whole, unit, run.name, output_is_terminal(), done))
        elapsed, alike, path = resumed.elapsed if resumed else 0.0, system.FACTS.synchronous, out.resolve()
        beside = None if agents.any(not lock_of(path).exists()) else path  # all ranks see its folder, or none writes
        journal = Journal(
            agents, columns, recorder, progress, interruption, every, elapsed, alike, tested, costs, beside
        )
        cleanup.callback(journal.end)
        cleanup.enter_context(with_away(journal.away))
        steps_within(agent.envs, journal.away)
        try:
            parameters = system.train(agent, agents, journal)
        except QpuFailed as failed:
            say(f"rank {agents.rank}: {failed}; what was kept before can be resumed")
            agents.abort(EXIT_STATUS)
            raise
        agent.model.layout.load(parameters or {})  # ValueError for one that is missing, while there is a checkpoint
        duration = journal.close(parameters)
    if progress is not None:
        say(summary(read_run(out, own=True), duration, progress.done, progress.unit))
    agents.barrier()  # whoever goes on after this finds the file complete


def _circuit_text(run: Recorded) -> str | None:
    """The circuit as data for the file; None if there is none, or it holds what only its device knows."""
    from hpcqrl.quantum.circuit_text import to_text

    if run.circuit is None:
        return None
    try:
        return to_text(run.circuit)
    except ValueError:
        if run.system.needs(run.config).kernels:
            raise
        return None
