"""What a run says while it goes on: a live line on a terminal, a plain line every 10 s elsewhere (Slurm's logs)."""

import sys
import time
from collections import deque
from typing import Any

import numpy as np

_PLAIN_INTERVAL = 10.0  # seconds


class Progress:
    """Shown by rank 0; episodes: how many the run will have, over all agents."""

    def __init__(self, episodes: int, title: str) -> None:
        self.episodes, self.title = episodes, title
        self.done = 0
        self._recent: deque[float] = deque(maxlen=100)
        self._start = time.monotonic()
        self._due = self._start + _PLAIN_INTERVAL
        self._status: Any = None
        if sys.stdout.isatty():
            from rich.console import Console

            self._status = Console().status(f"{title}: starting")
            self._status.start()

    def show(self, rows: np.ndarray) -> None:
        """Take note of finished episodes, and say so if it is due."""
        self.done += rows.size
        self._recent.extend(rows["return"])
        now = time.monotonic()
        if self._status is not None:
            self._status.update(self._line(now))
        elif now >= self._due:
            self._due = now + _PLAIN_INTERVAL
            print(self._line(now), flush=True)

    def __enter__(self) -> "Progress":
        return self

    def __exit__(self, *_: object) -> None:
        if self._status is not None:
            self._status.stop()

    def _line(self, now: float) -> str:
        elapsed = now - self._start
        if not self.done:
            return f"{self.title}: no episode has ended yet, {elapsed:.0f} s"
        rate = self.done / elapsed
        return (
            f"{self.title}: episode {self.done:,} of {self.episodes:,}, "
            f"mean return of the last {len(self._recent)}: {np.mean(self._recent):.3f}, "
            f"{rate:.3g} episodes/s, {elapsed:.0f} s, {(self.episodes - self.done) / rate:.0f} s to go"
        )
