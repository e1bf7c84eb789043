"""The qtDNN that trains hDQNN's actor in its circuit's place: its refits, and how good it is."""

import copy
import os

import built
import numpy as np
import pytest
import torch
from launch import hpcqrl
from mpi4py import MPI
from test_hdqnn_exact_gradient import OBSERVATIONS, probabilities
from test_hdqnn_td3 import PATH, SIZES, Silent, explored, trained

from hpcqrl.models.critic import Critic
from hpcqrl.models.hdqnn import Networks
from hpcqrl.models.hybrid_actor import HybridActor
from hpcqrl.models.qtdnn import QtDnn
from hpcqrl.models.surrogate_quality import quality
from hpcqrl.parallel.agents import Agents
from hpcqrl.quantum.circuits import efficient_su2
from hpcqrl.results.schema import EVALUATION, row_dtype, with_columns
from hpcqrl.systems import hdqnn_td3


def test_the_qtdnns_jacobian_is_torchs():
    qtdnn, random = QtDnn(6, 3, 16), np.random.default_rng(4)
    part = qtdnn.layout.split(torch.from_numpy(random.normal(size=qtdnn.size).astype(np.float32)))
    angles = torch.from_numpy(random.normal(size=(5, 6)).astype(np.float32))
    reference = torch.func.vmap(torch.func.jacrev(lambda row: qtdnn.expected_bits(part, row)))(angles)
    assert torch.allclose(qtdnn.jacobian(part, angles), reference, atol=1e-5)


@pytest.mark.parametrize("sign", [1.0, -1.0])
def test_a_qtdnn_is_measured_by_the_circuit(sign):
    actor = HybridActor(2, 1, efficient_su2(3, 2), links=2, hidden=8)
    networks = Networks(actor, Critic(2, 1, 8), 16, "sampled")
    parts = networks.layout.split(torch.from_numpy(networks.initial(np.random.default_rng(0))))
    part = {"qtdnn": {}, "actor": {}}
    for name, value in parts.items():
        network, _, rest = name.partition(".")
        part.setdefault(network, {})[rest] = value
    exact = actor.exact
    networks.qtdnn.expected_bits = lambda _, angles: 0.5 + sign * (exact.expected(angles) - 0.5)
    networks.qtdnn.jacobian = lambda _, angles: sign * torch.from_numpy(exact.jacobian(angles.numpy()))
    random = np.random.default_rng(5)
    angles = random.normal(0.3, 1.0, (40, 18)).astype(np.float32)
    found = quality(networks, part, {"angles_t": angles, "observation_t": OBSERVATIONS.numpy()})
    means = probabilities(torch.from_numpy(angles)).numpy()
    assert found["replayed_slopes"] == pytest.approx(sign) and found["current_slopes"] == pytest.approx(sign)
    assert found["replayed_error"] == pytest.approx(0.0 if sign > 0 else np.abs(1 - 2 * means).mean(), abs=1e-5)
    assert found["replayed_error_half"] == pytest.approx(np.abs(0.5 - means).mean(), abs=1e-5)
    assert found["replayed_error_mean"] == pytest.approx(np.abs(means.mean(axis=0) - means).mean(), abs=1e-5)
    assert found["replayed_spread"] == pytest.approx(angles.std(axis=0).mean(), rel=1e-5)


def with_transitions(rank=0, **options):
    agent = built.agent(hdqnn_td3, rank, env="Reach-v0", **SIZES, **options)
    random, n = np.random.default_rng(rank), agent.model.actor.n_angles
    for _ in range(40):
        two, one = random.normal(size=(2, 2)), random.uniform(-1, 1, 2)
        bits = random.integers(0, 2, 3)
        agent.explorer.replay.add(two[0], one[0], one[1], two[1], 0.0, random.normal(size=n), bits)
    return agent


class Counting:
    """Stands in for the agents: counts what crosses MPI, by size."""

    def __init__(self, others=()) -> None:
        self.sizes: list[int] = []

    def mean(self, vector):
        self.sizes.append(vector.size)
        return vector.copy()


def test_one_allreduce_for_each_network_that_moves_at_most():
    for updates, crossings in ((1, [1, 1]), (4, [1, 3])):
        agent, agents = with_transitions(surrogate_updates=updates), Counting()
        size = {name: layout.size for name, layout in agent.model.layouts.items()}
        before = 0
        for update, many in zip((1, 2), crossings, strict=True):
            agent.update(update, agents)
            assert len(agents.sizes) - before == many
            before = len(agents.sizes)
        critics = size["critic_1"] + size["critic_2"]
        with_refits = [critics, 3 * size["qtdnn"], critics, size["actor"]]
        assert agents.sizes == (with_refits if updates > 1 else [size["qtdnn"] + critics, critics + size["actor"]])


