"""Who got its users' taste, and who lost it: what a run's tables say, with their uncertainty.

A member's change is the difference between its last recorded alignment and what it would be if nobody read anybody
(:mod:`ecosystem.running.baseline`: its own real data alone; without any, its start), taken within each replicate and
then averaged. The standard error is that of the mean over replicates, the interval Student's t at 95 %; fewer than
`ENOUGH` replicates make an interval, not a verdict. A verdict on one of many members allows for their number: its
interval leaves zero out, and it is among the :func:`~ecosystem.core.chance.discoveries` at 5 %. A replicate that
diverged is left out of every mean (it has no end), unless all of them did.
"""

from __future__ import annotations

from typing import Any, Protocol

import numpy as np
import pandas as pd
from scipy.special import stdtrit

from ecosystem.core.chance import discoveries, two_sided
from ecosystem.core.words import counted, number
from ecosystem.running.baseline import DATA, REFITTED, START

KEYS = ["seed", "replicate"]
ENOUGH = 3  # replicates for a verdict, where there is chance: of two, the interval says nothing but its width
ALONE = {
    REFITTED: "Alone, every flow is cut and each member trains on its own real data in the same rounds, with the "
    "same draws and the same users as at the end.",
    DATA: "Of models that are trained, alone is what their users think of the real data themselves: what a perfect "
    "fit would be worth.",
    START: "Members without real data would stay as they began.",
}
WORDS = {
    "gained": "gained its users’ taste",
    "lost": "lost its users’ taste",
    "unclear": "no clear change",
    "few": "too few replicates",
    "rose": "higher in this one run",
    "fell": "lower in this one run",
    "still": "no change",
    "diverged": "diverged: no verdict",
    "gone": "left before the end",
    "none": "has no users with a taste",
    "unknown": "alignment not recorded",
    "endless": "not finite",
    "boundless": "no finite change",
}
AGAINST = {
    REFITTED: "on real data alone",
    DATA: "of its real data",
    START: "at the start",  # no real data, or nothing else was recorded
}
ONE = {"its": "its", "show": "shows", "has": "has"}
MANY = {"its": "their", "show": "show", "has": "have"}


class Recorded(Protocol):
    """What verdicts are read from: a run, or whatever has these tables of one."""

    settings: dict[str, Any]
    members: pd.DataFrame
    rounds: pd.DataFrame
    failures: pd.DataFrame
    baseline: pd.DataFrame


def replicates(run: Recorded) -> int:
    """How many independent copies of the scenario the tables hold."""
    return copies(run.rounds)


def copies(table: pd.DataFrame) -> int:
    """How many independent copies of the scenario one table tells of."""
    return len(table[KEYS].drop_duplicates())


def finished(run: Recorded) -> pd.DataFrame:
    """``run.rounds`` without the replicates that diverged (all rows if every one did), members as str."""
    return survivors(run.rounds.assign(member=run.rounds["member"].astype(str)), run.failures)


def survivors(table: pd.DataFrame, failures: pd.DataFrame | None) -> pd.DataFrame:
    """The rows of replicates that did not diverge; all rows if none is left."""
    if failures is None or failures.empty:
        return table
    failed = pd.MultiIndex.from_frame(failures[KEYS].drop_duplicates())
    alive = table[~pd.MultiIndex.from_frame(table[KEYS]).isin(failed)]
    return alive if len(alive) else table


def all_diverged(run: Recorded) -> bool:
    """Whether no replicate reached the end."""
    failed = len(run.failures[KEYS].drop_duplicates())
    return 0 < failed >= replicates(run)


def exact(run: Recorded) -> bool:
    """Whether the run is the population itself, without chance: no samples and no random orders or clocks."""
    return population(run) and replicates(run) == 1 and not randomly_timed(run)


def population(run: Recorded) -> bool:
    """Whether nothing is sampled."""
    return run.settings.get("samples", 0) is None


def randomly_timed(run: Recorded) -> bool:
    """Whether the order or a clock is random: then a run of the population is one draw of it."""
    if "random" in run.settings:
        return bool(run.settings["random"])
    chance = " ".join([str(run.settings.get("ordering", "")), *run.members["schedule"].astype(str)]).lower()
    return any(word in chance for word in ("shuffl", "poisson", "random"))


