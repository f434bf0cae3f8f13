"""Archives: what several write is kept by producer, and users choose between them."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
import torch
from scipy import integrate, optimize, stats
from torch import nn

from ecosystem import (
    Archive,
    BestOf,
    Categorical,
    Checkpoints,
    Crowd,
    Curator,
    Ecosystem,
    Flow,
    Gaussian,
    GenerativeModel,
    Linear,
    LinearMap,
    Location,
    Luce,
    Member,
    NoPopulationLaw,
    Quadratic,
    Quota,
    Record,
    Run,
    Scenario,
    Shift,
    Tabular,
    Threshold,
    Tilt,
    TopFraction,
    Users,
    Within,
    accumulate,
    every,
    never,
    poisson,
    window,
)
from ecosystem.core.mixtures import Mixture
from ecosystem.influence import influence, stability, stable_point
from ecosystem.running.measures import survivors

RECORD = Record(measures=[survivors])
GOLDEN = {"2": (Luce(2), 0.5875283512), "∞": (Tilt(), 0.7310585786)}


def read(curator, samples: int | None = None, **parts) -> Scenario:
    """N(0, 1) and N(1, 1) on one archive, read by somebody whose users like large numbers."""
    s = Scenario("read", rounds=2, samples=samples)
    a, b = Location([0.0]), Location([1.0])
    s.add("a", Member(a, schedule=never))
    s.add("b", Member(b, schedule=never))
    s.add("web", Member(Archive({"a": a, "b": b}), **parts))
    s.add("reader", Member(Gaussian([0.0], [[1.0]]), reward=Linear([1.0]), curator=curator))
    for name in "ab":
        s.connect(name, "web", Flow(raw=0.5))
    s.connect("web", "reader", Flow(curated=1.0, chosen_by="consumer"))
    return s


def shares(run: Run) -> dict[str, float]:
    """Whose what the reader gets in the end is, averaged over replicates."""
    table = run.survivors
    return table[table["round"] == table["round"].max()].groupby("producer")["share"].mean().to_dict()


# -- the law -----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", GOLDEN)
def test_a_producers_share_of_what_survives(name: str) -> None:
    curator, share = GOLDEN[name]
    run = read(curator).run(record=RECORD)
    assert shares(run)["b"] == pytest.approx(share, abs=5e-11)
    assert shares(run)["a"] + shares(run)["b"] == pytest.approx(1)
    if name == "∞":  # both are tilted to their mean + 1
        assert float(run.parameters["reader"]["mean"]) == pytest.approx(1 + share, abs=1e-9)


SLATES = [*(kind(k) for kind in (Luce, BestOf) for k in (2, 4, 16)), Threshold(0.8), Within([1.2], 0.9)]


@pytest.mark.parametrize("curator", SLATES, ids=repr)
def test_the_law_agrees_with_sampled_slates(curator: Curator) -> None:
    """Mean, variance and shares of 24 replicates of 2,000 samples within four standard errors."""
    exact = read(curator).run(record=RECORD)
    run = read(curator, samples=2000).run(seed=4, replicates=24, record=RECORD)
    for name in ("mean", "covariance"):
        found, known = run.parameters["reader"][name].flatten(), float(exact.parameters["reader"][name])
        assert abs(float(found.mean()) - known) < 4 * float(found.std()) / 24**0.5
    if isinstance(curator, Within):  # looks at vectors, not at who is better: with samples nobody says whose survive
        return
    table = run.survivors.query("round == 2 and producer == 'b'")["share"]
    assert abs(table.mean() - shares(exact)["b"]) < 4 * table.std() / 24**0.5


def mixed() -> tuple[Any, np.ndarray, list[Any]]:
    """A mixture of three unlike normal laws, with its weights, and SciPy's laws of their rewards ``x``."""
    weights, means, variances = [0.3, 0.5, 0.2], [0.0, 1.0, -2.0], [1.0, 0.09, 4.0]
    models = {str(i): Gaussian([m], [[v]]) for i, (m, v) in enumerate(zip(means, variances, strict=True))}
    laws = [stats.norm(m, v**0.5) for m, v in zip(means, variances, strict=True)]
    return Archive(models, weights=weights).law(), np.array(weights), laws


