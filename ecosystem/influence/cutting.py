"""What becomes of alignments without a flow: who gains most by which cut, and who loses."""

from __future__ import annotations

import numpy as np
import pandas as pd

from ecosystem.core.words import called, counted, number
from ecosystem.influence.findings import Findings
from ecosystem.influence.sentences import ROUNDING, TOLD


def knocked(edges: pd.DataFrame) -> list[str]:
    """The columns of a table of flows that say what happens without them, one a member."""
    return [name for name in map(str, edges.columns) if name.startswith("J[") and name.endswith("]")]


def changes(edges: pd.DataFrame) -> pd.DataFrame:
    """What happens to each member without each flow, a column a member; what is only rounding is 0."""
    found = edges[knocked(edges)].astype(float).rename(columns=lambda name: name[2:-1])
    return found.mask(found.abs() <= ROUNDING * found.abs().fillna(0.0).to_numpy().max(initial=0.0), 0.0)


def cuts(edges: pd.DataFrame) -> pd.DataFrame:
    """For each member the flow without which it gains most, and the one without which it loses most.

    Columns ``member``, ``gain``, ``gain_source``, ``gain_target``, ``loss``, ``loss_source``, ``loss_target``: changes
    of its alignment, 0 and empty names where no flow does it. Of ``edges`` with the columns ``J[member]``, as
    ``effect.edges(knock_out=True)`` has them; members of whom nothing is known are left out.
    """
    found = changes(edges).dropna(axis="columns", how="all")
    ends = edges[["source", "target"]].astype(str)
    rows = []
    for member in found:
        row: dict[str, object] = {"member": member}
        for side, sign in (("gain", 1.0), ("loss", -1.0)):
            place = (sign * found[member]).idxmax()
            change = float(found.at[place, member])
            there = sign * change > 0
            row |= {side: change if there else 0.0}
            row |= {f"{side}_{end}": str(ends.at[place, end]) if there else "" for end in ("source", "target")}
        rows.append(row)
    columns = ["member", *(f"{side}{end}" for side in ("gain", "loss") for end in ("", "_source", "_target"))]
    return pd.DataFrame(rows, columns=columns)


def told(findings: Findings) -> list[str]:
    """Which cut helps whom most, in sentences; none where no flow was taken out."""
    table = cuts(findings.edges)
    helped = table[table["gain"] > 0].sort_values("gain", ascending=False, kind="stable")
    if table.empty:
        return []
    if helped.empty:
        return ["No member gains by taking out a single flow, its share given back to real data."]
    flow = helped["gain_source"].map(called) + " → " + helped["gain_target"].map(called)
    sentences = [
        f"{called(member)} gains most without {way}: {number(gain, sign=True)}."
        for member, way, gain in zip(helped["member"].head(TOLD), flow, helped["gain"], strict=False)
    ]
    if more := len(helped) - len(sentences):
        sentences.append(f"{counted(more, 'other')} of {len(table):,} members gain less by any single cut.")
    none = int(np.isclose(table["gain"], 0.0, atol=0.0).sum())
    return [*sentences, *([f"{counted(none, 'member').capitalize()} would gain by no cut."] if none else [])]
