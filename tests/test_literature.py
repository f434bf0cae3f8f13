"""The scenarios of the literature against their closed forms; what their docstrings say is what comes out."""

from __future__ import annotations

import math

import numpy as np
import pytest
import torch

from ecosystem import Record, every
from ecosystem.influence import certificates, stability, stable_point
from scenarios import (
    adversarial,
    alignment_game,
    collapse,
    drifting,
    ferbach,
    heterogeneous,
    networked,
    performative,
    verified,
)


def mean(run, name: str) -> float:
    return float(run.parameters[name]["mean"].flatten()[0])


def probabilities(run, name: str = "model") -> list[float]:
    return run.parameters[name]["probabilities"].flatten().tolist()


# -- a verifier's centre wins ---------------------------------------------------------------------------------------


@pytest.mark.parametrize(("radius", "rounds"), [(0.5, 20), (1.0, 60), (3.0, 1000)])
def test_a_verified_loop_ends_at_the_verifiers_centre(radius: float, rounds: int) -> None:
    assert mean(verified.scenario(radius=radius, rounds=rounds).run(), "model") == pytest.approx(1.0, abs=1e-6)


def test_with_real_data_a_forgiving_verifier_leaves_more_of_the_truth() -> None:
    ends = [mean(verified.scenario(radius=r, real=0.3, rounds=200).run(), "model") for r in (0.5, 1.0, 3.0)]
    assert 1 > ends[0] > ends[1] > ends[2] > 0


# -- the alignment game ---------------------------------------------------------------------------------------------


@pytest.mark.parametrize("first", ["owner", "public"])
@pytest.mark.parametrize("k", [0, 2, 3])
def test_neither_party_alone_decides_what_survives(k: int, first: str) -> None:
    """The published claim is that the owner alone fixes the support: with these tastes it is what both like."""
    assert probabilities(alignment_game.scenario(k=k, first=first).run()) == pytest.approx([0, 0, 1], abs=1e-6)


@pytest.mark.parametrize("first", ["owner", "public"])
def test_of_infinitely_many_candidates_the_choices_compose(first: str) -> None:
    both = torch.tensor([1.0, 1.0, 1.8], dtype=torch.float64)
    exact = torch.softmax(5 * both, 0).tolist()
    run = alignment_game.scenario(k=0, first=first, rounds=5).run()
    assert probabilities(run) == pytest.approx(exact, abs=1e-12)


@pytest.mark.parametrize(("first", "winner"), [("owner", [1, 0]), ("public", [0, 1])])
def test_near_a_tie_of_two_candidates_whoever_is_first_wins(first: str, winner: list[int]) -> None:
    run = alignment_game.scenario(k=2, owner=[1, 0], public=[0, 1], first=first, rounds=300).run()
    assert probabilities(run) == pytest.approx(winner, abs=0.02)


# -- networks without curation --------------------------------------------------------------------------------------


@pytest.mark.parametrize("graph", ["ring", "complete", "star", "path", "one"])
@pytest.mark.parametrize("weight", [0.5, 2.0])
def test_a_network_settles_where_the_graph_says(graph: str, weight: float) -> None:
    s = networked.scenario(weight=weight, graph=graph, rounds=400)
    names, run = s.names, s.run()
    w = np.array([[s.flow(u, v).raw if s.graph.has_edge(u, v) else 0.0 for u in names] for v in names])
    means = np.array([float(s.member(name).real.mean) for name in names])
    exact = np.linalg.solve(np.eye(len(names)) - w, (1 - w.sum(1)) * means)
    assert [mean(run, name) for name in names] == pytest.approx(exact.tolist(), abs=1e-9)
    found = certificates(s)
    assert (
        found.radius == pytest.approx(np.abs(np.linalg.eigvals(w)).max(), abs=1e-8)
        and found.gain <= found.radius + 1e-9
    )


@pytest.mark.parametrize(("graph", "most"), [("ring", 0.25), ("complete", 0.1836734694)])
def test_symmetric_graphs_leave_at_most_their_part_of_the_diversity(graph: str, most: float) -> None:
    found = certificates(networked.scenario(graph=graph)).diversity
    assert found.bound == pytest.approx(most * found.real) and found.exact <= found.bound * (1 + 1e-9)


def test_where_the_middle_one_reads_the_first_diversity_rises() -> None:
    found = certificates(networked.scenario(graph="one")).diversity
    assert found.exact / found.real == pytest.approx(13 / 12)


# -- collapse -------------------------------------------------------------------------------------------------------


def distance(rescue: float = 0.0, loyal: bool = False) -> dict[str, float]:
    """The mean square of where members end, over 200 replicates (relative standard error 10 %)."""
    run = collapse.scenario(rescue=rescue, loyal=loyal).run(seed=0, replicates=200)
    return {name: float(run.parameters[name]["mean"].square().mean()) for name in run.parameters}


def test_collapse_is_what_its_docstring_says() -> None:
    """A mean of 20 samples wanders by 1/20 a round: after 200 rounds by about 10, in the long run of one with
    real data by less than 1/20 / (1 − ρ²)."""
    closed, rescued, loyal = distance(), distance(rescue=0.1), distance(loyal=True)
    assert min(closed[name] for name in ("ada", "bob")) > 3 and closed["cyd"] > 0.5 and closed["dan"] > 0.5
    assert closed["eve"] < 0.1 and max(rescued.values()) < 1.0 and loyal["eve"] > 0.5


