"""What is drawn, read from a scenario, a run, an analysis of influence, or two tables of one's own."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import pandas as pd

from ecosystem.core.arguments import meant
from ecosystem.core.check import brief
from ecosystem.core.words import listed

CARRIED = ("share", "effect", "traffic")
ENDS = ("source", "target")
KINDS = ("raw", "curated")
# What rows of members and flows say where their tables do not.
MEMBER = {"generator": "", "reward": "none", "curator": "none", "schedule": "every(1)", "retention": "replace()"}
MEMBER |= {"later": ""}
FLOW: dict[str, Any] = {"raw": 0.0, "curated": 0.0, "chosen_by": "producer", "transform": "identity"}
FLOW |= {"delay": 0, "there": True, "later": ""}
Row = dict[str, Any]
Pair = tuple[str, str]
Numbers = tuple[float, ...]


@dataclass(frozen=True)
class Tables:
    """The rows of members and flows, checked and whole: every column that a drawing reads is there.

    ``values`` are numbers of edges by (source, target), where something else than shares is asked for: one, or gains
    and harms, which in their sum would cancel; pairs without a flow may be among them. ``carry`` says what they are:
    "share" where there are none. A member's own number is its ``value``. Of groups, ``words`` say what they are, and
    rows have a ``count``.
    """

    name: str
    members: list[Row]
    flows: list[Row]
    carry: str = "share"
    values: Mapping[Pair, Numbers] = field(default_factory=dict)
    words: str = ""

    @property
    def names(self) -> list[str]:
        return [row["member"] for row in self.members]

    def incoming(self) -> dict[str, list[Row]]:
        """The flows that each member trains on."""
        found: dict[str, list[Row]] = {name: [] for name in self.names}
        for row in self.flows:
            found[row["target"]].append(row)
        return found


def read(what: Any, edges: Any = "share", values: Any = None) -> Tables:
    """The tables of what is to be drawn, and the numbers of its edges and members.

    Raises
    ------
    TypeError
        If there are no tables of members and flows in ``what``, or ``edges`` or ``values`` are nothing that is drawn.
    ValueError
        If a table lacks a column, flows or numbers name members that are not there, or a share is no number.
    """
    name, members, flows, source = _tables(what)
    rows, links = _rows(members, "members", ("member",), MEMBER), _rows(flows, "flows", ENDS, FLOW)
    if not rows:
        raise ValueError("network(): there is nothing to draw, the table of members is empty")
    known = {row["member"]: row for row in rows}
    if len(known) < len(rows):
        names = [row["member"] for row in rows]
        twice = sorted(name for name in known if names.count(name) > 1)
        raise ValueError(f"network(): {listed(map(repr, twice))} stand twice in the table of members")
    if strange := sorted({row[end] for row in links for end in ENDS} - set(known)):
        raise ValueError(f"network(): flows name {listed(map(repr, strange))}, and no member is called so")
    carry, numbers = _numbers(edges, source)
    if strange := sorted({name for pair in numbers for name in pair} - set(known)):
        raise ValueError(f"network(edges): {listed(map(repr, strange))} are numbered, and no member is called so")
    if not isinstance(values, Mapping | pd.Series | None):
        raise TypeError(f"network(values={brief(values)}): give a mapping or Series by member")
    own = {str(name): float(value) for name, value in ({} if values is None else values).items()}
    if strange := sorted(set(own) - set(known)):
        raise ValueError(
            f"network(values): there is no member {listed(map(repr, strange))}{meant(strange[0], sorted(known))}"
        )
    found = Tables(name, rows, links, carry, numbers)
    for row, into in zip(rows, found.incoming().values(), strict=True):
        now = [link for link in into if link["there"]]
        row.setdefault("real", max(0.0, 1 - math.fsum(link["raw"] + link["curated"] for link in now)))
        row.setdefault("curation", math.fsum(link["curated"] for link in now))
        row["value"] = own.get(row["member"], math.nan)
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


def _rows(table: pd.DataFrame, name: str, keys: tuple[str, ...], usual: Mapping[str, Any]) -> list[Row]:
    """One dict a row, with the usual values where the table has no such column; what rounding leaves below 0 is 0."""
    _need(table, name, keys)
    whole = table.assign(**{column: value for column, value in usual.items() if column not in table})
    for key in keys:
        whole[key] = list(map(str, whole[key]))
    for column in ("raw", "curated", "real", "curation"):
        if column in whole:
            shares = whole[column].to_numpy(float)
            for i in np.flatnonzero(~((shares >= -1e-9) & (shares < np.inf)))[:1]:
                whose = " → ".join(repr(whole[key].iloc[i]) for key in keys)
                raise ValueError(
                    f"network(): the share {shares[i]:g} ({column} of {whose}) is no share of a training set: "
                    "between 0 and 1"
                )
            whole[column] = np.maximum(shares, 0.0)
    return [{str(key): value for key, value in row.items()} for row in whole.to_dict("records")]


def _need(table: pd.DataFrame, name: str, columns: tuple[str, ...]) -> None:
    if missing := [column for column in columns if column not in table]:
        raise ValueError(
            f"network(): the table {name} has no column {missing[0]!r}; there are {listed(map(str, table.columns))}"
        )


def _numbers(edges: Any, source: Any) -> tuple[str, dict[Pair, Numbers]]:
    """What edges carry, and its numbers; none for shares."""
    if isinstance(edges, str | None):
        if edges not in CARRIED:
            raise ValueError(f"network(edges={edges!r}): edges carry one of {', '.join(CARRIED)}, or numbers of yours")
        if edges == "share":
            return edges, {}
        edges = _analysed(edges, source)
    told = None
    if isinstance(edges, pd.DataFrame):
        _need(edges, "edges", ENDS)
        table = edges.set_index(list(ENDS))
        table = (table if len(table) else table.astype(float)).select_dtypes("number")  # empty columns have no kind
        wanted = [name for name in ("traffic", "effect") if name in table] or list(table)
        if len(wanted) != 1 and "traffic" not in wanted:
            raise ValueError(
                f"network(edges): which of the columns {listed(map(str, wanted))} is meant? give one: "
                "edges=table.set_index(['source', 'target'])['…']"
            )
        if wanted[0] == "traffic" and {"gains", "harms"} <= set(table):
            told = table[["gains", "harms"]].to_numpy(float)
        edges = table[wanted[0]]
    if not isinstance(edges, pd.Series) or edges.index.nlevels != 2:
        raise TypeError(
            f"network(edges={brief(edges)}): give one of {', '.join(CARRIED)}, a table with the columns source, target "
            "and a number, or a Series with the index (source, target)"
        )
    if edges.index.has_duplicates:
        raise ValueError("network(edges): a pair of source and target stands twice in the numbers of edges")
    numbers = edges.to_numpy(float)[:, None]
    if edges.name == "traffic":
        numbers = np.concatenate([np.maximum(numbers, 0), np.minimum(numbers, 0)], axis=1)
        numbers = numbers if told is None else np.where(np.isnan(told).any(1, keepdims=True), numbers, told)
    pairs = zip(edges.index, numbers.tolist(), strict=True)
    return str(edges.name or "value"), {
        (str(u), str(v)): tuple(x) for (u, v), x in pairs if not any(map(math.isnan, x))
    }


def _analysed(carry: str, source: Any) -> pd.DataFrame:
    """Traffic or effect of flows, of what can be analysed, or has been."""
    if hasattr(source, "graph"):
        from ecosystem.influence.exact import influence  # only where somebody asks: it solves for the stable point

        source = influence(source).findings()
    if not hasattr(source, "influence") or not hasattr(source, "edges"):
        raise TypeError(
            f"network(edges={carry!r}) needs a Scenario or an analysis of influence; to a run or to tables give the "
            "numbers: edges=influence(scenario).edges()"
        )
    if carry == "traffic":
        return source.edges
    flows = pd.MultiIndex.from_frame(source.flows[list(ENDS)].astype(str))
    pairs = pd.MultiIndex.from_frame(source.influence[list(ENDS)].astype(str))
    return source.influence.loc[pairs.isin(flows), [*ENDS, "effect"]]
