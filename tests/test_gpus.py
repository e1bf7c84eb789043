"""Each rank computes on the GPU of its turn, among those that CUDA_VISIBLE_DEVICES leaves, or that --gpu says."""

import os

import pytest
from launch import hpcqrl

from hpcqrl.parallel.launcher import take_gpu

ONE, OTHER = "GPU-5f2c9d1e-0000-1111-2222-333344445555", "GPU-77aa0b1c-6666-7777-8888-999900001111"


def taken(monkeypatch, driver, visible, rank, *wanted):
    """What CUDA_VISIBLE_DEVICES is then, or why not; None: it is not set."""
    for name, value in (("CUDA_VISIBLE_DEVICES", visible), ("MPI_LOCALRANKID", rank)):
        if value is None:
            monkeypatch.delenv(name, raising=False)
        else:
            monkeypatch.setenv(name, value)
    return take_gpu(wanted, driver) or os.environ.get("CUDA_VISIBLE_DEVICES")


@pytest.fixture
def driver(tmp_path):
    """What NVIDIA's driver says of two GPUs."""
    for folder, uuid in (("0000:01:00.0", ONE), ("0000:41:00.0", OTHER)):
        (tmp_path / folder).mkdir()
        (tmp_path / folder / "information").write_text(
            f"Model: \t\t NVIDIA H100\nGPU UUID: \t {uuid}\nBus Type: \t PCIe\n"
        )
    return tmp_path


@pytest.mark.parametrize(
    ("visible", "rank", "wanted", "found"),
    [
        (None, "0", (), "0"),
        (None, "3", (), "1"),
        (None, None, (), None),
        (None, None, ("1",), "1"),
        (None, "1", ("1",), "1"),
        (None, "1", ("1", "0"), "0"),
        (None, "2", (OTHER, "GPU-5f"), OTHER),
        (None, "1", (OTHER, "GPU-5f"), ONE),
        ("4,7", "1", (), "7"),
        ("4,7", "0", ("1",), "7"),
        (f"{ONE},{OTHER}", "0", ("1",), OTHER),
        (f"{ONE},{OTHER}", "0", ("GPU-77",), OTHER),
        ("", "0", (), ""),
    ],
)
def test_ranks_take_what_is_seen_or_wanted_in_turn(monkeypatch, driver, visible, rank, wanted, found):
    assert taken(monkeypatch, driver, visible, rank, *wanted) == found


@pytest.mark.parametrize(
    ("visible", "wanted", "reason"),
    [
        (None, "2", f"none of the 2 GPUs on this machine ({ONE}, {OTHER}), numbered from 0"),
        (None, "GPU-", "none of the 2 GPUs on this machine"),  # both begin so
        (None, "", "none of the 2 GPUs on this machine"),
        ("4,7", "4", "none of the 2 GPUs of CUDA_VISIBLE_DEVICES=4,7, numbered from 0"),
        ("4,7", ONE, "none of the 2 GPUs of CUDA_VISIBLE_DEVICES=4,7"),
        ("", "0", "none of the 0 GPUs of CUDA_VISIBLE_DEVICES="),
    ],
)
def test_a_gpu_that_is_not_seen_is_a_line(monkeypatch, driver, visible, wanted, reason):
    said = taken(monkeypatch, driver, visible, "0", wanted)
    assert said.startswith(f"--gpu {wanted}: it is ") and reason in said and "\n" not in said


def test_a_run_takes_the_gpus_that_it_is_told_or_ends(tmp_path):
    out = str(tmp_path / "x.h5")
    done = hpcqrl("train", "qa3c", "--gpu", "0", "2", "--out", out, ranks=2, CUDA_VISIBLE_DEVICES="4,7")
    assert done.returncode == 2 and done.stdout == "", done
    assert done.stderr == "hpcqrl: --gpu 2: it is none of the 2 GPUs of CUDA_VISIBLE_DEVICES=4,7, numbered from 0\n"
