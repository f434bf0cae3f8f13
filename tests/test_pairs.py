"""Conditional generators: pairs of input and output on their way through flows, choices, retention and tables."""

from __future__ import annotations

import math

import numpy as np
import pandas as pd
import pytest
import torch
from torch import Tensor, nn

from ecosystem import (
    BestOf,
    Blind,
    ConditionalModel,
    Crowd,
    Ecosystem,
    Flow,
    FlowMatching,
    GenerativeModel,
    Linear,
    LinearMap,
    Location,
    Luce,
    Member,
    OfPairs,
    Pairs,
    Record,
    Run,
    Scenario,
    Shift,
    Stream,
    Tilt,
    TopFraction,
    Training,
    Users,
    replace,
    shuffled,
    subsample,
    window,
)
from ecosystem.core.samples import TrainingSet, blank, concatenated, filled, folded, outputs, preferred
from ecosystem.engine import judging
from ecosystem.rewards import Custom, WeightedSum, negated

RNG = Stream.root([(0, 0)])[0]


class Echo(ConditionalModel):
    """Answers ``10·input + offset + u`` with ``u`` uniform in (0, 1): what an output says tells its input and luck."""

    event_shape = (1,)
    input_shape = ()

    def __init__(self, offset: float = 0.0, prompts: Tensor | None = None) -> None:
        super().__init__()
        self.offset = nn.Parameter(torch.tensor(offset, dtype=torch.float64))
        self.prompts = prompts
        self.given: list[Pairs] = []

    def respond(self, inputs: Tensor, rng: Stream) -> Tensor:
        return 10.0 * inputs.unsqueeze(-1) + self.offset + rng.uniform(len(inputs), 1)

    def fit(self, data: Pairs, rng: Stream) -> None:
        self.given.append(data)


def luck(pairs: Pairs, offset: float = 0.0) -> Tensor:
    """The ``u`` of each pair."""
    return pairs.outputs[:, 0] - 10.0 * pairs.inputs - offset


def real(first: int, count: int = 5) -> Pairs:
    """Real pairs, whose ``u`` is exactly ½: they can be told from what models answer."""
    inputs = torch.arange(first, first + count)
    return Pairs(inputs, 10.0 * inputs.double().unsqueeze(-1) + 0.5)


TASTE = OfPairs(lambda x: x.outputs[..., 0] - 10.0 * x.inputs).named("luck")


def duo(*, curator=None, samples: int = 400, raw: float = 0.0, curated: float = 0.5, **member) -> Scenario:
    """``b`` trains on real data and on what ``a`` answers; their inputs are 0–4 and 100–104."""
    s = Scenario("duo", rounds=3, samples=samples)
    curator = curator or BestOf(4)
    s.add("a", Member(Echo(), real=real(0), reward=TASTE, curator=curator))
    s.add("b", Member(Echo(), real=real(100), reward=TASTE, **member))
    s.connect("a", "b", Flow(raw=raw, curated=curated))
    return s


def given(eco: Ecosystem, name: str) -> Pairs:
    """What a member was trained on last."""
    return eco[name].generator.given[-1]


# -- the container -----------------------------------------------------------------------------------------------------


def test_pairs_act_on_both_parts() -> None:
    x = Pairs([1, 2, 3], torch.arange(6.0).reshape(3, 2))
    assert len(x) == 3 and x.shape == (3, 2) and x.ndim == 2 and x.dtype == torch.float32 and x.input_shape == ()
    assert x[1:].inputs.tolist() == [2, 3] and x[1:].outputs.tolist() == [[2.0, 3.0], [4.0, 5.0]]
    assert x[torch.tensor([2, 0])].inputs.tolist() == [3, 1]
    grid = folded(concatenated([x, x]), 2, 3)
    assert isinstance(grid, Pairs) and grid.batch_shape == (2, 3) and grid[1, 2].inputs.tolist() == 3
    assert grid[0].batch_shape == (3,) and grid[0].outputs.tolist() == x.outputs.tolist()
    y = x.clone()
    y[0] = x[2]
    assert y.inputs.tolist() == [3, 2, 3] and x.inputs.tolist() == [1, 2, 3]
    assert blank(x, 4, 2).shape == (4, 2, 2) and outputs(x) is x.outputs and outputs(x.outputs) is x.outputs
    chosen = preferred(torch.tensor([True, False, True]), x, x[torch.tensor([2, 2, 2])])
    assert isinstance(chosen, Pairs) and chosen.inputs.tolist() == [1, 3, 3]
    assert repr(x) == "Pairs(inputs (3,), outputs (3, 2))"


def test_pairs_that_do_not_pair_are_refused() -> None:
    with pytest.raises(ValueError, match=r"must pair them one to one, got \(2,\) inputs and \(3, 1\) outputs"):
        Pairs([1, 2], torch.zeros(3, 1))


