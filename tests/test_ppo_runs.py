"""PPO's runs are the same on any number of agents, outlive kills, and can be played, exported and described."""

import json
import signal
import time

import built
import numpy as np
import pytest
import torch
from launch import BIN, finish, hpcqrl, start
from resealed import resealed
from small_ppo import NORMALISED, PATH, SMALL, Notes, killed_and_resumed, train, trained
from test_resume import same

from hpcqrl.envs.make import make_either
from hpcqrl.envs.side_by_side import SideBySide
from hpcqrl.models.exported import save
from hpcqrl.player import Player
from hpcqrl.results.checkpoint import read_checkpoint
from hpcqrl.results.reader import read_run
from hpcqrl.systems import ppo
from hpcqrl.systems.ppo import distribution


@pytest.mark.parametrize(
    ("system", "every", "options"),
    [("ppo", 2048, ()), ("hdqnn-td3", 600, ("--random-steps", "250", "--batch", "16"))],
)
def test_the_steps_of_a_run_are_all_of_them_also_those_of_episodes_that_have_not_ended(
    tmp_path, system, every, options
):
    steps = str(every if system == "ppo" else every // 2)  # of all agents, and of each
    done = hpcqrl("train", system, "--steps", steps, *options, "--out", str(tmp_path / "run.h5"), ranks=2)
    assert f" {every:,} environment steps in " in done.stdout, done


@pytest.mark.parametrize(("model", "ranks"), [("quantum", 4), ("classical", 2)])
def test_agents_with_environments_each_do_as_one_with_all_of_them(tmp_path, model, ranks):
    """Where a minibatch is the whole batch; the order of sums makes differences, which grow: so these are few steps."""
    same_options = {"model": model, "rollout": 16, "epochs": 3, "steps": 2500}
    same_options |= {"normalise_observations": True, "normalise_rewards": True}
    _, alone, notes = trained(**same_options, envs=8, minibatch=128)
    options = ("--model", model, "--rollout", "16", "--epochs", "3", "--steps", "2500", *NORMALISED)
    size = ("--envs", str(8 // ranks), "--minibatch", str(128 // ranks))
    many = train(tmp_path / f"{ranks}.h5", *options, *size, ranks=ranks)
    assert np.unique(many.episodes["agent"]).size == ranks and len(notes.rows) > 50
    assert many.episodes[["episode", "return", "length", "version"]].tolist() == notes.rows
    for name, value in alone.items():
        assert np.allclose(value, many.parameters[name], rtol=1e-6, atol=1e-8), name


@pytest.mark.parametrize(
    ("env", "ranks", "options"),
    [
        ("CartPole-v1", 1, ("--steps", "30000", "--shots", "20")),
        ("Pendulum-v1", 2, ("--steps", "20000", "--model", "classical", *NORMALISED)),
    ],
)
def test_killed_and_resumed_it_ends_with_the_same_bits(tmp_path, env, ranks, options):
    same(*killed_and_resumed(tmp_path, "--env", env, *SMALL, *options, ranks=ranks))


@pytest.mark.parametrize("env", ["CartPole-v1", "Pendulum-v1", "odd_environments:OwnNumbers-v0"])
def test_episodes_at_play_go_on_where_they_were(env):
    def player():
        envs = [make_either(env) for _ in range(3)]
        return Player(envs, 0, 0, 0.9, True, True), distribution(envs[0])

    def play(player, law, steps):
        rollout, sums = player.play(lambda x: np.zeros((len(x), law.outputs)), law, steps, 0, Notes())
        player.learn(sums, 3 * steps)
        return np.concatenate([np.ravel(part) for part in rollout])

    (first, law), (second, _) = player(), player()
    play(first, law, 33)
    second.restore(first.common(), first.state(), 0)
    ahead = play(first, law, 50)
    assert np.array_equal(ahead, play(second, law, 50)) != ("Own" in env), "but where nobody sees the numbers"
    joined = player()[0]
    joined.restore(first.common(), {}, 5)
    assert not np.array_equal(ahead, play(joined, law, 50))


def test_it_goes_on_with_another_number_of_agents(tmp_path):
    out = tmp_path / "run.h5"
    options = (*SMALL, "--steps", "10000000", *NORMALISED, "--checkpoint-every", "0", "--out", str(out))
    process = start(str(BIN / "hpcqrl"), "train", "ppo", *options, ranks=1)
    while not (out.exists() and len(read_run(out).episodes)):
        assert process.poll() is None, process.communicate()
        time.sleep(0.02)
    process.send_signal(signal.SIGUSR1)
    assert finish(process).returncode == 75
    steps = int(read_checkpoint(out).common["steps"])
    with resealed(out) as file:
        file.attrs["config"] = json.dumps(json.loads(file.attrs["config"]) | {"steps": steps + 15_000})
    assert hpcqrl("resume", str(out), ranks=3).returncode == 0
    run = read_run(out)
    assert run.complete and run.episodes["episode"].tolist() == list(range(len(run.episodes)))
    assert np.unique(run.episodes["agent"]).size == 3


@pytest.mark.parametrize("env", ["CartPole-v1", "Pendulum-v1"])
def test_what_was_trained_is_exported(tmp_path, env):
    config, parameters, _ = trained(
        env=env, envs=4, rollout=16, minibatch=32, epochs=2, steps=1000, normalise_observations=True
    )
    environment = ppo.environment(config)
    model = ppo.model(config, environment, ppo.circuit(config))
    policy, (exported, inputs) = ppo.policy(config, model, parameters), ppo.exported(config, model, parameters, False)
    if env == "CartPole-v1":
        save(exported, inputs, tmp_path / "x.pt2")
        exported = torch.export.load(tmp_path / "x.pt2").module()
    assert np.abs(parameters["observation.mean"]).max() > 0.0
    observation, _ = environment.reset(seed=0)
    for _ in range(5):
        action = policy(observation)
        made = exported(torch.tensor(observation)[None])[0]
        if env == "CartPole-v1":
            assert action == made.argmax()
        else:
            assert np.allclose(environment.action(action), made.detach(), atol=1e-4), "in the environment's own range"
        observation, *_ = environment.step(action)
    drawing = ppo.policy(config, model, parameters, np.random.default_rng(0))
    assert len({str(drawing(observation)) for _ in range(30)}) > 1
    with pytest.raises(ValueError, match=r"should have observation.mean of shape"):
        ppo.policy(config, model, {name: parameters[name] for name in model.layout.shapes})


def test_a_run_is_played_and_described(tmp_path):
    out = tmp_path / "run.h5"
    train(out, *SMALL, "--steps", "1000", "--normalise-observations", "--critic", "quantum")
    done = hpcqrl("evaluate", str(out), "--episodes", "3", "--sample")
    assert done.returncode == 0 and "mean return of 3 episodes" in done.stdout, done.stderr
    done = hpcqrl("describe", str(out))
    assert done.returncode == 0 and "actor.scale" in done.stdout and "critic.scale" in done.stdout, done.stderr


@pytest.mark.parametrize(
    ("options", "said"),
    [
        ({"minibatch": 100}, "minibatch must divide envs x rollout, 8 x 32 = 256, which 100 does not"),
        ({"minibatch": 512}, "minibatch must divide envs x rollout, 8 x 32 = 256, which 512 does not"),
        ({"minibatch": 1}, "minibatch must be at least 2"),
        ({"envs": 0}, "envs must be at least 1"),
        ({"envs": 10**9}, "envs x rollout must lie in"),
        ({"env": "Pendulum-v1", "actions": 2}, "Pendulum-v1 has actions Box"),
        ({"env": "FrozenLake-v1", "env_option": ("slippery=0",)}, "cannot be made with slippery=0"),
        ({"env": "FrozenLake-v1", "env_option": ("slippery",)}, "env_option is key=value"),
        ({"model": "classical", "shots": 10}, "shots means nothing without a circuit"),
        ({"circuit": "own_circuits:without_angles"}, "takes one angle or more, and this one takes none"),
    ],
)
def test_what_cannot_be_is_refused(options, said):
    with pytest.raises(ValueError, match=said):
        built.agent(ppo, **options)


def test_what_an_environment_should_not_give_is_named_with_its_number_and_step(tmp_path):
    faulty = ("--env", "small_ppo:Nine-v0", "--env-option", "faulty=true", *SMALL)
    done = hpcqrl("train", "ppo", *faulty, "--out", str(tmp_path / "x.h5"), **PATH)
    assert done.returncode == 1 and done.stderr.count("\n") == 1, done.stderr
    assert "step 7 of its episode: the environment gave the reward nan, which is not" in done.stderr
    unlike = [make_either("small_ppo:Nine-v0", options=(f"width={width}",)) for width in (1, 2)]
    with pytest.raises(ValueError, match="environment 1 has other spaces than the first"):
        SideBySide(unlike, np.random.SeedSequence(0).spawn(2))
