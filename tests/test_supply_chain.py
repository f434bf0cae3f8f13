"""The supply chain: reading a table of assets, stand-ins, the design of the Sobol study and its estimates."""

from __future__ import annotations

from pathlib import Path

import networkx as nx
import numpy as np
import pytest

from analysis import supply_chain as answer
from scenarios import supply_chain

ASSETS = """type,name,organization,description,dependencies
dataset,Words,Aleph,"many, with commas",[]
model,Speaker,Bet,,"['Words', 'Scraped web']"
model,Talker,"bet, Gimel",,"['words', 'Speaker']"
application,Helper,Dal et,,"['Talker']"
dataset,Answers,Dalet,,"['Helper', 'Speaker']"
model,Listener,Aleph,,"['Answers']"
application,Alone,He,,[]
"""


@pytest.fixture
def table(tmp_path: Path) -> str:
    file = tmp_path / "assets.csv"
    file.write_text(ASSETS, encoding="utf-8")
    return str(file)


def test_a_table_of_assets_becomes_who_builds_on_whom(table: str) -> None:
    graph = supply_chain.organisations(table)
    counts = {(u, v): graph.number_of_edges(u, v) for u, v in nx.DiGraph(graph).edges}
    assert counts == {
        ("Aleph", "Bet"): 2,
        ("Bet", "Bet"): 1,
        ("Aleph", "Gimel"): 1,
        ("Bet", "Gimel"): 1,
        ("Bet", "Dal et"): 2,
        ("Gimel", "Dal et"): 1,
        ("Dal et", "Dal et"): 1,
        ("Dal et", "Aleph"): 1,
    }
    assert graph.graph["unknown"] == 1
    s = supply_chain.scenario(table, real=0.2, curation=0.25, counting=1.0)
    assert s.flow("Aleph", "Bet").raw == pytest.approx(0.8 * 2 / 3 * 0.75)
    assert s.flow("Bet", "Bet").curated == pytest.approx(0.8 * 1 / 3 * 0.25)
    alike = supply_chain.scenario(table, real=0.2, curation=0.0, counting=0.0)
    assert alike.flow("Aleph", "Bet").raw == alike.flow("Bet", "Bet").raw == pytest.approx(0.4)
    assert supply_chain.cyclic_core(s.graph) == {"Aleph", "Bet", "Gimel", "Dal et"}
    Path(table).write_text("a,b\n1,2\n")
    with pytest.raises(ValueError, match="is no table with the columns name, organization and dependencies"):
        supply_chain.organisations(table)


HEAD = "name,organization,dependencies\n"


@pytest.mark.parametrize(
    ("rows", "message"),
    [
        ("A,Aleph,[]\nB,Bet,A\n", r"row 2 of .*: dependencies are a list of names such as .*, got 'A'"),
        ("A,Aleph,[]\nB,Bet,\"['C']\"\n", "no asset of .* is built on another of its assets"),
        ("A,Aleph,[]\nB,Bet,\"['A']\"\n", "nobody in this graph reads in circles"),
    ],
)
def test_tables_that_do_not_serve_are_refused(rows: str, message: str, tmp_path: Path) -> None:
    file = tmp_path / "mine.csv"
    file.write_text("\ufeff" + HEAD + rows + "C,,\n", encoding="utf-8")  # as spreadsheets write it
    with pytest.raises(ValueError, match=message):
        supply_chain.outcomes(supply_chain.scenario(str(file)))


