"""What a results file holds, in words and types. Every reader and writer goes by this."""

import math
from typing import NamedTuple

import numpy as np

FORMAT = 3  # grows when an old reader could no longer read the file; 2: checkpoints; 3: in place, with checksums
RESUMED = (2, 3)  # formats whose runs can go on


class Column(NamedTuple):
    """One field of a row: its name, NumPy type, unit, and meaning."""

    name: str
    dtype: str
    unit: str
    meaning: str
    before: float = math.nan  # what a row of an older file stands for that lacks it; 0 of a column of whole numbers


# What every system records; EXTRA: what some add.
EPISODE = (
    Column("episode", "<i8", "1", "number of the episode among those of all agents"),
    Column("agent", "<i4", "1", "MPI rank of the agent"),
    Column("return", "<f8", "reward", "sum of the episode's rewards, undiscounted"),
    Column("length", "<i4", "environment steps", "steps in the episode"),
    Column("time", "<f8", "s", "end of the episode, since the start of the run, on the agent's clock"),
    Column("version", "<i8", "updates", "updates of the shared parameters before the episode began"),
)

EXTRA = {
    column.name: column
    for column in (
        Column(
            "staleness", "<f8", "updates", "updates by others between pull and push, mean over the episode's pushes"
        ),
        Column("loss", "<f8", "1", "loss in the values, mean over the episode's updates (QA3C: the squared TD error)"),
        Column(
            "waiting",
            "<f8",
            "s",
            "time in the episode's pushes, summed; Dist-QTRL: in the Allreduce before it; PPO: in "
            "all Allreduces since the agent's last record",
        ),
        Column("last_push", "<f8", "s", "time of the episode's last push"),
        Column("refused", "<i4", "updates", "pushes refused in the episode: NaN or infinity in the gradient"),
        Column("lost", "<i4", "1", "agents that were lost while they played the episode, before this one did"),
        Column("epsilon", "<f8", "1", "probability of a random action at the episode's end"),
        Column("qtdnn_loss", "<f8", "nats", "binary cross-entropy of qtDNN and sampled bits, mean over the updates"),
        Column("qtdnn_error", "<f8", "1", "mean |qtDNN - exact probability| of the circuit's bits, after the episode"),
        Column("executions", "<i8", "1", "circuits that the agent's QPUs have executed since its last record"),
        Column("submissions", "<i8", "1", "in how many submissions"),
        Column("shots", "<i8", "1", "measurements of all qubits, in all of them"),
        Column("qpu_seconds", "<f8", "s", "time until their answers; of an emulated QPU, what it would take", 0.0),
        Column("replayed_spread", "<f8", "rad", "standard deviation of the replayed angles, mean over them"),
        Column("replayed_error", "<f8", "1", "mean |qtDNN - exact mean of what is measured|, at replayed angles"),
        Column("replayed_error_half", "<f8", "1", "the same of the answer 1/2"),
        Column("replayed_error_mean", "<f8", "1", "the same of the mean over the samples"),
        Column("replayed_slopes", "<f8", "1", "correlation of the qtDNN's Jacobian with the circuit's, there"),
        Column("current_spread", "<f8", "rad", "standard deviation of the present actor's angles, mean over them"),
        Column("current_error", "<f8", "1", "mean |qtDNN - exact mean of what is measured|, at the present actor's"),
        Column("current_error_half", "<f8", "1", "the same of the answer 1/2"),
        Column("current_error_mean", "<f8", "1", "the same of the mean over the samples"),
        Column("current_slopes", "<f8", "1", "correlation of the qtDNN's Jacobian with the circuit's, there"),
    )
}


def named(*names: str) -> tuple[Column, ...]:
    """Columns that some systems add, by their names."""
    return tuple(EXTRA[name] for name in names)


# Of agents whose QPU counts what it is asked for: one that measures shots, is emulated, or is no native one.
COST = named("executions", "submissions", "shots", "qpu_seconds")

