"""QA3C has the paper's sizes and gradients, counts its episodes once, and loses no update on any number of ranks."""

import built
import numpy as np
import pennylane as qml
import pytest
import torch
from launch import hpcqrl

from hpcqrl.results.reader import read_run
from hpcqrl.rl.losses import actor_critic_gradients
from hpcqrl.systems import qa3c
from hpcqrl.systems.qa3c import Config

TABLE_1 = {"Acrobot-v1": (244, 292), "CartPole-v1": (203, 251), "MiniGrid-SimpleCrossingS9N1-v0": (2527, 2575)}


@pytest.mark.parametrize("env", TABLE_1)
def test_table_1s_parameter_counts(env):
    sizes = tuple(built.model(qa3c, env=env, model=model).size for model in ("quantum", "classical"))
    assert sizes == TABLE_1[env]


def written_out(config: Config, part: dict[str, torch.Tensor], who: str, x: torch.Tensor) -> torch.Tensor:
    """Figure 1 with Figure 3 in its middle, by torch's layers and PennyLane's simulator."""
    n = config.qubits
    squash = torch.tanh if config.tanh else torch.nn.Identity()

    @qml.qnode(qml.device("default.qubit", wires=n), interface="torch", diff_method="backprop")
    def circuit(x, weights):
        for q in range(n):
            qml.Hadamard(wires=q)
            qml.RY(torch.arctan(x[q]), wires=q)
            qml.RZ(torch.arctan(x[q] ** 2), wires=q)
        for layer in weights:
            for distance in (1, 2) if config.more_entangle else (1,):
                for q in range(n):
                    qml.CNOT(wires=(q, (q + distance) % n))
            for q in range(n):
                qml.Rot(*layer[q], wires=q)
        return [qml.expval(qml.PauliZ(q)) for q in range(n)]

    def layer(name, values):
        return torch.nn.functional.linear(values, part[f"{who}.{name}.weight"], part[f"{who}.{name}.bias"])

    hidden = layer("first", x)
    if config.model == "classical":
        return layer("last", layer("middle", hidden))
    measured = torch.stack([torch.stack(circuit(row, part[f"{who}.circuit"])) for row in squash(hidden)])
    return layer("last", squash(measured))


@pytest.mark.parametrize(
    "options",
    [
        {},
        {"tanh": True},
        {"more_entangle": False, "layers": 1},
        {"model": "classical"},
        {"qpu": "default.qubit"},
        {"reduction": "sum"},
    ],
)
def test_the_gradient_is_that_of_algorithm_1(options):
    config = Config(qubits=4, **options)
    random = np.random.default_rng(0)
    model = built.model(qa3c, qubits=4, **options)
    theta = model.initial(random) + 0.3 * random.standard_normal(model.size)
    observation_t, action_t, return_t = random.normal(size=(5, 4)), np.array([0, 1, 1, 0, 1]), random.normal(size=5)
    logits_t, value_t, pullback = model.outputs_vjp(theta, observation_t)
    *gradients_t, squared_error = actor_critic_gradients(logits_t, value_t, action_t, return_t, config.reduction)
    ours = pullback(*gradients_t)

    part = {name: torch.tensor(value, requires_grad=True) for name, value in model.layout.split(theta).items()}
    value_t = written_out(config, part, "critic", torch.tensor(observation_t))[:, 0]
    logits_t = written_out(config, part, "actor", torch.tensor(observation_t))
    td_t = torch.tensor(return_t) - value_t
    log_policy_t = torch.distributions.Categorical(logits=logits_t).log_prob(torch.tensor(action_t))
    terms_t = td_t**2 - log_policy_t * td_t.detach()
    (terms_t.sum() if config.reduction == "sum" else terms_t.mean()).backward()
    theirs = np.concatenate([tensor.grad.numpy().reshape(-1) for tensor in part.values()])
    assert np.allclose(ours, theirs, atol=2e-6)
    assert squared_error == pytest.approx((td_t**2).mean().item(), abs=1e-5)
    logits = model.acting(theta)(observation_t[0].astype(np.float32))
    assert np.allclose(logits, logits_t[0].detach().numpy(), atol=2e-6)


def trained(path, *options: str, ranks: int):
    done = hpcqrl("train", "qa3c", "--out", str(path), *options, ranks=ranks)
    assert done.returncode == 0, done.stdout + done.stderr
    return read_run(path)


@pytest.mark.parametrize("push", ["mutex", "accumulate"])
@pytest.mark.parametrize("ranks", [1, 2, 4, 8])
def test_every_episode_is_there_once(tmp_path, ranks, push):
    run = trained(tmp_path / "run.h5", "--episodes", "200", "--push", push, ranks=ranks)
    episodes = run.episodes
    assert run.complete and episodes["episode"].tolist() == list(range(200))
    assert np.array_equal(episodes["return"], episodes["length"])
    assert np.unique(episodes["agent"]).size >= min(ranks, 2) and episodes["agent"].max() < ranks
    assert (episodes["staleness"] >= 0).all() and (episodes["loss"] > 0).all()
    assert ranks > 1 or not episodes["staleness"].any()
    updates = np.ceil(episodes["length"] / 5).sum()
    assert episodes["version"].min() >= 0 and episodes["version"].max() < updates
    assert sum(value.size for value in run.parameters.values()) == 203


def test_one_rank_and_one_seed_give_the_same_bits(tmp_path):
    first, second = (trained(tmp_path / f"{k}.h5", "--episodes", "30", ranks=1) for k in range(2))
    assert np.array_equal(first.episodes["return"], second.episodes["return"])
    assert all(np.array_equal(value, second.parameters[name]) for name, value in first.parameters.items())


def test_it_learns(tmp_path):
    run = trained(tmp_path / "run.h5", "--env", "MiniGrid-Empty-5x5-v0", "--episodes", "2000", ranks=2)
    assert run.episodes["return"][-300:].mean() > run.episodes["return"][:300].mean() + 0.2
