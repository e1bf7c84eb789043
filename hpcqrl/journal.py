"""What a run leaves behind: its episodes and checkpoints, on their way from the agents to the results file."""

import time
from collections.abc import Callable, Collection, Mapping, Sequence
from contextlib import AbstractContextManager, nullcontext
from pathlib import Path
from typing import Protocol

from numpy.typing import NDArray

from hpcqrl.interruption import EXIT_STATUS, Interruption
from hpcqrl.lines import say
from hpcqrl.parallel.agents import Agents
from hpcqrl.parallel.errors import Interrupted
from hpcqrl.parallel.meeting import Meeting
from hpcqrl.parallel.pushes import Parameters
from hpcqrl.parallel.waiting import clock, late, ranks
from hpcqrl.progress import Progress
from hpcqrl.quantum.cost import Cost
from hpcqrl.results import parts
from hpcqrl.results.checkpoint import read_checkpoint
from hpcqrl.results.recorder import Recorder
from hpcqrl.results.schema import Column
from hpcqrl.rows import Rows

State = Mapping[str, NDArray]

_SHARE = 100  # a checkpoint is followed by at least so many times its own duration without one


class AsynchronousAgent(Protocol):
    """An agent that shares its parameters: what it alone knows."""

    def state(self) -> dict[str, NDArray]:
        """What a checkpoint keeps of it."""


