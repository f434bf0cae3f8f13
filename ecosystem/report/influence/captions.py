"""What stands below each figure of influence, and what is read aloud in its place, in plain words."""

from typing import TYPE_CHECKING

import numpy as np

from ecosystem.core.words import called, counted, joined, number
from ecosystem.influence.sentences import points
from ecosystem.report.influence.matrix import FRAMED, matrix, scale
from ecosystem.report.influence.walks import pairs
from ecosystem.report.influence.web import received
from ecosystem.report.look import MANY

if TYPE_CHECKING:
    from ecosystem.influence.findings import Findings


def heat_map(findings: "Findings") -> tuple[str, str]:
    """Caption and alternative text of the matrix."""
    table = matrix(findings)
    rows, columns = table.shape
    itself = "a frame marks" if max(rows, columns) <= FRAMED else "the falling line of cells is"
    caption = (
        "A column is a member whose training set becomes more curated, a row a member whose alignment answers. "
        f"Teal rises, brown falls; {itself} what curation does to the member itself."
    )
    if max(rows, columns) > MANY:
        caption += " Numbers count members in the scenario’s order."
    if len(table) and scale(table.to_numpy())[1]:
        caption += " The few effects beyond the ends of the scale have the colour of its ends."
    harmed = int((table < 0).sum().sum())
    size = f"{counted(columns, 'member')} on {counted(rows, 'member')}"
    return caption, f"Heat map of the influence of {size}; {harmed:,} effects are negative."


def network(findings: "Findings") -> tuple[str, str]:
    """Caption and alternative text of the network."""
    many = len(findings.members) > MANY
    caption = (
        f"The tint of a {'dot' if many else 'circle'} says what happens to a member’s alignment if every curation "
        "level that can be varied rises together: the sum of its row above. A stroke is an edge, thicker the more "
        "influence passes through it, teal if what it carries raises alignments and brown if it lowers them; where it "
        f"does both there are two, {'one within the other' if many else 'side by side'}."
    )
    if not many:
        caption += " A thick ring marks members whose own curation is varied."
    effects = {name: effect for name, effect in received(findings).items() if np.isfinite(effect)}
    ranked = sorted(effects, key=lambda name: effects[name])
    alt = f"Network of {counted(len(findings.members), 'member')} and {counted(len(findings.edges), 'edge')}."
    if ranked:
        best, worst = ranked[-1], ranked[0]
        alt += f" {called(best)} gains most ({number(effects[best], sign=True)})"
        alt += f", {called(worst)} least ({number(effects[worst], sign=True)})." if best != worst else "."
    return caption, alt


def _under_way(findings: "Findings", shown: list[tuple[str, str, float]]) -> str:
    """What longer walks still bring, where the sum has not come near the whole."""
    table = findings.hops.astype({"target": str, "source": str})
    last = table[table["hop"] == table["hop"].max()].set_index(["source", "target"])["left"]
    open_ends = [
        f"{number(last[source, target], sign=True)} of that of {called(source)} on {called(target)}"
        for source, target, whole in shown
        if abs(last.get((source, target), 0.0)) > 0.1 * abs(whole)
    ]
    if not open_ends:
        return ""
    followed = f"After {table['hop'].max()} hops this much is still under way"
    return f" {followed}: {joined(open_ends)} (--hops follows it further)."


def hops(findings: "Findings") -> tuple[str, str]:
    """Caption and alternative text of the hops."""
    shown = pairs(findings)
    caption = (
        "The strongest influences, hop by hop: curation of the first member, alignment of the second. A bar is what "
        "walks of that many hops bring, the line their sum so far, the dashes the whole."
    )
    if findings.settings.get("formal"):
        caption += " The numbers are formal: the sum need not come to rest."
    else:
        caption += _under_way(findings, shown)
    named = [f"{called(source)} on {called(target)} ({points(effect)} per point)" for source, target, effect in shown]
    return caption, f"Bar charts of influence by number of hops: {joined(named)}."
