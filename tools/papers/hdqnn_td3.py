"""hDQNN in TD3 (arXiv 2503.09119): Table 1, Figure 4, and what section 3 says of Pendulum-v1."""

from itertools import pairwise

from papers.paper import Curves, Experiment, Paper, Scores, Settings

BLOCKS = {"PQC": "pqc", "FC": "fc", "RBG": "rbg", "0L": "zeros"}  # the paper's names, and --block's


def _in(env: str) -> tuple[str, ...]:
    return tuple(f"{env}, {block}" for block in BLOCKS)


def _experiments(env: str, identity: str, length: int | None, test_every: int) -> tuple[Experiment, ...]:
    return tuple(
        Experiment(name, ("--env", identity, "--block", block), 40 if block == "pqc" else 70, 1, length, test_every)
        for name, block in zip(_in(env), BLOCKS.values(), strict=True)
    )


def _dense(*sizes: int) -> int:
    """Weights and biases of layers of these sizes."""
    return sum((inputs + 1) * outputs for inputs, outputs in pairwise(sizes))


def _pendulum(name: str, rate: float, *options: str) -> Experiment:
    """What stands in the circuit's place otherwise than by default, on Pendulum-v1."""
    return Experiment(f"Pendulum, {name}", ("--env", "Pendulum-v1", *options), rate, 1, 30_000, 1000)


EXACT, REFITTED = "PQC by its own gradient", "qtDNN updated 32 times"
OTHERWISE = (
    _pendulum(EXACT, 40, "--surrogate", "exact"),
    _pendulum(REFITTED, 8, "--surrogate-updates", "32", "--measure", "marginals", "--shots", "1000"),
)
OF_PENDULUM = (*_in("Pendulum"), *(experiment.name for experiment in OTHERWISE))

SHARED = _dense(376, 256, 230) + _dense(20, 256, 17) + 2 * (_dense(376, 256) + _dense(273, 256, 1))  # [Table 1]
SIZES = (SHARED + _dense(220, 2048, 10), SHARED + _dense(220, 10), SHARED, SHARED)  # with qtDNN, with FC's map

PAPER = Paper(
    title="Training Hybrid Deep Quantum Neural Network for Reinforced Learning Efficiently",
    source="arXiv:2503.09119",
    system="hdqnn-td3",
    length=1_000_000,
    unit="steps",
    agents=1,
    seeds=1,
    experiments=(
        *_experiments("Humanoid", "Humanoid-v4", None, 5000),
        *_experiments("Pendulum", "Pendulum-v1", 30_000, 1000),
        *OTHERWISE,
    ),
    parts=(
        Settings(
            "Table 1: settings",
            (
                ("qubits of the circuit", "10", "qubits"),
                ("layers of the circuit", "10", "layers"),
                ("classical links", "10", "links"),
                ("hidden units of PreDNN, PostDNN and critics", "256", "hidden"),
                ("hidden units of the qtDNN", "2048", "qtdnn_hidden"),
                ("discount", "0.99", "discount"),
                ("learning rate", None, "learning_rate"),
                ("share of the networks in their targets", None, "tau"),
            ),
        ),
        Scores(
            "Humanoid-v4: numbers of parameters, by Table 1's layers; and final test returns, which the paper gives "
            "as curves only",
            10,
            tuple((name, None, size) for name, size in zip(_in("Humanoid"), SIZES, strict=True)),
        ),
        Curves("Figure 4: test return, Humanoid-v4", 5, (("Humanoid", _in("Humanoid")),), tests=True),
        Curves("Figure 4: return in training, Humanoid-v4", 100, (("Humanoid", _in("Humanoid")),)),
        Scores(
            "Pendulum-v1: final test returns, of which the paper gives no numbers",
            10,
            tuple((name, None, None) for name in OF_PENDULUM),
        ),
        Curves("Section 3: test return, Pendulum-v1", 1, (("Pendulum", OF_PENDULUM),), tests=True),
    ),
    orders=(
        *(("Humanoid, PQC", f"Humanoid, {block}", "section 3") for block in ("RBG", "FC", "0L")),
        *(("Humanoid, RBG", f"Humanoid, {block}", "section 3") for block in ("FC", "0L")),
        *((f"Pendulum, {block}", "Pendulum, RBG", "section 3") for block in ("PQC", "FC", "0L")),
    ),
    notes=(
        "Where the paper gives no number, here a dash, or length of its runs, TD3's published settings are used.",
        "On Pendulum-v1 the paper finds PQC, FC and 0L on a par, so they are not put in an order.",
        "On Pendulum-v1 two more: the circuit's own gradient in the qtDNN's place (ours), and the paper's later "
        "versions, by what reviews say of them: 32 updates of the qtDNN for one of the actor, means of 1000 shots.",
        "Humanoid-v4 needs the extra mujoco; `--only Pendulum` leaves it out.",
    ),
)