def test_what_is_filled_in_keeps_every_digit() -> None:
    out = filled(None, 3, torch.tensor([0, 2]), Pairs([1, 2], torch.ones(2, 1)))
    out = filled(out, 3, torch.tensor([1]), Pairs([7], torch.full((1, 1), 1 / 3, dtype=torch.float64)))
    assert isinstance(out, Pairs) and out.dtype == torch.float64
    assert out.inputs.tolist() == [1, 7, 2] and out.outputs[1].item() == 1 / 3


# -- flows and choices -------------------------------------------------------------------------------------------------


def test_candidates_of_a_pair_share_its_input_and_the_best_is_kept() -> None:
    """The largest of four uniforms has mean 4/5, whatever the input is; nothing else may be compared."""
    eco = Ecosystem(duo(samples=2000))
    eco.step()
    answered = given(eco, "b")
    answered = answered[answered.inputs < 100]
    u = luck(answered)
    assert 900 < len(u) < 1100 and bool(((u > 0) & (u < 1)).all())
    assert u.mean().item() == pytest.approx(0.8, abs=4 * math.sqrt(0.8 * 0.2 / 6 / len(u)))
    counts = torch.bincount(answered.inputs, minlength=5)  # prompts of a: its real inputs, uniformly
    assert counts.min() > 140 and counts.max() < 260


@pytest.mark.parametrize(
    "curator", [Luce(3, temperature=0.1), Crowd((BestOf(2), Blind())), TopFraction(0.5), Shift([0.0])]
)
def test_whoever_chooses_keeps_pairs_together(curator) -> None:
    eco = Ecosystem(duo(curator=curator))
    eco.step()
    u = luck(given(eco, "b"))
    assert bool(((u > 0) & (u < 1)).all())


def test_a_quota_ranks_pairs_across_inputs() -> None:
    """The better half of twice as many uniforms: all above ½ up to sampling error, mean ¾."""
    eco = Ecosystem(duo(curator=TopFraction(0.5), samples=2000))
    eco.step()
    u = luck(given(eco, "b")[given(eco, "b").inputs < 100])
    assert u.min() > 0.4 and u.mean().item() == pytest.approx(0.75, abs=0.02)


def test_the_raw_answer_is_the_first_candidate() -> None:
    """Blind users keep candidate 0: the same numbers as a raw flow of the same share."""
    blind, raw = Ecosystem(duo(curator=BestOf(1))), Ecosystem(duo(curator=BestOf(4)))
    blind.step(), raw.step()
    one, two = given(blind, "b"), given(raw, "b")
    assert torch.equal(one.inputs, two.inputs) and bool((two.outputs >= one.outputs).all())


def test_raising_the_level_changes_no_other_input() -> None:
    """Common random numbers reach the inputs: samples that stay in their part of the diet keep their input."""
    low, high = (Ecosystem(duo(curated=share, samples=2000)) for share in (0.48, 0.52))
    low.step(), high.step()
    moved = (given(low, "b").inputs != given(high, "b").inputs).double().mean()
    assert 0.02 < moved < 0.06


def test_prompts_are_the_inputs_of_the_producers_last_training_set() -> None:
    """``b`` first answers its real inputs; once it has read ``a``, it is asked what it was trained on."""
    s = duo(samples=300)
    s.add("c", Member(Echo(), real=real(1000)))
    s.connect("b", "c", Flow(raw=1.0))
    eco = Ecosystem(s)
    eco.step()
    assert bool((given(eco, "c").inputs >= 100).all())  # b had not been trained when the round began
    before = given(eco, "b").inputs
    assert torch.equal(eco["b"].generator.prompts, before)
    eco.step()
    asked = given(eco, "c").inputs
    assert 0.4 < float((asked < 100).double().mean()) < 0.6 and set(asked.tolist()) <= set(before.tolist())


def test_prompts_given_to_a_generator_come_before_real_inputs() -> None:
    s = duo()
    s.add("c", Member(Echo(prompts=torch.tensor([7])), reward=TASTE))
    s.connect("c", "c", Flow(raw=1.0))
    eco = Ecosystem(s)
    eco.step()
    assert given(eco, "c").inputs.unique().tolist() == [7]


def test_a_transform_sees_pairs() -> None:
    """An unconditional reader takes the outputs; a translator may change both."""
    s = duo()
    s.add("points", Member(Location([0.0]), real=torch.zeros(4, 1, dtype=torch.float64)))
    s.connect("a", "points", Flow(raw=0.5, transform=lambda pairs: pairs.outputs))
    s.add("late", Member(Echo(), real=real(0)))
    s.connect("a", "late", Flow(raw=0.5, transform=lambda pairs: Pairs(pairs.inputs + 50, pairs.outputs + 500)))
    eco = Ecosystem(s)
    eco.step()
    assert eco["points"].generator.mean.item() == pytest.approx(0.5 * 20.5, rel=0.15)
    late = given(eco, "late")
    assert set(late.inputs.tolist()) <= {*range(5), *range(50, 55)} and bool(
        ((luck(late) > 0) & (luck(late) < 1)).all()
    )


