"""A report: a paper's tables and figures with our runs in them, as files and as one page that needs nothing else."""

import base64
import html
import os
import subprocess
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

from papers.paper import Curves, Milestones, Paper, Scores, Settings, Speedups, Together
from profiles import draw_profiles
from reading import length, seconds, spans
from report_comparisons import choices_table, orders_table, speedups_table, tasks_of, together_table
from report_figures import draw
from report_tables import Runs, Table, experiments_table, milestones_table, runs_table, scores_table, settings_table
from table import comma_separated, markdown

ROOT = Path(__file__).resolve().parent.parent


@dataclass(frozen=True)
class Figure:
    """A figure of the report: its file, and what it shows."""

    title: str
    image: Path
    words: str


def write_report(
    paper: Paper, runs: Runs, missing: Sequence[str], commands: Mapping[str, str], command: str, folder: Path
) -> Path:
    """Write the tables (Markdown, CSV), the figures (PNG), and index.html, which holds all of them; its path."""
    folder.mkdir(parents=True, exist_ok=True)
    parts = [*_parts(paper, runs, folder, ""), runs_table(paper, runs, commands)]
    tables = [part for part in parts if isinstance(part, Table)]
    for number, table in enumerate(tables, 1):
        (folder / f"table-{number}.csv").write_text(comma_separated(table.headings, table.rows))
    facts, verdicts = _facts(paper, runs, missing, command), _verdicts(tables, runs)
    (folder / "report.md").write_text(_text(paper, parts, facts, verdicts))
    page = folder / "index.html"
    head = f"<h1>{html.escape(paper.title)}</h1>{_html_list(facts)}<h2>{SAYS}</h2>{_html_list(verdicts)}"
    body = "\n".join([head, *(_html(part) for part in parts)])
    page.write_text(PAGE.format(title=html.escape(paper.title), body=body))
    return page


def write_docs(
    paper: Paper, runs: Runs, missing: Sequence[str], commands: Mapping[str, str], command: str, folder: Path
) -> Path:
    """Write the page SYSTEM.md, which is short enough to be kept, and its figures SYSTEM-*.png; its path."""
    folder.mkdir(parents=True, exist_ok=True)
    parts = [*_parts(paper, runs, folder, f"{paper.system}-"), experiments_table(paper, runs, commands)]
    tables = [part for part in parts if isinstance(part, Table)]
    page = folder / f"{paper.system}.md"
    page.write_text(_text(paper, parts, _facts(paper, runs, missing, command), _verdicts(tables, runs)))
    return page


def _is_empty(part: object, runs: Runs) -> bool:
    """Whether it is a figure, or a table, of runs of which there is none."""
    if isinstance(part, Curves):
        names = {name for _, panel in part.panels for name in panel}
    elif isinstance(part, Milestones | Speedups):
        names = {row[0] for row in part.rows}
    else:
        return False
    return not any(runs.get(name) for name in names)


def _parts(paper: Paper, runs: Runs, folder: Path, prefix: str) -> list[Table | Figure]:
    """The paper's tables and figures in its order, but those of which there is no run; the figures are written."""
    parts: list[Table | Figure] = []
    images = (folder / f"{prefix}figure-{number}.png" for number in range(1, 100))
    for part in paper.parts:
        if isinstance(part, Curves):
            image = next(images)  # a figure has its number, whatever is there
        if _is_empty(part, runs):
            continue
        if isinstance(part, Curves):
            parts.append(Figure(part.title, image, draw(paper, part, runs, image)))
        elif isinstance(part, Scores):
            parts.append(scores_table(paper, part, runs))
        elif isinstance(part, Milestones):
            parts.append(milestones_table(paper, part, runs))
        elif isinstance(part, Settings):
            parts.append(settings_table(part, runs))
        elif isinstance(part, Together):
            found = tasks_of(part, runs)
            parts.append(together_table(part, runs, found))
            if found:
                title, image = f"{part.title}: performance profiles", next(images)
                draw_profiles(found, image, title)
                parts.append(Figure(title, image, "Share of runs above each normalised score; band: 95% interval."))
        else:
            parts.append(speedups_table(paper, part, runs))
    parts.append(orders_table(paper, runs))
    if any(runs.get(experiment.name) for experiment in paper.variants):
        parts.append(choices_table(paper, runs))
    return parts


SAYS = "What the numbers say"


