"""The points of a study with what came of them, and the code that gets all of it into pandas."""

from __future__ import annotations

from typing import Any

import numpy as np

from ecosystem.report import look
from ecosystem.report.study.subject import Subject
from ecosystem.report.study.verdicts import value

ROWS = 40
MEMBERS = 6  # members with a column


def points_table(subject: Subject) -> dict[str, Any]:
    """The first points: the swept parameters, and the alignment at the end of the members that move most."""
    results, final = subject.results, subject.final
    members = [] if final is None else final.strongest(MEMBERS)
    columns = ["Point", *(p.name for p in subject.sweep.swept)]
    columns += [look.shortened(final.names[i]) for i in members] if final is not None else []
    rows = []
    for point in range(min(ROWS, subject.sweep.points)):
        cells = [str(point), *(look.shortened(p.labels[p.level[point]], 40) for p in subject.sweep.swept)]
        rows.append(cells + [_cell(subject, member, point) for member in members])
    caption = "Points in their order"
    if final is not None:
        chance = (np.nan_to_num(final.sample.error) > 0).any()
        caption += f"; {final.label}{' ± its standard error over seeds' if chance else ''}"
        if len(members) < len(final.names):
            caption += f", of the {len(members)} of {len(final.names):,} members that move most"
    more = max(0, subject.sweep.points - ROWS)
    return {"caption": caption + ".", "columns": columns, "rows": rows, "more": more, "all": len(results.points)}


def _cell(subject: Subject, member: int, point: int) -> str:
    assert subject.final is not None
    if np.isfinite(subject.final.sample.mean[member, point]):
        return value(subject, member, point)
    return "failed" if subject.failures.stopped[point] else "–"


def code(subject: Subject) -> str:
    """Lines of Python that give a table with a row a point and the alignment at the end of every member."""
    lines = ["from ecosystem.study import Study", "", f"results = Study.load({str(subject.results.folder)!r})"]
    found = subject.alignment
    if found is None:
        return "\n".join([*lines, "points = results.points  # a row a point; results.failures says what failed"])
    if found.table != "rounds":
        lines.append(f'ends = results.read("{found.table}", ["point", "member", "alignment"])')
    else:
        wanted = '["point", "seed", "replicate", "round", "member", "alignment"]'
        lines.append(f'rounds = results.read("rounds", {wanted})')
        if (subject.failures.table["kind"] == "diverged").any():
            lines += [
                'gone = results.failures.query("kind == \'diverged\'")[["point", "seed", "replicate"]].astype(int)',
                'rounds = rounds.merge(gone.drop_duplicates(), how="left", indicator="diverged")',
                'rounds = rounds[rounds["diverged"] == "left_only"]',
            ]
        lines.append('ends = rounds[rounds["round"] == rounds.groupby("point")["round"].transform("max")]')
    lines += [
        'mean = ends.groupby(["point", "member"], observed=True)["alignment"].mean().unstack()',
        'table = results.points.join(mean.add_prefix("alignment of "), on="point")',
    ]
    return "\n".join(lines)