def outcomes(run: Recorded) -> pd.DataFrame:
    """One row a member, in the scenario's order: where its alignment began and ended, and what that means.

    Intervals are those of each member by itself; of `gained` and `lost` at most one in twenty is there by chance, on
    average, however many members there are (Benjamini and Hochberg).

    Columns: member, reward, curation, first, last (rounds), alone (its alignment if nobody read anybody), start, end,
    change (end less alone; means over replicates), error (standard error of the change), low, high (its 95 %
    interval), replicates, against (what ``alone`` is: refitted, data, start), kind (a key of `WORDS`), words (that in
    words), sentence (the same with its numbers). Errors and intervals are NaN with a single replicate, and where an end
    or what it is compared with is not finite: then there is no verdict but that.
    """
    rounds, place = finished(run), ["member", *KEYS]
    seen = rounds[rounds["alignment"].notna()].sort_values("round", kind="stable")
    ends = seen.groupby(place).agg(
        start=("alignment", "first"),
        end=("alignment", "last"),
        first=("round", "first"),
        last=("round", "last"),
    )
    there = rounds.groupby(place)["round"].max().reindex(ends.index)
    ends = ends.assign(end=ends["end"].where(ends["last"] == there), last=there)  # NaN there is no earlier one
    alone = run.baseline.assign(member=run.baseline["member"].astype(str)).set_index(["member", *KEYS])
    ends = ends.assign(alone=alone["alignment"].astype(float), against=alone["of"].astype(str))
    ends["alone"] = ends["alone"].fillna(ends["start"])
    ends["against"] = ends["against"].fillna(START)
    ends["change"] = ends["end"] - ends["alone"]
    ends["endless"], ends["boundless"] = ~np.isfinite(ends["end"]), ~np.isfinite(ends["alone"])
    table = ends.groupby("member").agg(
        first=("first", "min"),
        last=("last", "max"),
        alone=("alone", "mean"),
        start=("start", "mean"),
        end=("end", "mean"),
        change=("change", "mean"),
        error=("change", "sem"),
        replicates=("change", "size"),
        endless=("endless", "any"),
        boundless=("boundless", "any"),
        against=("against", "min"),  # the start if it is that in all replicates alone
    )
    table[["end", "alone", "change"]] = ends.groupby("member")[["end", "alone", "change"]].agg(_mean)
    table["error"] = table["error"].where(~table["endless"] & ~table["boundless"])
    reach = table["error"] * stdtrit(np.maximum(table["replicates"] - 1, 1), 0.975)
    table = table.assign(low=table["change"] - reach, high=table["change"] + reach)
    about = run.members[["member", "reward", "curation"]].assign(member=run.members["member"].astype(str))
    table = about.merge(table, left_on="member", right_index=True, how="left")
    stopped = all_diverged(run) and not ends["endless"].groupby(KEYS).any().all()
    table["kind"], many = _kinds(table, exact(run), stopped)
    table = table.drop(columns=["endless", "boundless"])
    table["words"] = table["kind"].map(WORDS)
    table["sentence"] = [_sentence(row, many) for row in table.to_dict("records")]
    return table.reset_index(drop=True)


def _mean(values: pd.Series) -> float:
    """A mean that leaves nothing out: NaN where one is, or where infinities cancel."""
    return float(values.mean(skipna=False))


def _sentence(row: dict[Any, Any], many: int) -> str:
    """A verdict on one member with its numbers, of ``many`` that were looked at."""
    change, reach = row["change"], (row["high"] - row["low"]) / 2
    opening = f"{row['member']}: {row['words']}"
    if row["kind"] in ("endless", "boundless"):
        end, alone = (number(row[name]) if row[name] == row[name] else "no number" for name in ("end", "alone"))
        return f"{opening}; its alignment ends at {end}, against {alone} {AGAINST[row['against']]}."
    opening += f" among {counted(many, 'member')}" * (row["kind"] == "unclear" and not row["low"] <= 0 <= row["high"])
    if row["kind"] == "diverged" or not np.isfinite(change):
        return f"{opening}."
    few: dict[str, Any] = {"scale": row["error"], "digits": 2} if row["error"] > 0 else {}
    end, alone = (number(row[name], **few) for name in ("end", "alone"))
    if change == 0:
        return f"{opening}; its alignment ends at {end}, as {AGAINST[row['against']]}."
    size = number(abs(change), **few) + (f" ± {number(reach, **few)} (95 %)" if reach > 0 else "")
    side = "above" if change > 0 else "below"
    return f"{opening}; its alignment ends at {end}, {size} {side} the {alone} {AGAINST[row['against']]}."


