"""What cannot be resumed, or may not, is said in one line, and left as it is."""

import signal

import numpy as np
from launch import finish, hpcqrl
from resealed import keep, resealed
from test_resume import INTERRUPTED, begun, command, interrupted

from hpcqrl.results.checkpoint import read_checkpoint
from hpcqrl.results.reader import read_run


def test_what_cannot_be_resumed_is_said_in_one_line_and_left_alone(tmp_path):
    out = tmp_path / "run.h5"
    interrupted(out)
    whole = out.read_bytes()

    def changed(change) -> bytes:
        out.write_bytes(whole)
        with resealed(out) as file:
            change(file)
        return out.read_bytes()

    def kept(change) -> bytes:
        """With another checkpoint."""
        out.write_bytes(whole)
        saved = read_checkpoint(out)
        change(saved.common)
        keep(out, saved)
        return out.read_bytes()

    cases = {
        b"": "cannot be resumed",
        b"no HDF5" * 1000: "cannot be resumed",
        whole[: len(whole) // 2]: "cannot be resumed",
        changed(lambda file: file.attrs.modify("format", 1)): "is of format 1; this version resumes 2 and 3",
        changed(lambda file: file.attrs.modify("system", "a-system")): "is of system 'a-system'",
        changed(lambda file: file.attrs.modify("config", '{"env": "E"}')): "has a configuration without episodes",
        changed(lambda file: file.attrs.modify("config", "not JSON")): "cannot be resumed",
        kept(lambda common: common.update(theta=np.zeros(3))): "checkpoint does not fit: it has 3 parameters",
        kept(lambda common: common.pop("moments")): "its checkpoint lacks 'moments'",
        changed(lambda file: file["episodes"].resize((0,))): "came after",
    }
    out.write_bytes(whole)
    theta = read_checkpoint(out).common["theta"].tobytes()
    assert whole.count(theta) >= 1
    cases[whole.replace(theta, bytes(8) + theta[8:])] = "its checkpoint is damaged"  # flipped bits: a checksum
    for content, reason in cases.items():
        out.write_bytes(content)
        done = hpcqrl("resume", str(out))
        assert done.returncode == 2 and reason in done.stderr and "Traceback" not in done.stderr, (reason, done.stderr)
        assert out.read_bytes() == content
    done = hpcqrl("resume", str(tmp_path / "none.h5"), ranks=2)
    assert done.returncode == 2 and done.stderr.count("none.h5 cannot be resumed") == 1


def test_a_file_that_another_run_is_writing_is_refused(tmp_path):
    out = tmp_path / "run.h5"
    process = begun(out, *command("qa3c", out, "--episodes", "1000000"), ranks=2)
    for arguments in (("resume", str(out)), command("qa3c", out, "--overwrite")):
        done = hpcqrl(*arguments)
        assert done.returncode == 2 and "another run is writing it" in done.stderr, done.stderr
    process.send_signal(signal.SIGUSR1)
    assert finish(process).returncode == INTERRUPTED
    assert read_run(out).episodes.size


def test_a_complete_run_has_nothing_to_resume(tmp_path):
    out = tmp_path / "run.h5"
    assert hpcqrl(*command("qa3c", out, "--episodes", "5")).returncode == 0
    content = out.read_bytes()
    done = hpcqrl("resume", str(out), ranks=2)
    assert done.returncode == 0 and done.stdout.count("is complete") == 1 and out.read_bytes() == content


def test_an_environment_of_ones_own_must_be_named_again(tmp_path):
    """A file may come from anybody, and importing the module that it names would run code."""
    out = tmp_path / "run.h5"
    longer = ("--episodes", "1000000")
    process = begun(out, *command("qa3c", out, *longer, "--env", "test_environments:Breaks-v0"), ranks=1)
    process.send_signal(signal.SIGUSR1)
    assert finish(process).returncode == INTERRUPTED
    done = hpcqrl("resume", str(out))
    assert done.returncode == 2 and "say --env test_environments:Breaks-v0" in done.stderr
    done = hpcqrl("resume", str(out), "--env", "test_environments:Breaks-v0", PYTHONPATH="tests")
    assert "resumed after" in done.stdout and "the cart has left the track" in done.stderr
