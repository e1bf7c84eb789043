"""The systems by name: the papers', and modules of one's own that meet the contract."""

from typing import TYPE_CHECKING, cast

from hpcqrl.brought import module
from hpcqrl.systems.contract import AnySystem, missing_parts

SYSTEMS = {
    "dist-qtrl": "hpcqrl.systems.dist_qtrl",
    "qa3c": "hpcqrl.systems.qa3c",
    "qdqn-dper": "hpcqrl.systems.qdqn_dper",
    "hdqnn-td3": "hpcqrl.systems.hdqnn_td3",
    "ppo": "hpcqrl.systems.ppo",
}


def find(name: str) -> AnySystem:
    """A paper's system by its name, or one's own by its module's. Raises ValueError, in one line, if it is none."""
    try:
        found = module(SYSTEMS.get(name, name))
    except ValueError as error:
        known = ", ".join(SYSTEMS)
        raise ValueError(f"no system {name!r}; there are: {known}, and one's own by its module: {error}") from error
    missing = missing_parts(found)
    if missing:
        raise ValueError(f"module {name!r} is no system: it lacks {', '.join(missing)} (see hpcqrl.systems.contract)")
    return cast(AnySystem, found)


if TYPE_CHECKING:  # that the papers' systems meet the contract is the type checker's to see
    from hpcqrl.quantum.circuit import Circuit
    from hpcqrl.quantum.mixture import Mixture
    from hpcqrl.systems import dist_qtrl, hdqnn_td3, ppo, qa3c, qdqn_dper
    from hpcqrl.systems.contract import System

    _dist_qtrl: System[dist_qtrl.Config, dist_qtrl.Model, dist_qtrl.Agent, Circuit] = dist_qtrl
    _qa3c: System[qa3c.Config, qa3c.Model, qa3c.Agent, Circuit | Mixture] = qa3c
    _qdqn_dper: System[qdqn_dper.Config, qdqn_dper.Model, qdqn_dper.Agent, Circuit | Mixture] = qdqn_dper
    _hdqnn_td3: System[hdqnn_td3.Config, hdqnn_td3.Networks, hdqnn_td3.Agent, Circuit] = hdqnn_td3
    _ppo: System[ppo.Config, ppo.Model, ppo.Agent, Circuit | Mixture] = ppo
