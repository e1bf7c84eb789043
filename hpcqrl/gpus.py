"""The GPUs of a run: which one a rank computes on, who shares it, and what `hpcqrl check` says of it."""

import os
import platform
import sys
import time
from collections import Counter

import numpy as np

from hpcqrl.parallel.agents import Agents


def opened() -> str:
    """The GPU that this process has opened, as "name, UUID"; "" if it computes on none."""
    if "hpcqrl.quantum.gpu_simulator" in sys.modules:
        from hpcqrl.quantum.card import card

        return f"{card().name}, {card().uuid}"
    torch = sys.modules.get("torch")
    if torch is None or not torch.cuda.is_initialized():
        return ""
    found = torch.cuda.get_device_properties(torch.cuda.current_device())
    return f"{found.name}, GPU-{getattr(found, 'uuid', os.environ.get('CUDA_VISIBLE_DEVICES', '0'))}"


def shared(agents: Agents) -> str | None:
    """What is to be said of ranks that share a GPU; None where none do. All must call."""
    here = opened()
    ranks = Counter(text for text in agents.gather_text(f"{platform.node()}, {here}" if here else "") if text)
    if not ranks or max(ranks.values()) == 1:
        return None
    most, names = max(ranks.values()), sorted({place.split(", ")[1] for place in ranks})
    cards = f"{len(ranks)} GPU{'s' * (len(ranks) > 1)}"
    return f"{sum(ranks.values())} ranks share {cards} ({', '.join(names)}), up to {most} each, and its memory"


def described() -> str:
    """Name, memory and driver of the GPU that is left to this rank, and how fast it is: forward and gradient of a batch
    on the native kernels, the best of several.
    """
    from hpcqrl.quantum.card import GIB, card, simulated

    if not simulated() and not os.path.exists("/proc/driver/nvidia/version"):
        return "none"
    try:
        found = card()
        from hpcqrl.quantum.circuits import efficient_su2
        from hpcqrl.quantum.devices import NATIVE_GPU, make_device

        samples, circuit = (2, efficient_su2(2, 1)) if simulated() else (256, efficient_su2(10, 10))
        device, seconds = make_device(circuit, NATIVE_GPU), []
        angles, weights = np.ones((samples, circuit.n_angles)), np.zeros(0)
        for _ in range(2 if simulated() else 10):  # the first compiles the kernels
            begin = time.perf_counter()
            value, pullback = device.expval_vjp(angles, weights)
            pullback(value)
            seconds.append(time.perf_counter() - begin)
    except ValueError as error:
        return str(error)
    driver = f", driver for CUDA {found.driver}" if found.driver else ""
    fast = f"{samples} samples of {circuit.qubits} qubits with gradient in {1e3 * min(seconds):.2f} ms"
    number = os.environ.get("CUDA_VISIBLE_DEVICES", "0")  # see launcher.take_gpu
    return f"{number}: {found.name}, {found.memory / GIB:.0f} GiB{driver}; {fast}"
