"""The sections on an influence analysis: what it means comes first, then how it comes about, then its numbers."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from functools import partial
from typing import Any

import numpy as np
import pandas as pd

from ecosystem.core.words import counted, joined, number, percent
from ecosystem.influence import cutting, judgement
from ecosystem.influence.findings import Findings
from ecosystem.influence.sentences import VERDICTS, judged
from ecosystem.influence.story import headline, limits, story, unit
from ecosystem.plots import influence_matrix, influence_walks
from ecosystem.plots.network import network
from ecosystem.plots.spreads import evenly
from ecosystem.report.blocks import Cell, Network, Row, Section, Sentences, Slides, Table, Words, charted
from ecosystem.report.influence.numbers import LONGEST, brief, details, promises, verdict_words
from ecosystem.report.tables import LISTED

LARGEST = 40  # rows and columns of the matrix
SLIDES = 13  # numbers of hops that the slider stops at
FLOWS = 24  # flows that can be taken out
EXTREMES = 6  # members at either end of the verdicts, where there are too many for a row each
FEW = 30  # members up to which each has a row
NARROW = 360  # pixels of a phone
ON_A_PHONE = 24  # members up to which there is room on one
TONES = {"pays": "gained", "helps": "gained", "backfires": "lost", "lowers": "lost", "harms": "lost"}


def sections(findings: Findings, alone: bool = False) -> list[Section]:
    """All that a page says of an analysis; ``alone`` the headline is that of the page."""
    short = brief(findings)
    found = [_meaning(short, alone)]
    if len(short.influence):
        found += [_matrix(short), _network(short), _hops(short), _knock_outs(short)]
    found.append(promises(short))
    last = details(short)
    if short is not findings:
        words = f"Names of more than {LONGEST} letters are shortened here, in downloads too."
        last = replace(last, blocks=[*last.blocks, Words(words, soft=True)])
    return [section for section in [*found, last] if section.blocks]


# -- what it means -----------------------------------------------------------------------------------------------------


def _meaning(findings: Findings, alone: bool) -> Section:
    """Notices, verdicts and sentences."""
    usual = judgement.subject(findings) == judgement.USUAL
    notices = limits(findings)
    blocks: list[Any] = [Words(words, notice=True) for words in notices]
    blocks += [] if alone else [Words(headline(findings))]
    blocks += [_verdicts(findings) if usual else _effects(findings)]
    blocks += [Words(unit(findings), soft=True)]
    blocks += [
        Sentences([sentence.replace(" %", "\N{NO-BREAK SPACE}%") for sentence in sentences], title)
        for title, sentences in story(findings)
        if sentences != notices
    ]
    of, _ = judgement.subject(findings)
    return Section("influence", f"What more {judgement.moved(of)} would do", [b for b in blocks if b is not None])


def _verdicts(findings: Findings) -> Table | None:
    """What curation does to the members themselves: all of them, or those at either end where there are many."""
    rows = judged(findings, "self")
    caption = "What more curation does to the member itself, alone and in this network, and to the others together."
    if len(rows) > FEW:
        ranked = rows[rows["effect"].notna()].sort_values("effect", ascending=False, kind="stable")
        rows = pd.concat([ranked.head(EXTREMES), ranked.tail(EXTREMES)])
        caption += f" The {EXTREMES} members that gain most and the {EXTREMES} that gain least."
    outside = dict(zip(findings.welfare["source"].astype(str), findings.welfare["externality"], strict=True))
    levels = dict(zip(findings.members["member"].astype(str), findings.members["curation"], strict=True))
    lines = []
    for row in rows.astype({"source": str}).to_dict("records"):
        name, verdict = row["source"], row["verdict"]
        words = [_signed(row["effect"]), _signed(row["isolated"]), _factor(row), _signed(outside.get(name, np.nan))]
        cells = [Cell(percent(float(levels[name])), number=True), *(Cell(word, number=True) for word in words)]
        lines.append(Row([Cell(name), *cells, Cell(VERDICTS[verdict], tone=TONES.get(verdict, ""))], {"member": name}))
    columns = ["Member", "Curated", "Effect on itself", "Isolated", "The network", "On the others", "Verdict"]
    return Table("influence-verdicts", caption, columns, lines) if lines else None


def _effects(findings: Findings) -> Table | None:
    """The largest effects of another number, or on another measure."""
    rows, (of, measure) = judgement.largest(findings, 2 * EXTREMES), judgement.subject(findings)
    lines = [
        Row(
            [
                Cell(row["source"]),
                Cell(row["target"]),
                Cell(_signed(row["effect"]), number=True),
                Cell(row["verdict"], tone=""),
            ],
            {"source": row["source"], "target": row["target"]},
        )
        for row in rows.astype({"source": str, "target": str}).to_dict("records")
    ]
    caption = f"What more {judgement.moved(of)} at the source does to the {measure} of the target."
    if len(findings.influence) > len(rows):
        caption += f" The {len(rows)} largest of {len(findings.influence):,} effects."
    return Table("influence-verdicts", caption, ["Source", "Target", "Effect", "Verdict"], lines) if lines else None


def _signed(value: Any) -> str:
    """An effect in a table."""
    return "0" if value == 0 else number(float(value), sign=True)


def _factor(row: dict[Any, Any]) -> str:
    """What the network does, with its factor."""
    factor = float(row["amplification"])
    known = np.isfinite(factor) and row["network"] != "unchanged"
    return f"{row['network']}, × {number(factor)}" if known else str(row["network"])


# -- how it comes about ------------------------------------------------------------------------------------------------


def _matrix(findings: Findings) -> Section:
    """Who moves whom."""
    of, measure = judgement.subject(findings)
    names = ["of", "measure", "target", "source", "effect", "network", "verdict"]
    rows = findings.influence.assign(verdict=verdict_words(findings))
    rows = rows[[name for name in names if name in rows]]
    members = findings.members["member"].astype(str).tolist()
    drawn = charted("influence-matrix-chart", partial(influence_matrix.matrix, rows, members, LARGEST))
    words = (
        f"A column is a source, of which more {judgement.moved(of)} is moved, a row a member whose {measure} answers."
    )
    if (of, measure) == judgement.USUAL:
        words = "A column is a member whose training set becomes more curated, a row a member whose alignment answers."
    return Section("influence-matrix", "Who moves whom", [Words(words, soft=True), *drawn] if drawn else [])


def _network(findings: Findings) -> Section:
    """Where influence flows: a drawing of what flows carry, and one of what their sources do to their readers."""
    of, measure = judgement.subject(findings)
    effects = findings.influence.assign(target=findings.influence["target"].astype(str)).groupby("target")["effect"]
    values = {
        name: value for name, value in effects.agg(lambda some: some.sum(skipna=False)).items() if np.isfinite(value)
    }
    known = set(findings.members["member"].astype(str))
    kinds = {"traffic": "what flows carry"}
    if set(findings.influence["source"].astype(str)) & known:
        kinds["effect"] = f"what more {judgement.moved(of)} at the source does to the reader"
    each = (
        "every curation level that can be varied rises"
        if of == "curation"
        else f"there is more {judgement.moved(of)} everywhere"
    )
    said = f"A member’s number says what happens to its {measure} if {each} together."
    slides = []
    draw = partial(network, findings, values=values, focusable=True)
    for carry, words in kinds.items():
        wide = draw(edges=carry)
        narrow = draw(edges=carry, width=NARROW) if len(known) <= ON_A_PHONE else None
        slides.append((words, [Network(f"influence-{carry}", wide, narrow, f"{wide.caption} {said}")]))
    drawn = Slides("influence-edges", "Arrows show", slides, choice=True)
    carried = charted("influence-flows", partial(influence_matrix.traffic, findings.edges))
    blocks = [drawn, *carried]
    if measure != judgement.USUAL[1]:
        blocks.insert(
            0, Words(f"Gains, here and below, are what raises the {measure}, harms what lowers it.", soft=True)
        )
    return Section("influence-network", "Where influence flows", blocks)


def _hops(findings: Findings) -> Section:
    """How the matrix comes about, hop by hop: the sum so far by a slider, and the strongest pairs."""
    of, measure = judgement.subject(findings)
    hops = findings.hops.assign(of=of, measure=measure)
    if hops.empty:
        return Section("influence-hops", "Hop by hop", [])
    members = findings.members["member"].astype(str).tolist()
    slides = [
        (str(hop), found)
        for hop in evenly(sorted(map(int, set(hops["hop"]))), SLIDES)
        if (found := charted(f"influence-within-{hop}", partial(influence_walks.within, hops, hop, members)))
    ]
    drawn = charted("influence-walks", partial(influence_walks.hops, hops))
    if not drawn or not slides:
        return Section("influence-hops", "Hop by hop", [])
    way = Words(
        "Influence is a sum over walks through the network; the slider adds up those of so many hops.", soft=True
    )
    left = [Words(words) for words in _under_way(findings)]
    return Section("influence-hops", "Hop by hop", [way, Slides("influence-hop", "Hops", slides), *drawn, *left])


def _under_way(findings: Findings) -> Iterator[str]:
    """What longer walks still bring to the strongest influences, where the sum has not come near the whole."""
    if findings.settings.get("formal"):
        yield "These numbers are formal: the sum need not come to rest."
        return
    last = findings.hops[findings.hops["hop"] == findings.hops["hop"].max()]
    last = last.assign(whole=(last["cumulative"] + last["left"]).abs()).nlargest(influence_walks.PANELS, "whole")
    ends = [
        f"{number(row['left'], sign=True)} of that of {influence_matrix.pair_of(row)}"
        for row in last.to_dict("records")
        if abs(row["left"]) > 0.1 * row["whole"]
    ]
    if ends:
        after = counted(int(last["hop"].iloc[0]), "hop")
        yield f"After {after} this much is still under way: {joined(ends)} (--hops follows it further)."


def _knock_outs(findings: Findings) -> Section:
    """What happens without each of the flows that matter most, and which cut helps whom, if that was asked."""
    changes = cutting.changes(findings.edges)
    edges = findings.edges.assign(size=changes.abs().max(axis=1)).sort_values("size", ascending=False, kind="stable")
    asked = edges["size"].notna()
    if not asked.any():
        return Section("influence-knockouts", "Without a flow", [])
    kept = edges[asked].head(FLOWS).astype({"source": str, "target": str})
    flows = kept[["source", "target"]].to_dict("records")
    names = influence_matrix.headings(kept["source"], kept["target"], 40)
    rows = [
        Row([Cell(name), *map(Cell, _extremes(changes.loc[place].dropna()))], about)
        for name, place, about in zip(names, kept.index, flows, strict=True)
    ]
    caption = "What becomes of alignments without a flow, its share given back to real data."
    caption += f" The {len(kept)} of {int(asked.sum()):,} flows that change most." if len(kept) < asked.sum() else ""
    overview = Table("influence-without", caption, ["Flow", "Gains most", "Loses most"], rows)
    slides: list[tuple[str, list[Any]]] = [("nothing: all flows at a glance", [_cuts(findings), overview])]
    slides += [
        (name, charted(f"influence-without-{i}", partial(influence_matrix.knock_out, kept, **flow)))
        for i, (name, flow) in enumerate(zip(names, flows, strict=True))
    ]
    blocks: list[Any] = [Slides("influence-knockout", "Take out", slides, choice=True, about=[{}, *flows])]
    if refused := int((~asked).sum()):
        words = (
            f"{counted(refused, 'flow')} could not be taken out: the reader has no real data to fall back on, or no "
        )
        blocks.append(Words(f"{words[0].upper()}{words[1:]}stable point was found without it.", soft=True))
    return Section("influence-knockouts", "Without a flow", blocks)


def _cuts(findings: Findings) -> Table:
    """For each member the cut that helps it most, and the one that harms it most."""
    found = cutting.cuts(findings.edges)
    order = found["gain"].where(found["gain"] > 0, found["loss"]).sort_values(ascending=False, kind="stable").index
    rows = [
        Row([Cell(row["member"]), *(Cell(_cut(row, side)) for side in ("gain", "loss"))], {"member": row["member"]})
        for row in found.loc[order].to_dict("records")
    ]
    caption = "Which single flow, if it were cut, would help a member most, and which would harm it most."
    columns = ["Member", "Gains most without", "Loses most without"]
    return Table("influence-cuts", caption, columns, rows[:LISTED], max(0, len(rows) - LISTED), found)


def _cut(row: dict[Any, Any], side: str) -> str:
    """The flow of a cut, and what it changes."""
    flow = f"{row[f'{side}_source']} → {row[f'{side}_target']}"
    return f"{flow} ({number(row[side], sign=True)})" if row[side] else "no flow"


def _extremes(changes: pd.Series) -> tuple[str, str]:
    """Who gains most and who loses most without a flow."""
    best, worst = changes.idxmax(), changes.idxmin()
    gains = f"{best} ({number(changes[best], sign=True)})" if changes[best] > 0 else "nobody"
    return gains, f"{worst} ({number(changes[worst], sign=True)})" if changes[worst] < 0 else "nobody"
