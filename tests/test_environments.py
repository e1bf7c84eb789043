"""Environments come as flat observations and discrete actions, or are refused by name."""

import os
import time

import gymnasium
import numpy as np
import pytest

from hpcqrl.configuration import keywords
from hpcqrl.envs.flattening import ObservationError
from hpcqrl.envs.make import FlatObservations, make, make_continuous
from hpcqrl.recorded import Named, recorded
from hpcqrl.systems import dist_qtrl, ppo, qa3c, qdqn_dper


def fails_now() -> None:
    """Leave the time of the first failure in the file that HPCQRL_TEST_FAILED names, if it does."""
    path = os.environ.get("HPCQRL_TEST_FAILED", os.devnull)
    if not os.path.exists(path):
        with open(path, "w") as file:
            file.write(repr(time.time()))


class NotANumber(gymnasium.Env):
    """Its observations are NaN from the third step on; registered for the tests."""

    observation_space = gymnasium.spaces.Box(-1, 1, (3,), np.float32)
    action_space = gymnasium.spaces.Discrete(2, start=5)

    def __init__(self, good_steps: int = 2) -> None:
        self.good_steps = good_steps

    def reset(self, *, seed=None, options=None):
        self.steps = 0
        return self._observation(), {}

    def step(self, action):
        assert self.action_space.contains(action)
        self.steps += 1
        if self.steps > self.good_steps:
            fails_now()
        return self._observation(), 0.0, False, False, {}

    def _observation(self):
        return np.full(3, 0.5 if self.steps <= self.good_steps else np.nan, np.float32)


class Breaks(gymnasium.Env):
    """Episodes of 5 steps; from the 50th on it raises on MPI rank 1, or, if rewards, gives infinite ones everywhere."""

    observation_space = gymnasium.spaces.Box(-1, 1, (3,), np.float32)

    def __init__(self, rewards: bool = False, continuous: bool = False) -> None:
        self.rewards, self.steps, self.episodes = rewards, 0, 0
        self.action_space = gymnasium.spaces.Box(-1, 1, (1,)) if continuous else gymnasium.spaces.Discrete(2)

    def reset(self, *, seed=None, options=None):
        self.episodes += 1
        return np.zeros(3, np.float32), {}

    def step(self, action):
        self.steps += 1
        broken = self.episodes > 50
        if broken and (self.rewards or os.environ.get("PMI_RANK", "1") == "1"):
            fails_now()
        if broken and not self.rewards and os.environ.get("PMI_RANK", "1") == "1":
            raise ZeroDivisionError("the cart has left the track")
        return np.ones(3, np.float32), np.inf if broken and self.rewards else 1.0, False, self.steps % 5 == 0, {}


class Coin(gymnasium.Env):
    """A reward for each of 20 guesses of its next random number that is right; nothing is to be seen."""

    observation_space = gymnasium.spaces.Box(-1, 1, (1,), np.float32)
    action_space = gymnasium.spaces.Discrete(2)

    def reset(self, *, seed=None, options=None):
        super().reset(seed=seed)
        self.steps = 0
        return np.zeros(1, np.float32), {}

    def step(self, action):
        self.steps += 1
        return np.zeros(1, np.float32), float(action == int(2 * self.np_random.random())), self.steps == 20, False, {}


class Reuses(gymnasium.Env):
    """It counts its steps in one array, and gives that array each time; it notes the actions that it gets."""

    observation_space = gymnasium.spaces.Box(0, 100, (1,), np.float32)

    def __init__(self, actions) -> None:
        self.action_space, self.array, self.taken = actions, np.zeros(1, np.float32), []

    def reset(self, *, seed=None, options=None):
        self.array[:] = 0.0
        return self.array, {}

    def step(self, action):
        self.array += 1.0
        self.taken.append(action)
        return self.array, 0.0, False, False, {}


