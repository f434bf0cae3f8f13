"""Who got its users' taste, and who lost it: what a run's table of rounds says, with its uncertainty.

A member's change is the difference between its last and its first recorded alignment, taken within each
replicate and then averaged. The standard error is that of the mean over replicates, the interval Student's
t at 95 %. A replicate that diverged is left out of every mean (it has no end), unless all of them did.
"""

from typing import TYPE_CHECKING

import numpy as np
import pandas as pd
from scipy.special import stdtrit

if TYPE_CHECKING:
    from ecosystem.running.run import Run

KEYS = ["seed", "replicate"]
WORDS = {
    "gained": "gained its users’ taste",
    "lost": "lost its users’ taste",
    "unchanged": "unchanged within noise",
    "rose": "rose in this one run",
    "fell": "fell in this one run",
    "still": "did not move",
    "diverged": "diverged: no verdict",
    "none": "has no users with a taste",
    "unknown": "alignment not recorded",
}
NUMBERS = (
    "no",
    "one",
    "two",
    "three",
    "four",
    "five",
    "six",
    "seven",
    "eight",
    "nine",
    "ten",
    "eleven",
    "twelve",
)


def replicates(run: "Run") -> int:
    """How many independent copies of the scenario the tables hold."""
    return len(run.rounds[KEYS].drop_duplicates())


def finished(run: "Run") -> pd.DataFrame:
    """`run.rounds` without the replicates that diverged (all rows if every one did), members as str."""
    return survivors(run, run.rounds.assign(member=run.rounds["member"].astype(str)))


def survivors(run: "Run", table: pd.DataFrame) -> pd.DataFrame:
    """The rows of replicates that did not diverge; all rows if none is left."""
    failed = pd.MultiIndex.from_frame(run.failures[KEYS].drop_duplicates())
    alive = table[~pd.MultiIndex.from_frame(table[KEYS]).isin(failed)]
    return alive if len(alive) else table


def all_diverged(run: "Run") -> bool:
    """Whether no replicate reached the end."""
    failed = len(run.failures[KEYS].drop_duplicates())
    return 0 < failed >= replicates(run)


def exact(run: "Run") -> bool:
    """Whether the run is the population itself, without chance: no samples and no random orders or clocks."""
    chance = " ".join([str(run.settings.get("ordering", "")), *run.members["schedule"].astype(str)]).lower()
    random = any(word in chance for word in ("shuffl", "poisson", "random"))
    return run.settings.get("samples", 0) is None and replicates(run) == 1 and not random


def outcomes(run: "Run") -> pd.DataFrame:
    """One row a member, in the scenario's order: where its alignment began and ended, and what that means.

    Columns: member, reward, curation, first, last (rounds), start, end, change (means over replicates),
    error (standard error of the change), low, high (its 95 % interval), replicates, kind (a key of
    `WORDS`). Errors and intervals are NaN with a single replicate.
    """
    rounds = finished(run)
    seen = rounds[np.isfinite(rounds["alignment"].astype(float))].sort_values("round", kind="stable")
    ends = seen.groupby(["member", *KEYS]).agg(
        start=("alignment", "first"),
        end=("alignment", "last"),
        first=("round", "first"),
        last=("round", "last"),
    )
    ends["change"] = ends["end"] - ends["start"]
    table = ends.groupby("member").agg(
        first=("first", "min"),
        last=("last", "max"),
        start=("start", "mean"),
        end=("end", "mean"),
        change=("change", "mean"),
        error=("change", "sem"),
        replicates=("change", "size"),
    )
    reach = table["error"] * stdtrit(np.maximum(table["replicates"] - 1, 1), 0.975)
    table = table.assign(low=table["change"] - reach, high=table["change"] + reach)
    about = run.members[["member", "reward", "curation"]].assign(member=run.members["member"].astype(str))
    table = about.merge(table, left_on="member", right_index=True, how="left")
    table["kind"] = _kinds(table, exact(run), all_diverged(run))
    return table.reset_index(drop=True)


