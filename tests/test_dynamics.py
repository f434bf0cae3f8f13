"""What networks do over time, against closed forms; statistical tests have fixed seeds and state their confidence."""

from __future__ import annotations

import math

import networkx as nx
import numpy as np
import pytest
import torch

from ecosystem import (
    BestOf,
    Categorical,
    Crowd,
    Ecosystem,
    Flow,
    Gaussian,
    GenerativeModel,
    Linear,
    LinearMap,
    Location,
    Luce,
    Member,
    Scenario,
    Shift,
    Tabular,
    Tilt,
    TopFraction,
    accumulate,
    never,
    poisson,
    sequential,
    shuffled,
    subsample,
    synchronous,
    window,
)
from tests.networks import FAMILIES, random_scenario


def alone(generator, samples=None, rounds=1, curated=0.0, share=1.0, **member) -> Scenario:
    """One member that trains on itself."""
    s = Scenario("alone", rounds=rounds, samples=samples)
    s.add("a", Member(generator, **member))
    s.connect("a", "a", Flow(raw=share - curated, curated=curated))
    return s


@pytest.mark.parametrize("family", FAMILIES)
@pytest.mark.parametrize("seed", range(4))
@pytest.mark.parametrize("build", [True, False])
def test_samples_follow_the_population(family: str, seed: int, build: bool) -> None:
    """A round with many samples comes close to the population's: every curator, side, transform and share.

    Means over 40 replicates lie within 5.5 standard errors (family-wise confidence above 99 %).
    """
    base = random_scenario(seed, 5, family, rounds=1, density=0.5)
    exact, drawn = (
        Ecosystem(base),
        Ecosystem(base.replace(samples=600), seeds=[(seed, r) for r in range(40)], build_samples=build),
    )
    exact.step()
    drawn.step()
    for name in base.names:
        target = exact[name].generator
        sample = drawn[name].generator
        if family == "gaussian":  # compare means; covariances have the factor (n−1)/n and their own test
            target, values = target.mean, sample.mean
        else:
            target, values = target.vector(), sample.vector()
        error = values.std(0) / math.sqrt(len(values))
        assert ((values.mean(0) - target).abs() <= 5.5 * error + 1e-9).all(), name


@pytest.mark.parametrize("build", [True, False])
def test_the_mean_of_samples_has_the_right_law(build: bool) -> None:
    """Drawn directly or as the mean of samples: same mean and covariance over 20,000 replicates (within 5 s.e.)."""
    a, scale, n, level = torch.tensor([1.0, -2.0]).double(), 0.5, 4, 0.3
    matrix = torch.tensor([[0.5, 1.0], [-1.0, 0.25]]).double()
    s = Scenario("law", rounds=1, samples=n)
    s.add("u", Member(Location([1.0, 2.0], scale), schedule=poisson(1e-9), real=Location([0.0, 0.0])))
    s.add("v", Member(Location([0.0, 0.0]), curator=Shift(a), real=Location([3.0, 0.0], 0.1)))
    flow = Flow(raw=0.5, curated=level, chosen_by="consumer", transform=LinearMap(matrix, [0.5, 0.0]))
    s.connect("u", "v", flow)
    eco = Ecosystem(s, seeds=[(0, r) for r in range(20_000)], build_samples=build)
    eco.step()
    x = eco["v"].generator.mean
    mean = matrix @ torch.tensor([1.0, 2.0]).double() + torch.tensor([0.5, 0.0])
    parts = [(0.5, mean, scale**2 * matrix @ matrix.T), (0.3, mean + a, scale**2 * matrix @ matrix.T)]
    parts.append((0.2, torch.tensor([3.0, 0.0]).double(), 0.01 * torch.eye(2).double()))
    m = sum(w * mu for w, mu, _ in parts)
    second = sum(w * (c + torch.outer(mu, mu)) for w, mu, c in parts)
    covariance = (second - torch.outer(m, m)) / n
    assert ((x.mean(0) - m).abs() < 5 * (covariance.diagonal() / len(x)).sqrt()).all()
    spread = torch.cov(x.T)
    scale_of = torch.outer(covariance.diagonal(), covariance.diagonal()).sqrt()
    assert ((spread - covariance).abs() < 5 * scale_of * math.sqrt(2.5 / len(x))).all()


