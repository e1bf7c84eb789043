"""Write what results files hold, for other programs: CSV, Parquet, TensorBoard, Weights & Biases, rliable.

$ hpcqrl data runs/*.h5 --csv tables
$ hpcqrl data runs/*.h5 --tensorboard events
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
from reading import read_runs, say
from scores import score_matrices, write_scores
from trackers import followed

from hpcqrl.results.reader import Run, read_run
from hpcqrl.results.schema import PROVENANCE

TOOL = Path(sys.argv[0]).stem.split()[-1] if sys.argv[0] else "export"  # data, where it is `hpcqrl data`
Columns = Mapping[str, Sequence[Any] | np.ndarray]


@dataclass(frozen=True)
class Options:
    """Write what results files hold, for other programs.

    CSV and Parquet are tables: of RUN.h5, RUN-run, RUN-episodes and RUN-evaluations. Their first column is `run`, the
    file's name without its ending: tables of many files can be put one under the other, and what is in RUN-run, the
    configuration in columns config.X, be joined to their rows.
    """

    runs: tyro.conf.Positional[tuple[Path, ...]]
    """Results files; a run that is not complete is written as far as it is."""
    csv: Path | None = None
    """Folder for CSV files. Numbers are exact: what reads them as doubles has the file's own bits."""
    parquet: Path | None = None
    """Folder for Parquet files, with the file's own types. Needs the extra `parquet`."""
    tensorboard: Path | None = None
    """Folder for TensorBoard's event files, a folder in it for each run; tags as CleanRL's. Needs the extra
    `trackers`."""
    wandb_offline: Path | None = None
    """Folder for runs of Weights & Biases, which `wandb sync` sends; names as CleanRL's. Needs the extra `trackers`."""
    scores: Path | None = None
    """A file (.npz) of score matrices, seeds by environments, one for each algorithm, as rliable takes them."""
    last: int = 100
    """A score is the mean return over so many last episodes: of each agent in dist-qtrl, else of all."""
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
    """Write what is asked for of the files that can be used, and name the rest."""
    options = tyro.cli(Options, description=__doc__)
    wanted = options.csv, options.parquet, options.tensorboard, options.wandb_offline, options.scores
    if all(each is None for each in wanted):
        kinds = "--csv FOLDER or --parquet FOLDER, --tensorboard FOLDER, --wandb-offline FOLDER or --scores FILE"
        sys.exit(f"{TOOL}: {kinds} is needed (a trained policy is written by `hpcqrl export`)")
    if options.parquet is not None and find_spec("pyarrow") is None:
        sys.exit(f'{TOOL}: --parquet needs pyarrow: pip install "hpcqrl[parquet]"')
    if options.last < 1:
        sys.exit(f"{TOOL}: last must be at least 1, not {options.last}")
    followed(options.tensorboard, options.wandb_offline, TOOL)  # whether there is what they need
    try:
        if options.csv is not None or options.parquet is not None:
            write_tables(options)
        if options.tensorboard is not None or options.wandb_offline is not None:
            write_trackers(options)
        if options.scores is not None:
            matrices, environments = score_matrices(
                read_runs(options.runs, TOOL, incomplete=False, hint=""), options.last, TOOL
            )
            if not matrices:
                sys.exit(f"{TOOL}: no scores: no algorithm has runs in all environments")
            write_scores(options.scores, matrices)
            seeds = ", ".join(f"{name}: {len(matrix)} seeds" for name, matrix in matrices.items())
            print(f"written: {options.scores}: {seeds}; environments: {', '.join(environments)}")
    except OSError as error:
        sys.exit(f"{TOOL}: cannot write {error.filename or ''}: {error}")


def write_trackers(options: Options) -> None:
    """One file after the other to the trackers that are asked for."""
    written = 0
    for source in dict.fromkeys(options.runs):
        try:
            run = read_run(source)
        except ValueError as error:
            say(TOOL, f"left out: {error}")
            continue
        for each in followed(options.tensorboard, options.wandb_offline, TOOL):
            each.update(run)
            each.close()
        written += 1
    if not written:
        sys.exit(f"{TOOL}: nothing was written")
    folders = " and ".join(str(each) for each in (options.tensorboard, options.wandb_offline) if each is not None)
    print(f"{written} run{'s' * (written > 1)} written: {folders}")


def write_tables(options: Options) -> None:
    """Read one file after the other, name those that cannot be used, and write the tables of the rest."""
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
            say(TOOL, f"left out: {error}")
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
                sys.exit(f"{TOOL}: cannot write {path}: {error}")
        written |= set(outputs)
        exported += 1
    if not exported:
        sys.exit(f"{TOOL}: nothing was written")
    folders = " and ".join(sorted({str(path.parent) for path in written}))
    print(f"{exported} run{'s' * (exported > 1)} written: {len(written)} tables in {folders}")


if __name__ == "__main__":
    main()