class Journal:
    """One on every rank; recorder and progress are rank 0's alone.

    checkpoint_every: seconds, 0: only when interrupted; elapsed: seconds of running before this resumption.
    synchronous: whether agents wait for each other: then there is no checkpoint without all of them. tested: columns of
    a test's record beyond those of all systems. costs: of this agent's QPUs, which its records then have, too. beside:
    the results file, if all ranks see it: what is large of a state is then written beside it, by the rank itself.
    """

    def __init__(
        self,
        agents: Agents,
        columns: tuple[Column, ...],
        recorder: Recorder | None,
        progress: Progress | None,
        interruption: Interruption,
        checkpoint_every: float = 0.0,
        elapsed: float = 0.0,
        synchronous: bool = False,
        tested: tuple[Column, ...] = (),
        costs: Sequence[Cost] = (),
        beside: Path | None = None,
    ) -> None:
        self._beside = beside
        self._agents, self._recorder, self._progress = agents, recorder, progress
        self._interruption, self._every = interruption, checkpoint_every or float("inf")
        self._rows = Rows(agents, columns, recorder, progress, elapsed, tested, costs)
        self.away: AbstractContextManager[None] = self._rows.deputy
        agents.away = self.away
        self._meeting, self._synchronous = Meeting(agents, self._rows.streams), synchronous
        self._named: set[int] = set()  # ranks that did not come
        self._told = 0.0  # when this rank first saw that the run was told to end
        self._due = time.monotonic() + self._every

    def episode(self, number: int, episode_return: float, length: int, version: int, **extra: float) -> None:
        """Note a finished episode: its number among those of all agents, the updates before it, the system's columns.

        Raises TypeError, at the first call, if these are not the columns that the system states.
        """
        self._rows.episode(number, episode_return, length, version, **extra)
        self.tick()

    def say(self, text: str) -> None:
        """Say something of this rank's own."""
        say(f"rank {self._agents.rank}: {text}")

    def tell_to_end(self) -> None:
        """As if this rank had got a signal: no QPU is left that answers."""
        if not self._interruption.arrived:
            self.say("no QPU is left that answers, so the run ends")
        self._interruption.arrived = True

    def evaluation(self, steps: int, returns: Sequence[float], version: int, **extra: float) -> None:
        """Note the returns of this agent's test episodes after so many of its steps, the updates before them, and the
        system's columns. Raises TypeError if these are not those that it states.
        """
        self._rows.evaluation(steps, returns, version, **extra)

    def tick(self, steps: int | None = None) -> None:
        """Send or collect what is due; to be called often, since an episode may take long. steps: those of all agents
        until now, where a run is so many steps long.
        """
        if steps is not None and self._progress is not None:
            self._progress.at(steps)
        self._rows.pass_on()
        if self._meeting.absent and (rank := self._meeting.arrived()) is not None:
            self._take(rank, {})
        self._agents.wish = self.checkpoint_wanted
        if self._interruption.arrived:
            now = time.monotonic()
            self._told = self._told or now
            if self._interruption.ends_after(now - self._told):
                say(
                    f"told to end {now - self._told:.0f} s ago, and no checkpoint since: ended with what was there then"
                )
                self._agents.abort(EXIT_STATUS)

    @property
    def told(self) -> bool:
        """Whether this rank was told that the run shall end."""
        return self._interruption.arrived

    @property
    def checkpoint_wanted(self) -> bool:
        """Whether this rank wants a checkpoint: it was told to end, or, on rank 0, the time has come."""
        return self._interruption.arrived or (self._recorder is not None and time.monotonic() >= self._due)

    def checkpoint(
        self, own: State, common: Callable[[], State], acts: bool = True, meanwhile: Callable[[], object] = lambda: None
    ) -> None:
        """Keep this agent's own state and, of rank 0, what is common to all, taken when all have come. All must call.

        Raises Interrupted, on all ranks, if one was told to end. acts: whether this rank is an agent; meanwhile: what
        rank 0 has to do until the others come. Where agents do not wait for each other, one that does not come is left
        out after some time: the checkpoint has what the one before had of it, and it may come later.
        """
        if acts and self._beside is not None:
            own = parts.put(self._beside, self._agents.rank, own)
        if self._recorder is None:
            ends = self._meeting.come(own if acts else {}, self._interruption.arrived)
        else:
            ends = self._hold_meeting({0: own} if acts else {}, common, meanwhile)
        self._agents.wish = False
        if ends:
            path = self._recorder.path if self._recorder else "FILE"  # rank 0 says it
            raise Interrupted(f"all of it is kept; to go on: hpcqrl resume {path}")

    def _hold_meeting(
        self, states: dict[int, State], common: Callable[[], State], meanwhile: Callable[[], object]
    ) -> bool:
        """Rank 0's part in a checkpoint; whether the run ends."""
        assert self._recorder is not None
        meeting, begin = self._meeting, time.monotonic()
        meeting.begin()
        kept: set[int] | None = None  # the ranks that the checkpoint is of
        ends = False
        while True:
            self._wait_for_others(begin, states, meanwhile, also_absent=ends)
            came = time.monotonic()
            missing, waited = meeting.missing() | meeting.absent, came - begin
            ends = meeting.told or self._interruption.arrived  # it, or another rank
            if not missing or not (self._synchronous or kept == set(states)):
                before = self._kept_before(missing) if missing else {}
                before |= {rank: {} for rank in self._agents.losses.lost}  # what they had begun is no more theirs
                self._rows.pass_on_all()
                in_order = [state for _, state in sorted((states | before).items())]
                self._recorder.checkpoint(self._rows.elapsed(), common(), in_order, ends)
                kept = set(states)
            if not missing or (kept and not ends) or self._interruption.ends_after(waited):
                break
        now = time.monotonic()
        self._due = now + max(self._every, _SHARE * (now - came))
        if missing and ends:
            what = "all of the others" if kept else "what came before"
            without, path = ranks(sorted(missing), have=False), self._recorder.path
            say(f"ended without {without}; {what} is kept; to go on: hpcqrl resume {path}")
            self._agents.abort(EXIT_STATUS)
        meeting.absent |= missing
        meeting.end(ends)
        return ends

    def _wait_for_others(
        self, begin: float, states: dict[int, State], meanwhile: Callable[[], object], also_absent: bool
    ) -> None:
        """Take the states of those who come, until all have or it is time to do something about it."""
        until = time.monotonic() + late(self._interruption)
        while self._meeting.missing() or (also_absent and self._meeting.absent):
            seconds = time.monotonic() - begin
            if time.monotonic() > until or self._interruption.ends_after(seconds):
                for rank in self._meeting.missing() - self._named:
                    self._named.add(rank)
                    ago = self._rows.since_last(rank)
                    since = f"for {seconds:.0f} s, since {clock(seconds)}, and ended no episode for {ago:.0f} s"
                    say(f"rank {rank} has not come to the checkpoint {since}")
                return
            if (arrived := self._meeting.arrived()) is not None:
                self._take(arrived, states)
            elif not meanwhile():
                with self.away:
                    time.sleep(0.001)

    def _take(self, rank: int, states: dict[int, State]) -> None:
        """Take what a rank brings that has come; who was waited for in vain may go on at once."""
        rows, state = self._meeting.take(rank)
        self._rows.keep(*rows)
        if rank in self._meeting.here:
            states |= {rank: state}
        else:
            assert self._recorder is not None
            self._recorder.leave_out(state)
            self._meeting.go_on(rank)
        if rank in self._named:
            self._named.remove(rank)
            say(f"rank {rank} is back")

    def _kept_before(self, missing: Collection[int]) -> dict[int, State]:
        """What the last checkpoint has of these ranks; nothing where there is none."""
        assert self._recorder is not None
        agents = read_checkpoint(self._recorder.path).agents
        first = int(self._agents.root_serves)  # the root that serves is no agent
        return {rank: agents[rank - first] if rank - first < len(agents) else {} for rank in missing}

    def between_updates(self, agent: AsynchronousAgent, shared: Parameters) -> None:
        """What an asynchronous agent does between two pushes: `tick`, and take part in a checkpoint if one is due."""
        self.tick()
        if shared.checkpoint_due(self.checkpoint_wanted):
            self.checkpoint(agent.state() | shared.own_state(), shared.state, shared.acts, shared.serve)

    def close(self, parameters: dict[str, NDArray]) -> float:
        """Write the complete file and return the run's duration in seconds. All ranks must call."""
        self._rows.last()
        self.end()
        if self._recorder is not None:
            self._recorder.finish(parameters)
        self._rows.close()
        self._meeting.close()
        return self._rows.elapsed()

    def end(self) -> None:
        """This rank has no deputy any more; also where a run fails."""
        self._agents.away = self.away = nullcontext()
        self._rows.deputy.end()