@pytest.mark.parametrize(
    "curator", [BestOf(2), BestOf(16), Threshold(0.8), TopFraction(0.2), Within([1.2], 0.9)], ids=repr
)
def test_what_is_kept_of_a_mixture_is_the_integral(curator: Curator) -> None:
    """``w_j E_j[H]`` and the first two moments by SciPy's quadrature; ``H`` is ``K F^{K−1}``, or whether it passes."""
    law, weights, laws = mixed()

    def below(x: float) -> float:
        return sum(w * one.cdf(x) for w, one in zip(weights, laws, strict=True))

    low, high = -14.0, 14.0
    if isinstance(curator, TopFraction):
        low = optimize.brentq(lambda x: 1 - below(x) - 0.2, -10, 10, xtol=1e-13)
    low, high = {"Threshold(0.8)": (0.8, high), "Within(radius=0.9)": (0.3, 2.1)}.get(repr(curator), (low, high))
    k = curator.k if isinstance(curator, BestOf) else 1

    def moment(w: float, one: Any, n: int) -> float:
        def density(x: float) -> float:
            return w * x**n * k * one.pdf(x) * below(x) ** (k - 1)

        return integrate.quad(density, low, high, points=[1, 2], limit=200)[0]

    parts = np.array([[moment(w, one, n) for n in range(3)] for w, one in zip(weights, laws, strict=True)])
    kept = curator.law(law, Linear([1.0]))
    whole = parts.sum(0)
    assert isinstance(kept, Mixture)
    assert kept.weights.tolist() == pytest.approx((parts[:, 0] / whole[0]).tolist(), rel=1e-7)
    assert float(kept.mean) == pytest.approx(whole[1] / whole[0], abs=1e-7)
    assert float(kept.covariance) == pytest.approx(whole[2] / whole[0] - (whole[1] / whole[0]) ** 2, abs=1e-7)


def test_on_symbols_any_curator_chooses_between_producers() -> None:
    """By hand: the best of two of (.8, .2) and (.4, .6), mixed .25 : .75, so (.5, .5); the second symbol is better."""
    s = Scenario("symbols", rounds=1)
    a, b = Categorical([0.8, 0.2]), Categorical([0.4, 0.6])
    s.add("a", Member(a, schedule=never))
    s.add("b", Member(b, schedule=never))
    s.add("web", Member(Archive({"a": a, "b": b})))
    s.add("reader", Member(Categorical([0.5, 0.5]), reward=Tabular([0.0, 1.0]), curator=BestOf(2)))
    s.connect("a", "web", Flow(raw=0.25))
    s.connect("b", "web", Flow(raw=0.75))
    s.connect("web", "reader", Flow(curated=1.0, chosen_by="consumer"))
    found = shares(s.run(record=RECORD))
    assert found["a"] == pytest.approx(0.25 * (0.8 * 0.5 + 0.2 * 1.5))
    assert found["b"] == pytest.approx(0.75 * (0.4 * 0.5 + 0.6 * 1.5))
    assert s.replace(rounds=2).run().parameters["reader"]["probabilities"].flatten().tolist() == pytest.approx(
        [0.25, 0.75]
    )


@pytest.mark.parametrize("isotropic", [True, False])
def test_a_tilt_by_a_quadratic_reward_weighs_components_by_their_integrals(isotropic: bool) -> None:
    """Against the product on a fine grid."""
    mean, scale = torch.tensor([[0.5], [-1.0]]).double(), torch.tensor([0.8, 1.5]).double()
    one = Location([0.5], 0.8) if isotropic else Gaussian([0.5], [[0.64]])
    two = Location([-1.0], 1.5) if isotropic else Gaussian([-1.0], [[2.25]])
    law = Tilt(2.0).law(Archive({"a": one, "b": two}, weights=[0.3, 0.7]).law(), Quadratic([1.0], 0.6))
    u = torch.linspace(-14, 14, 20001, dtype=torch.float64)
    density = torch.exp(-0.5 * ((u - mean) / scale[:, None]) ** 2) / scale[:, None] * torch.tensor([[0.3], [0.7]])
    density = density * torch.exp((u - 0.3 * u**2) / 2)
    density = density / density.sum()
    assert isinstance(law, Mixture)
    assert law.weights.tolist() == pytest.approx(density.sum(1).tolist(), rel=1e-7)
    assert float(law.mean) == pytest.approx(float((density.sum(0) * u).sum()), rel=1e-7)


