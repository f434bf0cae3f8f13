"""The influence section of a report, and the page that an analysis has where there is no run."""

from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

from ecosystem.core.words import number
from ecosystem.influence.sentences import VERDICTS, judged, own_rounds, strongest, verdicts
from ecosystem.influence.story import FAR, UNIT, headline, limits, story
from ecosystem.report import look, parts
from ecosystem.report.crowds import DRAWN
from ecosystem.report.influence import captions
from ecosystem.report.influence.matrix import heat_map
from ecosystem.report.influence.walks import hops, pairs
from ecosystem.report.influence.web import edges as edges_of
from ecosystem.report.influence.web import network

if TYPE_CHECKING:
    from ecosystem.influence.findings import Findings

EXTREMES = 6  # members at either end of the list, where there are too many for a row each
KNOCKED = 6  # members whose answers to knock-outs have room on the page
TINTS = {
    "pays": "gained",
    "helps": "gained",
    "backfires": "lost",
    "lowers": "lost",
    "harms": "lost",
    "none": "",
    "undefined": "",
}


def section(findings: "Findings") -> dict[str, Any]:
    """All that the template of the section asks for; findings that its sentences do not speak of are refused."""
    of, measure = (findings.settings.get(key, usual) for key, usual in (("of", "curation"), ("measure", "alignment")))
    if (of, measure) != ("curation", "alignment"):
        raise ValueError(
            f"a report tells of the influence of curation on alignment, and these are of {of} on {measure}; look at "
            "their tables: Findings.load(folder).influence"
        )
    notices = limits(findings)
    return {
        "headline": headline(findings),
        "notices": notices,
        "unit": UNIT,
        "verdicts": _verdicts(findings),
        "chapters": [
            (title, [sentence.replace(" %", "\N{NO-BREAK SPACE}%") for sentence in sentences])
            for title, sentences in story(findings)
            if sentences != notices
        ],
        "figures": _figures(findings),
        "tables": _tables(findings),
        "settings": _settings(findings.settings),
    }


def render_findings(findings: "Findings") -> str:
    """A page with the influence section alone, as HTML; everything that comes from the analysis is escaped."""
    settings = findings.settings
    return parts.template("influence_page.html.j2").render(
        title=settings.get("scenario", "scenario"),
        headline=headline(findings),
        description=parts.paragraphs(str(settings.get("description") or "")),
        facts=_facts(findings),
        influence=section(findings) | {"headline": ""},
        command=settings.get("command", ""),
        members=parts.listed(findings.members, "Members, with their alignment at the stable point.", lift=True),
        flows=parts.listed(
            findings.flows, "Flows as the scenario declares them, as shares of the target’s training set.", lift=True
        ),
    )


def write_findings(findings: "Findings", path: str | Path) -> Path:
    """Write the page of an analysis as one HTML file; makes its folder; returns the path."""
    return parts.written(path, render_findings(findings))


def _facts(findings: "Findings") -> list[tuple[str, str]]:
    """The analysis in a few numbers."""
    table = findings.influence
    facts = [
        ("members", f"{len(findings.members):,}"),
        ("flows", f"{len(findings.flows):,}"),
        ("whose curation is varied", f"{table['source'].nunique():,}"),
        ("whose alignment answers", f"{table['target'].nunique():,}"),
    ]
    settles = findings.stability["settles"].astype(bool)
    if len(settles) == 1:
        late = settles.all() and float(findings.settings.get("distance") or 0.0) > FAR
        facts.append(("the network settles", "not yet in its own rounds" if late else "yes" if settles.all() else "no"))
    elif len(settles):
        facts.append(("the network settles", f"in {int(settles.sum())} of {len(settles)} orders"))
    return facts


def _verdicts(findings: "Findings") -> dict[str, Any]:
    """What curation does to the members themselves: all of them, or those at either end where there are many."""
    table = judged(findings, "self")
    caption = "What more curation does to the member itself, alone and in this network, and to the others together."
    if len(table) > look.MANY:
        ranked = table.sort_values("effect", ascending=False)
        table = pd.concat([ranked.head(EXTREMES), ranked.tail(EXTREMES)])
        caption += f" The {EXTREMES} members that gain most and the {EXTREMES} that gain least."
    outside = dict(zip(findings.welfare["source"].astype(str), findings.welfare["externality"], strict=True))
    levels = dict(zip(findings.members["member"].astype(str), findings.members["curation"], strict=True))
    rows = [
        {
            "cells": [
                row["source"],
                look.percent(float(levels[row["source"]])),
                _signed(row["effect"]),
                _signed(row["isolated"]),
                _network(row),
                _signed(outside.get(row["source"], np.nan)),
            ],
            "kind": TINTS[row["verdict"]],
            "words": VERDICTS[row["verdict"]],
        }
        for row in table.to_dict("records")
    ]
    columns = ["Member", "Curated", "Effect on itself", "Isolated", "The network", "On the others", "Verdict"]
    return {"caption": caption, "columns": columns, "rows": rows}


