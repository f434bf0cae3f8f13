"""The gallery's studies compute, hold what is known in closed form, and are answered by their analyses."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import networkx as nx
import numpy as np
import pandas as pd
import pytest
import torch

from analysis import families as families_analysis
from analysis import figure3, plane
from ecosystem import Record, Tilt
from ecosystem.cli.loading import load_study
from ecosystem.influence import influence, stable_point
from ecosystem.study import Results
from scenarios import families, pair
from tests.test_analysis import drawn

ROOT = Path(pair.__file__).parent.parent
pytestmark = pytest.mark.xdist_group("gallery_studies")  # its studies are computed once


# -- the plane of two models -------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def plane_study(tmp_path_factory: pytest.TempPathFactory) -> Results:
    return pair.study(points=5, seeds=6).run(tmp_path_factory.mktemp("studies") / "plane", workers=0)


def test_the_plane_holds_the_ends_of_its_runs_and_the_influence_of_theta(plane_study: Results) -> None:
    assert plane_study.finished and not plane_study.failed and plane_study.parameters[:2] == ["coupling", "curation"]
    points = plane_study.points
    assert points["coupling"].unique().tolist() == [0.02, 0.26, 0.5, 0.74, 0.98]
    assert points["curation"].unique().tolist() == [0.05, 0.275, 0.5, 0.725, 0.95]
    rounds = plane_study.rounds
    assert rounds["round"].unique().tolist() == [0, *range(81, 101)] and len(rounds) == 25 * 6 * 21 * 2
    assert (plane_study.influence["source"] == "theta").all() and len(plane_study.influence) == 50


def test_influence_on_the_plane_is_the_closed_form(plane_study: Results) -> None:
    """``θ* = λu``, ``φ* = λAu`` with ``u = (I − A)⁻¹ a``: ``dJ/dλ = ⟨g, u⟩ − ηλ‖u‖²``."""
    table = plane_study.with_parameters("influence")
    for row in table.itertuples():
        theta, phi = pair.stable_point(row.coupling, 1.0)
        letter, u = ("p", theta.numpy()) if row.target == "theta" else ("q", phi.numpy())
        exact = np.dot(pair.SYSTEM[f"g_{letter}"], u) - pair.SYSTEM[f"eta_{letter}"] * row.curation * np.dot(u, u)
        assert row.effect == pytest.approx(exact, abs=1e-9)


def test_a_study_of_the_published_couplings_has_the_published_derivatives(tmp_path: Path) -> None:
    reference = pd.read_csv(figure3.REFERENCE).iloc[::6]
    study = pair.study(points=2, seeds=1, rounds=2, last=1)
    rows = pd.DataFrame({"coupling": reference["t"], "curation": reference["lambda"], "rounds": 2})
    published = type(study)("published", pair.scenario, grid=rows, measure="influence")
    table = published.run(tmp_path / "published", workers=0).influence.pivot(
        index="point", columns="target", values="effect"
    )
    assert table["theta"].to_numpy() == pytest.approx(reference["dJp_dlambda"].to_numpy(), rel=1e-9)
    assert table["phi"].to_numpy() == pytest.approx(reference["dJq_dlambda"].to_numpy(), rel=1e-9)


def test_on_the_population_the_plane_ends_at_its_stable_points(tmp_path: Path) -> None:
    results = pair.study(points=3, seeds=2, samples=None, rounds=400, last=1).run(tmp_path / "exact", workers=0)
    ends = (
        results.with_parameters("rounds").query("round > 0").set_index(["coupling", "curation", "member"])["alignment"]
    )
    assert len(ends) == 9 * 2  # without sampling there is one replicate
    for (coupling, curation, name), value in ends.items():
        expected = plane.theory(coupling, curation, None).set_index("target")
        assert value == pytest.approx(expected.at[name, "exact"], abs=1e-9)
        assert expected.at[name, "expected"] == expected.at[name, "exact"]


def test_few_samples_cost_what_the_formula_says() -> None:
    """The variance that four samples a round leave in the parameters; a quadratic reward counts ``−η/2`` of it."""
    run = pair.scenario(0.74, 0.5, rounds=60, samples=4).run(replicates=4000, record=Record(last=1))
    known = plane.theory(0.74, 0.5, 4).set_index("target")
    for name, letter in (("theta", "p"), ("phi", "q")):
        variance = 2 / pair.SYSTEM[f"eta_{letter}"] * (known.at[name, "exact"] - known.at[name, "expected"])
        assert float(run.parameters[name]["mean"].var(0).sum()) == pytest.approx(variance, rel=0.05)
    # its slope in the level is what figure3 has at a curation of 0.4
    for name in ("theta", "phi"):
        bias = plane.theory(0.74, 0.4, 4).set_index("target").at[name, "bias"]
        assert bias == pytest.approx(figure3.sampling(name, 0.74, 4), rel=1e-9)


def test_the_analysis_of_the_plane_reads_what_is_there(plane_study: Results, tmp_path: Path) -> None:
    table, agreement = plane.main(["--study", str(plane_study.folder), "--out", str(tmp_path)])
    assert len(table) == 50 and table["slope"].notna().sum() == 30
    wide = table.set_index(["target", "coupling", "curation"])["effect"]
    assert (wide["theta"].xs(0.05, level="curation") > 0).all() and wide["phi", 0.98, 0.95] < 0
    held = agreement.set_index(["target", "what", "against"])["held"]
    assert held["theta", "measured", "expected"] > 0.8 and held["phi", "slope", "effect expected"] > 0.8
    assert drawn(tmp_path / "plane.png") and len(pd.read_csv(tmp_path / "plane.csv")) == 50
    assert len(list(plane_study.folder.glob("tables/rounds/*"))) == len(plane_study.blocks)  # nothing was added


def test_the_analysis_computes_the_plane_first_where_it_is_not_there(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    small = ["--points", "3", "--seeds", "2", "--workers", "0", "--study", str(tmp_path / "plane")]
    table, _ = plane.main([*small, "--out", str(tmp_path)])
    assert len(table) == 18 and "9 of 9 points" in capsys.readouterr().err
    # it is the very study that the command line computes
    again = load_study(Path(pair.__file__), {"points": 3, "seeds": 2}).run(tmp_path / "plane", workers=0)
    assert again.progress().blocks == again.progress().finished >= len(again["blocks"]) and len(again.points) == 9


def test_the_analysis_of_the_plane_needs_a_grid(tmp_path: Path) -> None:
    pair.sobol(4, seeds=2, rounds=2, last=1).run(tmp_path / "sobol", workers=0)
    with pytest.raises(ValueError, match="must hold every combination of its couplings and curations"):
        plane.main(["--study", str(tmp_path / "sobol"), "--out", str(tmp_path)])


def test_scattered_points_are_the_rows_of_their_table(tmp_path: Path) -> None:
    from scipy.stats import qmc

    design = pair.sobol(8, seeds=1, rounds=2, last=1)
    unit = qmc.Sobol(2, seed=0).random_base2(3)
    assert design.points["coupling"].to_numpy() == pytest.approx(0.02 + 0.96 * unit[:, 0], abs=1e-12)
    assert design.points["curation"].to_numpy() == pytest.approx(0.05 + 0.90 * unit[:, 1], abs=1e-12)
    # evenly: one point in every eighth of either axis
    assert sorted((8 * unit).astype(int).T.tolist()[0]) == sorted((8 * unit).astype(int).T.tolist()[1]) == [*range(8)]
    first = design.run(tmp_path / "sobol", workers=0)
    table = first.with_parameters("rounds").drop_duplicates("point")
    assert (
        table[["coupling", "curation"]].to_numpy().tolist()
        == design.points[["coupling", "curation"]].to_numpy().tolist()
    )
    more = pair.sobol(16, seeds=1, rounds=2, last=1).run(tmp_path / "sobol", workers=0)  # the first eight stay
    assert len(more.points) == 16 and more.read("rounds", points=range(8)).equals(first.rounds)


@pytest.mark.parametrize("points", [0, 10])
def test_a_sobol_sequence_has_a_power_of_two_points(points: int) -> None:
    with pytest.raises(ValueError, match=f"must be a power of two, got {points}"):
        pair.sobol(points)


# -- families of networks ----------------------------------------------------------------------------------------------


@pytest.mark.parametrize("family", families.FAMILIES)
def test_families_are_what_they_are_called(family: str) -> None:
    graph = families.scenario(family, members=20).graph
    degrees = sorted(dict(graph.in_degree()).values())
    assert len(graph) == 20 and nx.is_strongly_connected(graph)
    assert all(graph.has_edge(v, u) for u, v in graph.edges)  # neighbours read each other
    if family == "ring":
        assert degrees == [2] * 20 and nx.diameter(graph) == 10
    elif family == "star":
        assert degrees == [1] * 19 + [19]
    elif family in ("random", "small world"):
        assert sum(degrees) == 20 * 4
    else:
        assert sum(degrees) == 2 * 2 * 18 and degrees[-1] >= 8 and degrees[9] <= 3


@pytest.mark.parametrize("family", families.FAMILIES)
def test_a_network_is_made_of_its_parameters(family: str) -> None:
    one, again, other = (families.scenario(family, members=24, draw=draw) for draw in (3, 3, 4))
    assert nx.utils.edges_equal(one.graph.edges, again.graph.edges, directed=True)
    for name in one.names:
        assert torch.equal(one.member(name).reward.direction, again.member(name).reward.direction)
        assert one.curation(name) == again.curation(name)
    assert one.describe()["flows"].equals(again.describe()["flows"])
    assert not torch.equal(one.member("0").reward.direction, other.member("0").reward.direction)


@pytest.mark.parametrize("family", families.FAMILIES)
def test_diets_are_even_and_curators_as_many_as_asked(family: str) -> None:
    s = families.scenario(family, members=20, curation=0.3, who="most read")
    levels = {name: s.curation(name) for name in s.names}
    assert sorted(levels.values()) == pytest.approx([0.0] * 16 + [0.3] * 4)
    for name, level in levels.items():
        flows = [s.flow(u, name) for u in s.graph.predecessors(name)]
        assert len({(flow.raw, flow.curated) for flow in flows}) == 1
        assert 1 - sum(flow.raw + flow.curated for flow in flows) == pytest.approx((1 - level) * 0.1)
    readers = dict(s.graph.out_degree())
    curators = [name for name, level in levels.items() if level]
    assert min(readers[name] for name in curators) >= max(readers[n] for n in s.names if n not in curators)


def test_tastes_agree_in_part() -> None:
    cosines = [np.mean((t := families.drawn_tastes(60, np.random.default_rng(d))) @ t.T) for d in range(200)]
    assert np.mean(cosines) == pytest.approx(families.AGREEMENT, abs=0.03)


@pytest.mark.parametrize(
    ("wrong", "words"),
    [
        ({"family": "tree"}, "there is no family 'tree'; there are ring, star, random, small world, scale free"),
        ({"members": 4}, "members must be more than 4"),
        ({"who": "me"}, "who must be 'anybody' or 'most read', got 'me'"),
    ],
)
def test_what_families_are_not(wrong: dict[str, object], words: str) -> None:
    with pytest.raises(ValueError, match=words):
        families.scenario(**wrong)  # type: ignore[arg-type]


def test_curators_shift_as_very_many_candidates_would() -> None:
    """The fixed shift is what Luce's choice among infinitely many does to a normal law: found anew by ``Tilt``."""
    s = families.scenario("star", members=8, curators=0.4, curation=0.3, samples=None)
    tilted = type(s)("tilted", rounds=1)
    for name in s.names:
        member = s.member(name)
        tilted.add(name, type(member)(member.generator, reward=member.reward, curator=Tilt(), real=member.real))
    for u, v, flow in s.graph.edges(data="flow"):
        tilted.connect(u, v, flow)
    assert influence(tilted).matrix.to_numpy() == pytest.approx(influence(s).matrix.to_numpy(), abs=1e-9)


