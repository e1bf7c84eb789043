"""Checks of a configuration's values, once, where they come in."""


def at_least(lowest: float, **values: float | None) -> None:
    """ValueError, naming the value, if one is below; None means that it was left out."""
    for name, value in values.items():
        if value is not None and not value >= lowest:
            raise ValueError(f"{name} must be at least {lowest}, not {value}")


def positive(**values: float) -> None:
    """ValueError, naming the value, unless all are above zero and finite."""
    for name, value in values.items():
        if not 0.0 < value < float("inf"):
            raise ValueError(f"{name} must be positive, not {value}")


def within(lowest: float, highest: float, **values: float) -> None:
    """ValueError, naming the value, if one lies outside."""
    for name, value in values.items():
        if not lowest <= value <= highest:
            raise ValueError(f"{name} must lie in {lowest}..{highest}, not {value}")


def only_with_circuit(has_circuit: bool, **values: object) -> None:
    """ValueError, naming the value, if one is set that means nothing to a model without a circuit."""
    for name, value in values.items():
        if value and not has_circuit:
            raise ValueError(f"{name} is of circuits alone, and this model has none")
