"""What a notebook shows of the results of a study: how far it is, what it found in a line, a row for each verdict."""

from __future__ import annotations

from typing import Any

import pandas as pd

from ecosystem.core.words import counted, number, safe
from ecosystem.plots.shown import ROWS, table
from ecosystem.study.outcomes.effects import effects
from ecosystem.study.outcomes.story import chosen, headline
from ecosystem.study.outcomes.subject import Subject
from ecosystem.study.outcomes.verdicts import WORDS
from ecosystem.study.results import Results


def results(results: Results) -> str:
    """A study as HTML: how far it is, what it found in a line, and a row for each verdict."""
    progress, subject = results.progress(), Subject(results)
    parts = [
        f"{progress.done:,} of {progress.points:,} points",
        f"{counted(len(results.seeds), 'seed')} a point",
    ]
    parts += [f"{progress.failed:,} failed"] if progress.failed else []
    told = results.verdicts
    rows = told[told["member"].isin([verdict.name for verdict in chosen(subject)])]
    verdicts = table((_of_study(row) for row in rows.head(ROWS).to_dict("records")), len(told))
    told_all = f"<p>{safe(headline(subject, effects(subject)))}</p>"
    return f"<div><b>{safe(f'Study {results.name}')}</b>: {safe(', '.join(parts))}{told_all}{verdicts}</div>"


def _of_study(row: dict[Any, Any]) -> dict[str, str]:
    counts = {"gains": row["gained"], "loses": row["lost"]}
    return {
        "member": row["member"],
        **{f"{verb} at": f"{count:,} of {row['points']:,}" for verb, count in counts.items() if row["against"]},
        "highest": _end(row, "highest"),
        "lowest": _end(row, "lowest"),
        "compared with": row["against"] or "–",
        "verdict": WORDS[row["verdict"]],
    }


def _end(row: dict[Any, Any], end: str) -> str:
    """The highest or lowest alignment, and where: nowhere, if none is finite."""
    place = row[f"{end}_at"]
    return number(row[end]) + ("" if pd.isna(place) else f" at point {place}")
