"""The text of a circuit within a results file, with a checksum of its own."""

import hashlib

import h5py
import numpy as np

from hpcqrl.results import checksums


def write_circuit(file: h5py.File, text: str) -> None:
    """Add /circuit to a file that has none, with a checksum of its own."""
    data = np.frombuffer(text.encode(), np.uint8)
    dataset = file.create_dataset("circuit", data=data)
    dataset.attrs["about"] = (
        "JSON, UTF-8: the circuit's gates, their parameters in angles and weights, what is measured"
    )
    dataset.attrs["sha256"] = hashlib.sha256(data.tobytes()).hexdigest()


def read_circuit(file: h5py.File) -> str | None:
    """The text of the circuit that an open file holds, or None. Raises ValueError if it is not as it was written."""
    if "circuit" not in file:
        return None
    if not isinstance(file["circuit"], h5py.Dataset) or file["circuit"].dtype != np.uint8:
        raise ValueError("its circuit is not as it was written")
    data = file["circuit"][()].tobytes()
    if hashlib.sha256(data).hexdigest() != file["circuit"].attrs.get("sha256"):
        raise ValueError("its circuit is not as it was written")
    checksums.check_circuit(file, data)
    return data.decode()
