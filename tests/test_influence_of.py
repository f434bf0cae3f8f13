"""Influence of any number on any measure: real shares, single flows, what a producer's users choose for everybody."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pandas as pd
import pytest
import torch
from hypothesis import assume, given, settings
from hypothesis import strategies as st
from torch import Tensor

from ecosystem import Categorical, Drift, Flow, Linear, Location, Luce, Member, Scenario, Shift, Tabular, never
from ecosystem.core.laws import NoPopulationLaw
from ecosystem.generators import ClosedForm, Gaussian
from ecosystem.influence import Influence, influence, resolvent, stable_point
from ecosystem.influence.numbers import PRODUCERS
from tests.networks import FAMILIES, random_scenario

CENTRAL = {-2: 1 / 12, -1: -2 / 3, 1: 2 / 3, 2: -1 / 12}  # weights of a derivative, to the fourth order
RIGHT = {0: -49 / 20, 1: 6, 2: -15 / 2, 3: 20 / 3, 4: -15 / 4, 5: 6 / 5, 6: -1 / 6}  # from the right, to the sixth

Values = Callable[[Scenario], pd.Series]


def alignment(s: Scenario) -> pd.Series:
    point = stable_point(s, starts=1)
    assert point.found
    return point.alignment


def derivative(changed: Callable[[float], Scenario], right: bool = False, values: Values = alignment) -> pd.Series:
    """The derivative of the stable point by solving changed scenarios, on both sides or on the right alone."""
    weights, step = (RIGHT, 5e-4) if right else (CENTRAL, 1e-4)
    return sum(weight * values(changed(place * step)) for place, weight in weights.items()) / step  # type: ignore


def with_shares(s: Scenario, v: str, factor: float) -> Scenario:
    """All that ``v`` takes from others, scaled."""
    for u, flow in s.incoming(v).items():
        s = s.with_flow(u, v, raw=flow.raw * factor, curated=flow.curated * factor)
    return s


def more_real(s: Scenario, v: str) -> Callable[[float], Scenario]:
    real = s.real_share(v)
    return lambda t: with_shares(s, v, (1 - real - t) / (1 - real))


def more_of_flow(s: Scenario, group: str, u: str, v: str) -> Callable[[float], Scenario]:
    return lambda t: s.with_flow(u, v, **{group: getattr(s.flow(u, v), group) + t})


def more_choosing(s: Scenario, u: str) -> Callable[[float], Scenario]:
    def changed(t: float) -> Scenario:
        new = s
        for v in s.graph.successors(u):
            flow = s.flow(u, v)
            if flow.chosen_by == "producer" and flow.raw > 0:
                new = new.with_flow(u, v, raw=flow.raw * (1 - t), curated=flow.curated + t * flow.raw)
        return new

    return changed


def agrees(found: pd.Series, expected: pd.Series, tolerance: float = 1e-6) -> None:
    scale = max(expected.abs().max(), 1e-3)
    assert (found - expected[found.index]).abs().max() <= tolerance * scale, (found.name, found, expected)


def settling(seed: int, family: str, members: int, density: float = 0.6) -> Scenario:
    """A random network whose dynamics settle, not too slowly."""
    s = random_scenario(seed, members=members, family=family, density=density)
    point = stable_point(s, starts=1)
    assume(point.found and point.seen == "settles")
    assume(resolvent.Resolvent(point.dynamics, point.vector).radius < 0.9)
    return s


# -- of what -----------------------------------------------------------------------------------------------------------


@settings(max_examples=6, deadline=None)
@given(st.integers(0, 10_000), st.sampled_from(FAMILIES), st.integers(2, 4))
def test_of_real_data(seed: int, family: str, members: int) -> None:
    """Raised by ``t``, all that a member takes from others scales by ``(1 − real − t)/(1 − real)``."""
    s = settling(seed, family, members)
    sources = [name for name in s.names if 0.02 < s.real_share(name) < 0.98]
    assume(sources)
    result = influence(s, sources[:2], of="real")
    for name in result.sources:
        agrees(result.matrix[name], derivative(more_real(s, name)))


@settings(max_examples=6, deadline=None)
@given(st.integers(0, 10_000), st.sampled_from(FAMILIES), st.integers(2, 4), st.sampled_from(["raw", "curated"]))
def test_of_single_flows(seed: int, family: str, members: int, group: str) -> None:
    """Several flows, also into one reader; real data shrink by as much."""
    s = settling(seed, family, members)
    flows = [(group, u, v) for u, v in s.graph.edges if s.real_share(v) > 0.02 and getattr(s.flow(u, v), group) > 0.02][
        :3
    ]
    assume(flows)
    result = influence(s, of=flows)
    for _, u, v in flows:
        agrees(result.matrix[f"{u} → {v}"], derivative(more_of_flow(s, group, u, v)))
        alone = influence(s, of=(group, u, v), at=result.point).matrix[f"{u} → {v}"]
        agrees(alone, result.matrix[f"{u} → {v}"], 1e-9)


@settings(max_examples=6, deadline=None)
@given(st.integers(0, 10_000), st.sampled_from(FAMILIES), st.integers(2, 4))
def test_of_what_a_producers_users_choose_for_everybody(seed: int, family: str, members: int) -> None:
    """On all flows that the producer's users choose, at once; from the right where nothing is curated yet."""
    s = settling(seed, family, members)
    try:
        result = influence(s, of=PRODUCERS)
    except ValueError as error:
        assert "there are no sources" in str(error)
        assume(False)
        raise
    for name in result.sources[:2]:
        agrees(result.matrix[name], derivative(more_choosing(s, name), right=True))


