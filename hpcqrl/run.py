"""A run, from its start or from its last checkpoint, to its results file: where the objects are wired together."""

import json
import os
from collections.abc import Sequence
from contextlib import ExitStack
from dataclasses import asdict
from datetime import UTC, datetime
from importlib import import_module
from importlib.metadata import version
from typing import Any

import numpy as np

from hpcqrl import __version__
from hpcqrl.interruption import Interruption
from hpcqrl.journal import Journal
from hpcqrl.parallel.agents import Agents, library
from hpcqrl.parallel.arrays import scatter
from hpcqrl.parallel.launcher import output_is_terminal
from hpcqrl.parallel.root import root_serves
from hpcqrl.progress import Progress
from hpcqrl.results.checkpoint import Checkpoint, read_checkpoint
from hpcqrl.results.reader import read_run
from hpcqrl.results.recorder import Recorder
from hpcqrl.results.schema import EPISODE, EXTRA, FORMAT
from hpcqrl.systems import SYSTEMS, configuration


def train(
    agents: Agents,
    interruption: Interruption,
    name: str,
    config: Any,
    out: str | None,
    overwrite: bool,
    checkpoint_every: float,
) -> None:
    """Train from the start. All ranks must call; raises Refused, on all, for what cannot be done."""
    with agents.together():
        if not 0.0 <= checkpoint_every < float("inf"):
            raise ValueError(f"checkpoint_every must be 0 or more seconds, not {checkpoint_every}")
    out = out or f"runs/{name}-{datetime.now():%Y%m%d-%H%M%S}.h5"
    _run(agents, interruption, name, config, out, overwrite, checkpoint_every)


def resume(agents: Agents, interruption: Interruption, path: str, env: str | None = None) -> None:
    """Go on from a file's last checkpoint, or from the start if it has none. As `train`."""
    saved, facts = None, [""] * 5
    with agents.together():
        if agents.rank == 0:
            saved = read_checkpoint(path)
            attributes, known = saved.attributes, str(saved.config.get("env"))
            if env is not None and env != known:
                raise ValueError(f"{path} is of environment {known}; to go on in it, say --env {known}")
            done = "complete" if attributes["complete"] else ""
            every, elapsed = str(attributes["checkpoint_every"]), repr(saved.elapsed)
            facts = [attributes["system"], attributes["config"], every, done, elapsed]
    name, text, every, complete, elapsed = agents.gather_text("\n".join(facts))[0].split("\n")
    if complete:
        if agents.rank == 0:
            print(f"{path} is complete: there is nothing to resume", flush=True)
        return
    with agents.together():
        config = configuration(name, json.loads(text), env, path)
    _run(agents, interruption, name, config, path, False, float(every), True, saved, float(elapsed))


def compile_kernels(agents: Agents) -> None:
    """Have the native kernels compiled by one rank of each node, if they have not been before. All must call."""
    with agents.first_on_each_node() as first:
        from hpcqrl.quantum.jit import cached
        from hpcqrl.quantum.simulator import compile_kernels

        if first and agents.rank == 0 and not cached():
            print("compiling the circuit kernels, once for this machine", flush=True)
        compile_kernels()


def _run(
    agents: Agents,
    interruption: Interruption,
    name: str,
    config: Any,
    out: str,
    overwrite: bool,
    every: float,
    resumed: bool = False,
    saved: Checkpoint | None = None,
    elapsed: float = 0.0,
) -> None:
    system = import_module(SYSTEMS[name])
    with ExitStack() as cleanup:
        if config.qpu == "native" and _has_circuit(config):
            with agents.together():
                from hpcqrl.quantum.jit import cached

                if not cached():  # a wrong environment is named before anyone waits for kernels
                    system.environment(config).close()
            compile_kernels(agents)
        with agents.together():
            agent = system.Agent(config, agents.rank)
        agents.root_serves = hasattr(config, "root") and root_serves(agents, config.root)
        acting = agents.size - agents.root_serves
        recorder, progress = None, None
        columns = EPISODE + tuple(EXTRA[column] for column in system.EXTRA_COLUMNS)
        if resumed:
            _restore(agents, agent, saved)
        with agents.together():
            if agents.rank == 0:
                attributes = _attributes(name, config, agents, every, saved)
                rows = saved.rows if saved is not None else {}
                recorder = cleanup.enter_context(Recorder(out, attributes, columns, overwrite, resumed, rows))
        if recorder is not None:
            episodes = rows.get("episodes", np.empty(0))
            print(f"{name}: {acting} agent{'s' * (acting > 1)}, {config.env}, results in {recorder.path}", flush=True)
            if resumed:
                print(f"resumed after {episodes.size:,} episodes", flush=True)
            if agents.root_serves:
                why = "as asked" if config.root == "serve" else "one-sided operations here wait for it"
                print(f"rank 0 does not act but serves the shared parameters: {why}", flush=True)
                if config.push == "accumulate":
                    print("it takes all steps itself, with one optimiser: --push accumulate has no effect", flush=True)
            whole, unit = agent.extent(acting)
            done = 0 if not episodes.size else episodes.size if unit == "episodes" else int(episodes["length"].sum())
            progress = cleanup.enter_context(Progress(whole, unit, name, output_is_terminal(), done))
        journal = Journal(agents, columns, recorder, progress, interruption, every, elapsed)
        duration = journal.close(system.train(agent, agents, journal))
    if recorder is not None:
        _summarise(recorder.path, duration)


