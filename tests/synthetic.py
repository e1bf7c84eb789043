"""Results files with any returns, written as runs write them; and tools called without a process of their own."""

import csv
import io
import json
import sys

import numpy as np

from hpcqrl.results.recorder import Recorder
from hpcqrl.results.schema import ATTRIBUTES, COST, EPISODE, EVALUATION, EXTRA, row_dtype

COLUMNS = EPISODE + tuple(EXTRA[name] for name in ("staleness", "waiting", "last_push"))


def write_run(
    path, returns, system="qa3c", agents=1, seed=0, complete=True, length=10, times=None, tests=(), asked=(), **config
):
    """A results file whose episodes have these returns; times: seconds at their ends, by default one each.

    tests: their mean returns, each of 10 episodes of agent 0, one after every config["test_every"] steps. asked: of the
    QPU, in each episode: executions, submissions, shots.
    """
    columns = COLUMNS + COST * bool(asked)
    rows = np.zeros(len(returns), row_dtype(columns))
    for column, number in zip(COST, asked, strict=False):
        rows[column.name] = number
    rows["episode"] = np.arange(len(returns))
    rows["agent"] = rows["episode"] % agents
    rows["return"], rows["length"] = returns, length
    rows["time"] = 1.0 + rows["episode"] if times is None else times
    rows["version"] = 2 * rows["episode"]
    each = agents if system == "dist-qtrl" else 1
    size = {} if "steps" in config else {"episodes": len(returns) // each}
    config = {"env": "E-v0", **size, "seed": seed, "qpu_latency": 0.0} | config
    tested = np.zeros(len(tests), row_dtype(EVALUATION))
    tested["steps"] = np.arange(1, len(tests) + 1) * config.get("test_every", 0)
    tested["episodes"], tested["mean"] = 10, tests
    attributes = dict.fromkeys(ATTRIBUTES, "none") | {"format": 2, "system": system, "config": json.dumps(config)}
    attributes |= {"counts_each_agent": system == "dist-qtrl", "synchronous": system in ("dist-qtrl", "hdqnn-td3")}
    attributes |= {"seed": seed, "agents": agents, "root": "acts", "history": "[]", "checkpoint_every": 0.0}
    attributes = {
        name: value for name, value in attributes.items() if name not in ("complete", "checkpointed", "interrupted")
    }
    with Recorder(path, attributes, columns, overwrite=True) as recorder:
        recorder.append(rows)
        recorder.append(tested, "evaluations")
        if complete:
            recorder.finish({"actor.circuit": np.zeros((2, 3)), "actor.last.bias": np.zeros(4)})
    return str(path)


def call(module, capsys, *arguments):
    """The tool's main with these arguments: its exit status, and what it wrote."""
    before, sys.argv = sys.argv, [f"{module.__name__}.py", *map(str, arguments)]
    try:
        module.main()
        status = 0
    except SystemExit as end:
        status = end.code
    finally:
        sys.argv = before
    output, errors = capsys.readouterr()
    return status, output, errors + (status if isinstance(status, str) else "")


def rows(text):
    """Those of a table in CSV."""
    return list(csv.DictReader(io.StringIO(text)))
