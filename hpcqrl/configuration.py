"""A system's configuration: options that several share, checks of values, and the way back from a file."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import MISSING, Field, dataclass, field, fields
from types import UnionType
from typing import Annotated, Any, ClassVar, Literal, Protocol, TypeVar, Union, get_args, get_origin, get_type_hints

import tyro


class Dataclass(Protocol):
    """Any dataclass."""

    __dataclass_fields__: ClassVar[dict[str, Field[Any]]]


Kind = TypeVar("Kind", bound=Dataclass)
Value = TypeVar("Value")


def added(default: Value, before: Value) -> Value:
    """A field that came after version 0.1.0: its default, and what files stand for that were written before.

    Both stay here for ever: the default may change, what old files meant may not.
    """
    return field(default=default, metadata={"before": before})


def from_file(kind: type[Kind], values: Mapping[str, Any], where: object, version: str) -> Kind:
    """The configuration that the results file `where` holds, written by this `version` of the package.

    A field that it lacks takes the value that it had before it was a field. Raises ValueError, in one line, for fields
    that this version does not know, and for values that it does not take.
    """
    known = {each.name: each for each in fields(kind)}
    unknown = sorted(set(values) - set(known))
    if unknown:
        raise ValueError(f"{where} was written by hpcqrl {version} with options that this one does not know: {unknown}")
    complete = dict(values)
    for name, each in known.items():
        if name not in values:
            complete[name] = each.metadata.get("before", MISSING)
            if complete[name] is MISSING:
                raise ValueError(f"{where} has a configuration without {name}")
    hints = get_type_hints(kind)
    try:
        for name, value in complete.items():
            check_kind(name, value, hints[name])
        return kind(**{name: tuple(value) if isinstance(value, list) else value for name, value in complete.items()})
    except (TypeError, ValueError) as error:
        raise ValueError(f"{where} has a configuration that is not right: {error}") from error


def from_options(kind: type[Kind], options: Mapping[str, Any]) -> Kind:
    """The configuration with these fields, and the others' defaults. ValueError for one that it does not have."""
    known = get_type_hints(kind)
    plain = {}
    for name, value in options.items():
        if name not in {each.name for each in fields(kind)}:
            names = ", ".join(each.name for each in fields(kind))
            raise ValueError(f"there is no option {name!r}; there are: {names}")
        plain[name] = value.item() if type(value).__module__ == "numpy" and hasattr(value, "item") else value
        check_kind(name, plain[name], known[name])
    return kind(**plain)


def check_kind(name: str, value: object, hint: Any) -> None:
    """ValueError, naming the value, if it is of another kind."""
    if not fits(value, hint):
        wanted = str(hint).replace("typing.", "").replace("<class '", "").replace("'>", "")
        raise ValueError(f"{name} must be {wanted}, not {value!r}")


def fits(value: object, hint: Any) -> bool:
    """Whether a value is of a kind: one of its choices, a number of that sort, or one of its alternatives."""
    if get_origin(hint) is Literal:
        return value in get_args(hint)
    if get_origin(hint) in (Union, UnionType):
        return any(fits(value, each) for each in get_args(hint))
    if get_origin(hint) is tuple:
        kinds = get_args(hint)
        each = kinds[:1] * len(value) if isinstance(value, tuple | list) and kinds[-1:] == (...,) else kinds
        return isinstance(value, tuple | list) and len(value) == len(each) and all(map(fits, value, each))
    if hint is float:
        return isinstance(value, int | float) and not isinstance(value, bool)
    return type(value) is hint if isinstance(hint, type) else True


MOST = 10**12  # of whatever is counted: more is a slip of the hand, and would overflow somewhere
MOST_LAYERS = 1000
MOST_IN_A_BATCH = 1_000_000


def at_least(lowest: float, **values: float | None) -> None:
    """ValueError, naming the value, if one is below, or beyond MOST; None means that it was left out."""
    for name, value in values.items():
        if value is not None and not value >= lowest:
            raise ValueError(f"{name} must be at least {lowest}, not {value}")
        if value is not None and value > MOST:
            raise ValueError(f"{name} must be at most {MOST:.0e}, not {value}")


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


def check_seed(seed: int) -> None:
    """ValueError for one that a results file cannot keep."""
    if not 0 <= seed < 2**63:
        raise ValueError(f"seed must lie in 0..2^63 - 1, not {seed}")


def keywords(what: str, options: Sequence[str]) -> dict[str, Any]:
    """What options "key=value" say: each value is JSON, or True, False, None, or else a text.

    Raises ValueError, naming `what` they are, for one that is no such option, or is there twice.
    """
    found: dict[str, Any] = {}
    for option in options:
        key, equals, text = option.partition("=")
        if not equals or not key.isidentifier() or key in found:
            raise ValueError(f"{what} is key=value, each key once, not {option!r}")
        try:
            found[key] = json.loads({"True": "true", "False": "false", "None": "null"}.get(text, text))
        except ValueError:
            found[key] = text
    return found


def own_first(kind: type[Kind]) -> type[Kind]:
    """A dataclass whose own fields come before those it takes over, as --help shows them."""
    fields_of = kind.__dataclass_fields__
    kind.__dataclass_fields__ = dict(sorted(fields_of.items(), key=lambda item: item[0] not in kind.__annotations__))
    return kind


@dataclass(frozen=True)
class EnvOptions:
    """How environments are made."""

    env_option: Annotated[tuple[str, ...], tyro.conf.UseAppendAction] = added((), before=())
    """For the environment's own making, key=value, such as is_slippery=False; again for each. Values are JSON."""


@dataclass(frozen=True)
class TimeLimitOptions:
    """What the end of an episode is to an agent that values states."""

    time_limit: Literal["bootstrapped", "terminal"] = added("bootstrapped", before="bootstrapped")
    """What follows where an episode was cut off: what the state is worth, since the task did not end there [Pardo et
    al., arXiv:1712.00378], or nothing, as where it ended. The papers do not say which."""

    def is_terminal(self, terminated: bool, truncated: bool) -> bool:
        """Whether nothing follows a step."""
        return terminated or (truncated and self.time_limit == "terminal")


@dataclass(frozen=True)
class SharingOptions:
    """How parameters are shared: options of the asynchronous systems."""

    push: Literal["mutex", "accumulate"] = "mutex"
    """The optimiser's state shared, under a mutex [QA3C's author's code], or one of each agent's own and atomic
    addition; a root that serves always has a shared one."""
    root: Literal["act", "serve", "auto"] = "auto"
    """Whether rank 0 is an agent too or only serves the others; auto: it serves where pushes would wait for it."""
