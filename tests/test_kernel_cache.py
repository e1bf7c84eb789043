"""Compiled kernels are kept where nobody else can put any, and made when all else is known to be right."""

import os
import tempfile
from pathlib import Path

import pytest
from launch import hpcqrl

from hpcqrl.quantum import jit


@pytest.mark.parametrize(("mode", "trusted"), [(0o700, True), (0o770, False), (0o777, False)])
def test_a_folder_that_others_may_write_to_is_not_used(tmp_path, monkeypatch, mode, trusted):
    monkeypatch.setenv("XDG_CACHE_HOME", "/proc/no")
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    known = tmp_path / f"hpcqrl-{os.getuid()}"
    known.mkdir()
    known.chmod(mode)
    folder = Path(jit._cache_folder())
    assert (folder.parent == known) == trusted and folder.is_relative_to(tmp_path)


def test_a_wrong_environment_is_named_before_kernels_are_compiled(tmp_path):
    done = hpcqrl("train", "qa3c", "--env", "CartPole-v9", ranks=2, XDG_CACHE_HOME=str(tmp_path))
    assert done.returncode == 2 and done.stderr.count("CartPole-v9") == 1, done.stderr
    assert "compiling" not in done.stdout and not list(tmp_path.glob("**/*.nbc"))


def test_whoever_waits_for_kernels_is_told_so_once(capsys):
    class Empty:
        def load_overload(self, signature, target):
            return None

    jit._say_once.cache_clear()
    for _ in range(2):
        assert jit._Forgiving(Empty()).load_overload("signature", "target") is None
    assert capsys.readouterr().err.count("compiling circuit kernels") == 1
