"""The drawing of the network: nothing overlaps, nothing is lost, and it says what it shows."""

from __future__ import annotations

import importlib
import math

import networkx as nx
import numpy as np
import pandas as pd
import pytest
import torch
from drawings import by_pair, circle, classed, faults, over_loops, parsed, tables, text_boxes
from hypothesis import given, settings
from hypothesis import strategies as st
from matplotlib import font_manager
from matplotlib.ft2font import FT2Font

from ecosystem import Flow, Linear, LinearMap, Location, Member, Scenario, Tilt
from ecosystem.plots.network import network
from ecosystem.plots.network.sheet import text_width
from ecosystem.scenario.interventions import Curate

SMALL: dict[str, dict] = {name: {} for name in ("adaptive", "families", "digits", "ferbach", "pair", "ring")}
SMALL |= {"scale_free": {"members": 60}}
PAIRS = {  # scenarios that train large models, or need files, by their flows
    "cifar": [("theta", "theta"), ("theta", "phi")],
    "language_tiny": [("Herald", "Poet"), ("Poet", "Herald")],
    "moons": [("moons", "ring"), ("moons", "moons"), ("ring", "ring"), ("ring", "moons")],
    "preferences_tiny": [("imitator", "imitator"), ("optimiser", "optimiser")],
    "summarise_paraphrase": [("theta", "phi"), ("phi", "theta")],
    "tinted_digits": [("theta", "theta"), ("theta", "phi")],
}


def two() -> Scenario:
    """A member that reads itself and another, whose users choose; the other comes later."""
    s = Scenario("two", rounds=9)
    truth = Location(torch.zeros(2))
    s.add("a", Member(truth, reward=Linear([1.0, 0.0]), curator=Tilt(), real=truth))
    s.add("b", Member(truth, reward=Linear([0.0, 1.0]), real=truth))
    s.connect("a", "a", Flow(curated=0.25, chosen_by="consumer"))
    s.connect("b", "a", Flow(raw=0.5, transform=LinearMap(torch.eye(2)), delay=2))
    s.connect("a", "b", Flow(raw=0.3), appears=4)
    return s


# -- geometry ----------------------------------------------------------------------------------------------------------


def test_letters_are_at_most_as_wide_as_they_are_reckoned() -> None:
    """Every printable letter and sign of ours in DejaVu Sans, the widest of the fonts that are asked for."""
    font = FT2Font(font_manager.findfont("DejaVu Sans"))
    font.set_size(100, 72)
    for character in [*map(chr, range(32, 127)), *"éüÖλθμΩ→▲▼−–…“”’›№"]:
        wide = font.load_char(ord(character)).linearHoriAdvance / 65536 / 100
        assert text_width(character, 1.0) >= wide - 1e-3, character


@pytest.mark.parametrize("width", [1440, 860, 390, 360])
@pytest.mark.parametrize("name", [*SMALL, *PAIRS])
def test_nothing_overlaps_in_the_gallery(name: str, width: int) -> None:
    if name in SMALL:
        drawing = network(importlib.import_module(f"scenarios.{name}").scenario(**SMALL[name]), width=width)
    else:
        drawing = network(tables(nx.DiGraph(PAIRS[name]), curated=0.5, real=0.5), width=width)
    assert faults(drawing) == [] and over_loops(drawing) == []
    if name in PAIRS or name in ("adaptive", "digits", "ferbach", "pair", "ring"):
        assert "No room" not in drawing.caption


def blocks(size: int) -> nx.DiGraph:
    """Three blocks in which everybody reads everybody, joined by three flows."""
    graph = nx.disjoint_union_all([nx.complete_graph(size, create_using=nx.DiGraph)] * 3)
    graph.add_edges_from([(0, size), (size, 2 * size), (2 * size, 0)])
    return graph


