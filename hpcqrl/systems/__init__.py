"""The systems, by name, and their configurations as results files hold them."""

from collections.abc import Mapping
from dataclasses import fields
from importlib import import_module
from typing import Any

SYSTEMS = {
    "dist-qtrl": "hpcqrl.systems.dist_qtrl",
    "qa3c": "hpcqrl.systems.qa3c",
    "qdqn-dper": "hpcqrl.systems.qdqn_dper",
    "hdqnn-td3": "hpcqrl.systems.hdqnn_td3",
}


def configuration(name: str, values: Mapping[str, Any], env: str | None, where: object) -> Any:
    """A system's configuration from the file `where`; ValueError if this version knows no such system or options.

    env: the environment as the user named it, or None. A file may come from anybody, so it alone cannot make this
    program import the module of one's own environment (module:Name-v0).
    """
    if name not in SYSTEMS:
        raise ValueError(f"{where} is of system {name!r}; there are: {', '.join(SYSTEMS)}")
    kind = import_module(SYSTEMS[name]).Config
    differing = {field.name for field in fields(kind)} ^ set(values)
    if differing:
        raise ValueError(f"{where}: this version's configuration differs from the file's in {sorted(differing)}")
    known = str(values.get("env"))
    if env is None and ":" in known:
        raise ValueError(f"{where} is of environment {known}, which is imported only if you say --env {known}")
    try:
        return kind(**{name: tuple(value) if isinstance(value, list) else value for name, value in values.items()})
    except (TypeError, ValueError) as error:
        raise ValueError(f"{where} has a configuration that this version does not know: {error}") from error
