"""Change a results file as one would who means it: with checksums that are right."""

import zlib
from collections.abc import Iterator
from contextlib import contextmanager

import h5py
import numpy as np

from hpcqrl.results import checksums
from hpcqrl.results.checkpoint import Checkpoint, packed_checkpoint


@contextmanager
def resealed(path) -> Iterator[h5py.File]:
    """The file, to be changed; afterwards the checksums of its attributes, parameters and circuit are right."""
    with h5py.File(path, "r+") as file:
        yield file
        if isinstance(file.get("checksums"), h5py.Group):
            parameters: dict = {}
            if isinstance(file.get("parameters"), h5py.Group):
                file["parameters"].visititems(
                    lambda name, item: parameters.update({name: item[()]}) if isinstance(item, h5py.Dataset) else None
                )
            if "circuit" in file["checksums"] and "circuit" in file:
                file["checksums/circuit"][()] = zlib.crc32(file["circuit"][()].tobytes())
            file["checksums"].attrs["parameters"] = checksums.of_arrays(parameters)
            file["checksums"].attrs["attributes"] = checksums.of_attributes(dict(file.attrs))


def keep(path, saved: Checkpoint, **facts) -> None:
    """Give the file that this was read from this checkpoint in the place of its own. facts: of it, to be others."""
    with h5py.File(path, "r+") as file:
        written = {name: (rows, None) for name, rows in saved.rows.items()} | facts.pop("rows", {})
        elapsed = facts.pop("elapsed", saved.elapsed)
        data = np.frombuffer(b"".join(packed_checkpoint(written, elapsed, saved.common, saved.agents)), np.uint8)
        del file["checkpoint"]
        file["checkpoint"] = data.reshape(1, -1)
        checksum = zlib.crc32(data)
        record = checksums.of_checkpoint(0, data.size, saved.attributes["checkpointed"], False, checksum)
        file["checksums/checkpoint"][()] = record
