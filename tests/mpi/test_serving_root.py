"""What holds of shared parameters also when the root only serves; started by ../test_parallel.py."""

import numpy as np
import pytest
from mpi4py import MPI
from test_shared_parameters import PUSHES, PlainDescent

from hpcqrl.parallel.agents import Agents
from hpcqrl.parallel.errors import Refused
from hpcqrl.parallel.root import root_serves, share
from hpcqrl.parallel.served_parameters import ServedParameters
from hpcqrl.parallel.shared_parameters import SharedParameters
from hpcqrl.rl.optimisers import Adam
from hpcqrl.systems import qdqn_dper

pytestmark = pytest.mark.mpi
KINDS = ["mutex", "accumulate", "serve"]


def shared_by(kind: str, size: int, counters: tuple[str, ...] = ()) -> SharedParameters | ServedParameters:
    agents = Agents(MPI.COMM_WORLD)
    if kind == "serve":
        if agents.size == 1:
            pytest.skip("a single rank has nobody to serve")
        return ServedParameters(agents, np.zeros(size), PlainDescent(), counters)
    return SharedParameters(agents, np.zeros(size), PlainDescent(), counters, kind)


def nothing() -> None:
    pass


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("size", [1, 7581])
def test_no_push_is_lost_up_to_the_end(kind, size):
    shared = shared_by(kind, size, ("episodes",))
    numbers = []
    if shared.acts:
        shared.pull()
        for _ in range(PUSHES):
            shared.push(np.ones(size))
            numbers.append(shared.count("episodes"))
    theta = shared.finish(nothing)
    shared.close()
    acting = MPI.COMM_WORLD.size - (kind == "serve")
    assert np.array_equal(theta, np.full(size, -float(PUSHES * acting)))
    everyone = [number for numbers in MPI.COMM_WORLD.allgather(numbers) for number in numbers]
    assert sorted(everyone) == list(range(PUSHES * acting))


@pytest.mark.parametrize("kind", KINDS)
def test_the_target_is_theta_as_it_was_when_renewed(kind):
    shared = shared_by(kind, 5)
    rank, last = MPI.COMM_WORLD.rank, MPI.COMM_WORLD.size - 1
    if rank == last:
        shared.pull()
        assert np.array_equal(shared.target(), np.zeros(5))
        for _ in range(3):
            shared.push(np.ones(5))
        shared.renew_target()
        for _ in range(2):
            theta, _ = shared.push(np.ones(5))
        assert np.array_equal(theta, np.full(5, -5.0))
        for other in range(shared.acts and kind == "serve", last):
            MPI.COMM_WORLD.send(None, other)
    elif shared.acts:
        MPI.COMM_WORLD.recv(source=last)
        assert np.array_equal(shared.pull()[0], np.full(5, -5.0))
    if shared.acts:
        assert np.array_equal(shared.target(), np.full(5, -3.0))
    shared.finish(nothing)
    shared.close()


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("bad", [np.nan, np.inf, -np.inf])
def test_a_gradient_that_is_not_finite_is_refused_and_counted(kind, bad):
    shared = shared_by(kind, 3)
    if shared.acts:
        theta, _ = shared.pull()
        for _ in range(9):
            shared.push(np.array([1.0, bad, -bad]))
        assert shared.refusals.total == 9
        theta, _ = shared.push(np.zeros(3))
        assert np.array_equal(theta, np.zeros(3))
        for _ in range(9):
            shared.push(np.array([bad, 0.0, 0.0]))
        with pytest.raises(ValueError, match="10 gradients in a row held NaN or infinity"):
            shared.push(np.array([bad, 0.0, 0.0]))
        assert shared.count("refused", 0) >= 18  # that of the error is not among them
    assert np.array_equal(shared.finish(nothing), np.zeros(3))
    shared.close()


def test_on_one_node_the_root_acts():
    agents = Agents(MPI.COMM_WORLD)
    assert not root_serves(agents, "auto") and not root_serves(agents, "act")
    if agents.size == 1:
        with pytest.raises(Refused, match="needs at least 2 ranks"):
            root_serves(agents, "serve")
    else:
        agents.root_serves = root_serves(agents, "serve")
        assert agents.root_serves
        with share(agents, np.zeros(3), Adam(1e-4), (), "mutex") as shared:
            assert isinstance(shared, ServedParameters) and shared.acts == (agents.rank > 0)
            shared.finish(nothing)


class NoJournal:
    """Keeps nothing."""

    def between_updates(self, *_) -> None:
        pass

    def episode(self, *_, **extra) -> None:
        pass


@pytest.mark.parametrize("kind", KINDS)
def test_the_target_network_is_renewed_every_so_many_steps_of_all(kind):
    config = qdqn_dper.Config(model="classical", episodes=150, target_every=300)
    agent = qdqn_dper.Agent(config, MPI.COMM_WORLD.rank, None)
    shared = shared_by(kind, agent.theta.size, ("episodes", "steps"))
    renewals, renew = [], shared.renew_target
    shared.renew_target = lambda: renewals.append(renew())
    if shared.acts:
        qdqn_dper.learn(agent, shared, NoJournal())
    shared.finish(nothing)
    shared.close()
    everyone = MPI.COMM_WORLD.allgather((len(renewals), agent.steps))
    assert sum(count for count, _ in everyone) == sum(steps for _, steps in everyone) // 300 > 0


def test_a_serving_root_that_has_no_moments_begins_adam_anew():
    """As torch's Adam with a new state would: the checkpoint's moments were kept by agents that did not serve."""
    agents = Agents(MPI.COMM_WORLD)
    if agents.size == 1:
        pytest.skip("a single rank has nobody to serve")
    saved = {"theta": np.ones(2), "target": np.ones(2), "moments": np.zeros((0, 2)), "version": 100_000}
    saved |= {"target_version": 0, "own.moments": np.ones((2, 2)), "own.steps": 25_000}
    saved = {name: np.array(value) for name, value in saved.items()}
    for _ in range(2):  # the second goes on from the first's checkpoint
        shared = ServedParameters(agents, np.zeros(2), Adam(0.1), (), saved)
        if agents.rank == agents.size - 1:
            theta, _ = shared.pull()
            for _ in range(3):
                before, (theta, _) = theta, shared.push(np.array([2.0, -3.0]))
                assert np.allclose(theta - before, [-0.1, 0.1])  # of a constant gradient, from the first step on
        shared.finish(nothing)
        saved = shared.state()
        shared.close()
