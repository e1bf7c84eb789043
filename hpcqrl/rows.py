"""Records of episodes and tests, on their way from an agent to the results file."""

import time
from collections.abc import Sequence

import numpy as np

from hpcqrl.parallel.agents import Agents
from hpcqrl.parallel.deputy import Deputy
from hpcqrl.parallel.records import RecordStream
from hpcqrl.progress import Progress
from hpcqrl.quantum.cost import Cost, total
from hpcqrl.results.recorder import Recorder
from hpcqrl.results.schema import COST, EPISODE, EVALUATION, Column, row_dtype


class Rows:
    """One on every rank; recorder and progress are rank 0's alone.

    elapsed: seconds of running before this resumption. tested: columns of a test's record beyond those of all systems.
    costs: of this agent's QPUs, which its records then have, too. `deputy` passes on what there is while this rank is
    away, in a long step; see deputy.py.
    """

    def __init__(
        self,
        agents: Agents,
        columns: tuple[Column, ...],
        recorder: Recorder | None,
        progress: Progress | None,
        elapsed: float = 0.0,
        tested: tuple[Column, ...] = (),
        costs: Sequence[Cost] = (),
    ) -> None:
        self._agents, self._recorder, self._progress = agents, recorder, progress
        self._costs, self._cost = costs, total(costs)  # the latter when they were last recorded
        kept = columns + COST if costs else columns
        self.streams = [RecordStream(agents, row_dtype(kind)) for kind in (kept, EVALUATION + tested)]
        self._episodes, self._tests = self.streams
        self._tested = [column.name for column in tested]
        self._extra = [column.name for column in columns[len(EPISODE) :]]
        self._whole = [column.name for column in columns[len(EPISODE) :] if np.dtype(column.dtype).kind in "iu"]
        self._lost = {"lost": 0} if "lost" in self._extra else {}  # rank 0 knows better
        self._checked = False
        self._last: dict[int, float] = {}  # of each agent, when its last episode ended
        self._start = time.monotonic() - elapsed
        self.deputy = Deputy(self.pass_on)

    def episode(self, number: int, episode_return: float, length: int, version: int, **extra: float) -> None:
        """Note a finished episode; see Journal."""
        extra |= self._lost
        if not self._checked and set(extra) != set(self._extra):
            raise TypeError(f"the system states the columns {self._extra}, but its record has {list(extra)}")
        self._checked = True
        for name in self._whole:
            if extra[name] != int(extra[name]):
                raise TypeError(
                    f"the system states whole numbers in its column {name!r}, but its record has {extra[name]!r}"
                )
        system = [extra[name] for name in self._extra]
        if self._costs:
            before, self._cost = self._cost, total(self._costs)
            system += self._cost.since(before).values()
        self._episodes.put((number, self._agents.rank, episode_return, length, self.elapsed(), version, *system))

    def evaluation(self, steps: int, returns: Sequence[float], version: int, **extra: float) -> None:
        """Note the returns of test episodes; see Journal."""
        if set(extra) != set(self._tested):
            raise TypeError(f"the system states the columns {self._tested} of a test, but its record has {list(extra)}")
        if returns:
            facts = steps, self._agents.rank, len(returns), np.mean(returns), np.std(returns), self.elapsed(), version
            self._tests.put((*facts, *(extra[name] for name in self._tested)))

    def pass_on(self) -> None:
        """Send, or on rank 0 collect and keep, what there is, if it is due."""
        self.keep(self._episodes.poll(), self._tests.poll())

    def pass_on_all(self) -> None:
        """Of rank 0: collect and keep all that has arrived."""
        self.keep(*(stream.rest() for stream in self.streams))

    def keep(self, episodes: np.ndarray | None, tests: np.ndarray | None) -> None:
        """Of rank 0: write what has come."""
        if self._recorder is None or self._progress is None:
            return
        if episodes is not None:
            episodes = self._agents.losses.keep(episodes)
            self._recorder.append(episodes)
            self._progress.show(episodes)
            self._last.update(zip(episodes["agent"].tolist(), episodes["time"].tolist(), strict=True))
        if tests is not None:
            self._recorder.append(tests, "evaluations")

    def elapsed(self) -> float:
        """Seconds of running, all in all."""
        return time.monotonic() - self._start

    def since_last(self, agent: int) -> float:
        """Of rank 0: seconds since the end of an agent's last episode that is kept, or the start."""
        return self.elapsed() - self._last.get(agent, 0.0)

    def last(self) -> None:
        """Collect and keep all that is still on its way. All ranks must call."""
        self.keep(self._episodes.collect(), self._tests.collect())

    def close(self) -> None:
        """Give the communicators back. All ranks must call."""
        for stream in self.streams:
            stream.close()
