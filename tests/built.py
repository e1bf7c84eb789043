"""A system's parts, built as a run builds them."""

from hpcqrl.systems.contract import AnySystem


def agent(system: AnySystem, rank: int = 0, **options):
    """The agent of this rank."""
    config = system.Config(**options)
    return system.Agent(config, rank, system.circuit(config))


def model(system: AnySystem, **options):
    """The model alone."""
    config = system.Config(**options)
    return system.model(config, system.environment(config), system.circuit(config))
