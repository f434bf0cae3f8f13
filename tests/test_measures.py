"""Measures: what they say of laws and samples, exactly where exactness exists, and that they are only functions."""

from __future__ import annotations

import math
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
import torch
from hypothesis import example, given, settings
from hypothesis import strategies as st
from torch import Tensor
from torch.func import vjp

from ecosystem import (
    Categorical,
    Checkpoints,
    Ecosystem,
    Flow,
    Gaussian,
    GaussianMixture,
    Linear,
    Location,
    Luce,
    Member,
    NoPopulationLaw,
    Record,
    Run,
    Scenario,
    Shift,
    Tabular,
)
from ecosystem.core.laws import Finite, Normal
from ecosystem.core.streams import Stream
from ecosystem.generators import ClosedForm
from ecosystem.influence import influence, measure_influence, stable_point
from ecosystem.report import write_report
from ecosystem.running.measures import (
    Exact,
    View,
    data_distance,
    distances,
    effective_number,
    entropy,
    exact,
    total_variance,
    watching,
)
from ecosystem.running.measures.formulas import distance_in, distance_of, entropy_in, sliced, variance_in
from ecosystem.study import Study, StudyFolderError, of_scenario
from tests.studies import assert_same, assert_same_values, killed_after, pair, touched
from tests.studies import run as run_here
from tests.test_looking import closed, neural

RNG = Stream.root([(0, 0)])[0]


def spd(numbers: Tensor) -> Tensor:
    """A covariance from any square matrix."""
    return numbers @ numbers.mT + 0.1 * torch.eye(len(numbers), dtype=torch.float64)


# -- numbers of one law ------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("n", [1, 2, 7, 64])
def test_the_entropy_of_a_uniform_law_is_log_n_and_it_has_n_categories(n: int) -> None:
    uniform = Categorical([1 / n] * n)
    assert float(entropy.of(uniform)) == pytest.approx(math.log(n), abs=1e-14)
    assert float(effective_number.of(uniform)) == pytest.approx(n)
    assert float(total_variance.of(uniform)) == pytest.approx(1 - 1 / n)
    padded = Categorical([1 / n] * n + [0.0] * 3)
    assert float(effective_number.of(padded)) == pytest.approx(n)


def test_numbers_of_normal_laws_are_those_of_scipy() -> None:
    from scipy.stats import multivariate_normal

    covariance = spd(RNG.normal(3, 3))
    known = multivariate_normal(np.zeros(3), covariance.numpy()).entropy()
    assert float(entropy.of(Gaussian([0.0, 0.0, 0.0], covariance))) == pytest.approx(known, rel=1e-12)
    assert float(entropy.of(Location([1.0, 2.0], 0.5))) == pytest.approx(1 + math.log(2 * math.pi * 0.25))
    assert float(total_variance.of(Location([1.0, 2.0], 0.5))) == pytest.approx(0.5)
    assert float(total_variance.of(Gaussian([0.0, 0.0, 0.0], covariance))) == pytest.approx(float(covariance.trace()))
    mixture = GaussianMixture([0.5, 0.5], [[-1.0], [1.0]], [[[1.0]], [[1.0]]])
    assert float(total_variance.of(mixture)) == pytest.approx(2.0)


def test_who_has_no_law_is_refused_by_name() -> None:
    mixture = GaussianMixture([0.5, 0.5], [[-1.0], [1.0]], [[[1.0]], [[1.0]]])
    with pytest.raises(NoPopulationLaw, match=r"the measure entropy of GaussianMixture.*two moments only"):
        entropy.of(mixture)
    with pytest.raises(NoPopulationLaw, match=r"the measure effective_number of Location.*a law of vectors"):
        effective_number.of(Location([0.0]))


# -- distances ---------------------------------------------------------------------------------------------------------


def test_distances_of_laws_by_hand() -> None:
    assert float(data_distance.of(Categorical([0.5, 0.5, 0.0]), Categorical([0.2, 0.3, 0.5]))) == pytest.approx(0.5)
    assert float(data_distance.of(Location([3.0, 4.0]), Location([0.0, 0.0]))) == 5.0
    wide, narrow = Location([3.0, 4.0], 3.0), Location([0.0, 0.0], 1.0)
    assert float(data_distance.of(wide, narrow)) == pytest.approx(math.sqrt(25 + 2 * 4))
    one = Gaussian([1.0, 0.0], [[4.0, 0.0], [0.0, 9.0]])  # diagonal: ‖m‖² + Σ (σ₁ − σ₂)²
    other = Gaussian([0.0, 0.0], [[1.0, 0.0], [0.0, 1.0]])
    assert float(data_distance.of(one, other)) == pytest.approx(math.sqrt(1 + 1 + 4))
    assert float(data_distance.of(one, Location([0.0, 0.0]))) == pytest.approx(math.sqrt(6))
    assert math.isnan(float(data_distance.of(one)))


