"""QA3C (arXiv 2301.05096): Table I, Figures 7 to 9."""

from papers.paper import Choice, Curves, Experiment, Milestones, Paper, Scores, Together

ENVIRONMENTS = {  # name: (Gymnasium id, parameters of QA3C and of its classical twin [Table I], episodes a second)
    "Acrobot": ("Acrobot-v1", 244, 292, 25),
    "CartPole": ("CartPole-v1", 203, 251, 110),
    "SimpleCrossing S9N1": ("MiniGrid-SimpleCrossingS9N1-v0", 2527, 2575, 30),
    "SimpleCrossing S9N2": ("MiniGrid-SimpleCrossingS9N2-v0", 2527, 2575, 25),
    "SimpleCrossing S9N3": ("MiniGrid-SimpleCrossingS9N3-v0", 2527, 2575, 25),
}

EMPTY = "MiniGrid-Empty-5x5-v0"
AUTHORS_CODE = {1000: 0.50, 2000: 0.72, 3000: 0.89, 5000: 0.94, 10_000: 0.952}  # means of 100 episodes up to each


def _both(name: str) -> tuple[str, str]:
    return f"{name}, quantum", f"{name}, classical"


PAPER = Paper(
    title="Asynchronous training of quantum reinforcement learning",
    source="arXiv:2301.05096",
    system="qa3c",
    length=100_000,
    agents=80,
    seeds=1,
    experiments=(
        *(
            Experiment(f"{name}, {model}", ("--env", env, "--model", model), rate * (1 if model == "quantum" else 2))
            for name, (env, _, _, rate) in ENVIRONMENTS.items()
            for model in ("quantum", "classical")
        ),
        Experiment("Empty-5x5", ("--env", EMPTY), 500, length=10_000),
        Experiment("Empty-5x5, tanh", ("--env", EMPTY, "--tanh"), 500, length=10_000),
    ),
    parts=(
        Scores(
            "Table I: numbers of parameters; and final scores, which the paper gives as curves only",
            1000,
            tuple(
                (label, None, size)
                for name, (_, quantum, classical, _) in ENVIRONMENTS.items()
                for label, size in zip(_both(name), (quantum, classical), strict=True)
            ),
        ),
        Milestones(
            "MiniGrid-Empty-5x5, which the paper does not have, beside the author's public code, which has --tanh",
            100,
            "the author's code",
            tuple(
                (name, episodes, value)
                for name in ("Empty-5x5, tanh", "Empty-5x5")
                for episodes, value in AUTHORS_CODE.items()
            ),
        ),
        Together(
            "All environments together",
            1000,
            tuple((model, tuple(f"{name}, {model}" for name in ENVIRONMENTS)) for model in ("classical", "quantum")),
        ),
        Curves("Figure 7: average score, Acrobot", 100, (("Acrobot", _both("Acrobot")),)),
        Curves("Figure 8: average score, CartPole", 100, (("CartPole", _both("CartPole")),)),
        Curves(
            "Figure 9: average score, SimpleCrossing",
            100,
            tuple((f"SimpleCrossing {size}", _both(f"SimpleCrossing {size}")) for size in ("S9N1", "S9N2", "S9N3")),
        ),
    ),
    orders=(
        (*_both("Acrobot"), "VI.C.1"),
        (*_both("CartPole"), "VI.C.2"),
        (*_both("SimpleCrossing S9N2"), "VI.C.3"),
        (*_both("SimpleCrossing S9N3"), "VI.C.3"),
    ),
    choices=(
        Choice("15 degrees", ("--env", "hpcqrl/CartPole15-v1"), (_both("CartPole"),)),
        Choice("time limits terminal", ("--time-limit", "terminal"), (_both("CartPole"), _both("Acrobot"))),
        Choice("sum over steps", ("--reduction", "sum"), (_both("CartPole"), _both("Acrobot"))),
    ),
    notes=(
        "The paper trained with 80 agents on 80 cores; the number here is in the list of runs.",
        "Final scores are means over the last 1000 episodes; curves over 100 episodes, as in the paper.",
    ),
)
