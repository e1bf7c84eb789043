"""What a QPU has been asked for."""

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
