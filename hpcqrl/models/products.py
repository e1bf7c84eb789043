"""How a rank's torch products are made: where, on how many threads, in which precision."""

import os
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass
from typing import Literal

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.nn.functional import linear

from hpcqrl.configuration import added, at_least

Floats = NDArray[np.floating]


@dataclass(frozen=True)
class ProductOptions:
    """Where and how networks are trained."""

    device: Literal["cpu", "cuda"] = "cpu"
    """Where the networks are trained; with cuda, ranks on one node take its GPUs in turn."""
    threads: int | None = added(None, before=1)
    """Threads of each rank for the networks' products; by default the cores that Slurm gives a rank, 1 elsewhere."""
    precision: Literal["float32", "bfloat16"] = added("float32", before="float32")
    """Of the networks' products in training, but for those of last layers, which are float32 [ours]."""


def check_products(options: ProductOptions) -> None:
    """ValueError, naming the value, for one that is out of range."""
    at_least(1, threads=options.threads)


class Products:
    """The same, of this process: threads are set at once, a block `with products():` is in the precision.

    Raises ValueError for more threads than cores, or a GPU that is not there.
    """

    def __init__(self, options: ProductOptions) -> None:
        if options.device == "cuda" and not torch.cuda.is_available():
            raise ValueError(f"device cuda: torch finds no GPU on this machine{_why()}")
        self.device, self._rounded = options.device, options.precision == "bfloat16"
        cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
        given = os.environ.get("SLURM_CPUS_PER_TASK", "")
        threads = options.threads or min(cores, int(given) if given.isdigit() else 1) or 1
        if threads > cores:
            raise ValueError(f"threads must be at most {cores}, the cores that this rank may use, not {threads}")
        torch.set_num_threads(threads)

    def __call__(self) -> AbstractContextManager[object]:
        return torch.autocast(self.device, torch.bfloat16) if self._rounded else nullcontext()


def _why() -> str:
    """What torch says of it: that it is built without CUDA, or which versions do not fit each other."""
    if torch.version.cuda is None:
        return ": it is built without CUDA"
    try:
        torch.cuda.init()
    except (RuntimeError, AssertionError) as error:
        return f" for its CUDA {torch.version.cuda}: " + " ".join(str(error).split())[:300]
    return ""


def on_host(vector: Tensor) -> Floats:
    """A vector as NumPy's: itself, where it is on the processor, else a copy, by pinned memory, which is faster."""
    if vector.device.type == "cpu":
        return vector.numpy()
    return torch.empty(vector.shape, dtype=vector.dtype, pin_memory=True).copy_(vector).numpy()


def last_linear(values: Tensor, weight: Tensor, bias: Tensor) -> Tensor:
    """An affine layer in float32 in any block: what leaves a network, angles or values, is not to be rounded."""
    if values.dtype == weight.dtype:
        return linear(values, weight, bias)
    with torch.autocast(values.device.type, enabled=False):
        return linear(values.float(), weight, bias)