def test_who_is_two_hops_away_learns_nothing_in_the_first_round() -> None:
    """The light cone holds for prompts: what ``a`` has read reaches ``c`` through ``b`` in the second round."""
    seen = {}
    for first in (0, 50):
        s = duo(samples=100)
        s = Scenario("line", rounds=2, samples=100)
        for name, start in (("a", first), ("b", 100), ("c", 200)):
            s.add(name, Member(Echo(), real=real(start), reward=TASTE, curator=BestOf(2)))
        s.connect("a", "b", Flow(curated=0.5))
        s.connect("b", "c", Flow(curated=0.5))
        eco = Ecosystem(s)
        eco.step()
        one = given(eco, "c")
        eco.step()
        seen[first] = (one, given(eco, "c"))
    assert torch.equal(seen[0][0].outputs, seen[50][0].outputs)
    assert not torch.equal(seen[0][1].inputs, seen[50][1].inputs)


# -- judging -----------------------------------------------------------------------------------------------------------


def test_users_judge_by_the_questions_of_their_own() -> None:
    """``E r`` over held-out questions; the judge's in the table of tastes."""
    score = Custom(lambda x: x[..., 0])
    s = Scenario("judged", rounds=1, samples=10)
    s.add("a", Member(Echo(), real=real(0), reward=score, asked=torch.tensor([30])))
    s.add("b", Member(Echo(offset=2.0), real=real(100, 1), reward=score))
    run = s.run(record=Record(tastes=True, judged=200))
    alignment = run.rounds.query("round == 0").set_index("member")["alignment"]
    assert alignment["a"] == pytest.approx(300.5, abs=0.1) and alignment["b"] == pytest.approx(1002.5, abs=0.1)
    taste = run.tastes.query("round == 1").set_index(["member", "judge"])["reward"]
    assert taste["b", "a"] == pytest.approx(302.5, abs=0.1) and taste["a", "b"] == pytest.approx(1000.5, abs=0.1)


def test_rewards_look_at_outputs_unless_they_ask_for_pairs() -> None:
    x = Pairs([1, 2], torch.tensor([[10.5], [21.0]], dtype=torch.float64))
    assert Linear([2.0]).judge(x).tolist() == [21.0, 42.0]
    assert TASTE.judge(x).tolist() == [0.5, 1.0]
    with pytest.raises(TypeError, match="luck judges pairs of input and output, these samples have no inputs"):
        TASTE.judge(torch.zeros(2, 1))


def test_the_opposite_of_a_taste_looks_at_the_same() -> None:
    x = Pairs([1, 2], torch.tensor([[10.5], [21.0]], dtype=torch.float64))
    assert negated(TASTE).judge(x).tolist() == [-0.5, -1.0] and str(negated(TASTE)) == "opposite of luck"
    eco = Ecosystem(duo(curator=Crowd.adversarial(BestOf(4), 0.999999), samples=1000))
    eco.step()
    u = luck(given(eco, "b")[given(eco, "b").inputs < 100])
    assert u.mean().item() == pytest.approx(0.2, abs=0.03)


def test_a_reward_is_shown_one_batch_dimension_wherever_it_judges() -> None:
    """So a classifier, with weights that could be trained, will do."""
    seen: list[tuple[int, ...]] = []
    layer = nn.Linear(1, 1, dtype=torch.float64)

    def network(x: Tensor) -> Tensor:
        seen.append(tuple(x.shape))
        return layer(x).flatten(1).mean(1)

    s = duo(samples=20)
    s.add("c", Member(Echo(), real=real(0), reward=network, curator=BestOf(2)))
    s.connect("c", "c", Flow(curated=0.5))
    both = WeightedSum([network, OfPairs(lambda x: network(x.outputs))], [1.0, 2.0])
    s.add("d", Member(Echo(), real=real(0), reward=both, curator=Crowd.adversarial(BestOf(2), 0.5)))
    s.connect("d", "d", Flow(curated=0.5))
    run = s.run(replicates=2, record=Record(judged=7, sources=True, choices=True))
    assert {len(shape) for shape in seen} == {2} and (14, 1) in seen
    assert run.rounds["alignment"].notna().all()


def test_a_reward_that_is_no_number_is_heard_of() -> None:
    s = Scenario("nan", rounds=1, samples=5)
    s.add("a", Member(Echo(), real=real(0), reward=lambda x: x[..., 0] * math.nan))
    with pytest.warns(
        RuntimeWarning, match="is NaN or infinite for finite samples; alignments are NaN or infinite there"
    ):
        s.run()


