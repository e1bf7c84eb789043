"""Where a qtDNN can stand for its circuit: fitted around one point, its values and slopes beside the circuit's own.

python tools/surrogate.py --out surrogate.png
python tools/surrogate.py runs/*.h5 --out fig.png        what training runs have measured at their tests
"""

import hpcqrl.one_thread  # noqa: F401, I001  (before NumPy and torch are imported)

import sys
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
import tyro
from colours import colours_of, plt
from reading import by_seed, label, read_runs, say

from hpcqrl.models import flat
from hpcqrl.models.exact_bits import ExactBits
from hpcqrl.models.qtdnn import QtDnn
from hpcqrl.models.surrogate_quality import correlation
from hpcqrl.models.trained_vector import TrainedVector
from hpcqrl.quantum.circuits import efficient_su2
from hpcqrl.quantum.devices import make_device

SIZES = ((10, 10), (10, 2), (5, 5), (5, 2))  # qubits, layers
SPREADS = (0.1, 0.3, 1.0)  # rad
MEASURES = {"bits": 1, "marginals": 100}  # shots
SAMPLES = 256  # of a batch, TD3's
JACOBIANS = 32  # samples


@dataclass(frozen=True)
class Options:
    """Fit qtDNNs around one point and print a table; or, with results files, draw what their tests have measured."""

    runs: tyro.conf.Positional[tuple[Path, ...]] = ()
    """Results files of hDQNN runs; none: fit."""
    out: Path = Path("surrogate.png")
    """The figure: PNG, PDF or SVG, by its ending."""
    batches: int = 500
    """Batches of 256 fresh samples that a qtDNN is fitted to."""
    learning_rate: float = 3e-3
    """Of Adam at the first batch; it falls to 0 along a cosine."""
    seeds: int = 1
    """Points, and starts of the qtDNN, over which the mean is taken."""


@dataclass(frozen=True)
class Fit:
    """What a fitted qtDNN is worth: see the table's head."""

    marginals: float
    error: float
    error_mean: float
    error_half: float
    slopes: float


def fit(qubits: int, layers: int, spread: float, measure: str, options: Options, seed: int) -> Fit:
    """Fit a qtDNN to what is measured at angles normal around one point, and hold it against the circuit there."""
    random, circuit = np.random.default_rng(seed), efficient_su2(qubits, layers)
    n, shots = circuit.n_angles, MEASURES[measure]
    device, exact, qtdnn = make_device(circuit, seed=seed), ExactBits(circuit), QtDnn(n, qubits, 2 ** (qubits + 1))
    starts = (flat.initial_linear(inputs, outputs, random) for outputs, inputs in _weights(qtdnn))
    trained = TrainedVector({"qtdnn": qtdnn.layout}, np.concatenate(list(starts)).astype(np.float32), "cpu")
    part, point = trained.part["qtdnn"], random.uniform(-np.pi, np.pi, n)

    def angles(samples: int) -> torch.Tensor:
        return torch.from_numpy((point + spread * random.standard_normal((samples, n))).astype(np.float32))

    for batch in range(options.batches):
        at = angles(SAMPLES)
        means = device.sample(at.numpy(), np.zeros(0), shots).mean(axis=1, dtype=np.float32)
        trained.gradient.zero_()
        qtdnn.loss(part, at, torch.from_numpy(means)).backward()
        rate = 0.5 * options.learning_rate * (1.0 + np.cos(np.pi * batch / options.batches))
        trained.adam(["qtdnn"], rate)
    with torch.no_grad():
        at = angles(1024)
        wanted, found = exact.expected(at).numpy(), qtdnn.expected_bits(part, at).numpy()
        learnt = qtdnn.jacobian(part, at[:JACOBIANS]).numpy()
    own, constant, half = (float(np.abs(answer - wanted).mean()) for answer in (found, wanted.mean(axis=0), 0.5))
    slopes = correlation(learnt, exact.jacobian(at[:JACOBIANS].numpy()))
    return Fit(float(wanted.std(axis=0).mean()), own, constant, half, slopes)


def costs(qubits: int, layers: int) -> tuple[float, float]:
    """Milliseconds of one thread for 256 samples, forward and back: of the circuit itself; of the qtDNN, its own
    training step included. The best of several, in turn.
    """
    circuit, random = efficient_su2(qubits, layers), np.random.default_rng(0)
    exact, qtdnn = ExactBits(circuit), QtDnn(circuit.n_angles, qubits, 2 ** (qubits + 1))
    theta = random.normal(size=qtdnn.size).astype(np.float32)
    trained = TrainedVector({"qtdnn": qtdnn.layout}, theta, "cpu")
    angles = torch.from_numpy(random.normal(size=(SAMPLES, circuit.n_angles)).astype(np.float32)).requires_grad_()
    bits, part = torch.ones(SAMPLES, qubits), trained.part["qtdnn"]

    def circuit_itself() -> None:
        exact.expected(angles).sum().backward(inputs=[angles])

    def surrogate() -> None:
        qtdnn.expected_bits(part, angles).sum().backward(inputs=[angles])
        qtdnn.loss(part, angles.detach(), bits).backward()
        trained.adam(["qtdnn"], 1e-3)

    tasks: list[Callable[[], None]] = [circuit_itself, surrogate]
    best = [float("inf")] * 2
    for _ in range(12):
        for k, task in enumerate(tasks):
            begin = time.thread_time()
            task()
            best[k] = min(best[k], 1e3 * (time.thread_time() - begin))
    return best[0], best[1]