def test_crowds_shifts_and_maps_go_through() -> None:
    """A shift leaves who made it; a map of the archive is the map of its components; a crowd's law is the mixture."""
    web = Archive({"a": Location([0.0]), "b": Location([1.0])})
    law: Any = web.law()

    def mean(kept: Any) -> float:
        return float(kept.mean)

    users = Users(Linear([1.0]), Shift([2.0]))
    assert web.survivors(users).tolist() == [0.5, 0.5] and mean(users.law(law)) == 2.5
    chosen, moved = mean(Luce(2).law(law, Linear([1.0]))), LinearMap([[2.0]], [1.0]).law(law)
    assert mean(Luce(2).law(moved, Linear([0.5]))) == pytest.approx(1 + 2 * chosen)
    split = Crowd([Luce(2), Shift([0.0])], weights=[0.25, 0.75]).law(law, Linear([1.0]))
    assert mean(split) == pytest.approx(0.5 + 0.25 * (chosen - 0.5))


@pytest.mark.parametrize("samples", [None, 60])
def test_variants_and_members_by_the_array_are_as_alone(samples: int | None) -> None:
    """Side by side, or added by the array: the same shares to the last bit."""
    many = [mixed_by(weight).replace(samples=samples) for weight in (0.25, 0.6)]
    eco = Ecosystem(many, record=RECORD)
    eco.run()
    results = [eco.result(variant).survivors for variant in range(2)]
    for variant, s in enumerate(many):
        alone = s.run(record=RECORD).survivors
        assert results[variant]["share"].tolist() == alone["share"].tolist()
    array = Scenario("read", rounds=2, samples=samples)
    array.add_many(["a", "b"], Location.many([[0.0], [1.0]]), schedule=never)
    for name in ("web", "reader"):
        array.add(name, many[0].member(name))
    for u, v in many[0].graph.edges:
        array.connect(u, v, many[0].flow(u, v))
    assert (
        array.run(record=RECORD).survivors["share"].tolist() == many[0].run(record=RECORD).survivors["share"].tolist()
    )


def mixed_by(weight: float) -> Scenario:
    """With another weight of ``a``."""
    s = read(Luce(2)).with_flow("b", "web", raw=0.0)
    return s.with_flow("a", "web", raw=weight).with_flow("b", "web", raw=1 - weight)


# -- influence ---------------------------------------------------------------------------------------------------------


def commons(family: str, curator) -> Scenario:
    """Two who write to one archive with human data, and read it."""
    s = Scenario("commons", rounds=40)
    models: list[Any]
    tastes: list[Any]
    if family == "gaussian":
        models = [Gaussian([float(i)], [[1.0]]) for i in range(3)]
        tastes = [Linear([1.0]), Linear([-0.5])]
    elif family == "location":
        models = [Location([float(i), 0.2], 0.8) for i in range(3)]
        tastes = [Linear([0.6, 0.2]), Linear([-0.5, 0.3])]
    else:
        models = [Categorical([0.2, 0.3, 0.5]), Categorical([0.6, 0.2, 0.2]), Categorical([1 / 3] * 3)]
        tastes = [Tabular([0.0, 1.0, 0.5]), Tabular([1.0, 0.0, 0.2])]
    for name, model, taste in zip("ab", models, tastes, strict=False):
        s.add(name, Member(model, reward=taste, curator=curator, real=model))
    shelves: dict[str, GenerativeModel] = dict(zip(("a", "b", "real"), models, strict=True))
    s.add("web", Member(Archive(shelves), real=models[2], reward=tastes[0]))
    s.connect("a", "web", Flow(raw=0.3))
    s.connect("b", "web", Flow(raw=0.4))
    for name in "ab":
        s.connect("web", name, Flow(raw=0.2, curated=0.3, chosen_by="consumer"))
    return s


THROUGH = [
    *((family, curator) for family in ("gaussian", "location", "categorical") for curator in (Luce(2), Tilt(3.0))),
    *((family, BestOf(3)) for family in ("gaussian", "location", "categorical")),
    ("gaussian", TopFraction(0.3)),
    ("location", TopFraction(0.3)),
    ("gaussian", Threshold(-0.4)),
    ("location", Threshold(-0.4)),
    ("gaussian", Within([0.5], 1.2)),
]


