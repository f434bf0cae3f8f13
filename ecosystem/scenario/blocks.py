"""Members and flows by the array: blocks of one kind, and the coupling graph that is made of them when it is read."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property
from typing import Any

import networkx as nx
import numpy as np
import torch

from ecosystem.generators import ClosedForm, GenerativeModel
from ecosystem.scenario.descriptions import Flow, Member

_SHIFT = 32  # bits of a place in the key of a flow


@dataclass(frozen=True, eq=False)
class Members:
    """Members that share all parts of ``one``, the first of them, but their generators and, if stacked, real data.

    ``generators`` and ``real`` are families with the batch ``[n]``, or ``generators`` a sequence of ``n``.
    """

    names: Sequence[str]
    one: Member
    generators: ClosedForm | Sequence[GenerativeModel]
    real: ClosedForm | None = None
    made: dict[int, Member] = field(default_factory=dict)

    def member(self, row: int) -> Member:
        """The description of one of them, the same object each time."""
        if row not in self.made:
            parts = {name: vars(self.one)[name] for name in Member.__dataclass_fields__}
            parts["generator"] = row_of(self.generators, row)
            if self.real is not None:
                parts["real"] = row_of(self.real, row)
            member = object.__new__(Member)
            vars(member).update(parts)
            self.made[row] = member
        return self.made[row]


@dataclass(frozen=True, eq=False)
class Flows:
    """Flows that differ in their ends (places of members) and shares alone; all else is that of ``one``."""

    source: np.ndarray
    target: np.ndarray
    raw: np.ndarray
    curated: np.ndarray
    one: Flow
    made: dict[int, Flow] = field(default_factory=dict)

    def flow(self, row: int) -> Flow:
        """The description of one of them, the same object each time."""
        if row not in self.made:
            flow = object.__new__(Flow)
            vars(flow).update(vars(self.one) | {"raw": float(self.raw[row]), "curated": float(self.curated[row])})
            self.made[row] = flow
        return self.made[row]


@dataclass(frozen=True, eq=False)
class Table:
    """All flows of blocks. The first ``copied`` stand by source, as a copy of a NetworkX graph has them."""

    flows: tuple[Flows, ...] = ()
    copied: int = 0

    @property
    def size(self) -> int:
        """The number of flows."""
        return sum(len(block.source) for block in self.flows)

    @cached_property
    def ends(self) -> np.ndarray:
        """Source, target, block and row of every flow, ``[4, flows]``, in their order; half as wide as NumPy's own."""
        whole, at = np.empty((4, self.size), dtype=np.int32), 0
        for i, b in enumerate(self.flows):
            here, at = whole[:, at : at + len(b.source)], at + len(b.source)
            here[0], here[1], here[2], here[3] = b.source, b.target, i, np.arange(len(b.source))
        order = np.argsort(whole[0, : self.copied], kind="stable")
        for row in whole:
            row[: self.copied] = row[order]
        return whole

    @property
    def shares(self) -> tuple[np.ndarray, np.ndarray]:
        """The raw and curated share of every flow, in their order."""
        row = np.cumsum([0, *(len(block.source) for block in self.flows)])[self.ends[2]] + self.ends[3]
        raw = np.concatenate([np.zeros(0), *(block.raw for block in self.flows)])
        return raw[row], np.concatenate([np.zeros(0), *(block.curated for block in self.flows)])[row]

    @cached_property
    def _keys(self) -> tuple[np.ndarray, np.ndarray]:
        """The keys of all flows, ascending, and which flow has each."""
        keys = keys_of(self.ends[0], self.ends[1])
        order = np.argsort(keys, kind="stable")
        return keys[order], order

    @cached_property
    def _into(self) -> tuple[np.ndarray, np.ndarray]:
        """Flows by target, and the target of each."""
        order = np.argsort(self.ends[1], kind="stable")
        return order, self.ends[1][order]

    def found(self, source: np.ndarray, target: np.ndarray) -> np.ndarray:
        """Which flow there is between members at these places, -1 where there is none."""
        known, order = self._keys
        keys = keys_of(source, target)
        at = np.searchsorted(known, keys)
        at[at == len(known)] = 0
        return np.where(known[at] == keys, order[at], -1) if len(known) else np.full(len(keys), -1)

    def flow(self, number: int) -> Flow:
        """The description of a flow by its number."""
        return self.flows[int(self.ends[2, number])].flow(int(self.ends[3, number]))

    def into(self, place: int) -> np.ndarray:
        """The numbers of the flows that the member at a place trains on."""
        order, target = self._into
        return order[np.searchsorted(target, place) : np.searchsorted(target, place, "right")]

    def taken(self, members: int) -> np.ndarray:
        """What the shares of every member add up to."""
        out = np.zeros(members)
        for block in self.flows:
            out += np.bincount(block.target, block.raw + block.curated, members)
        return out


