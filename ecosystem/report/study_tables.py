"""The tables of a study's page: verdicts, what failed and how, and the points."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import replace

import numpy as np
import pandas as pd

from ecosystem.core.words import shortened
from ecosystem.report import tables
from ecosystem.report.blocks import Cell, Row, Table
from ecosystem.study.outcomes import failing
from ecosystem.study.outcomes.judging import Verdict
from ecosystem.study.outcomes.sample import spread, strongest
from ecosystem.study.outcomes.story import chosen
from ecosystem.study.outcomes.subject import Subject
from ecosystem.study.outcomes.verdicts import WORDS, value
from ecosystem.study.results import renamed

FAILURES = 20  # rows
MEMBERS = 6  # that have a column in the table of points
TONES = {"gains": "gained", "loses": "lost"}
KINDS = {
    "build": "the function that builds the scenario raised an error: no rows at all",
    "run": "a run raised an error: no rows of it",
    "measure": "one table could not be made, and lacks the point; all others have it",
    "diverged": "parameters became NaN or exploded: rows up to that round; a result, which another try would repeat",
    "lost": "a worker died with the point in its hands, more than once: no rows at all",
}


def verdicts(subject: Subject) -> Table:
    """Where each member ends highest and lowest, and how often it gains and loses."""
    found, rows = subject.alignment, chosen(subject)
    assert found is not None
    caption = "Alignment: how much a member’s users like what it generates, "
    caption += "in the last recorded round." if found.table == "rounds" else f"{found.when}."
    if len(rows) < len(found.members):
        caption += f" The {len(rows)} members that move most over the points."
    columns = ["Member", *(["Highest", "Lowest"] if subject.sweep.points > 1 else ["Alignment"])]
    if found.change is not None:
        columns += [f"Against {_base(subject)}", *(["Against the start"] if subject.since else []), "Verdict"]
    return Table("verdicts", caption, columns, [_verdict(subject, verdict) for verdict in rows])


def _verdict(subject: Subject, verdict: Verdict) -> Row:
    found = subject.alignment
    assert found is not None
    cells = [Cell(shortened(verdict.name, 40))]
    several = subject.sweep.points > 1
    level = spread(found.end)[verdict.member] <= 1e-9 * found.size[verdict.member]
    for point in [verdict.best, verdict.worst][: 1 + several]:
        where = f"at {subject.sweep.told(point)}" if several else ""
        if level and several and verdict.points:
            where = "everywhere" if verdict.points > 1 else f"{where}, seen only there"
        where = where if verdict.points else ""  # what is infinite everywhere is so nowhere most
        cells.append(Cell(value(found.end, verdict.member, point), where))
    if found.change is not None:
        text, small = _against(verdict)
        begun = "as it began" if verdict.begun and _base(subject) != "the start" else ""
        cells.append(Cell(text, ", ".join(filter(None, (small, begun)))))
        cells += [Cell(*_against(subject.since[verdict.member]))] if subject.since else []
        exact = subject.long_run.get(verdict.name)
        long_run = f"exact long run: {exact.words}" if exact else ""
        cells.append(Cell(WORDS[verdict.told], long_run, tone=TONES.get(verdict.told, "")))
    return Row(cells, {"member": verdict.name})


def _base(subject: Subject) -> str:
    """What members are compared with, in few words."""
    found = subject.alignment
    return "the start" if found is None or found.begun.all() else "real data alone"


def _against(verdict: Verdict) -> tuple[str, str]:
    """At how many points a member gained and lost."""
    apart = {"infinite change": verdict.beyond, "infinite": verdict.endless}
    endless = [f"{what} at {count:,}" for what, count in apart.items() if count]
    if verdict.kind in ("varies", "single"):
        return "–", ""
    if verdict.points == 1 and not endless:
        return ("higher" if verdict.gained else "lower" if verdict.lost else "no clear change"), ""
    rest = verdict.compared - verdict.gained - verdict.lost
    counts = {"up": verdict.gained, "down": verdict.lost, "unclear" if verdict.kind != "still" else "still": rest}
    words = [f"{way} at {count:,}" for way, count in counts.items() if count]
    if len(words) == 1 and not endless:
        every = {1: "one", 2: "both"}.get(verdict.compared, f"all {verdict.compared:,}")
        return f"{words[0].split(' at ')[0]} at {every} point{'s' * (verdict.compared > 1)}", ""
    return ", ".join([*words, *endless]), f"of {verdict.points + verdict.endless:,} points"


def kinds(subject: Subject) -> Table:
    """Every way to fail, with the numbers of points and what it means; the most frequent first."""
    rows = [
        Row([Cell(kind), Cell(f"{count:,}", number=True), Cell(KINDS.get(kind, ""))])
        for kind, count in failing.kinds(subject)
    ]
    caption = "Points by the way they failed; one that failed in several ways counts in each."
    return Table("failures-kinds", caption, ["How", "Points", "What that means"], rows)


def failures(subject: Subject) -> Table:
    """The first failures, some of every kind, with the parameters of their points; all of them to download."""
    whole = subject.failures
    whole = whole[whole["place"] >= 0]
    rows = [
        [str(row["point"]), *(shortened(p.labels[p.level[row["place"]]], 60) for p in subject.sweep.swept), _seed(row)]
        + ["–" if pd.isna(row[name]) else shortened(row[name], 60) for name in ("round", "member", "kind")]
        + [shortened("" if pd.isna(row["error"]) else row["error"], 240)]
        for row in _first(whole).to_dict("records")
    ]
    columns = ["Point", *(p.name for p in subject.sweep.swept), "Seed", "Round", "Member", "What", "Error"]
    whole, known = whole.drop(columns="place"), subject.results
    whole = known.points.rename(columns=renamed(known.parameters, whole)).merge(whole, on="point")
    caption = "The first failures, some of every kind, by point and seed."
    more = len(whole) - len(rows)
    return Table(
        "failures-table", caption, columns, [Row(list(map(Cell, row))) for row in rows], more, whole if more else None
    )


def _first(table: pd.DataFrame) -> pd.DataFrame:
    """The first failures, with some of every kind."""
    each = max(1, FAILURES // 2 // table["kind"].nunique())
    some = table.groupby("kind", sort=False).head(each)
    rest = table.drop(index=some.index).head(FAILURES - len(some))
    return pd.concat([some, rest]).sort_index()


def _seed(row: dict) -> str:
    if pd.isna(row["seed"]):
        return "–"
    replicate = row["replicate"]
    return str(row["seed"]) + (f", replicate {replicate}" if not pd.isna(replicate) and replicate else "")


def points(subject: Subject) -> Table:
    """The first points: the swept parameters, and the alignment at the end of the members that move most."""
    final, results = subject.final, subject.results
    members = [] if final is None else strongest(final.sample, MEMBERS)
    columns, headings, whole = [results.points["point"].astype(str)], ["Point"], results.points
    for p in subject.sweep.swept:
        labels = [shortened(label, 40) for label in p.labels]
        columns.append(pd.Series([labels[level] for level in p.level]))
        headings.append(shortened(p.name))
    caption = "Points in their order"
    if final is not None:
        some = range(min(tables.LISTED, len(whole)))
        columns += [pd.Series([_cell(subject, i, point) for point in some]) for i in members]
        headings += [shortened(final.names[i]) for i in members]
        numbers = {"": final.sample.mean, "± ": final.sample.reach}
        called = _called(final.names, whole)
        added = {f"{sign}{called[i]}": n[i] for i in range(len(final.names)) for sign, n in numbers.items()}
        whole = pd.concat([whole, pd.DataFrame(added)], axis=1)
        chance = bool((np.nan_to_num(final.sample.error) > 0).any())
        caption += f"; {final.label}{' ± half its 95 % interval over seeds' if chance else ''}"
        if len(members) < len(final.names):
            caption += f", of the {len(members)} of {len(final.names):,} members that move most"
    shown = pd.concat(columns, axis=1, keys=range(len(columns))).fillna("")  # two may have one name
    table = tables.table("points-table", shown, f"{caption}.")
    return replace(table, columns=headings, whole=whole if table.more else None)


def _called(members: Sequence[str], columns: Iterable[str]) -> list[str]:
    """What the columns of members are called, each of which has one with ± too: like nothing else in the table."""
    taken, found = set(columns), []
    for name in members:
        while {name, f"± {name}"} & taken:
            name = f"alignment of {name}"
        taken |= {name, f"± {name}"}
        found.append(name)
    return found


def _cell(subject: Subject, member: int, point: int) -> str:
    assert subject.final is not None
    if np.isnan(subject.final.sample.mean[member, point]):
        return "failed" if subject.stopped[point] else "not computed yet" if subject.not_yet[point] else "–"
    return value(subject.final.sample, member, point)