@pytest.mark.parametrize("n", [2, 8])
def test_a_gaussian_alone_loses_variance(n: int) -> None:
    """``E Σ_t = Σ_0 (1 − 1/n)^t``, and accumulation stops that: ``Π_t (1 − 1/(n t²))``. 20,000 replicates, 5 s.e."""
    rounds, replicates = 6, 20_000
    for retention, factor in (
        ({}, (1 - 1 / n) ** rounds),
        ({"retention": accumulate()}, math.prod(1 - 1 / (n * t**2) for t in range(1, rounds + 1))),
    ):
        s = alone(Gaussian([0.0], [[2.0]], floor=1e-300), samples=n, rounds=rounds, **retention)
        eco = Ecosystem(s, seeds=[(1, r) for r in range(replicates)])
        eco.run()
        variance = eco["a"].generator.covariance.flatten()
        assert abs(float(variance.mean()) - 2 * factor) < 5 * float(variance.std()) / math.sqrt(replicates)


def test_the_limit_of_accumulation() -> None:
    """In the long run the variance keeps the factor ``sin(π/√n)/(π/√n)`` [Gerstgrasser et al. 2024]: .8067 at n = 8."""
    product = math.prod(1 - 1 / (8 * t**2) for t in range(1, 200_000))
    assert product == pytest.approx(math.sin(math.pi / math.sqrt(8)) / (math.pi / math.sqrt(8)), abs=1e-5)
    s = alone(Gaussian([0.0], [[1.0]]), samples=8, rounds=60, retention=accumulate())
    eco = Ecosystem(s, seeds=[(2, r) for r in range(4000)])
    eco.run()
    variance = eco["a"].generator.covariance.flatten()
    expected = math.prod(1 - 1 / (8 * t**2) for t in range(1, 61))
    assert abs(float(variance.mean()) - expected) < 5 * float(variance.std()) / math.sqrt(4000)


def test_collapse_is_visible_and_no_crash() -> None:
    s = alone(Gaussian([0.0, 0.0], np.eye(2), floor=1e-6), samples=2, rounds=60)
    run = s.run(replicates=5)
    assert run.failures.empty
    smallest = torch.linalg.eigvalsh(run.parameters["a"]["covariance"]).min(-1).values
    assert (smallest >= 1e-6 * (1 - 1e-6)).all() and (smallest < 1e-5).any()


def test_refitting_frequencies_loses_diversity() -> None:
    """``E[1 − Σp²] = (1 − Σp_0²)(1 − 1/n)^t``; 20,000 replicates, 5 s.e."""
    p = torch.tensor([0.5, 0.3, 0.2]).double()
    eco = Ecosystem(alone(Categorical(p), samples=5, rounds=4), seeds=[(0, r) for r in range(20_000)])
    eco.run()
    diversity = 1 - (eco["a"].generator.probabilities ** 2).sum(-1)
    expected = float(1 - (p**2).sum()) * (1 - 1 / 5) ** 4
    assert abs(float(diversity.mean()) - expected) < 5 * float(diversity.std()) / math.sqrt(20_000)