def test_tastes_of_one_name_are_told_apart() -> None:
    s = Scenario("names", rounds=1, samples=5)
    for name, sign in (("a", 1.0), ("b", -1.0)):
        s.add(name, Member(Echo(), real=real(0), reward=lambda x, sign=sign: sign * x[..., 0]))
    s.add("c", Member(Echo(), real=real(0), reward=TASTE))
    assert s.describe()["members"]["reward"].tolist() == ["<lambda> (1)", "<lambda> (2)", "luck"]


# -- where data came from ----------------------------------------------------------------------------------------------


def test_every_sample_knows_its_source() -> None:
    eco = Ecosystem(duo(raw=0.2, curated=0.3))
    gathered = eco["b"].gather()
    assert isinstance(gathered, TrainingSet)
    data, origin = gathered.data[0, 0, 0], gathered.origin[0, 0, 0]
    labels = [{-2: "real", 0: "a", 1: "a (curated)"}[i] for i in origin.tolist()]
    u = luck(data)
    for label, pair_input, chance in zip(labels, data.inputs.tolist(), u.tolist(), strict=True):
        assert (label == "real") == (pair_input >= 100) == (chance == 0.5)
    assert {*labels} == {"real", "a", "a (curated)"} and gathered.round.unique().tolist() == [1]


@pytest.mark.parametrize("retention", [window(2), subsample(100)])
def test_sources_are_a_table(retention) -> None:
    """Counts and rewards of each part, by the round in which it was drawn; real data have luck ½ exactly."""
    s = duo(raw=0.2, curated=0.3, samples=200, retention=retention)
    eco = Ecosystem(s, seeds=[0, 1], record=Record(sources=True, draws=True))
    eco.run()
    run = eco.result()
    table = run.sources.query("member == 'b'")
    assert list(run.sources.columns) == [
        "seed", "replicate", "round", "member", "source", "curated", "born", "count", "reward", "deviation",
    ]  # fmt: skip
    sizes = table.groupby(["seed", "round"])["count"].sum()
    expected = {1: 200, 2: 400, 3: 400} if retention == window(2) else {1: 100, 2: 100, 3: 100}
    assert sizes.to_dict() == {(seed, r): n for seed in (0, 1) for r, n in expected.items()}
    truth = table.query("source == 'real'")
    assert (truth["reward"] == 0.5).all() and (truth["deviation"] == 0).all() and not truth["curated"].any()
    assert table.query("curated")["reward"].mean() == pytest.approx(0.8, abs=0.03)
    assert table.query("source == 'a' and not curated")["reward"].mean() == pytest.approx(0.5, abs=0.05)
    assert set(table.query("round == 3")["born"]) == ({2, 3} if retention == window(2) else {1, 2, 3})
    if retention == window(2):  # the newest part is what was drawn
        newest = table.query("born == round").set_index(["seed", "round", "source", "curated"])["count"]
        drawn = run.draws.query("member == 'b'")
        pd.testing.assert_series_equal(
            newest.sort_index(), drawn.set_index(newest.index.names)["count"].sort_index(), check_names=False
        )


def test_a_curator_that_changes_on_the_way_moves_no_earlier_row() -> None:
    from ecosystem import ModelAgent

    class Restless(ModelAgent):
        def decide(self) -> None:
            if self.model.steps == 3:
                self.set_curator(BestOf(8), where=self.alignment > -99)

    def tables(agent) -> list[pd.DataFrame]:
        run = duo(raw=0.2, curated=0.3, samples=50, retention=window(3), agent=agent).run(
            record=Record(sources=True, choices=True)
        )
        return [run.sources, run.choices]

    for calm, restless in zip(tables(None), tables(Restless), strict=True):
        keys = [name for name in ("round", "source", "member", "curated", "born", "count") if name in calm]
        early = [table.query("round < 3").reset_index(drop=True) for table in (calm, restless)]
        pd.testing.assert_frame_equal(*early)
        assert (
            restless.query("round == 3")[keys].to_numpy().tolist() == calm.query("round == 3")[keys].to_numpy().tolist()
        )


def test_data_that_an_agent_brings_are_its_own() -> None:
    from ecosystem import ModelAgent

    class Collector(ModelAgent):
        def gather(self):
            return torch.ones(1, 1, 1, 8, 2)

    s = Scenario("own", rounds=1, samples=8)
    s.add("a", Member(FlowMatching(2, hidden=4), real=torch.zeros(3, 2), reward=Linear([1.0, 0.0]), agent=Collector))
    run = s.run(record=Record(sources=True))
    assert run.sources[["source", "count", "reward"]].to_numpy().tolist() == [["own", 8, 1.0]]


