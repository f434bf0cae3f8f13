"""Influence of any number on any measure: real shares, single flows, what a producer's users choose for everybody."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pandas as pd
import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st
from torch import Tensor

from ecosystem import Categorical, Drift, Flow, Linear, Location, Luce, Member, Scenario, Shift, Tabular, never
from ecosystem.core.laws import NoPopulationLaw
from ecosystem.generators import ClosedForm, Gaussian
from ecosystem.influence import Influence, influence, resolvent, stability, stable_point
from ecosystem.influence.numbers import PRODUCERS
from ecosystem.running.measures import data_distance
from tests.nearby import beside
from tests.networks import FAMILIES, random_scenario

CENTRAL = {-2: 1 / 12, -1: -2 / 3, 1: 2 / 3, 2: -1 / 12}  # weights of a derivative, to the fourth order
RIGHT = {0: -49 / 20, 1: 6, 2: -15 / 2, 3: 20 / 3, 4: -15 / 4, 5: 6 / 5, 6: -1 / 6}  # from the right, to the sixth

Values = Callable[[Scenario], pd.Series]


def derivative(changed: Callable[[float], Scenario], values: Values, right: bool = False) -> pd.Series:
    """The derivative of the stable point by solving changed scenarios, on both sides or on the right alone."""
    weights, step = (RIGHT, 5e-4) if right else (CENTRAL, 1e-4)
    return sum(weight * values(changed(place * step)) for place, weight in weights.items()) / step  # type: ignore


def aligned(result: Influence) -> Values:
    """The alignment of scenarios beside the one that was analysed."""
    solve = beside(result.point)
    return lambda s: solve(s).alignment


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
    assume(stability(s, at=point).radius < 0.9)
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
        agrees(result.matrix[name], derivative(more_real(s, name), aligned(result)))


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
        agrees(result.matrix[f"{u} → {v}"], derivative(more_of_flow(s, group, u, v), aligned(result)))
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
        agrees(result.matrix[name], derivative(more_choosing(s, name), aligned(result), right=True))


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
    assert repr(result).startswith(
        "Influence('hub': d alignment / d producers' users, 1 sources, 3 targets, at a stable"
    )
    np.testing.assert_allclose(influence(s, of="real").matrix, 0.0, atol=1e-12)


def test_of_what_is_chosen_wholly_nothing_is_left_to_choose_from() -> None:
    """It was said that nobody takes raw data from it, and not what to ask instead; by hand, with real data at 0.

    ``a = c_a (h + 1)``, ``b = c_b (h + 1)``, ``h = .2 a``: at ``c = (.5, .4)``, ``h + 1 = 1/.9``.
    """
    s = hub().with_flow("hub", "a", raw=0.0, curated=0.5).with_flow("hub", "b", raw=0.0, curated=0.4)
    with pytest.raises(ValueError, match=r"'hub' cannot be .*: its users choose all that is taken") as error:
        influence(s, ["hub"], of=PRODUCERS)
    asked = [("curated", "hub", "a"), ("curated", "hub", "b")]
    assert f"of={asked}: add up the columns" in str(error.value)
    a, h = 1 / 0.81, 0.2 / 0.81
    np.testing.assert_allclose(influence(s, of=asked).matrix.sum(axis=1), [h, a, 1 / 0.9 + 0.4 * h], rtol=1e-12)
    half = s.with_flow("hub", "b", raw=0.4, curated=0.0)  # b alone has something left to choose from
    np.testing.assert_allclose(influence(half, of=PRODUCERS).matrix["hub"], [0, 0, 0.4], atol=1e-12)
    poor = s.with_flow("hub", "a", curated=1.0).with_flow("hub", "b", curated=1.0)
    with pytest.raises(ValueError, match="choose from; let some of it be raw"):
        influence(poor, ["hub"], of=PRODUCERS)


# -- from the edge, and refused ----------------------------------------------------------------------------------------


def edged() -> Scenario:
    """``a`` has real data and no share of it; ``b`` reads ``a`` with share 0, and ``a`` again curated from 0."""
    s = Scenario("edged", rounds=1)
    taste = Tabular([0.0, 1.0, 3.0])
    for name, p in (("a", [0.2, 0.5, 0.3]), ("b", [0.5, 0.3, 0.2]), ("c", [0.1, 0.3, 0.6])):
        s.add(name, Member(Categorical(p), reward=taste, curator=Luce(3), real=Categorical(p)))
    s.connect("b", "a", Flow(raw=0.6, curated=0.3))
    s.connect("c", "a", Flow(raw=0.1))
    s.connect("a", "b", Flow(raw=0.0, chosen_by="consumer"))
    s.connect("c", "b", Flow(raw=0.4))
    s.connect("a", "c", Flow(raw=0.5))
    return s


def test_derivatives_from_the_edge_are_those_from_the_right() -> None:
    s = edged()
    real = influence(s, ["a"], of="real")
    agrees(real.matrix["a"], derivative(more_real(s, "a"), aligned(real), right=True))
    for group, u, v in (("raw", "a", "b"), ("curated", "a", "b"), ("curated", "c", "b"), ("curated", "a", "c")):
        found = influence(s, of=(group, u, v))
        agrees(found.matrix[f"{u} → {v}"], derivative(more_of_flow(s, group, u, v), aligned(found), right=True))
        assert (found.vector - real.vector).abs().max() < 1e-12  # a share that may arise moves nothing
    many = influence(s, of=[("raw", "a", "b"), ("curated", "a", "b"), ("curated", "c", "b")], at=stable_point(s))
    assert many.sources == ["a → b (raw)", "a → b (curated)", "c → b (curated)"] and many.of == "share"
    agrees(many.matrix["a → b (raw)"], influence(s, of=("raw", "a", "b")).matrix["a → b"], 1e-9)
    choosing = influence(s, ["c"], of=PRODUCERS)
    agrees(choosing.matrix["c"], derivative(more_choosing(s, "c"), aligned(choosing), right=True))


@pytest.mark.parametrize(
    ("how", "error", "message"),
    [
        ({"of": "curated"}, ValueError, r"influence\(of\) is 'curation', 'real', .* got 'curated'"),
        ({"of": ("raw", "a")}, ValueError, r"influence\(of\) is"),
        ({"of": []}, ValueError, r"influence\(of\) is"),
        ({"of": ("raw", "b", "c")}, KeyError, r"of=\('raw', 'b', 'c'\): there is no flow 'b' → 'c'"),
        ({"of": ("raw", "b", "a")}, ValueError, "'b → a' cannot be among the sources: 'a' has no real share"),
        ({"of": ("raw", "a", "still")}, ValueError, "'a → still' cannot be among the sources: 'still' never retrains"),
        ({"of": ("curated", "plain", "b")}, ValueError, "nobody chooses there: give 'plain' a curator"),
        ({"of": [("raw", "a", "b")] * 2}, ValueError, "of names the flow a → b twice"),
        ({"of": ("raw", "a", "b"), "sources": ["a"]}, ValueError, "of names the flows that are moved; leave sources"),
        ({"of": "real", "like": {"b": ("a", "b")}}, ValueError, "like says where curation arises; with of='real'"),
        ({"of": "real", "sources": ["still"]}, ValueError, "'still' cannot be among the sources: it never retrains"),
        ({"of": "real", "sources": ["plain"]}, ValueError, "'plain' cannot .*: it trains on real data alone"),
        ({"of": "real", "sources": ["poor"]}, ValueError, "'poor' cannot .*: it has no real data"),
        ({"of": "real", "sources": ["nobody"]}, KeyError, "there is no member 'nobody'"),
        ({"of": PRODUCERS, "sources": ["plain"]}, ValueError, "'plain' cannot .*: its users do not choose"),
        ({"of": PRODUCERS, "sources": ["b"]}, ValueError, "nobody who retrains takes raw data from it"),
        ({"measure": 3}, TypeError, r"influence\(measure\) is an object with of\(stack, real\), or a function; got 3"),
        ({"measure": lambda stack: stack.vector()}, ValueError, r"gave \(.*\) for a stack with batch"),
        ({"measure": lambda stack: stack.vector().sum(-1) * len(stack.vector())}, ValueError, "with others; it must"),
        ({"measure": lambda stack: stack.vector()[..., 0].detach()}, ValueError, "of 'a' is not differentiable"),
    ],
)  # fmt: skip
def test_refusals(how: dict, error: type[Exception], message: str) -> None:
    s = edged()
    p = Categorical([0.2, 0.5, 0.3])
    s.add("still", Member(p, schedule=never))
    s.add("plain", Member(p, real=p))
    s.add("poor", Member(p))
    for u, v, share in (("a", "still", 0.5), ("plain", "b", 0.1), ("b", "poor", 1.0), ("a", "poor", 0.0)):
        s.connect(u, v, Flow(raw=share, chosen_by="consumer" if u == "b" else "producer"))
    s = s.with_flow("b", "a", chosen_by="consumer")
    with pytest.raises(error, match=message):
        influence(s, **how)


# -- large, and with users who move ------------------------------------------------------------------------------------


def test_a_large_network_is_solved_sparsely() -> None:
    """More than 1,200 numbers: what two hubs' users choose reaches everybody; against the linear system itself."""
    size = 1210
    s = Scenario("web", rounds=1)
    zero = Location([0.0])
    for i in range(size):
        s.add(str(i), Member(zero, reward=Linear([1.0]), real=zero, curator=Shift([1.0 + i]) if i < 2 else None))
    matrix, pushes = np.zeros((size, size)), np.zeros((size, 2))
    for v in range(size):
        shares = {u: 0.3 - 0.1 * u for u in range(2) if u != v} | {(v - 1) % size: 0.25}
        for u, share in shares.items():
            s.connect(str(u), str(v), Flow(raw=share))
            matrix[v, u] = share
            if u < 2:
                pushes[v, u] = share * (1.0 + u)
    expected = np.linalg.solve(np.eye(size) - matrix, pushes)
    result = influence(s, of=PRODUCERS)
    assert type(result.resolvent.operator).__name__ == "Alike" and result.sources == ["0", "1"]
    np.testing.assert_allclose(result.matrix, expected, atol=1e-8)
    few = influence(s, targets=["5"], of=PRODUCERS, at=result.point).matrix
    np.testing.assert_allclose(few, expected[5:6], atol=1e-8)


