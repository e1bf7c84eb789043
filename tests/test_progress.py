"""What a run says of how far it is, and how long it will take, is so."""

import numpy as np
import pytest

from hpcqrl import progress
from hpcqrl.results.schema import EPISODE, row_dtype


@pytest.fixture
def clock(monkeypatch):
    """A clock that stands still until it is set."""
    now = [1000.0]
    monkeypatch.setattr(progress.time, "monotonic", lambda: now[0])
    return now


def rows(*lengths):
    made = np.zeros(len(lengths), row_dtype(EPISODE))
    made["length"], made["return"] = lengths, 2.0
    return made


def test_steps_are_counted_before_an_episode_ends(clock, capsys):
    shown = progress.Progress(1000, "steps", "x", live=False)
    clock[0] += 11.0
    shown.at(110)
    assert capsys.readouterr().out == "x: step 110 of 1,000, no episode yet, 10 steps/s, 89 s to go\n"
    clock[0] += 11.0
    shown.show(rows(100))
    shown.at(220)
    line = capsys.readouterr().out
    assert line.count("\n") == 1 and "step 110 of" in line, "an episode's steps are not counted again"


def test_a_resumed_run_counts_on_and_its_rate_is_its_own(clock, capsys):
    shown = progress.Progress(1000, "episodes", "x", live=False, done=500)
    clock[0] += 10.0
    shown.show(rows(*[7] * 100))
    assert "episode 600 of 1,000, return 2.000, 10 episodes/s, 40 s to go" in capsys.readouterr().out
    clock[0] += 5.0
    shown.show(rows(7))
    assert capsys.readouterr().out == "", "every 10 s"


@pytest.mark.parametrize(
    ("seconds", "words"),
    [
        (0, "0 s"),
        (89, "89 s"),
        (91, "2 min"),
        (3500, "58 min"),
        (3599, "1 h 0 min"),
        (5400, "1 h 30 min"),
        (1e6, "277 h 47 min"),
    ],
)
def test_times_to_go_are_in_hours_and_minutes(seconds, words):
    assert progress._time(seconds) == words