def test_members_of_different_alphabets_stand_in_no_row_of_distances() -> None:
    s = Scenario("alphabets", rounds=1)
    for name, law in (("a", [0.5, 0.5]), ("b", [0.2, 0.3, 0.5]), ("c", [0.9, 0.1])):
        s.add(name, Member(Categorical(law), real=Categorical(law)))
    s.add("d", Member(Location([0.0]), real=Location([1.0])))
    table = s.run(record=Record(measures=[distances])).distances
    assert table[["member", "other"]].drop_duplicates().values.tolist() == [["a", "c"]]
    assert table["distance"].tolist() == pytest.approx([0.4] * 2, abs=1e-15)


def test_frechet_distance_of_laws_that_do_not_commute() -> None:
    import scipy.linalg as linalg

    a, b = spd(RNG.at("a").normal(5, 5)), spd(RNG.at("b").normal(5, 5))
    m = RNG.at("m").normal(5)
    root = linalg.sqrtm(a.numpy())
    cross = np.trace(np.real(linalg.sqrtm(root @ b.numpy() @ root)))
    known = math.sqrt(float((m**2).sum() + a.trace() + b.trace()) - 2 * cross)
    assert float(distance_of(Normal(m, a), Normal(torch.zeros_like(m), b))) == pytest.approx(known, rel=1e-10)


_numbers = st.lists(st.floats(-3, 3), min_size=12, max_size=12)


@settings(deadline=None, max_examples=60)
@given(_numbers, _numbers)
@example([0.0] * 5 + [0.5] + [0.0] * 4 + [1.0, 3.0], [0.0] * 12)  # a flat law was 3e-7 away from itself
def test_distances_are_symmetric_and_zero_on_equals(first: list[float], second: list[float]) -> None:
    laws = []
    for numbers in (first, second):
        x = torch.tensor(numbers, dtype=torch.float64)
        laws.append((Normal(x[:3], spd(x[3:].reshape(3, 3))), Finite(torch.softmax(x, 0))))
    for one, other in zip(*laws, strict=True):
        there, back = distance_of(one, other), distance_of(other, one)
        assert float(there) == pytest.approx(float(back), rel=1e-6, abs=1e-6)
        assert float(there) >= 0 and float(distance_of(one, one)) == 0
    x, y = (torch.tensor(numbers, dtype=torch.float64).reshape(6, 2) for numbers in (first, second))
    assert float(sliced(x, y)) == float(sliced(y, x)) and float(sliced(x, x)) == 0
    assert float(distance_in(x.long(), y.long())) == float(distance_in(y.long(), x.long())) <= 1


def test_sliced_distance_of_shifted_samples() -> None:
    """One dimension: the shift itself. More: ``‖v‖/√d``, within three standard errors of 64 directions' mean."""
    x = RNG.normal(500, 1)
    assert float(sliced(x, x + 2.5)) == pytest.approx(2.5)
    d = 8
    x, v = RNG.normal(500, d), torch.zeros(d, dtype=torch.float64)
    v[0] = 2.0
    error = math.sqrt(2 * (d - 1) / (d**2 * (d + 2)) / 64)  # of the mean of θ₁², whose variance is 2(d−1)/(d²(d+2))
    assert abs(float(sliced(x, x + v)) ** 2 / 4 - 1 / d) < 3 * error


def test_what_samples_say_comes_near_the_law() -> None:
    """Within four standard errors: of the mean of −log p (variance d/2), and of a sum of variances (2 Σ σ⁴/n)."""
    n, d = 4000, 2
    x = 3 * RNG.normal(n, d)
    assert abs(float(entropy_in(x)) - float(entropy.of(Location([0.0, 0.0], 3.0)))) < 4 * math.sqrt(d / 2 / n) + 0.02
    assert abs(float(variance_in(x)) - 18) < 4 * math.sqrt(2 * d * 81 / n)
    symbols = (RNG.uniform(n) * 5).long()
    assert float(entropy_in(symbols)) == pytest.approx(math.log(5), abs=0.01)
    assert float(variance_in(symbols)) == pytest.approx(0.8, abs=0.01)
    assert float(distance_in(symbols, symbols[torch.randperm(n)])) == 0
    assert float(distance_in(symbols, symbols + 5)) == pytest.approx(1)


