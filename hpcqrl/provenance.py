"""What a results file says of where it comes from."""

import json
import os
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from datetime import UTC, datetime
from importlib.metadata import version
from typing import Any

from hpcqrl import __version__
from hpcqrl.parallel.agents import Agents, library
from hpcqrl.recorded import Recorded
from hpcqrl.results.schema import FORMAT

_JOB = ("SLURM_JOB_ID", "PBS_JOBID", "LSB_JOBID", "FLUX_JOB_ID")


def attributes(
    run: Recorded, agents: Agents, every: float, before: Mapping[str, Any], episodes: int, qpus: Sequence[str]
) -> dict[str, Any]:
    """The root attributes of a run's file. before: those of the file that it goes on with, of so many episodes; qpus:
    each rank's of the job's QPUs, if it is on those.
    """
    now = datetime.now(UTC).isoformat(timespec="seconds")
    acting = int(agents.size - agents.root_serves)
    start = {"time": now, "agents": acting, "episodes": episodes} | ({"qpus": list(qpus)} if qpus else {})
    return {
        "format": FORMAT,
        "system": run.name,
        "config": json.dumps(asdict(run.config)),
        "counts_each_agent": run.system.FACTS.counts_each_agent,
        "synchronous": run.system.FACTS.synchronous,
        "seed": run.config.seed,
        "agents": acting,
        "root": "serves" if agents.root_serves else "acts",
        "created": before.get("created", now),
        "history": json.dumps([*json.loads(before.get("history", "[]")), start]),
        "checkpoint_every": every,
        "job": next((os.environ[name] for name in _JOB if os.environ.get(name)), ""),
        "hpcqrl": __version__,
        "torch": version("torch"),
        "pennylane": version("pennylane"),
        "mpi": library(),
    }
