"""Damage results files in all ways, and have every reader read them: python tests/damage.py --files 2000

A reader may work, or raise what the commands print as one line; all else is a fault, as is whatever takes long. (Here a
file is given up after 1 s, not 10.) Prints what was said how often, and exits with 1 at the first fault.
"""

import io
import json
import os
import shutil
import signal
import sys
import tempfile
import time
import traceback
from collections import Counter
from contextlib import redirect_stderr, redirect_stdout, suppress
from pathlib import Path

import h5py
import numpy as np
import tyro
from launch import ROOT
from resealed import keep, resealed
from test_results_files import FACTS, evaluations

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
Random = np.random.Generator


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


def damaged(path: Path, chance: Random) -> str:
    """Damage a file in one way; which."""
    kinds = [
        _bytes,
        _cut,
        _zeros,
        _moved,
        _attribute,
        _attribute,
        _config,
        _config,
        _item,
        _item,
        _item,
        _state,
        _state,
    ]
    kind = kinds[chance.integers(len(kinds))]
    with suppress(Exception):  # what it leaves behind is damaged all the same
        kind(path, chance)
    return kind.__name__


def _bytes(path: Path, chance: Random) -> None:
    content = bytearray(path.read_bytes())
    for place in chance.integers(len(content), size=int(chance.choice([1, 3, 20, 400]))):
        content[place] = chance.integers(256)
    if chance.random() < 0.5:  # where most of the structure is
        for place in chance.integers(min(len(content), 16_000), size=int(chance.choice([1, 3, 20]))):
            content[place] ^= 1 << chance.integers(8)
    path.write_bytes(content)


def _cut(path: Path, chance: Random) -> None:
    os.truncate(path, chance.integers(path.stat().st_size))


def _zeros(path: Path, chance: Random) -> None:
    content = bytearray(path.read_bytes())
    start, size = chance.integers(len(content)), int(chance.choice([8, 100, 4096]))
    content[start : start + size] = bytes(size)
    path.write_bytes(content)


