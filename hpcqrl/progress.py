"""What a run says: a live line on a terminal, a plain one every 10 s elsewhere, and at its end what it was."""

import time
from collections import deque
from contextlib import suppress
from typing import TYPE_CHECKING, Any

import numpy as np

from hpcqrl.lines import say
from hpcqrl.results.costs import costs_in_words

if TYPE_CHECKING:
    from hpcqrl.results.reader import Run

_PLAIN_INTERVAL = 10.0  # seconds
_LIVE_INTERVAL = 0.1


class Progress:
    """Shown by rank 0. whole: how many episodes, or steps, the run will have, over all agents, and `unit` which of the
    two; live: whether a terminal will show it; done: how many it had before it was resumed.
    """

    def __init__(self, whole: int, unit: str, title: str, live: bool, done: int = 0) -> None:
        self.whole, self.unit, self.title = whole, unit, title
        self.done = self._before = done
        self._recent: deque[float] = deque(maxlen=100)
        self._start = time.monotonic()
        self._interval = _LIVE_INTERVAL if live else _PLAIN_INTERVAL
        self._due = self._start + self._interval
        self._told = False  # the number of steps, which is known before an episode ends
        self._bar: Any = None
        if live:
            self._bar, self._task = _live_bar(whole, title)

    def show(self, rows: np.ndarray) -> None:
        """Take note of finished episodes, and say so if it is due."""
        if not self._told:
            self.done += rows.size if self.unit == "episodes" else int(rows["length"].sum())
        self._recent.extend(rows["return"])
        self._say_if_due()

    def at(self, steps: int) -> None:
        """Take note of how many steps there were in all, and say so if it is due."""
        self.done, self._told = steps, True
        self._say_if_due()

    def _say_if_due(self) -> None:
        now = time.monotonic()
        if now < self._due or self.done <= self._before:
            return
        self._due = now + self._interval
        facts = self._facts(now)
        if self._bar is not None:
            with suppress(OSError):  # the terminal may be gone
                self._bar.update(self._task, completed=self.done, facts=facts, refresh=True)
        else:
            say(f"{self.title}: {self.unit[:-1]} {self.done:,} of {self.whole:,}, {facts}")

    def _facts(self, now: float) -> str:
        rate = (self.done - self._before) / (now - self._start)
        left = _time((self.whole - self.done) / rate)
        returned = f"return {np.mean(self._recent):.3f}" if self._recent else "no episode yet"
        return f"{returned}, {_plain(rate)} {self.unit}/s, {left} to go"

    def __enter__(self) -> "Progress":
        if self._bar is not None:
            self._bar.start()
        return self

    def __exit__(self, *_: object) -> None:
        if self._bar is not None:
            with suppress(OSError):
                self._bar.update(self._task, completed=self.done)
                self._bar.stop()


def _surrogate(test: np.ndarray) -> list[str]:
    """What a test says of a qtDNN, if there was one."""
    if "current_error" not in (test.dtype.names or ()) or not np.isfinite(test["current_error"]).any():
        return []
    names = ("error", "error_half", "error_mean", "slopes")
    error, half, constant, slopes = (np.nanmean(test[f"current_{name}"]) for name in names)
    return [
        f"the qtDNN's error is {error:.4f} there (that of always 1/2: {half:.4f}, of a constant: {constant:.4f}); its "
        f"slopes' correlation with the circuit's {slopes:.2f}"
    ]


def _plain(rate: float) -> str:
    return f"{rate:,.0f}" if rate >= 100.0 else f"{rate:.3g}"


def _time(seconds: float) -> str:
    minutes = round(seconds / 60.0)
    if minutes < 2:
        return f"{seconds:.0f} s"
    return f"{minutes} min" if minutes < 60 else f"{minutes // 60} h {minutes % 60} min"


def _live_bar(whole: int, title: str) -> tuple[Any, Any]:
    from rich import progress
    from rich.console import Console

    columns = (
        progress.TextColumn(title),
        progress.BarColumn(bar_width=16),
        progress.TextColumn("{task.percentage:.0f}%, {task.fields[facts]}"),
    )
    bar = progress.Progress(*columns, console=Console(force_terminal=True), auto_refresh=False)
    return bar, bar.add_task(title, total=whole, facts="starting")


def summary(run: "Run", duration: float, done: int, unit: str) -> str:
    """What a complete run of so many seconds was, in some lines. done: how many episodes, or steps, which is `unit`;
    steps are then also those of episodes that have not ended.
    """
    episodes = run.episodes
    part = min(100 * run.agents, max(1, len(episodes) // 2))
    steps = done if unit == "steps" else episodes["length"].sum()
    lines = [
        f"{run.agents} agent{'s' * (run.agents > 1)}, {len(episodes):,} episodes, {steps:,} environment steps "
        f"in {duration:.1f} s ({_plain(done / duration)} {unit}/s)"
    ]
    if len(episodes):
        first, last = (episodes["return"][rows].mean() for rows in (slice(part), slice(-part, None)))
        lines.append(f"mean return of the first {part:,} episodes {first:.3f}, of the last {part:,} {last:.3f}")
    if len(run.evaluations):
        test = run.evaluations[run.evaluations["steps"] == run.evaluations["steps"].max()]
        mean = np.average(test["mean"], weights=test["episodes"])
        lines.append(f"mean return of the last test's {test['episodes'].sum()} episodes {mean:.3f}")
        lines += _surrogate(test)
    if cost := costs_in_words(episodes):
        lines.append(f"QPUs: {cost}")
    return "\n".join([*lines, f"written: {run.path}"])
