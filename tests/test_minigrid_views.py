"""MiniGrid's remembered views are MiniGrid's, whoever has a hand in the grid."""

import contextlib
import copy
import io
import warnings

import gymnasium
import numpy as np
import pytest
from minigrid.core.grid import Grid
from minigrid.core.world_object import Ball, Box, Door, Goal, Key, Wall
from minigrid.envs import DoorKeyEnv, EmptyEnv
from minigrid.minigrid_env import MiniGridEnv
from minigrid.wrappers import FullyObsWrapper, ViewSizeWrapper

import hpcqrl.envs.minigrid_views as views
from hpcqrl.envs.make import make
from hpcqrl.envs.minigrid_views import Views, remember_views

PUBLISHED = [name for name in gymnasium.registry if name.startswith(("MiniGrid-", "BabyAI-")) and "WFC" not in name]
# How often each action is taken: left, right, forward, pick up, drop, toggle, done.
OFTEN = (1.0, 1.0, 2.5, 0.4, 0.25, 0.7, 0.1)


def same_play(remembered, reference, steps, seed=0):
    """Whether two environments, of which the first was given a memory, are the same in all that is to be seen."""
    random = np.random.default_rng(seed)
    actions = random.choice(7, steps, p=np.array(OFTEN) / sum(OFTEN)).tolist()
    same_views(remembered.reset(seed=seed), reference.reset(seed=seed))
    for action in actions:
        first, second = remembered.step(action), reference.step(action)
        same_views(first, second)
        assert first[1:] == second[1:] and type(first[1]) is type(second[1])
        mine, theirs = remembered.unwrapped, reference.unwrapped
        assert tuple(mine.agent_pos) == tuple(theirs.agent_pos) and mine.agent_dir == theirs.agent_dir
        assert mine.step_count == theirs.step_count
        first[0]["image"][:] = 77  # what a wrapper writes into an image stays there
        if first[2] or first[3] or random.random() < 0.01:
            assert mine.grid == theirs.grid
            same_views(remembered.reset(), reference.reset())
        assert mine.np_random.bit_generator.state == theirs.np_random.bit_generator.state


def same_views(first, second):
    (mine, *_), (theirs, *_) = first, second
    assert np.array_equal(mine["image"], theirs["image"]) and mine["image"].dtype == theirs["image"].dtype
    assert {**mine, "image": 0} == {**theirs, "image": 0}


def remembers(env):
    remember_views(env)
    return isinstance(env.unwrapped.gen_obs, Views)


def published(name, **options):
    with warnings.catch_warnings(action="ignore"):  # some are out of date
        return gymnasium.make(name, disable_env_checker=True, **options)


@pytest.mark.parametrize("part", range(4))
def test_all_published_environments_play_as_they_do_without(part):
    assert len(PUBLISHED) > 150
    for seed, name in enumerate(PUBLISHED[part::4]):
        with contextlib.redirect_stdout(io.StringIO()):  # some say which layouts they reject
            remembered, reference = published(name), published(name)
            assert remembers(remembered) and not remembered.unwrapped.gen_obs._looks_each_time
            same_play(remembered, reference, steps=40, seed=seed)


@pytest.mark.parametrize(
    "name", ["Empty-Random-6x6", "SimpleCrossingS9N2", "LavaCrossingS9N2", "FourRooms", "DoorKey-6x6"]
)
@pytest.mark.parametrize("options", [{}, {"agent_view_size": 3}, {"agent_view_size": 11}])
def test_they_do_for_long_and_at_other_sizes_of_the_view(name, options, monkeypatch):
    monkeypatch.setattr(views, "REMEMBERED", 50)  # forgotten many times
    remembered, reference = (published(f"MiniGrid-{name}-v0", max_steps=60, **options) for _ in range(2))
    assert remembers(remembered)
    same_play(remembered, reference, steps=400)
    assert len(remembered.unwrapped.gen_obs._images) <= 50


def test_agents_see_their_environments_so():
    env, reference = make("MiniGrid-SimpleCrossingS9N2-v0"), published("MiniGrid-SimpleCrossingS9N2-v0")
    assert isinstance(env.unwrapped.gen_obs, Views)
    env.reset(seed=3), reference.reset(seed=3)
    for action in (2, 2, 1, 2, 0, 2):
        observation, theirs = env.step(action)[0], reference.step(action)[0]["image"]
        assert observation.dtype == np.float32 and np.array_equal(observation, theirs.reshape(-1))