@pytest.fixture(scope="module")
def families_study(tmp_path_factory: pytest.TempPathFactory) -> Results:
    small = families.study(members=(20,), draws=1, seeds=3, rounds=40)
    return small.run(tmp_path_factory.mktemp("studies") / "families", workers=0)


def test_what_is_exact_about_families_adds_up(families_study: Results) -> None:
    assert families_study.finished and not families_study.failed and len(families_study.points) == 5 * 2 * 2
    number = int(families_study.points.query("family == 'scale free'")["point"].iloc[-1])
    point = families_study.points.set_index("point").loc[number, families_study.parameters].to_dict()
    scenario = families.scenario(**point)
    reach = families_study.read("reach", points=[number])
    welfare = influence(scenario).welfare.set_index("source")
    own = reach[reach["distance"] == 0].set_index("source")["effect"]
    assert own.to_numpy() == pytest.approx(welfare.loc[own.index, "private"].to_numpy(), rel=1e-9)
    total = reach.groupby("source")["effect"].sum()
    assert total.to_numpy() == pytest.approx(welfare.loc[total.index, "social"].to_numpy(), rel=1e-9)
    assert (reach.groupby("source")["reached"].sum() == 20).all() and len(total) == 4
    neighbours = reach[reach["distance"] == 1].set_index("source")
    assert (neighbours["reached"] == neighbours["readers"]).all()
    standing = families_study.read("standing", points=[number]).set_index("member")
    assert standing["alignment"].to_dict() == pytest.approx(stable_point(scenario).alignment.to_dict(), rel=1e-9)
    assert standing["curates"].sum() == 4


