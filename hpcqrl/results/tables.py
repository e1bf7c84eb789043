"""The tables of a results file, as they are read: episodes, and tests while training."""

import h5py
import numpy as np

from hpcqrl.results import checksums
from hpcqrl.results.plain import PlainFile
from hpcqrl.results.schema import COLUMNS, ORDER, row_dtype


def table(file: h5py.File, name: str) -> h5py.Dataset:
    """A table of an open file, with at least the columns that every run records. ValueError for one of another kind."""
    dataset = file[name]
    if not isinstance(dataset, h5py.Dataset) or dataset.ndim != 1 or dataset.dtype.names is None:
        raise ValueError(f"its {name} are no table")
    kinds = {column: kind for column, (kind, *_) in (dataset.dtype.fields or {}).items()}
    lacking = [column.name for column in COLUMNS[name] if column.name not in kinds]
    if lacking:
        raise ValueError(f"its {name} lack {', '.join(lacking)}")
    wrong = {column.name for column in COLUMNS[name] if kinds[column.name] != np.dtype(column.dtype)}
    wrong |= {column for column, kind in kinds.items() if kind.kind not in "biuf"}
    if wrong:
        raise ValueError(f"its {name} have {', '.join(sorted(wrong))} of another type")
    return dataset


def read_rows(file: PlainFile, name: str) -> np.ndarray:
    """All rows of a table, in their order; none if there is no such table. ValueError for one that is damaged."""
    if name not in file:
        return np.empty(0, row_dtype(COLUMNS[name]))
    dataset = table(file, name)
    if name in file.written:
        rows = dataset[: max(int(file.written[name]["rows"]), 0)]
        checksums.check_rows(file.written[name], name, rows)
    else:
        rows = dataset[:]
    order = ordering(rows, name)
    return rows if (np.diff(order) == 1).all() else rows[order]


def ordering(rows: np.ndarray, name: str) -> np.ndarray:
    """The numbers of a table's rows in their order."""
    return np.lexsort([rows[column] for column in reversed(ORDER[name])])
