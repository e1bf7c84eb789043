"""What every agent holds that learns asynchronously, beside its networks: its numbers, its episodes, its pushes."""

import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

import gymnasium
import numpy as np
from numpy.typing import NDArray

from hpcqrl.envs.seeded import Seeded
from hpcqrl.quantum.patient import QpuFailed
from hpcqrl.randomness import Numbers, as_int, jump_random_states, own_seeds, random_states, set_random_states
from hpcqrl.states import State

if TYPE_CHECKING:  # MPI starts when it is imported: not for --help or `hpcqrl describe`
    from hpcqrl.journal import AsynchronousAgent, Journal
    from hpcqrl.parallel.pushes import Parameters

Floats = NDArray[np.floating]

REST = 60.0  # seconds


class Learner:
    """One agent's random numbers, the episodes that it has taken on, and what its pushes have cost.

    episodes: of the whole run, of all agents together. env: reset here with this rank's seed. qpu_seed: for the
    measurements of its circuits, whose `generators` it then `keeps`.
    """

    def __init__(self, env: gymnasium.Env, episodes: int, seed: int, rank: int) -> None:
        env_seed, action_seed, qpu_seed = own_seeds(seed, rank, 3)
        self._seeded = Seeded(env, env_seed)
        self.random, self.qpu_seed = np.random.default_rng(action_seed), as_int(qpu_seed)
        self.generators: dict[str, Numbers] = {"action": self.random, "env": self._seeded.numbers}
        self.episodes = episodes
        self.unfinished: list[int] = []  # numbers of episodes taken on, the one at play last
        self.saved: State | None = None  # the checkpoint to go on from

    def state(self) -> State:
        """What a checkpoint keeps of it."""
        kept = {"unfinished": np.array(self.unfinished, np.int64)}
        return random_states(self.generators) | self._seeded.state() | kept

    def restore(self, common: State, own: State) -> bool:
        """Go on from a checkpoint; whether this agent was there then, else it has at most unfinished episodes."""
        unfinished = own.get("unfinished", np.empty(0, np.int64)).tolist()
        self.unfinished = [number for number in unfinished if number < self.episodes]
        self.saved = common | own | {"unfinished": np.array(self.unfinished, np.int64)}
        if "random.action" in own:
            set_random_states(self.generators, own)
            self._seeded.restore(own, int(common["version"]))
            self.generators["env"] = self._seeded.numbers
            return True
        jump_random_states(self.generators, int(common["version"]))
        return False

    def begin(self, shared: "Parameters") -> int | None:
        """The number of the episode to play: one that a checkpoint cut off, or the next; None: there are no more."""
        if self.unfinished and self.unfinished[-1] >= self.episodes:
            self.unfinished.pop()  # there were no more, but those of a lost agent may have come
        if not self.unfinished:
            self.unfinished.append(shared.count("episodes"))
        if self.unfinished[-1] >= self.episodes:
            return None
        self._begun_at, self._refused = self.version, shared.refusals.total
        self._staleness: list[int] = []
        self._losses: list[float] = []
        self._pushes: list[float] = []  # seconds
        self._return, self._length = 0.0, 0
        return self.unfinished[-1]

    def pull(self, shared: "Parameters") -> Floats:
        """theta."""
        theta, self.version = shared.pull()
        return theta

    def push(self, shared: "Parameters", gradient: Floats, loss: float, rewards: list[float]) -> Floats:
        """Push the gradient that comes of these rewards, and take note of what it cost; the fresh theta."""
        before, begin = self.version, time.perf_counter()
        theta, self.version = shared.push(gradient)
        self._pushes.append(time.perf_counter() - begin)
        self._staleness.append(max(self.version - before - 1, 0))
        self._losses.append(loss)
        self._return += sum(rewards)
        self._length += len(rewards)
        return theta

    @contextmanager
    def resting_if_the_qpu_fails(
        self, agent: "AsynchronousAgent", shared: "Parameters", journal: "Journal"
    ) -> Iterator[None]:
        """A block that plays an episode. If the agent's QPU fails in it, it rests for a minute and plays it again; the
        others go on. If none is left that plays, the run ends with a checkpoint, as if it was told to.
        """
        try:
            yield
        except QpuFailed as failed:
            shared.count("resting")
            journal.say(f"{failed}; this agent rests for {REST:.0f} s")
            until, look = time.monotonic() + REST, 0.0
            while time.monotonic() < until:
                if time.monotonic() > look:
                    look = time.monotonic() + 1.0
                    if shared.count("resting", 0) + shared.count("finished", 0) == shared.agents:
                        journal.tell_to_end()
                journal.between_updates(agent, shared)
                time.sleep(0.05)
            shared.count("resting", -1)

    def end(self, shared: "Parameters", journal: "Journal", **extra: float) -> None:
        """The episode is over: its record goes to the journal, with what else the system notes of it."""
        journal.episode(
            self.unfinished.pop(),
            self._return,
            self._length,
            self._begun_at,
            staleness=float(np.mean(self._staleness)),
            loss=float(np.mean(self._losses)),
            waiting=sum(self._pushes),
            last_push=self._pushes[-1],
            refused=shared.refusals.total - self._refused,
            **extra,
        )
