"""EnvPool's environments are Gymnasium's, end as they do, and are at a resumption where they were."""

import sys

import built
import numpy as np
import pytest
from small_ppo import SMALL, Notes, killed_and_resumed, trained
from test_resume import same

from hpcqrl.envs.make import make_either
from hpcqrl.envs.pool import Pool
from hpcqrl.player import Player
from hpcqrl.systems import ppo


@pytest.fixture
def installed():
    """EnvPool, which is an extra."""
    pytest.importorskip("envpool")


def pool(env, number, options=(), seed=0):
    return Pool([make_either(env, options=options)] * number, np.random.SeedSequence(seed).spawn(number))


def drawn(actions, number, random):
    """An action for each."""
    if actions.shape:
        return random.uniform(-1.0, 1.0, (number, *actions.shape))
    return random.integers(actions.n, size=number).tolist()


def over(step):
    return np.flatnonzero(step.terminated | step.truncated).tolist()


def state_of(env, seen):
    """What Gymnasium's environment calls its state, of what is seen."""
    if env == "Acrobot-v1":
        return [np.arctan2(seen[1], seen[0]), np.arctan2(seen[3], seen[2]), seen[4], seen[5]]
    return [np.arctan2(seen[1], seen[0]), seen[2]] if env == "Pendulum-v1" else seen


@pytest.mark.parametrize("env", ["CartPole-v1", "MountainCar-v0", "Acrobot-v1", "Pendulum-v1"])
def test_from_the_same_state_an_environment_goes_where_gymnasiums_does(installed, env):
    """As far as a state in single precision says; Pendulum's until its speed is at the limit: docs/ppo.md."""
    theirs, ours, random, apart = pool(env, 1), make_either(env), np.random.default_rng(0), []
    for _ in range(20):
        ours.reset(seed=0)
        ours.unwrapped.state = np.array(state_of(env, theirs.observations()[0].astype(np.float64)))
        for _ in range(20):
            (action,) = drawn(ours.action_space, 1, random)
            step = theirs.step([action])
            seen, reward, terminated, _, _ = ours.step(action)
            if env == "Pendulum-v1" and abs(seen[2]) == 8.0:
                break
            apart.append(np.abs(step.observation[0] - seen).max())
            assert step.reward[0] == pytest.approx(reward, abs=1e-3) and step.terminated[0] == terminated
            if terminated:
                break
        theirs.begin([0])
    assert len(apart) > 200 and np.max(apart) < 1e-3


def test_minigrid_is_the_same_number_for_number(installed):
    theirs, ours, random = (
        pool("MiniGrid-Empty-5x5-v0", 1),
        make_either("MiniGrid-Empty-5x5-v0"),
        np.random.default_rng(0),
    )
    returned = set()
    for _ in range(30):
        seen, _ = ours.reset(seed=0)
        done = False
        while not done:
            assert np.array_equal(theirs.observations()[0], seen)
            action = int(random.choice(7, p=[0.15, 0.2, 0.6, 0.01, 0.01, 0.01, 0.02]))
            step = theirs.step([action])
            seen, reward, terminated, truncated, _ = ours.step(action)
            assert np.array_equal(step.observation[0], seen) and step.reward[0] == pytest.approx(reward, abs=1e-6)
            assert (step.terminated[0], step.truncated[0]) == (terminated, truncated)
            done = terminated or truncated
        returned.add(round(theirs.begin([0])[0][0], 3))
    assert len(returned) > 5


def test_the_last_observation_is_that_of_the_end_and_the_next_is_a_beginning(installed):
    several, lengths = pool("CartPole-v1", 4), []
    for _ in range(200):
        step = several.step([1, 1, 0, 1])
        assert step.reward.tolist() == [1.0] * 4 and not step.truncated.any()
        fallen = np.abs(step.observation[:, 2]) > np.radians(12.0)
        assert np.array_equal(step.terminated, fallen)
        lengths += several.begin(over(step))
        assert (np.abs(several.observations()[fallen]) <= 0.05).all(), "where CartPole begins"
        assert np.array_equal(several.observations()[~fallen], step.observation[~fallen])
    assert len(lengths) > 60 and all(total == length for total, length in lengths) and max(lengths)[1] < 15


def test_a_last_step_that_ends_the_task_too_is_no_time_limit(installed):
    """Of poles that all fall at the eighth to eleventh step, with a limit of nine."""
    several, ends = pool("CartPole-v1", 8, ("max_episode_steps=9",)), {"terminated": 0, "truncated": 0, "both": 0}
    for _ in range(100):
        step = several.step([1] * 8)
        fallen = np.abs(step.observation[:, 2]) > np.radians(12.0)
        assert np.array_equal(step.terminated, fallen)
        ends["terminated"] += int(step.terminated.sum())
        ends["truncated"] += int(step.truncated.sum())
        ends["both"] += sum(length == 9 for _, length in several.begin(np.flatnonzero(step.terminated).tolist()))
        several.begin(np.flatnonzero(step.truncated).tolist())
    assert min(ends.values()) > 5, ends


