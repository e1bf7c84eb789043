"""The QPUs of a job, as QRMI (the Quantum Resource Management Interface) names them in its environment.

The scheduler has acquired them, and will release them: here they are only used.
"""

from collections.abc import Mapping, Sequence
from functools import cache
from typing import Any, NamedTuple

QRMI = "qrmi"  # what a user says for them
KINDS = ("ibm-quantum-system", "ibm-quantum-compute-service", "qiskit-runtime-service")
_number = 0  # which of them is this process's


class JobQpu(NamedTuple):
    """name: as the job was given it; kind: one of KINDS."""

    name: str
    kind: str


def this_number(number: int) -> None:
    """Say, once and before any device is made, which of the job's QPUs is this process's."""
    global _number
    _number = number


def has_qpus(variables: Mapping[str, str]) -> bool:
    """Whether a job was given QPUs, or should have been."""
    return bool(variables.get("QRMI_PLUGIN_ERROR") or _list(variables, "JOB_QPU_RESOURCES"))


def job_qpus(variables: Mapping[str, str]) -> list[JobQpu]:
    """The QPUs that a job's environment variables name. Raises ValueError, in one line, if they are none to run on."""
    if failed := variables.get("QRMI_PLUGIN_ERROR"):
        raise ValueError(f"the job's QPUs could not be acquired: {' '.join(failed.split())}")
    names, kinds = (_list(variables, f"JOB_QPU_{what}") for what in ("RESOURCES", "TYPES"))
    if not names:
        raise ValueError(
            "--qpu qrmi takes the job's QPUs, and there are none: QRMI_JOB_QPU_RESOURCES is not set, or empty; "
            "ask for some with #SBATCH --qpu=NAME, or say another --qpu"
        )
    if len(names) != len(kinds):
        raise ValueError(
            f"QRMI_JOB_QPU_RESOURCES and QRMI_JOB_QPU_TYPES must pair up, and are {','.join(names)} and "
            f"{','.join(kinds) or 'nothing'}"
        )
    for name, kind in zip(names, kinds, strict=True):
        if kind not in KINDS:
            raise ValueError(
                f"QPU {name} is of type {kind}; --qpu qrmi runs on {', '.join(KINDS)}, and a function of your own, "
                "--qpu my_package:device, on others"
            )
    return [JobQpu(*each) for each in zip(names, kinds, strict=True)]


def _list(variables: Mapping[str, str], name: str) -> list[str]:
    """What a variable lists, under today's name or the older one."""
    text = variables.get(f"QRMI_{name}", variables.get(f"SLURM_{name}", ""))
    return [each.strip() for each in text.split(variables.get("QRMI_LIST_DELIMITER") or ",")] if text.strip() else []


def shared_out(hosts: Sequence[str], qpus: int) -> list[int]:
    """The number of each rank's QPU, given the ranks' hosts: in turn, node by node. More ranks than QPUs share them."""
    nodes = {host: number for number, host in enumerate(dict.fromkeys(hosts))}
    numbers = [0] * len(hosts)
    for place, rank in enumerate(sorted(range(len(hosts)), key=lambda rank: nodes[hosts[rank]])):
        numbers[rank] = place % qpus
    return numbers


def open_qpu(variables: Mapping[str, str]) -> tuple[str, Any, Any]:
    """The name of this process's QPU, its Qiskit backend, and its sampler. ValueError for one that is not to be had."""
    qpu = job_qpus(variables)[_number]
    return qpu.name, *_opened(qpu)


@cache  # actor and critic have circuits of their own, and one QPU
def _opened(qpu: JobQpu) -> tuple[Any, Any]:
    try:
        from qrmi import QRMIService
        from qrmi.primitives.ibm import SamplerV2, get_backend
    except ImportError as error:
        raise ValueError(f"--qpu qrmi needs this package's extra `qrmi`: {error}") from error
    try:
        resource = QRMIService().resource(qpu.name)
        reason = None if resource is not None and resource.is_accessible() else "it does not answer"
        if reason is None:
            return get_backend(resource), SamplerV2(resource)
    except Exception as error:  # whatever an endpoint answers
        reason = " ".join(f"{type(error).__name__}: {error}".split())
    raise ValueError(f"QPU {qpu.name} ({qpu.kind}) is not accessible: {reason}")
