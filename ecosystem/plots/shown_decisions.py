"""What a notebook shows of decisions: what was decided in a line, what it means, and a row for each lever."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from ecosystem.core.words import number, safe
from ecosystem.decisions.allocation import PLANS, Allocation
from ecosystem.plots.shown import ROWS, table


def allocation(found: Allocation) -> str:
    """An allocation as HTML: its verdicts, its levers, those that are moved most first."""
    moved = (found.levels["after"] - found.levels["before"]).abs()
    rows = found.levels.loc[moved.sort_values(ascending=False, kind="stable").index[:ROWS]]
    welfare = {"lever": "welfare", **{plan: number(float(found.welfare[plan])) for plan in PLANS}}
    lines = [*map(_lever, rows.to_dict("records")), {**welfare, "at": "", "one more unit": ""}]
    return block(f"Allocation of {number(found.budget)}", found.verdicts["sentence"], lines, len(found.levels) + 1)


def _lever(row: dict[Any, Any]) -> dict[str, str]:
    bound = {"lower": "its lower bound", "upper": "its upper bound"}.get(row["bound"], "")
    plans = {plan: number(row[plan]) for plan in PLANS}
    return {"lever": str(row["lever"]), **plans, "at": bound, "one more unit": number(row["gradient"], sign=True)}


def block(title: str, sentences: Iterable[str], rows: Iterable[Mapping[str, str]], total: int) -> str:
    """A decision as HTML: its title, what it means, a table."""
    told = "".join(f"<p>{safe(sentence)}</p>" for sentence in sentences)
    return f"<div><b>{safe(title)}</b>{told}{table(rows, total)}</div>"