def test_the_stand_in_has_the_size_and_the_core() -> None:
    graph = supply_chain.stand_in()
    simple = nx.DiGraph(graph)
    assert len(simple) == 140 and sum(u != v for u, v in simple.edges) == 260 and graph.number_of_edges() > 260
    circles = [c for c in nx.strongly_connected_components(simple) if len(c) > 1]
    assert [len(c) for c in circles] == [13] and nx.number_of_isolates(simple) == 0
    readers = sorted((degree for _, degree in simple.out_degree()), reverse=True)
    assert readers[0] >= 10 and readers[len(readers) // 2] <= 1  # few are read by many


def test_nobodys_graph_keeps_the_degrees_of_one(table: str) -> None:
    for graph in (supply_chain.organisations(table), supply_chain.stand_in()):
        new = supply_chain.like(graph, seed=3)
        for way in ("in_degree", "out_degree"):
            assert [d for _, d in getattr(new, way)()] == [d for _, d in getattr(graph, way)()]
        assert set(new).isdisjoint({"Aleph", "Bet", "Gimel", "Dal et"})


def test_the_points_are_those_of_saltelli() -> None:
    points = supply_chain.points(8).to_numpy().reshape(8, 7, 5)
    low, high = np.array(list(supply_chain.PRIORS.values())).T
    assert (points >= low).all() and (points <= high).all()
    for i in range(5):
        others = [k for k in range(5) if k != i]
        assert (points[:, 2 + i, i] == points[:, 1, i]).all()
        assert (points[:, 2 + i, others] == points[:, 0, others]).all()
    assert (supply_chain.points(4).to_numpy() == points[:4].reshape(-1, 5)).all()  # who draws more goes on


def test_the_indices_are_those_known_in_closed_form() -> None:
    """A sum: first and total are each term's part of the variance. A product of two centred ones: totals alone."""
    size, names = 1024, list(supply_chain.PRIORS)
    low, high = np.array(list(supply_chain.PRIORS.values())).T
    unit = ((supply_chain.points(size).to_numpy() - low) / (high - low)).reshape(size, 7, 5)
    slopes = np.array([3.0, 2.0, 1.0, 0.5, 0.0])
    found = answer.indices(unit @ slopes, names, resamples=20)
    exact = slopes**2 / (slopes**2).sum()
    assert found["first"].to_numpy() == pytest.approx(exact, abs=0.02)
    assert found["total"].to_numpy() == pytest.approx(exact, abs=0.02)
    product = answer.indices((unit[..., 0] - 0.5) * (unit[..., 1] - 0.5), names, resamples=20)
    assert product["first"].to_numpy() == pytest.approx(np.zeros(5), abs=0.05)
    assert product["total"].to_numpy() == pytest.approx([1, 1, 0, 0, 0], abs=0.05)
    inside = (found["first_low"] <= found["first"]) & (found["first"] <= found["first_high"])
    assert inside[:4].all() and answer.indices(np.ones((8, 7)), names, 2)["total"].isna().all()


def test_a_small_study_is_answered(tmp_path: Path) -> None:
    asked = ["--size", "2", "--workers", "0", "--study", str(tmp_path / "study"), "--out", str(tmp_path)]
    spread, found = answer.main(asked)
    assert spread["outcome"].tolist() == ["core", "rim", "reach", "radius"] and len(found) == 20
    assert (spread["low"] <= spread["mean"]).all() and (tmp_path / "supply_chain.png").stat().st_size > 10_000
    measured, exact = answer.measured(supply_chain.Study.load(tmp_path / "study")), answer.by_hand(2)
    for name in answer.OUTCOMES:
        assert measured[name] == pytest.approx(exact[name], abs=1e-9)  # the engine's own, and linear algebra
    assert (exact["radius"] < 1).all() and (exact["radius"] > 0).all()


def test_the_outcomes_of_the_docstring() -> None:
    """A setting of the engine's own, and what the priors leave open by the closed form, of few draws."""
    row = supply_chain.outcomes(supply_chain.scenario()).iloc[0]
    assert row.tolist() == pytest.approx([0.1255, 0.1043, 1.9263, 0.3583], abs=6e-5)
    spread = answer.uncertain(answer.by_hand(64)).set_index("outcome")
    assert spread["mean"].to_dict() == pytest.approx(
        {"core": 0.176, "rim": 0.157, "reach": 2.26, "radius": 0.261}, rel=0.1
    )