def test_the_qtdnn_of_several_ranks_is_one_the_mean_of_what_each_has_fitted(tmp_path):
    """Two ranks under mpiexec beside two agents whose vectors are averaged by hand."""
    run = trained(tmp_path / "run.h5", "--steps", "60", "--surrogate-updates", "4", ranks=2)
    agents = [built.agent(hdqnn_td3, rank, env="Reach-v0", steps=60, surrogate_updates=4, **SIZES) for rank in range(2)]
    seen, alone = [agent.explorer.episode.observation for agent in agents], Agents(MPI.COMM_SELF)
    for step in range(60):
        ended = explored(agents, seen, step)
        if step >= 20:
            drawn = [agent.explorer.replay.sample(16, agent.explorer.random).values() for agent in agents]
            batches = [[torch.from_numpy(part) for part in parts] for parts in drawn]
            if (step - 19) % 2 == 0:
                for agent, batch in zip(agents, batches, strict=True):
                    agent.refit(batch, alone)
                mean = sum(agent.trained.moved(["qtdnn"]) for agent in agents) / 2
                for agent in agents:
                    agent.trained.move_to(["qtdnn"], mean)
            for due in agents[0].turns(step - 19):
                for agent, batch in zip(agents, batches, strict=True):
                    agent.gradients(due, batch)
                mean = sum(agent.trained.gradient.clone() for agent in agents) / 2
                for agent in agents:
                    agent.trained.gradient.copy_(mean)
                    agent.step(due)
        if ended:
            seen = [agent.env.reset()[0] for agent in agents]
    ours = agents[0].model.layout.join({name: value for name, value in run.parameters.items()})
    assert np.allclose(ours, agents[0].trained.theta.detach().numpy(), rtol=0, atol=2e-5)
    moved = np.abs(ours - agents[0].model.initial(np.random.default_rng(0)))[: agents[0].model.layouts["qtdnn"].size]
    assert moved.max() > 1e-3


def test_a_fit_that_diverges_is_not_used():
    agent, agents = with_transitions(surrogate_updates=4), Counting()
    before = agent.trained.moved(["qtdnn"])
    batch = [torch.from_numpy(part) for part in agent.explorer.replay.sample(16, agent.explorer.random).values()]
    batch[-2][3, 0] = torch.inf
    agent.refit(batch, agents)
    assert torch.equal(agent.trained.moved(["qtdnn"]), before) and agent.refusals.total == 1


@pytest.mark.parametrize(
    "options",
    [{"surrogate_updates": 4, "measure": "marginals", "shots": 5}, {"surrogate": "exact", "angle_scale": 0.3}],
)
def test_what_goes_on_from_a_checkpoint_ends_with_the_same_bits(options):
    alone, whole, again = (
        Agents(MPI.COMM_SELF),
        *(built.agent(hdqnn_td3, env="Pendulum-v1", steps=200, test_every=1000, **SIZES, **options) for _ in range(2)),
    )
    for step in range(60):
        if step == 35:
            common = copy.deepcopy(whole.trained.state() | whole.explorer.common())
            own = copy.deepcopy(whole.explorer.state(losses=2))
        hdqnn_td3.learn(whole, alone, Silent())
    again.restore(common, own)
    for _ in range(35, 60):
        hdqnn_td3.learn(again, alone, Silent())
    assert whole.explorer.updates == again.explorer.updates > 30
    assert torch.equal(whole.trained.theta, again.trained.theta)


def test_tests_measure_the_qtdnn_and_the_summary_says_it(tmp_path):
    command = ("train", "hdqnn-td3", "--env", "test_hdqnn_td3:Reach-v0", "--steps", "60", "--test-every", "30")
    small = [text for name, value in SIZES.items() for text in (f"--{name.replace('_', '-')}", str(value))]
    done = hpcqrl(*command, *small, "--out", str(tmp_path / "x.h5"), PYTHONPATH=PATH)
    assert done.returncode == 0, done.stderr
    from hpcqrl.results.reader import read_run

    rows = read_run(tmp_path / "x.h5").evaluations
    assert rows["steps"].tolist() == [30, 60]
    for where in ("replayed", "current"):
        assert (np.abs(rows[f"{where}_slopes"]) <= 1.0).all() and (rows[f"{where}_spread"] > 0.0).all()
        for kind in ("error", "error_half", "error_mean"):
            assert ((rows[f"{where}_{kind}"] > 0.0) & (rows[f"{where}_{kind}"] < 1.0)).all()
    last = rows[-1]
    said = f"error is {last['current_error']:.4f} there (that of always 1/2: {last['current_error_half']:.4f}"
    assert said in done.stdout and f"circuit's {last['current_slopes']:.2f}" in done.stdout, done.stdout


