"""The verdict on every influence, and a plain sentence for it: does curation pay, backfire, help or harm?

Sentences speak of one percentage point of curation, a hundredth of the derivative.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any, Protocol

import numpy as np
import pandas as pd

from ecosystem.core.words import called, counted, joined, number
from ecosystem.scenario.network import Network

TOLD = 8  # sources: above it sentences count members and name the extremes
NAMED = 4  # members that one sentence names
LATE = 0.05  # relative difference from which sentences also tell the effect after the scenario's own rounds
ROUNDING = 1e-10  # relative to the largest effect; what is smaller is no effect
_CANCELLED = 1e-15  # relative to the largest on anybody: what is left where all effects on somebody cancel
VERDICTS = {"pays": "pays", "backfires": "backfires", "lowers": "lowers it", "helps": "helps", "harms": "harms"}
VERDICTS |= {"none": "no effect", "undefined": "not defined"}


class Analysed(Protocol):
    """What sentences are made of: findings, or whatever has these tables of them."""

    @property
    def influence(self) -> pd.DataFrame: ...

    @property
    def members(self) -> pd.DataFrame: ...

    @property
    def flows(self) -> pd.DataFrame: ...

    @property
    def settings(self) -> dict[str, Any]: ...


def verdicts(findings: Analysed) -> pd.Series:
    """The verdict on every row of the table of influence: a key of `VERDICTS`.

    Curation *backfires* on a member whose own users choose some of what it reads; where others choose all of it, it
    *lowers* the member's alignment. An effect that only the way to the stable point decides is *undefined*.
    """
    table = findings.influence
    effect, own_row = table["effect"].astype(float), table["kind"] == "self"
    led = own_row & table["target"].astype(str).isin(readers_only(findings.flows))
    up = np.where(own_row, "pays", "helps")
    down = np.select([led, own_row], ["lowers", "backfires"], "harms")
    seen = effect.abs() > smallest(table)
    found = np.select([effect.isna(), seen], ["undefined", np.where(effect > 0, up, down)], "none")
    return pd.Series(found, index=table.index, dtype=object)


def readers_only(flows: pd.DataFrame) -> set[str]:
    """The members for whom others choose: none of the curated flows in a table ``flows`` is chosen by their own users.

    At level 0 nobody chooses yet, and all their flows count: any may be the one that is chosen on.
    """
    flows = flows.astype({"source": str, "target": str})
    curated = flows["curated"].astype(float) > 0
    flows = flows[curated | ~curated.groupby(flows["target"]).transform("any")]
    loop = (flows["chosen_by"] == "producer") & (flows["source"] == flows["target"])
    return set(flows["target"]) - set(flows.loc[loop | (flows["chosen_by"] == "consumer"), "target"])


def led(network: Network, names: Iterable[str]) -> set[str]:
    """For whom of the members ``names`` others choose (:func:`readers_only`)."""
    flows = [(u, v, flow) for v in names for u, flow in network.incoming(v, dormant=True).items()]
    rows = [(u, v, f.curated, f.chosen_by if isinstance(f.chosen_by, str) else "own") for u, v, f in flows]
    return readers_only(pd.DataFrame(rows, columns=["source", "target", "curated", "chosen_by"]))


def _whose(findings: Analysed, member: str) -> str:
    """Whose users choose what a member reads, where its own do not."""
    flows = findings.flows.astype({"source": str, "target": str})
    flows = flows[(flows["target"] == member) & (flows["curated"].astype(float) > 0)]
    named = list(dict.fromkeys(flows["source"]))
    if len(named) == 1 and set(flows["chosen_by"]) == {"producer"}:
        return f"{called(named[0])}’s users"
    return "others"


def effects(findings: Analysed) -> pd.Series:
    """The effects in the table of influence; what is only rounding is 0."""
    found = findings.influence["effect"].astype(float)
    return found.mask(found.abs() <= smallest(findings.influence), 0.0)


def smallest(table: pd.DataFrame, by: str = "target") -> pd.Series:
    """For each row of a table of influence the size up to which its effect counts as none.

    That is told by the largest on the same target: every alignment has a unit of its own, so that a taste a million
    times as strong as another hides nothing of what happens to this one.
    """
    size = table["effect"].astype(float).abs()
    size = size.where(np.isfinite(size), 0.0)
    beside = size.groupby(table[by].astype(str)).transform("max")
    return (ROUNDING * beside).clip(lower=_CANCELLED * size.max())


def judged(findings: Analysed, kind: str) -> pd.DataFrame:
    """The rows of one kind, self or cross, with their verdicts."""
    table = findings.influence
    return table.assign(verdict=verdicts(findings))[table["kind"] == kind]


# What curation does to the member itself


def own(findings: Analysed) -> list[str]:
    """What more curation does to the curated member: a sentence each, or counts where there are many."""
    table = judged(findings, "self")
    if len(table) <= TOLD:
        return [itself(findings, row) for row in table.to_dict("records")]
    sentences = []
    for verdict, words in (
        ("pays", "Curation pays for"),
        ("backfires", "Curation backfires for"),
        ("lowers", "Reading more of others’ choice lowers the alignment of"),
    ):
        rows = table[table["verdict"] == verdict]
        if len(rows):
            most = "most that of" if verdict == "lowers" else "most for"
            share = f"{len(rows):,} of {len(table):,} members"
            sentences.append(f"{words} {share}, {most} {joined(extremes(rows, 'target'))}.")
    words = {"amplified": "strengthens", "dampened": "weakens", "inverted": "turns round", "unchanged": "leaves alone"}
    counts = table["network"].value_counts()
    found = [f"{verb} {counts[kind]:,}" for kind, verb in words.items() if kind in counts]
    if found:
        sentences.append(f"Compared to all others standing still, the network {joined(found)} of these effects.")
    turned = strongest(table[table["network"] == "inverted"]).head(NAMED)
    return sentences + [itself(findings, row) for row in turned.to_dict("records")]


def itself(findings: Analysed, row: dict[Any, Any]) -> str:
    """The verdict on one member's own curation, and what the network has to do with it."""
    name = called(row["source"])
    if not np.isfinite(row["effect"]):
        return endless(findings, row)
    moved, doing, more = moves(findings, row), f"Curating {name}", "more curation"
    if str(row["source"]) in readers_only(findings.flows):
        doing, more = f"Reading more of what {_whose(findings, str(row['source']))} choose", "more"
    opening = {
        "pays": f"{doing} pays for {name}: one percentage point {more} {moved}",
        "backfires": f"{doing} backfires: one percentage point {more} {moved}",
        "lowers": f"{doing} does not pay for {name}: one percentage point {more} {moved}",
        "none": f"{doing} makes no difference to {name}",
    }[row["verdict"]]
    return f"{opening}; {_network(findings, row)}." if len(findings.members) > 1 else f"{opening}."


