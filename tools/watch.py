"""Follow a run from its results file, while it goes on, when it has ended, and when it died.

$ hpcqrl watch runs/x.h5
"""

import sys
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import tyro
from rich.console import Console, Group, RenderableType
from rich.live import Live
from rich.table import Table
from rich.text import Text
from trackers import Followed, followed

from hpcqrl.results.costs import costs_in_words
from hpcqrl.results.reader import Run, read_run

WINDOW = 100  # latest episodes that means are taken over
RECENT = 10.0  # seconds that rates are taken over
PATIENCE = 15.0  # seconds without a row before a run can be thought dead
STARTING = 90.0  # the same before the first row: kernels may have to be compiled
BLOCKS = "▁▂▃▄▅▆▇█"


@dataclass(frozen=True)
class Options:
    """Follow a run from its results file, while it goes on, when it has ended, and when it died."""

    run: tyro.conf.Positional[Path]
    """Results file; it is only read, and the run never waits for that."""
    once: tyro.conf.FlagCreatePairsOff[bool] = False
    """Show the state once and end, as also where the output is not a terminal."""
    interval: float = 1.0
    """Seconds between two looks."""
    tensorboard: Path | None = None
    """Also write TensorBoard's event files into this folder, live. Needs the extra `trackers`."""
    wandb_offline: Path | None = None
    """Also write a run of Weights & Biases into this folder, live. Needs the extra `trackers`."""


def read(path: Path) -> tuple[Run, float]:
    """The run, and when its file was last written to (Unix seconds). ValueError as read_run, after a few attempts.

    The writer may be in the middle of a change, or replace the file: then the next attempt finds it whole.
    """
    end = time.monotonic() + 0.5
    while True:
        try:
            return read_run(path), path.stat().st_mtime
        except (ValueError, OSError):
            if time.monotonic() > end or not path.exists():
                raise
            time.sleep(0.1)


def verdict(run: Run, silent: float) -> Text:
    """Whether the run is complete, goes on, or seems to be dead; silent: seconds since its file was last written to."""
    if run.complete:
        return Text("complete", "bold green")
    if "interrupted" in run.attributes:
        return Text(f"interrupted, as it was told to: `hpcqrl resume {run.path}` goes on from its checkpoint", "bold")
    gaps = np.diff(np.sort(run.episodes["time"]), prepend=0.0)[-WINDOW:]
    if silent <= (max(PATIENCE, 5 * gaps.max()) if len(gaps) else STARTING):
        return Text("running" if len(gaps) else "starting", "bold green")
    checkpoint = "checkpointed" in run.attributes
    cure = f"`hpcqrl resume {run.path}` goes on from its checkpoint" if checkpoint else "it left no checkpoint"
    return Text(f"DEAD, or stuck: nothing written for {ago(silent)[:-4]}; {cure}", "bold red")


def ago(seconds: float) -> str:
    """A span of time in words."""
    for size, unit in ((86400, "days"), (3600, "h"), (60, "min")):
        if seconds >= 2 * size:
            return f"{seconds / size:.0f} {unit} ago"
    return f"{max(seconds, 0):.0f} s ago"


def curve(returns: np.ndarray, width: int = 50) -> str:
    """The run's returns from first to last: the mean of each part as a block between the lowest and the highest.

    A part without a finite mean is an x.
    """
    parts = np.array([part.mean() for part in np.array_split(returns, min(width, len(returns)))])
    finite = parts[np.isfinite(parts)]
    lowest = finite.min(initial=np.inf)
    span = float(finite.max(initial=-np.inf) - lowest) or 1.0
    return "".join(BLOCKS[int(7.99 * (part - lowest) / span)] if np.isfinite(part) else "x" for part in parts)


def rates(rows: np.ndarray, seconds: float) -> str:
    """Episodes and steps per second of the rows of so many seconds."""
    return f"{len(rows) / seconds:.3g} episodes/s, {rows['length'].sum() / seconds:.4g} steps/s"


