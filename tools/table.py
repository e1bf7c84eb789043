"""Final scores of any runs, a row for those that differ in their seed alone, as Markdown, CSV or LaTeX.

$ hpcqrl table runs/*.h5
$ hpcqrl table runs/*.h5 --last 500 --format latex --out scores.tex
$ hpcqrl table runs/*.h5 --target 0.9
$ hpcqrl table runs/*.h5 --together
"""

import csv
import io
import re
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import numpy as np
import tyro
from crossing import learning, sample_complexity
from intervals import interquartile_mean, sure
from papers.returns import returns_of
from reading import by_seed, kinds_of, label, per_agent, read_runs, say, score
from together import TOGETHER, together_of

from hpcqrl.results.costs import costs
from hpcqrl.results.reader import Run
from hpcqrl.results.schema import COST

Format = Literal["markdown", "csv", "latex"]
_THOUSANDS = re.compile(r"-?\d{1,3}(,\d{3})+(\.\d+)?")


@dataclass(frozen=True)
class Options:
    """Final scores of any runs, a row for those that differ in their seed alone."""

    runs: tyro.conf.Positional[tuple[Path, ...]]
    """Results files."""
    last: int = 100
    """A run's score is its mean return over so many last episodes: of each agent in dist-qtrl, else of all."""
    target: float | None = None
    """Tell also after how many episodes the mean over seeds, and over 100 episodes, first is this."""
    together: tyro.conf.FlagCreatePairsOff[bool] = False
    """Instead, a row for runs that differ in seed and environment alone: their normalised scores (0 is chance, 1 the
    best) together, and how probably a run scores above one of the first row."""
    format: Format = "markdown"
    """How the table is written."""
    out: Path | None = None
    """A file for it; by default it is printed."""
    incomplete: tyro.conf.FlagCreatePairsOff[bool] = False
    """Take also runs that are not complete, for what they have."""


HEADINGS = (
    "runs",
    "environment",
    "seeds",
    "mean",
    "95% interval of the mean",
    "interquartile mean",
    "95% interval of that",
    "lowest",
    "highest",
    "chance",
)
WINDOW = 100  # episodes over which the mean is taken that reaches a target


def markdown(headings: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    """A table for Markdown."""
    lines = [headings, ["---"] * len(headings), *rows]
    return "".join(f"| {' | '.join(cell.replace('|', chr(92) + '|') for cell in line)} |\n" for line in lines)


def comma_separated(headings: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    """A table for other programs: numbers without commas for thousands."""
    text = io.StringIO()
    plain = [[cell.replace(",", "") if _THOUSANDS.fullmatch(cell) else cell for cell in row] for row in rows]
    csv.writer(text, lineterminator="\n").writerows([headings, *plain])
    return text.getvalue()


def latex(headings: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    """A tabular for LaTeX, with booktabs's rules."""
    special = {character: f"\\{character}" for character in "&%$#_{}"} | {"\\": r"\textbackslash{}"}

    def line(cells: Sequence[str]) -> str:
        return " & ".join("".join(special.get(character, character) for character in cell) for cell in cells) + r" \\"

    body = [r"\toprule", line(headings), r"\midrule", *map(line, rows), r"\bottomrule"]
    columns = "l" + "r" * (len(headings) - 1)
    return "\n".join([rf"\begin{{tabular}}{{{columns}}}", *body, r"\end{tabular}"]) + "\n"


WRITERS = {"markdown": markdown, "csv": comma_separated, "latex": latex}


def write(text: str, out: Path | None, tool: str) -> None:
    """Print the text, or put it into the file."""
    if out is None:
        print(text, end="")
        return
    try:
        out.parent.mkdir(parents=True, exist_ok=True)
        out.write_text(text)
    except OSError as error:
        sys.exit(f"{tool}: cannot write {out}: {error}")
    print(f"written: {out}")


def _row(group: Sequence[Run], runs: Sequence[Run], last: int) -> list[str]:
    """A row of the table; over one seed there is no interval, and it says so."""
    scores, known = np.array([score(run, last) for run in group]), returns_of(group[0])
    mean, middle, lowest, highest = (
        f"{number:.4f}" for number in (scores.mean(), interquartile_mean(scores), scores.min(), scores.max())
    )
    name, env = label(group[0], runs, but=("seed", "env")), str(group[0].config.get("env", "?"))
    chance = "-" if known is None else f"{known.chance:.4g}"
    middles = sure(scores, 4, interquartile_mean)
    return [name, env, str(len(group)), mean, sure(scores, 4), middle, middles, lowest, highest, chance]


def main() -> None:
    """Read the files, name those that cannot be used, and write the table of the rest."""
    options = tyro.cli(Options, description=__doc__)
    if options.last < 1:
        sys.exit(f"table: last must be at least 1, not {options.last}")
    if options.target is not None and not np.isfinite(options.target):
        sys.exit(f"table: target must be a number, not {options.target}")
    runs = read_runs(options.runs, "table", options.incomplete)
    groups = by_seed(runs)
    headings: tuple[str, ...] = HEADINGS
    for run in runs:
        episodes = len(run.episodes) // per_agent(run)
        if episodes < options.last:
            say("table", f"note: {run.path} has {episodes:,} episodes, fewer than --last {options.last}: all count")
    if options.together:
        headings = TOGETHER
        rows = together_of(kinds_of(runs), options.last, "table")
    else:
        rows = [_row(group, runs, options.last) for group in groups]
        asked = [[costs(run.episodes) for run in group] for group in groups]
        if any(map(any, asked)):
            headings += tuple(f"QPU {column.name.removeprefix('qpu_')}" for column in COST)
            for row, found in zip(rows, asked, strict=True):
                row += [f"{np.mean([each.get(column.name, 0) for each in found]):,.0f}" for column in COST]
    if options.target is not None and not options.together:
        headings = (*headings, f"episodes to {options.target:g}", "95% interval of those", "seeds that get there")
        for row, group in zip(rows, groups, strict=True):
            row += sample_complexity(learning(group, WINDOW), options.target)
    if any(1 < len(group) < 5 for group in groups):
        say("table", "note: intervals over fewer than 5 seeds are too narrow: over 2 seeds, they miss half of the time")
    write(WRITERS[options.format](headings, rows), options.out, "table")


if __name__ == "__main__":
    main()
