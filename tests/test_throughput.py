"""The throughput model is the queueing theory's, agrees with simulations of agents, and finds what it is fitted to."""

import heapq
import sys

import numpy as np
import pytest
from launch import ROOT

sys.path.insert(0, str(ROOT / "tools"))

from throughput import Demand, Model, Qpu, fit, mean_of_largest, mean_value_analysis, well_spent

COUNTS = (1, 2, 4, 8, 16, 32, 64)


def rates(model, qpu, cores=2.0):
    return [float(model.steps_per_second([n], qpu, cores)[0]) for n in COUNTS]


def test_mean_value_analysis_against_known_queues():
    alone = mean_value_analysis(20, 0.5, (0.0,))
    assert np.allclose(alone, 2.0 * np.arange(1, 21)), "nobody waits"
    balanced = mean_value_analysis(20, 0.0, (0.1, 0.1, 0.1))
    assert np.allclose(balanced, np.arange(1, 21) / (np.arange(1, 21) + 2) / 0.1), "K equal queues: N / (N + K - 1)"
    assert mean_value_analysis(5000, 1.0, (0.01, 0.02))[-1] == pytest.approx(50.0), "the slowest limits"
    erlang = machine_repairman(10, 1.0, 0.3)
    assert np.allclose(mean_value_analysis(10, 1.0, (0.3,)), erlang)


def machine_repairman(customers, delay, demand):
    """The same with one queue from the steady state of its Markov chain."""
    found = []
    for number in range(1, customers + 1):
        weights = [1.0]
        for waiting in range(number):
            weights.append(weights[-1] * (number - waiting) / delay * demand)
        found.append((1.0 - weights[0] / sum(weights)) / demand)
    return found


def simulated(agents, cores, compute, qpu, push, steps=40_000):
    """Steps a second of agents that compute on one of the cores, wait for their QPU, and push one at a time, event by
    event; all times are drawn from exponential distributions with these means.
    """
    random = np.random.default_rng(agents)
    free, mutex, done, now = [0.0] * cores, 0.0, 0, 0.0
    events = [(0.0, agent, "compute") for agent in range(agents)]
    while done < steps:
        now, agent, what = heapq.heappop(events)
        if what == "compute":  # first come, first served, by the core that is free first
            end = max(now, heapq.heappop(free)) + random.exponential(compute)
            heapq.heappush(free, end)
            heapq.heappush(events, (end + random.exponential(qpu), agent, "push"))
        else:
            mutex = max(now, mutex) + random.exponential(push)
            done += 1
            heapq.heappush(events, (mutex, agent, "compute"))
    return done / now


@pytest.mark.parametrize("agents", [1, 4, 16, 60])
def test_asynchronous_agents_are_as_fast_as_simulated_ones(agents):
    qpu, demand = Qpu(1e-3, 4e-3, 1e-5), Demand(3.0, 1.5, 300.0)  # 3 + 6 + 3 ms
    model = Model(1e-3, demand, 2e-4)
    for cores in (2, 64):
        measured = simulated(agents, cores, 1e-3, 12e-3, 2e-4)
        assert model.steps_per_second([agents], qpu, cores)[0] == pytest.approx(measured, rel=0.06)


def test_one_agent_takes_what_it_computes_asks_of_its_qpu_and_pushes():
    qpu, demand = Qpu(1e-3, 4e-3, 1e-5), Demand(3.0, 1.5, 300.0)
    for cores in (2.0, None):
        assert Model(1e-3, demand, 2e-4).steps_per_second([1], qpu, cores)[0] == pytest.approx(1 / 13.2e-3)
        in_rounds = Model(1e-3, demand, 2e-4, synchronous=True, lengths=(7,))
        assert in_rounds.steps_per_second([1], qpu, cores)[0] == pytest.approx(7 / (7e-3 + 12e-3))


@pytest.mark.parametrize("synchronous", [False, True])
@pytest.mark.parametrize("counted", [False, True])
def test_the_fit_finds_the_constants_and_predicts_points_that_it_has_not_seen(synchronous, counted):
    demand = Demand(3.2, 1.1, 320.0) if counted else Demand(3.2)
    qpus = [Qpu(latency, 2e-3 * counted, 1e-5 * counted) for latency in (0.001, 0.005)]
    truth = Model(2e-4, demand, 2e-5, synchronous, 0.2 if synchronous else 0.0)
    points = [(n, qpu, r) for qpu in qpus for n, r in zip(COUNTS, rates(truth, qpu), strict=True)]
    noise = np.random.default_rng(0).uniform(0.99, 1.01, len(points))
    seen = [(n, qpu, r * e) for (n, qpu, r), e in zip(points, noise, strict=True) if n in COUNTS[::2]]
    push = None if synchronous else truth.exchange
    model = fit(*zip(*seen, strict=True), 2.0, synchronous, truth.jitter, push, demand if counted else None)
    assert model.compute == pytest.approx(truth.compute, rel=0.1)
    assert tuple(model.demand) == pytest.approx(tuple(demand), rel=0.0 if counted else 0.05)
    errors = [model.steps_per_second([n], qpu, 2.0)[0] / r - 1 for n, qpu, r in points if n not in COUNTS[::2]]
    assert np.abs(errors).max() < 0.03


