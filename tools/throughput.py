"""How many steps a second so many agents take together: a model of what a step needs, fitted to measured points.

Asynchronous agents are a closed queueing network: each step is computed on a core that agents share, waits for its QPU,
which every agent has for itself, and queues for its share of a push, which only one agent at a time can make.
Synchronous agents take rounds, of an episode or a rollout each: all wait for the one whose QPU and episode take longest
together, or until the cores that they share have done the work of all, and for the Allreduces.
What a step, or a round, asks of a QPU is counted in the results files, so what it takes follows from the QPU's times.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray
from scipy.optimize import least_squares

Floats = NDArray[np.floating]
QUANTILES = 32  # of lengths, and of QPU times, that stand for all
MOST = 10_000  # agents that are predicted
WELL = 0.9  # of what a QPU-hour of one QPU alone brings


class Qpu(NamedTuple):
    """The seconds that a QPU takes for each circuit execution, for each submission, and for each shot."""

    latency: float = 0.0
    overhead: float = 0.0
    shot_time: float = 0.0


class Demand(NamedTuple):
    """What a step of an asynchronous agent, or a round of a synchronous one, asks of its QPU."""

    executions: float
    submissions: float = 0.0
    shots: float = 0.0

    def seconds(self, qpu: Qpu) -> float:
        """How long it takes that QPU."""
        return sum(number * time for number, time in zip(self, qpu, strict=True))


@dataclass(frozen=True)
class Model:
    """compute: seconds of a core a step; demand: of a step or a round; exchange: seconds a step in pushes, one at a
    time, or, of synchronous agents, in Allreduces for each doubling of agents.

    jitter: the share by which QPU latencies vary; lengths: steps of rounds, of which synchronous agents draw theirs;
    meetings: how often they wait for each other in a round.
    """

    compute: float
    demand: Demand
    exchange: float
    synchronous: bool = False
    jitter: float = 0.0
    lengths: tuple[int, ...] = (1,)
    meetings: int = 1

    def steps_per_second(self, agents: Sequence[int] | NDArray, qpu: Qpu, cores: float | None) -> Floats:
        """Steps a second of all agents; cores: None gives every agent its own."""
        agents = np.asarray(agents)
        if self.synchronous:
            return np.asarray(agents * np.mean(self.lengths) / self._round(agents, qpu, cores))
        shared = 0.0 if cores is None else self.compute / cores  # many servers as one fast one and a delay [Seidmann]
        alone = self.compute - shared + self.demand.seconds(qpu)
        return mean_value_analysis(int(agents.max()), alone, (shared, self.exchange))[agents - 1]

    def _round(self, agents: NDArray, qpu: Qpu, cores: float | None) -> Floats:
        """Seconds of a round of synchronous agents: until the slowest is done, or the cores with the work of all."""
        length = np.quantile(self.lengths, (np.arange(QUANTILES) + 0.5) / QUANTILES)
        swing = self.jitter * qpu.latency * math.sqrt(self.demand.executions * self.meetings)
        alone = self.compute * length[:, None] + swing * np.linspace(-1.0, 1.0, QUANTILES)
        seconds = mean_of_largest(alone.reshape(-1), agents)
        if cores is not None:
            seconds = np.maximum(seconds, self.compute * np.mean(self.lengths) * agents / cores)
        return seconds + self.demand.seconds(qpu) + self.exchange * np.mean(self.lengths) * np.log2(agents)


def mean_of_largest(values: Sequence[float] | NDArray, draws: Sequence[int] | NDArray) -> Floats:
    """Mean of the largest of so many independent draws from these values."""
    ordered = np.sort(values)
    reached = np.arange(len(ordered) + 1) / len(ordered)
    return np.array([np.diff(reached**number) @ ordered for number in np.atleast_1d(draws)])


def mean_value_analysis(customers: int, delay: float, demands: Sequence[float]) -> Floats:
    """Throughput of a closed network with 1 .. customers customers: a delay, and single servers with these demands.

    Source: Reiser and Lavenberg, "Mean-value analysis of closed multichain queuing networks", J. ACM 27 (1980).
    """
    demand, queue = np.asarray(demands, np.float64), np.zeros(len(demands))
    throughput = np.empty(customers)
    for number in range(1, customers + 1):
        residence = demand * (1.0 + queue)
        throughput[number - 1] = number / (delay + residence.sum())
        queue = throughput[number - 1] * residence
    return throughput


def well_spent(rates: Floats) -> tuple[int, int]:
    """From the steps/s of 1, 2, 3, ... agents, each with a QPU: up to how many of them a QPU-hour brings at least 90%
    of what it does with one, and with how many steps/s times steps per QPU-hour is largest.

    The latter is throughput over response time, "power": Kleinrock, "Power and deterministic rules of thumb for
    probabilistic problems in computer communications", ICC (1979).
    """
    of_each = rates / np.arange(1, len(rates) + 1)
    worse = np.flatnonzero(of_each < WELL * of_each[0])
    return int(worse[0]) if len(worse) else len(rates), int(np.argmax(rates * of_each)) + 1


def fit(
    agents: Sequence[int],
    qpus: Sequence[Qpu],
    rate: Sequence[float],
    cores: float,
    synchronous: bool,
    jitter: float = 0.0,
    exchange: float | None = None,
    demand: Demand | None = None,
    lengths: Sequence[int] = (1,),
    meetings: int = 1,
) -> Model:
    """The model with the least squared relative error on these points: agents, their QPUs' times, rate [steps/s].

    exchange, demand: where they were measured, so that only the others are fitted; of a demand that was not, only
    executions are. jitter, lengths, meetings: as in Model. Raises ValueError for fewer than 2 points.
    """
    if len(agents) < 2:
        raise ValueError(f"a model needs at least 2 measured points, not {len(agents)}")
    log_rate, seconds = np.log(rate), np.asarray(agents) / np.asarray(rate)
    longest = max(qpu.latency for qpu in qpus)

    def model(log_constants: Floats) -> Model:
        compute, executions, fitted = np.exp(log_constants).tolist()
        asked = demand or Demand(executions if longest else 0.0)
        shared = fitted if exchange is None else exchange
        return Model(compute, asked, shared, synchronous, jitter, tuple(lengths), meetings)

    def errors(log_constants: Floats) -> Floats:
        found = model(log_constants)
        each = [found.steps_per_second([n], qpu, cores)[0] for n, qpu in zip(agents, qpus, strict=True)]
        return np.log(each) - log_rate

    whole = seconds.min()
    starts = [
        (whole * a, whole * np.mean(lengths) * b / max(longest, 1e-6), whole * c)
        for a in (0.02, 0.5)
        for b in (0.3, 1.0)
        for c in (1e-4, 1e-2)
    ]
    bounds = (np.log([1e-9, 1e-6, 1e-9]), np.log([1e3, 1e6, 1e3]))
    found = [least_squares(errors, np.clip(np.log(start), *bounds), bounds=bounds) for start in starts]
    return model(min(found, key=lambda result: result.cost).x)
