"""No command line, whatever is on it, ends in a traceback, or does not end."""

import sys

from launch import run


def test_command_lines_by_chance():
    done = run(sys.executable, "tests/fuzz_commands.py", "--lines", "40", "--at-once", "20", timeout=300)
    assert done.returncode == 0 and "40 command lines, no traceback" in done.stdout, done.stdout + done.stderr