def test_performative_prediction() -> None:
    """``θ⁺ = μ + εθ`` settles at ``μ/(1−ε)`` iff ``|ε| < 1``; otherwise the replicate is stopped and recorded."""

    def loop(epsilon: float, rounds: int) -> Scenario:
        s = Scenario("performative", rounds=rounds)
        s.add("a", Member(Location([1.0]), reward=Linear([1.0])))
        s.connect("a", "a", Flow(raw=1.0, transform=LinearMap([[epsilon]], [3.0])))
        return s

    assert float(loop(-0.9, 400).run().parameters["a"]["mean"]) == pytest.approx(3 / 1.9, abs=1e-12)
    with pytest.warns(RuntimeWarning, match="1 of 1 replicates diverged"):
        run = loop(2.0, 60).run()
    assert list(run.failures["member"]) == ["a"] and run.rounds["round"].max() == run.failures["round"][0] - 1
    assert np.isfinite(run.rounds["alignment"]).all()


def test_one_diverging_replicate_does_not_stop_the_others() -> None:
    s = Scenario("wild", rounds=40, samples=3)
    s.add("a", Member(Location([0.0], 1.0)))
    s.connect("a", "a", Flow(raw=1.0, transform=lambda x: torch.where(x.abs() > 2.5, x * 1e6, x * 0.5)))
    with pytest.warns(RuntimeWarning, match="of 30 replicates diverged"):
        run = s.run(replicates=30)
    assert 0 < len(run.failures) < 30
    ends = run.rounds.groupby("replicate")["round"].max()
    for replicate, end in ends.items():
        failed = run.failures[run.failures["replicate"] == replicate]["round"]
        assert end == (40 if failed.empty else failed.iloc[0] - 1)
    healthy = next(r for r in range(30) if r not in set(run.failures["replicate"]))
    again = Ecosystem(s, seeds=[(0, healthy)])
    again.run()
    assert torch.equal(again["a"].generator.mean, run.parameters["a"]["mean"][healthy])


def test_consensus_of_a_stochastic_graph() -> None:
    """No real data, row-stochastic shares: synchronous rounds reach ``πᵀθ_0``, ``π`` the left Perron vector."""
    rng = np.random.default_rng(0)
    shares = rng.dirichlet(np.ones(5), size=5)
    start = rng.normal(size=5)
    s = Scenario("consensus", rounds=200)
    for i in range(5):
        s.add(str(i), Member(Location([start[i]])))
    for v in range(5):
        for u in range(5):
            s.connect(str(u), str(v), Flow(raw=shares[v, u]))
    values, vectors = np.linalg.eig(shares.T)
    left = np.real(vectors[:, np.argmax(np.real(values))])
    consensus = left @ start / left.sum()
    ends = s.run().parameters
    assert [float(ends[str(i)]["mean"]) for i in range(5)] == pytest.approx([consensus] * 5, abs=1e-12)
    other = s.replace(ordering=sequential(*map(str, range(5)))).run().parameters
    assert abs(float(other["0"]["mean"]) - consensus) > 1e-3  # other orders reach another consensus


@pytest.mark.parametrize("fraction", [0.0, 25 / 54, 1.0])
def test_adversarial_users_have_a_threshold(fraction: float) -> None:
    """``ΔE e^r = (1−φ) Var(e^r)/E e^r + φ Cov(e^r, e^{−r})/E e^{−r}``: zero at ``φ* = 25/54`` [Wei, Zhang 2025]."""
    odds = torch.tensor([1.0, 2.0, 3.0, 4.0]).double()
    p = torch.full((4,), 0.25).double()
    s = alone(Categorical(p), curated=1.0, reward=Tabular(odds.log()), curator=Crowd.adversarial(Tilt(), fraction))
    new = s.run().parameters["a"]["probabilities"][0]
    mean, inverse = float(p @ odds), 1 / odds
    cov = float(p @ (odds * inverse)) - mean * float(p @ inverse)
    expected = (1 - fraction) * float(p @ (odds - mean) ** 2) / mean + fraction * cov / float(p @ inverse)
    assert float(new @ odds) - mean == pytest.approx(expected, abs=1e-12)
    if fraction == 25 / 54:
        assert float(new @ odds) - mean == pytest.approx(0, abs=1e-12)


