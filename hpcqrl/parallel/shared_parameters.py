"""Parameters that all agents share without ever waiting for one another: a window of memory on the root rank.

The window holds a mutex and counters, then one block: its head, theta, and the optimiser's state; then the target
network's theta. The head is what every push and pull brings along: the versions of theta and of the target, and how
many checkpoints have been asked for.
"""

import time
from collections.abc import Callable, Mapping
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from hpcqrl.parallel.agents import Agents
from hpcqrl.parallel.pushes import Floats, Optimiser, Refusals, State
from hpcqrl.parallel.window import WORD, Window

HEAD = 3  # words of the block before theta
VERSION, TARGET_VERSION, CHECKPOINTS = range(HEAD)


class SharedParameters:
    """theta [size], float64, on rank 0; every rank may pull it, push a gradient, count, and renew the target network.

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
        self.size, self._optimiser, self._mode, self._agents = theta.size, optimiser, mode, agents
        self.refusals = Refusals()
        names = ("mutex", "refused", "finished", *counters)
        self._place = {name: WORD * number for number, name in enumerate(names)}
        rows = optimiser.rows if mode == "mutex" else 0
        self._block = np.zeros(HEAD + (1 + rows) * theta.size)
        self._head = self._block[:HEAD].view(np.int64)
        self._theta = self._block[HEAD : HEAD + theta.size]
        self._moments = self._block[HEAD + theta.size :].reshape(rows, theta.size)
        self._theta[:] = theta
        self._target, self._target_version, self._checkpoints = theta.copy(), 0, 0
        self._own_moments, self._own_steps = np.zeros((optimiser.rows, theta.size)), 0
        self._block_place = WORD * max(8, len(names))  # mutex and block apart: two cache lines
        self._target_place = self._block_place + self._block.nbytes
        self._window = Window(agents, self._target_place + theta.nbytes)
        if saved:
            self._restore(saved)
        if agents.rank == 0:
            self._window.put(self._block, self._block_place)
            self._window.put(self._target, self._target_place)
        agents.barrier()

    def pull(self) -> tuple[Floats, int]:
        """theta, a copy, and its version: how many pushes it has had."""
        if self._mode == "accumulate":
            self._read_each()
        else:
            with self._window:
                self._window.get(self._block[: HEAD + self.size], self._block_place)
        return self._theta.copy(), int(self._head[VERSION])

    def push(self, gradient: Floats) -> tuple[Floats, int]:
        """Take one optimiser step down the gradient [size]; the fresh theta, a copy, and its version.

        A gradient with NaN or infinity is refused and counted. Raises ValueError at the tenth in a row.
        """
        if self.refusals.refuse(gradient):
            self.count("refused")
            return self.pull()
        if self._mode == "accumulate":
            return self._push_accumulate(gradient)
        with self._window:
            self._window.get(self._block, self._block_place)
            self._optimiser.step(self._theta, self._moments, int(self._head[VERSION]), gradient)
            self._head[VERSION] += 1
            self._window.put(self._block, self._block_place)
        return self._theta.copy(), int(self._head[VERSION])

    def target(self) -> Floats:
        """theta of the target network, as of the last pull or push; not to be written to."""
        if self._target_version < self._head[TARGET_VERSION]:
            self._target = np.empty(self.size)
            with self._window:
                self._window.get(self._target, self._target_place)
            self._target_version = int(self._head[TARGET_VERSION])
        return self._target

    def renew_target(self) -> None:
        """Copy theta, as it is now, to the target network."""
        with self._window:
            if self._mode == "accumulate":
                self._read_each()
            else:
                self._window.get(self._block[: HEAD + self.size], self._block_place)
            self._window.put(self._theta, self._target_place)
            self._window.add(self._block_place + WORD * TARGET_VERSION, 1)

    def count(self, name: str, increment: int = 1) -> int:
        """Add to a counter; its value before. An increment of 0 reads it."""
        return self._window.add(self._place[name], increment)

    def finish(self, meanwhile: Callable[[], None]) -> Floats:
        """Wait for all agents, calling `meanwhile` again and again; the final theta. All ranks must call."""
        self.count("finished")
        while self.count("finished", 0) < self._agents.size:
            self.pull()
            meanwhile()
            time.sleep(0.002)
        with self._window:  # a checkpoint asked for just before
            self._window.get_each(self._head, self._block_place)
        meanwhile()
        return self.pull()[0]

    def checkpoint_due(self, wanted: bool) -> bool:
        """Whether this agent wants a checkpoint, or another has asked for one: all meet before their next push."""
        if wanted and self._head[CHECKPOINTS] == self._checkpoints:
            place = self._block_place + WORD * CHECKPOINTS
            with self._window:
                all_here = self.count("finished", 0) == self._agents.size  # then it is too late for one
                if self._window.add(place, 0) == self._checkpoints and not all_here:
                    self._window.add(place, 1)
                self._head[CHECKPOINTS] = self._window.add(place, 0)
        due = bool(self._head[CHECKPOINTS] > self._checkpoints)
        self._checkpoints += due
        return due

    def serve(self) -> bool:
        """Nothing to do: the window needs no service."""
        return False

    def state(self) -> State:
        """What a checkpoint keeps for all, read while no agent pushes."""
        target = np.empty(self.size)
        self._window.get(self._block, self._block_place)
        self._window.get(target, self._target_place)
        values = {"version": self._head[VERSION], "target_version": self._head[TARGET_VERSION]}
        values |= {f"counter.{name}": self.count(name, 0) for name in self._place if name not in ("mutex", "finished")}
        arrays = {"theta": self._theta.copy(), "moments": self._moments.copy(), "target": target}
        return arrays | {name: np.array(value, np.int64) for name, value in values.items()}

    def own_state(self) -> State:
        """What a checkpoint keeps for this agent."""
        if self._mode == "mutex":
            return {}
        return {"own.moments": self._own_moments.copy(), "own.steps": np.array(self._own_steps)}

    def close(self) -> None:
        """Give the window back. All ranks must call."""
        self._window.close()

    def _restore(self, saved: Mapping[str, NDArray]) -> None:
        self._theta[:], self._target = saved["theta"], saved["target"].copy()
        if saved["moments"].shape == self._moments.shape:  # a root that served kept them in another mode
            self._moments[:] = saved["moments"]
        if "own.moments" in saved:
            self._own_moments, self._own_steps = saved["own.moments"].copy(), int(saved["own.steps"])
        self._head[VERSION], self._head[TARGET_VERSION] = saved["version"], saved["target_version"]
        self._target_version = int(saved["target_version"])
        if self._agents.rank == 0:
            for name in self._place:
                self.count(name, int(saved.get(f"counter.{name}", 0)))

    def _push_accumulate(self, gradient: Floats) -> tuple[Floats, int]:
        before = self._theta.copy()
        self._optimiser.step(self._theta, self._own_moments, self._own_steps, gradient)
        self._own_steps += 1
        self._window.add_each(self._theta - before, self._block_place + WORD * HEAD)
        self._window.add(self._block_place + WORD * VERSION, 1)
        self._read_each()
        return self._theta.copy(), int(self._head[VERSION])

    def _read_each(self) -> None:
        self._window.get_each(self._head, self._block_place)
        self._window.get_each(self._theta, self._block_place + WORD * HEAD)
