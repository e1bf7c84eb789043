"""All tests, in processes beside each other, as most of a test is waiting: python tests/side_by_side.py

First what measures time or memory, alone (`pytest.mark.alone`). Then several processes of pytest have all other tests
before them, and each takes the next file that no other has taken (conftest.py). The names of the files are printed as
they are taken; at the end what each process had to say, and last of all the tests that failed, if any did.
"""

import os
import signal
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from launch import ROOT, kill_all

PROCESSES = min(len(os.sched_getaffinity(0)) + 1, 6)
SECONDS = 4200  # that all tests may take: what then still runs is interrupted, and says where it was
SECONDS_TO_END = 120  # that this may take
KERNELS = """
from hpcqrl.models import dressed_circuit
from hpcqrl.quantum import noisy_device, simulator
for module in (simulator, dressed_circuit, noisy_device):
    module.compile_kernels()
"""  # once, not by all at the same time


def main() -> int:
    """The exit status: 0 if all tests passed."""
    until, failed = time.monotonic() + SECONDS, []
    subprocess.run([sys.executable, "-c", KERNELS], check=True, cwd=ROOT, timeout=SECONDS)
    with tempfile.TemporaryDirectory() as folder:
        for chosen, processes in (("alone", 1), ("not alone", PROCESSES)):
            failed += run(Path(folder) / chosen, chosen, processes, until)
    print("\n".join(failed) or "all tests passed")
    return 1 if failed else 0


def run(folder: Path, chosen: str, processes: int, until: float) -> list[str]:
    """Have the tests of these marks run by so many processes; a line for each test or process that failed."""
    taken, failed = folder / "taken", []
    taken.mkdir(parents=True)
    variables = os.environ | {"HPCQRL_TEST_TAKEN": str(taken)}
    command = [sys.executable, "-u", "-m", "pytest", "-p", "no:cacheprovider", "--durations=12", "-m", chosen]
    logs = [folder / f"{number}.log" for number in range(1, processes + 1)]
    started = []
    for log in logs:
        with log.open("w") as output:
            started.append(subprocess.Popen(command, stdout=output, stderr=subprocess.STDOUT, env=variables, cwd=ROOT))
    try:
        wait(started, taken, until)
    finally:
        for process in started:
            if process.poll() is None:
                kill_all(process)
    for log, process in zip(logs, started, strict=True):
        said = log.read_text(errors="replace")
        print(f"\n{chosen}, process {log.stem} of {processes}:\n{said}")
        failed += [line for line in said.splitlines() if line.startswith(("FAILED ", "ERROR "))]
        if process.returncode not in (0, 1):
            failed.append(f"FAILED {chosen}, process {log.stem} of {processes}, with status {process.returncode}")
        elif process.returncode and not failed:
            failed.append(f"FAILED {chosen}, process {log.stem} of {processes}")
    return failed


def wait(started: list[subprocess.Popen], taken: Path, until: float) -> None:
    """Wait for all of them, and print what they take; interrupt those that take too long."""
    printed: set[str] = set()
    interrupted = False
    while any(process.poll() is None for process in started) and time.monotonic() < until + SECONDS_TO_END:
        for name in sorted({path.name for path in taken.iterdir()} - printed):
            print(f"{time.strftime('%H:%M:%S')} {name}", flush=True)
            printed.add(name)
        if time.monotonic() > until and not interrupted:
            interrupted = True
            for process in started:
                process.send_signal(signal.SIGINT)
        time.sleep(0.5)


if __name__ == "__main__":
    sys.exit(main())