def moves(findings: Analysed, row: dict[Any, Any], whose: str = "its") -> str:
    """By how much alignment moves for one percentage point; formal numbers claim no long run.

    Where the scenario's own rounds show something else, that is told too.
    """
    effect = float(row["effect"])
    size = number(abs(effect) / 100)
    if findings.settings.get("formal"):
        return f"would {'raise' if effect > 0 else 'lower'} {whose} alignment at the stable point by {size}"
    verb = "raises" if effect > 0 else "lowers"
    return f"{verb} {whose} long-run alignment by {size}{_by_then(findings, row)}"


def _by_then(findings: Analysed, row: dict[Any, Any]) -> str:
    """What an effect has come to after the scenario's own rounds, where that is another number."""
    effect, after, table = float(row["effect"]), float(row.get("after", np.nan)), findings.influence
    if not abs(after - effect) > LATE * abs(effect):  # NaN where they were not played
        return ""
    when, size = f"after {own_rounds(findings.settings.get('rounds'))}", number(abs(after) / 100)
    if abs(after) <= float(smallest(table)[table["target"].astype(str) == str(row["target"])].iloc[0]):
        return f" ({when} by nothing)"
    turned = "" if (after > 0) == (effect > 0) else "it is raised " if after > 0 else "it is lowered "
    return f" ({when} {turned}by {size})"


def own_rounds(rounds: Any) -> str:
    """The scenario's own rounds in a sentence."""
    return "the scenario’s own round" if rounds == 1 else f"the scenario’s own {rounds:,} rounds"


def _network(findings: Analysed, row: dict[Any, Any]) -> str:
    """What the network makes of the effect that curation would have with everybody else frozen."""
    alone, ratio, hurts = float(row["isolated"]), float(row["amplification"]), row["verdict"] in ("backfires", "lowers")
    still, size = _still(findings, str(row["source"])), number(abs(alone) / 100)
    if row["network"] == "inverted" and hurts:
        return f"alone it would help, in this network it hurts (if {still}, it would raise it by {size})"
    if row["network"] == "inverted":
        would = "lower" if str(row["source"]) in readers_only(findings.flows) else "backfire and lower"
        return f"the network rescues it: if {still}, it would {would} it by {size}"
    if row["network"] == "undefined":
        nothing = f"if {still}, it would do nothing"
        return f"{nothing} either" if row["verdict"] == "none" else f"{nothing}: all of this comes from the network"
    if row["network"] == "unchanged":
        return f"the network leaves that as it is (it would be the same if {still})"
    if row["network"] == "amplified":
        more = f"{_percent(ratio - 1)} more than" if ratio < 2 else f"{number(ratio, digits=2)} times as much as"
        return f"the network {'makes it worse' if hurts else 'strengthens this'} ({more} if {still})"
    if row["verdict"] == "none" or ratio < 0.005:
        return f"the network cancels what it would do if {still} ({'raise' if alone > 0 else 'lower'} it by {size})"
    return f"the network {'softens' if hurts else 'weakens'} this ({_percent(1 - ratio)} less than if {still})"


