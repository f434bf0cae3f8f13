"""What the graph alone promises, as tables and sentences of an analysis that can be saved."""

from __future__ import annotations

from typing import Any

import pandas as pd

from ecosystem.core.words import called, joined
from ecosystem.influence.certificates import Certificates, certificates
from ecosystem.influence.stable import StablePoint
from ecosystem.scenario import Scenario

MOST = 3000  # members that are looked at
TRIED = 300  # members up to which all flows that are not there are tried
_TOLD = 3  # flows in a sentence


def promised(scenario: Scenario, point: StablePoint) -> tuple[pd.DataFrame, pd.DataFrame, dict[str, Any]]:
    """The tables ``certificates`` and ``flips``, and the settings ``promises`` (sentences) or ``unpromised`` (why not).

    See :class:`~ecosystem.influence.findings.Findings` for their columns. Members are looked at up to 3,000, arrivals
    tried up to 300 of them.
    """
    try:
        if len(scenario.names) > MOST:
            raise ValueError(f"{len(scenario.names):,} members are many; ask for certificates(scenario) by itself")
        found = certificates(scenario, at=point)
    except ValueError as error:
        return pd.DataFrame(), pd.DataFrame(), {"promises": [], "unpromised": str(error)}
    changed = flips(found)
    members = found.members.assign(after=[", ".join(after) for after in found.members["after"]])
    cures = found.cures().set_index("member")["real"]
    return (
        members.assign(cure=members["member"].map(cures).astype(float)),
        changed,
        {"promises": [*found.sentences(), *told(found, changed)], "unpromised": ""},
    )


def flips(found: Certificates) -> pd.DataFrame:
    """The single flows that decide who collapses: ``what`` (arrival, removal), source, target, share, members."""
    removals = found.removals().rename(columns={"cures": "members"}).assign(what="removal", share=float("nan"))
    tables = [removals]
    if len(found.members) <= TRIED:
        tables.append(found.arrivals().rename(columns={"collapses": "members"}).assign(what="arrival"))
    decisive = pd.concat([table[table["members"].map(len) > 0] for table in tables], ignore_index=True)
    order = decisive["members"].map(len).sort_values(ascending=False, kind="stable").index
    decisive = decisive.loc[order].reset_index(drop=True)
    decisive["members"] = decisive["members"].map(", ".join).astype(str)
    return decisive[["what", "source", "target", "share", "members"]].astype({"share": float})


def told(found: Certificates, changed: pd.DataFrame) -> list[str]:
    """A sentence each on arrivals and on removals, the most telling flows by name."""
    if len(found.members) > TRIED:
        return []
    said = []
    for what, words in (
        ("arrival", "would make somebody collapse if it came, in the place of all real data that its reader has"),
        ("removal", "would cure somebody if it went"),
    ):
        rows = changed[changed["what"] == what]
        if len(rows):
            first = rows.head(_TOLD).itertuples(index=False)
            flows = [f"{called(row.source)} → {called(row.target)} ({row.members})" for row in first]
            more = [f"{len(rows) - _TOLD:,} more"] if len(rows) > _TOLD else []
            said.append(f"Each of these flows {words}: {joined([*flows, *more])}.")
        elif what == "arrival":
            said.append("No single flow that came, in the place of real data, would make anybody collapse.")
    return said