class SeesOne(EmptyEnv):
    """It sees ones."""

    def gen_obs(self):
        return {**super().gen_obs(), "image": np.full((7, 7, 3), 1, np.uint8)}


class LooksBack(EmptyEnv):
    """What it sees begins behind it."""

    def get_view_exts(self, agent_view_size=None):
        left, top, right, bottom = super().get_view_exts(agent_view_size)
        return left - 1, top - 1, right - 1, bottom - 1


class Restless(DoorKeyEnv):
    """Before and after each view it paints, opens or builds something, and sees further, or through walls."""

    def step(self, action):
        self._change()
        result = super().step(action)
        self._change()
        return result

    def _change(self):
        cell = self.grid.grid[self.np_random.integers(len(self.grid.grid))]
        if isinstance(cell, Door):
            cell.is_open = not cell.is_open
        elif cell is not None:
            cell.color = self._rand_color()
        if self.np_random.random() < 0.1:
            things = (Wall, Goal, Key, Ball, lambda: Box("red", Key("blue")), lambda: Door("red", is_locked=True))
            self.grid.set(2, 2, things[self.np_random.integers(6)]())
        self.see_through_walls = bool(self.np_random.random() < 0.2)
        self.agent_view_size = int(self.np_random.choice((3, 5, 7)))


class Painter(gymnasium.Wrapper):
    """It paints what stands before the agent."""

    def step(self, action):
        cell = self.unwrapped.grid.get(*self.unwrapped.front_pos)
        if cell is not None:
            cell.color = ("red", "yellow", "purple")[action % 3]
        return self.env.step(action)


class Glass(Wall):
    """One sees through it, now and then."""

    def see_behind(self):
        self.seen = getattr(self, "seen", 0) + 1
        return self.seen % 3 != 0


class House(EmptyEnv):
    """It has a wall of glass."""

    def _gen_grid(self, width, height):
        super()._gen_grid(width, height)
        self.see_through_walls = False
        self.grid.set(2, 2, Glass())


@pytest.mark.parametrize("kind", [SeesOne, LooksBack])
def test_classes_that_see_in_their_own_way_are_left_alone(kind):
    env = kind(size=6)
    assert not remembers(env) and "gen_obs" not in vars(env)
    env = EmptyEnv()
    env.gen_obs_grid = lambda agent_view_size=None: None
    assert not remembers(env)


@pytest.mark.parametrize(
    "make_one", [lambda: Restless(size=6), lambda: Painter(EmptyEnv(size=6)), lambda: House(size=6)]
)
def test_whoever_changes_the_grid_sees_it_change(make_one):
    remembered = make_one()
    assert remembers(remembered)
    same_play(remembered, make_one(), steps=500)


def test_what_is_changed_from_outside_is_seen():
    env = published("MiniGrid-DoorKey-6x6-v0").unwrapped
    assert remembers(env)
    env.reset(seed=1)

    def is_seen(**changed):
        for name, value in changed.items():
            setattr(env, name, value)
        for _ in range(2):
            same_views((env.gen_obs(),), (MiniGridEnv.gen_obs(env),))

    is_seen(agent_pos=(1, 2), agent_dir=0)
    next(cell for cell in env.grid.grid if isinstance(cell, Door)).is_open = True
    is_seen()
    for thing in (Ball("red"), Box("green"), None):
        is_seen(carrying=thing)
    env.grid.set(1, 3, Box("green"))
    is_seen(agent_dir=1)
    is_seen(agent_pos=(-9, 2))  # outside
    for grid in (Grid(4, 9), Grid(9, 4)):
        is_seen(grid=grid, agent_pos=(3, 3))


@pytest.mark.parametrize("wrapper", [FullyObsWrapper, lambda env: ViewSizeWrapper(env, 5)])
def test_wrappers_and_pictures_are_as_they_were(wrapper):
    remembered, reference = (wrapper(published("MiniGrid-DoorKey-6x6-v0", render_mode="rgb_array")) for _ in range(2))
    assert remembers(remembered)
    same_play(remembered, reference, steps=100)
    assert np.array_equal(remembered.render(), reference.render())


def test_a_copy_of_an_environment_sees_its_own_grid():
    env = EmptyEnv(size=6)
    remember_views(env)
    env.reset(seed=0)
    other = copy.deepcopy(env)
    other.step(other.actions.right)
    assert not np.array_equal(other.gen_obs()["image"], env.gen_obs()["image"])
    assert np.array_equal(env.gen_obs()["image"], MiniGridEnv.gen_obs(env)["image"])