@pytest.mark.parametrize(("family", "curator"), THROUGH, ids=repr)
def test_influence_through_an_archive_equals_central_differences(family: str, curator) -> None:
    s, step = commons(family, curator), 1e-4
    found = influence(s).matrix
    for name in "ab":
        ends = [stable_point(s.with_curation(name, 0.3 + way)).alignment for way in (step, -step)]
        slope = (ends[0] - ends[1]) / (2 * step)
        assert found[name].to_list() == pytest.approx(slope[found.index].to_list(), abs=1e-6)


def test_a_run_settles_at_the_rate_that_stability_says() -> None:
    s = commons("categorical", Luce(3)).replace(rounds=60)
    point, rate = stable_point(s), stability(s).radius
    run = s.run()
    away = run.rounds[run.rounds["member"] == "a"].set_index("round")["alignment"] - point.alignment["a"]
    assert abs(away[60]) < 1e-6
    assert abs(away[24] / away[20]) ** 0.25 == pytest.approx(rate, abs=0.03)


# -- memory ------------------------------------------------------------------------------------------------------------


def test_an_archive_of_symbols_remembers_as_members_do() -> None:
    """Everything ever taken in counts alike; a window of two the last two rounds."""
    s = Scenario("kept", rounds=3)
    s.add("a", Member(Categorical([1.0, 0.0]), real=Categorical([0.0, 1.0])))  # it is (0, 1) after its first round
    first = {"a": Categorical([0.5, 0.5])}
    for name, retention in (("all", accumulate()), ("two", window(2))):
        s.add(name, Member(Archive(first), retention=retention))
        s.connect("a", name, Flow(raw=1.0))
    held = s.run().parameters
    assert held["all"]["held"].flatten().tolist() == pytest.approx([1 / 3, 2 / 3])
    assert held["two"]["held"].flatten().tolist() == [0.0, 1.0]


def moving(samples: int | None = None, rounds: int = 4) -> Scenario:
    """One of two writers moves, and the archive keeps the last three rounds."""
    s = Scenario("moving", rounds=rounds, samples=samples)
    first = Gaussian([0.0], [[1.0]])
    s.add("a", Member(first, real=Location([2.0], 0.5)))
    s.add("b", Member(Location([1.0]), schedule=never))
    s.add("web", Member(Archive({"a": first, "b": first}), retention=window(3)))
    s.add("reader", Member(Gaussian([0.0], [[1.0]]), reward=Linear([1.0]), curator=Luce(3)))
    s.connect("a", "a", Flow(raw=0.5))
    for name in "ab":
        s.connect(name, "web", Flow(raw=0.5))
    s.connect("web", "reader", Flow(curated=1.0, chosen_by="consumer"))
    return s


def test_normal_laws_of_a_window_stand_beside_each_other() -> None:
    """The reader of round 4 sees what ``a`` was in rounds 0 to 2, and ``b`` thrice; samples keep to it."""
    means = [0.0, 1.0, 1.5]
    spreads = [1.0, 0.5 * (1 + 0.25) + 1.0, 0.0]
    spreads[2] = 0.5 * (spreads[1] + 0.25) + 0.25
    web = [*(Gaussian([m], [[v]]) for m, v in zip(means, spreads, strict=True)), *[Location([1.0])] * 3]
    known: Any = Luce(3).law(Archive({str(i): model for i, model in enumerate(web)}).law(), Linear([1.0]))
    run, sampled = moving().run(record=RECORD), moving(samples=1500).run(seed=3, replicates=16, record=RECORD)
    assert float(run.parameters["reader"]["mean"]) == pytest.approx(float(known.mean), abs=1e-12)
    assert float(run.parameters["reader"]["covariance"]) == pytest.approx(float(known.covariance), abs=1e-12)
    found = sampled.parameters["reader"]["mean"].flatten()
    assert abs(float(found.mean() - known.mean)) < 4 * float(found.std()) / 16**0.5
    one, many = (r.survivors.query("round == 3 and producer == 'a'")["share"] for r in (run, sampled))
    assert one.item() == pytest.approx(float(known.weights[:3].sum()), abs=1e-12)
    assert abs(many.mean() - one.item()) < 4 * many.std() / 16**0.5


