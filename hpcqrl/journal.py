"""What a run leaves behind: its episodes, on their way from the agents to the results file and the screen."""

import time
from collections.abc import Sequence

import numpy as np

from hpcqrl.parallel.agents import Agents
from hpcqrl.parallel.records import RecordStream
from hpcqrl.progress import Progress
from hpcqrl.results.recorder import Recorder
from hpcqrl.results.schema import EVALUATION, Column, row_dtype


class Journal:
    """One on every rank; recorder and progress are rank 0's alone."""

    def __init__(
        self, agents: Agents, columns: tuple[Column, ...], recorder: Recorder | None, progress: Progress | None
    ) -> None:
        self._agents, self._recorder, self._progress = agents, recorder, progress
        self._stream = RecordStream(agents, row_dtype(columns))
        self._evaluations = RecordStream(agents, row_dtype(EVALUATION))
        self._start = time.monotonic()

    def episode(self, number: int, episode_return: float, length: int, version: int, *extra: float) -> None:
        """Note a finished episode: its number among those of all agents, the updates before it, the system's extras."""
        elapsed = time.monotonic() - self._start
        self._stream.put((number, self._agents.rank, episode_return, length, elapsed, version, *extra))
        self.tick()

    def evaluation(self, steps: int, returns: Sequence[float], version: int) -> None:
        """Note the returns of this agent's test episodes after so many of its steps, and the updates before them."""
        if returns:
            elapsed = time.monotonic() - self._start
            facts = steps, self._agents.rank, len(returns), np.mean(returns), np.std(returns), elapsed, version
            self._evaluations.put(facts)

    def tick(self) -> None:
        """Send or collect what is due; to be called often, since an episode may take long."""
        self._keep(self._stream.poll())
        self._keep_evaluations(self._evaluations.poll())

    def close(self, parameters: dict[str, np.ndarray]) -> float:
        """Write the complete file and return the run's duration in seconds. All ranks must call."""
        self._keep(self._stream.finish())
        self._keep_evaluations(self._evaluations.finish())
        if self._recorder is not None:
            self._recorder.finish(parameters)
        return time.monotonic() - self._start

    def _keep(self, rows: np.ndarray | None) -> None:
        if rows is None:
            return
        assert self._recorder is not None and self._progress is not None
        self._recorder.append(rows)
        self._progress.show(rows)

    def _keep_evaluations(self, rows: np.ndarray | None) -> None:
        if rows is not None:
            assert self._recorder is not None
            self._recorder.append(rows, "evaluations")