@pytest.mark.parametrize("of", ["curation", "real", ("raw", "a", "hub"), PRODUCERS])
def test_users_who_move_are_taken_along(of: str | tuple[str, str, str]) -> None:
    """Tastes drift towards what users see: they choose otherwise, and judge otherwise."""
    s = Scenario("drifting", rounds=1)
    for name, mean in (("hub", [0.3, 0.1]), ("a", [0.0, 0.4]), ("b", [0.2, -0.2])):
        real = Location(mean, 0.6)
        taste = Linear([0.3, 0.2]) if name != "b" else Linear([-0.1, 0.3])
        s.add(name, Member(Location(mean, 0.6), reward=taste, curator=Luce(3), real=real, learn=Drift(0.2)))
    s.connect("hub", "a", Flow(raw=0.4, curated=0.2))
    s.connect("hub", "b", Flow(raw=0.3, curated=0.1))
    s.connect("a", "hub", Flow(raw=0.3, curated=0.2, chosen_by="consumer"))
    result = influence(s, of=of)
    changes = {
        "curation": lambda name: lambda t: s.with_curation(name, s.curation(name) + t),
        "real": lambda name: more_real(s, name),
        PRODUCERS: lambda name: more_choosing(s, name),
    }
    assert result.dynamics.layout.minds
    for name in result.sources:
        changed = more_of_flow(s, *of) if isinstance(of, tuple) else changes[of](name)
        agrees(result.matrix[name], derivative(changed, aligned(result)))


