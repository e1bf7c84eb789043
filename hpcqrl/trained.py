"""What can be done with a trained policy from its results file: play it, film it, export it."""

from dataclasses import replace
from importlib import import_module
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np

from hpcqrl.evaluation import bootstrap_interval, film, play
from hpcqrl.results.reader import read_run
from hpcqrl.systems import SYSTEMS, configuration


def evaluate(path: Path, env: str | None, episodes: int, seed: int, sample: bool, video: Path | None) -> None:
    """Play the policy, print its mean return, and film an episode. Raises ValueError, OSError."""
    if episodes < 2:
        raise ValueError(f"episodes must be at least 2, not {episodes}")
    if seed < 0:
        raise ValueError(f"seed must be at least 0, not {seed}")
    if video is not None and video.suffix.lower() != ".gif":
        raise ValueError(f"a video is an animated GIF, so its name must end in .gif, not {video}")
    system, config, parameters = trained(path, env)
    config = replace(config, seed=seed)
    if sample and not system.STOCHASTIC:
        raise ValueError(f"this policy draws no actions: {path} can only be evaluated without --sample")
    drawn = np.random.default_rng(np.random.SeedSequence(seed, spawn_key=(1,)))  # not the environment's own numbers
    policy = system.policy(config, parameters, *([drawn] if sample else []))
    filmed = None if video is None else system.environment(config, "rgb_array")  # before playing: it may not know how
    returns = play(system.environment(config), policy, episodes, seed)
    low, high = bootstrap_interval(returns, seed)
    mean = sum(returns) / len(returns)
    print(f"{config.env}: mean return of {len(returns)} episodes {mean:.3f}, 95% interval {low:.3f} to {high:.3f}")
    if system.STOCHASTIC and not sample:
        print("actions: always the likeliest; --sample draws them, as training does")
    if video is not None and filmed is not None:
        print(f"{film(filmed, policy, seed, video)} frames: {video}")


def export(path: Path, env: str | None, out: Path, circuit: bool, overwrite: bool) -> None:
    """Write the policy for torch alone. Raises ValueError, OSError."""
    if out.suffix != ".pt2":
        raise ValueError(f"torch's exported programs end in .pt2, not {out}")
    if out.exists() and not overwrite:
        raise FileExistsError(f"{out} exists; choose another --out, or pass --overwrite")
    system, config, parameters = trained(path, env)
    from hpcqrl.models.exported import save

    module, inputs = system.exported(config, parameters, circuit)
    save(module, inputs, out)
    print(f"observations [samples, {inputs}] of {config.env}: {out}")


def trained(path: Path, env: str | None) -> tuple[ModuleType, Any, dict[str, Any]]:
    """A complete run's system, configuration (in the environment that the user named) and parameters."""
    run = read_run(path)
    config = configuration(run.system, run.config, env, path)
    if not run.complete:
        more = f"; `hpcqrl resume {path}` goes on with it" if "checkpointed" in run.attributes else ""
        raise ValueError(f"{path} is not complete: it has no trained parameters yet{more}")
    return import_module(SYSTEMS[run.system]), config if env is None else replace(config, env=env), run.parameters
