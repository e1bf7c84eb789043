"""QDQN-DPER (arXiv 2304.09648): Figure 3."""

from papers.paper import Choice, Curves, Experiment, Paper, Scores, Together

MODELS = {  # as in the legend of Figure 3; classical asynchronous Q-learning has the TD loss
    "quantum, PER, matrix loss": ("--model", "quantum", "--replay", "prioritized", "--loss", "matrix"),
    "quantum, PER, TD loss": ("--model", "quantum", "--replay", "prioritized", "--loss", "td"),
    "quantum, no replay": ("--model", "quantum", "--replay", "none", "--loss", "td"),
    "classical, PER": ("--model", "classical", "--replay", "prioritized", "--loss", "td"),
    "classical, no replay": ("--model", "classical", "--replay", "none", "--loss", "td"),
}
RATES = (130, 130, 300, 3000, 3000)  # episodes a second
ENVIRONMENTS = ("v0", "v1", "v2", "v3")
FULL, *OTHERS = MODELS


def _in(env: str, model: str) -> str:
    return f"{env}, {model}"


PAPER = Paper(
    title="Quantum deep Q learning with distributed prioritized experience replay",
    source="arXiv:2304.09648",
    system="qdqn-dper",
    length=50_000,
    agents=8,
    seeds=1,
    experiments=tuple(
        Experiment(_in(env, model), ("--env", f"hpcqrl/CartPoleMod-{env}", *options), rate)
        for env in ENVIRONMENTS
        for (model, options), rate in zip(MODELS.items(), RATES, strict=True)
    ),
    parts=(
        Scores(
            "Final scores, which the paper gives as curves only",
            5000,
            tuple((_in(env, model), None, None) for env in ENVIRONMENTS for model in MODELS),
        ),
        Together(
            "All environments together",
            5000,
            tuple((model, tuple(_in(env, model) for env in ENVIRONMENTS)) for model in MODELS),
        ),
        Curves(
            "Figure 3: mean and standard deviation of the scores in the past 5,000 episodes",
            5000,
            tuple((f"CartPoleMod-{env}", tuple(_in(env, model) for model in MODELS)) for env in ENVIRONMENTS),
            band="std",
        ),
    ),
    orders=tuple((_in(env, FULL), _in(env, other), "6.3") for env in ENVIRONMENTS for other in OTHERS),
    choices=tuple(
        Choice(name, options, tuple((_in("v0", FULL), _in("v0", other)) for other in OTHERS[:2]))
        for name, options in (
            ("time limits terminal", ("--time-limit", "terminal")),
            ("terminal states valued", ("--terminal-states", "valued")),
            ("weights by memory", ("--largest-weight", "memory")),
            ("sum over batch", ("--reduction", "sum")),
        )
    ),
    notes=("The paper does not say how many agents it trained with; the number here is in the list of runs.",),
)
