"""Who got its users' taste: the table of verdicts, a sentence each, and how far they can be trusted."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd

from ecosystem.core.words import counted, number, percent, shortened
from ecosystem.plots.palette import MANY
from ecosystem.report.blocks import Cell, Row, Section, Sentences, Table, Words
from ecosystem.running import verdicts
from ecosystem.running.run import Run

EXTREMES = 6  # members at either end of the list, where there are too many for a row each
NAME = 80  # letters of a name in a table or a sentence
COLUMNS = ("Member", "Its users like", "Curated", "Start", "Alone", "End", "Change", "Verdict")


def section(run: Run, told: pd.DataFrame) -> Section:
    """The first section of a run's page, from the table of its verdicts."""
    some = shown(told)
    interval = bool(told["error"].notna().any())
    rows = [Row(_cells(row), {"member": row["member"]}) for row in some.to_dict("records")]
    cautions = [Words(text, soft=True) for text in _cautions(run, told, interval)]
    moved = bool(run.changes["what"].isin(["curation", "present"]).any())
    table = Table("verdicts", _caption(told, interval, len(some), moved), COLUMNS, rows)
    return Section("verdict", "Who got what its users like", [table, Sentences(sentences(some)), *cautions])


def shown(told: pd.DataFrame) -> pd.DataFrame:
    """Every member, or those at either end where there are many."""
    if len(told) <= MANY:
        return told
    ranked = told.sort_values("change", ascending=False)
    ranked = ranked[ranked["change"].notna()]
    return pd.concat([ranked.head(EXTREMES), ranked.tail(EXTREMES)]).drop_duplicates("member")


def sentences(told: pd.DataFrame) -> list[str]:
    """A sentence a member, as ``run.verdicts`` has it; of very long names as much as tells them apart."""
    pairs = zip(told["member"].astype(str), told["sentence"].astype(str), strict=True)
    return [shortened(name, NAME) + sentence.removeprefix(name) for name, sentence in pairs]


def _caption(told: pd.DataFrame, interval: bool, rows: int, moved: bool) -> str:
    begin, end = told["first"].min(), told["last"].max()
    caption = "Alignment: how much a member’s users like what it generates"
    if np.isfinite(begin):
        caption += f", in round {begin:.0f} (start) and round {end:.0f} (end)"
        caption += ", mean over replicates" if interval else ""
    caption += "; alone: if nobody had read anybody. The change is that from alone to the end."
    if moved:
        caption += " Curated: of what it trained on in round 1; see below what was changed on the way."
    if rows < len(told):
        caption += f" The {EXTREMES} members that gained most and the {EXTREMES} that gained least."
    return caption


def _cells(row: dict[Any, Any]) -> list[Cell]:
    """One row; as many digits as the uncertainty (or the change itself) makes meaningful."""
    certain = not row["error"] > 0
    digits = {"scale": row["change"] if certain else row["error"], "digits": 3 if certain else 2}
    change, interval = number(row["change"], sign=True, **digits), ""
    if np.isfinite(row["high"]):
        change += f" ± {number(row['high'] - row['change'], **digits)}"
        interval = " to ".join(number(row[end], sign=True, **digits) for end in ("low", "high"))
    reward = str(row["reward"])
    alone = "as it began" if row["against"] == verdicts.START else number(row["alone"], **digits)
    return [
        Cell(shortened(row["member"], NAME)),
        Cell("–" if reward == "none" else shortened(reward, 48)),
        Cell(percent(float(row["curation"])), number=True),
        Cell(number(row["start"], **digits), number=True),
        Cell(alone, number=True),
        Cell(number(row["end"], **digits), number=True),
        Cell(change, f"95 %: {interval}" if interval else "", number=True),
        Cell(str(row["words"]), tone=str(row["kind"])),
    ]


def _cautions(run: Run, told: pd.DataFrame, interval: bool) -> list[str]:
    """How far the verdicts can be trusted."""
    notes: list[str] = []
    if not told["change"].notna().any():
        return notes
    notes += _alone(run, told)
    if interval:
        notes.append(
            "± is half the 95 % interval of the mean over replicates (Student’s t). A member gained or lost if that "
            f"leaves zero out, and {verdicts.ENOUGH} replicates or more say so; no clear change means that it does not "
            "say, not that there is none."
        )
        if told["change"].notna().sum() > 1:
            notes.append(
                "Verdicts allow for the number of members: each interval is that of one member by itself, and of those "
                "that gained or lost at most one in twenty is there by chance, on average (Benjamini and Hochberg)."
            )
        if told["replicates"].max() < verdicts.ENOUGH:
            count = counted(int(told["replicates"].max()), "replicate")
            notes.append(f"{count.capitalize()} make an interval, not a verdict: run it with --replicates 20 or so.")
    elif verdicts.exact(run):
        notes.append("A population run has no chance in it: changes are exact and need no interval.")
    elif verdicts.population(run):
        notes.append(
            "The order or a clock is random, and this is one draw of it: another might end elsewhere, so no verdict is "
            "given. More replicates draw it anew: run it with --replicates 20 or so."
        )
    else:
        notes.append("There is one replicate, so nothing can be said about chance: no interval is given.")
    if told.loc[told["change"].notna(), "reward"].nunique() > 1:
        notes.append(
            "Each taste has a scale of its own: changes of members with different tastes cannot be compared in size."
        )
    return notes


def _alone(run: Run, told: pd.DataFrame) -> list[str]:
    """What members are compared with."""
    if run.baseline.empty:
        return ["What members would be alone was not recorded, so the change is that from the start."]
    return [sentence for kind, sentence in verdicts.ALONE.items() if (told["against"] == kind).any()]