def test_environments_are_numbered_over_all_agents(installed):
    def seen(rank, number):
        return Player(
            [make_either("CartPole-v1")] * number, 3, rank, 0.9, False, False, Pool
        ).side_by_side.observations()

    assert np.array_equal(seen(0, 4), np.concatenate([seen(0, 2), seen(1, 2)]))
    assert len(np.unique(seen(0, 4)[:, 0])) == 4


@pytest.mark.parametrize("env", ["CartPole-v1", "Pendulum-v1", "FrozenLake-v1", "MiniGrid-SimpleCrossingS9N1-v0"])
def test_they_are_played_again_up_to_where_they_were(installed, env):
    first, second, random = pool(env, 3), pool(env, 3), np.random.default_rng(0)

    def play(environments, steps, random):
        made, actions = [], make_either(env).action_space
        for _ in range(steps):
            made.append(environments.step(drawn(actions, 3, random)))
            environments.begin(over(made[-1]))
        return np.concatenate([np.ravel(part) for step in made for part in step])

    play(first, 230, random)
    kept = first.state()
    assert second.restore(kept, 7)
    ahead = play(first, 50, np.random.default_rng(1))
    assert np.array_equal(ahead, play(second, 50, np.random.default_rng(1)))
    elsewhere = kept | {"pool.returns": kept["pool.returns"] + 1.0}
    assert not second.restore(elsewhere, 7), "as with another version"
    anew = play(second, 50, np.random.default_rng(1))
    second.join(7)
    assert np.array_equal(anew, play(second, 50, np.random.default_rng(1))) and not np.array_equal(ahead, anew)
    with pytest.raises(ValueError, match="actions are"):
        second.restore(kept | {"pool.actions": kept["pool.actions"][:, :2]}, 7)


def test_an_action_out_of_a_file_that_there_is_not_is_refused(installed):
    one = pool("CartPole-v1", 1)
    one.step([1])
    with pytest.raises(ValueError, match="actions are up to 200, and there are 2"):
        one.restore(one.state() | {"pool.actions": np.full((1, 1), 200, np.uint8)}, 0)


def test_killed_and_resumed_it_ends_with_the_same_bits(installed, tmp_path):
    same(
        *killed_and_resumed(
            tmp_path, "--vector", "envpool", "--model", "classical", "--steps", "20000", *SMALL, ranks=2
        )
    )


def test_agents_learn(installed):
    _, _, notes = trained(vector="envpool", model="classical", steps=10_000, epochs=10)
    assert np.mean(notes.returns[:50]) < 40.0 < 80.0 < np.mean(notes.returns[-30:]) and max(notes.returns) <= 500.0


@pytest.mark.parametrize(
    ("options", "said"),
    [
        ({"env": "hpcqrl/CartPole15-v1"}, r"has no environment 'hpcqrl/CartPole15-v1'"),
        ({"env": "Blackjack-v1"}, "EnvPool's Blackjack-v1 is another one"),
        ({"env": "own:CartPole-v1"}, "no environment own:CartPole-v1"),
        ({"env": "FrozenLake-v1", "env_option": ("is_slippery=false",)}, "no env_option is_slippery=false"),
    ],
)
def test_what_it_has_not_is_refused(installed, options, said):
    with pytest.raises(ValueError, match=said) as refused:
        built.agent(ppo, vector="envpool", **options)
    assert "\n" not in str(refused.value)


def test_where_it_is_not_installed_the_extra_is_named(monkeypatch):
    monkeypatch.setitem(sys.modules, "envpool", None)
    with pytest.raises(ValueError, match=r'pip install "hpcqrl\[envpool\]"'):
        built.agent(ppo, vector="envpool")


def test_a_rollout_has_the_last_observation_of_each_episode_and_the_first_of_the_next(installed):
    agent, notes = built.agent(ppo, vector="envpool", envs=3, rollout=40, minibatch=120), Notes()
    act = agent.model.actor.acting(agent.theta[: agent.model.actor.size])
    rollout, _ = agent.player.play(act, agent.distribution, 40, 0, notes)
    before = np.concatenate([[False] * 3, *rollout.over[:-1]]).reshape(40, 3)
    assert (np.abs(rollout.observation[before]) <= 0.05).all() and rollout.over.any()
    apart = (rollout.observation[1:] != rollout.observation_tp1[:-1]).any(2)
    assert np.array_equal(apart, rollout.over[:-1]), "the next observation, but where an episode ended"
