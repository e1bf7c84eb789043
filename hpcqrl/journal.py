"""What a run leaves behind: its episodes and checkpoints, on their way from the agents to the results file."""

import time
from collections.abc import Callable, Mapping, Sequence
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from hpcqrl.interruption import EXIT_STATUS, Interruption
from hpcqrl.parallel.agents import Agents, Interrupted
from hpcqrl.parallel.arrays import gather
from hpcqrl.parallel.pushes import Parameters
from hpcqrl.parallel.records import RecordStream
from hpcqrl.progress import Progress, say
from hpcqrl.results.recorder import Recorder
from hpcqrl.results.schema import EPISODE, EVALUATION, Column, row_dtype

State = Mapping[str, NDArray]

_LATE = 30.0  # seconds, at most, that a rank may take to come to a checkpoint before it is named
_SHARE = 100  # a checkpoint is followed by at least so many times its own duration without one


class AsynchronousAgent(Protocol):
    """An agent that shares its parameters: what it alone knows."""

    def state(self) -> dict[str, NDArray]:
        """What a checkpoint keeps of it."""


class Journal:
    """One on every rank; recorder and progress are rank 0's alone.

    checkpoint_every: seconds, 0: only when interrupted; elapsed: seconds of running before this resumption.
    """

    def __init__(
        self,
        agents: Agents,
        columns: tuple[Column, ...],
        recorder: Recorder | None,
        progress: Progress | None,
        interruption: Interruption,
        checkpoint_every: float = 0.0,
        elapsed: float = 0.0,
    ) -> None:
        self._agents, self._recorder, self._progress = agents, recorder, progress
        self._interruption, self._every = interruption, checkpoint_every or float("inf")
        self._stream = RecordStream(agents, row_dtype(columns))
        self._extra = [column.name for column in columns[len(EPISODE) :]]
        self._whole = [column.name for column in columns[len(EPISODE) :] if np.dtype(column.dtype).kind in "iu"]
        self._checked = False
        self._last: dict[int, float] = {}  # of each agent, when its last episode ended
        self._named: set[int] = set()  # ranks that did not come
        self._told = 0.0  # when this rank first saw that the run was told to end
        self._evaluations = RecordStream(agents, row_dtype(EVALUATION))
        self._start = time.monotonic() - elapsed
        self._due = time.monotonic() + self._every

    def episode(self, number: int, episode_return: float, length: int, version: int, **extra: float) -> None:
        """Note a finished episode: its number among those of all agents, the updates before it, the system's columns.

        Raises TypeError, at the first call, if these are not the columns that the system states.
        """
        if not self._checked and set(extra) != set(self._extra):
            raise TypeError(f"the system states the columns {self._extra}, but its record has {list(extra)}")
        self._checked = True
        for name in self._whole:
            if extra[name] != int(extra[name]):
                raise TypeError(
                    f"the system states whole numbers in its column {name!r}, but its record has {extra[name]!r}"
                )
        system = (extra[name] for name in self._extra)
        self._stream.put((number, self._agents.rank, episode_return, length, self._elapsed(), version, *system))
        self.tick()

    def evaluation(self, steps: int, returns: Sequence[float], version: int) -> None:
        """Note the returns of this agent's test episodes after so many of its steps, and the updates before them."""
        if returns:
            facts = steps, self._agents.rank, len(returns), np.mean(returns), np.std(returns), self._elapsed(), version
            self._evaluations.put(facts)

    def tick(self) -> None:
        """Send or collect what is due; to be called often, since an episode may take long."""
        self._keep(self._stream.poll(), self._evaluations.poll())
        self._agents.wish = self.checkpoint_wanted
        if self._interruption.arrived:
            now = time.monotonic()
            self._told = self._told or now
            if self._interruption.ends_after(now - self._told):
                say(
                    f"told to end {now - self._told:.0f} s ago, and no checkpoint since: ended with what was there then"
                )
                self._agents.abort(EXIT_STATUS)

    @property
    def checkpoint_wanted(self) -> bool:
        """Whether this rank wants a checkpoint: it was told to end, or, on rank 0, the time has come."""
        return self._interruption.arrived or (self._recorder is not None and time.monotonic() >= self._due)

    def checkpoint(
        self, own: State, common: Callable[[], State], acts: bool = True, meanwhile: Callable[[], object] = lambda: None
    ) -> None:
        """Keep this agent's own state and, of rank 0, what is common to all, taken when all have come. All must call.

        Raises Interrupted, on all ranks, if one was told to end. acts: whether this rank is an agent; meanwhile: what
        rank 0 has to do until the others come.
        """
        begin = time.monotonic()
        rows = self._stream.collect(meanwhile, self._late)
        evaluations = self._evaluations.collect(meanwhile, self._late)
        states = gather(self._agents, own if acts else {})
        shared = common() if self._recorder is not None else {}
        ends = self._agents.any(self._interruption.arrived)  # from here on the others may go on
        if self._recorder is not None:
            assert states is not None
            self._keep(rows, evaluations)
            self._recorder.checkpoint(self._elapsed(), shared, [state for state in states if state], ends)
            now = time.monotonic()
            self._due = now + max(self._every, _SHARE * (now - begin))
        self._agents.wish = False
        if ends:
            self._agents.barrier()
            path = self._recorder.path if self._recorder else "FILE"  # rank 0 says it
            raise Interrupted(f"all of it is kept; to go on: hpcqrl resume {path}")

    def _late(self, rank: int, seconds: float, rows: list[np.ndarray]) -> None:
        """Name a rank that does not come to a checkpoint; if the run was told to end, do so without it in the end."""
        assert self._recorder is not None
        if seconds > min(_LATE, 0.5 * self._interruption.patience) and rank not in self._named:
            self._named.add(rank)
            ago = self._elapsed() - self._last.get(rank, 0.0)
            say(f"rank {rank} has not come to the checkpoint for {seconds:.0f} s, and ended no episode for {ago:.0f} s")
        if self._interruption.ends_after(seconds):
            if rows and rows[0].dtype == self._stream.dtype:
                self._keep(np.concatenate(rows), None)
            say(f"ended without rank {rank}; what came before is kept; to go on: hpcqrl resume {self._recorder.path}")
            self._agents.abort(EXIT_STATUS)

    def between_updates(self, agent: AsynchronousAgent, shared: Parameters) -> None:
        """What an asynchronous agent does between two pushes: `tick`, and take part in a checkpoint if one is due."""
        self.tick()
        if shared.checkpoint_due(self.checkpoint_wanted):
            self.checkpoint(agent.state() | shared.own_state(), shared.state, shared.acts, shared.serve)

    def close(self, parameters: dict[str, np.ndarray]) -> float:
        """Write the complete file and return the run's duration in seconds. All ranks must call."""
        self._keep(self._stream.collect(), self._evaluations.collect())
        if self._recorder is not None:
            self._recorder.finish(parameters)
        self._stream.close()
        self._evaluations.close()
        return self._elapsed()

    def _elapsed(self) -> float:
        return time.monotonic() - self._start

    def _keep(self, rows: np.ndarray | None, evaluations: np.ndarray | None) -> None:
        if self._recorder is None or self._progress is None:
            return
        if rows is not None:
            self._recorder.append(rows)
            self._progress.show(rows)
            self._last.update(zip(rows["agent"].tolist(), rows["time"].tolist(), strict=True))
        if evaluations is not None:
            self._recorder.append(evaluations, "evaluations")
