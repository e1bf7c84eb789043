"""Pauli words: what is measured of a circuit."""

from collections.abc import Sequence
from typing import Any

Word = tuple[tuple[int, str], ...]  # qubits and their letters


def parse(word: Any, wires: Sequence[Any]) -> Word:
    """The qubits and letters of a word such as "Z0 X1": letters X, Y or Z, each before the label of a wire.

    Raises ValueError for what is no such word on these wires.
    """
    if not isinstance(word, str) or not word.split():
        raise ValueError(f"a word is text that names a qubit or more, such as 'Z0 X1', not {word!r}")
    qubit = {str(wire): number for number, wire in enumerate(wires)}
    found: dict[int, str] = {}
    for part in word.split():
        letter, label = part[0], part[1:]
        if letter not in ("X", "Y", "Z"):
            raise ValueError(f"letters are X, Y and Z, not {letter!r} in word {word!r}")
        if label not in qubit:
            raise ValueError(f"word {word!r} names wire {label!r}, which the circuit does not have")
        if qubit[label] in found:
            raise ValueError(f"word {word!r} names wire {label} twice")
        found[qubit[label]] = letter
    return tuple(found.items())


def measured_together(words: Sequence[Word]) -> list[tuple[dict[int, str], list[int]]]:
    """Groups of words that one measurement of all qubits gives: along which axes, and the words' numbers."""
    groups: list[tuple[dict[int, str], list[int]]] = []
    for number, word in enumerate(words):
        fitting = (group for group in groups if all(group[0].get(qubit, letter) == letter for qubit, letter in word))
        letters, numbers = group = next(fitting, ({}, []))
        if not numbers:
            groups.append(group)
        letters.update(word)
        numbers.append(number)
    return groups
