"""What a user brings: a module, or a thing in it, by the name that she gave; the only place that imports by name."""

from collections.abc import Callable, Sequence
from importlib import import_module
from types import ModuleType
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from hpcqrl.quantum.circuit import Circuit
    from hpcqrl.quantum.mixture import Mixture


_given: dict[str, object] = {}  # things themselves, from who trains in this process, by the name that the file has


def name_of(own: object) -> str:
    """The name by which a module or a function that was given itself is found again; of a name, it itself."""
    if isinstance(own, str):
        return own
    if isinstance(own, ModuleType):
        return own.__name__
    if not callable(own):
        raise ValueError(f"a module, a function, or the name of one is expected, not {own!r}")
    name = f"{own.__module__}:{getattr(own, '__qualname__', type(own).__name__)}"
    _given[name] = own  # whatever else its module has by now in its place
    return name


def module(name: str) -> ModuleType:
    """The module of this name. Raises ValueError, in one line, if there is none, or what it imports is missing."""
    try:
        return import_module(name)
    except ModuleNotFoundError as error:
        if error.name and (name == error.name or name.startswith(f"{error.name}.")):
            raise ValueError(f"there is no module {name!r}: its folder must be on PYTHONPATH, or installed") from error
        raise ValueError(f"module {name!r} cannot be imported: {error}") from error
    except SyntaxError as error:
        reason = f"{error.msg} ({error.filename}, line {error.lineno})"
        raise ValueError(f"module {name!r} cannot be imported: {reason}") from error
    except (ImportError, TypeError, ValueError) as error:  # the latter of names such as "" and ".."
        raise ValueError(f"module {name!r} cannot be imported: {error}") from error


def thing(name: str, what: str) -> object:
    """The thing that "module:thing" names; `what` it shall be is for the message of ValueError if there is none."""
    if name in _given:
        return _given[name]
    place, colon, attribute = name.partition(":")
    if not (place and colon and attribute.isidentifier()):
        raise ValueError(f"{what} is named module:function, not {name!r}")
    found = module(place)
    if not hasattr(found, attribute):
        raise ValueError(f"module {place!r} has no {attribute!r}, which should be {what}")
    return getattr(found, attribute)


def brought_device(name: str) -> "Callable[..., object]":
    """The function "module:function" that makes a device. ValueError if it is none."""
    make = thing(name, "a function (wires, shots, seed, rank) -> PennyLane device")
    if not callable(make):
        raise ValueError(f"{name} is {make!r}, not a function (wires, shots, seed, rank) -> PennyLane device")
    return make


def brought_circuit(name: str, qubits: int, layers: int) -> "Circuit":
    """The circuit that the function "module:function" makes of qubits and layers. ValueError if it makes none."""
    from hpcqrl.quantum.circuit import Circuit, place

    make = thing(name, "a function (qubits, layers) -> Circuit")
    if not callable(make):
        raise ValueError(f"{name} is {make!r}, not a function (qubits, layers) -> Circuit")
    try:
        made = make(qubits, layers)
    except Exception as error:  # whatever a user's function may do wrong
        reason = " ".join(f"{type(error).__name__}: {error}".split())
        raise ValueError(f"{name}({qubits}, {layers}) fails at {place(error)}: {reason}") from error
    if not isinstance(made, Circuit):
        raise ValueError(f"{name}({qubits}, {layers}) returns {made!r}, not an hpcqrl.Circuit")
    if made.qubits != qubits:
        raise ValueError(f"{name}({qubits}, {layers}) has {made.qubits} qubits, not the {qubits} that --qubits says")
    return made


def brought_candidates(names: Sequence[str], papers: "Circuit", qubits: int, layers: int) -> "Mixture":
    """Candidates by these names, "papers" being that circuit. ValueError for those that do not fit together, or that a
    results file cannot hold.
    """
    from hpcqrl.quantum.circuit_text import to_text
    from hpcqrl.quantum.mixture import Mixture

    each = [papers if name == "papers" else brought_circuit(name, qubits, layers) for name in names]
    for name, circuit in zip(names, each, strict=True):
        try:
            to_text(circuit)
        except ValueError as error:
            raise ValueError(f"{name} cannot be a candidate: {error}") from error
    return Mixture(tuple(names), tuple(each))