def agents(run: Run, row_age: float) -> Table:
    """A row for each agent; last seen: when its last episode ended, by the age of the file's last row in seconds."""
    stale = "staleness" in (run.episodes.dtype.names or ())
    table = Table()
    for heading in ("agent", "episodes", f"return, last {WINDOW}", *(("staleness",) if stale else ()), "last seen"):
        table.add_column(heading, justify="right")
    rows = run.episodes[np.argsort(run.episodes["time"], kind="stable")]
    first = int(run.attributes.get("root") == "serves")
    for agent in range(first, first + run.agents):
        own = rows[rows["agent"] == agent]
        if not len(own):
            table.add_row(str(agent), "0", *("-" for _ in range(2 + stale)))
            continue
        last = own[-WINDOW:]
        staleness = (f"{last['staleness'].mean():.2f}",) if stale else ()
        seen = "-" if run.complete else ago(rows["time"][-1] - own["time"][-1] + row_age)
        table.add_row(str(agent), f"{len(own):,}", f"{last['return'].mean():.3f}", *staleness, seen)
    return table


def screen(run: Run, written: float, row_written: float) -> RenderableType:
    """All that is shown. When the file was last written to, and when with a row, in Unix seconds."""
    now = time.time()
    row_age = now - row_written
    facts = Table.grid(padding=(0, 2))
    number = f"{run.agents} agent{'s' * (run.agents > 1)}"
    facts.add_row("run", f"{run.system}, {run.config.get('env', '?')}, {number}, seed {run.seed}")
    facts.add_row("state", verdict(run, now - written))
    rows = run.episodes[np.argsort(run.episodes["time"], kind="stable")]
    if len(rows):
        returns, seconds = rows["return"], rows["time"][-1]
        facts.add_row("episodes", f"{len(rows):,}, {rows['length'].sum():,} steps in {seconds:,.0f} s")
        facts.add_row("return", f"{returns[-WINDOW:].mean():.3f}, mean of the last {len(returns[-WINDOW:])} episodes")
        facts.add_row("", f"{curve(returns)} {returns[:WINDOW].mean():.3f} at first")
        facts.add_row("rate", f"{rates(rows, seconds)}, all in all")
        if not run.complete and seconds > RECENT:
            recent = rows[rows["time"] > seconds - RECENT]
            facts.add_row("", f"{rates(recent, RECENT)}, in its last {RECENT:.0f} s")
        if "staleness" in (rows.dtype.names or ()):
            staleness = rows["staleness"][-WINDOW:]
            facts.add_row("staleness", f"{staleness.mean():.2f} updates, at most {staleness.max():.0f}")
        if cost := costs_in_words(rows):
            facts.add_row("QPUs", cost)
    facts.add_row("last row", ago(row_age) if len(rows) else "none yet")
    checkpointed = run.attributes.get("checkpointed")
    facts.add_row("checkpoint", "none" if checkpointed is None else ago(now - float(checkpointed)))
    return Group(facts, agents(run, row_age))


def main() -> None:
    """Show the run once, or until it is complete or the user has seen enough."""
    options = tyro.cli(Options, description=__doc__)
    if not options.interval > 0:
        sys.exit(f"watch: interval must be above 0, not {options.interval}")
    trackers = followed(options.tensorboard, options.wandb_offline, "watch")
    console = Console()
    follows = not options.once and (console.is_terminal or bool(trackers))
    try:
        if follows:
            wait_for(options, console)
        run, written = read(options.run)
        for tracker in trackers:
            tracker.update(run)
        if follows and not run.complete:
            follow(options, run, written, trackers, console)
        else:
            console.print(screen(run, written, written))
    except (ValueError, OSError) as error:
        sys.exit(f"watch: {error}")
    except KeyboardInterrupt:
        pass
    finally:
        for tracker in trackers:
            tracker.close()


def wait_for(options: Options, console: Console) -> None:
    """Until the run has made its file."""
    if options.run.exists():
        return
    with console.status(f"waiting for {options.run}"):
        if not console.is_terminal:
            console.print(f"waiting for {options.run}")
        while not options.run.exists():
            time.sleep(options.interval)


def follow(options: Options, run: Run, written: float, trackers: Sequence[Followed], console: Console) -> None:
    """Show the run, and tell trackers of it, until it is complete."""
    row_written = written
    with Live(console=console, auto_refresh=False) as live:
        while not run.complete:
            if console.is_terminal:
                live.update(screen(run, written, row_written), refresh=True)
            time.sleep(options.interval)
            before = len(run.episodes)
            try:
                run, written = read(options.run)
            except (ValueError, OSError) as error:
                live.console.print(f"watch: {error}")
                continue
            if len(run.episodes) != before:
                row_written = written
            for tracker in trackers:
                tracker.update(run)
        live.update(screen(run, written, row_written), refresh=True)


if __name__ == "__main__":
    main()