def test_heterogeneous_users_share_the_market() -> None:
    """Users ``q``, ``1−q`` favour a group each by ``d``: mass ``clip((q−κ)/(1−2κ), 0, 1)``, ``κ = 1/(1+e^d)``."""
    q, d = 0.3, 2.0
    crowd = Crowd(Tilt(), rewards=[Tabular([d, 0.0]), Tabular([0.0, d])], weights=[q, 1 - q])
    end = alone(Categorical([0.5, 0.5]), rounds=300, curated=1.0, curator=crowd).run()
    assert float(end.parameters["a"]["probabilities"][0, 0]) == pytest.approx(0.2373929, abs=1e-7)


def test_frozen_tastes_with_a_reference() -> None:
    """``p = (1−η) p_ref Z/(Z − η e^{τr})``: ten one-hot classes, τ = 5, η = .5 give the favoured one 0.5472279923."""
    values = torch.zeros(10).double()
    values[0] = 5.0
    uniform = Categorical(torch.full((10,), 0.1).double())
    start = torch.full((10,), 0.05).double()
    start[0] = 0.55
    s = alone(
        Categorical(start), rounds=400, curated=0.5, share=0.5, reward=Tabular(values), curator=Tilt(), real=uniform
    )
    assert float(s.run().parameters["a"]["probabilities"][0, 0]) == pytest.approx(0.5472279923, abs=1e-9)


def test_delays_read_what_was_there() -> None:
    """``delay = d`` reads the end of round ``t−1−d`` (the start before that)."""
    s = Scenario("delay", rounds=9, ordering=sequential("a", "b", "c"))
    s.add("a", Member(Location([1.0]), real=Location([0.0])))
    s.connect("a", "a", Flow(raw=1.0, transform=LinearMap([[2.0]])))  # 1, 2, 4, 8, ...
    for name, delay in (("b", 0), ("c", 2)):
        s.add(name, Member(Location([0.0]), reward=Linear([1.0])))
        s.connect("a", name, Flow(raw=1.0, delay=delay))
    table = s.run().rounds.pivot(index="round", columns="member", values="alignment")
    assert [float(x) for x in table["b"][1:]] == [2.0**t for t in range(1, 10)]  # this round's, by the order
    assert [float(x) for x in table["c"][1:]] == [2.0 ** max(0, t - 3) for t in range(1, 10)]


def test_poisson_clocks_ring_at_their_rate() -> None:
    s = Scenario("clocks", rounds=200)
    for name, rate in (("slow", 0.2), ("fast", 2.0)):
        s.add(name, Member(Location([0.0]), real=Location([0.0]), schedule=poisson(rate)))
    run = s.run(replicates=50)
    share = run.rounds[run.rounds["round"] > 0].groupby("member", observed=True)["updated"].mean()
    for name, rate in (("slow", 0.2), ("fast", 2.0)):
        p = 1 - math.exp(-rate)
        assert abs(share[name] - p) < 5 * math.sqrt(p * (1 - p) / 10_000)
    both = run.rounds.pivot_table(index=["replicate", "round"], columns="member", values="updated", observed=True)
    assert abs(both["slow"].corr(both["fast"])) < 5 / math.sqrt(10_000)


@pytest.mark.parametrize("samples", [None, 6])
@pytest.mark.parametrize("family", FAMILIES)
@pytest.mark.parametrize("seed", range(3))
def test_waves_do_what_one_after_the_other_does(seed: int, family: str, samples: int | None) -> None:
    """A sequential round, compiled into waves, equals the agents gathering and retraining in turn.

    Samples are the same; sums over producers may be taken in another order.
    """
    base = random_scenario(seed, 6, family, samples=samples)
    for u, v in list(base.graph.edges):  # between rounds an agent has no past to read
        flow = base.flow(u, v)
        base.graph.edges[u, v]["flow"] = Flow(
            flow.raw, flow.curated, chosen_by=flow.chosen_by, transform=flow.transform
        )
    order = list(np.random.default_rng(seed).permutation(base.names))
    s = base.replace(ordering=sequential(*order))
    waves, turns = Ecosystem(s, seeds=[5]), Ecosystem(s, seeds=[5])
    waves.step()
    for name in order:
        turns[name].retrain(turns[name].gather())
    for name in order:
        one, two = waves[name].generator.vector(), turns[name].generator.vector()
        torch.testing.assert_close(one, two, rtol=0, atol=1e-13)


