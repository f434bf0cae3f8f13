"""What ``ecosystem study --sensitivity`` says: which settings matter, where, and how many seeds are enough."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from ecosystem.cli.terminal import console, say, table

if TYPE_CHECKING:
    from ecosystem.study import Results


def analyse(results: Results, measure: str, condition: str | None) -> None:
    """Print the indices of a measure by the method of the study's design, boxes of a condition, and the precision.

    What cannot be told yet, as the study is not finished, is said, and the rest goes on.
    """
    from ecosystem.study.outcomes.under_way import Unfinished

    try:
        found = results.sensitivity(measure)
    except Unfinished as why:
        say(f"which settings matter cannot be told yet: {why}")
    else:
        columns = [name for name in found.table if name != "other" or (found.table["other"] != "").any()]
        rows = [[_cell(value) for value in row] for row in found.table[columns].itertuples(index=False)]
        console().print(table(f"{found.measure}: {found.method}, {found.points:,} points", columns, rows))
        say(found.sentence)
    if condition is not None:
        for sentence in results.discover(condition).sentences:
            say(sentence)
    say(results.precision(measure).sentence)


def _cell(value: object) -> str:
    if isinstance(value, float):
        return "–" if np.isnan(value) else f"{value:.3f}"
    return str(value)