@pytest.mark.parametrize("measure", [entropy, total_variance, data_distance])
def test_exact_measures_are_differentiable(measure: Exact) -> None:
    stack = Gaussian([0.0, 1.0], [[2.0, 0.5], [0.5, 1.0]]).map(lambda t: t.expand(3, 1, 2, *t.shape))
    real = Gaussian([1.0, 1.0], [[1.0, 0.0], [0.0, 3.0]]).map(lambda t: t.expand(3, 1, 1, *t.shape))

    def value(v: Tensor) -> Tensor:
        return measure.of(stack.rebuild({"mean": v[..., :2], "covariance": v[..., 2:].unflatten(-1, (2, 2))}), real)

    x = stack.vector()
    out, pull = vjp(value, x)[:2]
    tangent = stack.tangent(RNG.normal(6, 6).reshape(3, 1, 2, 6))
    found = (pull(torch.ones_like(out))[0] * tangent).sum(-1)
    known = (value(x + 1e-6 * tangent) - value(x - 1e-6 * tangent)) / 2e-6
    assert out.shape == (3, 1, 2) and torch.allclose(found, known, atol=1e-7)


def test_where_a_distance_has_a_kink_its_derivative_is_none() -> None:
    mean = torch.tensor([1.0, 2.0], dtype=torch.float64, requires_grad=True)
    at = Location([0.0, 0.0]).rebuild({"mean": mean, "scale": torch.ones((), dtype=torch.float64)})
    value = data_distance.of(at, Location([1.0, 2.0]))
    value.backward()
    assert float(value.detach()) == 0 and mean.grad is not None and bool(mean.grad.isnan().all())


# -- in a run ----------------------------------------------------------------------------------------------------------


def symbols(samples: int | None = None, rounds: int = 3) -> Scenario:
    s = Scenario("symbols", rounds=rounds, samples=samples)
    for name, p in (("a", [0.7, 0.2, 0.1]), ("b", [0.1, 0.1, 0.8])):
        s.add(name, Member(Categorical(p), reward=Tabular([1.0, 0.0, 0.0]), real=Categorical([0.25, 0.25, 0.5])))
    s.connect("a", "b", Flow(raw=0.5))
    return s


def test_columns_take_the_names_of_functions() -> None:
    def doubled(view: View) -> Tensor:
        return 2 * view.alignment()

    record = Record(measures=[entropy, effective_number, total_variance, data_distance, doubled])
    run, plain = closed(20).run(seed=3, replicates=2, record=record), closed(20).run(seed=3, replicates=2)
    columns = ["entropy", "effective_number", "total_variance", "data_distance", "doubled"]
    assert list(run.rounds.columns) == [*plain.rounds.columns, *columns]
    pd.testing.assert_frame_equal(run.rounds[plain.rounds.columns], plain.rounds, check_exact=True)
    assert (run.rounds["doubled"] == 2 * run.rounds["alignment"]).all()
    assert run.rounds["effective_number"].isna().all()  # vectors have none
    start = run.rounds[run.rounds["round"] == 0].groupby("member", observed=True)["data_distance"].first()
    assert start.tolist() == pytest.approx([math.sqrt(17), math.sqrt(32)])


def test_a_replicate_is_measured_alone_as_in_company() -> None:
    record = Record(measures=[entropy, total_variance, data_distance, distances], judged=30)
    for make in (neural, closed):
        alone = Ecosystem(make(), seeds=[(0, 0)], record=record)
        many = Ecosystem(neural() if make is neural else closed(10), seeds=[(0, 0), (0, 1)], record=record)
        if make is closed:
            alone = Ecosystem(closed(10), seeds=[(0, 0)], record=record)
        for eco in (alone, many):
            eco.run()
        for table in ("rounds", "distances"):
            one, all_ = getattr(alone.result(), table), getattr(many.result(), table)
            some = all_[all_["replicate"] == 0].reset_index(drop=True)
            pd.testing.assert_frame_equal(one, some, check_exact=True)


def test_neural_members_are_measured_by_their_samples() -> None:
    run = neural().run(record=Record(measures=[entropy, total_variance, data_distance, distances], judged=64))
    assert np.isfinite(run.rounds[["entropy", "total_variance", "data_distance"]]).all(axis=None)
    assert len(run.distances) == 4 and list(run.distances.columns[3:]) == ["member", "other", "distance"]
    assert run.measured == ["distances"]


def test_pairs_of_members_by_hand(tmp_path: Path) -> None:
    run = symbols().run(record=Record(measures=[distances, entropy]))
    first = run.distances.iloc[0]
    assert (first["member"], first["other"], first["round"]) == ("a", "b", 0)
    assert first["distance"] == pytest.approx(0.7)
    again = Run.load(run.save(tmp_path / "run"))
    pd.testing.assert_frame_equal(again.distances, run.distances, check_exact=True)
    pd.testing.assert_frame_equal(again.rounds, run.rounds, check_exact=True)
    assert again.measured == ["distances"]
    with pytest.raises(AttributeError, match="no attribute or table 'nearness'"):
        _ = run.nearness


