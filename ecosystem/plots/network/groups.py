"""Networks with more members than can be told apart, drawn as groups: communities, or members read by equally many.

A group stands for its mean member: its shares are means over the members of the reading group, so that all that it
trains on, the real share included, adds up to what it does for each of them.
"""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import networkx as nx
import pandas as pd

from ecosystem.core.check import brief
from ecosystem.core.words import listed, percent
from ecosystem.plots.network.graph import Numbers, Pair, Tables
from ecosystem.plots.network.words import counted

MOST = 15  # groups; the smallest of more are put together
SEARCHED = 40_000  # flows up to which communities are looked for unasked: it takes seconds
CLEAR = 0.4  # modularity from which communities are worth showing
DRAWN = 40  # flows between groups that are drawn, the largest
OTHERS = "all others"


@dataclass(frozen=True)
class Groups:
    """A network of groups: its tables (a row of ``members`` is a group, with its ``count``), and what it shows."""

    tables: Tables
    inside: dict[str, list[str]]  # the members of each group
    words: str

    @property
    def counts(self) -> dict[str, int]:
        """How many members a group has."""
        return {name: len(members) for name, members in self.inside.items()}

    @property
    def notes(self) -> dict[str, str]:
        """Who is in a group."""
        return {name: f"{counted(len(all_), 'member')}: {listed(all_, 6)}" for name, all_ in self.inside.items()}


def grouped(tables: Tables, by: Any) -> Groups:
    """The network of groups ``by`` "community", "degree", or a mapping from members to names; None chooses."""
    group, how = _partition(tables, by)
    many = Counter(group.values())
    if len(many) > MOST:
        kept = {name for name, _ in sorted(many.items(), key=lambda item: -item[1])[: MOST - 1]}
        group = {member: name if name in kept else OTHERS for member, name in group.items()}
        how += f"; the {len(many) - len(kept)} smallest groups are put together as “{OTHERS}”"
    summed = aggregate(tables, group)
    flows, left = _strongest(summed.flows) if summed.carry == "share" else (summed.flows, 0.0)
    values = summed.values
    if len(values) > DRAWN:
        values = dict(sorted(values.items(), key=lambda item: -sum(map(abs, item[1])))[:DRAWN])
        how += f"; the {DRAWN} largest numbers of {len(summed.values)} are drawn"
    words = f"{counted(len(tables.members), 'member')} in {counted(len(summed.members), 'group')}: {how}."
    what = "A share is that of the reading group’s mean member; a loop is what members take from their own group."
    words += f" {what if summed.carry == 'share' else 'Numbers are sums over the edges between two groups.'}"
    if left > 0:
        words += f" Flows too small to be drawn are {percent(left)} of all diets."
    if later := sum(not row["there"] for row in tables.flows):
        words += f" {counted(later, 'flow')} that come later are not in it."
    return Groups(replace(summed, flows=flows, values=values), _inside(tables, group), words)


def _inside(tables: Tables, group: Mapping[str, str]) -> dict[str, list[str]]:
    """The members of each group in the order of the table; groups in that of the mapping."""
    found: dict[str, list[str]] = {name: [] for name in group.values()}
    for name in tables.names:
        found[group[name]].append(name)
    return {name: members for name, members in found.items() if members}


def aggregate(tables: Tables, group: Mapping[str, str]) -> Tables:
    """The tables of groups, from the name of each member's group: mean diets, summed numbers of edges.

    ``raw`` of ``A → B`` is the sum of the raw shares of all flows from members of ``A`` to members of ``B``, over the
    number of members of ``B``, correctly rounded; so are ``curated``, and the ``real`` and ``curation`` of ``B``.
    """
    inside, rows = _inside(tables, group), {row["member"]: row for row in tables.members}
    size = {name: len(members) for name, members in inside.items()}
    members: list[dict[str, Any]] = [
        {"member": name}
        | {column: math.fsum(rows[member][column] for member in all_) / size[name] for column in ("real", "curation")}
        for name, all_ in inside.items()
    ]
    shares: dict[Pair, dict[str, list[float]]] = {}
    for row in tables.flows:
        if row["there"]:
            pair = group[row["source"]], group[row["target"]]
            found = shares.setdefault(pair, {"raw": [], "curated": []})
            for kind, sums in found.items():
                sums.append(row[kind])
    usual = {"chosen_by": "own", "transform": "identity", "delay": 0, "there": True, "later": ""}
    flows = [
        {"source": u, "target": v, "count": len(found["raw"])}
        | {kind: math.fsum(sums) / size[v] for kind, sums in found.items()}
        | usual
        for (u, v), found in shares.items()
    ]
    values: dict[Pair, list[Numbers]] = {}
    for (u, v), value in tables.values.items():
        values.setdefault((group[u], group[v]), []).append(value)
    total = {pair: tuple(map(_sum, zip(*found, strict=True))) for pair, found in values.items()}
    return Tables(tables.name, members, flows, tables.carry, total)