SHAPES = {
    "star": lambda n: nx.star_graph(n - 1).to_directed(),
    "chain": lambda n: nx.path_graph(n, create_using=nx.DiGraph),
    "ring": lambda n: nx.cycle_graph(n, create_using=nx.DiGraph),
    "blocks": lambda n: blocks(n // 3),
    "complete": lambda n: nx.complete_graph(n, create_using=nx.DiGraph),
}


@pytest.mark.parametrize("width", [860, 360])
@pytest.mark.parametrize("count", [3, 6, 13, 60])
@pytest.mark.parametrize("shape", SHAPES)
def test_nothing_overlaps_in_any_shape(shape: str, count: int, width: int) -> None:
    if (shape, count, width) == ("complete", 60, 360):
        pytest.skip("3,540 flows are drawn once")
    graph = SHAPES[shape](count)
    if count < 20:  # names that do not fit into circles
        graph = nx.relabel_nodes(graph, {node: f"reviewer number {node}" for node in graph})
    assert faults(network(tables(graph, curated=0.3 if count == 6 else 0.0), width=width)) == []


@settings(max_examples=12, deadline=None)
@given(
    count=st.integers(1, 14),
    pairs=st.lists(st.tuples(st.integers(0, 13), st.integers(0, 13)), max_size=40),
    names=st.sampled_from(["{}", "member {}", "<b>&\"{}'", "a-very-long-name-of-{}-nobody", "漢字{}漢字漢字"]),
    width=st.sampled_from([320, 860]),
    layout=st.sampled_from([None, "star", "layers", "groups", "circle", "force"]),
    valued=st.booleans(),
    curated=st.sampled_from([0.0, 0.4]),
)
def test_nothing_overlaps_in_random_graphs(count, pairs, names, width, layout, valued, curated) -> None:
    graph = nx.DiGraph()
    graph.add_nodes_from(names.format(i) for i in range(count))
    graph.add_edges_from((names.format(u % count), names.format(v % count)) for u, v in pairs)
    values = {name: (-1) ** i * i / 7 for i, name in enumerate(graph)} if valued else None
    drawing = network(tables(graph, curated), width=width, layout=layout, values=values)
    assert faults(drawing) == []
    root = parsed(drawing)
    assert [member.get("data-member") for member in classed(root, "member")] == list(graph)
    assert {(f.get("data-source"), f.get("data-target")) for f in classed(root, "flow")} == set(graph.edges)


@pytest.mark.parametrize("shape", ["chain", "ring"])
def test_arrows_of_real_data_go_around_names(shape: str) -> None:
    """They crossed names of neighbours on a phone, where another side had been free."""
    graph = nx.relabel_nodes(SHAPES[shape](12), {node: f"reviewer number {node}" for node in range(12)})
    root = parsed(network(tables(graph), width=390))
    boxes = [box for name in classed(root, "name") for box in text_boxes(name)]
    arrows = [real.find("{*}path").get("d", "") for real in classed(root, "real") if real.get("data-member")]  # type: ignore[union-attr]
    for arrow in arrows:
        start, end = (tuple(map(float, place.split(","))) for place in arrow[1:].split("L"))
        spots = np.linspace(start, end, 50)
        assert not any(((spots > box[:2]) & (spots < box[2:])).all(1).any() for box in boxes)
    assert len(arrows) >= 11


# -- what suits the graph ----------------------------------------------------------------------------------------------


def places(graph: nx.DiGraph, **how) -> dict[str, tuple[float, float]]:
    root = parsed(network(tables(graph), **how))
    return {member.get("data-member", ""): circle(member)[:2] for member in classed(root, "member")}


def test_the_hub_of_a_star_is_in_the_middle() -> None:
    spots = places(nx.DiGraph([(f"leaf {i}", "hub") for i in range(19)] + [("hub", "hub")]))
    hub = spots.pop("hub")
    far = [math.dist(hub, spot) for spot in spots.values()]
    x, y = np.array(list(spots.values())).T
    assert min(far) > 100 and min(x) < hub[0] - 100 and max(x) > hub[0] + 100 and min(y) < hub[1] < max(y)


def test_layers_stand_in_the_order_in_which_they_are_read() -> None:
    spots = places(nx.DiGraph([("root", "a"), ("root", "b"), ("a", "c"), ("b", "c"), ("c", "d")]))
    assert spots["root"][0] < spots["a"][0] == spots["b"][0] < spots["c"][0] < spots["d"][0]
    chain = places(nx.path_graph(5, create_using=nx.DiGraph))
    assert [chain[str(i)][0] for i in range(5)] == sorted(chain[str(i)][0] for i in range(5))


def test_blocks_stand_in_groups_and_rings_in_circles() -> None:
    drawing = network(tables(blocks(6)))
    assert drawing.kind == "groups" and len(classed(parsed(drawing), "disc")) == 3
    spots = places(blocks(6))
    inside = max(math.dist(spots[str(i)], spots[str(j)]) for i in range(6) for j in range(6))
    assert inside < min(math.dist(spots[str(i)], spots[str(j)]) for i in (1, 2, 3) for j in (7, 8, 13, 14))
    mixed = nx.relabel_nodes(nx.cycle_graph(9, create_using=nx.DiGraph), {i: (4 * i) % 9 for i in range(9)})
    ring = places(mixed)
    around = sorted(ring, key=lambda name: math.atan2(ring[name][1], ring[name][0]))
    steps = {(around[i], around[(i + 1) % 9]) for i in range(9)}
    edges = {(str(u), str(v)) for u, v in mixed.edges}
    assert steps == edges or steps == {(v, u) for u, v in edges}


# -- what is drawn -----------------------------------------------------------------------------------------------------


def test_everything_a_scenario_says_is_in_its_drawing() -> None:
    drawing = network(two())
    root = parsed(drawing)
    flows = by_pair(root, "flow")
    assert set(flows) == {("a", "a", "curated"), ("b", "a", "raw"), ("a", "b", "raw")}
    title = {key: element[0].text for key, element in flows.items()}
    assert title["a", "a", "curated"] == "a → a: 25 % curated; chosen by a’s users"
    assert title["b", "a", "raw"] == "b → a: 50 % raw; through LinearMap(2x2); two rounds late"
    assert title["a", "b", "raw"] == "a → b: 30 % raw; not there in the first round; round 4: comes"
    assert "later" in flows["a", "b", "raw"].get("class", "") and "comes later" in drawing.svg
    diet = "trains on 50 % raw from b, 25 % curated from a, 25 % real data"
    a, b = (member[0].text or "" for member in classed(root, "member"))
    assert f"{diet}\ncuration level λ = 0.25" in a and "trains on 100 % real data" in b
    assert {r.get("data-member") for r in classed(root, "real")} >= {"a", "b"}
    assert f"a {diet}" in drawing.alt
    assert root.get("role") == "img" and root.get("aria-label") == drawing.alt


def test_what_changes_later_is_in_the_titles() -> None:
    s = two()
    s.at(5, Curate("a", 0.5))
    assert "round 5: " in (classed(parsed(network(s)), "member")[0][0].text or "")


def test_a_run_looks_like_its_scenario() -> None:
    from scenarios import pair

    scenario = pair.scenario(rounds=1, samples=None)
    assert network(scenario.run()).svg.partition("<style>")[2] == network(scenario).svg.partition("<style>")[2]


def test_edges_carry_numbers_and_those_below_zero_end_in_a_bar() -> None:
    from scenarios import pair

    scenario = pair.scenario(samples=None)
    effect = importlib.import_module("ecosystem.influence").influence(scenario)
    traffic = effect.edges().set_index(["source", "target"])["traffic"]
    made = [network(scenario, edges="traffic"), network(effect, edges="traffic"), network(scenario, edges=traffic)]
    assert made[0].svg == made[1].svg == made[2].svg == network(scenario, edges=effect.edges()).svg
    flows = by_pair(parsed(made[0]), "flow")
    assert set(flows) == {("theta", "phi", "minus"), ("phi", "theta", "minus")} and "carries losses" in made[0].svg
    own = pd.Series({("theta", "phi"): 2.0, ("phi", "theta"): -1.0}, name="trust")
    flows = by_pair(parsed(network(scenario, edges=own)), "flow")
    corners = {key: len(element[-1].get("points", "").split()) for key, element in flows.items()}
    assert corners == {("theta", "phi", "plus"): 3, ("phi", "theta", "minus"): 8}
    assert "theta → phi: trust +2.00 (100 % raw)" in made[0].svg.replace("traffic −22.7", "trust +2.00")
    shown = network(scenario, edges="effect", values=effect.matrix.sum(axis=1))
    assert "▼ −0.877" in shown.svg and "below 0" in shown.svg
    assert set(by_pair(parsed(shown), "flow")) == {("theta", "phi", "minus"), ("phi", "theta", "zero")}


def test_gains_and_harms_of_a_flow_do_not_cancel() -> None:
    """A flow that carried as much good as harm was drawn as one that carries nothing: "traffic 0".

    Then it was two arrows, which made drawings crowded: it is one that has both numbers.
    """
    pair = tables(nx.DiGraph([("k", "h"), ("h", "k"), ("k", "k")]))
    rows = [("k", "h", 0.0, 0.25, -0.25), ("h", "k", 0.5, 0.5, 0.0), ("k", "k", 0.0, 0.0, 0.0)]
    carried = pd.DataFrame(rows, columns=["source", "target", "traffic", "gains", "harms"])
    drawing = network(pair, edges=carried)
    flows = by_pair(parsed(drawing), "flow")
    assert set(flows) == {("k", "h", "plus"), ("h", "k", "plus"), ("k", "k", "zero")}
    shares = by_pair(parsed(drawing), "share")
    assert "".join(shares["k", "h", "plus"].itertext()) == "+0.250 −0.250" and faults(drawing) == []
    thick = {key: float(flow[-2].get("stroke-width")) for key, flow in flows.items()}
    assert thick["h", "k", "plus"] > thick["k", "h", "plus"] > thick["k", "k", "zero"]
    assert "k → h: traffic, gains +0.250, harms −0.250 (" in drawing.svg and "h → k: traffic +0.500 (" in drawing.svg
    assert "they do not cancel" in drawing.caption and drawing.alt.count("k → h: ") == 1
    two = pd.concat([carried.assign(target=carried["target"] + end, source=carried["source"] + end) for end in "12"])
    many = tables(nx.DiGraph([(row.source, row.target) for row in two.itertuples()]))
    grouped = network(many, edges=two, by={"k1": "K", "k2": "K", "h1": "H", "h2": "H"})
    assert "K → H: traffic, gains +0.500, harms −0.500 (" in grouped.svg
    untold = network(pair, edges=carried.assign(gains=math.nan, harms=math.nan, traffic=[-1.0, 0.5, 0.0]))
    assert set(by_pair(parsed(untold), "flow")) == {("k", "h", "minus"), ("h", "k", "plus"), ("k", "k", "zero")}


def test_who_has_no_number_has_no_tint() -> None:
    """Members without a number were tinted as if they had the largest one."""
    drawing = network(tables(nx.DiGraph([("a", "b")])), values={"a": -2.0, "b": math.nan})
    a, b = classed(parsed(drawing), "member")
    assert len(classed(a, "loss")) == 1 and not classed(b, "gain") and not classed(b, "loss") and "number" in a[0].text


def test_names_are_names_and_nothing_else() -> None:
    bad = "<script>alert('x')</script> & \"q\" \x1b[2J"
    graph = nx.DiGraph([(bad, "b"), ("b", bad)])
    drawing = network(tables(graph), values={bad: 1.0}, focusable=True)
    assert "<script" not in drawing.svg and "\x1b" not in drawing.svg and "<b>" not in drawing.svg
    assert faults(drawing) == []
    root = parsed(drawing)
    assert classed(root, "member")[0].get("data-member") == bad.replace("\x1b", "␛")
    reached = classed(root, "member") + classed(root, "flow")
    assert root.get("role") == "group" and all(e.get("tabindex") == "0" and e.get("aria-label") for e in reached)