# -- on what -----------------------------------------------------------------------------------------------------------


class Spread:
    """The trace of the covariance, of what has one; less that of the real data, where there are some."""

    name = "spread"

    def of(self, stack: ClosedForm, real: ClosedForm | None) -> Tensor:
        return self._trace(stack) - (0.0 if real is None else self._trace(real))

    @staticmethod
    def _trace(stack: ClosedForm) -> Tensor:
        if not isinstance(stack, Gaussian):
            raise NoPopulationLaw(f"the covariance of {type(stack).__name__}")
        return stack.tensors()["covariance"].diagonal(dim1=-2, dim2=-1).sum(-1)


def size(stack: ClosedForm) -> Tensor:
    return (stack.vector() ** 2).sum(-1).sqrt()


@settings(max_examples=5, deadline=None)
@given(st.integers(0, 10_000), st.sampled_from(FAMILIES), st.sampled_from(["curation", "real", PRODUCERS]))
def test_any_measure(seed: int, family: str, of: str) -> None:
    """A function of a stack, against the same function of the solved networks' generators."""
    s = settling(seed, family, 3)
    changes = {
        "curation": lambda name: lambda t: s.with_curation(name, s.curation(name) + t),
        "real": lambda name: more_real(s, name),
        PRODUCERS: lambda name: more_choosing(s, name),
    }
    try:
        result = influence(s, of=of, measure=size)
    except ValueError as error:
        assert "there are no sources" in str(error)
        assume(False)
        raise

    solve = beside(result.point)

    def sizes(s: Scenario) -> pd.Series:
        return pd.Series({name: float(size(found)) for name, found in solve(s).generators.items()})

    assert result.measure == "size" and (result.table["measure"] == "size").all()
    for name in result.sources[:1]:
        agrees(result.matrix[name], derivative(changes[of](name), sizes, right=of != "curation"))