def _kinds(table: pd.DataFrame, certain: bool, diverged: bool) -> tuple[np.ndarray, int]:
    """The verdict on each row, by the first rule that applies; and how many rows chance had a part in."""
    change, single = table["change"], table["error"].isna()
    scale = 1e-9 if certain else 1e-12  # rounding, relative to what it is compared with
    moved = change.abs() > scale * np.maximum(1.0, table["alone"].abs())
    endless, boundless = (table[name].eq(True) for name in ("endless", "boundless"))
    rules = [
        (endless, "endless"),
        (boundless, "boundless"),
        (change.isna() & (table["reward"].astype(str) == "none"), "none"),
        (change.isna(), "unknown"),
        (pd.Series(diverged, index=table.index), "diverged"),
        (table["last"] < table["last"].max(), "gone"),
        (~moved, "still"),
        (single & certain & (change > 0), "gained"),
        (single & certain, "lost"),
        (single & (change > 0), "rose"),
        (single, "fell"),
        (table["replicates"] < ENOUGH, "few"),
    ]
    kinds = np.select([rule.to_numpy(bool) for rule, _ in rules], [kind for _, kind in rules], "unclear")
    clear, many = _clear(table, kinds == "unclear")
    return np.where(clear, np.where(change > 0, "gained", "lost"), kinds), many


def _clear(table: pd.DataFrame, open_: np.ndarray) -> tuple[np.ndarray, int]:
    """Which of the rows that are ``open_`` are more than chance, given how many there are; what has no error is."""
    change, error = (table[name].to_numpy(float) for name in ("change", "error"))
    chances = two_sided(change, error, table["replicates"].to_numpy(float) - 1)
    chances = np.where(open_, chances, np.nan)
    return discoveries(chances) | (open_ & (error == 0)), int((~np.isnan(chances)).sum())


def headline(run: Recorded, table: pd.DataFrame) -> str:
    """What happened, in one or two plain sentences, from the table of :func:`outcomes`."""
    infinite = table["kind"].isin(["endless", "boundless"]).any()  # which is a failure, but stops nothing
    if all_diverged(run) and not infinite:
        return "Every replicate diverged, so there is no end to compare with the start."
    judged = table[~table["kind"].isin(["none", "unknown"])]
    if judged.empty:
        return "No member’s users have a recorded taste: this shows how the models moved, not whom it pleased."
    if not run.settings.get("completed", judged["last"].max()):
        return "No round was completed: only the start was recorded."
    verbs = {
        "gained": "gained {its} users’ taste",
        "lost": "lost {its} users’ taste",
        "rose": "ended closer to {its} users’ taste",
        "fell": "ended further from {its} users’ taste",
        "unclear": "{show} no clear change",
        "few": "{has} too few replicates for a verdict",
        "still": "did not change",
        "gone": "left before the end",
        "endless": "{has} an alignment that is not finite",
        "boundless": "{show} no finite change",
        "diverged": "diverged",
    }
    noun = "members" if len(judged) == len(table) else "members with a taste"
    parts = [
        _subject(list(group["member"]), len(judged), first=number == 0, noun=noun)
        + " "
        + verb.format(**(ONE if len(group) == 1 else MANY))
        for number, (kind, verb) in enumerate((k, v) for k, v in verbs.items() if (judged["kind"] == k).any())
        for group in [judged[judged["kind"] == kind]]
    ]
    words = f"{'; '.join(parts)} (compared with {basis(judged)})."
    if not judged["kind"].isin(["rose", "fell"]).any():
        return words
    one = "One draw of a random order" if population(run) else "One run"
    return f"{words} {one} cannot tell a change from chance."


def basis(judged: pd.DataFrame) -> str:
    """What the members of a table of :func:`outcomes` are compared with, in a few words."""
    begun = judged["against"] == START
    if begun.all():
        return "the start"
    return "real data alone" + ("; without real data, with the start" if begun.any() else "")


def _subject(members: list[str], total: int, first: bool, noun: str) -> str:
    """The members of one verdict: all of them, by name where there is room, else their number."""
    if len(members) == total > 1:
        return f"{'Both' if total == 2 else 'All ' + counted(total)} {noun}"
    if total <= 6 and all(len(name) <= 20 for name in members):
        return members[0] if len(members) == 1 else ", ".join(members[:-1]) + " and " + members[-1]
    words = f"{counted(len(members))}{f' of {counted(total)} {noun}' if first else ''}"
    return words[0].upper() + words[1:] if first else words
