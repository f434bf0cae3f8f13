"""Preferences: what users rejected travels beside what they kept, to models that train on it."""

from __future__ import annotations

import copy
from dataclasses import dataclass
from pathlib import Path
from typing import Any

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
    Location,
    Luce,
    Member,
    Pairs,
    Preferences,
    Record,
    Scenario,
    Shift,
    Stream,
    TopFraction,
    Training,
)
from ecosystem.core.samples import concatenated, folded, placed, split
from ecosystem.curation import Curator, Slate
from ecosystem.generators.language import LanguageModel
from ecosystem.retention import accumulate
from ecosystem.rewards.base import OfPairs
from ecosystem.running.measures.watching import watching
from scenarios import preferences_tiny as tiny

RNG = Stream.root([(0, 0)])[0]
INPUTS = torch.tensor([1.0, 2.0, 3.0])


class Noisy(ConditionalModel):
    """Answers its input with noise; keeps what it was trained on."""

    event_shape, input_shape = (), ()

    def __init__(self) -> None:
        super().__init__()
        self.shift = nn.Parameter(torch.zeros(()))
        self.heard: list[Pairs] = []

    def respond(self, inputs: Tensor, rng: Stream) -> Tensor:
        return inputs + self.shift + rng.normal(len(inputs), 1)[:, 0]

    def fit(self, data: Pairs, rng: Stream) -> None:
        self.heard = [data]


larger = OfPairs(lambda pairs: pairs.outputs.double())


def pair(curator: Any, flow: Flow | None = None, **member: Any) -> Scenario:
    s = Scenario("pair", rounds=2, samples=40)
    for name in ("a", "b"):
        s.add(name, Member(Noisy(), reward=larger, curator=curator, real=Pairs(INPUTS, INPUTS), **member))
    s.connect("a", "b", flow or Flow(curated=1.0))
    return s


def heard(s: Scenario) -> Pairs:
    eco = Ecosystem(s)
    eco.run()
    return eco["b"].generator.heard[0]


CURATORS = [
    Luce(2),
    Luce(5, 2.0),
    BestOf(4),
    Crowd((BestOf(3), Luce(2))),
    Crowd.noisy(BestOf(3), 0.3),
    Crowd.adversarial(Luce(2), 0.5),
]


@pytest.mark.parametrize("curator", CURATORS, ids=str)
@pytest.mark.parametrize("chosen_by", ["producer", "consumer"])
def test_the_choice_is_the_same_to_the_last_bit(curator: Curator, chosen_by: Any) -> None:
    """And what was rejected is another answer to the same input."""
    flow = Flow(curated=1.0, chosen_by=chosen_by)
    plain, told = (heard(pair(c, flow)) for c in (curator, Preferences(curator)))
    assert torch.equal(plain.outputs, told.outputs) and torch.equal(plain.inputs, told.inputs)
    assert plain.rejected is None and told.rejected is not None and told.rejected.shape == told.outputs.shape
    assert float((told.rejected - told.inputs).abs().max()) < 6  # noise around the input of the same row
    compared = told.rejected != told.outputs
    assert bool(compared.all()) or "noisy" in str(curator) or isinstance(curator, Crowd)
    better = told.outputs > told.rejected
    if isinstance(curator, BestOf):
        assert bool(better.all())
    elif not isinstance(curator, Crowd):
        assert 0.5 < float(better.double().mean()) < 1


def test_what_is_rejected_is_any_of_the_others() -> None:
    """Of the best of three and the two others: a standard normal below the best, on average −.42 (of two: −.56)."""
    s = pair(Preferences(BestOf(3)))
    s = s.replace(samples=8000, rounds=1)
    told = heard(s)
    noise = told.rejected - told.inputs
    assert float(noise.mean()) == pytest.approx(-0.846 / 2, abs=0.05)  # E max of three is .846, and all add up to 0
    two = heard(pair(Preferences(Luce(2, 1e6))).replace(samples=8000, rounds=1))
    assert float((two.outputs > two.rejected).double().mean()) == pytest.approx(0.5, abs=0.03)