def test_choices_are_a_table_of_quantiles() -> None:
    """Uniform luck before, the best of four after: medians ½ and ½^¼."""
    run = duo(samples=4000).run(replicates=2, record=Record(choices=True))
    assert list(run.choices.columns) == [
        "seed",
        "replicate",
        "round",
        "source",
        "target",
        "quantile",
        "before",
        "after",
    ]
    assert set(map(tuple, run.choices[["source", "target"]].to_numpy())) == {("a", "b")}
    at = run.choices.groupby("quantile")[["before", "after"]].mean()
    np.testing.assert_allclose(at["before"], at.index, atol=0.02)
    np.testing.assert_allclose(at["after"][1:], at.index.to_numpy()[1:] ** 0.25, atol=0.02)
    assert len(run.choices) == 2 * 3 * 21
    blind = duo(curator=Luce(1)).run(record=Record(choices=True)).choices
    assert (blind["before"] == blind["after"]).all()


def test_choices_of_who_did_not_retrain_are_left_out() -> None:
    """In a random clock some replicates are due and others not; the table has rows for the former alone."""
    from ecosystem import poisson

    run = duo(schedule=poisson(0.5), samples=50).run(replicates=6, record=Record(choices=True))
    due = run.rounds.query("member == 'b' and updated")[["replicate", "round"]]
    assert 0 < len(due) < 18
    chosen = run.choices[["replicate", "round"]].drop_duplicates()
    assert set(map(tuple, chosen.to_numpy())) == set(map(tuple, due.to_numpy()))


def test_closed_forms_have_choices_too() -> None:
    s = Scenario("points", rounds=2, samples=3000)
    s.add("a", Member(Location([0.0], scale=1.0), reward=Linear([1.0]), curator=BestOf(2), real=torch.zeros(2, 1)))
    s.connect("a", "a", Flow(curated=0.5))
    at = s.run(record=Record(choices=True)).choices.query("round == 1").set_index("quantile")
    assert at.loc[0.5, "before"] == pytest.approx(0.0, abs=0.12)
    assert at.loc[0.5, "after"] == pytest.approx(0.545, abs=0.12)  # Φ⁻¹(√½)


class Numbers(GenerativeModel):
    """Whole numbers or tenths: it notes the type of what it is given."""

    event_shape = (2,)

    def __init__(self, whole: bool) -> None:
        super().__init__()
        self.whole = whole
        self.mean = nn.Parameter(torch.zeros(2))
        self.given: list[Tensor] = []

    def sample(self, n: int, rng: Stream) -> Tensor:
        x = 3.3 * rng.uniform(n, 2, dtype=torch.float32)
        return x.long() if self.whole else x

    def fit(self, data: Tensor, rng: Stream) -> None:
        self.given.append(data)


def test_a_type_does_not_leak_from_one_training_set_into_another() -> None:
    """``v`` reads real tenths alone; that ``w``, of its kind, reads whole numbers is none of its business."""
    seen = {}
    for company in (False, True):
        s = Scenario("types", rounds=1, samples=6)
        s.add("whole", Member(Numbers(True), real=torch.rand(4, 2)))
        for name in ("w", "v") if company else ("v",):
            s.add(name, Member(Numbers(False), real=torch.tensor([[0.25, 0.75]])))
        if company:
            s.connect("whole", "w", Flow(raw=1.0))
        eco = Ecosystem(s)
        eco.step()
        seen[company] = eco["v"].generator.given[0]
        if company:
            assert not eco["w"].generator.given[0].is_floating_point()
    assert seen[True].dtype == seen[False].dtype and torch.equal(seen[True], seen[False])
    assert seen[True].tolist() == [[0.25, 0.75]] * 6


def test_mixed_types_are_held_by_one_that_holds_both() -> None:
    s = Scenario("mixed", rounds=1, samples=40)
    s.add("whole", Member(Numbers(True)))
    s.connect("whole", "whole", Flow(raw=1.0))
    s.add("v", Member(Numbers(False), real=torch.tensor([[0.25, 0.75]])))
    s.connect("whole", "v", Flow(raw=0.5))
    eco = Ecosystem(s)
    gathered = eco["v"].gather()
    eco.step()
    data = eco["v"].generator.given[0]
    real_rows = (data == torch.tensor([0.25, 0.75])).all(1)
    assert 10 < int(real_rows.sum()) < 30 and bool((data[~real_rows] == data[~real_rows].round()).all())
    assert torch.equal(gathered.data[0, 0, 0], data)


