"""What a user brings: a module, or a thing in it, by the name that she gave; the only place that imports by name."""

from importlib import import_module
from types import ModuleType
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from hpcqrl.quantum.circuit import Circuit


_given: dict[str, object] = {}  # things themselves, from who trains in this process, by the name that the file has


def give(name: str, what: object) -> None:
    """Have `thing` find this by the name, whatever else a module has by now in its place."""
    _given[name] = what


def module(name: str) -> ModuleType:
    """The module of this name. Raises ValueError, in one line, if there is none, or what it imports is missing."""
    try:
        return import_module(name)
    except ModuleNotFoundError as error:
        if error.name and (name == error.name or name.startswith(f"{error.name}.")):
            raise ValueError(f"there is no module {name!r}: its folder must be on PYTHONPATH, or installed") from error
        raise ValueError(f"module {name!r} cannot be imported: {error}") from error
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


def brought_circuit(name: str, qubits: int, layers: int) -> "Circuit":
    """The circuit that the function "module:function" makes of qubits and layers. ValueError if it makes none."""
    from hpcqrl.quantum.circuit import Circuit

    make = thing(name, "a function (qubits, layers) -> Circuit")
    if not callable(make):
        raise ValueError(f"{name} is {make!r}, not a function (qubits, layers) -> Circuit")
    made = make(qubits, layers)
    if not isinstance(made, Circuit):
        raise ValueError(f"{name}({qubits}, {layers}) returns {made!r}, not an hpcqrl.Circuit")
    if made.qubits != qubits:
        raise ValueError(f"{name}({qubits}, {layers}) has {made.qubits} qubits, not the {qubits} that --qubits says")
    return made