def _moved(path: Path, chance: Random) -> None:
    content = bytearray(path.read_bytes())
    start, size = 8 * chance.integers(len(content) // 8, size=2), int(chance.choice([8, 100, 4096]))
    content[start[0] : start[0] + size] = content[start[1] : start[1] + size]
    path.write_bytes(content[: path.stat().st_size])


ODD = [
    *(0, -1, 1, 2**31, 2**62, -(2**62), 1.5, -0.5, np.nan, np.inf, 1e300, np.uint64(2**63), np.float32(3)),
    *(True, False, "", "text", "a\nb", "\x1b[2J", "\0", b"bytes", np.array(["a", "b"], "S1"), np.array(1j)),
    *(np.zeros(3), np.zeros(0), np.zeros((2, 2)), h5py.Empty("f8"), h5py.Empty("S1")),
    *("[]", "{}", "3", "NaN", "null", "[3]", '{"agents": 1}', '[{"agents": []}]', "[" * 3000),
    *('{"env": 3}', '{"env": NaN}', json.dumps({"a": {"b": [{}]}})),
]


def _odd(chance: Random):
    return ODD[chance.integers(len(ODD))]


def _attribute(path: Path, chance: Random) -> None:
    with _changed(path, chance) as file:
        names = [name for name in file.attrs if not name.startswith("about:")]
        name = names[chance.integers(len(names))]
        del file.attrs[name]
        if chance.random() < 0.8:
            file.attrs[name] = _odd(chance)


def _config(path: Path, chance: Random) -> None:
    with resealed(path) as file:
        config = json.loads(file.attrs["config"])
        name = sorted(config)[chance.integers(len(config))]
        odd = [None, True, 0, -1, 1, 3, 2**31, 2**62, 10**30, 1.5, -0.5, float("inf"), "", "text", "a\nb", [], [1], {}]
        odd += [float("nan"), [[1]], ["a"], {"a": 1}, "x:y", "native", "1" * 5000]
        config[name] = odd[chance.integers(len(odd))]
        if chance.random() < 0.2:
            del config[name]
        file.attrs["config"] = json.dumps(config)


def _item(path: Path, chance: Random) -> None:
    with _changed(path, chance) as file:
        names: list[str] = []
        file.visit(names.append)
        name = names[chance.integers(len(names))]
        item = file[name]
        was = item[()] if isinstance(item, h5py.Dataset) else None
        kind = chance.integers(9)
        if kind == 8 and len(item.attrs):
            attribute = list(item.attrs)[chance.integers(len(item.attrs))]
            del item.attrs[attribute]
            item.attrs[attribute] = _odd(chance)
            return
        del file[name]
        if kind == 0:
            return
        if kind == 1 and isinstance(item, h5py.Dataset):
            file.create_group(name)
        elif kind == 2:
            file.create_dataset(name, (2**40,), "f8", chunks=(1024,))
        elif kind == 3:
            file[name] = file["/"]
        elif kind == 4 and was is not None and was.dtype.names is None and was.dtype.kind in "biuf":
            file[name] = was.astype(str(chance.choice(["f4", "i8", "u1", "S3", "c16", "f8", "i2"])))
        elif kind == 5 and was is not None and was.size > 1:
            file[name] = was.reshape(-1)[: chance.integers(was.size)]
        elif kind == 6 and was is not None and was.dtype.names is not None and was.ndim:
            names = list(was.dtype.names)
            del names[chance.integers(len(names))]
            file[name] = was[names]
        elif kind == 7 and was is not None and was.dtype.names is not None and was.ndim:
            column = was.dtype.names[chance.integers(len(was.dtype.names))]
            odd = np.array([-1, 0, 2**30] if was[column].dtype.kind == "i" else [-1, np.nan, 1e300])
            was[column][chance.integers(len(was), size=3)] = chance.choice(odd)
            file[name] = was
        else:
            file[name] = _odd(chance)


def _state(path: Path, chance: Random) -> None:
    saved = read_checkpoint(path)
    states = [saved.common, *saved.agents]
    part = states[chance.integers(len(states))]
    if not part:
        return
    name = sorted(part)[chance.integers(len(part))]
    was, kind = part[name], chance.integers(7)
    if kind == 0:
        del part[name]
    elif kind == 1:
        part[name] = was.reshape(-1)[: chance.integers(was.size + 1)]
    elif kind == 2:
        part[name] = np.resize(was, (was.size + 3,))
    elif kind == 3 and was.dtype.kind in "biuf":
        part[name] = was.astype(str(chance.choice(["f4", "i8", "u1", "S3", "c16", "f8", "i2"])))
    elif kind == 4:
        part[name] = was.reshape(1, *was.shape)
    elif kind == 5:
        part[name] = np.full_like(was, chance.choice([-1, 0, 2**31, 100]).astype(was.dtype))
    else:
        part[name] = np.asarray(chance.choice([-1, 2**62, 0]))
    facts = {"elapsed": float(chance.choice([np.nan, -1.0, np.inf, 1e300]))} if chance.random() < 0.1 else {}
    if chance.random() < 0.1:
        facts["rows"] = {str(chance.choice(["episodes", "x"])): (int(chance.choice([-1, 10**9, 2**70])), None)}
    with h5py.File(path, "r+") as file:
        if "checksums" not in file:
            group = file["checkpoint/common" if part is saved.common else f"checkpoint/agents/{states.index(part) - 1}"]
            del group[name]
            if name in part:
                group[name] = part[name]
            return
    keep(path, saved, **facts)


def _changed(path: Path, chance: Random):
    return resealed(path) if chance.random() < 0.7 else h5py.File(path, "r+")


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

    from hpcqrl.parallel.agents import Agents
    from hpcqrl.resumption import read_resumption, restore
    from hpcqrl.run import _as_large_as_memory

    agents = Agents(MPI.COMM_SELF)
    found = read_resumption(agents, str(path), NOTHING)
    if found.complete:
        return
    with agents.together(), _as_large_as_memory():
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
