"""Every influence with its verdict, as a table: exact ones, and measured ones with their intervals."""

from __future__ import annotations

from collections.abc import Set
from dataclasses import dataclass
from typing import Any, Protocol

import numpy as np
import pandas as pd
from scipy.special import stdtrit

from ecosystem.core.chance import discoveries, two_sided
from ecosystem.core.words import called, counted, number
from ecosystem.influence import sentences
from ecosystem.running.verdicts import ENOUGH
from ecosystem.scenario import Scenario

_MOVED = {
    "real": "One percentage point more real data for {}",
    "raw": "One percentage point more, taken raw, of {}",
    "curated": "One percentage point more, chosen, of {}",
    "producers' users": "If the users of {} choose one percentage point more of what others read of it, that",
}
_NOUNS = {"real": "real data", "raw": "raw shares", "curated": "curated shares", "share": "shares of flows"}
_NOUNS |= {"producers' users": "choice by producers’ users"}
USUAL = ("curation", "alignment")  # what is moved, what is looked at


@dataclass(frozen=True)
class Tables:
    """What sentences are made of, where nothing else is known: see :class:`ecosystem.influence.sentences.Analysed`."""

    influence: pd.DataFrame
    members: pd.DataFrame
    flows: pd.DataFrame
    settings: dict[str, Any]


class Exact(Protocol):
    """What an exact influence has that verdicts are made of."""

    scenario: Scenario

    @property
    def table(self) -> pd.DataFrame: ...

    @property
    def formal(self) -> str: ...

    @property
    def unbounded(self) -> dict[str, str]: ...


def of_influence(effect: Exact) -> pd.DataFrame:
    """One row for each target and source: does more curation pay, backfire, help or harm, and by how much?

    Columns target, source, kind, effect, network, as in ``table``; verdict: of a member's own curation pays, backfires
    or lowers (others choose all that it reads), of another's helps or harms, else none or undefined; sentence: that in
    words, for one percentage point (a hundredth of the derivative). Where it is not curation that is moved, or not
    alignment that is looked at, first columns ``of`` and ``measure`` say so, and verdicts are raises, lowers, none and
    undefined.
    """
    return of_findings(tables(effect))


def tables(effect: Exact) -> Tables:
    """What its sentences are made of."""
    described = effect.scenario.describe()
    settings = {"formal": effect.formal, "unbounded": effect.unbounded}
    return Tables(effect.table, described["members"], described["flows"], settings)


def largest(found: sentences.Analysed, most: int) -> pd.DataFrame:
    """The verdicts on the largest effects alone: the sentences of all take long where there are many."""
    rows = sentences.strongest(found.influence).head(most)
    return of_findings(Tables(rows, found.members, found.flows, found.settings))


def subject(found: sentences.Analysed) -> tuple[str, str]:
    """What is moved, and what of the targets is looked at."""
    table = found.influence
    of, measure = (
        str(table[name].iloc[0] if name in table and len(table) else found.settings.get(name, usual))
        for name, usual in zip(("of", "measure"), USUAL, strict=True)
    )
    return of, measure


def plain(verdict: pd.Series) -> pd.Series:
    """Verdicts where it is not curation that is moved, or not alignment that is looked at."""
    words = {"pays": "raises", "helps": "raises", "none": "none", "undefined": "undefined"}
    return verdict.map(words).fillna("lowers")


def moved(of: str) -> str:
    """What is moved, in a sentence."""
    return _NOUNS.get(of, of)


def of_findings(found: sentences.Analysed) -> pd.DataFrame:
    """One row for each target and source, with the columns of :attr:`ecosystem.influence.Influence.verdicts`."""
    table = found.influence
    said = [name for name in ("of", "measure") if name in table]
    verdict = sentences.verdicts(found)
    rows = table.assign(verdict=plain(verdict) if said else verdict)
    tell = _unusual if said else _usual
    rows["sentence"] = [tell(found, row) for row in rows.to_dict("records")]
    return rows[[*said, "target", "source", "kind", "effect", "network", "verdict", "sentence"]]


def _usual(found: sentences.Analysed, row: dict[Any, Any]) -> str:
    return (sentences.itself if row["kind"] == "self" else sentences.pair)(found, row)