@pytest.mark.parametrize("curator", [Luce(2), Luce(4), Luce(16), BestOf(4)], ids=repr)
def test_in_a_run_of_n_rounds_a_window_of_n_is_all_that_was_ever_written(curator: Curator) -> None:
    """Samples that are accumulated keep to its law, within four standard errors."""
    s = moving(rounds=6).with_member("web", retention=window(6)).with_member("reader", curator=curator)
    kept = moving(samples=1500, rounds=6).with_member("web", retention=accumulate())
    run, sampled = s.run(), kept.with_member("reader", curator=curator).run(seed=5, replicates=16)
    for name in ("mean", "covariance"):
        found, known = (r.parameters["reader"][name].flatten() for r in (sampled, run))
        assert abs(float(found.mean() - known)) < 4 * float(found.std()) / 16**0.5
    assert float(run.parameters["reader"]["covariance"]) != pytest.approx(
        float(s.with_member("web", retention=window(3)).run().parameters["reader"]["covariance"]), abs=1e-3
    )


def test_a_memory_changes_how_fast_an_archive_settles_and_not_where() -> None:
    s = commons("location", Tilt(3.0))
    kept = s.with_member("web", retention=window(2))
    pd.testing.assert_frame_equal(influence(kept).matrix, influence(s).matrix, rtol=1e-9)
    assert stability(kept).radius > stability(s).radius + 0.01


def test_a_window_of_ones_own_does_not_inherit_what_its_memory_is() -> None:
    """It says no more that the newest rounds count alike, so laws that rest on it are refused."""

    class fading(window):
        def pool(self, memory, fresh):
            return fresh, {}

    assert window(3).newest == 3 and fading(3).newest is None
    with pytest.raises(NoPopulationLaw, match="the archive 'web' of vectors"):
        read(Luce(2), retention=fading(3)).check()


@pytest.mark.parametrize(("retention", "kept"), [(None, 50), (accumulate(), 200), (window(3), 150)])
def test_with_samples_it_keeps_the_samples(retention, kept: int) -> None:
    parts = {} if retention is None else {"retention": retention}
    eco = Ecosystem(read(Luce(2), samples=50, **parts).replace(rounds=4))
    eco.run()
    archive = eco.agents.select(lambda agent: agent.name == "web")[0].generator
    assert archive.kept.shape == (kept, 1) and set(archive.writers.tolist()) == {0, 1}
    assert archive.sample(5, torch_stream()).shape == (5, 1)


def torch_stream():
    from ecosystem import Stream

    return Stream.root([(0, 0)])[0]


def test_archives_go_on_bit_for_bit_from_a_checkpoint(tmp_path: Path) -> None:
    for samples in (None, 40):
        s = read(Luce(2), samples=samples).replace(rounds=6)
        whole, folder = s.run(), tmp_path / str(samples)
        s.replace(rounds=3).run(checkpoints=Checkpoints(folder))
        again = s.run(checkpoints=Checkpoints(folder))
        assert again.rounds.equals(whole.rounds)
        whole.save(tmp_path / f"run{samples}")
        assert Run.load(tmp_path / f"run{samples}").rounds.shape == whole.rounds.shape