def test_an_exact_measure_of_ones_own() -> None:
    @exact()
    def protected(stack, real):
        return stack.law().probabilities[..., 1:].sum(-1)

    record = Record(measures=[protected])
    assert symbols().run(record=record).rounds["protected"].iloc[:2].tolist() == pytest.approx([0.3, 0.9])
    with pytest.raises(NoPopulationLaw, match=r"the measure protected has no value for 'a'.*sampled=function"):
        neural().run(record=record)

    def wrong(stack, real):
        return stack.law().probabilities

    with pytest.raises(RuntimeError, match=r"measure wrong.*returned \[2, 1, 1, 3\].*one number for each"):
        symbols().run(record=Record(measures=[Exact(wrong)]))
    counted = Exact(entropy.function, sampled=lambda x, y: x.mean())
    counted.__name__ = "counted"
    assert len(neural().run(record=Record(measures=[counted])).rounds["counted"].dropna()) == 8


def _by_hand(*given: Any) -> Any:
    raise ZeroDivisionError("by\nhand")


def _unknown(*given: Any) -> Any:
    raise NoPopulationLaw("the mood of a stack")


def _plain(function: Any) -> Any:
    def mine(view: View) -> Any:
        return function(view)

    return mine


def _lawful(function: Any, sampled: Any = None) -> Exact:
    measure = Exact(function, sampled)
    measure.__name__ = "mine"
    return measure


def _watcher(what: str) -> Any:
    @watching(**{what: _by_hand})
    def mine(view: View) -> Tensor:
        return torch.zeros(view.updated.shape)

    return mine


def letters(samples: int | None) -> Scenario:
    s = Scenario("letters", rounds=2, samples=samples)
    for name in "ab":
        law = Categorical([0.5, 0.3, 0.2])
        s.add(name, Member(law, reward=Tabular([1.0, 0.0, 0.5]), curator=Luce(2), real=law))
    s.connect("a", "b", Flow(raw=0.25, curated=0.25))
    return s


@pytest.mark.parametrize(
    ("measure", "error", "says"),
    [
        (_plain(_by_hand), RuntimeError, "the measure mine failed in round 0 with ZeroDivisionError: by hand; mend"),
        (_plain(_unknown), NoPopulationLaw, "the measure mine in round 0: the mood of a stack has no population law"),
        (
            _lawful(_by_hand),
            RuntimeError,
            "mine failed in round 0 .* of 'a', 'b' \\(Categorical\\) fails: Zero",
        ),
        (_lawful(_unknown, _by_hand), RuntimeError, "mine failed in round 0 .* mine of samples of 'a' fails: ZeroDiv"),
        (_lawful(_unknown), NoPopulationLaw, r"no value for 'a' .*mood of a stack\): .* say what samples tell: [^;]*$"),
        (_watcher("drawn"), ValueError, "what the measure mine watches 'drawn' with in round 1 fails: .*: by hand"),
        (_watcher("chosen"), ValueError, "what the measure mine watches 'chosen' with in round 1 fails: .*: by hand"),
    ],
)
def test_what_fails_in_a_measure_is_named(measure: Any, error: type[Exception], says: str) -> None:
    """What a watching measure raised, or one of a law, did not say whose it was; and which members were looked at."""
    with pytest.raises(error, match=says) as caught:
        letters(6).run(record=Record(measures=[measure]))
    cause: BaseException | None = caught.value
    while cause is not None and not isinstance(cause, ZeroDivisionError):
        cause = cause.__cause__
    assert cause is not None or issubclass(error, NoPopulationLaw)


def test_what_fails_in_a_measure_of_influence_is_named() -> None:
    """It was raised as it came."""
    with pytest.raises(ValueError, match="the measure _by_hand of 'a', 'b' fails: ZeroDivisionError: by hand"):
        influence(letters(None), measure=_by_hand)


def test_what_fails_in_a_condition_is_named() -> None:
    """It was raised as it came."""
    with pytest.raises(ValueError, match=r"run\(until\), _by_hand, in round 1 fails: ZeroDivisionError: by hand"):
        symbols().run(until=_by_hand)


# -- measures of one's own ---------------------------------------------------------------------------------------------


