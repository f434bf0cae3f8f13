"""An analysis in numbers: its tables as pages show them, and all that was set and found out."""

from __future__ import annotations

from collections import Counter
from dataclasses import replace
from typing import Any

from ecosystem.core.words import shortened
from ecosystem.influence import judgement
from ecosystem.influence.cutting import changes, knocked
from ecosystem.influence.findings import Findings
from ecosystem.influence.sentences import VERDICTS, effects, own_rounds, strongest, verdicts
from ecosystem.plots import influence_matrix
from ecosystem.report.blocks import Section, Words
from ecosystem.report.tables import pairs, table, text

STRONGEST = 12  # rows of the tables of influence and flows
KNOCKED = 6  # members whose answers to knock-outs have room in the table of flows
LONGEST = 48  # letters of a name: a page with longer ones would be large, and hard to read


def brief(findings: Findings) -> Findings:
    """The same with names of at most `LONGEST` letters, which still differ; itself, where no name is longer."""
    names = [str(name) for name in findings.members["member"]]
    names += [str(name) for name in dict.fromkeys(findings.influence["source"]) if len(str(name)) > LONGEST]
    if max(map(len, names), default=0) <= LONGEST:
        return findings
    short = {name: shortened(name, LONGEST) for name in names}
    count, taken = Counter(short.values()), set()
    for i, (name, words) in enumerate(short.items(), 1):
        if count[words] > 1:
            numbers = (f"{place} {words[: LONGEST - 8]}" for place in range(i, i + 2 * len(names) + 1))
            short[name] = next(new for new in numbers if new not in count and new not in taken)
            taken.add(short[name])
    columns = ("source", "target", "member")
    frames = {
        name: (frame := getattr(findings, name)).assign(
            **{column: [short.get(str(name), name) for name in frame[column]] for column in columns if column in frame}
        )
        for name in ("influence", "welfare", "hops", "edges", "members", "flows", "certificates", "flips")
    }
    frames["edges"] = frames["edges"].rename(columns={f"J[{name}]": f"J[{words}]" for name, words in short.items()})
    reasons = {
        name: {short.get(key, key): why for key, why in (findings.settings.get(name) or {}).items()}
        for name in ("skipped", "unjudged", "unbounded")
    }
    return replace(findings, **frames, settings=findings.settings | reasons)


def details(findings: Findings) -> Section:
    """Influence, flows and stability, each with its strongest rows first, and all that was set and found out."""
    rows = findings.influence.assign(verdict=verdict_words(findings))
    rows = rows.assign(effect=effects(findings))
    played = "after" in rows and bool(rows["after"].notna().any())
    columns = ["target", "source", "kind", "effect", *["after"] * played, "verdict"]
    edges = findings.edges.loc[
        influence_matrix.apart(findings.edges)["size"].sort_values(ascending=False, kind="stable").index
    ]
    answers = knocked(edges)
    cleaned = edges.assign(**{f"J[{name}]": column for name, column in changes(edges).items()})
    few = edges.drop(columns=answers) if len(answers) > KNOCKED else cleaned
    flows = table("edges-table", few, _edge_words(len(answers)), most=STRONGEST)
    orders = "Orders of updates: what a round leaves of the distance to the stable point."
    found = [
        table("influence-table", strongest(rows)[columns], _influence_words(findings, played), most=STRONGEST),
        table("stability-table", findings.stability.dropna(axis="columns", how="all"), orders),
        replace(flows, whole=edges if flows.more else None),
        pairs("influence-settings", "Settings of the analysis.", _settings(findings.settings)),
    ]
    return Section("influence-numbers", "Influence in numbers", [block for block in found if block.rows])


def promises(findings: Findings) -> Section:
    """Who collapses after whom, and the flows that decide it: what can be seen from shares alone."""
    members, flips = findings.certificates, findings.flips
    blocks: list[Any] = []
    if len(members):
        some = members.sort_values(["collapses", "radius"], ascending=False, kind="stable")
        words = (
            "Parts of members that read each other, directly or through others; what their samples make of each other "
            "is forgotten if the radius is less than 1. Cure: the least real data that one member must be given for it."
        )
        blocks.append(table("promises-table", some.dropna(axis="columns", how="all"), words, lift=True, most=STRONGEST))
    if len(flips):
        words = "Single flows that decide who collapses: if they came, in the place of real data, or went."
        blocks.append(table("flips-table", flips.dropna(axis="columns", how="all"), words, most=STRONGEST))
    if why := findings.settings.get("unpromised"):
        blocks.append(Words(f"Nothing is promised: {why}", soft=True))
    return Section("promises", "What the graph alone promises", blocks)


def _influence_words(findings: Findings, played: bool) -> str:
    """The caption of the table of influence."""
    of, measure = judgement.subject(findings)
    level = "curation level" if of == "curation" else judgement.moved(of)
    words = f"Derivatives of the target’s {measure} by the source’s {level}"
    return (
        f"{words}: effect in the long run, after {own_rounds(findings.settings.get('rounds'))}."
        if played
        else f"{words}."
    )


def _edge_words(knocked: int) -> str:
    """The caption of the table of flows, after knock-outs that so many members answered."""
    words = (
        "Flows by the influence that passes through them, added up over all sources and targets: what it gains some "
        "and what it harms others, which in traffic cancel."
    )
    if not knocked:
        return words
    change = "by how much its alignment changes without the flow (– where the shares had nowhere to go)."
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
    rows = [(words, text(settings[key])) for key, words in names.items() if settings.get(key) not in (None, "")]
    rows[1:1] = [(f"parameter {key}", str(value)) for key, value in (settings.get("parameters") or {}).items()]
    return rows


def verdict_words(findings: Findings) -> list[str]:
    """The verdict on every row, in words."""
    found = verdicts(findings)
    if judgement.subject(findings) == judgement.USUAL:
        return found.map(VERDICTS).tolist()
    return judgement.plain(found).tolist()
