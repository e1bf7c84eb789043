"""The root attributes of a results file, which say what run it is of. A file may come from anybody: nothing is taken on
trust.
"""

import json
import math
from typing import Any

import h5py
import numpy as np

from hpcqrl.results import checksums
from hpcqrl.results.schema import FORMAT, PROVENANCE

MOST_AGENTS = 1_000_000  # far above any machine: what goes through all of them ends
_TEXTS = ("system", "config", "root", "created", "history", *PROVENANCE)
_TRUTHS = ("complete", "counts_each_agent", "synchronous", "interrupted")
_TIMES = ("checkpoint_every", "checkpointed")


def read(file: h5py.File) -> tuple[dict[str, Any], dict[str, Any]]:
    """All attributes, also those that only newer versions keep elsewhere, and the configuration.

    Raises ValueError if one is missing, damaged, or not of its kind.
    """
    attributes = {name: value for name, value in file.attrs.items() if not name.startswith("about:")}
    if "system" not in attributes or "episodes" not in file:
        raise ValueError("it is an HDF5 file, but not one of hpcqrl's results")
    lacking = [name for name in ("format", "config", "seed", "agents", "complete") if name not in attributes]
    if lacking:
        raise ValueError(f"it lacks {', '.join(lacking)}")
    if whole("format", attributes["format"], 1) > FORMAT:
        raise ValueError(f"it is of format {attributes['format']}; this version reads up to {FORMAT}")
    checksums.check_attributes(file, attributes)
    record = checksums.checkpoint_record(file)
    if record is not None:
        attributes["checkpointed"] = record["time"]
        if record["interrupted"]:
            attributes["interrupted"] = np.bool_(True)
    for name in _TEXTS:
        _text(name, attributes.get(name, ""))
    for name in _TRUTHS:
        if not isinstance(attributes.get(name, False), bool | np.bool_):
            raise ValueError(f"its {name} is {attributes[name]!r}, not true or false")
    for name in _TIMES:
        _seconds(name, attributes.get(name, 0.0))
    whole("seed", attributes["seed"], 0)
    whole("agents", attributes["agents"], 1, MOST_AGENTS)
    for start in _parsed("history", attributes.get("history", "[]"), list):
        if not isinstance(start, dict) or not isinstance(start.get("agents"), int):
            raise ValueError("its history is not a list of starts")
    config = _parsed("config", attributes["config"], dict)
    for name in ("episodes", "steps"):  # the length of the run
        whole(name, config.get(name, 0), 0)
    return attributes, config


def whole(name: str, value: Any, lowest: int, highest: int = 2**63 - 1) -> int:
    """A whole number within bounds, or ValueError."""
    if not isinstance(value, int | np.integer) or not lowest <= value <= highest:
        raise ValueError(f"its {name} is {_short(value)}, not a whole number from {lowest}")
    return int(value)


def _seconds(name: str, value: Any) -> None:
    if not isinstance(value, float | np.floating | int | np.integer) or not 0.0 <= value < math.inf:
        raise ValueError(f"its {name} is {_short(value)}, not a number of seconds")


def _text(name: str, value: Any) -> None:
    if not isinstance(value, str) or not (value.isprintable() or name == "mpi"):
        raise ValueError(f"its {name} is {_short(value)}, not a line of text")


def _parsed(name: str, text: str, kind: type) -> Any:
    """What JSON says, if it is of a kind, and all in it plain: one line each, numbers that are numbers."""
    try:
        value = json.loads(text)
        good = isinstance(value, kind) and _plain(value)
    except (ValueError, RecursionError):
        good = False
    if not good:
        raise ValueError(f"its {name} is {_short(text)}, not JSON of a {kind.__name__} of plain values")
    return value


def _plain(value: Any) -> bool:
    if isinstance(value, dict):
        return all(_plain(name) and _plain(each) for name, each in value.items())
    if isinstance(value, list):
        return all(map(_plain, value))
    if isinstance(value, str):
        return value.isprintable()
    if isinstance(value, int):
        return abs(value) < 2**63
    return value is None or (isinstance(value, float) and not math.isnan(value))


def _short(value: Any) -> str:
    text = repr(value.item() if isinstance(value, np.generic) else value)
    return text if len(text) <= 60 else f"{text[:50]}..."