def _sum(values: Sequence[float]) -> float:
    return sum(values) if any(map(math.isinf, values)) else math.fsum(values)


def _strongest(flows: list[dict[str, Any]]) -> tuple[list[dict[str, Any]], float]:
    """The largest flows between groups, and what share of all diets is left out, on average over groups."""
    between = [row for row in flows if row["source"] != row["target"]]
    ranked = sorted(between, key=lambda row: -(row["raw"] + row["curated"]))
    left = {(row["source"], row["target"]) for row in ranked[DRAWN:]}
    kept = [row for row in flows if (row["source"], row["target"]) not in left]
    readers = len({row["target"] for row in flows})
    missing = math.fsum(row["raw"] + row["curated"] for row in ranked[DRAWN:])
    return kept, missing / max(readers, 1)


# -- who belongs together ----------------------------------------------------------------------------------------------


def _partition(tables: Tables, by: Any) -> tuple[dict[str, str], str]:
    """The group of each member, and in words what groups are."""
    if isinstance(by, (Mapping, pd.Series)):
        given = {str(member): str(name) for member, name in by.items()}
        if missing := [name for name in tables.names if name not in given]:
            raise ValueError(f"network(by): {listed(map(repr, missing))} have no group; name one for every member")
        return {name: given[name] for name in tables.names}, "as they were given"
    ways: dict[Any, Callable[[Tables], tuple[dict[str, str], str]]]
    ways = {"community": _communities, "degree": _degrees, None: _clearest}
    if not isinstance(by, str | None) or by not in ways:
        raise ValueError(f"network(by={brief(by)}): group by 'community', by 'degree', or give {{member: group}}")
    return ways[by](tables)


def _clearest(tables: Tables) -> tuple[dict[str, str], str]:
    """Communities where there are clear ones, else degrees."""
    if len(tables.flows) <= SEARCHED:
        graph = undirected(tables)
        found = _louvain(graph)
        if 1 < len(found) < len(graph) / 2 and nx.community.modularity(graph, found) >= CLEAR:
            return _named(tables, found)
    return _degrees(tables)


def _communities(tables: Tables) -> tuple[dict[str, str], str]:
    return _named(tables, _louvain(undirected(tables)))


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


def _louvain(graph: nx.Graph) -> list[set[int]]:
    return sorted(nx.community.louvain_communities(graph, weight="weight", seed=0), key=min)


def _named(tables: Tables, found: list[set[int]]) -> tuple[dict[str, str], str]:
    """Communities by the name of the member that most others read."""
    readers, names = _readers(tables), tables.names
    group: dict[str, str] = {}
    for members in sorted(found, key=min):
        inside = [names[i] for i in sorted(members)]
        most = max(inside, key=lambda name: readers[name])
        group |= dict.fromkeys(inside, f"around {most}")
    return {name: group[name] for name in names}, "communities, named after the member with most readers"


def _degrees(tables: Tables) -> tuple[dict[str, str], str]:
    """Members by how many others read them: none, 1, 2–3, 4–7, 8–15, …"""
    readers = _readers(tables)
    power = {name: readers[name].bit_length() for name in tables.names}
    label: dict[int, str] = {}
    for name in tables.names:
        low, high = 2 ** (power[name] - 1) if power[name] else 0, 2 ** power[name] - 1
        label[power[name]] = f"{low} reader{'s' * (low != 1)}" if low >= high else f"{low}–{high} readers"
    ordered = sorted(tables.names, key=lambda name: power[name])
    return {name: label[power[name]] for name in ordered}, "members by how many others read them"


def _readers(tables: Tables) -> dict[str, int]:
    pairs = {(row["source"], row["target"]) for row in tables.flows if row["source"] != row["target"]}
    found = Counter(source for source, _ in pairs)
    return {name: found[name] for name in tables.names}