def _verdicts(tables: Iterable[Table], runs: Runs) -> list[str]:
    said = [verdict for table in tables for verdict in table.verdicts] or ["Nothing yet."]
    few = any(1 < len(group) < 5 for group in runs.values())
    return said + ["Intervals over fewer than 5 seeds are too narrow: over 2, they miss half of the time."] * few


def _text(paper: Paper, parts: Sequence[Table | Figure], facts: Sequence[str], verdicts: Sequence[str]) -> str:
    """The report in Markdown."""
    texts = [
        f"# {paper.title}\n\n" + "".join(f"- {fact}\n" for fact in facts),
        f"## {SAYS}\n\n" + "".join(f"- {verdict}\n" for verdict in verdicts),
    ]
    for part in parts:
        if isinstance(part, Figure):
            texts.append(f"## {part.title}\n\n![{part.title}]({part.image.name})\n\n{part.words}\n")
        else:
            below = f"\n{part.below}\n" if part.below else ""
            texts.append(f"## {part.title}\n\n{markdown(part.headings, part.rows)}{below}")
    return "\n".join(texts)


def _facts(paper: Paper, runs: Runs, missing: Sequence[str], command: str) -> list[str]:
    all_runs = [run for group in runs.values() for run in group]
    hours = sum(map(seconds, all_runs)) / 3600
    names = ("hpcqrl", "python", "numpy", "numba", "torch", "pennylane", "gymnasium", "minigrid", "mpi")
    versions = sorted(
        {", ".join(f"{name} {run.attributes[name]}" for name in names if run.attributes.get(name)) for run in all_runs}
    )
    machines = sorted({_machine(run.attributes) for run in all_runs})
    commits = sorted({str(run.attributes.get("commit") or "not recorded") for run in all_runs})
    lengths = dict.fromkeys((length(run), paper.full_length(name)) for name, group in runs.items() for run in group)
    shares = (
        f"{own:,} {paper.unit} each" + (f" ({own / whole:.3g} of {whole:,})" if own != whole else "")
        for own, whole in lengths
    )
    empty = [part.title for part in paper.parts if _is_empty(part, runs)]
    return [
        f"Paper: {paper.source}; system: {paper.system}",
        f"{len(all_runs)} runs, seeds {spans([run.seed for run in all_runs])}, {' or '.join(shares)}; "
        f"{hours:.2f} h of training",
        *(f"Not here: {line}" for line in missing),
        *(f"No run of: {title}" for title in empty),
        *(f"Trained with {text}" for text in versions),
        f"Trained on: {'; '.join(machines)}",
        f"Trained at commit: {', '.join(commits)}",
        f"Made by `{command}` at commit {_commit()} on {os.cpu_count()} cores, "
        f"{datetime.now(UTC).isoformat(timespec='minutes')}",
        *paper.notes,
    ]


def _machine(attributes: Mapping[str, object]) -> str:
    """What a run says of where it ran."""
    cpu, gpu = (str(attributes.get(name) or "") for name in ("cpu", "gpu"))
    return ", ".join(part for part in (cpu, gpu) if part) or "not recorded"


def _commit() -> str:
    """That of the checkout which makes the report."""
    command = ["git", "-C", str(ROOT), "rev-parse", "--short=12", "HEAD"]
    try:
        return subprocess.run(command, capture_output=True, text=True, check=True).stdout.strip()
    except (OSError, subprocess.CalledProcessError):
        return "unknown"


def _html(part: Table | Figure) -> str:
    title = f"<h2>{html.escape(part.title)}</h2>"
    if isinstance(part, Figure):
        data = base64.b64encode(part.image.read_bytes()).decode()
        image = f'<img alt="{html.escape(part.title)}" src="data:image/png;base64,{data}">'
        return f"{title}\n{image}\n<p>{html.escape(part.words)}</p>"

    def row(cells: Sequence[str], tag: str) -> str:
        return f"<tr>{''.join(f'<{tag}>{html.escape(cell)}</{tag}>' for cell in cells)}</tr>"

    rows = "".join(row(cells, "td") for cells in part.rows)
    below = f"<p>{html.escape(part.below)}</p>" if part.below else ""
    return f"{title}<table>{row(part.headings, 'th')}{rows}</table>{below}"


def _html_list(lines: Sequence[str]) -> str:
    return f"<ul>{''.join(f'<li>{html.escape(line)}</li>' for line in lines)}</ul>"


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
