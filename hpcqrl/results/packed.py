"""Named arrays as bytes, as they lie in /checkpoint: a line of JSON, then the arrays one after the other.

The line holds facts, and for each array the number of its agent (null: common to all), name, type and shape. Nothing is
copied on the way to the file. Only plain numbers are taken, so that reading them cannot run code.
"""

import json
import math
import re
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from hpcqrl.results.checksums import as_bytes

State = dict[str, NDArray]

_ALIGNED = 64  # bytes; what comes back is used as it lies
_KINDS = "biufcSU"  # of NumPy types


def pack(facts: Mapping[str, Any], common: Mapping[str, Any], agents: Sequence[Mapping[str, Any]]) -> list[Any]:
    """The bytes, in parts. Raises ValueError for what is no plain array."""
    listed: list[tuple[int | None, str, str, tuple[int, ...]]] = []
    arrays: list[Any] = []
    for agent, state in [(None, common), *enumerate(agents)]:
        for name, value in state.items():
            array = np.asarray(value)
            if array.dtype.kind not in _KINDS:
                raise ValueError(f"a checkpoint cannot keep {name}: it is {array.dtype}, no plain numbers")
            listed.append((agent, name, array.dtype.str, array.shape))
            arrays += [as_bytes(array), bytes(-array.nbytes % _ALIGNED)]
    line = json.dumps(dict(facts) | {"agents": len(agents), "arrays": listed}).encode()
    return [line + b" " * (-(len(line) + 1) % _ALIGNED) + b"\n", *arrays]


def unpack(data: NDArray[np.uint8]) -> tuple[dict[str, Any], State, list[State]]:
    """The facts, and the states of all and of each agent: arrays within `data`. Raises ValueError for other bytes."""
    try:
        end = re.search(b"\n", data.data)
        place = end.end() if end else 0
        facts = json.loads(data[:place].tobytes())
        states: list[State] = [{} for _ in range(min(facts["agents"], len(data)))]
        common: State = {}
        for agent, name, kind, shape in facts["arrays"]:
            dtype, shape = np.dtype(str(kind)), tuple(map(int, shape))
            if dtype.kind not in _KINDS or min(shape, default=0) < 0 or not isinstance(name, str):
                raise ValueError
            state = common if agent is None else states[agent]
            state[name] = np.frombuffer(data, dtype, math.prod(shape), place).reshape(shape)
            place += state[name].nbytes + -state[name].nbytes % _ALIGNED
    except (LookupError, TypeError, ValueError, OverflowError, RecursionError) as error:
        raise ValueError("its checkpoint is not as it was written") from error
    return facts, common, states
