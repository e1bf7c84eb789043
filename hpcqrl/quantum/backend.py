"""Where a circuit runs, and how: what a user says of a QPU, put together."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Literal

from hpcqrl.quantum.noise import Noise

NATIVE = "native"
NATIVE_GPU = "native-gpu"
_rank = 0


def this_rank(rank: int) -> None:
    """Say, once and before any device is made, which agent's QPUs those of this process are."""
    global _rank
    _rank = rank


@dataclass(frozen=True)
class Backend:
    """name: "native", "native-gpu", or a PennyLane device's; make: a function (wires, shots, seed, rank) that makes it.

    options: of a named device. gradient: None for the device's own way; see gradients.py for the others. latency,
    overhead, shot_time: seconds of a circuit, of a submission, of a shot, to emulate a QPU; jitter: the share by which
    a circuit's varies. timeout: seconds without an answer until a call has failed, 0: none; retries: of calls that did.
    noise: of the native kernels; rank: which agent's QPU it is.
    """

    name: str = NATIVE
    make: Callable[..., Any] | None = None
    options: Mapping[str, Any] = field(default_factory=dict)
    gradient: Literal["exact", "shift", "spsa"] | None = None
    latency: float = 0.0
    jitter: float = 0.0
    overhead: float = 0.0
    shot_time: float = 0.0
    timeout: float = 0.0
    retries: int = 0
    noise: Noise | None = None
    rank: int = field(default_factory=lambda: _rank)

    def __post_init__(self) -> None:
        for what in ("latency", "overhead", "shot_time", "timeout"):
            if not 0.0 <= getattr(self, what) < float("inf"):
                raise ValueError(f"{what} must be 0 or more seconds, not {getattr(self, what)}")
        if not 0.0 <= self.jitter <= 1.0:
            raise ValueError(f"jitter must lie in 0..1, not {self.jitter}")

    def made(self, wires: Sequence[Any], shots: int | None, seed: int) -> Any:
        """What the user's function makes; None where there is none. Raises ValueError, in one line, if it fails."""
        if self.make is None:
            return None
        try:
            return self.make(wires, shots, seed, self.rank)
        except ValueError:
            raise
        except Exception as error:  # whatever a user's function may do wrong
            raise ValueError(f"{self.name} fails: {type(error).__name__}: {error}") from error

    @property
    def is_native(self) -> bool:
        """Whether the circuit runs in this package's kernels."""
        return self.name in (NATIVE, NATIVE_GPU) and self.make is None

    @property
    def on_gpu(self) -> bool:
        """Whether in those on a GPU."""
        return self.name == NATIVE_GPU and self.make is None

    @property
    def is_emulated(self) -> bool:
        """Whether results shall come as late as those of hardware."""
        return self.latency + self.overhead + self.shot_time > 0.0
