"""Which rank has which of the job's QPUs."""

import os
import platform

from hpcqrl.parallel.agents import Agents
from hpcqrl.parallel.waiting import ranks
from hpcqrl.quantum.job_qpus import QRMI, has_qpus, job_qpus, open_qpu, shared_out, this_number


def share_qpus(agents: Agents, config: object) -> list[str]:
    """Give this process one of the job's QPUs, if the run is on those, and say which each rank has. All must call.

    A root that serves executes nothing, and is left out (""). Raises Refused, on all ranks, if there are none.
    """
    return share(agents) if getattr(config, "qpu", None) == QRMI else []


def share(agents: Agents) -> list[str]:
    """The same, whatever it runs on."""
    hosts, qpus = agents.gather_text(platform.node()), []
    with agents.together():
        qpus = job_qpus(os.environ)
    serves = int(agents.root_serves)
    numbers = [0] * serves + shared_out(hosts[serves:], len(qpus))
    this_number(numbers[agents.rank])
    return agents.gather_text("" if agents.rank < serves else qpus[numbers[agents.rank]].name)


def who_has_which(names: list[str]) -> str:
    """In one line: each QPU, and the ranks that have it."""
    found = {name: [rank for rank, own in enumerate(names) if own == name] for name in names if name}
    return "; ".join(f"QPU {name}: {ranks(own, have=False)}" for name, own in found.items())


def opened_in_turn(agents: Agents) -> str:
    """This rank's QPU of those that the job has, opened, in words; nothing where it has none. As `share_qpus`."""
    if not agents.any(has_qpus(os.environ)):
        return ""
    share(agents)
    text = ""
    with agents.together():
        name, backend, _ = open_qpu(os.environ)
        text = f"; {name}: {backend.num_qubits} qubits"
    return text