def _has_circuit(config: Any) -> bool:
    return getattr(config, "model", "quantum") == "quantum" and getattr(config, "block", "pqc") == "pqc"


def _restore(agents: Agents, agent: Any, saved: Checkpoint | None) -> None:
    """Give every rank what is common to all, and what is its own."""
    states: list[dict[str, np.ndarray]] | None = None
    with agents.together():  # what may fail on rank 0 does so before the others wait for their states
        if saved is not None:
            states = _states(saved, agents.size - agents.root_serves, agents.root_serves)
    state = scatter(agents, states)
    common = {key.removeprefix("common/"): value for key, value in state.items() if key.startswith("common/")}
    with agents.together():
        if not common:
            return  # the file has no checkpoint: from the start
        if common["theta"].shape != agent.theta.shape:
            raise ValueError(f"the checkpoint has {common['theta'].size} parameters, this model {agent.theta.size}")
        try:
            agent.restore(common, {key: value for key, value in state.items() if not key.startswith("common/")})
        except KeyError as error:
            raise ValueError(f"the checkpoint lacks {error}") from error


def _states(saved: Checkpoint, acting: int, serving: int) -> list[dict[str, np.ndarray]]:
    """For each rank what is common to all, as common/NAME, and, but for a root that serves, an agent's own."""
    try:
        own = _shared_out(saved.agents, acting) if saved.agents else [{} for _ in range(acting)]
        if saved.agents and len(saved.agents) != acting and len(saved.rows["episodes"]):
            saved.common["next_number"] = np.array(saved.rows["episodes"]["episode"].max() + 1)
    except KeyError as error:
        raise ValueError(f"the checkpoint lacks {error}") from error
    common = {f"common/{key}": value for key, value in saved.common.items()}
    return [common] * serving + [common | state for state in own]


def _shared_out(states: Sequence[dict[str, np.ndarray]], agents: int) -> list[dict[str, np.ndarray]]:
    """The states of so many agents: each keeps its own, new ones have none; unfinished episodes are dealt out."""
    result = [dict(state) for state in states[:agents]] + [{} for _ in range(agents - len(states))]
    if "unfinished" in states[0] and len(states) != agents:
        numbers = np.sort(np.concatenate([state["unfinished"] for state in states]))[::-1]
        for number, state in enumerate(result):
            state["unfinished"] = numbers[number::agents]
    return result


def _attributes(name: str, config: Any, agents: Agents, every: float, saved: Checkpoint | None) -> dict[str, Any]:
    now = datetime.now(UTC).isoformat(timespec="seconds")
    acting = agents.size - agents.root_serves
    start = {
        "time": now,
        "agents": int(acting),
        "episodes": 0 if saved is None else len(saved.rows.get("episodes", ())),
    }
    before: dict[str, Any] = {} if saved is None else saved.attributes
    kept = {"checkpointed": before["checkpointed"]} if "checkpointed" in before else {}
    return kept | {
        "format": FORMAT,
        "system": name,
        "config": json.dumps(asdict(config)),
        "seed": config.seed,
        "agents": acting,
        "root": "serves" if agents.root_serves else "acts",
        "created": before.get("created", now),
        "history": json.dumps([*json.loads(before.get("history", "[]")), start]),
        "checkpoint_every": every,
        "job": os.environ.get("SLURM_JOB_ID", ""),
        "hpcqrl": __version__,
        "torch": version("torch"),
        "pennylane": version("pennylane"),
        "mpi": library(),
    }


def _summarise(path: Any, duration: float) -> None:
    run = read_run(path)
    episodes = run.episodes
    part, steps = min(100 * run.agents, max(1, len(episodes) // 2)), episodes["length"].sum()
    print(
        f"{run.agents} agent{'s' * (run.agents > 1)}, {len(episodes):,} episodes, {steps:,} environment steps "
        f"in {duration:.1f} s ({len(episodes) / duration:.3g} episodes/s)"
    )
    if len(episodes):
        first, last = (episodes["return"][rows].mean() for rows in (slice(part), slice(-part, None)))
        print(f"mean return of the first {part:,} episodes {first:.3f}, of the last {part:,} {last:.3f}")
    if len(run.evaluations):
        test = run.evaluations[run.evaluations["steps"] == run.evaluations["steps"].max()]
        mean = np.average(test["mean"], weights=test["episodes"])
        print(f"mean return of the last test's {test['episodes'].sum()} episodes {mean:.3f}")
    print(f"written: {path}", flush=True)