def test_groups_are_the_means_of_their_members(families_study: Results) -> None:
    rounds, standing = families_study.rounds, families_study.standing
    assert (rounds["round"] == 40).all() and len(rounds) == 20 * 3 * 20
    rows = rounds.astype({"member": str}).merge(standing[["point", "member", "curates"]], on=["point", "member"])
    means = rows.groupby(["point", "seed", "curates"])["alignment"].mean()
    for row in families_study.groups.itertuples():
        curates = row.group == "curators"
        assert row.size == (4 if curates else 16)
        assert row.alignment == pytest.approx(means[row.point, row.seed, curates], abs=1e-12)


def test_the_analysis_of_families_answers(families_study: Results, tmp_path: Path) -> None:
    points, given, agreement = families_analysis.main(["--study", str(families_study.folder), "--out", str(tmp_path)])
    assert len(points) == 20 and len(given) == 20 * 4 and (points["curators"] > 0).all()
    others = points.set_index(["family", "curation", "who"])["others"]
    assert others["ring", 0.3, "anybody"] == others["ring", 0.3, "most read"]  # there everybody is read equally
    assert others["star", 0.3, "most read"] > others["star", 0.3, "anybody"]
    assert (agreement["held"] > 0.8).all() and agreement["intervals"].tolist() == [400, 40]
    assert drawn(tmp_path / "families.png") and len(pd.read_csv(tmp_path / "families.csv")) == 20


# -- the analyses as scripts -------------------------------------------------------------------------------------------


@pytest.mark.parametrize("module", [plane, families_analysis], ids=lambda m: m.__name__)
def test_the_docstring_asks_and_names_the_command(module) -> None:
    question = module.__doc__.splitlines()[0]
    assert question.endswith("?") and f".venv/bin/python analysis/{Path(module.__file__).name}" in module.__doc__


def test_an_analysis_that_uses_another_runs_as_a_script() -> None:
    done = subprocess.run(
        [sys.executable, "-W", "error", "analysis/families.py", "--help"],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    assert (families_analysis.__doc__ or "").splitlines()[0] in " ".join(done.stdout.split())


@pytest.mark.parametrize("module", [pair, families], ids=lambda m: m.__name__)
def test_the_gallery_says_how_to_run_its_studies(module) -> None:
    assert f"ecosystem study scenarios/{Path(module.__file__).name} --out runs/" in module.__doc__
