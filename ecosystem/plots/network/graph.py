"""What is drawn, read from a scenario, a run, an analysis of influence, or two tables of one's own."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import pandas as pd

from ecosystem.core.check import brief
from ecosystem.core.words import listed

CARRIED = ("share", "effect", "traffic")
Pair = tuple[str, str]
Numbers = tuple[float, ...]


@dataclass(frozen=True)
class Tables:
    """The rows of members and flows, checked and whole: every column that a drawing reads is there.

    ``values`` are numbers of edges by (source, target), where something else than shares is asked for: one, or gains
    and harms, which in their sum would cancel; pairs without a flow may be among them. ``carry`` says what they are:
    "share" where there are none.
    """

    name: str
    members: list[dict[str, Any]]
    flows: list[dict[str, Any]]
    carry: str = "share"
    values: Mapping[Pair, Numbers] = field(default_factory=dict)

    @property
    def names(self) -> list[str]:
        return [row["member"] for row in self.members]

    def incoming(self) -> dict[str, list[dict[str, Any]]]:
        """The flows that each member trains on."""
        found: dict[str, list[dict[str, Any]]] = {name: [] for name in self.names}
        for row in self.flows:
            found[row["target"]].append(row)
        return found

    def pairs(self) -> list[Pair]:
        """Who is joined to whom: by a flow, or by a number of one's own; each once."""
        given = [(row["source"], row["target"]) for row in self.flows]
        return list(dict.fromkeys([*given, *self.values]))


def read(what: Any, edges: Any) -> Tables:
    """The tables of what is to be drawn, and the numbers of its edges.

    Raises
    ------
    TypeError
        If there are no tables of members and flows in ``what``, or ``edges`` is nothing that edges carry.
    ValueError
        If a table lacks a column, flows or numbers name members that are not there, or a share is no number.
    """
    name, members, flows, source = _tables(what)
    rows, links = _members(members), _flows(flows)
    known = {row["member"] for row in rows}
    if strange := sorted({row[end] for row in links for end in ("source", "target")} - known):
        raise ValueError(f"network(): flows name {listed(map(repr, strange))}, and no member is called so")
    carry, values = _values(edges, source)
    if strange := sorted({name for pair in values for name in pair} - known):
        raise ValueError(f"network(edges): {listed(map(repr, strange))} are numbered, and no member is called so")
    found = Tables(name, rows, links, carry, values)
    for row, own in zip(rows, found.incoming().values(), strict=True):
        now = [link for link in own if link["there"]]
        if row["real"] is None:
            row["real"] = max(0.0, 1 - math.fsum(link["raw"] + link["curated"] for link in now))
        if row["curation"] is None:
            row["curation"] = math.fsum(link["curated"] for link in now)
    return found


def _tables(what: Any) -> tuple[str, pd.DataFrame, pd.DataFrame, Any]:
    """The name, both tables, and what numbers of edges can be asked of."""
    if hasattr(what, "describe") and hasattr(what, "graph"):
        found = what.describe()
        return what.name, found["members"], found["flows"], what
    if hasattr(what, "findings") and callable(what.findings):
        return _tables(what.findings())
    if hasattr(what, "members") and hasattr(what, "flows"):
        name = getattr(what, "settings", {}).get("scenario", "network")
        return str(name), what.members, what.flows, what
    pair = tuple(what) if isinstance(what, (tuple, list)) else ()
    if len(pair) == 2 and all(isinstance(table, pd.DataFrame) for table in pair):
        return "network", pair[0], pair[1], None
    raise TypeError(
        f"network({brief(what)}): give a Scenario, a Run, an analysis of influence, or the pair of tables "
        "(members, flows) as Scenario.describe() gives them"
    )


def _members(table: pd.DataFrame) -> list[dict[str, Any]]:
    """One dict a member; its level and real share are None where the table has no such column."""
    _columns(table, "members", ("member",))
    rows: list[dict[str, Any]] = []
    for given in table.to_dict("records"):
        row = {str(key): value for key, value in given.items()} | {"member": str(given["member"])}
        for column in ("real", "curation"):
            row[column] = _share(row[column], f"{column} of {row['member']!r}") if column in row else None
        rows.append(row)
    names = [row["member"] for row in rows]
    if twice := sorted({name for name in names if names.count(name) > 1} if len(set(names)) < len(names) else ()):
        raise ValueError(f"network(): {listed(map(repr, twice))} stand twice in the table of members")
    if not rows:
        raise ValueError("network(): there is nothing to draw, the table of members is empty")
    return rows


