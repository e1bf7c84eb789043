"""What each command takes: its arguments and options, as tyro reads them and --help shows them."""

from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Generic, TypeVar

import tyro

Config = TypeVar("Config")


@dataclass(frozen=True)
class Train(Generic[Config]):
    """Train agents, one a rank; episodes and parameters go to one HDF5 file."""

    system: tyro.conf.OmitArgPrefixes[Config]
    config: str | None = None
    """A TOML file with any of these options by their names; what is said here wins. `hpcqrl describe --toml` writes
    one."""
    like: str | None = None
    """A results file whose configuration is taken, but for what is said here; what is one's own must be said again."""
    out: str | None = None
    """Results file; by default runs/SYSTEM-DATE-TIME.h5."""
    overwrite: tyro.conf.FlagCreatePairsOff[bool] = False
    """Replace the results file if it exists."""
    checkpoint_every: float = 60.0
    """Seconds between checkpoints, which `hpcqrl resume` goes on from; 0: only at SIGUSR1 or SIGTERM."""
    patience: float = 60.0
    """Seconds that a run which was told to end waits for a rank that hangs, before it ends without it."""
    lose_at_most: int = 0
    """Ranks, but not the root, that the run may lose and go on without, where the MPI can: qa3c, qdqn-dper."""
    gpu: tuple[str, ...] = ()
    """GPUs that the ranks of a node take in turn, by index, from 0, or UUID, of those that CUDA_VISIBLE_DEVICES leaves;
    by default all of them. For whatever computes on one, such as --qpu native-gpu and --device cuda."""


@dataclass(frozen=True)
class NamedAgain:
    """What is one's own must be named again: a file may come from anybody, and alone has no module imported."""

    system: str | None = None
    """One's own system, the name of its module."""
    env: str | None = None
    """One's own environment (module:Name-v0); to evaluate and to export, any other, too."""
    circuit: str | None = None
    """One's own circuit (module:function), where it is one that the file could not hold."""
    qpu: str | None = None
    """One's own QPU (module:function); to evaluate, any other, too."""


@dataclass(frozen=True)
class Resume:
    """Carry on with a run that was interrupted, killed, or preempted, from its last checkpoint."""

    path: tyro.conf.Positional[str]
    """Its results file; everything else is in there."""
    config: str | None = None
    """The file of options that it was trained with: what is one's own in there is named by it, too."""
    patience: float = 60.0
    """Seconds that a run which was told to end waits for a rank that hangs, before it ends without it."""
    lose_at_most: int = 0
    """Ranks, but not the root, that the run may lose and go on without, where the MPI can: qa3c, qdqn-dper."""
    gpu: tuple[str, ...] = ()
    """GPUs that the ranks of a node take in turn, by index, from 0, or UUID, of those that CUDA_VISIBLE_DEVICES leaves;
    by default all of them. For whatever computes on one, such as --qpu native-gpu and --device cuda."""
    named: tyro.conf.OmitArgPrefixes[NamedAgain] = NamedAgain()


@dataclass(frozen=True)
class Evaluate:
    """Play a trained policy; print its mean return with a bootstrap interval."""

    run: tyro.conf.Positional[Path]
    """Results file of a complete run."""
    episodes: int = 20
    """Episodes to play."""
    seed: int = 0
    """Of the environment, of the circuit's measurements, and of actions that are drawn."""
    sample: tyro.conf.FlagCreatePairsOff[bool] = False
    """Draw actions from the policy, as in training, instead of taking the likeliest: dist-qtrl, qa3c, ppo."""
    shots: int | None = None
    """Measurements of each circuit, where they are to be others than in training."""
    noise: Annotated[tuple[str, ...], tyro.conf.UseAppendAction] = ()
    """Of the native kernels, such as depolarizing=0.001,0.01 or readout=0.02, where it is to be another; again for
    each."""
    video: Path | None = None
    """Also film one episode, as an animated GIF."""
    named: tyro.conf.OmitArgPrefixes[NamedAgain] = NamedAgain()


@dataclass(frozen=True)
class Export:
    """Write a trained policy with torch.export, from observations to logits (discrete
    actions) or actions (continuous). A run's episodes as tables: hpcqrl data."""

    run: tyro.conf.Positional[Path]
    """Results file of a complete run."""
    out: Path
    """The file to write, which must end in .pt2."""
    with_circuit: tyro.conf.FlagCreatePairsOff[bool] = False
    """hdqnn-td3: with the circuit, simulated, not the qtDNN in its place. (qa3c and ppo always have theirs.)"""
    overwrite: tyro.conf.FlagCreatePairsOff[bool] = False
    """Replace the file if it exists."""
    named: tyro.conf.OmitArgPrefixes[NamedAgain] = NamedAgain()


@dataclass(frozen=True)
class Describe:
    """Print what a run has trained: its parameters by part, and its circuit as text."""

    run: tyro.conf.Positional[Path]
    """A results file."""
    toml: tyro.conf.FlagCreatePairsOff[bool] = False
    """Print its configuration instead, as a file for `hpcqrl train --config`."""
    named: tyro.conf.OmitArgPrefixes[NamedAgain] = NamedAgain()


@dataclass(frozen=True)
class DescribeSystem(Generic[Config]):
    """Print what a system trains: its parameters by part, and its circuit as text."""

    system: tyro.conf.OmitArgPrefixes[Config]
    toml: tyro.conf.FlagCreatePairsOff[bool] = False
    """Print the configuration instead, as a file for `hpcqrl train --config`."""


@dataclass(frozen=True)
class State:
    """Print begun, checkpoint (it can be resumed) or complete, and its job."""

    run: tyro.conf.Positional[Path]
    """A results file."""


@dataclass(frozen=True)
class Nothing:
    """This command has no options."""
