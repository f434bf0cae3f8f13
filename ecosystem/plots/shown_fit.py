"""What a notebook shows of a fit: what it is of, what was found, its estimates, and what is to be known of it."""

from __future__ import annotations

from ecosystem.core.words import counted, number, safe
from ecosystem.decisions.fitted import Fit
from ecosystem.plots.shown import ROWS, table


def fit(fit: Fit) -> str:
    """A fit as HTML: the facts in a line, the estimates with their 95 % intervals, and its verdicts."""
    facts = [
        counted(len(fit.observations), "observation"),
        counted(len(fit.names), "free number"),
        counted(len(fit.searches), "search").replace("searchs", "searches"),
    ]
    rows = []
    for row in fit.estimates.head(ROWS).to_dict("records"):
        unbounded = row["note"] == "unbounded"
        reach = "unbounded" if unbounded else f"{number(row['low'])} to {number(row['high'])}"
        rows.append(
            {
                "number": str(row["parameter"]),
                "it was": number(row["start"]),
                "estimate": "–" if unbounded else number(row["estimate"], row["error"]),
                "95 %": reach,
                "note": "" if unbounded else str(row["note"]),
            }
        )
    said = "".join(f"<p>{safe(words)}</p>" for words in fit.verdicts["sentence"])
    title = f"Fit of {fit.parameters.given.name}"
    return f"<div><b>{safe(title)}</b>: {safe(', '.join(facts))}{said}{table(rows, len(fit.estimates))}</div>"