def _flows(table: pd.DataFrame) -> list[dict[str, Any]]:
    """One dict a flow, with the usual values where the table has no such column."""
    _columns(table, "flows", ("source", "target"))
    usual = {"source": "", "target": "", "raw": 0.0, "curated": 0.0, "chosen_by": "producer", "transform": "identity"}
    usual |= {"delay": 0, "there": True, "later": ""}
    columns = {name: table[name].tolist() if name in table else [value] * len(table) for name, value in usual.items()}
    for name in ("source", "target", "chosen_by", "transform", "later"):
        columns[name] = list(map(str, columns[name]))
    columns["there"] = list(map(bool, columns["there"]))
    whose = [f"{u!r} → {v!r}" for u, v in zip(columns["source"], columns["target"], strict=True)]
    columns |= {kind: list(map(_share, columns[kind], whose)) for kind in ("raw", "curated")}
    return [dict(zip(columns, values, strict=True)) for values in zip(*columns.values(), strict=True)]


def _columns(table: pd.DataFrame, name: str, needed: tuple[str, ...]) -> None:
    if missing := [column for column in needed if column not in table]:
        raise ValueError(
            f"network(): the table {name} has no column {missing[0]!r}; there are {listed(map(str, table.columns))}"
        )


def _share(value: Any, whose: str) -> float:
    """A share that is one; what rounding leaves below 0 is 0."""
    share = float(value)
    if not math.isfinite(share) or share < -1e-9:
        raise ValueError(f"network(): the share {share:g} ({whose}) is no share of a training set: between 0 and 1")
    return max(share, 0.0)


# -- numbers of edges --------------------------------------------------------------------------------------------------


def _values(edges: Any, source: Any) -> tuple[str, dict[Pair, Numbers]]:
    """What edges carry, and its numbers; none for shares."""
    if isinstance(edges, str) or edges is None:
        if edges not in CARRIED:
            raise ValueError(f"network(edges={edges!r}): edges carry one of {', '.join(CARRIED)}, or numbers of yours")
        return edges, {} if edges == "share" else _analysed(edges, source)
    if isinstance(edges, pd.DataFrame):
        _columns(edges, "edges", ("source", "target"))
        if {"traffic", "gains", "harms"} <= set(edges):
            return "traffic", _traffic(edges)
        numbers = edges.set_index(["source", "target"]).select_dtypes("number")
        wanted = [name for name in ("traffic", "effect") if name in numbers]
        if not wanted and len(numbers.columns) != 1:
            raise ValueError(
                f"network(edges): which of the columns {listed(map(str, numbers.columns))} is meant? give one: "
                "edges=table.set_index(['source', 'target'])['…']"
            )
        edges = numbers[wanted[0] if wanted else numbers.columns[0]]
    if not isinstance(edges, pd.Series) or edges.index.nlevels != 2:
        raise TypeError(
            f"network(edges={brief(edges)}): give one of {', '.join(CARRIED)}, a table with the columns source, target "
            "and a number, or a Series with the index (source, target)"
        )
    if edges.index.has_duplicates:
        raise ValueError("network(edges): a pair of source and target stands twice in the numbers of edges")
    values = {(str(u), str(v)): (float(value),) for (u, v), value in edges.items()}  # type: ignore[misc]
    return str(edges.name or "value"), {pair: value for pair, value in values.items() if not math.isnan(value[0])}


def _traffic(edges: pd.DataFrame) -> dict[Pair, Numbers]:
    """Gains and harms of each flow; traffic itself where they are not told apart."""
    if edges.duplicated(["source", "target"]).any():
        raise ValueError("network(edges): a pair of source and target stands twice in the numbers of edges")
    found: dict[Pair, Numbers] = {}
    parts = edges[["gains", "harms"]] if {"gains", "harms"} <= set(edges) else edges[["traffic", "traffic"]] * math.nan
    rows = zip(edges["source"], edges["target"], edges["traffic"], *(parts.iloc[:, i] for i in (0, 1)), strict=True)
    for u, v, traffic, gains, harms in rows:
        if not (math.isnan(gains) or math.isnan(harms)):
            found[str(u), str(v)] = float(gains), float(harms)
        elif not math.isnan(traffic):
            found[str(u), str(v)] = max(float(traffic), 0.0), min(float(traffic), 0.0)
    return found


def _analysed(carry: str, source: Any) -> dict[Pair, Numbers]:
    """Traffic or effect of what can be analysed, or has been."""
    if hasattr(source, "graph"):
        from ecosystem.influence.exact import influence  # only where somebody asks: it solves for the stable point

        source = influence(source).findings()
    if not hasattr(source, "influence") or not hasattr(source, "edges"):
        raise TypeError(
            f"network(edges={carry!r}) needs a Scenario or an analysis of influence; to a run or to tables give the "
            "numbers: edges=influence(scenario).edges()"
        )
    if carry == "traffic":
        return _traffic(source.edges)
    flows = set(zip(source.flows["source"].astype(str), source.flows["target"].astype(str), strict=True))
    table = source.influence
    rows = zip(table["source"], table["target"], table["effect"], strict=True)
    found = {(str(u), str(v)): (float(value),) for u, v, value in rows if not math.isnan(value)}
    return {pair: value for pair, value in found.items() if pair in flows}
