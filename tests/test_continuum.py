"""Networks with a copying part: which of a continuum of stable points is reached, and what curation does beside it."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from ecosystem import (
    Categorical,
    Flow,
    Gaussian,
    Linear,
    LinearMap,
    Location,
    Luce,
    Member,
    Scenario,
    Shift,
    Tabular,
    every,
    sequential,
    shuffled,
    synchronous,
    window,
)
from ecosystem.influence import StablePoint, influence, stable_point
from ecosystem.influence.rounds import Rounds


def stationary(matrix: np.ndarray) -> np.ndarray:
    values, vectors = np.linalg.eig(matrix.T)
    pi = np.real(vectors[:, np.argmax(np.real(values))])
    return pi / pi.sum()


def copying(
    seed: int, family: str = "location", members: int = 5, followers: int = 2, **of_all
) -> tuple[Scenario, np.ndarray]:
    """Members that copy each other by a random primitive matrix, others down the stream; what the first agree on."""
    rng = np.random.default_rng(seed)
    matrix = rng.dirichlet(np.ones(members), size=members)
    ordering = of_all.pop("ordering", synchronous)
    s = Scenario("copying", rounds=1, ordering=ordering)
    starts = []
    for i in range(members + followers):
        if family == "categorical":
            start, taste = Categorical(rng.dirichlet(np.ones(3))), Tabular(rng.normal(size=3))
            real = Categorical([0.2, 0.3, 0.5])
        else:
            start, taste, real = Location(5 * rng.normal(size=2)), Linear([1.0, -1.0]), Location([1.0, 2.0])
            if family == "gaussian":
                start, real = Gaussian(5 * rng.normal(size=2), np.eye(2)), Gaussian([1.0, 2.0], np.eye(2))
        starts.append(start.vector().numpy().ravel())
        curator = Luce(2) if family == "categorical" else Shift([0.3, 0.1])
        s.add(f"m{i}", Member(start, reward=taste, curator=curator, real=real, **of_all))
    for i, row in enumerate(matrix):
        for j, share in enumerate(row):
            s.connect(f"m{j}", f"m{i}", Flow(raw=float(share)))
    for i in range(members, members + followers):
        s.connect(f"m{i - 1}", f"m{i}", Flow(raw=0.5))
        s.connect(f"m{i}", f"m{i}", Flow(curated=0.2))
    return s, stationary(matrix) @ np.array(starts[:members])


def played(point: StablePoint, rounds: int) -> torch.Tensor:
    """Where the scenario's own rounds are after so many of them."""
    assert point.dynamics is not None
    own = Rounds(point.dynamics)
    state = own.begin(point.begin.unsqueeze(0))
    for number in range(1, rounds + 1):
        state = own.played(state, own.turn(number))
    return state.now[0]


def test_two_that_copy_each_other_agree_on_what_they_began_with() -> None:
    """It said −.99993 and *the network diverges*: Newton's step threw the point along the continuum."""
    s = Scenario("consensus", rounds=6)
    for name, start in (("a", 0.0), ("b", 3.0)):
        s.add(name, Member(Location([start]), reward=Linear([1.0])))
    for u, v, share in (("a", "a", 0.9), ("b", "a", 0.1), ("a", "b", 0.2), ("b", "b", 0.8)):
        s.connect(u, v, Flow(raw=share))
    point = stable_point(s)
    assert point.found and point.seen == "settles" and not point.others
    np.testing.assert_allclose(point.alignment, 1.0, rtol=1e-12)
    (free,) = point.free
    assert (free.members, free.followers, free.dimension) == (("a", "b"), (), 1)
    assert "one of a continuum: a and b can move together in 1 direction" in point.message
    assert "like 0.7^t" in point.message
    assert influence_of_nothing(s) == ""


def influence_of_nothing(s: Scenario) -> str:
    """Why numbers at the stable point would be formal; of somebody who reads ``a``."""
    more = s.replace()
    more.add("c", Member(Location([0.0]), reward=Linear([1.0]), curator=Shift([1.0]), real=Location([0.0])))
    more.connect("a", "c", Flow(raw=0.3, curated=0.3, chosen_by="consumer"))
    return influence(more).formal


@pytest.mark.parametrize("family", ["location", "categorical"])
@pytest.mark.parametrize("seed", range(2))
def test_random_copies_agree_on_the_stationary_mean(way: str, family: str, seed: int) -> None:
    """``πᵀθ_0`` for every primitive ``W`` (19 of 20 were wrong), and those down the stream follow."""
    s, agreed = copying(seed, family)
    point = stable_point(s, starts=2)
    assert point.found and point.seen == "settles" and not point.others
    for i in range(5):
        np.testing.assert_allclose(point.parameters[f"m{i}"].numpy().ravel(), agreed, atol=1e-9)
    (free,) = point.free
    assert free.members == tuple(f"m{i}" for i in range(5)) and free.followers == ("m5", "m6") and free.dimension == 2
    np.testing.assert_allclose(point.vector, played(point, 100), atol=1e-9)


