"""Write what results files hold as CSV or Parquet, for other programs.

python tools/export.py runs/*.h5 --csv tables
python tools/export.py runs/*.h5 --parquet tables
"""

import csv
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import numpy as np
import tyro
from reading import say

from hpcqrl.results.reader import Run, read_run
from hpcqrl.results.schema import PROVENANCE

Columns = Mapping[str, Sequence[Any] | np.ndarray]


@dataclass(frozen=True)
class Options:
    """Write what results files hold as CSV or Parquet: of RUN.h5, RUN-run, RUN-episodes and RUN-evaluations.

    Every table's first column is `run`, the file's name without its ending: tables of many files can be put one under
    the other, and what is in RUN-run, the configuration in columns config.X, be joined to their rows.
    """

    runs: tyro.conf.Positional[tuple[Path, ...]]
    """Results files; a run that is not complete is written as far as it is."""
    csv: Path | None = None
    """Folder for CSV files. Numbers are exact: what reads them as doubles has the file's own bits."""
    parquet: Path | None = None
    """Folder for Parquet files, with the file's own types. Needs the extra `parquet`."""
    overwrite: tyro.conf.FlagCreatePairsOff[bool] = False
    """Replace tables that are there already."""


def tables(run: Run) -> dict[str, Columns]:
    """The run's tables: a row of facts, the episodes, and the tests while training if there were any."""
    facts = {"system": run.system, "seed": run.seed, "agents": run.agents, "complete": run.complete}
    facts |= {name: str(run.attributes.get(name, "")) for name in ("created", *PROVENANCE)}
    facts |= {f"config.{name}": value for name, value in run.config.items()}
    found: dict[str, Columns] = {"run": {"run": [run.path.stem]} | {name: [value] for name, value in facts.items()}}
    for name, rows in (("episodes", run.episodes), ("evaluations", run.evaluations)):
        if name == "episodes" or len(rows):
            columns: Columns = {column: rows[column] for column in rows.dtype.names or ()}
            found[name] = {"run": [run.path.stem] * len(rows), **columns}
    return found


def write_csv(path: Path, columns: Columns) -> None:
    """A table as CSV; what is not a number is NaN, what is not set is empty."""
    cells = [values.tolist() if isinstance(values, np.ndarray) else values for values in columns.values()]
    with open(path, "w", newline="") as file:
        writer = csv.writer(file, lineterminator="\n")
        writer.writerow(columns)
        for row in zip(*cells, strict=True):
            writer.writerow("NaN" if value != value else value for value in row)  # R does not read nan


def write_parquet(path: Path, columns: Columns) -> None:
    """A table as Parquet."""
    import pyarrow
    from pyarrow import parquet

    parquet.write_table(pyarrow.table(dict(columns)), path)


def main() -> None:
    """Read one file after the other, name those that cannot be used, and write the tables of the rest."""
    options = tyro.cli(Options, description=__doc__)
    if options.csv is None and options.parquet is None:
        sys.exit("export: --csv FOLDER or --parquet FOLDER is needed (a trained policy is written by `hpcqrl export`)")
    if options.parquet is not None and find_spec("pyarrow") is None:
        sys.exit('export: --parquet needs pyarrow: pip install "hpcqrl[parquet]"')
    exported, written = 0, set[Path]()
    for source in dict.fromkeys(options.runs):
        try:
            run = read_run(source)
            outputs = {
                folder / f"{run.path.stem}-{name}.{ending}": (write, columns)
                for folder, ending, write in (
                    (options.csv, "csv", write_csv),
                    (options.parquet, "parquet", write_parquet),
                )
                if folder is not None
                for name, columns in tables(run).items()
            }
            for path in outputs:
                if path in written:
                    raise ValueError(f"{source}, since another of these runs has its name; another folder for it")
                if path.exists() and not options.overwrite:
                    raise ValueError(f"{source}, since {path} exists; another folder, or --overwrite")
        except ValueError as error:
            say("export", f"left out: {error}")
            continue
        for path, (write, columns) in outputs.items():
            try:
                path.parent.mkdir(parents=True, exist_ok=True)
                partial = path.with_name(f".{path.name}.partial")
                try:
                    write(partial, columns)
                    partial.replace(path)
                finally:
                    partial.unlink(missing_ok=True)
            except OSError as error:
                sys.exit(f"export: cannot write {path}: {error}")
        written |= set(outputs)
        exported += 1
    if not exported:
        sys.exit("export: nothing was written")
    folders = " and ".join(sorted({str(path.parent) for path in written}))
    print(f"{exported} run{'s' * (exported > 1)} written: {len(written)} tables in {folders}")


if __name__ == "__main__":
    main()