@pytest.mark.parametrize("after", ["producer", "consumer"])
def test_both_go_through_the_transform(after: Any) -> None:
    """Before the consumer's choice, or after the producer's: a transform of one's own need know nothing of it."""

    def doubled(pairs: Pairs) -> Pairs:
        return Pairs(pairs.inputs, 2 * pairs.outputs + 100)

    told = heard(pair(Preferences(Luce(2)), Flow(curated=1.0, transform=doubled, chosen_by=after)))
    plain = heard(pair(Preferences(Luce(2))))
    assert told.rejected is not None and bool((told.rejected > 80).all())
    if after == "producer":
        assert torch.equal(told.rejected, 2 * plain.rejected + 100)


def test_what_nobody_compared_stands_beside_itself() -> None:
    """Real data, raw shares and the past are in one training set with preferences."""
    s = pair(Preferences(Luce(2)), Flow(raw=0.3, curated=0.4), retention=accumulate())
    told = heard(s)
    assert len(told) == 80 and told.rejected is not None
    real = torch.isin(told.outputs, INPUTS)
    assert bool(real.any()) and torch.equal(told.rejected[real], told.outputs[real])
    compared = told.rejected != told.outputs
    assert 0.25 < float(compared.double().mean()) < 0.55


def test_pairs_carry_them() -> None:
    pairs = Pairs(INPUTS, INPUTS + 1, rejected=INPUTS - 1)
    plain = Pairs(INPUTS, INPUTS + 5)
    both = concatenated([pairs, plain])
    assert both.rejected is not None and torch.equal(both.rejected, torch.cat([INPUTS - 1, INPUTS + 5]))
    assert torch.equal(pairs[[2, 0]].rejected, (INPUTS - 1)[[2, 0]]) and pairs.clone().rejected is not pairs.rejected  # type: ignore[arg-type]
    assert folded(both, 2, 3).rejected.shape == (2, 3)  # type: ignore[union-attr]
    held = placed(plain.clone(), torch.tensor([1]), pairs[1:2])
    assert held.rejected.tolist() == [6.0, 1.0, 8.0] and held.outputs.tolist() == [6.0, 3.0, 8.0]  # type: ignore[union-attr]
    held = plain.clone()
    held[:1] = pairs[:1]
    assert held.rejected.tolist() == [0.0, 7.0, 8.0]  # type: ignore[union-attr]
    assert pairs.answered(INPUTS).rejected is None
    kept, rejected = split(pairs)
    assert torch.equal(kept.outputs, INPUTS + 1) and torch.equal(rejected.outputs, INPUTS - 1)
    with pytest.raises(ValueError, match=r"Pairs\(rejected\) must be one for each output, got \(2,\) for"):
        Pairs(INPUTS, INPUTS, rejected=INPUTS[:2])


def test_a_curator_of_ones_own() -> None:
    """It says how many it looks at, and that it looks at each slate alone; else it is refused by name."""

    @dataclass(frozen=True, eq=False)
    class Worst(Curator):
        pools = False
        looks = 3

        def curate(self, slate: Slate, reward: Any, rng: Stream) -> Any:
            shown = [slate.candidate(k) for k in range(3)]
            worst = torch.stack([reward.judge(x) for x in shown]).argmin(0)
            return shown[0].answered(torch.stack([x.outputs for x in shown]).gather(0, worst[None])[0])

    told = heard(pair(Preferences(Worst())))
    assert told.rejected is not None and bool((told.outputs < told.rejected).all())

    @dataclass(frozen=True, eq=False)
    class Silent(Curator):
        def curate(self, slate: Slate, reward: Any, rng: Stream) -> Any:
            return slate.candidate(1)

    for curator in (Silent(), TopFraction(0.5), Shift([1.0]), Blind(), Luce(1)):
        with pytest.raises(ValueError, match=r"Preferences\(curator\) wants users who choose among several candidates"):
            Preferences(curator)
    with pytest.raises(TypeError, match=r"Preferences\(curator\) is a curator such as Luce\(2\), got 2"):
        Preferences(2)  # type: ignore[arg-type]


def test_samples_without_inputs_have_none() -> None:
    s = Scenario("plain", rounds=1, samples=4)
    s.add("a", Member(Location([0.0]), reward=lambda x: x[:, 0], curator=Preferences(Luce(2)), real=Location([0.0])))
    with pytest.raises(ValueError, match=r"flow 'a' → 'a': Preferences\(Luce.* keeps pairs of input and output, and"):
        s.connect("a", "a", Flow(curated=0.5))