def test_what_a_measure_sees() -> None:
    seen: list[dict[str, Any]] = []

    def look(view: View) -> Tensor:
        before = view.generator("a", before=True)
        taste = view.users("a")
        seen.append({"round": view.round, "before": before, "now": view.generator("a"), "taste": taste})
        assert taste is not None and taste.reward.linear().tolist() == [1.0, 0.0]
        assert view.users("b", replicate=1) is not None and view.judges == ["a", "b"]
        assert view.samples(5)["b"].shape == (1, 2, 5, 2) and view.real_samples("a", 7).shape == (1, 2, 7, 2)
        assert view.real("a").mean.tolist() == [[[0.0, 1.0]]]
        assert view.opinion("a", "b").shape == (1, 2)
        with pytest.raises(KeyError, match="there is no member 'c'"):
            view.law("c")
        return view.updated & view.present & view.losses.isnan()

    run = closed(20).run(replicates=2, record=Record(measures=[look]))
    assert seen[0]["before"] is None and torch.equal(seen[2]["before"].mean, seen[1]["now"].mean)
    assert run.rounds["look"].dtype == bool and run.rounds["look"].equals(run.rounds["updated"])


def test_samples_are_shared_and_are_the_same_whoever_asks() -> None:
    found: list[Tensor] = []

    def one(view: View) -> Tensor:
        found.append(view.samples(6)["a"])
        found[-1].add_(100)
        return view.alignment()

    def other(view: View) -> Tensor:
        found.append(view.samples(4)["a"])
        return view.alignment()

    closed(20).run(record=Record(measures=[one, other]))
    assert torch.equal(found[0][:, :, :4], found[1] + 100) and not torch.equal(found[1], found[3])


def overwrite(view: View) -> Tensor:
    """Whatever can be reached is written over."""
    for name in view.names:
        for item in (view.generator(name), view.generator(name, before=True), view.real(name)):
            models = list(getattr(item, "models", np.array(item, dtype=object)).flat) if item is not None else []
            for model in models:
                for tensor in (*model.parameters(), *model.buffers()):
                    tensor.data.fill_(9)
                model.train()
        law, users = view.law(name), view.users(name)
        if law is not None:
            law.mean.fill_(9)
        for tensor in users.tensors().values() if users is not None else ():
            tensor.fill_(9)
        view.samples(3)[name].fill_(9)
        view.real_samples(name, 3).fill_(9)
        view.opinion(name, name).fill_(9)
    for part in view.parts():
        for tensor in part.stack.tensors().values() if part.stack is not None else ():
            tensor.fill_(9)
        for tensor in part.real.tensors().values() if isinstance(part.real, ClosedForm) else ():
            tensor.fill_(9)
    for tensor in (view.updated, view.losses, view.present, view.alive, view.alignment(), view.change()):
        tensor.fill_(1)
    for event in view.seen(overwrite):
        for part in vars(event).values():
            if isinstance(part, Tensor):
                part.fill_(1)
    torch.manual_seed(7)
    return torch.zeros(len(view.names), *view.alive.shape)


def spoil(event: Any) -> Any:
    for part in (*vars(event).values(), *vars(getattr(event, "data", event)).values()):
        if isinstance(part, Tensor):
            part.fill_(0)
    return event


@pytest.mark.parametrize("make", [neural, closed, lambda: closed(20)], ids=["neural", "population", "sampled"])
def test_whatever_a_measure_does_the_run_is_the_same(make) -> None:
    measure = watching(drawn=spoil, chosen=spoil, trained=spoil)(overwrite)
    flags: dict[str, Any] = {"draws": True, "tastes": True, "sources": True, "choices": True}
    one = make().run(seed=2, record=Record(measures=[measure, data_distance], **flags))
    other = make().run(seed=2, record=Record(measures=[data_distance], **flags))
    columns = list(closed().run().rounds.columns)  # it spoilt the copies of real data that measures share
    assert one.rounds[columns].equals(other.rounds[columns])
    assert all(torch.equal(x, other.parameters[m][key]) for m in "ab" for key, x in one.parameters[m].items())
    for table in flags:
        assert getattr(one, table).equals(getattr(other, table))


def test_a_measure_watches_the_round() -> None:
    """By an attribute, not by name: what users kept counts as in the table that the library makes of it."""

    @watching(chosen=lambda event: (event.target, event.variant, event.replicate, event.after))
    def kept_reward(view: View) -> Tensor:
        total = torch.zeros(view.updated.shape, dtype=torch.float64)
        for *cell, reward in view.seen(kept_reward):
            total.index_put_(tuple(cell), reward, accumulate=True)
        return total

    s = neural()
    run = s.run(record=Record(measures=[kept_reward], draws=True))
    assert (run.rounds.query("member == 'a' or round == 0")["kept_reward"] == 0).all()
    assert (run.rounds.query("member == 'b' and round > 0")["kept_reward"] != 0).all()
    with pytest.raises(ValueError, match=r"the measure kept_reward watches 'spoken'.*drawn, chosen, trained"):
        Record(measures=[watching(spoken=len)(kept_reward)])


