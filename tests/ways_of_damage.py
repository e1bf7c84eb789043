"""Ways to damage a results file: its bytes, and what it holds, with checksums that are right or not."""

import json
import os
from contextlib import suppress
from pathlib import Path

import h5py
import numpy as np
from resealed import keep, resealed

from hpcqrl.results.checkpoint import read_checkpoint

Random = np.random.Generator


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