def test_certificates_of_collapse_name_the_same() -> None:
    found = certificates(collapse.scenario())
    assert found.members.set_index("member")["collapses"].to_dict() == {
        "ada": True, "bob": True, "cyd": True, "dan": True, "eve": False
    }  # fmt: skip
    assert found.members["after"].tolist() == [("ada", "bob")] * 4 + [()]
    arrivals = found.arrivals().set_index(["source", "target"])["collapses"]
    assert arrivals["dan", "eve"] == ("eve",) and arrivals["eve", "eve"] == ("eve",)
    assert not certificates(collapse.scenario(rescue=0.1)).members["collapses"].any()


# -- performative prediction ----------------------------------------------------------------------------------------


@pytest.mark.parametrize("effect", [-0.9, -0.4, 0.5, 0.8])
@pytest.mark.parametrize("shared", [0.0, 0.5, 1.0])
def test_learners_settle_where_the_world_and_they_agree(effect: float, shared: float) -> None:
    s = performative.scenario(effect=effect, others=2, shared=shared, rounds=600)
    run = s.run()
    assert [mean(run, name) for name in s.names] == pytest.approx([1 / (1 - effect)] * 3, abs=1e-9)
    assert stability(s).radius == pytest.approx(abs(effect), abs=1e-9)


@pytest.mark.parametrize("effect", [-1.1, 1.1])
def test_past_an_effect_of_one_they_do_not(effect: float) -> None:
    assert stable_point(performative.scenario(effect=effect)).seen == "diverges"


# -- noisy and malicious users --------------------------------------------------------------------------------------


@pytest.mark.parametrize("attackers", [0.0, 0.2, 0.46, adversarial.THRESHOLD, 0.47, 0.8])
def test_attackers_have_a_threshold(attackers: float) -> None:
    p = torch.full((4,), 0.25, dtype=torch.float64)
    good = torch.tensor([1.0, 2.0, 3.0, 4.0], dtype=torch.float64)
    bad = 1 / good
    covariance = (p * good * bad).sum() - (p * good).sum() * (p * bad).sum()
    change = (1 - attackers) * ((p * good**2).sum() / (p * good).sum() - (p * good).sum())
    change = change + attackers * covariance / (p * bad).sum()
    end = torch.tensor(probabilities(adversarial.scenario(attackers=attackers, rounds=1).run()), dtype=p.dtype)
    assert float((end * good).sum() - 2.5) == pytest.approx(float(change), abs=1e-12)
    if attackers != adversarial.THRESHOLD:
        assert (change > 0) == (attackers < adversarial.THRESHOLD)
    else:
        assert abs(float(change)) < 1e-12


# -- users who disagree ---------------------------------------------------------------------------------------------


@pytest.mark.parametrize(("first", "gap"), [(0.3, 2.0), (0.1, 2.0), (0.5, 1.0), (0.95, 3.0)])
def test_a_minority_is_served_less_than_its_number(first: float, gap: float) -> None:
    end = probabilities(heterogeneous.scenario(first=first, gap=gap, rounds=600).run())
    assert end[0] + end[1] == pytest.approx(heterogeneous.served(first, gap), abs=1e-4)


def test_the_published_number_of_two_groups() -> None:
    assert heterogeneous.served(0.3, 2.0) == pytest.approx(0.2373929, abs=5e-8)
    assert math.isclose(heterogeneous.served(0.05, 2.0), 0.0)


@pytest.mark.parametrize("share", [1.0, 0.6])
def test_the_objective_of_expectation_maximisation_never_falls(share: float) -> None:
    s = heterogeneous.scenario(share=share, rounds=30)
    run = s.run(record=Record(parameters=every(1)))
    history = [kept["probabilities"].flatten() for kept in run.history["model"].values()]
    values = [heterogeneous.objective(p, 0.3, 2.0, share) for p in history]
    assert len(values) == 30 and np.diff(values).min() > -1e-12 and values[-1] > values[0]


# -- a single loop of a mixture ---------------------------------------------------------------------------------------


@pytest.mark.parametrize("share", [1.0, 0.2])
def test_a_mixture_goes_the_way_of_the_symbols(share: float) -> None:
    """Weights over 3 rounds of 4,000 samples, of 20 replicates, within four standard errors of the exact law."""
    exact = ferbach.scenario(share=share, rounds=3).run().parameters["model"]["probabilities"][0]
    weights = ferbach.scenario(share=share, rounds=3, mixture=True).run(replicates=20).parameters["model"]["weights"]
    error = weights.std(0) / math.sqrt(20)
    assert bool(((weights.mean(0) - exact).abs() < 4 * error).all()) and float(error.max()) < 0.006


# -- users who drift --------------------------------------------------------------------------------------------------


def favourite(**settings: object) -> float:
    return probabilities(drifting.scenario(**settings).run())[0]  # type: ignore[arg-type]


def test_frozen_users_leave_the_published_part_to_their_favourite() -> None:
    assert favourite(drift=0.0, lead=1.0) == pytest.approx(0.5472279923, abs=1e-10)


@pytest.mark.parametrize(
    ("curated", "lead", "end"),
    [(0.4, 0.99, 0.1), (0.5, 0.99, 0.502), (0.5, 0.01, 0.1), (0.7, 0.99, 0.722), (0.7, 0.01, 0.722)],
)
def test_an_early_lead_is_kept_forgotten_or_not_needed(curated: float, lead: float, end: float) -> None:
    assert favourite(curated=curated, lead=lead, rounds=600) == pytest.approx(end, abs=5e-4)


@pytest.mark.parametrize("drift", [0.1, 0.5, 1.0])
def test_the_even_state_loses_its_stability_at_two_thirds(drift: float) -> None:
    """``η = 1/(1 + τ/10)``, whatever the drift, on users and models together."""
    below, above = (
        stability(drifting.scenario(curated=2 / 3 + by, drift=drift, lead=0.0)).radius for by in (-1e-4, 1e-4)
    )
    assert below < 1 < above and above - below < 1e-3