def _signed(value: Any) -> str:
    """An effect in a table."""
    return "0" if value == 0 else number(float(value), sign=True)


def _network(row: dict[Any, Any]) -> str:
    """What the network does, with its factor."""
    factor = float(row["amplification"])
    known = np.isfinite(factor) and row["network"] != "unchanged"
    return f"{row['network']}, × {number(factor)}" if known else str(row["network"])


def _figures(findings: "Findings") -> list[dict[str, str]]:
    """Matrix, network and hops, where there is something to see."""
    if findings.influence.empty:
        return []
    found = [("influence-matrix", "Whose curation moves whom", heat_map, captions.heat_map)]
    if len(findings.members) <= DRAWN:
        found.append(("influence-network", "Where influence flows", network, captions.network))
    if len(findings.hops) and pairs(findings):
        found.append(("influence-hops", "Hop by hop", hops, captions.hops))
    return [parts.figure(findings, name, title, draw, words(findings)) for name, title, draw, words in found]


def _tables(findings: "Findings") -> list[dict[str, Any]]:
    """Influence, edges and stability, each with its strongest rows first."""
    influence = findings.influence.assign(verdict=[VERDICTS[verdict] for verdict in verdicts(findings)])
    played = ["after"] if "after" in influence and influence["after"].notna().any() else []
    influence = strongest(influence)[["target", "source", "kind", "effect", *played, "verdict"]]
    sizes = pd.Series([edge.size for edge in edges_of(findings)], index=findings.edges.index)
    edges = findings.edges.loc[sizes.sort_values(ascending=False, kind="stable").index]
    stability = findings.stability.assign(
        settles=["yes" if settles else "no" for settles in findings.stability["settles"]]
    )
    stability = stability.dropna(axis="columns", how="all")
    knocked = [column for column in edges if str(column).startswith("J[")]
    if len(knocked) > KNOCKED:
        edges = edges.drop(columns=knocked)
    found = [
        ("influence-table", influence, _influence_words(findings, bool(played))),
        ("stability-table", stability, "Orders of updates: what a round leaves of the distance to the stable point."),
        ("edges-table", edges, _edge_words(len(knocked))),
    ]
    return [{"id": name, **parts.listed(table, caption)} for name, table, caption in found if len(table)]


def _influence_words(findings: "Findings", played: bool) -> str:
    """The caption of the table of influence."""
    words = "Derivatives of the target’s alignment by the source’s curation level"
    rounds = findings.settings.get("rounds")
    return f"{words}: effect in the long run, after {own_rounds(rounds)}." if played else f"{words}."


def _edge_words(knocked: int) -> str:
    """The caption of the table of edges, after knock-outs of edges that so many members answered."""
    words = (
        "Edges by the influence that passes through them, added up over all sources and targets: what it gains some "
        "and what it harms others, which in traffic cancel."
    )
    if not knocked:
        return words
    change = "by how much its alignment changes without the edge (– where the shares had nowhere to go)."
    return f"{words} J[member]{'' if knocked <= KNOCKED else ', in the saved table'}: {change}"


def _settings(settings: dict[str, Any]) -> list[tuple[str, str]]:
    """Everything that the analysis was given and found out about itself, one fact a row."""
    names = {
        "file": "file",
        "radius": "spectral radius ρ(B)",
        "certificate": "certificate ρ(‖B‖)",
        "residual": "residual at the stable point",
        "tolerance": "tolerance",
        "seen": "what the dynamics did",
        "rounds": "the scenario’s own rounds",
        "distance": "distance to the stable point after them",
        "law": "how the rest shrinks",
        "unplayed": "own rounds not played because",
        "formal": "formal because",
    }
    rows = [(words, parts.cell(settings[key])) for key, words in names.items() if settings.get(key) not in (None, "")]
    rows[1:1] = [(f"parameter {key}", str(value)) for key, value in (settings.get("parameters") or {}).items()]
    return rows
