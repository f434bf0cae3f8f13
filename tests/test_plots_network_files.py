"""Networks drawn in groups, the files and bytes of drawings, and what is refused."""

from __future__ import annotations

import hashlib
import math
import os
import re
import subprocess
import sys
from fractions import Fraction
from pathlib import Path

import networkx as nx
import numpy as np
import pandas as pd
import pytest
from drawings import by_pair, classed, faults, parsed, tables

from ecosystem.core.words import counted
from ecosystem.plots.network import network
from ecosystem.plots.network.graph import read
from ecosystem.plots.network.groups import aggregate
from ecosystem.plots.palette import COLOURS

# -- groups ------------------------------------------------------------------------------------------------------------


def test_shares_of_groups_add_up_exactly() -> None:
    """Against sums of fractions: what a group's mean member takes, and its real data, are correctly rounded."""
    graph = nx.gnp_random_graph(80, 0.1, seed=3, directed=True)
    given_ = read(tables(graph, curated=0.3))
    group = {name: f"group {int(name) % 5}" for name in given_.names}
    summed = aggregate(given_, group)
    for row in summed.flows:
        for kind in ("raw", "curated"):
            whole = [
                Fraction(f[kind])
                for f in given_.flows
                if (group[f["source"]], group[f["target"]]) == (row["source"], row["target"])
            ]
            assert row[kind] == float(sum(whole)) / 16 == math.fsum(map(float, whole)) / 16
    for row in summed.members:
        taken = math.fsum(f["raw"] + f["curated"] for f in summed.flows if f["target"] == row["member"])
        assert taken + row["real"] == pytest.approx(1, abs=1e-12)
    assert sum(row["count"] for row in summed.flows) == graph.number_of_edges()


def test_many_members_are_drawn_in_groups_that_say_so() -> None:
    drawing = network(tables(nx.barabasi_albert_graph(300, 4, seed=0).to_directed()))
    assert faults(drawing) == []
    assert "300 members in five groups: members by how many others read them." in drawing.caption
    root = parsed(drawing)
    assert drawing.caption in (root.find("{http://www.w3.org/2000/svg}desc").text or "")  # type: ignore[union-attr]
    titles = [member[0].text or "" for member in classed(root, "member")]
    words = [re.search(r"([\w,]+) members?:", title)[1] for title in titles]  # type: ignore[index]
    assert sum(next(n for n in range(301) if counted(n) == word) for word in words) == 300
    joined = network(tables(nx.relaxed_caveman_graph(8, 10, 0.05, seed=1).to_directed()))
    assert "communities" in joined.caption and "80 members in eight groups" in joined.caption and faults(joined) == []


def test_groups_can_be_given() -> None:
    graph = nx.cycle_graph(10, create_using=nx.DiGraph)
    drawing = network(tables(graph), by={str(i): "even" if i % 2 == 0 else "odd" for i in range(10)})
    flows = by_pair(parsed(drawing), "flow")
    assert set(flows) == {("even", "odd", "raw"), ("odd", "even", "raw")}
    assert "even → odd: 90 % raw; the sum of five flows, for the mean member" in drawing.svg
    full = network(tables(graph), by=None, most=9)
    assert "Ten members in" in full.caption and "Ten members in" not in network(tables(graph)).caption


# -- themes, files, bytes ----------------------------------------------------------------------------------------------


def test_members_have_the_colours_of_charts() -> None:
    drawing = network(tables(nx.cycle_graph(8, create_using=nx.DiGraph)), theme="light")
    for i, colour in enumerate(COLOURS[:8]):
        assert f".c{i} .ring{{stroke:var(--eco-c{i},{colour})}}" in drawing.svg