@pytest.mark.parametrize("ordering", [sequential("m3", "m0", "m4", "m1", "m2"), shuffled], ids=repr)
def test_stable_point_is_the_same_in_every_order(ordering) -> None:
    base = random_scenario(3, 5, "location", rounds=300)
    reference = base.run().parameters
    other = base.replace(ordering=ordering).run().parameters
    for name in base.names:
        assert torch.allclose(reference[name]["mean"], other[name]["mean"], atol=1e-10)


@pytest.mark.parametrize("generator", [Location([0.0]), Gaussian([0.0], [[1.0]]), Categorical([0.5, 0.5])])
def test_a_window_of_everything_is_accumulation(generator) -> None:
    def end(retention) -> torch.Tensor:
        s = alone(generator, samples=6, rounds=5, retention=retention)
        eco = Ecosystem(s, seeds=[0, 1], build_samples=True)
        eco.run()
        return eco["a"].generator.vector()

    torch.testing.assert_close(end(window(5)), end(accumulate()), rtol=0, atol=1e-12)
    torch.testing.assert_close(end(subsample(30)), end(accumulate()), rtol=0, atol=1e-12)
    assert not torch.allclose(end(window(2)), end(accumulate()))


def test_subsample_is_uniform_over_all_rounds() -> None:
    """Of 5 rounds with 4 samples each, 4 are kept: every round has the same chance. 1,000 replicates, 5 s.e."""
    s = Scenario("archive", rounds=5, samples=4)
    s.add("clock", Member(Location([0.0], 0.0)))
    s.connect("clock", "clock", Flow(raw=1.0, transform=lambda x: x + 1))
    s.add("a", Member(Location([0.0], 0.0), retention=subsample(4)))
    s.connect("clock", "a", Flow(raw=1.0))
    replicates = 1000
    eco = Ecosystem(s, seeds=[(0, r) for r in range(replicates)])
    eco.run()
    mean = eco["a"].generator.mean.flatten()  # the mean of the rounds 0..4 that were kept
    # 4 of 20 without replacement: variance 2/4 · (20−4)/(20−1)
    assert abs(float(mean.mean()) - 2) < 5 * math.sqrt(2 / 4 * 16 / 19 / replicates)
    assert float(mean.var()) == pytest.approx(2 / 4 * 16 / 19, rel=0.2)  # 4.5 s.e.


def test_population_runs_have_one_replicate_and_say_so() -> None:
    s = alone(Location([0.0]))
    with pytest.warns(UserWarning, match="it has one"):
        assert s.run(replicates=4).rounds["replicate"].unique().tolist() == [0]
    assert len(s.replace(ordering=shuffled).run(replicates=3).rounds["replicate"].unique()) == 3


def test_waves_are_fewest() -> None:
    """As many waves as the longest chain of fresh flows has members."""
    from ecosystem.engine.waves import compile_plan

    for seed in range(20):
        base = random_scenario(seed, 9, "location", density=0.3)
        order = list(np.random.default_rng(seed).permutation(base.names))
        eco = Ecosystem(base.replace(ordering=sequential(*order)))
        ranks = eco.scenarios[0].ordering.ranks(eco.names, 1, eco.program.rng)
        live = (eco.state.shares != 0).flatten(1).any(1).numpy()
        plan = compile_plan(eco.program.parts, eco.state.wiring, ranks, np.ones(9, dtype=bool), live)
        fresh = nx.DiGraph()
        fresh.add_nodes_from(base.names)
        for u, v, flow in base.graph.edges(data="flow"):
            if order.index(u) < order.index(v) and flow.delay == 0:
                fresh.add_edge(u, v)
        assert len(plan) == nx.dag_longest_path_length(fresh) + 1
        assert sorted(m for wave in plan for task in wave for m in task.members) == list(range(9))


