"""A run's system, configuration and circuit, as its results file has them.

A file may come from anybody, so it alone has no module imported: what the user once brought by name, she names again.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, NamedTuple

from hpcqrl import configuration
from hpcqrl.systems import SYSTEMS, find
from hpcqrl.systems.contract import AnySystem, Config

if TYPE_CHECKING:
    from hpcqrl.quantum.circuit import Circuit
    from hpcqrl.quantum.mixture import Mixture


class Named(NamedTuple):
    """What the user has named again: her own system, environment, circuit, QPU; None: nothing."""

    system: str | None = None
    env: str | None = None
    circuit: str | None = None
    qpu: str | None = None


NOTHING = Named()


@dataclass(frozen=True)
class Recorded:
    """name: the system's; circuit: None for a model without one."""

    name: str
    system: AnySystem
    config: Config
    circuit: "Circuit | Mixture | None"


def recorded(
    path: object, name: str, values: Mapping[str, Any], version: str, circuit: str | None, named: Named
) -> Recorded:
    """What the results file at `path` is of; values: of its configuration, circuit: its text, version: who wrote it.

    Raises ValueError, in one line, for what this version does not know, and for what must be named and is not.
    """
    if named.system is not None and named.system != name:
        raise ValueError(f"{path} is of system {name}, not {named.system}")
    if name not in SYSTEMS and named.system is None:
        raise ValueError(f"{path} is of system {name!r}, which is imported only if you say --system {name}")
    system = find(name)
    config = configuration.from_file(system.Config, values, path, version)
    if named.env is None and ":" in config.env:
        raise ValueError(f"{path} is of environment {config.env}, which is imported only if you say --env {config.env}")
    qpu = str(values.get("qpu", ""))
    if named.qpu is None and ":" in qpu:
        raise ValueError(f"{path} ran on {qpu}, which is imported only if you say --qpu {qpu}")
    outside = [option for option in getattr(config, "env_option", ()) if set(option) & set("/\\~:")]
    if outside and named.env is None:
        raise ValueError(f"{path} has {outside[0]!r} for {config.env}, used only if you say --env {config.env}")
    own = values.get("circuit")
    if circuit is not None:
        if named.circuit not in (None, own):
            raise ValueError(f"{path} holds its own circuit, and runs with no other than that")
        from hpcqrl.quantum.circuit_text import from_text
        from hpcqrl.quantum.mixture import Mixture

        try:
            made = from_text(circuit)
            if isinstance(made, Mixture) and not getattr(config, "circuits", ()):
                raise ValueError("it has candidates, and its configuration has none")
            return Recorded(name, system, config, made)
        except ValueError as error:
            raise ValueError(f"{path} has a circuit that is not right: {error}") from error
    if values.get("circuits"):
        raise ValueError(f"{path} does not hold its candidates, {', '.join(map(str, values['circuits']))}")
    if own != named.circuit:
        raise ValueError(
            f"{path} is of circuit {own}, which it cannot hold: it is imported only if you say --circuit {own}"
        )
    return Recorded(name, system, config, system.circuit(config))