@pytest.mark.parametrize("retention", [None, accumulate(), window(2)])
@pytest.mark.parametrize("odds", [0.05, 0.6])  # some have kept nothing yet; some more than others
def test_replicates_that_kept_different_numbers(odds: float, retention, tmp_path: Path) -> None:
    """A clock that ticks apart in each replicate: to stack what they kept was an error of torch's at the run's end."""
    parts = {} if retention is None else {"retention": retention}
    s = read(Luce(2), samples=8, schedule=poisson(odds), **parts).replace(rounds=4)
    record, count = Record(parameters=every(2)), 12
    run = s.run(replicates=count, record=record)
    numbers = run.parameters["web"]
    assert numbers["held"].shape[0] == count and ("kept[3]" in numbers or "kept" in numbers or odds < 0.1)
    s.replace(rounds=3).run(replicates=count, record=record, checkpoints=Checkpoints(tmp_path / "saved"))
    resumed = s.run(replicates=count, record=record, checkpoints=Checkpoints(tmp_path / "saved"))
    loaded, like = Run.load(run.save(tmp_path / "run")), s.member("web").generator
    sizes = set()
    for i in range(count):
        mine = run.generator("web", i)
        sizes.add(0 if mine.kept is None else len(mine.kept))
        for other in (loaded.generator("web", i, like=like), resumed.generator("web", i)):
            state = other.state_dict()
            assert state.keys() == mine.state_dict().keys()
            assert all(torch.equal(x, mine.state_dict()[name]) for name, x in state.items())
        early = loaded.generator("web", i, round=1, like=like)
        alone = run.generator("web", i, round=1)
        assert (early.kept is None) == (alone.kept is None)
        assert early.kept is None or torch.equal(early.kept, alone.kept)
    assert len(sizes) > 1 or retention is None


# -- extensions --------------------------------------------------------------------------------------------------------


class Above(Tilt):
    """A user's own choice between producers: who writes better on average gets everything."""

    def on_mixture(self, law: Any, reward: Any) -> Any:
        level = (law.parts.mean * reward.linear().unsqueeze(-2)).sum(-1)
        return Mixture((level == level.amax(-1, keepdim=True)).double(), law.parts)

    def curate(self, slate, reward, rng):
        raise NotImplementedError


class Coin(GenerativeModel):
    """A model of the user's own, without a law."""

    event_shape = (1,)

    def __init__(self, level: float) -> None:
        super().__init__()
        self.level = nn.Parameter(torch.tensor(level))

    def sample(self, n, rng):
        return self.level.detach() + rng.normal(n, 1)

    def loss(self, batch, rng):
        return ((batch - self.level) ** 2).mean()


def test_a_curator_of_ones_own_says_what_it_keeps_of_a_mixture() -> None:
    run = read(Above()).run()
    assert float(run.parameters["reader"]["mean"]) == 1.0


def test_a_curator_that_overrides_what_an_answer_rests_on_has_none() -> None:
    class Ours(Luce):
        def on_normal(self, scale):
            return scale, scale

    with pytest.raises(NoPopulationLaw, match="Mixture"):
        read(Ours(2)).check()


def test_models_without_a_law_write_to_an_archive_of_samples() -> None:
    s = Scenario("own", rounds=2, samples=200)
    models = {"a": Coin(0.0), "b": Coin(5.0)}
    for name, model in models.items():
        s.add(name, Member(model, schedule=never))
    s.add("web", Member(Archive(models)))
    s.add("reader", Member(Location([0.0]), reward=Linear([1.0]), curator=Luce(4)))
    for name in models:
        s.connect(name, "web", Flow(raw=0.5))
    s.connect("web", "reader", Flow(curated=1.0, chosen_by="consumer"))
    run = s.run(record=RECORD)
    assert shares(run)["b"] > 0.9 and float(run.parameters["reader"]["mean"]) > 4.5
    assert set(run.survivors["round"]) == {1, 2}  # nobody knows what survives of what stands there first
    with pytest.raises(NoPopulationLaw, match="an archive of what 'a', 'b' make, whose laws it cannot hold"):
        Archive(models).law()


# -- refusals ----------------------------------------------------------------------------------------------------------


