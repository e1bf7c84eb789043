"""The scripts for PBS, LSF and Flux train, are warned, and go on, with stand-ins of the schedulers' own commands.

What a real scheduler does is here from its manual; Slurm's scripts, which share all but some lines, run under a real
one.
"""

import json
import os
import signal
import subprocess
import time

import pytest
from launch import BIN, ROOT, clean_environment, finish, kill_all

from hpcqrl.results.reader import read_run

SMALL = "qdqn-dper --qubits 2 --layers 1 --qpu-latency 0.05 --checkpoint-every 0"  # some seconds, most of them asleep


@pytest.fixture
def job(tmp_path):
    """Starts a script as a scheduler does; folder: its commands, each of which notes how it was called."""
    folder, started = tmp_path / "commands", []
    folder.mkdir()

    def command(name, text):
        (folder / name).write_text(f'#!/usr/bin/env bash\necho "{name} $*" >>{tmp_path}/called\n{text}\n')
        (folder / name).chmod(0o755)

    def start(script, *arguments, **variables):
        environment = clean_environment(**variables) | {"PATH": f"{folder}:{BIN}:{os.environ['PATH']}"}
        process = subprocess.Popen(
            ["bash", ROOT / "jobs" / script, *arguments],
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            env=environment,
            cwd=ROOT,
            start_new_session=True,
        )
        started.append(process)
        return process

    start.command, start.called = command, tmp_path / "called"
    yield start
    for process in started:
        kill_all(process)


def of_pbs(tmp_path, number="7.server", **variables):
    hosts = tmp_path / "hosts"
    hosts.write_text("localhost\nlocalhost\n")
    said = {"PBS_JOBID": number, "PBS_JOBNAME": "hpcqrl", "PBS_NODEFILE": str(hosts), "PBS_O_WORKDIR": str(ROOT)}
    return said | {"PBS_QUEUE": "workq"} | variables


def of_lsf(number="7", **variables):
    said = {"LSB_JOBID": number, "LSB_JOBNAME": "hpcqrl", "LSB_JOBINDEX": "0", "LSB_DJOB_NUMPROC": "2"}
    return said | {"LSB_MCPU_HOSTS": "localhost 2"} | variables


FLUX_SPECIFICATION = {
    "resources": [{"type": "node", "count": 1, "with": [{"type": "slot", "count": 2, "with": []}]}],
    "attributes": {"system": {"duration": 60, "environment": {"A": "b"}}},
}
FLUX = f"""case "$*" in
"--parent job info --original "*" jobspec") echo '{json.dumps(FLUX_SPECIFICATION)}' ;;
"--parent jobs "*) echo localhost hpcqrl ;;
"run -n 2 "*) shift && exec mpiexec "$@" ;;
"python -c "*) shift && exec python3 "$@" ;;
"--parent job submit") cat >"$SUBMITTED" ;;
*) exit 9 ;;
esac"""


def warn_when_it_runs(process, out):
    while not out.exists():
        assert process.poll() is None, process.communicate()
        time.sleep(0.05)
    process.send_signal(signal.SIGUSR1)


PBS_JOB = """cat <<END
Job Id: 7.server
    Resource_List.select = 1:ncpus=2:mpiprocs=2
    Resource_List.walltime = 00:01:0$LEFT
    Account_Name = mine
END"""


def test_a_job_of_pbs_warns_itself_and_submits_one_that_carries_on(job, tmp_path):
    out = tmp_path / "run.h5"
    job.command("qstat", PBS_JOB)
    job.command("qsub", f'echo "$HPCQRL_TRAIN" >{tmp_path}/train; echo "$HPCQRL_AFTER" >{tmp_path}/after')
    wanted = {"HPCQRL_TRAIN": f"{SMALL} --episodes 100000 --out {out}", "HPCQRL_WARNING": "55", "LEFT": "1"}
    done = finish(job("train.pbs", **of_pbs(tmp_path, **wanted)), 60)  # warned 6 s after its start
    assert done.returncode == 75 and "job 7.server on localhost: hpcqrl train qdqn-dper" in done.stdout, done
    (submitted,) = [line for line in job.called.read_text().splitlines() if line.startswith("qsub")]
    assert "depend=afterany:7.server" in submitted and "select=1:ncpus=2:mpiprocs=2" in submitted
    assert "-q workq" in submitted and "-A mine" in submitted and submitted.endswith("jobs/train.pbs")
    run = read_run(out)
    assert run.agents == 2 and run.attributes["job"] == "7.server"
    after = {"HPCQRL_TRAIN": (tmp_path / "train").read_text(), "HPCQRL_AFTER": (tmp_path / "after").read_text().strip()}
    again = job("train.pbs", **of_pbs(tmp_path, "8.server", LEFT="9", **after))
    while "8.server" not in str(read_run(out).attributes["job"]):
        assert again.poll() is None, again.communicate()
        time.sleep(0.2)
    again.send_signal(signal.SIGUSR1)
    assert f"hpcqrl resume {out}" in finish(again, 60).stdout


