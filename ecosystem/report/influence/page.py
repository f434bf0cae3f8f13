"""The page of an influence analysis that stands alone."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from ecosystem.influence import judgement
from ecosystem.influence.findings import Findings
from ecosystem.influence.sentences import itself, judged, strongest
from ecosystem.influence.story import FAR, headline
from ecosystem.plots.network.draw import MOST
from ecosystem.report.assembly import render, write
from ecosystem.report.blocks import Code, Page, Section, Words
from ecosystem.report.glossary import BASICS, INFLUENCE, glossary
from ecosystem.report.influence.numbers import brief
from ecosystem.report.influence.sections import FEW, sections
from ecosystem.report.prose import described
from ecosystem.report.tables import table


def render_findings(findings: Findings) -> str:
    """A page with the influence sections alone, as HTML; everything that comes from the analysis is escaped."""
    return render(_page(findings))


def write_findings(findings: Findings, path: str | Path) -> Path:
    """Write the page of an analysis as one HTML file; makes its folder; returns the path."""
    return write(path, _page(findings))


def _page(findings: Findings) -> Page:
    found = sections(findings, alone=True)
    findings = brief(findings)
    settings = findings.settings
    lead, about = described(settings.get("description"))
    of, measure = judgement.subject(findings)
    names = findings.members["member"].astype(str).tolist()
    return Page(
        title=str(settings.get("scenario", "scenario")),
        kind="influence of curation"
        if (of, measure) == judgement.USUAL
        else f"influence of {judgement.moved(of)} on {measure}",
        headline=headline(findings),
        sections=[*found, *about, _again(findings)],
        lead=lead,
        facts=_facts(findings),
        words=glossary(*BASICS, *INFLUENCE),
        members=names if len(names) <= MOST else (),
        told=_told(findings),
    )


def _facts(findings: Findings) -> list[tuple[str, str]]:
    """The analysis in a few numbers."""
    table, (of, measure) = findings.influence, judgement.subject(findings)
    facts = [
        ("members", f"{len(findings.members):,}"),
        ("flows", f"{len(findings.flows):,}"),
        (f"whose {of} is varied" if of == "curation" else "sources", f"{table['source'].nunique():,}"),
        (f"whose {measure} answers", f"{table['target'].nunique():,}"),
    ]
    settles = findings.stability["settles"].astype(bool)
    if len(settles) == 1:
        late = settles.all() and float(findings.settings.get("distance") or 0.0) > FAR
        facts.append(("the network settles", "not yet in its own rounds" if late else "yes" if settles.all() else "no"))
    elif len(settles):
        facts.append(("the network settles", f"in {int(settles.sum())} of {len(settles)} orders"))
    return facts


def _told(findings: Findings) -> dict[str, str]:
    """The verdict on members' own curation, said where they are pointed at; of many, that of the strongest."""
    if judgement.subject(findings) != judgement.USUAL:
        return {}
    rows = strongest(judged(findings, "self")).head(FEW)
    return {str(row["source"]): itself(findings, row) for row in rows.to_dict("records")}


def _again(findings: Findings) -> Section:
    """What was analysed, and how it is done again."""
    blocks: list[Any] = []
    if command := findings.settings.get("command"):
        blocks = [Words("The same command, on the same machine with the same versions, gives the same tables.")]
        blocks.append(Code(str(command)))
    shares = "Flows as the scenario declares them, as shares of the target’s training set."
    blocks.append(table("members", findings.members, "Members, with their alignment at the stable point.", lift=True))
    blocks.append(table("flows", findings.flows, shares, lift=True))
    return Section("again", "The scenario", blocks)
