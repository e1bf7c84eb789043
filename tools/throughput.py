"""How many steps a second so many agents take together: a model of three constants, fitted to measured points.

Asynchronous agents are a closed queueing network: each step is computed on a core that agents share, waits for its QPU,
which every agent has for itself, and queues for its share of a push, which only one agent at a time can make.
Synchronous agents take rounds of an episode each: all wait for the one whose QPU and episode take longest together, or
until the cores that they share have done the work of all, and for the Allreduce.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.optimize import least_squares

Floats = NDArray[np.floating]
QUANTILES = 32  # of lengths, and of latencies, that stand for all
NAMES = {
    "asynchronous": ("core seconds a step", "QPU executions a step", "seconds a step in pushes, one at a time"),
    "synchronous": ("core seconds a step", "QPU executions a round", "seconds a step for each doubling of agents"),
}


@dataclass(frozen=True)
class Model:
    """compute [core seconds a step], executions [1 a step, or 1 a round], exchange [s a step]: see NAMES; of an agent.

    jitter: the share by which QPU latencies vary; lengths: steps of episodes, of which synchronous agents draw theirs.
    """

    compute: float
    executions: float
    exchange: float
    synchronous: bool = False
    jitter: float = 0.0
    lengths: tuple[int, ...] = (1,)

    def steps_per_second(self, agents: Sequence[int] | NDArray, latency: float, cores: float | None) -> Floats:
        """Steps a second of all agents; latency: of a QPU execution, in s; cores: None gives every agent its own."""
        agents = np.asarray(agents)
        if self.synchronous:
            return np.asarray(agents * np.mean(self.lengths) / self._round(agents, latency, cores))
        shared = 0.0 if cores is None else self.compute / cores  # many servers as one fast one and a delay [Seidmann]
        alone = self.compute - shared + self.executions * latency
        return mean_value_analysis(int(agents.max()), alone, (shared, self.exchange))[agents - 1]

    def _round(self, agents: NDArray, latency: float, cores: float | None) -> Floats:
        """Seconds of a round of synchronous agents: until the slowest is done, or the cores with the work of all."""
        length = np.quantile(self.lengths, (np.arange(QUANTILES) + 0.5) / QUANTILES)
        varied = 1.0 + self.jitter * np.linspace(-1.0, 1.0, QUANTILES)
        alone = self.compute * length[:, None] + self.executions * latency * varied
        seconds = mean_of_largest(alone.reshape(-1), agents)
        if cores is not None:
            work = self.compute * np.mean(self.lengths) * agents / cores
            seconds = np.maximum(seconds, work + self.executions * latency)
        return seconds + self.exchange * np.mean(self.lengths) * np.log2(agents)


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


def fit(
    agents: Sequence[int],
    latency: Sequence[float],
    rate: Sequence[float],
    cores: float,
    synchronous: bool,
    jitter: float = 0.0,
    exchange: float | None = None,
    lengths: Sequence[int] = (1,),
) -> Model:
    """The model with the least squared relative error on these points: agents, latency [s], rate [steps/s].

    exchange: that constant, where it was measured, so that only the other two are fitted. Raises ValueError for fewer
    than 2 points. lengths: as in Model.
    """
    if len(agents) < 2:
        raise ValueError(f"a model needs at least 2 measured points, not {len(agents)}")
    log_rate, seconds = np.log(rate), np.asarray(agents) / np.asarray(rate)
    delays = np.asarray(latency)

    def model(log_constants: Floats) -> Model:
        compute, executions, fitted = np.exp(log_constants).tolist()
        shared = fitted if exchange is None else exchange
        return Model(compute, executions if delays.any() else 0.0, shared, synchronous, jitter, tuple(lengths))

    def errors(log_constants: Floats) -> Floats:
        found = model(log_constants)
        each = [found.steps_per_second([n], t, cores)[0] for n, t in zip(agents, latency, strict=True)]
        return np.log(each) - log_rate

    whole, longest = seconds.min(), max(delays.max(), 1e-6)
    starts = [
        (whole * a, whole * np.mean(lengths) * b / longest, whole * c)
        for a in (0.02, 0.5)
        for b in (0.3, 1.0)
        for c in (1e-4, 1e-2)
    ]
    bounds = (np.log([1e-9, 1e-6, 1e-9]), np.log([1e3, 1e6, 1e3]))
    found = [least_squares(errors, np.clip(np.log(start), *bounds), bounds=bounds) for start in starts]
    return model(min(found, key=lambda result: result.cost).x)
