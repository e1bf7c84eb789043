"""The tables of a report that compare models: how much sooner, in what order, and over all environments together."""

from collections.abc import Sequence

import numpy as np
from aggregates import improvement_interval, probability_of_improvement
from crossing import first_at, learning, sample_complexity, speedup_interval
from intervals import shown
from papers.paper import Paper, Scores, Speedups, Together, chosen
from reading import score
from report_tables import Runs, Table, beside, counted, named, over, scores, seeds_of, window_of
from together import TOGETHER, Tasks, normalised, together_rows

from hpcqrl.results.reader import Run


def speedups_table(paper: Paper, part: Speedups, runs: Runs) -> Table:
    """The paper's speed-ups, and ours, to each of the targets."""
    groups = {name: runs[name] for name, _ in part.rows if runs.get(name)}
    base_name = part.rows[0][0]
    if base_name not in groups:
        return Table(part.title, ("model", "paper", "ours"), [], f"There is no run of {base_name} to compare with.")
    window = window_of([run for group in groups.values() for run in group], part.window, of_tests=False)
    curves = {name: learning(group, window) for name, group in groups.items()}
    rows: list[list[str]] = []
    verdicts: list[str] = []
    for given in part.targets:
        ends = None if given is not None else ends_of(groups[base_name], part.last)
        target = float(np.mean(ends)) if ends is not None else float(given or 0.0)
        base = first_at(curves[base_name], target)
        for name, value in part.rows:
            cells = [f"{target:.4g}", name, "-" if value is None else f"{value:.2f}"]
            if name not in groups:
                rows.append([*cells, "no run", "-", "-", "-", "-", "0"])
                continue
            episodes, (first, between, there) = first_at(curves[name], target), sample_complexity(curves[name], target)
            ours, ratio = "not reached", "-"
            if episodes is None:
                verdicts.append(f"To {target:.4g}: {name} is not there in the mean of its seeds ({there} get there).")
            if base is not None and episodes is not None:
                low, high = speedup_interval(curves[base_name], curves[name], target, ends)
                ours, ratio = f"{base / episodes:.2f}", "-" if name == base_name else shown(low, high, 2)
                if name != base_name:
                    verdicts.append(f"To {target:.4g}: {_sooner(name, base / episodes, low, high, value)}")
            elif base is None and episodes is not None:
                ours = f"{base_name} never gets there"
            rows.append([*cells, ours, ratio, first, between, there, seeds_of(paper, name, groups[name])])
    headings = (
        "target", "model", "paper", "ours", "95% interval", "episodes of each agent", "95% interval",
        "seeds that get there", "seeds",
    )  # fmt: skip
    below = (
        f"The first target is what {base_name} ends with, as in the paper. One is reached where the mean over seeds, "
        f"and over {over(window, runs, of_tests=False)}, first is: a single run's highest swing would come long "
        f"before. Intervals draw the seeds again, and with them that target; up to inf where it is never reached."
    )
    return Table(part.title, headings, rows, below, tuple(verdicts))


def _sooner(name: str, ratio: float, low: float, high: float, value: float | None) -> str:
    """What a speed-up says, in a sentence."""
    if np.isnan(low):
        return f"{name} is {ratio:.2f} times as soon there, with 1 seed, which decides nothing."
    sooner = "sooner" if low > 1.0 else "later" if high < 1.0 else "not sure to be sooner"
    words = {"above": "more than", "below": "less than", "holds": "in an interval that holds", "": ""}
    paper = "" if value is None else f", {words[beside(low, high, value)]} the paper's {value:.2f}"
    return f"{name} is {sooner}: {ratio:.2f} times as soon there ({shown(low, high, 2)}){paper}."


def ends_of(group: Sequence[Run], last: int) -> list[float]:
    """The mean return of the last episodes of each of these runs."""
    last = window_of(group, last, of_tests=False)
    return [score(run, last) for run in group]


def orders_table(paper: Paper, runs: Runs) -> Table:
    """What the paper finds better than what, and whether we do: at the end, and over the whole run."""
    rows: list[list[str]] = []
    found: dict[str, list[str]] = {"as in the paper": [], "the other way round": [], "not decided": []}
    for better, worse, where in paper.orders:
        groups = [runs.get(name, ()) for name in (better, worse)]
        what = f"{better} above {worse}"
        if not all(groups):
            rows.append([what, where, "-", "-", "-", "-", "no run", "-", "-", "-", "-"])
            continue
        ends = [scores(paper, group, _last(paper, better)) for group in groups]
        end, whole = _compared(*ends), _compared(*(scores(paper, group, None) for group in groups))
        means = [f"{np.mean(each):.5g}" for each in ends]
        rows.append([what, where, *means, *end, *whole, " and ".join(str(len(group)) for group in groups)])
        found[end[-1] if end[-1] in found else "not decided"].append(what)
    headings = (
        "the paper finds", "where", "ours: first", "ours: second", "probability of improvement", "95% interval", "ours",
        "over the whole run", "95% interval", "ours", "seeds",
    )  # fmt: skip
    below = (
        "Probability of improvement: how often a run of the first scores above one of the second. An order is decided "
        "where its interval does not hold 1/2; of fewer than 5 seeds intervals are too narrow."
    )
    title, number = "The order of the models", sum(map(len, found.values()))
    if not number:
        return Table(title, headings, rows, below)
    held, other, open_ = found.values()
    verdict = (
        f"{title}: of {number} orders of the paper that we have runs for, {named(held, 'hold')}, "
        f"{named(other, 'come the other way round')}, {len(open_)} are not decided."
    )
    return Table(title, headings, rows, below, (verdict,))