def test_models_train_in_training_mode_and_sample_in_evaluation_mode() -> None:
    class Moody(Numbers):
        def __init__(self) -> None:
            super().__init__(False)
            self.modes: list[tuple[str, bool]] = []
            self.training_plan = Training(2, 4)

        def sample(self, n: int, rng: Stream) -> Tensor:
            assert not self.training
            return super().sample(n, rng)

        def loss(self, batch: Tensor, rng: Stream) -> Tensor:
            assert self.training
            return ((batch - self.mean) ** 2).mean()

        def fit(self, data: Tensor, rng: Stream) -> float | None:
            return GenerativeModel.fit(self, data, rng)

    model = Moody()
    model.eval()
    s = Scenario("moody", rounds=2, samples=8)
    s.add("a", Member(model, real=torch.rand(4, 2), reward=Linear([1.0, 0.0])))
    s.connect("a", "a", Flow(raw=0.5))
    assert s.run(record=Record(samples=2)).rounds["loss"].notna().sum() == 2
    assert not model.training  # the description's own stays as it was


def test_only_who_remembers_keeps_data() -> None:
    for retention, kept in ((window(2), 2), (window(1), 1), (replace(), 0)):
        eco = Ecosystem(duo(samples=10, retention=retention))
        eco.run()
        (memory,) = [m for m in eco.state.memories if m] or [{}]
        mine = [sets for key, sets in memory.items() if key[0] == eco["b"].row]
        assert sum(map(len, mine)) == kept


def test_tastes_of_parts_are_the_consumers_own() -> None:
    """Two members and two variants of one cohort, each with a taste of its own."""

    def build(scale: float) -> Scenario:
        s = Scenario("tastes", rounds=1, samples=6)
        for name, weight in (("a", 1.0), ("b", 10.0)):
            data = torch.ones(2, 2)
            s.add(name, Member(Numbers(False), real=data, reward=Linear([scale * weight, 0.0])))
        return s

    eco = Ecosystem([build(1.0), build(2.0)], seeds=[0, 1], record=Record(sources=True))
    eco.run()
    for variant, scale in enumerate((1.0, 2.0)):
        rewards = eco.result(variant).sources.set_index(["seed", "member"])["reward"]
        assert rewards.to_dict() == {(0, "a"): scale, (0, "b"): 10 * scale, (1, "a"): scale, (1, "b"): 10 * scale}


def test_tables_of_replicates_in_random_order_are_those_of_each_alone() -> None:
    s = duo(raw=0.2, curated=0.3, samples=40).replace(ordering=shuffled)
    record = Record(sources=True, choices=True)
    eco = Ecosystem(s, seeds=[(0, r) for r in range(4)], record=record)
    eco.run()
    together = eco.result()
    for replicate in range(4):
        alone = Ecosystem(s, seeds=[(0, replicate)], record=record)
        alone.run()
        for name in ("sources", "choices"):
            mine = getattr(together, name).query("replicate == @replicate").reset_index(drop=True)
            order = list(mine.columns)
            pd.testing.assert_frame_equal(
                mine.sort_values(order, ignore_index=True),
                getattr(alone.result(), name).sort_values(order, ignore_index=True),
            )


def test_consumers_choose_after_the_transform_and_so_are_their_choices_told() -> None:
    s = Scenario("after", rounds=1, samples=2000)
    s.add("a", Member(Echo(), real=real(0)))
    luckier = lambda pairs: Pairs(pairs.inputs, pairs.outputs + 5.0)  # noqa: E731
    s.add("b", Member(Echo(), real=real(100), reward=TASTE, curator=BestOf(2)))
    s.connect("a", "b", Flow(curated=0.9, chosen_by="consumer", transform=luckier))
    at = s.run(record=Record(choices=True)).choices.set_index("quantile")
    assert at.loc[0.5, "before"] == pytest.approx(5.5, abs=0.05)
    assert at.loc[0.5, "after"] == pytest.approx(5.0 + 0.5**0.5, abs=0.05)


def test_what_is_shown_is_asked_by_the_members_users(monkeypatch) -> None:
    """Kept samples answer held-out questions, and the cut of many members into steps moves nobody's."""
    monkeypatch.setattr(judging, "_NUMBERS", 1)
    score = Custom(lambda x: x[..., 0])
    s = Scenario("shown", rounds=1, samples=10)
    for name, question in (("a", 30), ("b", 50)):
        s.add(name, Member(Echo(), real=real(0), reward=score, asked=torch.tensor([question])))
    run = s.run(record=Record(samples=4, judged=50))
    assert run.inputs["a"][1].tolist() == [30] * 4 and run.inputs["b"][0].tolist() == [50] * 4
    assert torch.equal(run.samples["a"][0], run.samples["a"][1])  # the same luck in every round
    ends = run.rounds.query("round == 1").set_index("member")["alignment"]
    assert ends["a"] == pytest.approx(300.5, abs=0.2) and ends["b"] == pytest.approx(500.5, abs=0.2)