def test_measures_and_checkpoints_see_them(tmp_path: Path) -> None:
    @watching(chosen=lambda event: (event.kept.rejected, event.kept.outputs))
    def gap(view: Any) -> Tensor:
        out = torch.zeros(view.updated.shape, dtype=torch.float64)
        for rejected, kept in view.seen(gap):
            out[1] = (kept - rejected).double().mean()
        return out

    def made() -> Ecosystem:
        return Ecosystem(pair(Preferences(BestOf(2)), retention=accumulate()), record=Record(measures=[gap]))

    eco = made()
    eco.step()
    assert float(eco.result().rounds.query("round == 1 and member == 'b'")["gap"].iloc[0]) > 0.8
    eco.save(tmp_path / "half")
    other = made()
    other.restore(tmp_path / "half")
    for one in (eco, other):
        one.step()
    first, second = (one["b"].generator.heard[0] for one in (eco, other))
    assert len(first) == 80 and torch.equal(first.rejected, second.rejected)


# -- direct preference optimisation ------------------------------------------------------------------------------------


def model(kind: type[LanguageModel] = tiny.Optimiser, steps: int = 8) -> LanguageModel:
    s = tiny.scenario()
    made = copy.deepcopy(s.member("optimiser").generator)
    assert isinstance(made, kind)
    made.training_plan = Training(steps, 32, made.training_plan.optimizer)
    return made


def preferences(made: LanguageModel) -> Pairs:
    short = made.codec.pairs(list(tiny.SAYS), [says[0] for says in tiny.SAYS.values()])
    long = made.codec.pairs(list(tiny.SAYS), [says[1] for says in tiny.SAYS.values()])
    return Pairs(short.inputs, long.outputs, codec=long.codec, rejected=short.outputs)


def test_log_probabilities_are_those_of_the_loss() -> None:
    made = model().eval()
    pairs = preferences(made)
    sums = made.log_probabilities(pairs).detach()
    tokens = (pairs.outputs != made.base.pad).sum()
    assert torch.isclose(-sums.sum() / tokens, LanguageModel.loss(made, pairs, RNG).detach(), rtol=1e-5)
    assert sums.shape == (4,) and bool((sums < 0).all())


def test_the_loss_is_that_of_the_formula() -> None:
    """At the reference ``log 2``; elsewhere by hand from the log-probabilities."""
    made = model()
    pairs = preferences(made)
    made.before = (copy.deepcopy(made),)  # type: ignore[attr-defined]
    assert made.loss(pairs, RNG).item() == pytest.approx(torch.tensor(2.0).log().item())
    start = tiny.margin(made, pairs).detach()
    with torch.no_grad():
        for weight in made.parameters():
            weight += 0.01 * torch.sign(weight)
    gain = 0.5 * (tiny.margin(made, pairs).detach() - start)
    assert made.loss(pairs, RNG).item() == pytest.approx(torch.log1p(torch.exp(-gain)).mean().item(), rel=1e-5)
    same = pairs.answered(pairs.outputs)  # nobody compared
    made.zero_grad()
    made.loss(same, RNG).backward()
    assert all(float(p.grad.abs().max()) == 0 for p in made.parameters() if p.grad is not None)


def test_what_was_chosen_becomes_likelier_than_what_was_rejected() -> None:
    made = model()
    pairs = preferences(made)
    before = tiny.margin(made, pairs).detach()
    loss = made.fit(pairs, RNG)
    after = tiny.margin(made, pairs).detach()
    assert loss is not None and loss < 0.69 and bool((after > before + 0.5).all())
    assert made.before == () and len(made.state_dict()) == len(model().state_dict())  # type: ignore[attr-defined]


def test_the_example_runs_and_both_learn_what_users_like() -> None:
    run = tiny.scenario(rounds=1).run(seed=0, record=Record(judged=64))
    assert run.failures.empty and len(run.members) == 2
    table = run.rounds.pivot_table(index="round", columns="member", values="alignment", observed=True)
    assert table["imitator"][1] > table["imitator"][0] + 0.1 and table["optimiser"][1] > table["optimiser"][0] + 0.5