def _unusual(found: sentences.Analysed, row: dict[Any, Any]) -> str:
    """What moving another number does, or to another measure."""
    effect, of = float(row["effect"]), str(row.get("of", "curation"))
    subject = _MOVED.get(of, "One percentage point more curation of {}" if of == "curation" else "0.01 more of {}")
    subject, measure = subject.format(called(row["source"])), str(row.get("measure", "alignment"))
    whose = f"the {measure} of {called(row['target'])}"
    if np.isnan(effect):
        return f"{subject} has no defined effect on {whose}."
    if row["verdict"] == "none":
        return f"{subject} changes nothing about {whose}."
    size = f"by {number(abs(effect) / 100)}" if np.isfinite(effect) else "without end"
    if found.settings.get("formal"):
        return f"{subject} would {row['verdict'].removesuffix('s')} {whose} at the stable point {size}."
    return f"{subject} {row['verdict']} {whose} in the long run {size}."


def of_measured(table: pd.DataFrame, confidence: float, led: Set[str], measure: str) -> pd.DataFrame:
    """The columns of a measured ``table`` (source, target, kind, effect, low, high, seeds), verdict and sentence.

    A verdict is what the whole interval says, as of exact influence; *undefined* where there was nothing to average,
    *unclear* where the interval holds zero, *few* where fewer than three pairs of runs say nothing about chance.
    Intervals are those of each effect by itself; verdicts allow for their number (Benjamini and Hochberg): of those
    that say something, at most a share of 1 − ``confidence`` is there by chance, on average.
    ``led`` are members for whom others choose.
    """
    own = table["kind"] == "self"
    up = np.where(own, "pays", "helps") if measure == "alignment" else "raises"
    down = np.where(own, np.where(table["target"].isin(led), "lowers", "backfires"), "harms")
    down = down if measure == "alignment" else "lowers"
    few = (table["seeds"] < ENOUGH) & ~(table["low"] == table["high"])
    clear, many = _clear(table, few, confidence)
    rules = [
        table["effect"].isna(),
        few,
        clear & (table["effect"] > 0),
        clear & (table["effect"] < 0),
        (table[["low", "high"]] == 0).all(axis=1),
    ]
    kinds = np.select([rule.to_numpy(bool) for rule in rules], ["undefined", "few", up, down, "none"], "unclear")
    rows = table.assign(verdict=kinds)
    rows["sentence"] = [_measured(row, confidence, measure, many) for row in rows.to_dict("records")]
    return rows


def _clear(table: pd.DataFrame, few: pd.Series, confidence: float) -> tuple[np.ndarray, int]:
    """Which measured effects are more than chance, given how many there are; and how many chance had a part in."""
    effect, low, high, pairs = (table[name].to_numpy(float) for name in ("effect", "low", "high", "seeds"))
    degrees = np.maximum(pairs - 1, 1)
    chances = two_sided(effect, (high - low) / 2 / stdtrit(degrees, (1 + confidence) / 2), degrees)
    chances[few] = np.nan
    certain = (low == high) & (effect != 0)
    return discoveries(chances, 1 - confidence) | certain, int((~np.isnan(chances)).sum())


def _measured(row: dict[Any, Any], confidence: float, measure: str, many: int) -> str:
    """A measured influence in words, for one percentage point, with its interval; of ``many`` that were measured."""
    effect, reach = float(row["effect"]) / 100, float(row["high"] - row["low"]) / 200
    name, target, itself = called(row["source"]), called(row["target"]), row["kind"] == "self"
    whose = ("its" if itself else f"{target}’s") + f" {measure}"
    if row["verdict"] == "undefined":
        return f"Curating {name} has no defined effect on {whose}: there is nothing to average, and notes say why."
    if row["verdict"] == "few":
        return f"Curating {name}: too few pairs of runs to say what it does to {whose}."
    if row["verdict"] == "none":
        return f"Curating {name} changes nothing about {whose}."
    sure = f" ± {number(reach)} ({100 * confidence:g} %)" if reach > 0 else ""
    more = f"one percentage point more {'raises' if effect > 0 else 'lowers'} {whose} by {number(abs(effect), reach)}"
    if row["verdict"] == "unclear":
        low, high = (number(float(row[side]) / 100, reach, sign=True) for side in ("low", "high"))
        interval = f"one percentage point more moves it by {low} to {high} ({100 * confidence:g} %)"
        among = "" if row["low"] <= 0 <= row["high"] else f", which among {counted(many, 'effect')} may be chance"
        return f"Curating {name} has no clear effect on {whose}: {interval}{among}."
    verb = {"pays": f"pays for {name}", "backfires": "backfires", "lowers": f"does not pay for {name}"}
    if measure != "alignment":
        return f"Curating {name}: {more}{sure}."
    return f"Curating {name} {verb[row['verdict']] if itself else row['verdict'] + ' ' + target}: {more}{sure}."
