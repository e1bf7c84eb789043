"""A trained policy as a torch module, for classical inference without this package."""

import os
from collections.abc import Callable, Mapping
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn


class Exported(nn.Module):
    """Observations [samples, observation], float32, to what `function` makes of them with fixed, named parameters."""

    def __init__(
        self, parameters: Mapping[str, NDArray[np.floating]], function: Callable[[dict[str, Tensor], Tensor], Tensor]
    ) -> None:
        super().__init__()
        self._names = {name: name.replace(".", "_") for name in parameters}  # torch allows no dots
        for name, value in parameters.items():
            self.register_buffer(self._names[name], torch.tensor(value, dtype=torch.float32))
        self._function = function

    def forward(self, observation: Tensor) -> Tensor:
        """Float32 [samples, outputs]."""
        return self._function({name: getattr(self, buffer) for name, buffer in self._names.items()}, observation)


def save(module: Exported, inputs: int, path: Path) -> None:
    """Write the module, for observations [any number, inputs], with torch.export; OSError if it cannot be written."""
    example = torch.zeros(3, inputs)  # not 2, which many other sizes are
    program = torch.export.export(module, (example,), dynamic_shapes=({0: torch.export.Dim("samples")},))
    partial = path.with_name(f".{path.stem}.{os.getpid()}.pt2")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        partial.touch()
        torch.export.save(program, partial)
        os.replace(partial, path)
    except OSError as error:
        raise OSError(f"cannot write {path}: {error.strerror or error}") from error
    finally:
        partial.unlink(missing_ok=True)
