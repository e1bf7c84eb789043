"""Parameters that all agents share without ever waiting for one another: a window of memory on the root rank.

The window holds a mutex and counters, then one block, as a replica has it: its head, theta, and the optimiser's state;
then the target network's theta.
"""

import time
from collections.abc import Callable, Mapping
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from hpcqrl.parallel.agents import Agents
from hpcqrl.parallel.pushes import OF_NOW, Floats, Optimiser, Refusals, State
from hpcqrl.parallel.replica import CHECKPOINTS, HEAD, TARGET_VERSION, VERSION, Replica
from hpcqrl.parallel.window import WORD, Window


class SharedParameters:
    """`Parameters` in a window: theta [size], float64, on rank 0; every rank reaches it without the root's help.

    mode "mutex": a push reads, steps and writes theta and the shared optimiser state under a mutex in the window:
    agents take turns, none is lost, and no pull sees half a push. mode "accumulate": each agent keeps an optimiser
    state of its own and adds its step atomically, number by number: for agent counts where the mutex is what limits.
    saved: this rank's part of a checkpoint to go on from. All ranks construct and close it together.
    """

    acts = True  # every rank is an agent, the root as well

    def __init__(
        self,
        agents: Agents,
        theta: Floats,
        optimiser: Optimiser,
        counters: tuple[str, ...] = (),
        mode: Literal["mutex", "accumulate"] = "mutex",
        saved: Mapping[str, NDArray] | None = None,
    ) -> None:
        self._optimiser, self._mode, self._agents = optimiser, mode, agents
        self.refusals = Refusals()
        self.agents = agents.size
        names = ("mutex", "refused", "finished", "resting", *counters)
        self._place = {name: WORD * number for number, name in enumerate(names)}
        self._copy = Replica(theta, optimiser.rows if mode == "mutex" else 0)
        self._own_moments, self._own_steps = np.zeros((optimiser.rows, theta.size)), 0
        self._block_place = WORD * max(8, len(names))  # mutex and block apart: two cache lines
        self._target_place = self._block_place + self._copy.block.nbytes
        self._window = Window(agents, self._target_place + theta.nbytes)
        if saved:
            self._restore(saved)
        if agents.rank == 0:
            self._window.put(self._copy.block, self._block_place)
            self._window.put(self._copy.target, self._target_place)
        agents.barrier()

    def pull(self) -> tuple[Floats, int]:
        if self._mode == "accumulate":
            self._read_each()
        else:
            with self._window:
                self._window.get(self._copy.brought, self._block_place)
        return self._copy.fresh()

    def push(self, gradient: Floats) -> tuple[Floats, int]:
        if self.refusals.refuse(gradient):
            self.count("refused")
            return self.pull()
        if self._mode == "accumulate":
            return self._push_accumulate(gradient)
        with self._window:
            self._window.get(self._copy.block, self._block_place)
            self._copy.step(self._optimiser, gradient)
            self._window.put(self._copy.block, self._block_place)
        return self._copy.fresh()

    def target(self) -> Floats:
        if self._copy.target_is_old():
            target = np.empty_like(self._copy.target)
            with self._window:
                self._window.get(target, self._target_place)
            self._copy.keep_target(target)
        return self._copy.target

    def renew_target(self) -> None:
        with self._window:
            if self._mode == "accumulate":
                self._read_each()
            else:
                self._window.get(self._copy.brought, self._block_place)
            self._window.put(self._copy.theta, self._target_place)
            self._window.add(self._block_place + WORD * TARGET_VERSION, 1)

    def count(self, name: str, increment: int = 1) -> int:
        return self._window.add(self._place[name], increment)

    def finish(self, meanwhile: Callable[[], None], again: Callable[[], None] = lambda: None) -> Floats:
        self.count("finished")
        while self.count("finished", 0) < self._agents.size:
            self.pull()
            meanwhile()
            time.sleep(0.002)
        with self._window:  # a checkpoint asked for just before
            self._window.get_each(self._copy.head, self._block_place)
        meanwhile()
        return self.pull()[0]

    def checkpoint_due(self, wanted: bool) -> bool:
        head = self._copy.head
        if wanted and head[CHECKPOINTS] == self._copy.checkpoints:
            place = self._block_place + WORD * CHECKPOINTS
            with self._window:
                all_here = self.count("finished", 0) == self._agents.size  # then it is too late for one
                if self._window.add(place, 0) == self._copy.checkpoints and not all_here:
                    self._window.add(place, 1)
                head[CHECKPOINTS] = self._window.add(place, 0)
        return self._copy.checkpoint_due()

    def serve(self) -> bool:
        return False  # the window needs no service

    def state(self) -> State:
        target = np.empty_like(self._copy.target)
        with self._window:  # a rank that was not waited for may come back at any time
            if self._mode == "accumulate":
                self._read_each()
            else:
                self._window.get(self._copy.block, self._block_place)
            self._window.get(target, self._target_place)
        self._copy.keep_target(target)
        return self._copy.state({name: self.count(name, 0) for name in self._place if name not in ("mutex", *OF_NOW)})

    def own_state(self) -> State:
        if self._mode == "mutex":
            return {}
        return {"own.moments": self._own_moments.copy(), "own.steps": np.array(self._own_steps)}

    def close(self) -> None:
        self._window.close()

    def _restore(self, saved: Mapping[str, NDArray]) -> None:
        self._copy.restore(saved)  # a root that served kept the moments in another mode
        if "own.moments" in saved:
            self._own_moments, self._own_steps = saved["own.moments"].copy(), int(saved["own.steps"])
        if self._agents.rank == 0:
            for name in set(self._place) - {"mutex", *OF_NOW}:
                self.count(name, int(saved.get(f"counter.{name}", 0)))

    def _push_accumulate(self, gradient: Floats) -> tuple[Floats, int]:
        theta, before = self._copy.theta, self._copy.theta.copy()
        self._optimiser.step(theta, self._own_moments, self._own_steps, gradient)
        self._own_steps += 1
        self._window.add_each(theta - before, self._block_place + WORD * HEAD)
        self._window.add(self._block_place + WORD * VERSION, 1)
        self._read_each()
        return self._copy.fresh()

    def _read_each(self) -> None:
        self._window.get_each(self._copy.head, self._block_place)
        self._window.get_each(self._copy.theta, self._block_place + WORD * HEAD)
