"""What an episode returns by chance and at best, in each of the papers' environments: scores are normalised by it."""

from dataclasses import dataclass

from hpcqrl.results.reader import Run

MEASURED = "a random policy, {} episodes: tools/bench_chance.py"
SHORTEST = "shortest paths of 1000 layouts: tools/bench_chance.py"
LIMIT = "its limit of 500 steps"
ZOO = "best mean of DLR-RM/rl-baselines3-zoo, benchmark.md, April 2026: "


@dataclass(frozen=True)
class Returns:
    """Mean return by chance and at best, and the source of each."""

    chance: float
    chance_source: str
    best: float
    best_source: str

    def normalised(self, score: float) -> float:
        """0 is chance, 1 the best."""
        return (score - self.chance) / (self.best - self.chance)


def _measured(chance: float, episodes: int, best: float, best_source: str) -> Returns:
    return Returns(chance, MEASURED.format(f"{episodes:,}"), best, best_source)


# By environment, the actions that are used (None: all), and Dist-QTRL's limit of an episode's steps.
RETURNS: dict[tuple[str, int | None, int | None], Returns] = {
    ("MiniGrid-Empty-5x5-v0", 3, 100): _measured(0.4523, 10_000, 0.955, SHORTEST),
    ("MiniGrid-Empty-5x5-v0", None, None): _measured(0.1981, 10_000, 0.955, SHORTEST),
    ("MiniGrid-SimpleCrossingS9N1-v0", 6, None): _measured(0.0265, 1000, 0.9605, SHORTEST),
    ("MiniGrid-SimpleCrossingS9N2-v0", 6, None): _measured(0.0164, 1000, 0.9556, SHORTEST),
    ("MiniGrid-SimpleCrossingS9N3-v0", 6, None): _measured(0.0110, 1000, 0.9541, SHORTEST),
    ("CartPole-v1", None, None): _measured(22.46, 10_000, 500.0, LIMIT),
    ("hpcqrl/CartPole15-v1", None, None): _measured(24.86, 10_000, 500.0, LIMIT),
    ("Acrobot-v1", None, None): _measured(-499.08, 1000, -69.135, f"{ZOO}qrdqn"),
    ("Pendulum-v1", None, None): _measured(-1225.8, 1000, -151.340, f"{ZOO}tqc"),
    ("hpcqrl/CartPoleMod-v0", None, None): _measured(24.86, 10_000, 500.0, LIMIT),
    ("hpcqrl/CartPoleMod-v1", None, None): _measured(24.86, 10_000, 500.0, LIMIT),
    ("hpcqrl/CartPoleMod-v2", None, None): _measured(24.89, 10_000, 500.0, LIMIT),
    ("hpcqrl/CartPoleMod-v3", None, None): _measured(24.85, 10_000, 500.0, LIMIT),
}


def returns_of(run: Run) -> Returns | None:
    """Those of the run's environment; None if nobody has measured them, or it was made with options of its own."""
    config = run.config
    env, actions = str(config.get("env", "")), config.get("actions")
    if config.get("env_option"):
        return None
    if actions is None and env.startswith("MiniGrid-"):  # what the systems then use
        actions = 3 if run.system == "dist-qtrl" else 6 if env.startswith("MiniGrid-SimpleCrossing") else None
    return RETURNS.get((env, actions, config.get("max_steps")))