def choices_table(paper: Paper, runs: Runs) -> Table:
    """The paper's orders with what it leaves open chosen otherwise, beside the same with the defaults."""
    rows: list[list[str]] = []
    verdicts: list[str] = []
    for choice in paper.choices:
        for better, worse in choice.orders:
            pairs = [(better, worse), (chosen(better, choice), chosen(worse, choice))]
            groups = [[runs.get(name, ()) for name in pair] for pair in pairs]
            cells, found = [], []
            for pair in groups:
                if not all(pair):
                    cells += ["-", "-", "no run"]
                    continue
                both = [scores(paper, group, _last(paper, better)) for group in pair]
                improvement, between, verdict = _compared(*both)
                cells += [" and ".join(f"{np.mean(each):.5g}" for each in both), f"{improvement} ({between})", verdict]
                found.append(verdict)
            changes = "no run" if len(found) < 2 else "not decided"
            if len(found) == 2 and not any(verdict.startswith("not") for verdict in found):
                changes = "no" if found[0] == found[1] else "YES"
            seeds = [" and ".join(str(len(group)) for group in pair) for pair in groups]
            rows.append([choice.name, f"{better} above {worse}", *cells, f"{seeds[0]}; {seeds[1]}", changes])
            if changes != "no run":
                says = {"no": "does not change", "YES": "CHANGES"}.get(changes, "is not known to change")
                verdicts.append(f"Chosen otherwise, {choice.name}: {says} whether {better} is above {worse}.")
    headings = (
        "chosen otherwise", "order", "default: means", "probability of improvement", "ours", "otherwise: means",
        "probability of improvement", "ours", "seeds", "changes the conclusion",
    )  # fmt: skip
    return Table("What changes the conclusion", headings, rows, verdicts=tuple(verdicts))


def _last(paper: Paper, name: str) -> int:
    """The episodes, or tests, whose mean is an experiment's score."""
    tables = [part for part in paper.parts if isinstance(part, Scores)]
    return next(part.last for part in tables if name in [row[0] for row in part.rows])


def _compared(first: Sequence[float], second: Sequence[float]) -> list[str]:
    """Probability of improvement, its interval, and what that says of the paper's order."""
    if not np.isfinite([*first, *second]).all():
        return ["-", "-", "not comparable: not finite"]
    low, high = improvement_interval([first], [second])
    verdict = "as in the paper" if low > 0.5 else "the other way round" if high < 0.5 else "not decided"
    if np.isnan(low):
        verdict = "not decided: 1 seed"
    return [f"{probability_of_improvement([first], [second]):.3f}", shown(low, high), verdict]


def tasks_of(part: Together, runs: Runs) -> dict[str, Tasks]:
    """The normalised scores of each kind of runs."""
    kinds = {name: [run for each in names for run in runs.get(each, ())] for name, names in part.kinds}
    return normalised({name: group for name, group in kinds.items() if group}, part.last, "report")


def together_table(part: Together, runs: Runs, found: dict[str, Tasks]) -> Table:
    """The kinds of runs over all environments together; found: what `tasks_of` found."""
    rows = together_rows(found)
    below = (
        f"Scores: mean return of the last {part.last:,} {counted(runs)}, normalised: 0 is chance, 1 the best; "
        f"environments: {', '.join(next(iter(found.values()), {})) or 'none that all of these were in'}. "
        "Probability of improvement: how often a run scores above one of the first row, in the mean over environments."
    )
    verdicts = []
    for row in rows[1:]:
        if row[6] == "1 seed":
            verdicts.append(f"{part.title}: {row[0]} against {rows[0][0]}: not decided, with 1 seed.")
            continue
        low, high = (float(edge) for edge in row[6].split(" to "))
        which = "above" if low > 0.5 else "below" if high < 0.5 else "not surely above or below"
        verdicts.append(f"{part.title}: {row[0]} is {which} {rows[0][0]}: probability {row[5]} ({row[6]}).")
    return Table(part.title, TOGETHER, rows, below, tuple(verdicts))