@pytest.mark.parametrize(
    "more",
    [
        {"family": "gaussian"},
        {"ordering": sequential(*[f"m{i}" for i in range(7)])},
        {"schedule": every(2)},
        {"retention": window(3)},
        {"ordering": shuffled},
        {"family": "gaussian", "ordering": sequential(*[f"m{6 - i}" for i in range(7)])},
    ],
    ids=["gaussian", "order", "period", "window", "shuffled", "both"],
)
def test_the_scenarios_own_rounds_decide_where(more: dict) -> None:
    """Orders, periods, memories and laws that bend the continuum lead elsewhere: to where a long run ends."""
    s, agreed = copying(7, **more)
    point = stable_point(s, starts=1)
    assert point.found
    np.testing.assert_allclose(point.vector, played(point, 200), atol=1e-9)
    if "ordering" in more and more.get("family") != "gaussian":
        assert np.abs(point.parameters["m0"].numpy().ravel() - agreed).max() > 1e-3


def test_many_that_copy_each_other() -> None:
    """More than 1,200 of them, one after the other in a ring with shortcuts."""
    rng = np.random.default_rng(0)
    s, members = Scenario("many", rounds=1), 1250
    starts = rng.normal(size=members)
    matrix = np.zeros((members, members))
    for i, start in enumerate(starts):
        s.add(f"m{i}", Member(Location([start]), reward=Linear([1.0])))
        some = [i, (i - 1) % members, *rng.integers(0, members, 2)]
        np.add.at(matrix[i], some, rng.dirichlet(np.ones(4)))
    for i, j in zip(*np.nonzero(matrix), strict=True):
        s.connect(f"m{j}", f"m{i}", Flow(raw=float(matrix[i, j])))
    point = stable_point(s, starts=1)
    assert point.found and point.free[0].dimension == 1 and len(point.free[0].members) == members
    np.testing.assert_allclose(point.alignment, stationary(matrix) @ starts, atol=1e-9)


# -- what curation does beside a continuum -----------------------------------------------------------------------------


def beside(**shares: float) -> Scenario:
    """``a`` copies itself, ``c`` reads it and takes some of what its own users chose of it."""
    s = Scenario("beside", rounds=40)
    s.add("a", Member(Location([0.0]), reward=Linear([1.0])))
    s.add("c", Member(Location([0.0]), reward=Linear([1.0]), curator=Shift([1.0]), real=Location([0.0])))
    s.connect("a", "a", Flow(raw=1.0))
    s.connect("a", "c", Flow(raw=0.4, curated=0.3, chosen_by="consumer"))
    return s


def test_a_reader_of_who_copies_itself(way: str) -> None:
    """``M_cc`` = 1; it was .671141, *unchanged*, and ``hops()`` raised."""
    result = influence(beside())
    assert result.matrix.at["c", "c"] == pytest.approx(1, rel=1e-9) and result.matrix.at["a", "c"] == 0
    hops = result.hops(2).query("target == 'c'")
    np.testing.assert_allclose(hops["cumulative"], 1.0, rtol=1e-9)
    assert (hops["left"].abs() < 1e-9).all() and (hops["left"].abs() <= hops["bound"] + 1e-9).all()
    row = result.table.set_index("target").loc["c"]
    assert row["network"] == "unchanged" and result.formal == "" and not result.unbounded
    assert result.findings().influence["effect"].notna().all()


@pytest.mark.parametrize("family", ["location", "categorical"])
@pytest.mark.parametrize("seed", range(2))
def test_networks_with_a_copying_part(way: str, family: str, seed: int) -> None:
    """Members down the stream answer as a long run does: ``M`` is where ``after`` ends, alone and with each other."""
    s, _ = copying(seed, family)
    s.connect("m6", "m5", Flow(raw=0.2))
    result = influence(s, at=stable_point(s, starts=1))
    assert result.sources == ["m5", "m6"] and not result.unbounded
    np.testing.assert_allclose(result.matrix, result.after(300), atol=1e-7 * result.matrix.abs().max().max())
    hops = result.hops(80)
    assert hops.query("hop == 80")["left"].abs().max() < 1e-8


