"""PPO-Q (arXiv 2501.07085): its public learning curves, quantum and classical, on CartPole, Acrobot and LunarLander."""

from papers.paper import Curves, Experiment, Paper, Scores

CARTPOLE = ("--env", "CartPole-v1")  # the system's defaults are its settings there
_LONGER = (
    *("--envs", "16", "--minibatch", "64", "--epochs", "4", "--actor-learning-rate", "0.003"),
    *("--critic-learning-rate", "0.0003", "--gae-lambda", "0.98", "--no-decay-clip", "--no-decay-learning-rate"),
)
ACROBOT = (
    *("--env", "Acrobot-v1", *_LONGER, "--rollout", "256", "--discount", "0.99"),
    *("--normalise-observations", "--normalise-rewards"),
)
LUNAR_LANDER = (
    *("--env", "LunarLander-v3", *_LONGER, "--rollout", "1024", "--discount", "0.999"),
    *("--entropy-weight", "0.01"),
)
ENVIRONMENTS = {  # name: options, steps, steps a second, public means of the last tenth: quantum, classical
    "CartPole": (CARTPOLE, 100_000, 9000, (500.0, 497.0)),
    "Acrobot": (ACROBOT, 1_000_000, 9000, (-79.2, -81.7)),
    "LunarLander": (LUNAR_LANDER, 1_000_000, 6000, (221.0, 240.0)),
}


def _both(name: str) -> tuple[str, str]:
    return f"{name}, quantum", f"{name}, classical"


PAPER = Paper(
    title="PPO-Q: Proximal policy optimization with parametrized quantum policies or values",
    source="arXiv:2501.07085",
    system="ppo",
    length=1_000_000,
    unit="steps",
    agents=1,
    seeds=10,
    tested=False,
    experiments=tuple(
        Experiment(f"{name}, {model}", (*options, "--model", model), rate, 1, steps)
        for name, (options, steps, rate, _) in ENVIRONMENTS.items()
        for model in ("quantum", "classical")
    ),
    parts=(
        *(
            Scores(
                f"{name}: mean return of the last tenth, beside that of the public curves of about ten seeds",
                steps // 10,
                tuple((label, mean, None) for label, mean in zip(_both(name), public, strict=True)),
            )
            for name, (_, steps, _, public) in ENVIRONMENTS.items()
        ),
        *(Curves(f"Average score, {name}", 100, ((name, _both(name)),)) for name in ENVIRONMENTS),
    ),
    orders=((*_both("CartPole"), "public curves"), (*_both("Acrobot"), "public curves")),
    notes=(
        "The public curves' spread of the last tenth: CartPole 0 and 8, Acrobot 3.3 and 6.1, LunarLander 60 and 48 "
        "(quantum, classical); the settings of a group of them may be mixed.",
        "LunarLander needs the extra box2d.",
    ),
)