# A row for each agent's part in a test, in systems that test while they train.
EVALUATION = (
    Column("steps", "<i8", "environment steps", "training steps of each agent before the test"),
    Column("agent", "<i4", "1", "MPI rank of the agent"),
    Column("episodes", "<i4", "1", "test episodes, played without exploration noise"),
    Column("mean", "<f8", "reward", "mean of their returns, undiscounted"),
    Column("std", "<f8", "reward", "standard deviation of their returns"),
    Column("time", "<f8", "s", "end of the test, since the start of the run, on the agent's clock"),
    Column("version", "<i8", "updates", "updates of the parameters before the test"),
)

COLUMNS = {"episodes": EPISODE, "evaluations": EVALUATION}  # of each table, at least
ORDER = {"episodes": ("episode",), "evaluations": ("steps", "agent")}
ABOUT_TABLE = {
    "episodes": "one row for each finished episode of every agent",
    "evaluations": "one row for each agent's part in a test of the policy",
}

# Where a run comes from; files of version 0.1.0 have some of it.
PROVENANCE = {
    "job": "number of the batch job that has last written it; empty outside of one",
    "command": "command line of the start, of rank 0, without the launcher",
    "host": "name of the machine that rank 0 has last run on",
    "cpu": "its processor, and the cores that rank 0 may use",
    "gpu": "its GPUs, by their driver; empty where there are none",
    "commit": "commit of the checkout that this package is in; empty where it is none",
    "hpcqrl": "version of this package",
    "python": "version of Python",
    "numpy": "version of NumPy",
    "numba": "version of Numba",
    "torch": "version of torch",
    "pennylane": "version of PennyLane",
    "gymnasium": "version of Gymnasium",
    "minigrid": "version of MiniGrid",
    "envpool": "version of EnvPool; empty where it is not installed",
    "mpi": "MPI library and its version",
}

# Of a run that has a checkpoint, readers add `checkpointed`, its time in seconds since 1970, and `interrupted` where
# the run was told to end and left it; up to format 2 they were attributes, too.
ATTRIBUTES = {
    "format": "version of this file format",
    "system": "name of the system, as in `hpcqrl train`; one's own by its module",
    "config": "JSON: every field of the system's configuration",
    "counts_each_agent": "whether the length in the configuration is that of each agent, not of all together",
    "synchronous": "whether agents wait for each other, so that the same seed and ranks give the same run",
    "seed": "seed from which all random numbers of the run come",
    "agents": "number of agents: MPI ranks, less the root if it serves",
    "root": "whether rank 0 acts as an agent or only serves the shared parameters",
    "complete": "whether the run ended; otherwise it goes on, or was cut off",
    "created": "UTC time of the start, ISO 8601",
    "history": "JSON: for each start or resumption its UTC time, agents, command line, the episodes so far, and each "
    "rank's of the job's QPUs",
    "checkpoint_every": "seconds between checkpoints; 0: only when the run is interrupted",
} | PROVENANCE


# Version 0.1.0 did not write these two facts: the systems that it had, of which they are true.
COUNTED_EACH_AGENT = ("dist-qtrl",)
SYNCHRONOUS = ("dist-qtrl", "hdqnn-td3")


def row_dtype(columns: tuple[Column, ...]) -> np.dtype:
    """The NumPy type of a row."""
    return np.dtype([(column.name, column.dtype) for column in columns])


def with_columns(rows: np.ndarray, columns: tuple[Column, ...]) -> np.ndarray:
    """Rows with these columns: what a file of an older version lacks is as its column says."""
    wanted = row_dtype(columns)
    if rows.dtype == wanted:
        return rows
    result = np.zeros(rows.shape, wanted)
    for column in columns:
        if column.name in (rows.dtype.names or ()):
            result[column.name] = rows[column.name]
        elif np.dtype(column.dtype).kind == "f":
            result[column.name] = column.before
    return result
