"""A report: a paper's tables and figures with our runs in them, as files and as one page that needs nothing else."""

import base64
import html
import os
import platform
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Literal

import numpy as np
from colours import plt
from curves import RESAMPLES, mean_curve
from intervals import interval
from papers.paper import Curves, Paper, Scores, Settings
from reading import axis, common_tests, length, moving_average, seconds
from report_tables import (
    Runs,
    Table,
    counted,
    ends_of,
    orders_table,
    over,
    runs_table,
    scores_table,
    settings_table,
    speedups_table,
    window_of,
)
from table import comma_separated, markdown

from hpcqrl.results.reader import Run


def draw(paper: Paper, part: Curves, runs: Runs, out: Path) -> str:
    """Write the figure in the paper's layout; what it shows, in words."""
    runs = {name: shown for name, group in runs.items() if (shown := [run for run in group if _rows(run, part)])}
    window = window_of(runs, [name for _, names in part.panels for name in names], part.window, part.tests)
    columns = len(part.panels) if len(part.panels) <= 3 else 2
    lines = -(-len(part.panels) // columns)
    size = (max(6.4, 4.8 * columns), 4.4 * lines)
    figure, panels = plt.subplots(lines, columns, figsize=size, squeeze=False, sharex=True, layout="constrained")
    for axes, (title, names) in zip(panels.flat, part.panels, strict=True):
        axes.set_title(title, fontsize="medium")
        for number, name in enumerate(names):
            if name in runs:
                where, mean, low, high = line(
                    runs[name], window, part, "steps" if paper.unit == "steps" else "episodes"
                )
                short = name.removeprefix(f"{title}, ").removeprefix(f"{title.split('-')[-1]}, ")
                axes.plot(where, mean, "o" if where[0] == where[-1] else "-", color=f"C{number}", label=short)
                axes.fill_between(where, low, high, color=f"C{number}", alpha=0.12, linewidth=0)
        if part.target and part.target[0] in runs:
            target = float(np.mean(ends_of(runs, *part.target)))
            axes.axhline(target, color="C0", linestyle="--", label=f"what {part.target[0]} ends with")
        if axes.lines:
            axes.legend(fontsize="small", loc="best")
        else:
            axes.text(0.5, 0.5, "no complete run", ha="center", va="center", transform=axes.transAxes)
        axes.set_xlim(left=0)
        axes.grid(alpha=0.3)
    for axes in panels[-1]:
        axes.set_xlabel("environment steps" if paper.unit == "steps" else counted(runs))
    for axes in panels[:, 0]:
        kind = "test" if part.tests else "episode"
        axes.set_ylabel(f"{'test ' * part.tests}score: mean of {window:,} {kind}{'s' * (window > 1)}")
    figure.savefig(out, dpi=130)
    plt.close(figure)
    band = (
        "standard deviation within the window"
        if part.band == "std"
        else "95% interval over seeds, where there are some"
    )
    return f"Means over {over(window, runs, part.tests)}; band: {band}."


def _rows(run: Run, part: Curves) -> int:
    return len(run.evaluations if part.tests else run.episodes)


def line(
    group: Sequence[Run], window: int, part: Curves, x: Literal["episodes", "steps"]
) -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]:
    """A line of the figure: where it goes, and its mean and band there."""
    if part.tests:
        steps, returns = common_tests(group)
        values = np.lib.stride_tricks.sliding_window_view(returns, window, axis=1).mean(axis=2)
        return np.array(steps[window - 1 :]), values.mean(axis=0), *interval(values, resamples=RESAMPLES)
    if part.band == "seeds":
        return mean_curve(group, window, x)
    means, squares = [], []
    for run in group:
        mean, rows = moving_average(run, window)
        squared, _ = moving_average(run, window, power=2)
        places = axis(run, "episodes")[rows]
        where = np.linspace(places[0], places[-1], 400)
        means.append(np.interp(where, places, mean))
        squares.append(np.interp(where, places, np.sqrt(np.maximum(squared - mean**2, 0.0))))
    mean, deviation = np.mean(means, axis=0), np.mean(squares, axis=0)
    return where, mean, mean - deviation, mean + deviation