def test_with_counts_two_points_of_one_qpu_predict_others_whose_every_time_is_different():
    truth = Model(2e-4, Demand(40.0, 1.6, 4000.0), 2e-5)
    seen = [(n, Qpu(1e-3), float(truth.steps_per_second([n], Qpu(1e-3), 2.0)[0])) for n in (1, 8)]
    model = fit(*zip(*seen, strict=True), 2.0, False, 0.0, truth.exchange, truth.demand)
    for other in (Qpu(5e-3), Qpu(1e-3, 20e-3), Qpu(0.0, 1e-3, 1e-5)):
        assert rates(model, other) == pytest.approx(rates(truth, other), rel=1e-3)


def test_the_mean_of_the_largest_of_some_draws():
    lengths = np.random.default_rng(0).integers(1, 100, 50)
    drawn = np.random.default_rng(1).choice(lengths, (100_000, 5)).max(axis=1).mean()
    assert mean_of_largest(lengths, [1, 5]) == pytest.approx([lengths.mean(), drawn], rel=0.01)


def test_slow_and_uneven_qpus_hold_synchronous_agents_up_and_not_the_others():
    steady, uneven = (Model(0.0, Demand(1.0), 0.0, True, jitter) for jitter in (0.0, 0.5))
    draws = np.random.default_rng(0).uniform(0.5, 1.5, (20_000, 16)).max(axis=1).mean()
    slower = steady.steps_per_second([16], Qpu(0.1), None) / uneven.steps_per_second([16], Qpu(0.1), None)
    assert slower == pytest.approx(draws, 0.01)
    alike = [
        Model(0.0, Demand(1.0), 0.0, False, jitter).steps_per_second([16], Qpu(0.1), None) for jitter in (0.0, 0.5)
    ]
    assert alike[0] == alike[1]


def test_a_round_lasts_as_long_as_the_slowest_agent_in_it():
    random = np.random.default_rng(0)
    lengths = random.integers(5, 100, 300)
    model = Model(1e-3, Demand(1.0), 0.0, True, 0.5, tuple(lengths.tolist()))
    drawn = random.choice(lengths, (20_000, 8))
    seconds = (1e-3 * drawn + 0.1 * random.uniform(0.5, 1.5, drawn.shape)).max(axis=1)
    assert model.steps_per_second([8], Qpu(0.1), None) == pytest.approx(8 * lengths.mean() / seconds.mean(), rel=0.01)
    busy = model.steps_per_second([800], Qpu(), 2.0)
    assert busy == pytest.approx(2 / 1e-3), "then cores limit"


def test_a_round_of_several_meetings_waits_for_the_slowest_in_each():
    """As PPO's: 4 meetings, before each of which every agent has 16 executions and a submission."""
    random = np.random.default_rng(0)
    model = Model(1e-3, Demand(64.0, 4.0), 0.0, True, 0.5, (32,), meetings=4)
    executions = 0.005 * random.uniform(0.5, 1.5, (1000, 4, 8, 16))
    seconds = (32e-3 + 4 * 0.01 + executions.sum(axis=3).max(axis=2).sum(axis=1)).mean()
    assert model.steps_per_second([8], Qpu(0.005, 0.01), None) == pytest.approx(8 * 32 / seconds, rel=0.01)


def test_qpus_are_well_spent_up_to_where_their_hours_bring_a_tenth_less():
    numbers = np.arange(1, 2001)
    limited = np.minimum(10.0 * numbers, 1000.0)  # the hundredth is the last that brings anything
    assert well_spent(limited) == (111, 100), "1000 / 111 is 90% of 10 at least, and 1000 / 112 is less"
    assert well_spent(10.0 * numbers) == (2000, 2000), "all of them"
    harmonic = numbers / (1.0 + (numbers - 1) / 50.0)  # N / (50 + N - 1) x 50: balanced queues
    assert well_spent(harmonic) == (6, 49), "50 / (49 + N) >= 0.9 up to 6.6; N / (49 + N)^2 is largest at 49"