@pytest.fixture(scope="module")
def networks() -> dict[str, Scenario]:
    """One of each family, large enough to be more than a pair."""
    return {family: random_scenario(4 if family == "gaussian" else 5, members=6, family=family) for family in FAMILIES}


@pytest.mark.parametrize("family", FAMILIES)
@pytest.mark.parametrize("way", ["sparse", "products"])
@pytest.mark.parametrize("of", ["real", "raw", PRODUCERS])
def test_all_ways_of_solving_agree(monkeypatch, networks: dict[str, Scenario], family: str, way: str, of: str) -> None:
    """Written out, sparse with GMRES, and with nothing but products, forward and adjoint."""
    s = networks[family]
    asked = [("raw", u, v) for u, v in s.graph.edges][:4] if of == "raw" else of
    exact = influence(s, of=asked)
    monkeypatch.setattr(resolvent, "DENSE", 0)
    if way == "products":
        monkeypatch.setattr(resolvent, "_SPARSE", -1)
    scale = exact.matrix.abs().max().max()
    for targets in (None, exact.targets[:1]):
        other = influence(s, targets=targets, of=asked, at=exact.point)
        assert type(other.resolvent.operator).__name__.lower() == way
        np.testing.assert_allclose(other.matrix, exact.matrix.loc[other.targets], atol=1e-8 * scale)
    np.testing.assert_allclose(other.edges()["traffic"].sum(), other.hops(200).eval("hop * effect").sum(), rtol=1e-6)


def hub(users: bool = True, learn: Drift | None = None, curated: float = 0.0) -> Scenario:
    """``hub`` is read raw by ``a`` and ``b``, and reads ``a``; everything can be solved by hand."""
    s = Scenario("hub", rounds=1)
    taste, zero = Linear([1.0]), Location([0.0])
    curator = Shift([1.0]) if users else None
    s.add("hub", Member(zero, reward=taste, curator=curator, real=zero, learn=learn))
    for name in "ab":
        s.add(name, Member(zero, reward=taste, real=zero))
    s.connect("hub", "a", Flow(raw=0.5, curated=curated))
    s.connect("hub", "b", Flow(raw=0.4))
    s.connect("a", "hub", Flow(raw=0.2))
    return s


def test_by_hand() -> None:
    """``a = .5(h + t)``, ``b = .4(h + t)``, ``h = .2a``: ``da/dt = .5/.9``; of real data at 0 nothing moves."""
    s = hub()
    result = influence(s, of=PRODUCERS)
    assert result.sources == ["hub"] and "do not choose" in result.skipped["a"]
    a, h = 0.5 / 0.9, 0.1 / 0.9
    np.testing.assert_allclose(result.matrix["hub"].to_numpy(), [h, a, 0.4 * (h + 1)], rtol=1e-12)
    own = result.table.set_index("target").loc["hub"]
    assert own["of"] == PRODUCERS and own["kind"] == "self" and own["network"] == "undefined" and own["isolated"] == 0
    assert result.welfare["private"][0] == pytest.approx(h)
    assert list(result.paths("hub", "hub", k=1)["path"]) == [("a", "hub")]
    assert repr(result) == "Influence('hub': d alignment / d producers' users, 1 sources, 3 targets)"
    np.testing.assert_allclose(influence(s, of="real").matrix, 0.0, atol=1e-12)