def test_a_new_model_is_asked_what_the_old_one_was() -> None:
    eco = Ecosystem(duo())
    eco.step()
    before = eco["a"].generator.prompts
    eco["a"].generator = Echo(offset=1.0)
    assert torch.equal(eco["a"].generator.prompts, before)
    eco.step()
    answered = given(eco, "b")
    assert bool((luck(answered[answered.inputs < 100], 1.0) > 0).all())


# -- results -----------------------------------------------------------------------------------------------------------


class Speaker(Echo):
    def texts(self, x: Pairs) -> list[tuple[str, str]]:
        return [(f"ask {i}", f"say {o:.3f}") for i, o in zip(x.inputs.tolist(), x.outputs[:, 0].tolist(), strict=True)]


def test_samples_are_kept_with_inputs_and_as_text(tmp_path) -> None:
    s = Scenario("said", rounds=2, samples=10)
    s.add("a", Member(Speaker(), real=real(0), reward=TASTE))
    s.add("points", Member(Location([0.0]), real=torch.zeros(1, 1)))
    run = s.run(record=Record(samples=3, sample_rounds=[0, 2], sources=True, choices=True))
    assert set(run.inputs) == {"a"} and run.inputs["a"][2].shape == (3,) and run.samples["a"][2].shape == (3, 1)
    assert len(run.texts) == 6 and run.texts["input"].tolist()[:3] == [f"ask {i}" for i in run.inputs["a"][0].tolist()]
    back = Run.load(run.save(tmp_path / "run"))
    assert torch.equal(back.inputs["a"][2], run.inputs["a"][2]) and set(back.inputs) == {"a"}
    for name in ("texts", "sources", "choices"):
        pd.testing.assert_frame_equal(getattr(back, name), getattr(run, name), check_dtype=False)
    for name in ("texts", "sources", "choices"):  # a run from before there were such tables, or manifests
        (tmp_path / "run" / f"{name}.parquet").unlink()
    (tmp_path / "run" / "inputs.safetensors").unlink()
    old = Run.load(tmp_path / "run", check=False)
    assert old.texts.empty and old.sources.empty and old.inputs == {}


# -- refusals ----------------------------------------------------------------------------------------------------------


def test_running_out_of_memory_names_what_to_lower() -> None:
    class Hungry(Echo):
        memory_arguments = "Hungry(appetite=...)"

        def fit(self, data: Pairs, rng: Stream) -> None:
            raise torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 2 TiB")

    class Starved(Echo):
        def respond(self, inputs: Tensor, rng: Stream) -> Tensor:
            if len(inputs) > 3:
                raise RuntimeError("[enforce fail at alloc_cpu.cpp] DefaultCPUAllocator: not enough memory: you tried")
            return super().respond(inputs, rng)

    s = Scenario("hungry", rounds=1, samples=10)
    s.add("a", Member(Hungry(), real=real(0)))
    with pytest.raises(RuntimeError, match=r"member 'a' failed to train in round 1: Hungry ran out of memory while tr"):
        s.run()
    with pytest.raises(RuntimeError, match=r"on cpu; give it smaller batches: Hungry\(appetite=...\)"):
        s.run()
    s = Scenario("starved", rounds=1, samples=10)
    s.add("a", Member(Starved(), real=real(0)))
    s.connect("a", "a", Flow(raw=0.9))
    with pytest.raises(RuntimeError, match=r"ran out of memory while sampling .*Training\(batch_size=...\)"):
        s.run()


