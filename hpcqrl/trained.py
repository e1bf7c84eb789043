"""What can be done with a run's results file: read it, play its trained policy, film it, export it."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from types import ModuleType
from typing import Any

import gymnasium
import numpy as np

from hpcqrl.brought import name_of
from hpcqrl.configuration import check_seed
from hpcqrl.evaluation import bootstrap_interval, close, film, play
from hpcqrl.randomness import as_int, own_seeds
from hpcqrl.recorded import Named, Recorded, recorded
from hpcqrl.results.reader import Run, read_run
from hpcqrl.systems.contract import Model, Policy


@dataclass(frozen=True, repr=False)
class Trained(Run):
    """A run, read from its file, with its policy if it is complete."""

    named: Named
    shots: int | None = None  # of each circuit, in place of the configuration's
    noise: tuple[str, ...] = ()  # likewise

    def __repr__(self) -> str:
        state = "complete" if self.complete else "not complete"
        return f"<{self.path}: {self.system}, seed {self.seed}, {len(self.episodes):,} episodes, {state}>"

    @property
    def recorded(self) -> Recorded:
        """Its system, configuration and circuit. Raises ValueError for what must be named again and was not."""
        version = str(self.attributes.get("hpcqrl", "?"))
        found = recorded(self.path, self.system, self.config, version, self.circuit, self.named)
        others = {"env": self.named.env, "qpu": self.named.qpu, "shots": self.shots, "noise": self.noise or None}
        anew: dict[str, Any] = {name: value for name, value in others.items() if value is not None}
        fields = found.config.__dataclass_fields__
        missing = [name for name in anew if name not in fields]
        if missing:
            raise ValueError(f"{self.path}: {found.name} has no option {missing[0]}")
        if anew.get("env", found.config.env) != found.config.env:
            anew["env_option"] = ()  # they are of the one that it was trained in
        if "qpu" in anew:
            anew = {"qpu_option": (), "gradient": None, "noise": ()} | anew
        anew = {name: value for name, value in anew.items() if name in fields}
        return replace(found, config=replace(found.config, **anew)) if anew else found

    def environment(self, render_mode: str | None = None) -> gymnasium.Env:
        """The environment, as the agents saw it: flat observations, the system's actions."""
        run = self.recorded
        return run.system.environment(run.config, render_mode)

    def policy(self, sample: bool = False, seed: int = 0) -> Policy:
        """The trained policy: observation, as from `environment`, to action.

        sample: actions drawn from its distribution, as in training, not the likeliest. seed: of what is drawn, and of
        the circuit's measurements. Raises ValueError if the run is not complete, or the policy draws no actions.
        """
        run, model = self._model(seed)
        if sample and not run.system.FACTS.stochastic:
            raise ValueError(f"this policy draws no actions: {self.path} can only be evaluated without --sample")
        random = np.random.default_rng(
            np.random.SeedSequence(seed, spawn_key=(1,))
        )  # not the environment's own numbers
        return run.system.policy(run.config, model, self.parameters, random if sample else None)

    def export(self, out: str | Path, circuit: bool = False, overwrite: bool = False) -> int:
        """Write the policy with torch.export; the size of its observations. Raises ValueError, OSError."""
        out = Path(out)
        if out.suffix != ".pt2":
            raise ValueError(f"torch's exported programs end in .pt2, not {out}")
        if out.exists() and not overwrite:
            raise FileExistsError(f"{out} exists; choose another --out, or pass --overwrite")
        from hpcqrl.models.exported import save

        run, model = self._model(0)
        module, inputs = run.system.exported(run.config, model, self.parameters, circuit)
        save(module, inputs, out)
        return inputs

    def _model(self, seed: int) -> tuple[Recorded, Model]:
        run = self.recorded
        if not self.complete:
            more = f"; `hpcqrl resume {self.path}` goes on with it" if "checkpointed" in self.attributes else ""
            raise ValueError(f"{self.path} is not complete: it has no trained parameters yet{more}")
        env = run.system.environment(run.config)
        try:
            qpu_seed = as_int(own_seeds(seed, 0, 4)[3])  # nor the circuit's
            return run, run.system.model(run.config, env, run.circuit, qpu_seed)
        finally:
            close(env)


def load(
    path: str | Path,
    *,
    system: str | ModuleType | None = None,
    env: str | None = None,
    circuit: str | Callable[..., Any] | None = None,
    qpu: str | Callable[..., Any] | None = None,
    shots: int | None = None,
    noise: Sequence[str] = (),
) -> Trained:
    """A run from its results file: episodes, evaluations, config, parameters, and `.policy()`; MPI is not started.

    system, env, circuit, qpu: what is one's own, and named in the file, is imported only if it is named here again; env
    and qpu may also be others than in training, and so may shots and noise, to play with.
    Raises ValueError, naming the file, if it cannot be read.
    """
    run = read_run(path)
    named = (None if own is None else name_of(own) for own in (system, env, circuit, qpu))
    return Trained(**vars(run), named=Named(*named), shots=shots, noise=tuple(noise))


def evaluate(run: Trained, episodes: int, seed: int, sample: bool, video: Path | None) -> None:
    """Play the policy, print its mean return, and film an episode. Raises ValueError, OSError."""
    if episodes < 2:
        raise ValueError(f"episodes must be at least 2, not {episodes}")
    check_seed(seed)
    if video is not None and video.suffix.lower() != ".gif":
        raise ValueError(f"a video is an animated GIF, so its name must end in .gif, not {video}")
    policy: Callable[[Any], Any] = run.policy(sample, seed)
    found = run.recorded
    filmed = None if video is None else run.environment("rgb_array")  # before playing: it may not know how
    env = run.environment()
    returns = play(env, policy, episodes, seed)
    close(env)
    low, high = bootstrap_interval(returns, seed)
    mean = sum(returns) / len(returns)
    print(
        f"{found.config.env}: mean return of {len(returns)} episodes {mean:.3f}, 95% interval {low:.3f} to {high:.3f}"
    )
    if found.system.FACTS.stochastic and not sample:
        print("actions: always the likeliest; --sample draws them, as training does")
    if video is not None and filmed is not None:
        print(f"{film(filmed, policy, seed, video)} frames: {video}")
        close(filmed)
