"""The tools are commands, from a checkout and from an installed package, and help fits on a narrow terminal."""

import shutil
import sys
import tomllib

import pytest
from launch import BIN, ROOT, hpcqrl, run
from synthetic import write_run

from hpcqrl import __main__
from hpcqrl.tools import TOOLS

STARTED = ("", "train", "train qa3c", "resume", "data")  # as users do; the others here, which is sooner
CALLED = ("evaluate", "export", "describe", "describe ppo", "state", "check", "scaling run")


@pytest.mark.parametrize("command", [*STARTED, *CALLED, *sorted(set(TOOLS) - {"data"})])
def test_help_fits_into_80_columns(command, capsys, monkeypatch):
    if command in STARTED:
        done = hpcqrl(*command.split(), "--help", COLUMNS="80")
        status, text = done.returncode, done.stdout
    else:
        monkeypatch.setenv("COLUMNS", "80")
        monkeypatch.setattr(sys, "argv", ["hpcqrl", *command.split(), "--help"])
        monkeypatch.setattr(sys, "path", sys.path[:])
        status = 0
        try:
            __main__.main()
        except SystemExit as end:
            status = end.code
        text = capsys.readouterr().out
    assert not status and "hpcqrl " in text and max(map(len, text.splitlines())) <= 80


def test_a_tool_and_its_command_print_the_same(tmp_path):
    file = write_run(tmp_path / "x.h5", [1.0, 3.0])
    program = run(sys.executable, "tools/table.py", file, "--last", "2")
    command = hpcqrl("table", file, "--last", "2")
    assert program.returncode == command.returncode == 0, command.stderr
    assert command.stdout == program.stdout and "| 2.0000 |" in command.stdout


def test_the_two_that_write_a_run_for_others_are_told_apart(tmp_path):
    file = write_run(tmp_path / "x.h5", [1.0, 3.0])
    data = hpcqrl("data", file, "--csv", str(tmp_path / "csv"))
    assert data.returncode == 0 and (tmp_path / "csv/x-episodes.csv").exists(), data.stderr
    neither = hpcqrl("data", file)
    assert neither.returncode and neither.stderr.startswith("data: ") and "`hpcqrl export`" in neither.stderr
    assert "hpcqrl data" in hpcqrl("export", "--help").stdout


def test_an_installed_package_has_them_too(tmp_path):
    """As `pip install .` lays them out: the packages that pyproject.toml names, in the folders that it says."""
    setuptools = tomllib.loads((ROOT / "pyproject.toml").read_text())["tool"]["setuptools"]
    for name in setuptools["packages"]:
        first, *rest = name.split(".")
        source = ROOT.joinpath(setuptools["package-dir"][first], *rest)
        shutil.copytree(source, tmp_path / name.replace(".", "/"), ignore=lambda folder, names: [
            each for each in names if not each.endswith((".py", ".typed"))
        ])  # fmt: skip
    missing = [path for path in (ROOT / "hpcqrl").rglob("*.py") if not (tmp_path / path.relative_to(ROOT)).exists()]
    assert not missing, f"pyproject.toml does not name the packages of {missing}"
    file, figure = write_run(tmp_path / "x.h5", [1.0, 3.0]), tmp_path / "x.png"
    done = run(str(BIN / "hpcqrl"), "curves", file, "--out", str(figure), PYTHONPATH=str(tmp_path))
    assert done.returncode == 0 and figure.exists(), done.stderr
    where = run(sys.executable, "-P", "-c", "import hpcqrl.tools as t; print(t.__file__)", PYTHONPATH=str(tmp_path))
    assert str(tmp_path) in where.stdout


def test_what_a_tool_lacks_is_named_with_the_extra_that_has_it(tmp_path):
    (tmp_path / "matplotlib.py").write_text("raise ModuleNotFoundError('no', name='matplotlib')")
    file = write_run(tmp_path / "x.h5", [1.0, 3.0])
    done = hpcqrl("curves", file, PYTHONPATH=f"{tmp_path}:{ROOT}")
    assert done.returncode == 1 and "hpcqrl[tools]" in done.stderr and "Traceback" not in done.stderr
    assert hpcqrl("table", file, PYTHONPATH=f"{tmp_path}:{ROOT}").returncode == 0, "it draws nothing"


def test_version_is_an_option_too():
    assert hpcqrl("--version").stdout == hpcqrl("version").stdout