@pytest.mark.parametrize("seed", range(24))
def test_single_flows_follow_the_population(seed: int) -> None:
    """Members that read one other each, through transforms and curators of their own. 40 replicates, 6 s.e."""
    pick = np.random.default_rng(seed)
    members, gaussian = int(pick.integers(2, 6)), bool(pick.integers(2))
    order = sequential(*(f"m{i}" for i in range(members))) if seed % 2 else synchronous

    def network(samples: int | None) -> Scenario:
        rng = np.random.default_rng(seed + 1000)
        s = Scenario("single", rounds=1, samples=samples, ordering=order)
        for i in range(members):
            mean = rng.normal(size=2)
            model = Gaussian(mean, np.eye(2) * 0.1) if gaussian else Location(mean, 0.3)
            curator = [Luce(2), BestOf(3), Tilt(), Shift(rng.normal(size=2)), TopFraction(0.5)][rng.integers(5)]
            s.add(f"m{i}", Member(model, reward=Linear(rng.normal(size=2)), curator=curator))
        for i in range(members):
            curated = [0.0, 1.0, 0.5][rng.integers(3)]
            transform = LinearMap(rng.normal(size=(2, 2)), rng.normal(size=2)) if rng.random() < 0.8 else None
            side = "producer" if rng.random() < 0.5 else "consumer"
            flow = Flow(raw=1 - curated, curated=curated, chosen_by=side, transform=transform)
            s.connect(f"m{rng.integers(members)}", f"m{i}", flow)
        return s

    exact = Ecosystem(network(None))
    drawn = Ecosystem(network(200), seeds=[(seed, r) for r in range(40)], build_samples=True)
    exact.step()
    drawn.step()
    for name in exact.names:
        values = drawn[name].generator.mean
        error = values.std(0) / math.sqrt(len(values))
        assert ((values.mean(0) - exact[name].generator.mean).abs() <= 6 * error + 1e-6).all(), name


def test_looped_producers_draw_their_own_noise() -> None:
    """Two standard normal modules, half each: the mean of 100 samples has variance 1/100. 2,000 replicates, 5 s.e."""

    class Plain(GenerativeModel):
        event_shape = (1,)

        def __init__(self) -> None:
            super().__init__()
            self.unused = torch.nn.Parameter(torch.ones(1))

        def sample(self, n, rng):
            return torch.randn(n, 1, generator=rng.torch())

    s = Scenario("looped", rounds=1, samples=100)
    for name in "ab":
        s.add(name, Member(Plain(), schedule=never))
    s.add("c", Member(Location([0.0])))
    for name in "ab":
        s.connect(name, "c", Flow(raw=0.5))
    eco = Ecosystem(s, seeds=[(0, r) for r in range(2000)])
    eco.step()
    variance = float(eco["c"].generator.mean.double().var())
    assert abs(variance - 0.01) < 5 * 0.01 * math.sqrt(2 / 2000)


def test_a_crowd_in_a_crowd_draws_twice() -> None:
    inner = Crowd.noisy(Shift([1.0]), 0.5)
    crowd = Crowd((inner, Shift([0.0])), weights=[0.5, 0.5])
    s = alone(Location([0.0], 0.0), curated=1.0, curator=crowd)
    exact = s.run().parameters["a"]["mean"]
    drawn = s.replace(samples=4000).run().parameters["a"]["mean"]
    assert float(exact) == 0.25 and abs(float(drawn) - 0.25) < 5 * math.sqrt(0.25 * 0.75 / 4000)
