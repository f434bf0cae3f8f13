"""What is drawn of the tables: a face for every member, a stroke for every flow and kind of share."""

from __future__ import annotations

import math
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import networkx as nx
import pandas as pd

from ecosystem.core.check import brief
from ecosystem.core.words import listed, percent
from ecosystem.plots.network.graph import Tables
from ecosystem.plots.network.groups import Groups
from ecosystem.plots.network.words import counted, diet, flow_title, member_title, number

ZERO = 1e-9  # of the largest number: below it an edge carries nothing


@dataclass(frozen=True)
class Face:
    """A member or group: its name, a line below it, its title, and what its circle shows."""

    name: str
    note: str
    title: str
    real: float
    tint: float  # in −1..1: how far its number is to either side of 0; NaN without one
    absent: bool
    size: float  # the radius, relative to others


@dataclass(frozen=True)
class Stroke:
    """A flow as it is drawn: between which numbers, of which kind, how heavy (0..1), and its words."""

    source: int
    target: int
    kind: str  # raw, curated; plus, minus, zero where edges carry other numbers
    weight: float
    words: str
    title: str
    later: bool
    users: str  # who chooses: producer, consumer, own; "" where nobody does


@dataclass(frozen=True)
class Picture:
    """Faces and strokes, what edges carry, and what there is to say of groups."""

    name: str
    carry: str
    faces: list[Face]
    strokes: list[Stroke]
    grouped: str
    diets: list[str]
    valued: bool

    def graph(self) -> nx.DiGraph:
        """The graph of numbers 0..n−1, edges in the order of the table."""
        graph = nx.DiGraph()
        graph.add_nodes_from((i, {"real": face.real > 0}) for i, face in enumerate(self.faces))
        graph.add_edges_from((stroke.source, stroke.target) for stroke in self.strokes)
        return graph

    @property
    def size(self) -> str:
        """How many members (or groups) and flows there are."""
        pairs = {(stroke.source, stroke.target) for stroke in self.strokes}
        return f"{counted(len(self.faces), 'group' if self.grouped else 'member')} and {counted(len(pairs), 'flow')}"


def pictured(tables: Tables, groups: Groups | None, values: Any, notes: Any) -> Picture:
    """The picture of tables, those of ``groups`` if they are given; ``values`` and ``notes`` are of members."""
    numbers, said = _numbers(values, tables), _of_members(notes, tables, "notes")
    shown = tables
    if groups is not None:
        shown, said = groups.tables, groups.notes
        numbers = {name: _mean(numbers, groups, name) for name in shown.names} if numbers else {}
    largest = max((abs(value) for value in numbers.values() if math.isfinite(value)), default=0.0)
    incoming = shown.incoming()
    biggest = max(groups.counts.values()) if groups is not None else 1
    faces = []
    for row in shown.members:
        name = row["member"]
        value = numbers.get(name, math.nan)
        note = f"{_arrow(value)} {number(value, sign=True)}".strip() if not math.isnan(value) else ""
        words = "\n".join(filter(None, [str(said.get(name, "")), f"number: {number(value, True)}" if note else ""]))
        size = 1.0
        if groups is not None:
            size = 0.9 + 0.9 * math.sqrt(groups.counts[name] / biggest)
            note = note or counted(groups.counts[name], "member")
        tint = value if math.isnan(value) or largest == 0 else max(-1.0, min(1.0, value / largest))
        absent = bool(re.match(r"round \d+: comes", str(row.get("later") or "")))
        title = member_title(row, incoming[name], words)
        real = row["real"] if shown.carry == "share" else 0.0
        faces.append(Face(name, note, title, real, tint, absent, size))
    diets = [f"{row['member']} {diet(incoming[row['member']], row['real'])}" for row in shown.members]
    words = groups.words if groups is not None else ""
    return Picture(tables.name, shown.carry, faces, _strokes(shown), words, diets, bool(numbers))