def test_flags_are_a_short_way_for_measures() -> None:
    from ecosystem.running.measures import choices, draws, sources, tastes

    flags = Record(draws=True, tastes=True, sources=True, choices=True)
    given = Record(measures=[choices, draws, sources, tastes])
    one, other = neural().run(record=flags), neural().run(record=given)
    for table in ("draws", "tastes", "sources", "choices", "rounds"):
        assert len(getattr(one, table)) and getattr(one, table).equals(getattr(other, table)), table


def test_what_is_written_into_the_table_of_one_variant_is_in_no_other() -> None:
    """Columns that all variants have are in memory once, until somebody writes to them."""
    s = Scenario("still", rounds=2, samples=4)
    s.add("a", Member(Location([1.0]), real=Location([0.0])))
    eco = Ecosystem([s, s], seeds=[3, 4])
    eco.run()
    first, other = eco.result(0).rounds, eco.result(1).rounds
    before = other.copy()
    for column in ("seed", "replicate", "round", "alignment", "change", "loss"):
        first.loc[0, column] = 7
    first.loc[0, "updated"] = True
    first["seed"] += 1
    first.iloc[:, 2] = 9
    pd.testing.assert_frame_equal(other, before)
    pd.testing.assert_frame_equal(eco.result(1).rounds, before)
    assert before["seed"].tolist() == [3, 3, 3, 4, 4, 4] and before["round"].tolist() == [0, 1, 2] * 2


def test_variants_have_rows_of_their_own() -> None:
    def first(view: View) -> pd.DataFrame:
        values = torch.stack([view.law(name).mean[..., 0] for name in view.names])
        return view.frame("value", values, member=view.names)

    def many(shift: float) -> Scenario:
        s = Scenario("many", rounds=1)
        s.add("a", Member(Location([shift]), real=Location([0.0])))
        return s

    eco = Ecosystem([many(1.0), many(2.0)], record=Record(measures=[first]))
    eco.run()
    assert [eco.result(v).first["value"].tolist() for v in (0, 1)] == [[1.0, 0.0], [2.0, 0.0]]

    def bare(view: View) -> pd.DataFrame:
        return pd.DataFrame({"value": [1.0]})

    with pytest.raises(ValueError, match=r"frame of the measure bare has no column 'variant', and there are 2"):
        Ecosystem([many(1.0), many(2.0)], record=Record(measures=[bare]))
    assert many(1.0).run(record=Record(measures=[bare])).bare["value"].tolist() == [1.0, 1.0]


def short(view: View) -> Tensor:
    return torch.zeros(1, 1, 1)


def failing(view: View) -> Tensor:
    raise KeyError("nothing")


def nested(view: View) -> pd.DataFrame:
    return pd.DataFrame({"value": [[1, 2]]})


def timed(view: View) -> pd.DataFrame:
    return pd.DataFrame({"round": [1]})


def wavering(view: View) -> Any:
    return pd.DataFrame({"value": [1]}) if view.round else view.alignment()


@pytest.mark.parametrize(
    ("measure", "error", "says"),
    [
        (
            short,
            ValueError,
            r"measure short returned shape \[1, 1, 1\].*\[members, variants, replicates\] = \[2, 1, 1\]",
        ),
        (lambda: 0, TypeError, "a column is named after its function, and '<lambda>' is no name; use def"),
        (failing, RuntimeError, "the measure failing failed in round 0 with KeyError: 'nothing'; mend it"),
        (nested, ValueError, "the column 'value' of the measure nested has type object; numbers and texts"),
        (timed, ValueError, "the frame of the measure timed has a column 'round', which the run adds itself"),
        (wavering, ValueError, "the measure wavering returned numbers in one round and a frame in another"),
        (3, TypeError, r"Record\(measures\) are functions of a View, got"),
    ],
)
def test_what_cannot_be_kept_is_refused_by_name(measure: Any, error: type, says: str) -> None:
    with pytest.raises((error, ValueError), match=says):
        closed().run(record=Record(measures=[measure]))


@pytest.mark.parametrize("name", ["alignment", "round", "members", "save", "draws"])
def test_names_that_a_run_has_already_are_refused(name: str) -> None:
    def mine(view: View) -> Tensor:
        return view.alignment()

    mine.__name__ = name
    with pytest.raises(ValueError, match=f"a run has a '{name}' already; give your function another __name__"):
        Record(measures=[mine])


