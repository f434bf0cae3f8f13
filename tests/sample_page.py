"""Pages made up for tests of what all pages share: a network, tables, charts and slides of a few members."""

from __future__ import annotations

from functools import lru_cache
from itertools import pairwise
from typing import Any

import altair as alt
import pandas as pd
from labs import lab

from ecosystem import Flow, Scenario
from ecosystem.plots import alignment, diets
from ecosystem.plots.influence_matrix import matrix
from ecosystem.plots.network import network
from ecosystem.report.blocks import Cell, Chart, Code, Network, Page, Row, Section, Slides, Table, Words
from ecosystem.report.tables import pairs, table

HOSTILE = (
    "</script><script>ran('script')</script>",
    '"><img src=x onerror=ran("img")>',
    "'+ran('quote')+'",
    "bell\x07 and \x1b[2J",
    "__proto__",
    "constructor",
    "=HYPERLINK(1)",
    "long " * 2000,
)


def trio(names: tuple[str, ...] = ("a", "b", "c")) -> Scenario:
    """A chain of so many members, of which the second is curated."""
    s = Scenario("trio", rounds=3, samples=8)
    for name in names:
        s.add(name, lab())
    for u, v in pairwise(names):
        s.connect(u, v, Flow(raw=0.2, curated=0.1))
    return s


def influence(names: tuple[str, ...]) -> pd.DataFrame:
    """A table of effects of each on each."""
    rows = [(v, u, 0.1 * (i - j) + 0.05, "neutral") for i, u in enumerate(names) for j, v in enumerate(names)]
    return pd.DataFrame(rows, columns=["target", "source", "effect", "verdict"])


@lru_cache(maxsize=2)
def page(names: tuple[str, ...] = ("a", "b", "c"), rows: int = 100) -> Page:
    """All kinds of blocks, about these members."""
    run = trio(names).run(replicates=2)
    members = [Row([Cell(name), Cell("fell", tone="fell")], {"member": name}) for name in names]
    flow = Row([Cell("the first flow"), Cell("0.2", number=True)], {"source": names[0], "target": names[1]})
    facts: Any = Table("verdicts", "Verdicts", ["Member", "Verdict"], [*members, flow])
    drawn = network(run, theme="auto", focusable=True)
    rounds = [(f"round {i}", [Words(f"what happened in round {i}")]) for i in range(3)]
    choice = [("all", [Chart("first", diets(run.members, run.flows))]), ("without", [Chart("later", points(names))])]
    abouts: Any = [{}, {"source": names[0], "target": names[1]}]
    sections = [
        Section("facts", "Facts", [facts, pairs("told", "Facts", [("rounds", "3")]), Code("ecosystem run x.py")]),
        Section("coupling", "Who learns from whom", [Network("net", drawn)]),
        Section("alignment", "Alignment", [Chart("lines", alignment(run.rounds, run.members))]),
        Section("influence", "Influence", [Chart("cells", matrix(influence(names), list(names)))]),
        Section(
            "slides",
            "Slides",
            [
                Slides("one", "Round", rounds, group="rounds"),
                Slides("two", "Round again", rounds[1:], group="rounds"),
                Slides("three", "Flows", choice, choice=True, about=abouts),
            ],
        ),
        Section("rows", "Rows", [table("many", long(names, rows), "Many rows.")]),
    ]
    told = {name: f"{name} fell." for name in names}
    return Page(
        "trio", "test", "A headline", sections, ["A notice."], members=names, told=told, words=[("word", "what it is")]
    )


def points(names: tuple[str, ...]) -> Any:
    """A chart with text of every name, and a layer that has no marks."""
    data = pd.DataFrame({"member": names, "value": [1 / 3 * i for i in range(len(names))], "note": names})
    base = alt.Chart(data).encode(alt.Y("member:N"), tooltip=["member:N", "value:Q"])
    none = base.transform_filter("!isValid(datum.value)").mark_rect()
    layers = alt.layer(none, base.mark_point().encode(alt.X("value:Q")))
    return layers.properties(title="Points", description="points of members")


def long(names: tuple[str, ...], rows: int) -> pd.DataFrame:
    """Rows of texts and numbers with all their digits."""
    some = [names[i % len(names)] for i in range(rows)]
    return pd.DataFrame(
        {"member": some, "value": [i / 7 - 1 for i in range(rows)], "note": ['x, "y"\nz', "=1+1"] * (rows // 2)}
    )


def contrast(one: str, other: str) -> float:
    """How far apart two colours are, as WCAG 2 has it: from 1 to 21."""

    def bright(colour: str) -> float:
        parts = [int(colour[i : i + 2], 16) / 255 for i in (1, 3, 5)]
        linear = [c / 12.92 if c <= 0.04045 else ((c + 0.055) / 1.055) ** 2.4 for c in parts]
        return 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2]

    low, high = sorted((bright(one), bright(other)))
    return (high + 0.05) / (low + 0.05)