def test_a_measure_of_some_families_has_rows_for_these() -> None:
    """An object that looks at real data too; members without a covariance are no targets, and it is said why."""
    s = Scenario("bells", rounds=1)
    bell = Gaussian([0.0, 0.0], [[1.0, 0.2], [0.2, 0.5]])
    for name in "ab":
        s.add(name, Member(bell, reward=Linear([1.0, 0.5]), curator=Luce(3), real=bell))
    s.add("c", Member(bell, reward=Linear([1.0, 0.5]), curator=Luce(3)))
    s.add("d", Member(Location([0.0, 1.0]), reward=Linear([1.0, 0.0]), real=bell))
    s.connect("a", "b", Flow(raw=0.3, curated=0.2))
    s.connect("b", "a", Flow(curated=0.3))
    s.connect("b", "c", Flow(raw=0.8, curated=0.2))
    s.connect("b", "d", Flow(raw=0.5))
    result = influence(s, measure=Spread())
    assert (
        result.targets == ["a", "b", "c"] and "spread is not known exactly: the covariance of" in result.unjudged["d"]
    )
    assert repr(result).startswith("Influence('bells': d spread / d curation, 3 sources, 3 targets")

    solve = beside(result.point)

    def traces(s: Scenario) -> pd.Series:
        found = solve(s).generators
        return pd.Series({n: float(g.covariance.trace()) for n, g in found.items() if isinstance(g, Gaussian)})

    for name in result.sources:
        agrees(result.matrix[name], derivative(lambda t, n=name: s.with_curation(n, s.curation(n) + t), traces))
    hops = result.hops(60)
    np.testing.assert_allclose(hops[hops["hop"] == 60]["left"], 0.0, atol=1e-9)
    gone = result.knock_out("a", "b")
    without = influence(s.without("a", "b"), ["a", "c"], measure=Spread()).matrix
    np.testing.assert_allclose(gone.matrix["a"], without["a"] - result.matrix["a"], atol=1e-9)
    with pytest.raises(ValueError, match="'d' cannot be among the targets: spread is not known exactly"):
        influence(s, targets=["d"], measure=Spread())