gymnasium.register("Reuses-v0", Reuses, kwargs={"actions": gymnasium.spaces.Discrete(2)})
gymnasium.register("Whole-v0", Reuses, kwargs={"actions": gymnasium.spaces.Box(-1, 3, (2,), np.int64)})
uneven = gymnasium.spaces.Box(np.full(200, -1.13), np.linspace(0.01, 2.0, 200).round(2), dtype=np.float64)
gymnasium.register("Uneven-v0", Reuses, kwargs={"actions": uneven})
gymnasium.register("NotANumber-v0", NotANumber)
gymnasium.register("Breaks-v0", Breaks)
gymnasium.register("InfiniteRewards-v0", Breaks, kwargs={"rewards": True})
gymnasium.register("InfiniteRewardsBox-v0", Breaks, kwargs={"rewards": True, "continuous": True})
gymnasium.register("Coin-v0", Coin)
gymnasium.register("NeverANumber-v0", NotANumber, kwargs={"good_steps": -1})


def test_minigrid_gives_its_image_and_the_first_actions():
    env = make("MiniGrid-Empty-5x5-v0", actions=3)
    observation, _ = env.reset(seed=0)
    raw, _ = env.unwrapped.reset(seed=0)
    assert observation.dtype == np.float32 and np.array_equal(observation, raw["image"].reshape(-1))
    assert env.observation_space.shape == (147,) and env.action_space.n == 3
    assert make("MiniGrid-Empty-5x5-v0").action_space.n == 7


def test_other_environments_keep_all_their_actions():
    assert make("CartPole-v1").action_space.n == 2 and make("Acrobot-v1").observation_space.shape == (6,)


def test_actions_count_from_where_the_environment_begins():
    env = make("NotANumber-v0")
    env.reset()
    env.step(np.int64(1))


def test_observations_that_are_not_finite_are_refused():
    env = make("NotANumber-v0")
    env.reset()
    env.step(0), env.step(0)
    with pytest.raises(ValueError, match="not finite"):
        env.step(0)


@pytest.mark.parametrize(
    ("name", "actions", "reason"),
    [
        ("NoSuch-v0", None, r"no environment 'NoSuch-v0'.*named with its module, my_package:NoSuch-v0"),
        ("no_such_package:Grid-v0", None, "no environment 'no_such_package:Grid-v0'"),
        ("Pendulum-v1", None, "Pendulum-v1 has actions Box"),
        ("CartPole-v1", 3, "CartPole-v1 has 2 actions; the first 3"),
    ],
)
def test_what_cannot_be_used_is_named(name, actions, reason):
    with pytest.raises(ValueError, match=reason):
        make(name, actions)


class Shows(gymnasium.Env):
    """Shows what it is told to, of a space that it is told."""

    action_space = gymnasium.spaces.Discrete(2)

    def __init__(self, space, shown=None) -> None:
        self.observation_space, self.shown = space, shown

    def reset(self, *, seed=None, options=None):
        return self.observation_space.sample() if self.shown is None else self.shown, {}


EVERY_KIND = gymnasium.spaces.Dict(
    {
        "place": gymnasium.spaces.Tuple(
            (gymnasium.spaces.Discrete(3, start=2), gymnasium.spaces.MultiDiscrete([2, 3], start=[1, -1]))
        ),
        "a": gymnasium.spaces.Box(-1, 1, (2, 2), np.float32),
        "bits": gymnasium.spaces.MultiBinary(3),
    }
)


@pytest.mark.parametrize(
    "space", [EVERY_KIND, *EVERY_KIND.spaces.values(), *EVERY_KIND["place"].spaces, gymnasium.spaces.Discrete(5)]
)
def test_observations_of_choices_and_of_several_parts_are_flat_as_gymnasium_makes_them(space):
    space.seed(0)
    for _ in range(20):
        observation = space.sample()
        flat = FlatObservations(Shows(space, observation))
        expected = gymnasium.spaces.flatten(space, observation)
        seen, _ = flat.reset()
        assert seen.dtype == np.float32 and np.array_equal(seen, expected.astype(np.float32))
        assert flat.observation_space.shape == seen.shape


