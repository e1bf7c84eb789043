"""A circuit as text, to be kept in a file: its gates as data, and nothing that could run.

JSON: {"format": 1, "qubits", "angles", "weights": shape, "measured": words, "gates": [[name, wires, parameters], ...]}.
A parameter is [offset, [scale, i], [scale, i, j], ...]: offset + sum of scale * v_i and scale * v_i * v_j, in radians,
where v are the angles, then the weights. Wires are the qubits' numbers.
"""

import json
import math
from collections.abc import Callable
from typing import Any

from hpcqrl.quantum.circuit import Circuit
from hpcqrl.quantum.gates import NATIVE, Gate
from hpcqrl.quantum.mixture import Mixture
from hpcqrl.quantum.parameters import MOST_INPUTS, Parameter, Term
from hpcqrl.quantum.replay import Replay
from hpcqrl.quantum.trace import trace

FORMAT = 1
MOST_CHARACTERS = 8_000_000
MOST_GATES = 50_000
MOST_NUMBERS = 1_000_000  # angles, and weights
MOST_WORDS = 10_000
_KEYS = ("format", "qubits", "angles", "weights", "measured", "gates")


def to_text(circuit: Circuit | Mixture) -> str:
    """The circuit as text, from which `from_text` makes one with the very same gates, on wires 0..qubits-1.

    Raises ValueError where the circuit cannot be traced: for channels of noise, or gates that the native QPU lacks.
    """
    if isinstance(circuit, Mixture):
        each = zip(circuit.names, circuit.circuits, strict=True)
        return json.dumps({"format": FORMAT, "candidates": [[name, json.loads(to_text(one))] for name, one in each]})
    gates = [[name, list(wires), [_plain(each) for each in parameters]] for name, wires, parameters in trace(circuit)]
    words = [" ".join(f"{letter}{qubit}" for qubit, letter in word) for word in circuit.words]
    sizes = {"qubits": circuit.qubits, "angles": circuit.n_angles, "weights": list(circuit.weights)}
    return json.dumps({"format": FORMAT, **sizes, "measured": words, "gates": gates}, allow_nan=False)


def from_text(text: str) -> Circuit | Mixture:
    """The circuit that a text of `to_text` describes, whose function runs on every device.

    Raises ValueError, in one line, for any other text. Nothing in a text is run or imported.
    """
    _must(isinstance(text, str), "text", text)
    _must(len(text) <= MOST_CHARACTERS, f"text of at most {MOST_CHARACTERS} characters", len(text))
    try:
        data = json.loads(text, parse_constant=_no_number, object_pairs_hook=_once)
    except (ValueError, RecursionError) as error:
        raise ValueError(f"a circuit's text is JSON: {_short(error)}") from None
    if isinstance(data, dict) and set(data) == {"format", "candidates"}:
        _must(_whole(data["format"], FORMAT, FORMAT), f"format {FORMAT}", data["format"])
        named = data["candidates"]
        pairs = _list(named, 1000, lambda pair: _list(pair, 2) and len(pair) == 2 and isinstance(pair[0], str))
        _must(pairs, "candidates, each a name and a circuit", named)
        return Mixture(tuple(name for name, _ in named), tuple(_circuit(one) for _, one in named))
    return _circuit(data)


def _circuit(data: Any) -> Circuit:
    _must(isinstance(data, dict) and set(data) == set(_KEYS), f"an object of {', '.join(_KEYS)}", data)
    _must(_whole(data["format"], FORMAT, FORMAT), f"format {FORMAT}", data["format"])
    qubits, angles, shape, words = data["qubits"], data["angles"], data["weights"], data["measured"]
    _must(_whole(qubits, 1, 28), "1 to 28 qubits", qubits)
    _must(_whole(angles, 0, MOST_NUMBERS), f"0 to {MOST_NUMBERS} angles", angles)
    _must(_list(shape, 32, lambda size: _whole(size, 1, MOST_NUMBERS)), "sizes of weights", shape)
    _must(math.prod(shape) <= MOST_NUMBERS, f"at most {MOST_NUMBERS} weights", shape)
    _must(_list(words, MOST_WORDS, lambda word: isinstance(word, str) and len(word) < 200), "measured words", words)
    _must(_list(data["gates"], MOST_GATES), f"at most {MOST_GATES} gates", data["gates"])
    numbers = angles + (math.prod(shape) if shape else 0)
    gates = tuple(_gate(gate, qubits, numbers) for gate in data["gates"])
    return Circuit(Replay(gates), qubits, angles, tuple(shape), measured=tuple(words))


def _plain(parameter: Parameter) -> list[Any]:
    return [parameter.offset, *map(list, parameter.terms)]


def _gate(gate: Any, qubits: int, numbers: int) -> Gate:
    _must(_list(gate, 3) and len(gate) == 3, "a gate of name, wires and parameters", gate)
    name, wires, parameters = gate
    _must(isinstance(name, str) and name in NATIVE, "a gate's name", name)
    kind = NATIVE[name]
    _must(_list(wires, qubits, lambda wire: _whole(wire, 0, qubits - 1)), f"wires 0 to {qubits - 1}", wires)
    _must(len(wires) == kind.wires or (kind.wires == 0 and len(wires) >= 2), f"the wires of {name}", wires)
    _must(len(set(wires)) == len(wires), "different wires", wires)
    _must(_list(parameters, 3) and len(parameters) == kind.parameters, f"the parameters of {name}", parameters)
    return Gate(name, tuple(wires), tuple(_parameter(parameter, numbers) for parameter in parameters))


def _parameter(parameter: Any, numbers: int) -> Parameter:
    most = 1 + MOST_INPUTS + MOST_INPUTS * (MOST_INPUTS + 1) // 2
    _must(_list(parameter, most) and len(parameter) > 0 and _finite(parameter[0]), "[offset, terms]", parameter)
    terms: dict[tuple[int, ...], Term] = {}
    for term in parameter[1:]:
        _must(_list(term, 3) and len(term) > 1 and _finite(term[0]), "a term [scale, i] or [scale, i, j]", term)
        places = tuple(term[1:])
        _must(all(_whole(place, 0, numbers - 1) for place in places), f"places below {numbers}", term)
        _must(places == tuple(sorted(places)) and places not in terms, "places in order, each term once", term)
        terms[places] = (float(term[0]), *places)
    return Parameter(float(parameter[0]), tuple(terms[places] for places in sorted(terms, key=_order)))


def _order(places: tuple[int, ...]) -> tuple[int, ...]:
    return (len(places), *places)


def _whole(number: Any, lowest: int, highest: int) -> bool:
    return type(number) is int and lowest <= number <= highest  # True is no number here


def _finite(number: Any) -> bool:
    return type(number) in (int, float) and abs(number) < 1e300


def _list(value: Any, most: int, each: Callable[[Any], bool] = lambda _: True) -> bool:
    return isinstance(value, list) and len(value) <= most and all(map(each, value))


def _must(holds: bool, expected: str, found: Any) -> None:
    if not holds:
        raise ValueError(f"a circuit's text has {expected}, not {_short(found)}")


def _short(value: Any) -> str:
    if isinstance(value, list | dict) and len(value) > 20:
        return f"{len(value)} of them"
    try:
        spelled = str(value) if isinstance(value, Exception) else repr(value)
    except RecursionError:
        return "lists within lists within lists"
    return spelled if len(spelled) < 80 else spelled[:76] + " ..."


def _no_number(name: str) -> None:
    raise ValueError(f"{name} is no number")


def _once(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    if len(dict(pairs)) < len(pairs):
        raise ValueError("a key is there twice")
    return dict(pairs)