@pytest.mark.parametrize("of", ["real", ("raw", "hub", "a"), PRODUCERS])
def test_after_some_rounds_it_is_what_a_run_shows(of: str | tuple[str, str, str]) -> None:
    """``after(rounds)`` moves the same number and looks at the same measure as ``matrix``, which it comes near."""
    s = hub(curated=0.1)
    result = influence(s, of=of, measure=_mean)
    name = result.sources[0]
    changed = (
        more_of_flow(s, *of) if isinstance(of, tuple) else {"real": more_real, PRODUCERS: more_choosing}[of](s, name)
    )

    def means(s: Scenario) -> pd.Series:
        rounds = s.replace(rounds=3).run().rounds.query("round == 3")
        return pd.Series(rounds["alignment"].to_numpy(), index=rounds["member"].astype(str).to_numpy())

    agrees(result.after(3)[name], derivative(changed, means, right=True))
    agrees(result.after(80)[name], result.matrix[name])


def _mean(stack: ClosedForm) -> Tensor:
    return stack.vector()[..., 0]


def test_findings_say_of_what(tmp_path) -> None:
    """They are saved and read, and their page says it."""
    from ecosystem.influence import Findings
    from ecosystem.report import write_findings

    s = hub()
    found = influence(s, of=[("raw", "hub", "a"), ("raw", "hub", "b")]).findings(knock_out=True)
    assert (found.influence["of"] == "raw").all() and (found.influence["kind"] == "cross").all()
    assert found.influence["isolated"].isna().all() and (found.influence["network"] == "").all()
    assert found.welfare["private"].isna().all() and "J[hub]" in found.edges
    found.save(tmp_path)
    read = Findings.load(tmp_path)
    assert read.settings["of"] == "raw" and read.settings["measure"] == "alignment"
    page = write_findings(read, tmp_path / "report.html").read_text(encoding="utf-8")
    assert "influence of raw shares on alignment" in page and 'id="influence-knockouts"' in page
    influence(s.with_flow("hub", "a", curated=0.1)).findings().save(tmp_path / "usual")
    assert Findings.load(tmp_path / "usual").settings["of"] == "curation"


@pytest.mark.parametrize("data", [0.0, 2.0])
def test_a_kink_of_a_member_nobody_asks_about_refuses_nobody(data: float) -> None:
    """``x`` rests on its data, where a distance has no derivative: the whole analysis was refused."""
    s = Scenario("kink", rounds=1)
    s.add("x", Member(Location([0.0]), real=Location([0.0])))
    s.add("y", Member(Location([1.0]), reward=Linear([1.0]), curator=Shift([1.0]), real=Location([data])))
    s.connect("x", "x", Flow(raw=0.5))
    s.connect("x", "y", Flow(raw=0.3))
    s.connect("y", "y", Flow(curated=0.3))
    side = 1 if stable_point(s, starts=1).alignment["y"] > data else -1
    found = influence(s, sources=["y"], targets=["y"], measure=data_distance).matrix
    assert found.at["y", "y"] == pytest.approx(side * influence(s, sources=["y"]).matrix.at["y", "y"], rel=1e-12)
    with pytest.raises(ValueError, match=r"data_distance of 'x' is not differentiable .* leave it out of targets="):
        influence(s, sources=["y"], measure=data_distance)


def narrow(raw: float, real: float) -> Influence:
    """The raw share of ``hub → a`` moved where it and the real data that make room for it are small."""
    s = Scenario("narrow", rounds=1)
    for name, middle in (("hub", 0.8), ("a", 0.0), ("b", 0.5)):
        law = Categorical([0.0, middle, 1 - middle])
        s.add(name, Member(law, reward=Tabular([0.0, 1.0, 3.0]), real=law))
    s.connect("hub", "a", Flow(raw=raw))
    s.connect("b", "a", Flow(raw=1 - raw - real))
    return influence(s, of=("raw", "hub", "a"))


def test_after_some_rounds_no_share_is_moved_below_zero() -> None:
    """A step of 1e-5 to the side would have taken four of them from 3e-5 of real data."""
    result = narrow(1e-5, 3e-5)
    np.testing.assert_allclose(result.after(60), result.matrix, rtol=1e-7)
    with pytest.raises(
        ValueError, match=r"number of='raw' of 'hub → a' has no room: a share is 0 once it falls by 1e-08 "
    ):
        narrow(1e-8, 2e-8).after(1)
