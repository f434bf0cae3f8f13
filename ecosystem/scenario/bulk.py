"""What is refused of many members and flows at once: checked by the array, and kind by kind."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import networkx as nx
import numpy as np

from ecosystem.core.added import added
from ecosystem.core.check import brief
from ecosystem.generators import ClosedForm, GenerativeModel
from ecosystem.scenario import checks, whole
from ecosystem.scenario.blocks import Flows, blocks_of, first_of_kinds
from ecosystem.scenario.descriptions import TOLERANCE
from ecosystem.scenario.edges import Edges
from ecosystem.scenario.network import Network


def check_name(name: Any, graph: nx.DiGraph, scenario: str) -> None:
    """Refuse what cannot be the name of another member."""
    if not isinstance(name, str) or not name:
        raise TypeError(f"names of members are strings, got {brief(name)}; use str(node)")
    if name in ("real", "own"):
        raise ValueError(f"a member cannot be called {name!r}: tables of sources call real or own data so")
    if name in graph:
        raise ValueError(f"there is already a member {name!r} in scenario {scenario!r}; names must differ")


def checked_names(scenario: Network, names: Any) -> list[str]:
    try:
        given = None if isinstance(names, str) else list(names)
    except TypeError:  # tensors of no dimension say that they can be read
        given = None
    if given is None:
        raise TypeError(f"add_many(names) is a sequence of names, got {brief(names)}; for one member there is add")
    try:
        distinct = set(given)
    except TypeError:
        distinct = set()
    if len(distinct) < len(given) or not all(isinstance(name, str) for name in given):
        for name in given:
            check_name(name, scenario.graph, scenario.name)
        seen: set[str] = set()
        twice = next(name for name in given if name in seen or seen.add(name))
        raise ValueError(f"add_many(names) has {twice!r} twice; names must differ")
    for name in (*(distinct & {"", "real", "own"}), *(name for name in given if name in scenario.graph)):
        check_name(name, scenario.graph, scenario.name)
    return given


def is_stack(models: Any) -> bool:
    return isinstance(models, ClosedForm) and len(models.batch_shape) > 0


def each(models: Any, size: int, what: str) -> ClosedForm | Sequence[GenerativeModel]:
    """A model for each of so many members."""
    if isinstance(models, ClosedForm) and models.batch_shape:
        if tuple(models.batch_shape) != (size,):
            raise ValueError(
                f"add_many({what}) has the batch {tuple(models.batch_shape)} for {size} names; give one for each"
            )
        return models
    if isinstance(models, GenerativeModel):
        return [models] * size
    if isinstance(models, str) or not isinstance(models, Sequence):
        raise TypeError(f"add_many({what}) is a model for each name, or a family with a batch, got {brief(models)}")
    for model in models:
        if not isinstance(model, GenerativeModel):
            raise TypeError(f"add_many({what}) is a GenerativeModel for each name, got {brief(model)} among them")
    if len(models) != size:
        raise ValueError(f"add_many({what}) has {len(models)} models for {size} names; give one for each")
    return models


def flow_name(many: Edges, i: int, names: Sequence[str]) -> str:
    return f"{names[int(many.source[i])]!r} → {names[int(many.target[i])]!r}"


def check_new(scenario: Network, many: Edges, names: Sequence[str]) -> None:
    """No flow may be given twice, and none that there is already."""
    keys = many.source * len(names) + many.target
    _, first = np.unique(keys, return_index=True)
    twice = np.ones(len(keys), dtype=bool)
    twice[first] = False
    if (blocks := blocks_of(scenario.graph)) is not None:
        twice |= blocks.table.found(many.source, many.target) >= 0
    else:
        pairs = zip(many.source.tolist(), many.target.tolist(), strict=True)
        twice |= np.fromiter((scenario.graph.has_edge(names[u], names[v]) for u, v in pairs), bool, len(keys))
    if twice.any():
        name = flow_name(many, int(np.flatnonzero(twice)[0]), names)
        raise ValueError(f"there is already a flow {name}; give both shares in one Flow(raw=, curated=)")


def check_room(scenario: Network, block: Flows, names: Sequence[str]) -> None:
    """Shares that add up to more than 1 are refused, but for who is not there at the start."""
    taken = np.bincount(block.target, block.raw + block.curated, len(names))
    blocks = blocks_of(scenario.graph)
    if blocks is not None:
        taken += blocks.table.taken(len(blocks.names))
    else:
        for v in np.unique(block.target).tolist():
            taken[v] += added(e["flow"].raw + e["flow"].curated for e in scenario.graph.pred[names[v]].values())
    late = scenario.late()
    for v in np.flatnonzero(taken > 1 + TOLERANCE).tolist():
        if names[v] not in late:
            mine = np.flatnonzero(block.target == v).tolist()
            new = {names[int(block.source[i])]: block.flow(i) for i in mine if names[int(block.source[i])] not in late}
            whole.check_shares(names[v], {**scenario.incoming(names[v]), **new}, scenario.member(names[v]))


def check_kinds(scenario: Network, block: Flows, names: Sequence[str]) -> None:
    """One flow of each kind is tried: of two blocks of families, curated or not; of all others each."""
    blocks = blocks_of(scenario.graph)
    chosen: Any = range(len(block.source))
    if blocks is not None:
        chosen = first_of_kinds(blocks, block.source, block.target, block.curated > 0).tolist()
    for i in chosen:
        a, b = names[int(block.source[i])], names[int(block.target[i])]
        checks.check_flow(a, b, block.flow(i), scenario.member(a), scenario.member(b))