@pytest.mark.parametrize(
    ("member", "message"),
    [
        (lambda: Member(Echo(), real=torch.zeros(3, 1)), r"real data of 'x' have no inputs, .*give it pairs"),
        (lambda: Member(Location([0.0]), real=real(0)), "real data of 'x' have inputs of shape .*answers no inputs"),
        (lambda: Member(Echo()), r"the generator of 'x' answers inputs of shape \(\) and has been given"),
        (lambda: Member(Echo(prompts=torch.zeros(0))), r"the prompts of 'x' must be .* with m ≥ 1, got shape \(0,\)"),
        (lambda: Member(Echo(), real=real(0), asked=torch.zeros(2, 2)), r"the asked of 'x' must be .*\(2, 2\)"),
        (lambda: Member(FlowMatching(2), asked=torch.zeros(2)), r"Member\(asked\) of 'x': its generator takes"),
        (lambda: Member(Echo(), real=Pairs([1], torch.zeros(1, 3))), "have samples of shape"),
    ],
)  # fmt: skip
def test_members_whose_inputs_do_not_fit_are_refused(member, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        Scenario("bad", rounds=1, samples=3).add("x", member())


def test_real_data_that_do_not_suit_a_model_are_refused() -> None:
    class Careful(Echo):
        def validate(self, data: Pairs) -> None:
            if float(data.outputs.max()) > 1:
                raise ValueError("too bright")

    for member, message in (
        (lambda: Member(Careful(), real=lambda n, rng: real(5)[: n]), "the real data of 'x': too bright"),
        (lambda: Member(Echo(prompts=torch.ones(1)), real=lambda n, rng: torch.zeros(n, 1)), "come as Tensor; its gen"),
        (lambda: Member(Echo(), real=Pairs([1, 2], torch.tensor([[1.0], [math.nan]]))), "infinite outputs in 1 of 2"),
        (lambda: Member(Echo(), real=Pairs(torch.zeros(0), torch.zeros(0, 1))), "are empty; give Pairs"),
    ):  # fmt: skip
        generator = member()
        if generator.generator.prompts is None:
            generator.generator.prompts = torch.ones(1)
        with pytest.raises(ValueError, match=message):
            Scenario("bad", rounds=1, samples=3).add("x", generator)


def test_names_that_tables_need_are_refused() -> None:
    for name in ("real", "own"):
        with pytest.raises(ValueError, match=f"a member cannot be called '{name}': tables of sources"):
            Scenario("bad", rounds=1, samples=3).add(name, Member(Echo(), real=real(0)))


def test_every_member_is_asked_for_its_inputs() -> None:
    model, s = Echo(), Scenario("bad", rounds=1, samples=3)
    s.add("a", Member(model, real=real(0)))
    with pytest.raises(ValueError, match=r"the generator of 'b' answers inputs .* and has been given none"):
        s.add("b", Member(model))


def test_what_pairs_cannot_do_is_refused() -> None:
    s = duo()
    with pytest.raises(ValueError, match="takes vectors, and 'a' makes pairs; give the flow a function of pairs"):
        s.connect("a", "a", Flow(raw=0.1, transform=LinearMap([[1.0]])))
    with pytest.raises(ValueError, match=r"Tilt\(.*\) needs the law of what 'b' makes, and Echo has none"):
        s.connect("b", "a", Flow(curated=0.1, chosen_by=Users(Linear([1.0]), Crowd((Tilt(), BestOf(2))))))


def test_a_failure_while_sampling_names_producer_and_round() -> None:
    class Broken(Echo):
        def respond(self, inputs: Tensor, rng: Stream) -> Tensor:
            if len(inputs) > 3:
                raise ValueError("boom")
            return super().respond(inputs, rng)

    s = Scenario("broken", rounds=1, samples=20)
    s.add("a", Member(Broken(), real=real(0)))
    s.connect("a", "a", Flow(raw=0.9))
    with pytest.raises(RuntimeError, match="sampling from a failed in round 1: boom"):
        s.run()


def test_a_transform_may_change_the_shape_of_inputs() -> None:
    """Also where a flow is raw and curated at once."""

    class Wide(Echo):
        input_shape = (2,)

        def respond(self, inputs: Tensor, rng: Stream) -> Tensor:
            return rng.uniform(len(inputs), 1)

    s = Scenario("shapes", rounds=1, samples=30)
    s.add("a", Member(Wide(), real=Pairs(torch.ones(3, 2), torch.ones(3, 1)), reward=Linear([1.0]), curator=BestOf(2)))
    s.add("b", Member(Echo(), real=real(0)))
    s.connect("a", "b", Flow(raw=0.4, curated=0.4, transform=lambda p: Pairs(p.inputs[:, 0].long() + 70, p.outputs)))
    eco = Ecosystem(s)
    eco.step()
    assert set(given(eco, "b").inputs.tolist()) <= {71, *range(5)}


def test_flows_whose_inputs_do_not_fit_are_refused() -> None:
    s = duo()
    s.add("points", Member(Location([0.0]), real=torch.zeros(1, 1)))
    with pytest.raises(ValueError, match=r"carries samples with inputs of shape .*'points' trains on samples with no"):
        s.connect("a", "points", Flow(raw=0.1))
    with pytest.raises(ValueError, match=r"the reward of the users of .* fails on samples"):
        s.connect("b", "a", Flow(curated=0.1, chosen_by=Users(lambda x: x.no, BestOf(2))))


def test_a_model_may_refuse_real_data() -> None:
    class Careful(Echo):
        def validate(self, data: Pairs) -> None:
            if float(data.outputs.max()) > 1:
                raise ValueError("pixels must lie in [0, 1]; divide them by 255")

    with pytest.raises(ValueError, match=r"the real data of 'x': pixels must lie in \[0, 1\]; divide them by 255"):
        Scenario("bad", rounds=1, samples=3).add("x", Member(Careful(), real=real(0)))


def test_a_result_holds_no_models() -> None:
    """Tables may be read long after the ecosystem is gone: they must not keep it."""
    import gc
    import weakref

    eco = Ecosystem(duo(samples=20), record=Record(samples=2))
    eco.run()
    run, alive = eco.result(), weakref.ref(eco)
    del eco
    gc.collect()
    assert alive() is None and run.texts.empty and len(run.rounds) == 8