def _still(findings: Analysed, member: str) -> str:
    """Everybody but one member, frozen."""
    rest = [str(name) for name in findings.members["member"] if str(name) != member]
    return f"{called(rest[0])} stood still" if len(rest) == 1 else "all others stood still"


# What it does to the others


def others(findings: Analysed) -> list[str]:
    """Whom a member's curation harms and whom it helps: a sentence each, or the extremes where there are many."""
    table = judged(findings, "cross")
    if table["source"].nunique() <= TOLD:
        return [_cross(findings, str(source), rows) for source, rows in table.groupby("source", sort=False)]
    sentences = []
    for verdict, noun in (("harms", "harm"), ("helps", "help")):
        rows = table[table["verdict"] == verdict]
        pairs = strongest(rows).head(NAMED)
        named = [f"{called(r.source)} to {called(r.target)} ({points(r.effect)})" for r in pairs.itertuples()]
        if named:
            share = f"{len(rows):,} of {len(table):,} pairs"
            sentences.append(
                f"In {share} one member’s curation {verdict} another; most {noun} goes from {joined(named)}."
            )
    return sentences


def _cross(findings: Analysed, source: str, rows: pd.DataFrame) -> str:
    """Whom one member's curation harms, then whom it helps."""
    subject, felt = f"Curating {called(source)}", rows[rows["verdict"] != "none"]
    if felt.empty or len(rows) == 1:
        whom = called(rows["target"].iloc[0]) if len(rows) == 1 else "the others"
        return pair(findings, (felt if len(felt) else rows).iloc[0].to_dict(), whom)
    if len(felt) == 1:
        return pair(findings, felt.iloc[0].to_dict())
    undefined = felt.loc[felt["verdict"] == "undefined", "target"]
    parts = [f"does to {joined([called(name) for name in undefined[:NAMED]])} what is not defined"] * bool(
        len(undefined)
    )
    for verdict in ("harms", "helps"):
        found = felt[felt["verdict"] == verdict]
        more = [f"{counted(len(found) - NAMED)} more"] if len(found) > NAMED else []
        if len(found):
            parts.append(f"{verdict} {joined(extremes(found, 'target') + more)}")
    return f"{subject} {'; it '.join(parts)}."


def pair(findings: Analysed, row: dict[Any, Any], whom: str = "") -> str:
    """What one member's curation does to another, with a ``verdict`` in the row; the other may be called otherwise."""
    subject, whom = f"Curating {called(row['source'])}", whom or called(row["target"])
    if not np.isfinite(row["effect"]):
        return endless(findings, row)
    if row["verdict"] == "none":
        return f"{subject} changes nothing for {whom}."
    return f"{subject} {row['verdict']} {whom}: one percentage point more {moves(findings, row, whom + '’s')}."


def endless(findings: Analysed, row: dict[Any, Any]) -> str:
    """An effect that is infinite, or that has no value at all, and why."""
    source, target, effect = called(row["source"]), called(row["target"]), float(row["effect"])
    why = str((findings.settings.get("unbounded") or {}).get(str(row["source"]), "")).rstrip(".")
    whose = "its" if row["source"] == row["target"] else f"{target}’s"
    verb = "raises" if effect > 0 else "lowers"
    words = f"{verb} {whose} alignment without end" if np.isinf(effect) else f"has no defined effect on {target}"
    return f"Curating {source} {words}{f': {why}' if why else ''}."


# Words


def points(effect: float) -> str:
    """An effect for one percentage point, signed."""
    return number(float(effect) / 100, sign=True)


def strongest(rows: pd.DataFrame) -> pd.DataFrame:
    """The rows by the size of their effect, largest first."""
    return rows.loc[rows["effect"].abs().sort_values(ascending=False, kind="stable").index]


def extremes(rows: pd.DataFrame, column: str) -> list[str]:
    """Those with the largest effects, with their effects."""
    top = strongest(rows).head(NAMED)
    return [f"{called(name)} ({points(effect)})" for name, effect in zip(top[column], top["effect"], strict=True)]


def _percent(share: float) -> str:
    """A share in a sentence: two digits are enough to picture it."""
    return "< 0.1 %" if share < 0.001 else f"{100 * share:.0f} %" if share >= 0.0995 else f"{100 * share:.2g} %"
