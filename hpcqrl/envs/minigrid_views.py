"""MiniGrid's views of its grid, remembered: nine tenths of its step is the making of one, cell by cell.

What the agent sees follows from the cells of the grid, where it stands, and what it carries. MiniGrid lays out each
grid and takes each step; the image alone is made here, of arrays, and copied when the same comes again.
"""

import functools
from itertools import chain
from typing import Any

import gymnasium
import numpy as np
from minigrid.core import world_object
from minigrid.core.constants import OBJECT_TO_IDX
from minigrid.core.grid import Grid
from minigrid.core.world_object import Door, Wall
from minigrid.minigrid_env import MiniGridEnv
from numpy.typing import NDArray

MAKE_A_VIEW = ("gen_obs", "gen_obs_grid", "get_view_exts")
REMEMBERED = 16384  # views; of 7 x 7 cells they have 8 MB
EMPTY = (OBJECT_TO_IDX["empty"], 0, 0)
KNOWN = {type(None)} | {kind for kind in vars(world_object).values() if isinstance(kind, type)}


def remember_views(env: gymnasium.Env) -> None:
    """Have an environment of MiniGrid's, wrapped or not, give the same observations sooner.

    It stays as it is where its class, or its user, has changed how they are made.
    """
    inner: Any = env.unwrapped
    of_its_class = not vars(inner).keys() & set(MAKE_A_VIEW)
    if of_its_class and all(getattr(type(inner), name) is getattr(MiniGridEnv, name) for name in MAKE_A_VIEW):
        inner.gen_obs = Views(env)


class Views:
    """What stands in the place of an environment's `gen_obs`."""

    def __init__(self, env: gymnasium.Env) -> None:
        self._env: Any = env.unwrapped
        # MiniGrid replaces cells, and opens doors, but paints none once they are seen. Others might.
        self._looks_each_time = not _is_as_published(env)
        self._images: dict[tuple[Any, ...], NDArray[np.uint8]] = {}
        self._grid: Grid | None = None

    def __call__(self) -> dict[str, Any]:
        """The agent's image, its direction, and the mission."""
        env = self._env
        if self._looks_each_time or not self._is_unchanged(env.grid):
            self._look(env.grid)
        (x, y), carried = env.agent_pos, env.carrying.encode() if env.carrying else EMPTY
        key = (self._layout, x, y, env.agent_dir, env.agent_view_size, env.see_through_walls, carried)
        image = self._images.get(key)
        if image is None:
            inside = 0 <= x < env.grid.width and 0 <= y < env.grid.height and 0 <= env.agent_dir < 4
            if not inside or self._layout is None:
                return MiniGridEnv.gen_obs(env)
            if len(self._images) >= REMEMBERED:
                self._images.clear()
            image = self._images[key] = self._image(self._layout, carried)
        return {"image": image.copy(), "direction": env.agent_dir, "mission": env.mission}

    def _is_unchanged(self, grid: Grid) -> bool:
        if grid is not self._grid or grid.grid != self._cells:  # whether they are the same objects
            return False
        return not self._doors or [(door.is_open, door.is_locked) for door in self._doors] == self._states

    def _look(self, grid: Grid) -> None:
        self._grid, self._cells = grid, grid.grid.copy()
        self._doors = [cell for cell in self._cells if type(cell) is Door]
        self._states = [(door.is_open, door.is_locked) for door in self._doors]
        self._layout: bytes | None = (
            None  # the grid's width; then of each cell, row by row, its looks, and if it is opaque
        )
        if type(grid) is Grid and KNOWN.issuperset(map(type, self._cells)):
            looks = [(*cell.encode(), not cell.see_behind()) if cell else (*EMPTY, False) for cell in self._cells]
            self._layout = grid.width.to_bytes(4, "big") + bytes(chain.from_iterable(looks))

    def _image(self, layout: bytes, carried: tuple[int, int, int]) -> NDArray[np.uint8]:
        """What `gen_obs_grid` and `Grid.encode` make of the grid: uint8 [to the right, down, 3]."""
        env, size = self._env, self._env.agent_view_size
        left, top, _, _ = env.get_view_exts()
        view = _amid_walls(layout, size)[left + size :, top + size :][:size, :size]
        view = np.rot90(view, -1 - env.agent_dir)
        image = view[..., :3] if env.see_through_walls else view[..., :3] * _visible(view[..., 3])[..., None]
        image = np.array(image, order="C")
        image[size // 2, size - 1] = carried
        return image


def _is_as_published(env: gymnasium.Env) -> bool:
    """Whether nobody but Gymnasium and MiniGrid has a hand in an environment."""
    kinds = [*type(env.unwrapped).__mro__]
    while isinstance(env, gymnasium.Wrapper):
        kinds += type(env).__mro__
        env = env.env
    published = {"gymnasium", "minigrid", "abc", "typing", "builtins"}
    return published.issuperset(kind.__module__.split(".")[0] for kind in kinds)


@functools.lru_cache(16)
def _amid_walls(layout: bytes, margin: int) -> NDArray[np.uint8]:
    """A layout's cells [x, y, 4], with so many walls on each side."""
    width = int.from_bytes(layout[:4], "big")
    cells = np.frombuffer(layout, np.uint8, offset=4).reshape(-1, width, 4).transpose(1, 0, 2)
    walls = np.empty((width + 2 * margin, cells.shape[1] + 2 * margin, 4), np.uint8)
    walls[:] = (*Wall().encode(), True)
    walls[margin:-margin, margin:-margin] = cells
    return walls


def _visible(opaque: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """What `Grid.process_vis` finds: 0 or 1 [to the right, down], as seen from the middle of the last row."""
    size = len(opaque)
    rows, reached = [], bytes(i == size // 2 for i in range(size))
    for row in reversed(opaque.T):
        seen, reached = _along_a_row(reached, row.tobytes())
        rows.append(seen)
    return np.frombuffer(b"".join(reversed(rows)), np.uint8).reshape(size, size).T


@functools.lru_cache(16384)
def _along_a_row(reached: bytes, opaque: bytes) -> tuple[bytes, bytes]:
    """What is seen of a row whose cells were reached from the row below, and what is reached of the row above."""
    seen, above, last = bytearray(reached), bytearray(len(reached)), len(reached) - 1
    for cells, ahead in ((range(last), 1), (range(last, 0, -1), -1)):
        for i in cells:
            if seen[i] and not opaque[i]:
                seen[i + ahead] = above[i] = above[i + ahead] = 1
    return bytes(seen), bytes(above)
