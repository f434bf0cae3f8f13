"""The page of decisions: what a budget is best spent on, where selfish play ends, what keeps floors."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pandas as pd

from ecosystem.decisions.decided import TABLES, Decided, spoken
from ecosystem.plots import decisions
from ecosystem.report.assembly import render, write
from ecosystem.report.blocks import Chart, Code, Page, Section, Sentences, Words, charted
from ecosystem.report.prose import described
from ecosystem.report.tables import table

STAY = ("before", "after", "uniform", "selfish", "now", "optimum")  # compared with each other, row by row
TITLES = {
    "allocation": "What a budget is best spent on",
    "equilibrium": "Where selfish play ends",
    "steering": "Real data that keep floors",
}


def render_decisions(decided: Decided) -> str:
    """The page as HTML; everything that comes from the scenario is escaped."""
    return render(_page(decided))


def write_decisions(decided: Decided, path: str | Path) -> Path:
    """Write the page as one HTML file; makes its folder; returns the path."""
    return write(path, _page(decided))


def sections(decided: Decided) -> list[Section]:
    """A section for each part: what it means, its charts, then its tables."""
    found, tables, sentences = [], decided.tables, decided.sentences
    for part in decided.parts:
        said = sentences[part][1:] if part == "allocation" else sentences[part]  # its first is the headline
        blocks: list[Any] = [Sentences(said), *_charts(part, decided)]
        blocks += [
            table(
                f"{part}-{name}",
                tables[part, name].rename(columns=spoken) if part == "equilibrium" else tables[part, name],
                caption,
                lift=name in ("starts", "levels"),
                stay=STAY,
            )
            for name, caption in TABLES[part].items()
            if (part, name) in tables
        ]
        found.append(Section(part, TITLES[part], blocks))
    return found


def _charts(part: str, decided: Decided) -> list[Chart]:
    """Levers and welfare by plan, and what more would buy; where selfish play ends, and how it goes round."""
    found, tables = decided.parts[part], decided.tables
    if part == "allocation":
        return [
            *charted("chart-plans", lambda: decisions.plans(found.levels)),
            *charted("chart-welfare", lambda: decisions.welfare(found.welfare)),
            *charted("chart-multipliers", lambda: decisions.multipliers(found.multipliers)),
        ]
    if part == "equilibrium":
        turns = tables.get((part, "cycle"), pd.DataFrame())
        return [
            *charted("chart-responses", lambda: decisions.responses(found.levels)),
            *charted("chart-utilities", lambda: decisions.welfare(found.welfare.rename(index=spoken))),
            *charted("chart-turns", lambda: decisions.turns(turns)),
        ]
    return []


def _page(decided: Decided) -> Page:
    settings = decided.settings
    lead, about = described(settings.get("description"))
    again = [Code(str(settings["command"]))] if settings.get("command") else []
    words = "The same command, on the same machine with the same versions, gives the same tables."
    last = [Section("again", "The same again", [Words(words), *again])] if again else []
    first = next(iter(decided.sentences.values()), [""])
    return Page(
        title=str(settings.get("scenario", "scenario")),
        kind="decisions",
        headline=first[0] if first else "",
        sections=[*sections(decided), *about, *last],
        lead=lead,
        facts=[(str(name), str(value)) for name, value in settings.get("asked", {}).items()],
    )