@pytest.mark.parametrize(
    ("space", "shown", "said"),
    [
        (gymnasium.spaces.Discrete(4), 4, "the observation 4, which is not of its space"),
        (gymnasium.spaces.Discrete(4), -1, "the observation -1, which is not of its space"),
        (gymnasium.spaces.Discrete(4), 1.5, "the observation 1.5, not 1 choices"),
        (EVERY_KIND, {"a": np.zeros((2, 2))}, "has not a, bits, place"),
        (EVERY_KIND["a"], np.zeros(3), "an observation of 3 numbers; its space has 4"),
        (EVERY_KIND["a"], np.full(4, np.inf), "an observation that is not finite"),
    ],
)
def test_what_is_not_of_the_space_is_refused(space, shown, said):
    with pytest.raises(ObservationError, match=said):
        FlatObservations(Shows(space, shown)).reset()


@pytest.mark.parametrize("space", [gymnasium.spaces.Text(5), gymnasium.spaces.Discrete(10**9)])
def test_spaces_that_no_numbers_can_be_made_of_are_refused(space):
    with pytest.raises(ValueError, match="has observations"):
        FlatObservations(Shows(gymnasium.spaces.Tuple((space,))))


def test_options_are_json_or_else_text():
    options = ("a=False", "b=1.5", "c=[1, 2]", 'd={"x": null}', "e=4x4", "f=None", "g=true", "h=x=y", "i=")
    given = {"a": False, "b": 1.5, "c": [1, 2], "d": {"x": None}, "e": "4x4", "f": None, "g": True}
    assert keywords("x", options) == given | {"h": "x=y", "i": ""}
    for wrong in (("a",), ("=1",), ("a b=1",), ("a=1", "a=2")):
        with pytest.raises(ValueError, match="x is key=value, each key once, not"):
            keywords("x", wrong)
    with pytest.raises(ValueError, match="env_option cannot be render_mode"):
        make("CartPole-v1", options=("render_mode=human",))


@pytest.mark.parametrize("system", [dist_qtrl, qa3c, qdqn_dper, ppo])
def test_every_system_with_discrete_actions_takes_choices_and_options(system):
    config = system.Config(env="FrozenLake-v1", env_option=("map_name=8x8", "is_slippery=False"))
    env = system.environment(config)
    observation, _ = env.reset(seed=0)
    assert observation.shape == (64,) and observation[0] == 1.0
    assert env.step(1)[0][8] == 1.0, "down, as there is no slipping"
    assert system.model(config, env, system.circuit(config)).size > 0


def test_a_file_makes_no_environment_with_what_may_lie_outside_of_it():
    values = {"env": "FrozenLake-v1", "env_option": ["desc=/etc/passwd"]}
    config = vars(qa3c.Config()) | values
    with pytest.raises(ValueError, match="used only if you say --env FrozenLake-v1"):
        recorded("x.h5", "qa3c", config, "0.2.0", None, Named())
    assert recorded("x.h5", "qa3c", config, "0.2.0", None, Named(env="FrozenLake-v1")).config.env == "FrozenLake-v1"


def test_observations_stay_as_they_were_where_the_environment_writes_into_its_own():
    env = make("Reuses-v0")
    seen = [env.reset()[0], *(env.step(0)[0] for _ in range(3))]
    assert [float(observation[0]) for observation in seen] == [0.0, 1.0, 2.0, 3.0]


def test_stretched_actions_are_always_among_the_environments_own():
    env = make_continuous("Uneven-v0")
    env.reset()
    for level in (-1.0, 1.0):
        env.step(np.full(200, level))
    assert all(uneven.contains(action) for action in env.unwrapped.taken)
    assert np.allclose(env.unwrapped.taken[1], uneven.high, rtol=1e-15, atol=0.0)
    whole = make_continuous("Whole-v0")
    whole.reset()
    for action in np.random.default_rng(0).uniform(-1.0, 1.0, (200, 2)):
        whole.step(action)
    assert set(np.array(whole.unwrapped.taken).ravel().tolist()) == {-1, 0, 1, 2, 3}


@pytest.mark.parametrize("name", [":x", "a:b:c", ".x:y", "a b:c", "1a:c", "no_such_module:x"])
def test_a_name_that_names_no_module_is_refused_in_a_line(name):
    with pytest.raises(ValueError, match=f"^no environment {name!r}: .*$"):
        make(name)