def _mean(numbers: Mapping[str, float], groups: Groups, name: str) -> float:
    found = [numbers[member] for member in groups.inside[name] if not math.isnan(numbers.get(member, math.nan))]
    return math.fsum(found) / len(found) if found else math.nan


def _arrow(value: float) -> str:
    return "▲" if value > 0 else "▼" if value < 0 else ""


def _of_members(given: Any, tables: Tables, what: str) -> dict[str, Any]:
    """A mapping or Series by member; names that are not there are refused."""
    if given is None:
        return {}
    if not isinstance(given, (Mapping, pd.Series)):
        raise TypeError(f"network({what}={brief(given)}): give a mapping or Series by member")
    found = {str(name): value for name, value in given.items()}
    if strange := sorted(set(found) - set(tables.names)):
        raise ValueError(f"network({what}): there is no member {listed(map(repr, strange))}")
    return found


def _numbers(values: Any, tables: Tables) -> dict[str, float]:
    return {name: float(value) for name, value in _of_members(values, tables, "values").items()}


# -- strokes -----------------------------------------------------------------------------------------------------------


def _strokes(tables: Tables) -> list[Stroke]:
    place = {name: i for i, name in enumerate(tables.names)}
    rows = {(row["source"], row["target"]): row for row in tables.flows}
    if tables.carry == "share":
        return [stroke for row in tables.flows for stroke in _shares(row, place)]
    finite = [abs(value) for values in tables.values.values() for value in values if math.isfinite(value)]
    largest = max(finite, default=0.0)
    found = []
    for pair in tables.pairs():
        values = tables.values.get(pair, (math.nan,))
        drawn = [value for value in values if abs(value) > ZERO * largest] or [math.fsum(values)]
        row = rows.get(pair)
        said = _carried(tables.carry, drawn)
        title = f"{pair[0]} → {pair[1]}: {said}" if row is None else flow_title(row, f"{said} ({_diet(row)})")
        later = row is not None and not row["there"]
        for value in drawn:
            small = math.isnan(value) or abs(value) <= ZERO * largest
            kind = "zero" if small else "plus" if value > 0 else "minus"
            weight = 0.0 if small else min(1.0, abs(value) / largest) if largest else 1.0
            words = "" if math.isnan(value) else number(value, sign=True)
            found.append(Stroke(place[pair[0]], place[pair[1]], kind, weight, words, title, later, ""))
    return found


def _carried(carry: str, values: Sequence[float]) -> str:
    """What an edge carries in words."""
    if len(values) > 1:
        return f"{carry}, gains {number(values[0], sign=True)}, harms {number(values[1], sign=True)}"
    return f"no number of {carry}" if math.isnan(values[0]) else f"{carry} {number(values[0], sign=True)}"


def _shares(row: dict[str, Any], place: Mapping[str, int]) -> list[Stroke]:
    """Raw and curated output of one flow, each if there is any; one that gets its share later is drawn all the same."""
    ends = place[row["source"]], place[row["target"]]
    found = []
    for kind in ("raw", "curated"):
        if row[kind] > 0:
            title = flow_title(row if kind == "curated" else row | {"curated": 0.0}, f"{percent(row[kind])} {kind}")
            users = row["chosen_by"] if kind == "curated" and "count" not in row else ""
            share = min(row[kind], 1.0)
            found.append(Stroke(*ends, kind, share, percent(row[kind]), title, not row["there"], users))
    if not found and (row["later"] or not row["there"]):
        found = [Stroke(*ends, "raw", 0.0, "", flow_title(row, "no share"), True, "")]
    if "count" in row:
        more = f"; the sum of {counted(row['count'], 'flow')}, for the mean member"
        found = [replace(stroke, title=stroke.title + more) for stroke in found]
    return found


def _diet(row: dict[str, Any]) -> str:
    parts = [f"{percent(row[kind])} {kind}" for kind in ("raw", "curated") if row[kind] > 0]
    return ", ".join(parts) or "no share"