def test_themes_and_files(tmp_path) -> None:
    graph = tables(nx.path_graph(3, create_using=nx.DiGraph))
    auto, light, dark = (network(graph, theme=theme) for theme in ("auto", "light", "dark"))
    assert "prefers-color-scheme:dark" in auto.svg and "prefers-color-scheme" not in light.svg + dark.svg
    assert "var(--eco-paper,#ffffff)" in light.svg and "var(--eco-paper,#14181d)" in dark.svg
    for drawing in (light, dark):
        assert "var(" not in drawing.save(tmp_path / "a.svg").read_text(encoding="utf-8")
    assert auto.save(tmp_path / "a.svg").read_text(encoding="utf-8") == auto.svg == auto._repr_svg_()
    with pytest.raises(ValueError, match=r"saved as \.svg or \.png"):
        auto.save(tmp_path / "a.jpg")
    pytest.importorskip("vl_convert")
    from matplotlib.image import imread

    for drawing, ground in ((auto, 1.0), (light, 1.0), (dark, 20 / 255)):
        pixels = imread(drawing.save(tmp_path / "a.png", scale=1))
        assert pixels.shape[1] == 860 and pixels[2, 2, 0] == pytest.approx(ground, abs=0.01)


def digest() -> str:
    """What becomes of three networks, in full and in groups."""
    graphs = [nx.barabasi_albert_graph(65, 2, seed=0), nx.relaxed_caveman_graph(4, 6, 0.05, seed=0)]
    graphs.append(nx.gnp_random_graph(20, 0.2, seed=1))
    named = [tables(nx.relabel_nodes(graph.to_directed(), str)) for graph in graphs]
    made = [network(graph, by=by).svg for graph in named for by in (None, "community")]
    return hashlib.sha256("".join(made).encode()).hexdigest()


def test_the_same_network_gives_the_same_bytes() -> None:
    """Whatever the seed of hashes: sets of names have no order."""
    env = os.environ | {"PYTHONHASHSEED": "7", "PYTHONPATH": os.pathsep.join([str(Path(__file__).parent), *sys.path])}
    command = [sys.executable, "-c", "import test_plots_network_files as t; print(t.digest())"]
    assert subprocess.run(command, env=env, capture_output=True, text=True, check=True).stdout.strip() == digest()


# -- refusals ----------------------------------------------------------------------------------------------------------

MEMBERS = pd.DataFrame({"member": ["a", "b"]})
FLOWS = pd.DataFrame({"source": ["a"], "target": ["b"], "raw": [0.5], "curated": [0.0]})


@pytest.mark.parametrize(
    ("what", "how", "error"),
    [
        (3, {}, r"network\(3\): give a Scenario, a Run"),
        ((MEMBERS, FLOWS.drop(columns="source")), {}, "table flows has no column 'source'"),
        ((MEMBERS, FLOWS.assign(source="c")), {}, "flows name 'c'"),
        ((MEMBERS.assign(member="a"), FLOWS.iloc[:0]), {}, "'a' stand twice"),
        ((MEMBERS.iloc[:0], FLOWS.iloc[:0]), {}, "nothing to draw"),
        ((MEMBERS, FLOWS.assign(raw=np.nan)), {}, "the share nan"),
        ((MEMBERS, FLOWS), {"edges": "colour"}, "edges carry one of share, effect, traffic"),
        ((MEMBERS, FLOWS), {"edges": "traffic"}, "needs a Scenario or an analysis"),
        ((MEMBERS, FLOWS), {"edges": pd.Series({("a", "z"): 1.0})}, "'z' are numbered"),
        ((MEMBERS, FLOWS), {"edges": FLOWS}, "which of the columns raw, curated"),
        ((MEMBERS, FLOWS), {"layout": "spiral"}, "there are star, layers, groups, circle, force"),
        ((MEMBERS, FLOWS), {"by": "colour"}, "group by 'community'"),
        ((MEMBERS, FLOWS), {"by": {"a": "x"}}, "'b' have no group"),
        ((MEMBERS, FLOWS), {"values": {"z": 1.0}}, "no member 'z'"),
        ((MEMBERS, FLOWS), {"theme": "blue"}, "there are auto, light, dark"),
        ((MEMBERS, FLOWS), {"width": 20}, r"network\(width\)"),
    ],
)
def test_what_cannot_be_drawn_is_refused(what, how, error) -> None:
    with pytest.raises((TypeError, ValueError), match=error):
        network(what, **how)
