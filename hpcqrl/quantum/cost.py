"""What a QPU has been asked for."""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, fields


@dataclass
class Cost:
    """executions: of circuits; submissions: calls that brought some; shots: in all; seconds: until their answers."""

    executions: int = 0
    submissions: int = 0
    shots: int = 0
    seconds: float = 0.0

    def since(self, before: "Cost") -> dict[str, float]:
        """What has come on top of an earlier cost, by name."""
        return {each.name: getattr(self, each.name) - getattr(before, each.name) for each in fields(self)}

    def add(self, executions: int, shots: int | None, seconds: float) -> None:
        """One submission."""
        self.executions += executions
        self.submissions += 1
        self.shots += executions * (shots or 0)
        self.seconds += seconds


_counted: list[Cost] | None = None


@contextmanager
def counted() -> Iterator[list[Cost]]:
    """Note the costs of all devices that are made in this block, but of those that count nothing."""
    global _counted
    _counted, before = [], _counted
    try:
        yield _counted
    finally:
        _counted = before


def count(cost: Cost) -> None:
    """Note the cost of a device, if anybody wants to know."""
    if _counted is not None:
        _counted.append(cost)


def total(costs: Sequence[Cost]) -> Cost:
    """What they are together."""
    return Cost(*(sum(getattr(cost, each.name) for cost in costs) for each in fields(Cost)))
