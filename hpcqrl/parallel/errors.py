"""What goes wrong on one rank ends all: said once, whatever the others wait for."""

import os
import time
import traceback
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from typing import TYPE_CHECKING

from hpcqrl.lines import warn
from hpcqrl.parallel.exits import no_exits
from hpcqrl.parallel.losses import is_loss
from hpcqrl.parallel.mpi import MPI

if TYPE_CHECKING:
    from hpcqrl.parallel.agents import Agents

_PACKAGE = os.path.dirname(os.path.dirname(os.path.abspath(__file__))) + os.sep

TURN = 0.5  # seconds between two ranks' turns to say what went wrong
_SPOKEN = 7  # the tag of a message that says that another rank has said it


class Refused(Exception):  # noqa: N818
    """What the user asked for cannot be done; the same on all ranks, to be printed by one."""


class Interrupted(Exception):  # noqa: N818
    """The run was asked to end, and has kept what it needs to be resumed; raised on all ranks."""


def _frames(error: BaseException) -> list[traceback.FrameSummary]:
    """Where in this package it came through."""
    return [frame for frame in traceback.extract_tb(error.__traceback__) if frame.filename.startswith(_PACKAGE)]


def is_ours(error: BaseException) -> bool:
    """Whether it was raised in this package, with all that its message needs; others' errors need their place, too."""
    place = error.__traceback__
    while place is not None and place.tb_next is not None:
        place = place.tb_next
    return place is not None and place.tb_frame.f_code.co_filename.startswith(_PACKAGE)


@contextmanager
def errors_end_all(agents: "Agents", alone: bool = True) -> Iterator[None]:
    """An exception in this block is printed and ends every rank of the job, whatever they wait for, with status 1, or
    the exception's own `status`.

    Where all ranks fail alike, one speaks, as a rule the lowest, and ends the others. alone: also a single rank, which
    otherwise has the exception raised: nobody waits for it.
    """
    try:
        with no_exits():
            yield
    except (Refused, Interrupted):
        raise  # on all ranks alike
    except BaseException as error:  # what an environment raises may be a SystemExit, and nobody else would hear of it
        if agents.size == 1 and not alone:
            raise
        time.sleep(min(TURN * agents.rank, 4.0))
        with suppress(MPI.Exception, OSError):  # a rank that is lost
            if agents.comm.Iprobe(MPI.ANY_SOURCE, _SPOKEN):
                time.sleep(5.0)  # until that one's abort ends this one, too
                os._exit(1)
        with suppress(MPI.Exception, OSError):  # a rank that is no more needs no word
            for other in set(range(agents.size)) - {agents.rank}:
                agents.comm.Isend([None, 0, MPI.BYTE], other, _SPOKEN)
        message = f"hpcqrl: {_said(error, agents.rank)}"
        warn(message)
        time.sleep(0.5 * TURN)  # an abort may overtake what the launcher has not yet passed on
        status = getattr(error, "status", 1)
        if agents.size == 1:
            os._exit(status)
        agents.comm.Abort(status)


def _said(error: BaseException, rank: int) -> str:
    """What is said of it: one line, but for others' errors, whose place is worth knowing."""
    if isinstance(error, KeyboardInterrupt):
        return "interrupted"
    if is_loss(error):
        return f"rank {rank}: another rank is lost"
    if isinstance(error, MPI.Exception):  # a message of a rank that was killed may be torn
        reason = "; ".join(line.strip() for line in str(error).splitlines() if line.strip())
        frames = [f"{os.path.basename(frame.filename)}:{frame.lineno}" for frame in _frames(error)]
        return f"rank {rank}: MPI fails at {frames[-1] if frames else '?'}, as where another rank has ended: {reason}"
    if isinstance(error, ValueError | OSError) and is_ours(error):
        return f"rank {rank}: {error}"
    return f"rank {rank}:\n{traceback.format_exc()}"
