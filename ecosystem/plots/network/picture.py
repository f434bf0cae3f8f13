"""What is drawn of the tables: a face for every member, a stroke for every flow and kind of share; and their titles."""

from __future__ import annotations

import math
import re
from collections.abc import Sequence
from dataclasses import dataclass

import networkx as nx

from ecosystem.core.words import counted, listed, number, percent
from ecosystem.plots.network.graph import KINDS, MEMBER, Row, Tables

ZERO = 1e-9  # of the largest number: below it an edge carries nothing
PARTS = 8  # of a diet that are listed one by one
SAID = {"reward": "its users’ taste: {}", "curator": "they choose by {}", "schedule": "schedule: {}"}
SAID |= {"retention": "retention: {}", "later": "{}"}


@dataclass(frozen=True)
class Face:
    """A member or group: its name, a line below it, its title, and what its circle shows."""

    name: str
    note: str
    title: str
    diet: str
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
    users: str = ""  # who chooses: producer, consumer, own; "" where nobody does


@dataclass(frozen=True)
class Picture:
    """Faces and strokes, what edges carry, and what there is to say of groups."""

    name: str
    carry: str
    faces: list[Face]
    strokes: list[Stroke]
    grouped: str

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


def pictured(tables: Tables) -> Picture:
    """What to draw of members or groups."""
    strokes = _shares(tables) if tables.carry == "share" else _numbered(tables)
    return Picture(tables.name, tables.carry, _faces(tables), strokes, tables.words)


def _faces(tables: Tables) -> list[Face]:
    values = [row["value"] for row in tables.members]
    largest = max((abs(value) for value in values if math.isfinite(value)), default=0.0)
    most = max(row.get("count", 1) for row in tables.members)
    faces = []
    for row, flows in zip(tables.members, tables.incoming().values(), strict=True):
        many, value = row.get("count", 0), row["value"]
        note = "" if math.isnan(value) else f"{'▲' * (value > 0)}{'▼' * (value < 0)} {_signed(value)}".strip()
        told = [f"{counted(many, 'member')}: {row['inside']}"] if many else []
        told += [] if math.isnan(value) else [f"its number: {_signed(value)}"]
        tint = value if math.isnan(value) or largest == 0 else max(-1.0, min(1.0, value / largest))
        real = row["real"] if tables.carry == "share" else 0.0
        absent = bool(re.match(r"round \d+: comes", str(row["later"])))
        size = 0.9 + 0.9 * math.sqrt(many / most) if many else 1.0
        note = note or (f"{many:,} member{'s' * (many > 1)}" if many else "")  # in numerals: circles are small
        eaten = diet([flow for flow in flows if flow["there"]], row["real"])
        title = "\n".join([*_member(row, eaten), *told])
        faces.append(Face(row["member"], note, title, eaten, real, tint, absent, size))
    return faces


# -- strokes -----------------------------------------------------------------------------------------------------------


def _shares(tables: Tables) -> list[Stroke]:
    """Raw and curated output of flows, each if there is any; one that gets its share later is drawn all the same."""
    place = {name: i for i, name in enumerate(tables.names)}
    found = []
    for row in tables.flows:
        ends, later = (place[row["source"]], place[row["target"]]), not row["there"]
        more = f"; the sum of {counted(row['count'], 'flow')}, for the mean member" if "count" in row else ""
        kinds = [kind for kind in KINDS if row[kind] > 0]
        for kind in kinds:
            title = _flow(row, f"{percent(row[kind])} {kind}", kind == "curated") + more
            users = row["chosen_by"] if kind == "curated" and not more else ""
            found.append(Stroke(*ends, kind, min(row[kind], 1.0), percent(row[kind]), title, later, users))
        if not kinds and (row["later"] or later):
            found.append(Stroke(*ends, "raw", 0.0, "", _flow(row, "no share"), True))
    return found


def _numbered(tables: Tables) -> list[Stroke]:
    """Numbers of edges: a thin stroke where there is nothing.

    Where gains and harms go along one flow it has the words of both, the sign of their sum, and is as thick as the
    larger of them: what cancels is not nothing.
    """
    place = {name: i for i, name in enumerate(tables.names)}
    rows = {(row["source"], row["target"]): row for row in tables.flows}
    sizes = [abs(value) for values in tables.values.values() for value in values]
    largest = max(filter(math.isfinite, sizes), default=0.0)
    found = []
    for pair in dict.fromkeys([*rows, *tables.values]):
        values = tables.values.get(pair, (math.nan,))
        drawn = [value for value in values if abs(value) > ZERO * largest] or [math.fsum(values)]
        said = f"{tables.carry} {_signed(drawn[0])}" if drawn[0] == drawn[0] else f"no number of {tables.carry}"
        if len(drawn) > 1:
            said = f"{tables.carry}, gains {_signed(drawn[0])}, harms {_signed(drawn[1])}"
        row, title = rows.get(pair), f"{pair[0]} → {pair[1]}: {said}"
        if row is not None:
            parts = [f"{percent(row[kind])} {kind}" for kind in KINDS if row[kind] > 0]
            title = _flow(row, f"{said} ({', '.join(parts) or 'no share'})", row["curated"] > 0)
        most = max(abs(value) for value in drawn)
        some = most > ZERO * largest
        kind = ("plus" if math.fsum(drawn) >= 0 else "minus") if some else "zero"
        weight = min(1.0, most / largest) if some and largest else float(some)
        words = " ".join(_signed(value) for value in drawn if not math.isnan(value))
        ends = place[pair[0]], place[pair[1]]
        found.append(Stroke(*ends, kind, weight, words, title, row is not None and not row["there"]))
    return found


# -- words -------------------------------------------------------------------------------------------------------------


def _signed(value: float) -> str:
    return number(value, sign=value != 0)


def diet(flows: Sequence[Row], real: float) -> str:
    """What a member trains on, the largest parts first; the real share is said whatever is left out."""
    parts = [(row[kind], f"{percent(row[kind])} {kind} from {row['source']}") for row in flows for kind in KINDS]
    said = [words for share, words in sorted(parts, key=lambda part: -part[0]) if share > 0]
    if real > 0:
        said.insert(0 if len(said) >= PARTS else len(said), f"{percent(real)} real data")
    return f"trains on {listed(said, PARTS)}" if said else "trains on nothing of its own or of others"


def _member(row: Row, eaten: str) -> list[str]:
    """All that is known of a member, in a few lines."""
    lines = [f"{row['member']}: {row['generator']}" if row["generator"] else row["member"], eaten]
    if row["curation"] > 0:
        lines.append(f"curation level λ = {row['curation']:.3g}")
    return lines + [said.format(row[column]) for column, said in SAID.items() if str(row[column]) != MEMBER[column]]


def _flow(row: Row, share: str, chosen: bool = False) -> str:
    """All that is known of a flow, ``share`` first: what is drawn of it."""
    lines = [f"{row['source']} → {row['target']}: {share}"]
    if chosen:
        who = {"producer": f"{row['source']}’s users", "consumer": f"{row['target']}’s users"}
        lines.append(f"chosen by {who.get(row['chosen_by'], 'users of its own')}")
    if str(row["transform"]) not in ("identity", "None"):
        lines.append(f"through {row['transform']}")
    if row["delay"]:
        lines.append(f"{counted(int(row['delay']), 'round')} late")
    if not row["there"]:
        lines.append("not there in the first round")
    return "; ".join([*lines, str(row["later"])] if row["later"] else lines)
