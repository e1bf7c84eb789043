"""Dist-QTRL (arXiv 2412.08845): Tables I and II, Figure 1."""

from itertools import pairwise

from papers.paper import Curves, Experiment, Paper, Scores, Speedups

NOTEBOOK = (  # what the authors' public notebook has where the paper is silent, and this package has other defaults
    *("--returns", "standardised", "--loss", "sum", "--max-gradient-norm", "10.0", "--learning-rate", "0.0001"),
)
ORDER = ("classical", "QTRL-3, 4 agents", "centric QTRL-13", "centric QTRL-7", "centric QTRL-3")  # [Table I]
NOTEBOOKS_ORDER = tuple(f"notebook {name.removeprefix('centric ')}" for name in ORDER)
TARGETS = (None, 0.6453, 0.9)  # what our one agent ends with, what the paper's does [Table I], and nearly the best

PAPER = Paper(
    title="Quantum-Train-Based Distributed Multi-Agent Reinforcement Learning",
    source="arXiv:2412.08845",
    system="dist-qtrl",
    length=4000,
    agents=1,
    seeds=5,
    experiments=(
        Experiment("classical", ("--model", "classical"), 500, 1),
        Experiment("centric QTRL-3", ("--layers", "3"), 180, 1),
        Experiment("centric QTRL-7", ("--layers", "7"), 190, 1),
        Experiment("centric QTRL-13", ("--layers", "13"), 160, 1),
        Experiment("QTRL-3, 2 agents", ("--layers", "3"), 125, 2),
        Experiment("QTRL-3, 4 agents", ("--layers", "3"), 55, 4),
        Experiment("QTRL-3, 8 agents", ("--layers", "3"), 42, 8),
        Experiment("notebook classical", ("--model", "classical", *NOTEBOOK), 500, 1),
        Experiment("notebook QTRL-3", ("--layers", "3", *NOTEBOOK), 180, 1),
        Experiment("notebook QTRL-7", ("--layers", "7", *NOTEBOOK), 190, 1),
        Experiment("notebook QTRL-13", ("--layers", "13", *NOTEBOOK), 160, 1),
        Experiment("notebook QTRL-3, 2 agents", ("--layers", "3", *NOTEBOOK), 125, 2),
        Experiment("notebook QTRL-3, 4 agents", ("--layers", "3", *NOTEBOOK), 55, 4),
        Experiment("notebook QTRL-3, 8 agents", ("--layers", "3", *NOTEBOOK), 42, 8),
    ),
    parts=(
        Scores(
            "Table I: average reward, MiniGrid-Empty-5x5",
            500,
            (
                ("classical", 0.9244, 4835),
                ("centric QTRL-3", 0.6453, 1749),
                ("centric QTRL-7", 0.8164, 2061),
                ("centric QTRL-13", 0.8632, 2529),
                ("QTRL-3, 4 agents", 0.901, 1749),
            ),
        ),
        Speedups(
            "Table II: speed-up in episodes to what one agent ends with",
            100,
            500,
            (
                ("centric QTRL-3", None),
                ("QTRL-3, 2 agents", 2.06),
                ("QTRL-3, 4 agents", 3.33),
                ("QTRL-3, 8 agents", 5.33),
            ),
            TARGETS,
        ),
        Scores(
            "Table I with the authors' notebook's values where the paper has none",
            500,
            (
                ("notebook classical", 0.9244, 4835),
                ("notebook QTRL-3", 0.6453, 1749),
                ("notebook QTRL-7", 0.8164, 2061),
                ("notebook QTRL-13", 0.8632, 2529),
                ("notebook QTRL-3, 4 agents", 0.901, 1749),
            ),
        ),
        Speedups(
            "Table II with the authors' notebook's values",
            100,
            500,
            (
                ("notebook QTRL-3", None),
                ("notebook QTRL-3, 2 agents", 2.06),
                ("notebook QTRL-3, 4 agents", 3.33),
                ("notebook QTRL-3, 8 agents", 5.33),
            ),
            TARGETS,
        ),
        Curves(
            "Figure 1(b): average reward",
            100,
            (
                (
                    "MiniGrid-Empty-5x5",
                    ("classical", "centric QTRL-3", "centric QTRL-7", "centric QTRL-13", "QTRL-3, 4 agents"),
                ),
            ),
        ),
        Curves(
            "Figure 1(c): more agents sooner",
            100,
            (("QTRL-3", ("centric QTRL-3", "QTRL-3, 2 agents", "QTRL-3, 4 agents", "QTRL-3, 8 agents")),),
            target=("centric QTRL-3", 500),
        ),
    ),
    orders=(
        *((better, worse, "Table I") for better, worse in pairwise(ORDER)),
        *((better, worse, "Table I") for better, worse in pairwise(NOTEBOOKS_ORDER)),
    ),
    notes=(
        "The paper does not say over which episodes its average reward is taken; here over the last 500 of 4000, or "
        "the last eighth of a shorter run.",
    ),
)