def _weights(qtdnn: QtDnn) -> list[tuple[int, ...]]:
    return [shape for shape in qtdnn.layout.shapes.values() if len(shape) == 2]


def table(options: Options) -> None:
    """Print it, row by row, in Markdown, and draw the correlations."""
    heads = (
        "qubits x layers",
        "angles, rad",
        "measured",
        "spread of the marginals",
        "error",
        "of a constant",
        "of 1/2",
    )
    print(f"| {' | '.join(heads)} | slopes |\n|{'---|' * (len(heads) + 1)}", flush=True)
    figure, panels = plt.subplots(1, 2, figsize=(9, 4), layout="constrained", sharey=True)
    for (qubits, layers), colour in zip(SIZES, colours_of(len(SIZES)), strict=True):
        for (measure, shots), axes in zip(MEASURES.items(), panels, strict=True):
            name = f"{measure}, {shots} shot{'s' * (shots > 1)}"
            slopes = []
            for spread in SPREADS:
                fits = [fit(qubits, layers, spread, measure, options, seed) for seed in range(options.seeds)]
                found = Fit(*np.mean([list(vars(each).values()) for each in fits], axis=0))
                slopes.append(found.slopes)
                numbers = (found.marginals, found.error, found.error_mean, found.error_half)
                shown = " | ".join(f"{number:.4f}" for number in numbers)
                print(f"| {qubits} x {layers} | {spread} | {name} | {shown} | {found.slopes:.2f} |", flush=True)
            axes.plot(SPREADS, slopes, "o-", color=colour, label=f"{qubits} qubits x {layers} layers")
            axes.set(title=name, xscale="log", xlabel="spread of the angles around a point, rad")
            axes.set_xticks(SPREADS, [str(spread) for spread in SPREADS])
            axes.grid(alpha=0.3)
    panels[0].set_ylabel("correlation of the qtDNN's slopes\nwith the circuit's")
    panels[0].set_ylim(min(-0.05, panels[0].get_ylim()[0]), 1.02)
    _legend(figure, panels[0])
    _save(figure, options.out)
    print("\n| qubits x layers | circuit, ms | qtDNN, ms |\n|---|---|---|")
    for qubits, layers in SIZES:
        print("| {} x {} | {:.1f} | {:.1f} |".format(qubits, layers, *costs(qubits, layers)), flush=True)


def draw_runs(options: Options) -> None:
    """Draw errors and slopes that runs have measured at their tests, a colour for those that differ in seed alone."""
    runs = read_runs(options.runs, "surrogate")
    measured = [run for run in runs if "current_slopes" in (run.evaluations.dtype.names or ())]
    measured = [run for run in measured if np.isfinite(run.evaluations["current_slopes"]).any()]
    for run in runs:
        if run not in measured:
            say("surrogate", f"left out: {run.path} holds no measurement of a qtDNN")
    if not measured:
        sys.exit("surrogate: no results file holds measurements of a qtDNN")
    groups = by_seed(measured)
    figure, panels = plt.subplots(2, 2, figsize=(9, 6), layout="constrained", sharex=True, sharey="row")
    for column, where in enumerate(("current", "replayed")):
        for group, colour in zip(groups, colours_of(len(groups)), strict=True):
            for run in group:
                rows = run.evaluations[run.evaluations["agent"] == run.evaluations["agent"].min()]
                name = label(group[0], measured) if run is group[0] else None
                chance = rows[f"{where}_error_mean"]
                panels[0, column].plot(rows["steps"], rows[f"{where}_error"] / chance, color=colour, label=name)
                panels[1, column].plot(rows["steps"], rows[f"{where}_slopes"], color=colour)
        panels[0, column].axhline(1.0, color="grey", linestyle=":")
        panels[0, column].set(title=f"{where} angles", yscale="log")
        panels[1, column].set(xlabel="environment steps of each agent")
    panels[0, 0].set_ylabel("error / error of a constant")
    panels[1, 0].set_ylabel("correlation of slopes")
    _legend(figure, panels[0, 0])
    _save(figure, options.out)
    print(f"{len(measured)} run{'s' * (len(measured) > 1)} drawn: {options.out}")


def _legend(figure: "plt.Figure", axes: "plt.Axes") -> None:
    handles, names = axes.get_legend_handles_labels()
    figure.legend(handles, names, loc="outside lower center", ncols=2, fontsize="small", frameon=False)


def _save(figure: "plt.Figure", out: Path) -> None:
    try:
        out.parent.mkdir(parents=True, exist_ok=True)
        figure.savefig(out, dpi=150)
    except (OSError, ValueError) as error:
        sys.exit(f"surrogate: cannot write {out}: {error}")
    plt.close(figure)


def main() -> None:
    """Fit, or draw what runs have measured."""
    options = tyro.cli(Options, description=__doc__)
    if options.batches < 1 or options.seeds < 1 or not 0.0 < options.learning_rate < 1.0:
        sys.exit("surrogate: batches and seeds must be at least 1, the learning rate between 0 and 1")
    if options.runs:
        draw_runs(options)
    else:
        table(options)


if __name__ == "__main__":
    main()
