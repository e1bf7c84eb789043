"""What goes wrong in gates and in measurements, as rates."""

from dataclasses import dataclass

Pair = tuple[float, float]


@dataclass(frozen=True)
class Noise:
    """Rates, 0 to 1. depolarizing: after a gate of one qubit, or of more, one of the Pauli words on its qubits but the
    identity strikes, all alike. amplitude_damping: the share by which a qubit then relaxes from 1 to 0, each qubit of
    the gate for itself, after a gate of one qubit, or of more. readout: of a 0 to be read as 1, and of a 1 as 0.
    """

    depolarizing: Pair = (0.0, 0.0)
    amplitude_damping: Pair = (0.0, 0.0)
    readout: Pair = (0.0, 0.0)
