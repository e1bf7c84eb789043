"""Gates as a quantum function: what was traced, applied again."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from hpcqrl.quantum import gates
from hpcqrl.quantum.parameters import Parameter


@dataclass(frozen=True)
class Replay:
    """A quantum function that applies gates, with a `Parameter` for each parameter, to wires 0..qubits-1."""

    gates: Sequence[gates.Gate]

    def __call__(self, angles: Any, weights: Any) -> None:
        flat = weights.reshape(-1)

        def value(parameter: Parameter) -> Any:
            total = parameter.offset
            for scale, *places in parameter.terms:
                for place in places:
                    scale = scale * (angles[place] if place < len(angles) else flat[place - len(angles)])
                total = total + scale
            return total

        for name, wires, parameters in self.gates:
            apply = gates.CU3 if name == "C(U3)" else getattr(gates, name)
            apply(*map(value, parameters), wires=wires)
