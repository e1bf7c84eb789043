"""Options that are written down, to train with again: a file of one's own (--config), a run's results file (--like).

What the command line says wins over a file of options, and that over a run. A results file may come from anybody, so
what it names of its user's own is imported only where it is said again; a file of options is as the command line is.
"""

import json
import re
import tomllib
from collections.abc import Mapping, Sequence
from dataclasses import MISSING, fields
from difflib import get_close_matches
from typing import Any, NamedTuple, get_type_hints

from hpcqrl.configuration import Dataclass, Kind, check_kind, fits, from_file
from hpcqrl.results.reader import read_facts
from hpcqrl.systems import SYSTEMS


class Written(NamedTuple):
    """What two files have to start from, each of which may be absent.

    table: the options of `config`; attributes, values: of the run `like`, as its file has them.
    """

    config: str | None
    table: Mapping[str, Any]
    like: str | None
    attributes: Mapping[str, Any]
    values: Mapping[str, Any]


def read_written(arguments: Sequence[str]) -> Written:
    """Read the files that these arguments name. Raises ValueError, OSError, in one line, if one cannot be read."""
    config, like = (
        _said("config", arguments) or None,
        _said("like", arguments) or None,
    )  # a name that is missing is tyro's
    table = {} if config is None else _read_toml(config)
    attributes, values = ({}, {}) if like is None else read_facts(like)
    return Written(config, table, like, attributes, values)


def system_of(written: Written) -> str | None:
    """The system that the files are of, where nothing else says one; None if they do not either."""
    if "system" in written.table:
        return str(written.table["system"])
    if written.like is None:
        return None
    name = str(written.attributes["system"])
    if name not in SYSTEMS:
        raise ValueError(f"{written.like} is of system {name!r}, which is imported only if you say: train {name}")
    return name


def defaults(
    written: Written, name: str, kind: type[Dataclass], beside: type[Dataclass], arguments: Sequence[str]
) -> tuple[dict[str, Any], dict[str, Any]]:
    """The options that the files say, those of the system's configuration, and those beside it.

    Raises ValueError, in one line with the file's name, for what is no option, is of another kind or system, or must be
    said again and is not.
    """
    own = {} if written.like is None else _of_the_run(written, name, kind, arguments)
    others: dict[str, Any] = {}
    if written.table.get("system", name) != name:
        raise ValueError(f"{written.config} is of system {written.table['system']}, not {name}")
    hints, hints_beside = get_type_hints(kind), get_type_hints(beside)
    names = [each.name for each in fields(kind)]
    names_beside = [each.name for each in fields(beside) if each.name not in ("system", "config", "like")]
    for key, value in written.table.items():
        option = key.replace("-", "_")
        if option == "system" and option not in names:
            continue
        if option not in names + names_beside:
            near = get_close_matches(option, names + names_beside, 1)
            hint = f"; the nearest is {near[0]}" if near else ""
            raise ValueError(f"{written.config}: there is no option {key!r}{hint}")
        mine = option in names
        hint = hints[option] if mine else hints_beside[option]
        (own if mine else others)[option] = _value(written.config, option, value, hint)
    said = {option for option in own if isinstance(own[option], tuple) and _said(option, arguments) is not None}
    return {option: value for option, value in own.items() if option not in said}, others  # --x a: a alone, not a too


def unchecked(kind: type[Kind], values: Mapping[str, Any]) -> Kind:
    """A configuration with these fields, whatever they are: to be checked with what the command line says in it."""
    made = object.__new__(kind)
    for each in fields(kind):
        default = each.default_factory() if each.default_factory is not MISSING else each.default
        object.__setattr__(made, each.name, values.get(each.name, default))
    return made


def as_toml(name: str, config: Dataclass) -> str:
    """A configuration as a file of options, which `--config` reads back; what is None is left out."""
    lines = [f"system = {_toml(name)}"]
    for each in fields(config):
        value = getattr(config, each.name)
        if value is not None or each.default is not None:
            lines.append(f"{each.name} = {_toml(value)}")
    return "\n".join(lines) + "\n"


def _said(option: str, arguments: Sequence[str]) -> str | None:
    """What the arguments say last for an option: one text, or "" where it is missing; None if they do not say it."""
    found = None
    for number, argument in enumerate(arguments):
        flag, equals, value = argument.partition("=")
        if flag.replace("_", "-") == f"--{option}".replace("_", "-"):
            found = value if equals else [*arguments, ""][number + 1]
    return found


def _read_toml(path: str) -> dict[str, Any]:
    try:
        with open(path, "rb") as file:
            return tomllib.load(file)
    except (ValueError, RecursionError) as error:
        raise ValueError(f"{path} cannot be read as TOML: {error}") from error


def _of_the_run(written: Written, name: str, kind: type[Dataclass], arguments: Sequence[str]) -> dict[str, Any]:
    path, system = written.like, str(written.attributes["system"])
    if system != name:
        raise ValueError(f"{path} is of system {system}, not {name}")
    config = from_file(kind, written.values, path, str(written.attributes.get("hpcqrl", "?")))
    values = {each.name: getattr(config, each.name) for each in fields(config)}
    anew = {
        option: written.table.get(option, _said(option, arguments)) for option in ("env", "circuit", "circuits", "qpu")
    }
    for option, said in anew.items():
        value = values.get(option)
        if said is None and ":" in str(value):
            text = " ".join(value) if isinstance(value, tuple) else value
            raise ValueError(f"{path} has --{option} {text}, which is imported only if you say so: --{option} {text}")
    for option, of in (("env_option", "env"), ("qpu_option", "qpu")):
        if option in values and anew[of] not in (None, values[of]):
            values[option] = ()  # they are of another
    outside = [option for option in values.get("env_option", ()) if set(option) & set("/\\~:")]
    if outside and anew["env"] is None:
        raise ValueError(f"{path} has {outside[0]!r} for {values['env']}, used only if you say --env {values['env']}")
    return values


def _value(path: object, name: str, value: Any, hint: Any) -> Any:
    """A value of TOML as a configuration has it. ValueError, with the file's name, for one of another kind."""
    if value == "None" and fits(None, hint):
        return None
    try:
        check_kind(name, value, hint)
    except ValueError as error:
        raise ValueError(f"{path}: {error}") from error
    return tuple(value) if isinstance(value, list) else float(value) if hint is float else value


def _toml(value: Any) -> str:
    if isinstance(value, str):  # JSON's text is TOML's, but for two: pairs of surrogates, and the one control it leaves
        return re.sub("\x7f", r"\\u007f", json.dumps(value, ensure_ascii=False))
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, list | tuple):
        return f"[{', '.join(map(_toml, value))}]"
    return _toml("None") if value is None else repr(value)