def test_rows_of_older_files_get_the_columns_that_came_later():
    old = np.zeros(3, row_dtype(EVALUATION))
    old["mean"], old["steps"] = (1.0, 2.0, 3.0), (5, 6, 7)
    now = with_columns(old, EVALUATION + hdqnn_td3.FACTS.tested)
    assert now["mean"].tolist() == [1.0, 2.0, 3.0] and now["steps"].tolist() == [5, 6, 7]
    assert np.isnan(now["current_slopes"]).all() and with_columns(old, EVALUATION) is old


@pytest.mark.parametrize("options", [{"surrogate": "exact"}, {"measure": "marginals", "shots": 20}])
@pytest.mark.parametrize("circuit", [True, False])
def test_what_is_exported_acts_as_the_policy_does(options, circuit):
    """On average: with the circuit inside (always, where it was trained through), or with the qtDNN in its place."""
    config = hdqnn_td3.Config(env="Reach-v0", **SIZES, **options)
    model = built.model(hdqnn_td3, env="Reach-v0", **SIZES, **options)
    parameters = model.layout.split(model.initial(np.random.default_rng(3)))
    exported, inputs = hdqnn_td3.exported(config, model, parameters, circuit)
    torch.manual_seed(0)
    observation = np.array([0.3, -0.4], np.float32)
    drawn = exported(torch.from_numpy(np.repeat(observation[None], 3000, axis=0))).numpy()[:, 0]
    if circuit or "surrogate" in options:
        policy = hdqnn_td3.policy(config, model, parameters)
        played = np.array([policy(observation)[0] for _ in range(1500)])
    else:
        parts = {network: {} for network in model.layouts}
        for name, value in parameters.items():
            network, _, rest = name.partition(".")
            parts[network][rest] = torch.from_numpy(value)
        many = torch.from_numpy(np.repeat(observation[None], 1500, axis=0))
        played = model.actions(parts["actor"], parts, many).detach().numpy()[:, 0]
    played = -2.0 + 1.5 * (played + 1.0)
    error = np.sqrt(drawn.var() / len(drawn) + played.var() / len(played))
    assert inputs == 2 and error > 0.0 and abs(drawn.mean() - played.mean()) < 5 * error
    assert drawn.std() == pytest.approx(played.std(), rel=0.2)


@pytest.mark.parametrize(
    ("options", "reason"),
    [
        (
            {"surrogate": "exact", "block": "rbg"},
            "surrogate exact is of a circuit's gradient, and the block rbg has none",
        ),
        ({"surrogate": "exact", "qpu": "lightning.qubit"}, "native kernels, not on qpu lightning.qubit"),
        ({"measure": "marginals"}, "measure marginals needs at least 2 shots, not 1"),
        ({"measure": "marginals", "shots": 9, "block": "fc"}, "measure means nothing without a circuit"),
        ({"surrogate_updates": 0}, r"surrogate_updates must lie in 1\.\.256, not 0"),
        ({"surrogate_updates": 17, "batch": 16}, r"surrogate_updates must lie in 1\.\.16, not 17"),
        ({"surrogate_updates": 2, "surrogate": "exact"}, "surrogate_updates 2 means nothing without a qtDNN"),
        ({"angle_scale": 0.0}, "angle_scale must be positive, not 0"),
        ({"threads": 0}, "threads must be at least 1, not 0"),
    ],
)
def test_bad_options(options, reason):
    with pytest.raises(ValueError, match=reason):
        hdqnn_td3.Config(**options)


def test_bad_input_is_one_line_of_one_rank(tmp_path):
    cores = len(os.sched_getaffinity(0))
    for options in (("--surrogate", "exact", "--block", "fc"), ("--threads", str(cores + 1))):
        done = hpcqrl("train", "hdqnn-td3", *options, "--out", str(tmp_path / "x.h5"), ranks=2, COLUMNS="200")
        assert done.returncode == 2 and "Traceback" not in done.stderr, done.stderr
        reason = "the block fc has none" if "exact" in options else f"threads must be at most {cores}"
        assert (done.stdout + done.stderr).count(reason) == 1 and not os.listdir(tmp_path), done.stdout + done.stderr
