"""Edges by the array: who takes how much of whom, read from arrays, sparse matrices, graphs and frames."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

import networkx as nx
import numpy as np
import pandas as pd
import scipy.sparse as sp
import torch

from ecosystem.core.check import as_tensor, brief
from ecosystem.scenario.descriptions import TOLERANCE

_FORMS = (
    "edges are (sources, targets), names or places of members, a NetworkX graph, a DataFrame with the columns source "
    "and target, or a sparse matrix [source, target]"
)


class Edges(NamedTuple):
    """Places of members and shares, one of each for every flow."""

    source: np.ndarray
    target: np.ndarray
    raw: np.ndarray
    curated: np.ndarray


def read_edges(edges: Any, raw: Any, curated: Any, names: Sequence[str], place: Mapping[str, int]) -> Edges:
    """The flows that are meant, ends and shares; a share that is not given (None) is that of the frame, or none."""
    if edges is None:
        return _matrices(raw, curated, names)
    if sp.issparse(edges):
        whole = _matrix(edges, "edges", names)
        ends = whole.row, whole.col
    elif isinstance(edges, nx.Graph):
        if edges.is_multigraph() or not edges.is_directed():
            raise ValueError(
                "connect_many takes a directed graph with one edge from u to v; give it shares_of(graph, real=, "
                "merge=sum) with raw='share', or keep but the last of parallel edges: nx.DiGraph(graph)"
            )
        pairs = list(edges.edges())
        ends = _places([str(u) for u, _ in pairs], place), _places([str(v) for _, v in pairs], place)
        raw, curated = (_attribute(edges, share) for share in (raw, curated))
    elif isinstance(edges, pd.DataFrame):
        missing = {"source", "target"} - set(edges.columns)
        if missing:
            raise ValueError(f"connect_many: the frame of edges lacks {', '.join(sorted(missing))}; {_FORMS}")
        ends = _places(edges["source"].tolist(), place), _places(edges["target"].tolist(), place)
        raw, curated = (
            edges[what] if given is None and what in edges else given
            for what, given in (("raw", raw), ("curated", curated))
        )
    elif isinstance(edges, tuple | list | np.ndarray) and len(edges) == 2:
        ends = _places(edges[0], place), _places(edges[1], place)
    else:
        raise TypeError(f"connect_many: {_FORMS}, got {brief(edges)}")
    if len(ends[0]) != len(ends[1]):
        raise ValueError(
            f"connect_many: {len(ends[0])} sources and {len(ends[1])} targets; give one of each for a flow"
        )
    return Edges(*ends, *(_shares(share, what, *ends, names) for what, share in (("raw", raw), ("curated", curated))))


def _matrices(raw: Any, curated: Any, names: Sequence[str]) -> Edges:
    """Flows where at least one of two sparse matrices of shares has an entry."""
    given = [None if x is None else _matrix(x, what, names) for what, x in (("raw", raw), ("curated", curated))]
    if given == [None, None]:
        raise TypeError(f"connect_many: give edges, or raw= and curated= as sparse matrices [source, target]; {_FORMS}")
    size = len(names)
    keys = np.unique(np.concatenate([x.row * size + x.col for x in given if x is not None]))
    shares = [np.zeros(len(keys)) for _ in given]
    for share, x in zip(shares, given, strict=True):
        if x is not None:
            share[np.searchsorted(keys, x.row * size + x.col)] = x.data
    source, target = keys // max(size, 1), keys % max(size, 1)
    named = zip(shares, ("raw", "curated"), strict=True)
    return Edges(source, target, *(_shares(share, what, source, target, names) for share, what in named))


def _matrix(given: Any, what: str, names: Sequence[str]) -> Any:
    """A sparse matrix ``[source, target]`` over all members, by rows, each entry once."""
    if not sp.issparse(given):
        raise TypeError(f"connect_many({what}) without edges is a sparse matrix [source, target], got {brief(given)}")
    if given.shape != (len(names), len(names)):
        raise ValueError(
            f"connect_many({what}) is a matrix [source, target] of all {len(names)} members, got shape {given.shape}"
        )
    whole = sp.csr_array(given).tocoo()
    whole.sum_duplicates()
    order = np.lexsort((whole.col, whole.row))
    row, col = whole.row.astype(np.int64), whole.col.astype(np.int64)
    return sp.coo_array((whole.data[order], (row[order], col[order])), shape=whole.shape)


def _places(given: Any, place: Mapping[str, int]) -> Any:
    """Places of members from their names, or from places; a name that nobody has stays as it is, to be refused."""
    if isinstance(given, np.ndarray | pd.Series) or hasattr(given, "numpy"):
        given = np.asarray(given)
        if given.dtype.kind in "iu":
            given = given.astype(np.int64)
            wrong = (given < 0) | (given >= len(place))
            if wrong.any():
                raise KeyError(f"connect_many: there is no member at place {given[wrong][0]}, there are {len(place)}")
            return given
        given = given.tolist()
    try:
        many = list(given)
    except TypeError:
        raise TypeError(f"connect_many: {_FORMS}, got {brief(given)} for one end") from None
    try:
        return np.fromiter(map(place.__getitem__, many), dtype=np.int64, count=len(many))
    except (KeyError, TypeError):
        if many and all(isinstance(x, int) and not isinstance(x, bool) for x in many):
            return _places(np.array(many), place)
        raise Unknown(next(x for x in many if not isinstance(x, str) or x not in place)) from None


class Unknown(Exception):
    """A name that is no member's."""


def _attribute(graph: nx.Graph, share: Any) -> Any:
    """A share of every edge of a graph: what is given, or the edge attribute of that name."""
    if not isinstance(share, str):
        return share
    values = [value for _, _, value in graph.edges(data=share)]
    if None in values:
        raise ValueError(f"connect_many: some edges of the graph have no attribute {share!r}; give all of them a share")
    return values


def _shares(given: Any, what: str, source: np.ndarray, target: np.ndarray, names: Sequence[str]) -> np.ndarray:
    """A share for every flow, each between 0 and 1."""
    size = len(source)
    if given is None:
        return np.zeros(size)
    tensor = as_tensor(
        given.to_numpy() if isinstance(given, pd.Series) else given, f"connect_many({what})", torch.float64
    )
    if tensor.ndim > 1 or (tensor.ndim and len(tensor) != size):
        raise ValueError(
            f"connect_many({what}) is one share, or one for each of {size} flows, got shape {tuple(tensor.shape)}"
        )
    shares = np.ascontiguousarray(np.broadcast_to(tensor.double().numpy(), size))
    wrong = np.flatnonzero(~((shares >= 0) & (shares <= 1 + TOLERANCE)))  # a NaN is neither
    if len(wrong):
        i = int(wrong[0])
        raise ValueError(
            f"flow {names[source[i]]!r} → {names[target[i]]!r}: Flow({what}) is a share between 0 and 1, got "
            f"{brief(float(shares[i]))}"
        )
    return shares