def write_report(
    paper: Paper, runs: Runs, missing: Sequence[str], commands: Mapping[str, str], command: str, folder: Path
) -> Path:
    """Write the tables (Markdown, CSV), the figures (PNG), and index.html, which holds all of them; its path."""
    folder.mkdir(parents=True, exist_ok=True)
    body, texts, counts = [], [], {"table": 0, "figure": 0}

    def add(table: Table) -> None:
        counts["table"] += 1
        below = f"\n{table.below}\n" if table.below else ""
        texts.append(f"## {table.title}\n\n{markdown(table.headings, table.rows)}{below}")
        (folder / f"table-{counts['table']}.csv").write_text(comma_separated(table.headings, table.rows))
        body.append(_html(table))

    for part in paper.parts:
        if isinstance(part, Curves):
            counts["figure"] += 1
            image = folder / f"figure-{counts['figure']}.png"
            words = draw(paper, part, runs, image)
            data = base64.b64encode(image.read_bytes()).decode()
            body.append(f"<h2>{html.escape(part.title)}</h2>")
            body.append(f'<img alt="{html.escape(part.title)}" src="data:image/png;base64,{data}">')
            body.append(f"<p>{html.escape(words)}</p>")
            texts.append(f"## {part.title}\n\n![{part.title}]({image.name})\n\n{words}\n")
        elif isinstance(part, Scores):
            add(scores_table(paper, part, runs))
        elif isinstance(part, Settings):
            add(settings_table(part, runs))
        else:
            add(speedups_table(part, runs))
    add(orders_table(paper, runs))
    add(runs_table(paper, runs, commands))
    facts = _facts(paper, runs, missing, command)
    texts.insert(0, f"# {paper.title}\n\n" + "".join(f"- {fact}\n" for fact in facts))
    (folder / "report.md").write_text("\n".join(texts))
    page = folder / "index.html"
    head = f"<h1>{html.escape(paper.title)}</h1><ul>{''.join(f'<li>{html.escape(fact)}</li>' for fact in facts)}</ul>"
    page.write_text(PAGE.format(title=html.escape(paper.title), body="\n".join([head, *body])))
    return page


def _facts(paper: Paper, runs: Runs, missing: Sequence[str], command: str) -> list[str]:
    all_runs = [run for group in runs.values() for run in group]
    hours = sum(map(seconds, all_runs)) / 3600
    names = ("hpcqrl", "torch", "pennylane", "mpi")
    versions = sorted({", ".join(f"{name} {run.attributes[name]}" for name in names) for run in all_runs})
    seeds = ", ".join(map(str, sorted({run.seed for run in all_runs})))
    full = {experiment.name: experiment.length or paper.length for experiment in paper.experiments}
    lengths = dict.fromkeys((length(run), full[name]) for name, group in runs.items() for run in group)
    shares = (
        f"{own:,} {paper.unit} each" + (f" ({own / whole:.3g} of {whole:,})" if own != whole else "")
        for own, whole in lengths
    )
    return [
        f"Paper: {paper.source}; system: {paper.system}",
        f"{len(all_runs)} runs, seeds {seeds}, {' or '.join(shares)}; {hours:.2f} h of training",
        *([f"{len(missing)} runs are missing or not complete: {'; '.join(missing)}"] if missing else []),
        *(f"Trained with {text}" for text in versions),
        f"Made by `{command}` on {platform.machine()}, {os.cpu_count()} cores, "
        f"{datetime.now(UTC).isoformat(timespec='minutes')}",
        *paper.notes,
    ]


def _html(table: Table) -> str:
    def row(cells: Sequence[str], tag: str) -> str:
        return f"<tr>{''.join(f'<{tag}>{html.escape(cell)}</{tag}>' for cell in cells)}</tr>"

    rows = "".join(row(cells, "td") for cells in table.rows)
    below = f"<p>{html.escape(table.below)}</p>" if table.below else ""
    return f"<h2>{html.escape(table.title)}</h2><table>{row(table.headings, 'th')}{rows}</table>{below}"


PAGE = """<!DOCTYPE html>
<html lang="en"><head><meta charset="utf-8"><title>{title}</title><style>
body {{ font: 16px/1.5 sans-serif; max-width: 72rem; margin: 2rem auto; padding: 0 1rem; color: #222; }}
table {{ border-collapse: collapse; display: block; overflow-x: auto; }}
th, td {{ padding: 0.25rem 0.75rem; border-bottom: 1px solid #ddd; text-align: left; white-space: nowrap; }}
th {{ border-bottom: 2px solid #888; }}
img {{ max-width: 100%; }}
</style></head><body>
{body}
</body></html>
"""