def test_a_run_goes_on_with_its_measures(tmp_path: Path) -> None:
    def named(view: View) -> pd.DataFrame:
        values = view.frame("value", view.alignment(), member=view.names)
        return values.assign(said=pd.Categorical(["high" if x > 1 else "low" for x in values["value"]]))

    record = Record(measures=[entropy, distances, named], draws=True, choices=True)
    whole, folder = closed(20).run(record=record), Checkpoints(tmp_path / "saved")
    closed(20).replace(rounds=2).run(record=record, checkpoints=folder)
    again = closed(20).run(record=record, checkpoints=folder)
    for table in ("rounds", "distances", "named", "draws", "choices"):
        pd.testing.assert_frame_equal(getattr(again, table), getattr(whole, table), check_exact=True)
    with pytest.raises(ValueError, match="record measures"):
        closed(20).replace(rounds=5).run(record=Record(), checkpoints=folder)


# -- measured influence ------------------------------------------------------------------------------------------------


def loop() -> Scenario:
    s = Scenario("loop", rounds=60)
    s.add("a", Member(Location([0.0]), reward=Linear([1.0]), curator=Shift([1.0]), real=Location([0.0])))
    s.add("b", Member(Location([0.0]), real=Location([0.0])))
    s.connect("a", "a", Flow(curated=0.5))
    s.connect("a", "b", Flow(raw=0.5))
    return s


def test_influence_on_any_measure() -> None:
    """The mean is λ/(1 − λ): the distance to the data grows by 1/(1 − λ)² = 4, for the reader half of it."""

    def mean(view: View) -> Tensor:
        return torch.stack([view.law(name).mean[..., 0] for name in view.names])

    for measure, certain in ((data_distance, True), (mean, False)):
        table = measure_influence(loop(), measure=measure, delta=0.01).table
        assert table["effect"].tolist() == pytest.approx([4.0, 2.0], abs=0.01)
        assert table["target"].tolist() == ["a", "b"] and table["low"].notna().all() == certain
    with pytest.raises(ValueError, match=r"measure_influence\(measure\): distances returns a frame"):
        measure_influence(loop(), measure=distances)


def test_curators_are_watched_as_before() -> None:
    s = Scenario("seen", rounds=1, samples=40)
    s.add("a", Member(Location([0.0]), reward=Linear([1.0]), curator=Luce(4), real=Location([0.0])))
    s.connect("a", "a", Flow(curated=1.0))
    table = s.run(record=Record(choices=True)).choices
    assert (table["after"] >= table["before"] - 1).all() and len(table) == 21


# -- studies -----------------------------------------------------------------------------------------------------------


def study(
    measure: Any, record: Record | None = None, shares: Any = (0.1, 0.2, 0.3), seeds: int = 2, **how: Any
) -> Study:
    return Study("measured", pair, grid={"share": list(shares)}, seeds=seeds, measure=measure, record=record, **how)


def ends(run: Run) -> pd.DataFrame:
    last = run.rounds[run.rounds["round"] == run.rounds["round"].max()]
    return last[["seed", "replicate", "member", "alignment"]].assign(shape=str(run.settings["samples"]))


def told(scenario: Scenario) -> pd.DataFrame:
    return pd.DataFrame({"members": [len(scenario.names)]})


def spread(view: View) -> pd.DataFrame:
    return view.frame("value", view.alignment(), member=view.names)


@pytest.mark.parametrize("workers", [0, 1])
def test_studies_keep_measures_by_name_and_by_function(tmp_path: Path, workers: int) -> None:
    kept = study(["rounds", "entropy", "distances", "spread", total_variance], Record(measures=[spread, data_distance]))
    results = kept.run(tmp_path, workers=workers)
    columns = {"entropy", "total_variance", "data_distance"}
    assert columns < set(results.rounds) and np.isfinite(results.rounds[list(columns)]).all(axis=None)
    for table, run in (("distances", "distance"), ("spread", "value")):
        assert results[table].groupby("point").size().nunique() == 1 and np.isfinite(results[table][run]).all()
    assert "rounds" in study("effective_number").run(tmp_path / "other", workers=0).tables
    with pytest.raises(ValueError, match=r"no table 'nearness'.*columns of rounds \(entropy, effective_number"):
        study("nearness")