@dataclass(frozen=True, eq=False)
class Blocks:
    """What a scenario that was built by the array is made of; never changed."""

    members: tuple[Members, ...] = ()
    table: Table = Table()

    def with_members(self, block: Members) -> Blocks:
        return replace(self, members=(*self.members, block))

    def with_flows(self, block: Flows) -> Blocks:
        return replace(self, table=Table((*self.table.flows, block), self.table.copied))

    def copy(self) -> Blocks:
        """What a copy of the graph is made of."""
        size = self.table.size
        return self if self.table.copied == size else replace(self, table=Table(self.table.flows, size))

    @cached_property
    def names(self) -> list[str]:
        return [name for block in self.members for name in block.names]

    @cached_property
    def place(self) -> dict[str, int]:
        """The place of each member."""
        return {name: i for i, name in enumerate(self.names)}

    @cached_property
    def starts(self) -> np.ndarray:
        """The place of the first member of each block, and the number of all."""
        return np.cumsum([0, *(len(block.names) for block in self.members)])

    @cached_property
    def block(self) -> np.ndarray:
        """The block of each member."""
        return np.repeat(np.arange(len(self.members)), np.diff(self.starts))

    @property
    def families(self) -> bool:
        """Whether all members of each block are one family, so that one is like another."""
        return all(isinstance(block.generators, ClosedForm) for block in self.members)

    def member(self, place: int) -> Member:
        """The description of the member at a place."""
        block = int(np.searchsorted(self.starts, place, "right")) - 1
        return self.members[block].member(place - int(self.starts[block]))

    def between(self, u: str, v: str) -> int:
        """The number of the flow ``u → v``, -1 where there is none."""
        try:
            ends = np.array([self.place[u]]), np.array([self.place[v]])
        except (KeyError, TypeError):
            return -1
        return int(self.table.found(*ends)[0])

    def into(self, v: str) -> dict[str, Flow]:
        """The flows that a member trains on, by producer."""
        mine = self.table.into(self.place[v]).tolist()
        return {self.names[int(self.table.ends[0, i])]: self.table.flow(i) for i in mine}

    def kinds(self) -> np.ndarray:
        """The numbers of flows that stand for all: the first of each kind."""
        ends = self.table.ends
        return first_of_kinds(self, ends[0], ends[1], 2 * ends[2].astype(np.int64) + (self.table.shares[1] > 0))


class DiGraph(nx.DiGraph):
    """The coupling graph of blocks: a NetworkX graph that has no nodes and edges of its own until somebody reads them.

    How many there are, and which, it says without; from then on it is a :class:`networkx.DiGraph` like any other.
    """

    blocks: Blocks

    def __init__(self, blocks: Blocks, **attributes: Any) -> None:
        self.__dict__["graph"] = attributes
        self.__dict__["blocks"] = blocks

    def _made(self) -> nx.DiGraph:
        """Become the graph itself."""
        blocks, attributes = self.__dict__.pop("blocks"), self.__dict__.pop("graph")
        self.__class__ = nx.DiGraph  # type: ignore[assignment]
        nx.DiGraph.__init__(self, **attributes)
        for i, name in enumerate(blocks.names):
            self.add_node(name, member=blocks.member(i))
        for i, (u, v) in enumerate(zip(*blocks.table.ends[:2].tolist(), strict=True)):
            self.add_edge(blocks.names[u], blocks.names[v], flow=blocks.table.flow(i))
        return self

    # what graphs keep their nodes and edges in
    _node = property(lambda self: self._made()._node)  # type: ignore[assignment]
    _adj = property(lambda self: self._made()._adj)  # type: ignore[assignment]
    _succ = property(lambda self: self._made()._succ)  # type: ignore[assignment]
    _pred = property(lambda self: self._made()._pred)  # type: ignore[assignment]

    def __contains__(self, name: Any) -> bool:
        try:
            return name in self.blocks.place
        except TypeError:
            return False

    def __iter__(self) -> Iterator[str]:
        return iter(self.blocks.names)

    def __len__(self) -> int:
        return len(self.blocks.names)

    def has_node(self, n: Any) -> bool:
        return n in self

    def number_of_nodes(self) -> int:
        return len(self)

    def has_edge(self, u: Any, v: Any) -> bool:
        return self.blocks.between(u, v) >= 0

    def number_of_edges(self, u: Any = None, v: Any = None) -> int:
        return self.blocks.table.size if u is None else int(self.has_edge(u, v))

    def copy(self, as_view: bool = False) -> nx.DiGraph:
        return nx.DiGraph.copy(self._made(), as_view=True) if as_view else DiGraph(self.blocks.copy(), **self.graph)


def blocks_of(graph: nx.DiGraph) -> Blocks | None:
    """What a graph is to be made of, None where it is made (an empty one is made of nothing)."""
    return graph.__dict__.get("blocks")


def first_of_kinds(blocks: Blocks, source: np.ndarray, target: np.ndarray, kind: np.ndarray) -> np.ndarray:
    """Of flows between the members of two blocks, of one ``kind``, the first; of members who are no family, each."""
    alike = np.array([isinstance(block.generators, ClosedForm) for block in blocks.members])
    u, v = blocks.block[source], blocks.block[target]
    _, first = first_of_each((kind * len(alike) + u) * len(alike) + v)
    return np.union1d(first, np.flatnonzero(~(alike[u] & alike[v])))


def first_of_each(codes: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Distinct codes ``≥ 0``, ascending, and where each comes first; as ``np.unique``, without sorting a few kinds."""
    if not len(codes) or int(codes.max()) > len(codes):
        return np.unique(codes, return_index=True)
    first = np.full(int(codes.max()) + 1, -1)
    first[codes[::-1]] = np.arange(len(codes) - 1, -1, -1)  # the last that is written stays
    distinct = np.flatnonzero(first >= 0)
    return distinct, first[distinct]


def to_blocks(graph: nx.DiGraph) -> None:
    """Let a graph without nodes be made of blocks from now on."""
    if not isinstance(graph, DiGraph):
        attributes = graph.graph
        vars(graph).clear()
        graph.__class__ = DiGraph
        vars(graph).update(graph=attributes, blocks=Blocks())


def keys_of(source: np.ndarray, target: np.ndarray) -> np.ndarray:
    """One number for each pair of places."""
    return source.astype(np.int64) << _SHIFT | target.astype(np.int64)


def row_of(models: ClosedForm | Sequence[GenerativeModel], row: int) -> GenerativeModel:
    """One model of many, with numbers of its own."""
    return models.take(row).map(torch.clone) if isinstance(models, ClosedForm) else models[row]
