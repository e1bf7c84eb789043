"""Where circuits run, and what strikes them: options that every system with a circuit takes over."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Annotated, Literal

import tyro

from hpcqrl.configuration import added, at_least, keywords, within

NATIVE_QPUS = ("native", "native-gpu")  # this package's own


@dataclass(frozen=True)
class QpuOptions:
    """Where circuits run."""

    qpu: str = "native"
    """Where circuits run: native, native-gpu (docs/gpus.md), a PennyLane device such as lightning.qubit, default.mixed,
    lightning.gpu, one's own, my_package:function, a function (wires, shots, seed, rank) -> PennyLane device, or qrmi,
    the QPUs of this job."""
    qpu_option: Annotated[tuple[str, ...], tyro.conf.UseAppendAction] = added((), before=())
    """For a PennyLane device's own making, key=value; again for each. Values are JSON where they can be."""
    shots: int | None = None
    """Measurements of each circuit; by default what is read off it is exact."""
    qpu_latency: float = 0.0
    """Milliseconds that a circuit execution takes, to emulate a QPU; a batch is an execution for each sample."""
    qpu_jitter: float = 0.0
    """Share, 0 to 1, by which each execution's latency varies, uniformly."""
    qpu_overhead: float = added(0.0, before=0.0)
    """Milliseconds that a submission takes besides, however many circuits it brings, to emulate a QPU."""
    qpu_shot_time: float = added(0.0, before=0.0)
    """Microseconds that each shot takes besides, to emulate a QPU."""
    qpu_timeout: float = added(600.0, before=0.0)
    """Seconds after which a PennyLane device that does not answer has failed; 0: never."""
    qpu_retries: int = added(4, before=0)
    """How often a call that failed is made again, after 1, 2, 4, ... seconds."""
    noise: Annotated[tuple[str, ...], tyro.conf.UseAppendAction] = added((), before=())
    """Of the native kernels, where there are shots; again for each: depolarizing=P1,P2, the rate of errors after a gate
    of one qubit and of more; amplitude-damping=G1,G2, relaxation likewise; readout=P0,P1, of a 0 read as 1 and of a 1
    read as 0. One number is for both."""
    gradient: Literal["exact", "shift", "spsa"] | None = added(None, before=None)
    """The circuit's gradient: exact, from the native kernels, whatever the QPU; parameter shift, on the QPU itself; or
    spsa, simultaneous perturbation, two executions a sample. By default exact for native ones, else the device's own
    way, and parameter shift where there are shots."""


def check_qpu(options: QpuOptions, has_circuit: bool) -> None:
    """ValueError, naming the value, for one that is out of range, or means nothing without a circuit."""
    within(0.0, 60_000.0, qpu_latency=options.qpu_latency)
    within(0.0, 60_000.0, qpu_overhead=options.qpu_overhead)
    within(0.0, 1e6, qpu_shot_time=options.qpu_shot_time)
    within(0.0, 1.0, qpu_jitter=options.qpu_jitter)
    within(0.0, 1e7, qpu_timeout=options.qpu_timeout)
    within(0, 20, qpu_retries=options.qpu_retries)
    only_with_circuit(has_circuit, qpu=options.qpu != "native", gradient=options.gradient)
    times = {name: getattr(options, name) for name in ("qpu_latency", "qpu_overhead", "qpu_shot_time")}
    only_with_circuit(has_circuit, **times)
    only_with_circuit(has_circuit, noise=noise_rates(options.noise))
    if options.noise and options.qpu != "native":
        raise ValueError(f"noise is of the native kernels, and the QPU is {options.qpu}")
    if options.noise and options.shots is None:
        raise ValueError("noise strikes single shots, and nothing exact: it needs shots")
    keywords("qpu_option", options.qpu_option)
    if options.qpu == "qrmi" and options.shots is None:
        raise ValueError("QPUs of a job measure shots, and nothing exact: qpu qrmi needs shots")
    if options.qpu_option and (options.qpu in (*NATIVE_QPUS, "qrmi") or ":" in options.qpu):
        raise ValueError(f"qpu_option is of PennyLane's devices by name, and the QPU is {options.qpu}")


def check_shots(shots: int | None, has_circuit: bool) -> None:
    """ValueError for a number of measurements that is out of range, or means nothing without a circuit."""
    at_least(1, shots=shots)
    only_with_circuit(has_circuit, shots=shots)


def only_with_circuit(has_circuit: bool, **values: object) -> None:
    """ValueError, naming the value, if one is set that means nothing to a model without a circuit."""
    for name, value in values.items():
        if value and not has_circuit:
            raise ValueError(f"{name} means nothing without a circuit, and this model has none")


def noise_rates(noise: Sequence[str]) -> dict[str, tuple[float, float]]:
    """Pairs of rates that options such as readout=0.02 say. ValueError, in one line, for what is none."""
    kinds = ("depolarizing", "amplitude-damping", "readout")
    found: dict[str, tuple[float, float]] = {}
    for option in noise:
        kind, _, text = option.partition("=")
        if kind not in kinds or kind.replace("-", "_") in found:
            wanted = ", ".join(f"{each}=P1,P2" for each in kinds)
            raise ValueError(f"noise is {wanted}, each once, not {option!r}")
        try:
            rates = [float(number) for number in text.split(",")]
        except ValueError:
            rates = []
        if len(rates) not in (1, 2) or not all(0.0 <= rate <= 1.0 for rate in rates):
            raise ValueError(f"noise {kind} is one number or two in 0..1, not {text!r}")
        found[kind.replace("-", "_")] = rates[0], rates[-1]
    return found


def check_candidates(has_circuit: bool, circuit: str | None, circuits: Sequence[str]) -> None:
    """ValueError for candidates beside a circuit of one's own, for a single one, and where there is no circuit."""
    only_with_circuit(has_circuit, circuits=circuits or None)
    if circuits and circuit is not None:
        raise ValueError("circuit names one circuit, and circuits candidates: say one of the two")
    if len(circuits) == 1:
        raise ValueError(f"circuits are two or more candidates; for {circuits[0]} alone, say circuit")
