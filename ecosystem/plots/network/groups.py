"""Networks with more members than can be told apart, drawn as groups: communities, or members read by equally many.

A group stands for its mean member: its shares are means over the members of the reading group, so that all that it
trains on, the real share included, adds up to what it does for each of them.
"""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Iterable, Mapping
from typing import Any

import networkx as nx
import pandas as pd

from ecosystem.core.check import brief
from ecosystem.core.words import counted, listed, percent
from ecosystem.plots.network.graph import ENDS, FLOW, KINDS, MEMBER, Numbers, Pair, Row, Tables

MOST = 15  # groups; the smallest of more are put together
SEARCHED = 40_000  # flows up to which communities are looked for unasked: it takes seconds
CLEAR = 0.4  # modularity from which communities are worth showing
DRAWN = 40  # flows between groups that are drawn, the largest
OTHERS = "all others"


def grouped(tables: Tables, by: Any) -> Tables:
    """The network of groups ``by`` "community", "degree", or a mapping from members to names; None chooses."""
    group, how = _partition(tables, by)
    many = Counter(group.values())
    group = {member: member if many[name] == 1 and member not in many else name for member, name in group.items()}
    many = Counter(group.values())
    if len(many) > MOST:
        kept = {name for name, _ in many.most_common(MOST - 1)}
        group = {member: name if name in kept else OTHERS for member, name in group.items()}
        how += f"; the {len(many) - len(kept)} smallest groups are put together as “{OTHERS}”"
    whole = aggregate(tables, group)
    flows, values = whole.flows, whole.values
    said = ["Numbers are sums over the edges between two groups."]
    if whole.carry == "share":
        ranked = sorted((f for f in flows if f["source"] != f["target"]), key=lambda f: -(f["raw"] + f["curated"]))
        small = ranked[DRAWN:]
        flows = [row for row in flows if row not in small]
        left = math.fsum(row["raw"] + row["curated"] for row in small) / max(
            len({row["target"] for row in whole.flows}), 1
        )
        said = ["A share is that of the reading group’s mean member; a loop is what members take from their own group."]
        said += [f"Flows too small to be drawn are {percent(left)} of all diets."] if left > 0 else []
    elif len(values) > DRAWN:
        values = dict(sorted(values.items(), key=lambda item: -sum(map(abs, item[1])))[:DRAWN])
        how += f"; the {DRAWN} largest numbers of {len(whole.values)} are drawn"
    if later := sum(not row["there"] for row in tables.flows):
        said.append(f"{counted(later, 'flow').capitalize()} that come later are not in it.")
    many_members, many_groups = counted(len(tables.members), "member"), counted(len(whole.members), "group")
    words = " ".join([f"{many_members.capitalize()} in {many_groups}: {how}.", *said])
    return Tables(tables.name, whole.members, flows, tables.carry, values, words)


def aggregate(tables: Tables, group: Mapping[str, str]) -> Tables:
    """The tables of groups, from the name of each member's group: mean diets and values, summed numbers of edges.

    ``raw`` of ``A → B`` is the sum of the raw shares of all flows from members of ``A`` to members of ``B``, over the
    number of members of ``B``, correctly rounded; so are ``curated``, and the ``real`` and ``curation`` of ``B``.
    """
    inside: dict[str, list[Row]] = {name: [] for name in group.values()}  # in the order of the mapping
    for row in tables.members:
        inside[group[row["member"]]].append(row)
    inside = {name: rows for name, rows in inside.items() if rows}
    members = [
        MEMBER
        | {"member": name, "count": len(rows), "inside": listed((row["member"] for row in rows), 6)}
        | {column: _mean(row[column] for row in rows) for column in ("real", "curation")}
        | {"value": _mean(row["value"] for row in rows if not math.isnan(row["value"]))}
        for name, rows in inside.items()
    ]
    between: dict[Pair, list[Row]] = {}
    for row in tables.flows:
        if row["there"]:
            between.setdefault((group[row["source"]], group[row["target"]]), []).append(row)
    flows = [
        FLOW
        | dict(zip(ENDS, pair, strict=True))
        | {"chosen_by": "own", "count": len(rows)}
        | {kind: math.fsum(row[kind] for row in rows) / len(inside[pair[1]]) for kind in KINDS}
        for pair, rows in between.items()
    ]
    values: dict[Pair, list[Numbers]] = {}
    for (u, v), value in tables.values.items():
        values.setdefault((group[u], group[v]), []).append(value)
    total = {pair: tuple(map(_sum, zip(*found, strict=True))) for pair, found in values.items()}
    return Tables(tables.name, members, flows, tables.carry, total)


def _sum(numbers: Iterable[float]) -> float:
    found = list(numbers)
    return sum(found) if any(map(math.isinf, found)) else math.fsum(found)


def _mean(numbers: Iterable[float]) -> float:
    found = list(numbers)
    return _sum(found) / len(found) if found else math.nan


# -- who belongs together ----------------------------------------------------------------------------------------------


def _partition(tables: Tables, by: Any) -> tuple[dict[str, str], str]:
    """The group of each member, and in words what groups are."""
    if isinstance(by, Mapping | pd.Series):
        given = {str(member): str(name) for member, name in by.items()}
        if missing := [name for name in tables.names if name not in given]:
            raise ValueError(f"network(by): {listed(map(repr, missing))} have no group; name one for every member")
        return {name: given[name] for name in tables.names}, "as they were given"
    if not isinstance(by, str | None) or by not in ("community", "degree", None):
        raise ValueError(f"network(by={brief(by)}): group by 'community', by 'degree', or give {{member: group}}")
    names = tables.names
    readers = Counter(u for u, v in {(row["source"], row["target"]) for row in tables.flows} if u != v)
    if by == "community" or (by is None and len(tables.flows) <= SEARCHED):
        graph = undirected(tables)
        found = sorted(nx.community.louvain_communities(graph, weight="weight", seed=0), key=min)
        clear = 1 < len(found) < len(names) / 2 and nx.community.modularity(graph, found) >= CLEAR
        if by or clear:
            parts = [[names[i] for i in sorted(part)] for part in found]
            group = {name: f"around {max(part, key=lambda n: readers[n])}" for part in parts for name in part}
            return {name: group[name] for name in names}, "communities, named after the member with most readers"
    ordered = sorted(names, key=lambda name: readers[name].bit_length())
    return {name: _read_by(readers[name]) for name in ordered}, "members by how many others read them"


def _read_by(readers: int) -> str:
    """The class of a number of readers: none, 1, 2–3, 4–7, 8–15, …"""
    low, high = 2 ** readers.bit_length() // 2, 2 ** readers.bit_length() - 1
    return f"{low} reader{'s' * (low != 1)}" if low >= high else f"{low}–{high} readers"


def undirected(tables: Tables) -> nx.Graph:
    """Members by their number, joined with the weight of what they share either way; without loops."""
    number = {name: i for i, name in enumerate(tables.names)}
    graph = nx.Graph()
    graph.add_nodes_from(range(len(number)))
    for row in tables.flows:
        u, v = number[row["source"]], number[row["target"]]
        if u != v:
            before = graph.edges[u, v]["weight"] if graph.has_edge(u, v) else 0.0
            graph.add_edge(u, v, weight=before + max(row["raw"] + row["curated"], 1e-9))
    return graph
