"""Tables for other programs hold the numbers of the results files."""

import sys

import numpy as np
import pytest
from launch import ROOT
from synthetic import call, rows, write_run

sys.path.insert(0, str(ROOT / "tools"))

import export

from hpcqrl.results.reader import read_run


def exported(tmp_path):
    """A run whose numbers are hard to write exactly, and its tables by name."""
    returns = np.array([0.1, 1 / 3, np.pi * 1e-300, -2.5e17, np.nan, np.inf])
    path = write_run(tmp_path / "hard.h5", returns, system="hdqnn-td3", tests=[-1 / 7, 0.1], test_every=5, steps=60)
    run = read_run(path)
    return path, run, {"episodes": run.episodes, "evaluations": run.evaluations}


def test_csv_holds_the_files_own_numbers(tmp_path, capsys):
    path, run, tables = exported(tmp_path)
    status, _, errors = call(export, capsys, path, "--csv", tmp_path / "csv")
    assert status == 0 and not errors
    for name, expected in tables.items():
        found = rows((tmp_path / "csv" / f"hard-{name}.csv").read_text())
        assert list(found[0]) == ["run", *expected.dtype.names] and {row["run"] for row in found} == {"hard"}
        for column in expected.dtype.names:
            values = np.array([float(row[column]) for row in found]).astype(expected.dtype[column])
            assert np.array_equal(values, expected[column], equal_nan=True), column
    (facts,) = rows((tmp_path / "csv" / "hard-run.csv").read_text())
    assert {f"config.{name}": str(value) for name, value in run.config.items()}.items() <= facts.items()
    assert (facts["system"], facts["agents"], facts["complete"]) == ("hdqnn-td3", "1", "True")


def test_parquet_holds_the_files_own_numbers_and_types(tmp_path, capsys):
    parquet = pytest.importorskip("pyarrow.parquet")
    path, run, tables = exported(tmp_path)
    assert call(export, capsys, path, "--parquet", tmp_path / "parquet")[0] == 0
    for name, expected in tables.items():
        found = parquet.read_table(tmp_path / "parquet" / f"hard-{name}.parquet")
        assert found.column_names == ["run", *expected.dtype.names]
        for column in expected.dtype.names:
            values = found[column].to_numpy()
            assert values.dtype == expected.dtype[column] and np.array_equal(values, expected[column], equal_nan=True)
    (facts,) = parquet.read_table(tmp_path / "parquet" / "hard-run.parquet").to_pylist()
    assert {f"config.{name}": value for name, value in run.config.items()}.items() <= facts.items()


def test_without_pyarrow_parquet_names_the_extra(tmp_path, capsys, monkeypatch):
    monkeypatch.setattr(export, "find_spec", lambda name: None)
    status, _, errors = call(export, capsys, tmp_path / "x.h5", "--parquet", tmp_path)
    assert status and "hpcqrl[parquet]" in errors


def test_export_names_damaged_files_and_replaces_no_table_unasked(tmp_path, capsys):
    good, damaged, tables = write_run(tmp_path / "good.h5", [1.0]), tmp_path / "damaged.h5", tmp_path / "tables"
    damaged.write_bytes((tmp_path / "good.h5").read_bytes()[:3000])
    status, output, errors = call(export, capsys, damaged, good, "--csv", tables)
    assert status == 0 and "damaged.h5" in errors and "1 run written: 2 tables" in output
    assert sorted(path.name for path in tables.iterdir()) == ["good-episodes.csv", "good-run.csv"], "no tests, no table"
    (tables / "good-run.csv").unlink()
    (tables / "good-episodes.csv").write_text("mine")
    status, _, errors = call(export, capsys, good, "--csv", tables)
    assert status and "good-episodes.csv exists" in errors and not (tables / "good-run.csv").exists()
    assert (tables / "good-episodes.csv").read_text() == "mine"
    namesake = write_run(tmp_path / "other" / "good.h5", [2.0])
    status, output, errors = call(export, capsys, good, namesake, "--csv", tables, "--overwrite")
    assert (
        status == 0
        and "other/good.h5" in errors
        and rows((tables / "good-episodes.csv").read_text())[0]["return"] == "1.0"
    )
    status, _, errors = call(export, capsys, good)
    assert status and "--csv FOLDER or --parquet FOLDER" in errors
