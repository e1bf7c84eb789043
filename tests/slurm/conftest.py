"""A real Slurm cluster of four emulated nodes, for as long as the tests of a file here run."""

import os
import re
import shutil
import subprocess
import time
from pathlib import Path

import pytest
from launch import BIN, PATIENCE, ROOT, clean_environment

HERE = Path(__file__).parent
PROGRAMS = ("slurmctld", "slurmd", "munged", "sbatch")


@pytest.fixture(scope="module")
def cluster(tmp_path_factory):
    """The cluster, as a Cluster; skips where there is no Slurm, and it may not be installed."""
    path = os.environ["PATH"] + ":/usr/sbin"
    wanted = os.environ.get("HPCQRL_TEST_SLURM") or ("install" if os.environ.get("CI") == "true" else "")
    if wanted not in ("run", "install"):
        pytest.skip("HPCQRL_TEST_SLURM=run starts a Slurm cluster for these tests; =install allows to install it")
    if os.geteuid() != 0:
        pytest.skip("a Slurm cluster of one's own needs root")
    if not all(shutil.which(program, path=path) for program in PROGRAMS):
        if wanted != "install":
            pytest.skip("no Slurm here; HPCQRL_TEST_SLURM=install allows to install Debian's")
        if subprocess.run(["timeout", "600", "bash", HERE / "install.sh"]).returncode:
            pytest.skip("Debian's Slurm cannot be installed here; install.sh says why")
    kernels = (
        "from hpcqrl.quantum.simulator import compile_kernels; compile_kernels()"  # once, not in many jobs at a time
    )
    subprocess.run([BIN / "python", "-c", kernels], check=True, cwd=ROOT, timeout=PATIENCE)
    folder = tmp_path_factory.mktemp("slurm")
    process = subprocess.Popen(
        ["bash", HERE / "cluster.sh", folder],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
        env=clean_environment(),
        start_new_session=True,
    )
    try:
        assert process.stdout.readline() == "ready\n", "the cluster did not start; cluster.sh says why"
        yield Cluster(folder)
    finally:
        process.stdin.close()  # the end of its input ends it
        process.wait(timeout=60)


class Cluster:
    """What a user of the cluster does: submit, look, signal."""

    def __init__(self, folder: Path) -> None:
        self._variables = {"SLURM_CONF": str(folder / "slurm.conf"), "HYDRA_IFACE": "lo"}

    def call(self, *command: str, **variables: str) -> str:
        """What a Slurm command prints."""
        path = f"{BIN}:{os.environ['PATH']}"
        environment = clean_environment(**({"PATH": path} | self._variables | variables))
        done = subprocess.run(command, capture_output=True, text=True, env=environment, cwd=ROOT, timeout=PATIENCE)
        assert done.returncode == 0, done.stderr
        return done.stdout

    def submit(self, script: str, log: Path, *arguments: str, options: tuple[str, ...] = (), **variables: str) -> str:
        """Submit a script of jobs/; its job's number."""
        command = ("sbatch", "--parsable", f"--output={log}", *options, f"jobs/{script}.sbatch", *arguments)
        return self.call(*command, **variables).strip()

    def facts(self, job: str) -> dict[str, str]:
        """What Slurm knows of a job, or of an element of an array: JobState, ExitCode, Restarts, ..."""
        shown = self.call("scontrol", "--oneliner", "show", "job", job).splitlines()[0]
        return dict(re.findall(r"(\w+)=(\S*)", shown))

    def wait(self, job: str, *states: str, seconds: float = PATIENCE) -> dict[str, str]:
        """The facts of a job once it is in one of the states, by default those that are final."""
        until = time.monotonic() + seconds
        while True:
            facts = self.facts(job)
            if facts["JobState"] in (states or ("COMPLETED", "FAILED", "CANCELLED", "TIMEOUT", "NODE_FAIL")):
                return facts
            assert time.monotonic() < until, f"job {job} is {facts['JobState']} after {seconds} s"
            time.sleep(0.2)


@pytest.fixture(autouse=True)
def nothing_left(request):
    """Ends the jobs of a test that failed, and waits for their end, so that they do not disturb the next."""
    yield
    if "cluster" in request.fixturenames:
        cluster = request.getfixturevalue("cluster")
        cluster.call("scancel", "--user=root")
        until = time.monotonic() + 120.0
        while cluster.call("squeue", "--noheader") and time.monotonic() < until:
            time.sleep(0.1)
