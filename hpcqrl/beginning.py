"""What a run says of itself as it begins."""

from collections.abc import Sequence
from pathlib import Path

from hpcqrl.lines import say
from hpcqrl.parallel.agents import Agents
from hpcqrl.recorded import Recorded
from hpcqrl.systems.contract import Needs


def say_what_begins(
    run: Recorded, agents: Agents, needs: Needs, out: Path, resumed_after: int | None, notes: Sequence[str | None]
) -> None:
    """Say it, on rank 0. resumed_after: episodes, if it goes on; notes: what else there may be to say."""
    acting = agents.size - agents.root_serves
    say(f"{run.name}: {acting} agent{'s' * (acting > 1)}, {run.config.env}, results in {out}")
    if resumed_after is not None:
        say(f"resumed after {resumed_after:,} episodes")
    for note in (*needs.notes, *notes):
        if note:
            say(note)
    if agents.root_serves:
        asked = needs.root == "serve" or agents.losses.at_most
        why = "as asked" if asked else "one-sided operations here wait for it"
        say(f"rank 0 does not act but serves the shared parameters: {why}")