def played(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    rounds: list[int] = []
    step = Ecosystem.step
    monkeypatch.setattr(Ecosystem, "step", lambda eco: (rounds.append(1), step(eco))[1])
    return rounds


def test_a_measure_is_added_to_a_finished_study(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Every new measure was refused; now what can be made of kept tables is, and no round is played again."""
    first = run_here(study(["rounds"], block=2), tmp_path / "study")
    before = touched(tmp_path / "study")
    rounds = played(monkeypatch)
    more = ["rounds", ends, of_scenario(told), "stable_point", "members"]
    results = run_here(study(more, block=2), tmp_path / "study")
    assert not rounds
    after = touched(tmp_path / "study")
    changed = {name for name in before if after[name] != before[name]}
    assert changed <= {"study.json", "points.parquet", "manifest.jsonl"}
    whole = run_here(study(more, block=2), tmp_path / "whole")
    assert_same(results, whole)
    pd.testing.assert_frame_equal(results.rounds, first.rounds, check_exact=True)
    grown = run_here(study(more, block=2, shares=(0.1, 0.2, 0.3, 0.4), seeds=3), tmp_path / "study")
    assert_same_values(grown, run_here(study(more, shares=(0.1, 0.2, 0.3, 0.4), seeds=3), tmp_path / "all"))
    assert stable_point(pair(0.3)).alignment.tolist() == pytest.approx(
        results.stable_point.query("point == 2")["alignment"].tolist()
    )


def test_a_measure_is_added_to_half_a_study(tmp_path: Path) -> None:
    asked = iter(range(99))
    run_here(study(["rounds"], block=1), tmp_path / "study", stop=lambda: next(asked) >= 2)
    results = run_here(study(["rounds", ends], block=1), tmp_path / "study")
    assert_same(results, run_here(study(["rounds", ends], block=1), tmp_path / "whole"))


def drawn(run: Run) -> pd.DataFrame:
    return run.draws


def parameters(run: Run) -> pd.DataFrame:
    return pd.DataFrame({"mean": [float(run.parameters["a"]["mean"][0, 0])]})


@pytest.mark.parametrize(
    ("measure", "says"),
    [
        (drawn, r"the measure 'drawn' is new and cannot be made of what .* has kept: it reads run\.draws, which"),
        (parameters, r"the measure 'parameters' is new.*run\.parameters.*choose another folder"),
        ("changes", r"the measure 'changes' is new.*it reads run\.changes"),
        ("draws", r"the measure 'draws' is new; record: draws False → True; choose another folder"),
    ],
)
def test_what_kept_tables_do_not_tell_is_refused_by_name(tmp_path: Path, measure: Any, says: str) -> None:
    first = run_here(study(["rounds"]), tmp_path)
    before = (tmp_path / "study.json").read_bytes()
    with pytest.raises(StudyFolderError, match=says):
        run_here(study(["rounds", measure]), tmp_path)
    assert (tmp_path / "study.json").read_bytes() == before
    assert_same(run_here(study(["rounds"]), tmp_path), first)


def broken(run: Run) -> pd.DataFrame:
    if run.settings["point"] == 1:
        raise ArithmeticError("no")
    return ends(run)


def test_what_fails_in_a_measure_that_is_added_is_data(tmp_path: Path) -> None:
    """Broken off while the second block is written, and run again: each failure is there once."""
    run_here(study(["rounds"], block=1), tmp_path / "study")
    more = study(["rounds", broken], block=1)
    assert killed_after("000002.parquet", more, tmp_path / "study")
    assert "broken" not in Study.load(tmp_path / "study").tables
    results = run_here(more, tmp_path / "study")
    whole = run_here(study(["rounds", broken], block=1), tmp_path / "whole")
    columns = ["point", "kind", "error"]
    pd.testing.assert_frame_equal(results.failures[columns], whole.failures[columns])
    assert (tmp_path / "study" / results.failures["traceback"][0]).read_text().endswith("ArithmeticError: no\n")
    pd.testing.assert_frame_equal(results.broken, whole.broken, check_exact=True)


def test_points_that_are_not_in_the_grid_are_named_when_a_measure_is_added(tmp_path: Path) -> None:
    run_here(study(["rounds"]), tmp_path)
    with pytest.raises(StudyFolderError, match=r"'ends' is new, and .* not in this grid.*give the whole grid"):
        run_here(study(["rounds", ends], shares=(0.1, 0.2)), tmp_path)


# -- the report --------------------------------------------------------------------------------------------------------


def test_a_column_that_was_measured_is_a_curve_of_the_report(tmp_path: Path) -> None:
    run = closed(20).run(replicates=3, record=Record(measures=[entropy, effective_number, data_distance]))
    page = write_report(run, tmp_path / "report.html").read_text()
    assert 'id="measured-data_distance"' in page and "What the measure data distance says of each member." in page
    assert 'id="measured-entropy"' in page and "effective_number-chart" not in page  # which has no numbers here
    assert "measured-" not in write_report(closed(20).run(), tmp_path / "plain.html").read_text()