def test_refusals() -> None:
    a, b = Location([0.0]), Location([1.0])
    with pytest.raises(TypeError, match=r"Archive\(shelves\) is a dict"):
        Archive([a, b])  # type: ignore[arg-type]
    with pytest.raises(ValueError, match=r"those of 'b' are of another shape"):
        Archive({"a": a, "b": Location([0.0, 1.0])})
    with pytest.raises(ValueError, match=r"Archive\(weights\) are at least 0 and add up to 1"):
        Archive({"a": a, "b": b}, weights=[0.5, 0.6])
    s = read(Luce(2))
    s.add("c", Member(a, schedule=never))
    s.connect("c", "web", Flow())
    with pytest.raises(ValueError, match="the archive 'web' has no shelf for 'c', who writes there"):
        s.check()
    with pytest.raises(NoPopulationLaw, match=r"of vectors with accumulate\(\), .* \(window\(n\) keeps as much"):
        read(Luce(2), retention=accumulate()).check()
    for curator in (Luce(2), BestOf(2), TopFraction(0.5), Threshold(0.0)):
        with pytest.raises(NoPopulationLaw, match="on a Mixture law"):
            read(curator).with_member("reader", reward=Quadratic([1.0], 1.0)).check()
    with pytest.raises(NoPopulationLaw, match="on a Mixture law"):
        read(Quota(lambda x: (x[:, 0] > 0).long(), [0.5, 0.5], Luce(2))).check()
    narrow = Archive({"a": Location([0.0], 1e-6), "b": Location([1.0], 1e2)})
    with pytest.raises(NoPopulationLaw, match="much narrower than others"):
        BestOf(2).law(narrow.law(), Linear([1.0]))
    with pytest.raises(ValueError, match="needs the law of what 'web' makes"):
        read(Tilt(), samples=20).run()
    with pytest.raises(NoPopulationLaw, match="spread over"):
        read(Luce(2, temperature=1e-3)).run()


def test_a_shelf_takes_one_normal_law() -> None:
    """Raw and curated output of one writer would be a mixture on its shelf, and its law that of neither."""
    s = read(Luce(2)).with_member("a", reward=Linear([1.0]), curator=Tilt())
    both = s.with_flow("a", "web", raw=0.25, curated=0.25)
    with pytest.raises(NoPopulationLaw, match="the shelf of 'a' in 'web', raw and curated at once"):
        both.check()
    assert float(s.with_flow("a", "web", raw=0.0, curated=0.5).run().parameters["reader"]["mean"]) > 1.3
    kept = s.with_member("a", curator=Luce(2)).with_flow("a", "web", raw=0.0, curated=0.5)
    with pytest.raises(NoPopulationLaw, match="not normal"):
        kept.check()


def test_weights_have_all_their_digits() -> None:
    """Lists, and the even spread over three, were read as short floats."""
    law = Categorical([0.5, 0.5])
    assert Archive(dict.fromkeys("abc", law)).survivors().tolist() == pytest.approx([1 / 3] * 3, abs=1e-15)
    assert Archive(dict.fromkeys("ab", law), weights=[0.3, 0.7]).survivors().tolist() == pytest.approx(
        [0.3, 0.7], abs=1e-15
    )


def test_archives_that_read_each_other_keep_their_mass() -> None:
    """A choice of K multiplies a rounding error in the mass by K: it was felt after 100 rounds."""
    s, ends = Scenario("circle", rounds=100), {"x": np.array([0.41, 0.3, 0.29]), "y": np.array([0.26, 0.3, 0.44])}
    real, taste = Categorical([0.3, 0.3, 0.4]), np.array([1.0, 0.2, -0.6])
    for name, other in (("x", "y"), ("y", "x")):
        shelves = {other: Categorical(ends[name]), "real": real}
        s.add(name, Member(Archive(shelves, [1.0, 0.0]), real=real, reward=Tabular(taste), curator=Luce(3)))
    s.connect("x", "y", Flow(curated=0.9))
    s.connect("y", "x", Flow(raw=0.1, curated=0.8))

    def kept(p: np.ndarray) -> np.ndarray:
        slates = np.stack(np.meshgrid(*[np.arange(3)] * 3, indexing="ij"), -1).reshape(-1, 3)
        odds = np.exp(taste)[slates]
        chosen = p[slates].prod(-1, keepdims=True) * odds / odds.sum(-1, keepdims=True)
        return np.bincount(slates.ravel(), chosen.ravel(), 3)

    human = np.array([0.3, 0.3, 0.4])
    for _ in range(100):
        x, y = ends["x"], ends["y"]
        new = 0.1 * y + 0.8 * kept(y) + 0.1 * human, 0.9 * kept(x) + 0.1 * human
        ends = {name: p / p.sum() for name, p in zip("xy", new, strict=True)}
    found = s.run().rounds.query("round == 100").set_index("member")["alignment"]
    assert found.tolist() == pytest.approx([ends["x"] @ taste, ends["y"] @ taste], abs=1e-12)
    assert stable_point(s, starts=1).alignment.tolist() == pytest.approx(found.tolist(), abs=1e-9)
    assert stability(s).radius < 1
