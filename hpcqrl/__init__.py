"""Distributed quantum reinforcement learning on HPC machines: one MPI rank is one agent with its own QPU.

import hpcqrl

path = hpcqrl.train("qa3c", env="CartPole-v1", episodes=2000, out="runs/x.h5")    # hpcqrl.resume(path) if it was cut
run = hpcqrl.load(path)
run.episodes["return"], run.config, run.parameters, run.policy()
"""

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from hpcqrl.api import resume, train
    from hpcqrl.quantum.circuit import Circuit
    from hpcqrl.trained import Trained, load

__version__ = "0.2.0.dev0"
__all__ = ["Circuit", "Trained", "load", "resume", "train"]


def __getattr__(name: str) -> Any:
    """Import what is asked for, and only then: the command line starts in a moment, and a reader needs no torch."""
    if name in ("train", "resume"):
        from hpcqrl import api

        return getattr(api, name)
    if name == "Circuit":
        from hpcqrl.quantum.circuit import Circuit

        return Circuit
    if name in ("load", "Trained"):
        from hpcqrl import trained

        return getattr(trained, name)
    raise AttributeError(f"module 'hpcqrl' has no attribute {name!r}")