def test_a_push_along_the_continuum_has_no_end() -> None:
    """Copies that curate run away: to the side that they curate to, everybody down the stream after them."""
    s, _ = copying(1)
    s = s.with_flow("m1", "m0", curated=0.02, raw=s.flow("m1", "m0").raw - 0.02)
    with pytest.raises(ValueError, match="no stable point"):
        influence(s)  # that drifts by itself
    like = {"m0": ("m1", "m0")}
    still, _ = copying(1)
    result = influence(still, like=like)
    assert np.isposinf(result.matrix["m0"]).all() and list(result.unbounded) == ["m0"]
    assert np.isfinite(result.matrix[["m5", "m6"]]).all().all()
    assert (result.welfare.set_index("source")["social"] == np.inf).tolist() == [True, False, False]
    assert result.welfare["externality"].tolist()[0] == np.inf
    assert "for ever" in result.unbounded["m0"] and result.hops(2)["bound"].notna().all()
    frame = result.edges()
    assert list(frame.attrs["without"]) == ["m0"] and np.isfinite(frame["traffic"]).all()
    first, second, third = (result.after(rounds)["m0"] for rounds in (60, 80, 100))
    np.testing.assert_allclose(third - second, second - first, rtol=1e-6)  # in proportion to time
    assert (third > second).all()


def test_a_push_that_vanishes_at_the_end_of_the_way_is_undefined_by_name() -> None:
    """Whose copies a member takes says nothing once all agree, and decided on what."""
    s = Scenario("tilted", rounds=30)
    for name, start in (("a", 0.0), ("b", 3.0), ("c", 1.0)):
        s.add(name, Member(Location([start]), reward=Linear([1.0]), curator=Shift([0.0])))
    for u, v, flow in (
        ("a", "a", Flow(raw=0.5)),
        ("b", "a", Flow(curated=0.5)),  # chosen so that nothing changes
        ("a", "b", Flow(raw=0.7)),
        ("b", "b", Flow(raw=0.3)),
        ("a", "c", Flow(raw=1.0)),
    ):
        s.connect(u, v, flow)
    result = influence(s)
    assert result.matrix["a"].isna().all() and result.table["network"].tolist() == ["undefined", "", ""]
    assert "on the way there" in result.unbounded["a"] and "after(rounds)" in result.unbounded["a"]
    assert abs(result.after(30).at["a", "a"]) > 0.1
    agreed = {step: stable_point(s.with_curation("a", 0.5 + step), starts=1).alignment["a"] for step in (-1e-5, 1e-5)}
    assert result.after(300).at["a", "a"] == pytest.approx((agreed[1e-5] - agreed[-1e-5]) / 2e-5, rel=1e-4)


def test_what_hands_on_more_and_more_has_no_stable_point() -> None:
    """``b`` keeps all of itself and adds what ``a`` has: an eigenvalue 1 twice, and one vector."""
    s = Scenario("heaping", rounds=1)
    s.add("a", Member(Location([1.0]), reward=Linear([1.0])))
    s.add("b", Member(Location([0.0]), reward=Linear([1.0])))
    s.connect("a", "a", Flow(raw=1.0))
    s.connect("a", "b", Flow(raw=0.5))
    s.connect("b", "b", Flow(raw=0.5, transform=LinearMap([[2.0]])))
    point = stable_point(s, starts=1)
    assert not point.found and point.seen == "diverges"


def test_a_huge_taste_elsewhere_leaves_small_effects_defined() -> None:
    """A reward of 1e7 made an effect of −2.7e-6 elsewhere *undefined*: thresholds had one scale for all."""
    s = Scenario("scales", rounds=1)
    for name, size in (("a", 1.0), ("b", 1e7)):
        s.add(
            name,
            Member(
                Location([0.0]),
                reward=Linear([size]),
                curator=Shift([-1e-6 if name == "a" else 1.0]),
                real=Location([0.0]),
            ),
        )
        s.connect(name, name, Flow(raw=0.3, curated=0.2))
    table = influence(s).table.query("kind == 'self'").set_index("source")
    assert table["effect"]["a"] == pytest.approx(-2.5e-6) and table["network"].tolist() == ["unchanged"] * 2
    assert table["backfires"].tolist() == [True, False]


@pytest.mark.parametrize("factor", [1e8, 1e-8])
@pytest.mark.parametrize("who", ["a", "b", "c"])
def test_verdicts_do_not_depend_on_the_unit_of_a_taste(who: str, factor: float) -> None:
    """``helps`` became ``none`` where the taste of somebody else was 1e8 times as strong."""

    def words(units: dict[str, float]) -> tuple[list[str], list[bool], list[str]]:
        s = Scenario("units", rounds=1)
        for name, x in (("a", 0.3), ("b", -0.2), ("c", 0.7)):
            taste = Linear([units.get(name, 1.0) * (1 - 2 * x), 0.0])
            s.add(name, Member(Location([x, 0.1]), reward=taste, curator=Shift([0.4, x]), real=Location([0.1, x])))
            s.connect(name, name, Flow(raw=0.2, curated=0.3))
        s.connect("a", "b", Flow(raw=0.2, transform=LinearMap([[0.0, -1.0], [1.0, 0.0]])))
        s.connect("b", "c", Flow(raw=0.1, curated=0.1))
        found = influence(s)
        return found.verdicts["verdict"].tolist(), found.table["harms"].tolist(), found.table["network"].tolist()

    plain = words({})
    assert plain == words({who: factor}) and {"helps", "harms", "none"} <= set(plain[0])
