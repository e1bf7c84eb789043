"""Damage results files in all ways, and have every reader read them: python tests/damage.py --files 2000

A reader may work, or raise what the commands print as one line; all else is a fault, as is whatever takes long. (Here a
file is given up after 1 s, not 10.) Prints what was said how often, and exits with 1 at the first fault.
"""

import io
import json
import shutil
import signal
import sys
import tempfile
import time
import traceback
from collections import Counter
from contextlib import redirect_stderr, redirect_stdout
from pathlib import Path

import numpy as np
import tyro
from launch import ROOT
from test_results_files import FACTS, evaluations
from ways_of_damage import damaged

sys.path.insert(0, str(ROOT / "tools"))
import export
import reading
import table
import watch

from hpcqrl.description import describe
from hpcqrl.recorded import NOTHING
from hpcqrl.results import proof
from hpcqrl.results.checkpoint import read_checkpoint
from hpcqrl.results.reader import read_run
from hpcqrl.results.recorder import Recorder
from hpcqrl.results.schema import EPISODE, with_columns
from hpcqrl.trained import load

LONG = 60  # seconds for all readers of one file


def samples(folder: Path) -> list[Path]:
    """Small valid files: of 0.1.0, as tests/data has them, and the same in today's format."""
    old = [path for path in sorted((ROOT / "tests/data/0.1.0").glob("*.h5")) if "resumed" not in path.name]
    found = list(old)
    for path in old:
        new, saved, run = folder / path.name, read_checkpoint(path), read_run(path)
        attributes = {name: value for name, value in run.attributes.items() if name not in ("complete", "checkpointed")}
        columns = EPISODE + tuple(column for column in recorded_columns(path) if column not in EPISODE)
        attributes = FACTS | {name: value for name, value in attributes.items() if name in FACTS and name != "format"}
        with Recorder(new, attributes, columns, circuit=run.circuit) as recorder:
            recorder.append(with_columns(run.episodes[:20], columns))
            recorder.append(evaluations(0, 3), "evaluations")
            if run.complete:
                recorder.finish(run.parameters)
            else:
                recorder.checkpoint(saved.elapsed, saved.common, saved.agents)
        found.append(new)
    return found


def recorded_columns(path: Path):
    """Those that the system of a file has."""
    from hpcqrl.systems import find

    return find(read_run(path).system).FACTS.columns


def readers(path: Path):
    """Each reader of results files: its name, and a call."""

    def policy() -> None:
        run = load(path)
        act, env = run.policy(), run.environment()
        act(env.reset(seed=0)[0])
        env.close()

    def tool(main, *options: str) -> None:
        before, sys.argv = sys.argv, ["tool", *options]
        try:
            main()
        except SystemExit as end:
            if isinstance(end.code, str):
                raise ToolSaidError(end.code) from end
        finally:
            sys.argv = before

    yield "read_run", lambda: read_run(path)
    yield "recorder", lambda: Recorder(path, FACTS, EPISODE)
    yield "describe", lambda: describe(load(path).recorded)
    yield "policy", policy
    yield "watch", lambda: tool(watch.main, "--once", str(path))
    yield "table", lambda: tool(table.main, "--incomplete", str(path))
    yield "export", lambda: tool(export.main, "--csv", str(path.parent / "tables"), "--overwrite", str(path))
    yield "curves", lambda: tool(lambda: reading.moving_average(reading.read_runs([path], "curves")[0], 5))
    yield "resume", lambda: resume(path)
    yield "after resuming", lambda: read_checkpoint(path)


def resume(path: Path) -> None:
    """As a run of one rank begins to go on, up to its first step."""
    from mpi4py import MPI

    from hpcqrl.memory import as_large_as_memory
    from hpcqrl.parallel.agents import Agents
    from hpcqrl.resumption import read_resumption, restore

    agents = Agents(MPI.COMM_SELF)
    found = read_resumption(agents, str(path), NOTHING)
    if found.complete:
        return
    with agents.together(), as_large_as_memory():
        agent = found.run.system.Agent(found.run.config, 0, found.run.circuit)
    restore(agents, str(path), found.run.system, agent, found.saved)
    columns, saved = EPISODE + found.run.system.FACTS.columns, found.saved
    assert saved is not None
    attributes = FACTS | {"config": json.dumps(saved.config), "system": found.run.name}
    with agents.together(), Recorder(path, attributes, columns, saved=saved, circuit=saved.circuit):
        pass


def read(path: Path, said: Counter) -> list[str]:
    """Have every reader read the file; the faults: what no command would print as a line, what takes long."""
    from hpcqrl.parallel.errors import Refused

    faults = []
    for name, reader in readers(path):
        output, begin = io.StringIO(), time.monotonic()
        signal.signal(signal.SIGALRM, _too_long)
        signal.alarm(LONG)
        try:
            with redirect_stdout(output), redirect_stderr(output):
                reader()
            said[f"{name}: works"] += 1
        except ToolSaidError:
            pass
        except (ValueError, OSError, Refused) as error:
            text = str(error).replace(str(path), "FILE")
            said[f"{name}: {text[:100]}"] += 1
            named = "FILE" in text or name not in ("read_run", "after resuming")  # else the command adds it
            if "\n" in text or isinstance(error, TimeoutError) or not named:
                faults.append(f"{name}: {traceback.format_exc()}")
        except MemoryError:
            said[f"{name}: no memory"] += 1
        except Exception:
            faults.append(f"{name}: {traceback.format_exc()}")
        finally:
            signal.alarm(0)
        if (took := time.monotonic() - begin) > 3.0:
            print(f"{name} took {took:.1f} s", file=sys.stderr, flush=True)
        if "Traceback" in output.getvalue() or "\x1b[2J" in output.getvalue():
            faults.append(f"{name} says: {output.getvalue()}")
    if not {each.name for each in path.parent.iterdir()} <= {path.name, "tables", f".{path.name}.replaced"}:
        faults.append(f"something lies there: {list(path.parent.iterdir())}")
    return faults


class ToolSaidError(ValueError):
    """A tool ended with a line."""


def _too_long(number: int, frame: object) -> None:
    raise TimeoutError(f"longer than {LONG} s")


def repeat(folder: Path, good: list[Path], files: int, seed: int) -> tuple[Counter, dict[str, str]]:
    """Damage so many files, and have each read; what was said how often, and the first fault of each kind."""
    said: Counter = Counter()
    faults: dict[str, str] = {}
    for number in range(files):
        chance, path = np.random.default_rng([seed, number]), folder / "damaged.h5"
        shutil.copy(good[chance.integers(len(good))], path)
        kind = damaged(path, chance)
        if number % 100 == 99:
            print(f"{number + 1} files", file=sys.stderr, flush=True)
        for fault in read(path, said):
            if faults.setdefault(" ".join(fault.split()[-12:]), f"file {number}, {kind}: {fault}").startswith(
                f"file {number},"
            ):
                shutil.copy(path, Path(tempfile.gettempdir()) / f"damaged-{seed}-{number}.h5")
    return said, faults


def main(files: int = 2000, seed: int = 0) -> None:
    """files: how many to damage; seed: of what is done to them."""
    proof.SECONDS = 1
    with tempfile.TemporaryDirectory() as folder, tempfile.TemporaryDirectory() as fresh:
        said, faults = repeat(Path(folder), samples(Path(fresh)), files, seed)
    for text, times in said.most_common(60):
        print(f"{times:6}  {text}")
    for text in faults.values():
        print(text)
    sys.exit(f"{len(faults)} kinds of faults" if faults else 0)


if __name__ == "__main__":
    tyro.cli(main)