def test_lsf_starts_a_job_again_by_its_exit_status(job, tmp_path):
    out = tmp_path / "run.h5"
    wanted = of_lsf(HPCQRL_TRAIN=f"{SMALL} --episodes 150 --out {out}")
    assert '#BSUB -Q "75"' in (ROOT / "jobs/train.lsf").read_text()
    first = job("train.lsf", **wanted)
    warn_when_it_runs(first, out)
    done = finish(first, 60)
    assert done.returncode == 75 and "it is queued again" in done.stdout, done
    second = finish(job("train.lsf", **wanted), 60)
    assert second.returncode == 0 and f"hpcqrl resume {out}" in second.stdout, second
    assert read_run(out).complete and read_run(out).episodes["episode"].tolist() == list(range(150))
    other = finish(job("train.lsf", **wanted | {"LSB_JOBID": "9"}), 60)
    assert other.returncode == 2 and "exists" in other.stderr, "another job replaces no results"


def test_a_job_of_flux_submits_its_own_specification_to_carry_on(job, tmp_path):
    out, submitted = tmp_path / "run.h5", tmp_path / "submitted"
    job.command("flux", FLUX)
    wanted = (*SMALL.split(), "--episodes", "40", "--out", out)
    first = job("train.flux", *wanted, FLUX_ENCLOSING_ID="f7", SUBMITTED=str(submitted))
    warn_when_it_runs(first, out)
    done = finish(first)
    assert done.returncode == 75 and "job f7 on localhost: hpcqrl train qdqn-dper" in done.stdout, done
    system = json.loads(submitted.read_text())["attributes"]["system"]
    assert system["duration"] == 60 and system["dependencies"] == [{"scheme": "afterany", "value": "f7"}]
    assert system["environment"] == {"A": "b", "HPCQRL_AFTER": "f7"}, "what is there stays"
    second = finish(job("train.flux", *wanted, FLUX_ENCLOSING_ID="f8", HPCQRL_AFTER="f7"))
    assert second.returncode == 0 and f"hpcqrl resume {out}" in second.stdout, second
    assert read_run(out).complete and read_run(out).episodes["episode"].tolist() == list(range(40))


def test_an_element_of_an_array_has_a_seed_and_a_file_of_its_own(job, tmp_path):
    out = tmp_path / "run.h5"
    train = f"{SMALL} --episodes 2 --out {out}"
    lsf = job("train.lsf", **of_lsf(HPCQRL_TRAIN=train, LSB_JOBINDEX="3", LSB_JOBNAME="seeds[1-3]"))
    assert finish(lsf, 60).returncode == 0 and read_run(tmp_path / "run-3.h5").seed == 3
    job.command("qstat", PBS_JOB)
    pbs = job("train.pbs", **of_pbs(tmp_path, "7[4].server", HPCQRL_TRAIN=train, PBS_ARRAY_INDEX="4", LEFT="9"))
    assert finish(pbs, 60).returncode == 0 and read_run(tmp_path / "run-4.h5").seed == 4


def test_the_command_may_have_arguments_and_the_launcher_too(job, tmp_path):
    out = tmp_path / "run.h5"
    job.command("apptainer", '[ "$1 $2" = "exec image.sif" ] && shift 2 && exec "$@"')
    job.command("jsrun", '[ "$1" = -a1 ] && shift && exec mpiexec "$@"')
    commands = {"HPCQRL": "apptainer exec image.sif hpcqrl", "HPCQRL_LAUNCHER": "jsrun -a1"}
    done = finish(job("train.lsf", **of_lsf(HPCQRL_TRAIN=f"{SMALL} --episodes 2 --out {out}", **commands)), 60)
    assert done.returncode == 0 and read_run(out).agents == 2, done
    called = job.called.read_text()
    assert called.count("jsrun -a1 -n 2 apptainer exec image.sif hpcqrl train") == 1
    assert "apptainer exec image.sif hpcqrl state" in called


def test_what_is_wrong_ends_the_job_with_its_status(job, tmp_path):
    done = finish(job("train.lsf", **of_lsf(HPCQRL_TRAIN="qa3c --no-such-option")), 60)
    assert done.returncode == 2 and "no-such-option" in done.stderr
    done = finish(job("train.lsf", **of_lsf(HPCQRL_TRAIN="qa3c", HPCQRL="no-such-command")), 60)
    assert done.returncode not in (0, 75) and "no-such-command" in done.stderr
