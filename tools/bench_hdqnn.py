"""Where a training step of hDQNN in TD3 goes, beside the matrix products in it.

python tools/bench_hdqnn.py --env Humanoid-v4
python tools/bench_hdqnn.py --precision bfloat16 --surrogate exact
"""

import hpcqrl.one_thread  # noqa: F401, I001  (before NumPy and torch are imported)

import time
from collections.abc import Callable
from typing import Any, Literal

import numpy as np
import torch
import tyro
from mpi4py import MPI
from rich.console import Console
from rich.table import Table
from torch.utils._python_dispatch import TorchDispatchMode

from hpcqrl.parallel.agents import Agents
from hpcqrl.systems.hdqnn_td3 import Agent, Config, circuit

Shape = tuple[int, ...]


class Products(TorchDispatchMode):
    """Notes the shapes of all matrix products in its block, those of the backward passes included."""

    def __init__(self) -> None:
        super().__init__()
        self.shapes: list[tuple[Shape, Shape]] = []

    def __torch_dispatch__(self, operation: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        if operation in (torch.ops.aten.mm.default, torch.ops.aten.addmm.default):
            self.shapes.append((tuple(args[-2].shape), tuple(args[-1].shape)))
        return operation(*args, **(kwargs or {}))


def main(
    env: str = "Humanoid-v4",
    steps: int = 600,
    surrogate: Literal["sampled", "expected", "exact"] = "sampled",
    surrogate_updates: int = 1,
    precision: Literal["float32", "bfloat16"] = "float32",
) -> None:
    """Median processor time of each part of a step (an agent's own, whatever else the machine does), one thread."""
    seconds: dict[str, list[float]] = {}

    def timed(name: str, task: Callable[..., Any], *inputs: Any) -> Any:
        begin = time.thread_time()
        result = task(*inputs)
        seconds.setdefault(name, []).append(time.thread_time() - begin)
        return result

    agents = Agents(MPI.COMM_SELF)
    trained: dict[str, Any] = {"surrogate": surrogate, "surrogate_updates": surrogate_updates, "precision": precision}
    config = Config(env=env, steps=steps + 300, random_steps=300, threads=1, **trained)
    agent = Agent(config, 0, circuit(config))
    measured = agent.model.actor.measured
    agent.model.actor.measured = lambda angles: timed(  # type: ignore[method-assign]
        "of it the circuit" if len(angles) == 1 else "the circuit of a batch", measured, angles
    )
    observation, _ = agent.env.reset()
    shapes: list[tuple[Shape, Shape]] = []
    for step in range(300 + steps):
        action, angles, bits = timed("act", agent.explore, observation, step)
        later, reward, terminated, truncated, _ = timed("environment", agent.env.step, action)
        agent.explorer.replay.add(observation, action, float(reward), later, float(terminated), angles, bits)
        observation = agent.env.reset()[0] if terminated or truncated else later
        update = step - 299
        if update in (1, 2):  # one without and one with the actor
            with Products() as products:
                agent.update(update, agents)
            shapes += products.shapes
        elif update > 2:
            timed("update", agent.update, update, agents)
        if update > 2 and update % 10 == 0:  # in turn with the updates
            matrices = [(torch.randn(a), torch.randn(b)) for a, b in shapes]
            timed("matrix products", lambda pairs: [torch.mm(a, b) for a, b in pairs], matrices)
    pairs = np.array(seconds["update"][: len(seconds["update"]) // 2 * 2]).reshape(-1, 2).sum(axis=1)
    update_time, products_time = np.median(pairs) / 2, np.median(seconds["matrix products"]) / 2
    parts = {name: np.median(seconds[name]) for name in ("act", "of it the circuit", "environment")}
    parts |= {"update": update_time, "of it the matrix products": products_time}
    whole = parts["act"] + parts["environment"] + parts["update"]
    flops = sum(2 * a[0] * a[1] * b[1] for a, b in shapes) / 2
    table = Table(title=f"{env}: one step, {1 / whole:.0f} steps a second")
    for heading in ("", "ms", "share"):
        table.add_column(heading, justify="right" if heading else "left")
    for name, value in parts.items():
        table.add_row(name, f"{1e3 * value:.3f}", f"{value / whole:.1%}")
    Console().print(table)
    print(f"update: {update_time / products_time:.2f} times its matrix products, of {flops / 1e9:.2f} GFLOP")
    print(f"these run at {flops / products_time / 1e9:.0f} GFLOP/s; a product of 1024 x 1024 at {_largest():.0f}")


def _largest() -> float:
    matrix, best = torch.randn(1024, 1024), float("inf")
    for _ in range(20):
        begin = time.thread_time()
        torch.mm(matrix, matrix)
        best = min(best, time.thread_time() - begin)
    return 2 * 1024**3 / best / 1e9


if __name__ == "__main__":
    tyro.cli(main, description=__doc__)