def _kinds(table: pd.DataFrame, certain: bool, diverged: bool) -> np.ndarray:
    """The verdict on each row, by the first rule that applies."""
    change, single = table["change"], table["error"].isna()
    scale = 1e-9 if certain else 1e-12  # rounding, relative to the start
    moved = change.abs() > scale * np.maximum(1.0, table["start"].abs())
    rules = [
        (change.isna() & (table["reward"].astype(str) == "none"), "none"),
        (change.isna(), "unknown"),
        (pd.Series(diverged, index=table.index), "diverged"),
        (~moved, "still"),
        (single & certain & (change > 0), "gained"),
        (single & certain, "lost"),
        (single & (change > 0), "rose"),
        (single, "fell"),
        (table["low"] > 0, "gained"),
        (table["high"] < 0, "lost"),
    ]
    return np.select([rule.to_numpy(bool) for rule, _ in rules], [kind for _, kind in rules], "unchanged")


def counted(number: int, noun: str = "") -> str:
    """A small number in letters, with its noun in the right form: one member, two members, 200 members."""
    word = NUMBERS[number] if number < len(NUMBERS) else f"{number:,}"
    return f"{word} {noun}{'' if number == 1 else 's'}" if noun else word


def headline(run: "Run", table: pd.DataFrame) -> str:
    """What happened, in one or two plain sentences, from the table of `outcomes`."""
    if all_diverged(run):
        return "Every replicate diverged, so there is no end to compare with the start."
    judged = table[~table["kind"].isin(["none", "unknown"])]
    if judged.empty:
        return "No member’s users have a recorded taste: this shows how the models moved, not whom it pleased."
    if not run.settings.get("completed", judged["last"].max()):
        return "No round was completed: only the start was recorded."
    verbs = {
        "gained": "gained {its} users’ taste",
        "lost": "lost {its} users’ taste",
        "rose": "moved towards {its} users’ taste",
        "fell": "moved away from {its} users’ taste",
        "unchanged": "{is} unchanged within noise",
        "still": "did not move",
    }
    noun = "members" if len(judged) == len(table) else "members with a taste"
    parts = [
        _subject(list(group["member"]), len(judged), first=number == 0, noun=noun)
        + " "
        + verb.format(**({"its": "its", "is": "is"} if len(group) == 1 else {"its": "their", "is": "are"}))
        for number, (kind, verb) in enumerate((k, v) for k, v in verbs.items() if (judged["kind"] == k).any())
        for group in [judged[judged["kind"] == kind]]
    ]
    words = "; ".join(parts) + "."
    caution = judged["kind"].isin(["rose", "fell"]).any()
    return words + (" One run cannot tell a change from chance." if caution else "")


def _subject(members: list[str], total: int, first: bool, noun: str) -> str:
    """The members of one verdict: all of them, by name where there is room, else their number."""
    if len(members) == total > 1:
        return f"{'Both' if total == 2 else 'All ' + counted(total)} {noun}"
    if total <= 6 and all(len(name) <= 20 for name in members):
        return members[0] if len(members) == 1 else ", ".join(members[:-1]) + " and " + members[-1]
    words = f"{counted(len(members))}{f' of {counted(total)} {noun}' if first else ''}"
    return words[0].upper() + words[1:] if first else words


def number(value: float, scale: float | None = None, sign: bool = False, digits: int = 3) -> str:
    """A number with the `digits` that matter at `scale` (or its own size), a true minus; "–" for NaN."""
    if not np.isfinite(value):
        return "–"
    size = abs(scale) if scale and np.isfinite(scale) else abs(value)
    places = max(digits - 1 - int(np.floor(np.log10(size))), 0) if size > 0 else digits - 1
    plus = "+" if sign else ""
    words = f"{value:{plus}.{digits - 1}e}" if abs(value) >= 1e6 or places > 7 else f"{value:{plus},.{places}f}"
    return words.replace("-", "−")
