"""What parts of the user's own draw: every draw of one call is another, and all of them are reproducible.

Statistical tests use fixed addresses; the bounds keep a correct stream with a confidence above 99.9 % each.
"""

from __future__ import annotations

import math
import random
from dataclasses import dataclass
from functools import partial

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import stats
from torch import Tensor, nn

from ecosystem import (
    Categorical,
    ConditionalModel,
    Curator,
    Ecosystem,
    Flow,
    FlowMatching,
    GenerativeModel,
    Linear,
    Location,
    Member,
    Pairs,
    Record,
    Scenario,
    Stream,
    Tabular,
    Training,
)
from ecosystem.core.drawing import Advancing, advancing
from ecosystem.generators import ClosedForm
from ecosystem.retention import Retention
from ecosystem.schedules import Schedule

PLAIN = Stream.root([(0, 0)])[0]
FAST = Training(steps=2, batch_size=8)


def alone(model: GenerativeModel, **member) -> Scenario:
    """One member that trains on half its own output."""
    s = Scenario("alone", rounds=2, samples=40)
    s.add("a", Member(model, real=member.pop("real", torch.zeros(10, *model.event_shape)), **member))
    s.connect("a", "a", Flow(raw=0.5))
    return s


class Noted(GenerativeModel):
    """A float32 model that hands its stream to a function of the test's and notes what comes back."""

    event_shape = (2,)
    training_plan = FAST

    def __init__(self, draw=None) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.zeros(2))
        self.draw, self.seen = draw, []

    def sample(self, n: int, rng: Stream) -> Tensor:
        if self.draw is not None:
            self.seen.append(self.draw(n, rng))
        return self.weight + rng.at("sample").normal(n, 2)

    def loss(self, batch: Tensor, rng: Stream) -> Tensor:
        if self.draw is not None:
            self.seen.append(self.draw(len(batch), rng))
        return (batch - self.weight).square().mean()


# -- the fault ---------------------------------------------------------------------------------------------------------


class Natural(FlowMatching):
    """Flow matching as everybody writes it: noise and times from one ``rng``, one after the other."""

    def loss(self, batch: Tensor, rng: Stream) -> Tensor:
        z = rng.normal(*batch.shape)
        t = rng.uniform(len(batch))
        x = torch.lerp(z, batch, t.unsqueeze(-1))
        return ((self.velocity(x, t) - (batch - z)) ** 2).mean()


def around(angle: Tensor) -> Tensor:
    return 2 * torch.stack([angle.cos(), angle.sin()], -1)


def test_natural_flow_matching_learns_what_the_built_in_one_does() -> None:
    """Noise and times had the same numbers (``t = Φ(z)``): 1 % of the samples lay near one of the four modes."""
    mode = (PLAIN.at("which").uniform(2000) * 4).floor()
    data = (around(mode * math.pi / 2) + 0.15 * PLAIN.at("where").normal(2000, 2)).float()
    modes = around(torch.arange(4) * math.pi / 2)
    plan = Training(steps=300, batch_size=256, optimizer=partial(torch.optim.Adam, lr=5e-3))
    shares = []
    for family in (Natural, FlowMatching):
        model = family(2, training_plan=plan)
        model.fit(data, PLAIN.at("fit"))
        distance = torch.cdist(model.sample(1000, PLAIN), modes).amin(-1)
        shares.append(float((distance < 0.6).float().mean()))
    assert min(shares) > 0.88 and abs(shares[0] - shares[1]) < 0.05


@pytest.mark.parametrize("first", ["uniform", "normal", "gumbel"])
@pytest.mark.parametrize("second", ["uniform", "normal", "gumbel"])
def test_two_draws_of_one_call_are_independent(first: str, second: str) -> None:
    """They were transforms of the same numbers. Kendall's τ of 20,000 pairs and Kolmogorov–Smirnov: p > 1e-4."""
    laws = {"uniform": stats.uniform(), "normal": stats.norm(), "gumbel": stats.gumbel_r()}
    rng = advancing(PLAIN.at(first))
    x, y = getattr(rng, first)(20_000).numpy(), getattr(rng, second)(20_000).numpy()
    assert stats.kendalltau(x, y).pvalue > 1e-4 and not np.isin(x, y).any()
    assert stats.kstest(y, laws[second].cdf).pvalue > 1e-4


def test_a_loop_draws_new_numbers_each_time() -> None:
    rng = advancing(PLAIN)
    x = torch.stack([rng.normal(500) for _ in range(40)])
    assert x.unique().numel() == x.numel()
    assert stats.kstest(x.flatten().numpy(), "norm").pvalue > 1e-4
    assert float(torch.corrcoef(x).fill_diagonal_(0).abs().max()) < 5 / math.sqrt(500)
    y = torch.stack([rng.at("step").uniform(3) for _ in range(4)])  # one address, asked for again and again
    assert y.unique().numel() == y.numel()


def test_generators_and_seeds_advance_too() -> None:
    rng = advancing(PLAIN)
    a, b = (torch.randn(5, generator=rng.torch()) for _ in range(2))
    c, d = (rng.numpy().normal(size=5) for _ in range(2))
    assert not torch.equal(a, b) and not np.array_equal(c, d) and rng.seed() != rng.seed()
    assert torch.equal(a, torch.randn(5, generator=PLAIN.torch()))  # the first is that of the plain stream


# -- what stays as it was ----------------------------------------------------------------------------------------------


def test_the_first_draw_is_that_of_the_plain_stream() -> None:
    rng = advancing(PLAIN)
    assert torch.equal(rng.normal(5, 2), PLAIN.normal(5, 2))
    assert torch.equal(rng.at("t").uniform(4), PLAIN.at("t").uniform(4))
    batch = Stream.root([(0, 0), (0, 1)])
    assert torch.equal(
        advancing(batch).at(torch.tensor([[1], [2]])).gumbel(3), batch.at(torch.tensor([[1], [2]])).gumbel(3)
    )
    assert torch.equal(PLAIN.normal(3), PLAIN.normal(3))  # plain streams are places: nothing is consumed


@settings(max_examples=60, deadline=None)
@given(
    calls=st.lists(
        st.tuples(st.sampled_from(["", "t"]), st.lists(st.integers(0, 9), min_size=1, max_size=10, unique=True)),
        min_size=1,
        max_size=8,
    )
)
def test_a_draw_is_addressed_by_how_often_its_row_was_drawn(calls: list) -> None:
    """Whatever rows are asked for in whatever order: the ``k``-th draw of row ``i`` at an address is one number."""
    rng, count, known = advancing(PLAIN), {}, {}
    for address, rows in calls:
        place = rng.at(address) if address else rng
        for row, value in zip(rows, place.select(torch.tensor(rows)).uniform(len(rows)).tolist(), strict=True):
            k = count[address, row] = count.get((address, row), -1) + 1
            known[address, row, k] = value
    assert len(set(known.values())) == len(known)
    other = advancing(PLAIN)
    for k in range(max(k for *_, k in known) + 1):  # all rows at once, as often
        for address in ("", "t"):
            whole = (other.at(address) if address else other).uniform(10)
            for row in range(10):
                assert known.get((address, row, k), float(whole[row])) == float(whole[row])


def test_sample_i_is_the_same_for_every_n() -> None:
    def draws(n: int) -> list[Tensor]:
        rng = advancing(PLAIN)
        return [rng.normal(n, 2), rng.uniform(n), rng.skip(1).normal(n - 1), rng.normal(n)]

    for many, few in zip(draws(9), draws(4), strict=True):
        assert torch.equal(many[: len(few)], few)


def test_rejection_draws_again_for_the_rejected_alone() -> None:
    def positive(n: int) -> Tensor:
        rng = advancing(PLAIN)
        x = rng.normal(n)
        while (x < 0).any():
            bad = (x < 0).nonzero().squeeze(-1)
            x[bad] = rng.select(bad).normal(len(bad))
        return x

    x = positive(4000)
    assert x.unique().numel() == 4000 and torch.equal(x[:30], positive(30))
    assert stats.kstest(x.numpy(), stats.halfnorm().cdf).pvalue > 1e-4


def test_elements_of_a_batch_count_for_themselves() -> None:
    root = Stream.root([(0, r) for r in range(4)])
    rng = advancing(root)
    rng.uniform(1)
    late = rng[torch.tensor([1, 3])].uniform(1)
    assert not torch.isin(late, root.uniform(1)).any()
    whole = rng.uniform(1)
    again = [advancing(root[i]) for i in range(4)]
    expected = [[one.uniform(1) for _ in range(3)] for one in again]
    assert torch.equal(late, torch.stack([expected[1][1], expected[3][1]]))
    assert torch.equal(whole, torch.stack([expected[0][1], expected[1][2], expected[2][1], expected[3][2]]))


# -- float32 -----------------------------------------------------------------------------------------------------------


class Sized(Noted):
    def __init__(self, dtype: torch.dtype) -> None:
        super().__init__(lambda n, rng: [rng.uniform(n), rng.normal(n), rng.gumbel(n), rng.at("x").normal(n)])
        self.weight = nn.Parameter(torch.zeros(2, dtype=dtype))


@pytest.mark.parametrize(
    ("parameters", "drawn"),
    [(torch.float32, torch.float32), (torch.float64, torch.float64), (torch.bfloat16, torch.float32)],
)
def test_numbers_come_in_the_type_of_the_model(parameters: torch.dtype, drawn: torch.dtype) -> None:
    model = Sized(parameters)
    model.sample(3, PLAIN)
    model.fit(torch.zeros(5, 2), PLAIN)
    assert {x.dtype for drawn_at_once in model.seen for x in drawn_at_once} == {drawn}
    assert advancing(PLAIN, torch.float32).normal(2, dtype=torch.float64).dtype == torch.float64  # what is asked wins
    assert torch.equal(advancing(PLAIN, torch.float32).normal(2), PLAIN.normal(2, dtype=torch.float32))


def test_real_data_of_ones_own_draw_as_their_reader_does() -> None:
    seen = []

    def real(n: int, rng: Stream) -> Tensor:
        seen.append((rng.normal(n, 2), rng.normal(n, 2)))
        return seen[-1][0] + seen[-1][1]

    for model, dtype in ((Noted(), torch.float32), (Location([0.0, 0.0]), torch.float64)):
        seen.clear()
        alone(model, real=real).run()
        assert len(seen) > 1
        assert all(x.dtype == dtype and not torch.isin(x, y).any() for x, y in seen)


# -- everywhere --------------------------------------------------------------------------------------------------------


def test_whoever_calls_a_model_its_draws_advance() -> None:
    """Also by hand, from a class that is no generator, and in a model within a model."""

    class Twice:
        def sample(self, n: int, rng: Stream) -> Tensor:
            return torch.stack([rng.normal(n), rng.normal(n)], -1)

    class Mixed(Twice, GenerativeModel):
        event_shape = (2,)

    class Outer(GenerativeModel):
        event_shape = (4,)

        def __init__(self) -> None:
            super().__init__()
            self.inner = Mixed()

        def sample(self, n: int, rng: Stream) -> Tensor:
            return torch.cat([self.inner.sample(n, rng), self.inner.sample(n, rng=rng)], -1)

    x = Mixed().sample(6, PLAIN)
    assert not torch.isin(x[:, 0], x[:, 1]).any() and torch.equal(x, Mixed().sample(6, PLAIN))
    assert Outer().sample(6, PLAIN).unique().numel() == 24


def test_two_trainings_in_one_fit_see_other_batches() -> None:
    class Again(Noted):
        def __init__(self) -> None:
            super().__init__(lambda n, rng: rng.seed())

        def fit(self, data: Tensor, rng: Stream) -> None:
            super().fit(data, rng)
            super().fit(data, rng)

    model, once = Again(), Noted(lambda n, rng: rng.seed())
    model.fit(torch.zeros(20, 2), PLAIN)
    once.fit(torch.zeros(20, 2), PLAIN)
    assert len(set(model.seen)) == 4 and model.seen[:2] == once.seen


class Wide(Location):
    """A closed form with noise of its own, drawn twice."""

    def noise(self, n: int, rng: Stream) -> Tensor:
        return rng.normal(n, 1) + rng.normal(n, 1)

    def push(self, noise: Tensor) -> Tensor:
        return self.mean + noise


def test_a_closed_form_of_ones_own_draws_twice() -> None:
    """The variance of the sum of two draws was 4, it is 2."""
    x = Wide([0.0]).sample(20_000, PLAIN)
    assert float(x.var()) == pytest.approx(2, abs=0.1)
    assert isinstance(Wide([0.0]), ClosedForm)


def test_curators_retentions_schedules_and_orderings_draw_twice() -> None:
    seen: dict[str, list[tuple[Tensor, Tensor]]] = {}

    def note(who: str, rng: Stream) -> Tensor:
        first, second = rng.uniform(1), rng.uniform(1)
        seen.setdefault(who, []).append((first, second))
        return first

    @dataclass(frozen=True, eq=False)
    class Coin(Curator):
        def curate(self, slate, reward, rng):
            return torch.where(note("curator", rng) < 0.5, slate.candidate(0), slate.candidate(1))

    @dataclass(frozen=True)
    class Half(Retention):
        on_data = True

        def keep(self, kept, fresh, rng):
            note("retention", rng)
            return [fresh]

    @dataclass(frozen=True, eq=False)
    class Luck(Schedule):
        random = True

        def due(self, round, rng):
            return note("schedule", rng.at(round)).squeeze(-1) < 2

    def shuffle(names, round, rng):
        note("ordering", rng)
        names.sort(reverse=True)  # its own list
        return list(range(len(names)))

    s = Scenario("all", rounds=2, samples=9, ordering=shuffle)
    for name, schedule in (("a", Luck()), ("b", lambda round, rng: note("function", rng).squeeze(-1) < 2)):
        s.add(
            name,
            Member(
                Location([0.0]),
                reward=Linear([1.0]),
                curator=Coin(),
                real=Location([0.0]),
                retention=Half(),
                schedule=schedule,
            ),
        )
    s.connect("a", "b", Flow(curated=0.5))
    eco = Ecosystem(s, seeds=[0, 1])
    eco.run()
    assert set(seen) == {"curator", "retention", "schedule", "function", "ordering"} and list(eco.names) == ["a", "b"]
    assert all(not torch.isin(x, y).any() for many in seen.values() for x, y in many)


# -- as reproducible as it is documented -------------------------------------------------------------------------------


class Careless(ConditionalModel):
    """Draws from torch's global generators: dropout, ``torch.randn``, as tutorials do."""

    event_shape = (2,)
    input_shape = ()
    training_plan = FAST

    def __init__(self) -> None:
        super().__init__()
        self.layer = nn.Sequential(nn.Linear(1, 2), nn.Dropout(0.5))

    def respond(self, inputs: Tensor, rng: Stream) -> Tensor:
        return self.layer(inputs.float().unsqueeze(-1)) + torch.randn(len(inputs), 2)

    def loss(self, batch: Pairs, rng: Stream) -> Tensor:
        guess = self.layer(batch.inputs.float().unsqueeze(-1)) + 0.1 * torch.rand(2)
        return (guess - batch.outputs).square().mean()


def careless() -> Scenario:
    torch.manual_seed(7)
    s = Scenario("careless", rounds=2, samples=12)
    for name in "ab":
        s.add(name, Member(Careless(), reward=Linear([1.0, 0.0]), real=Pairs(torch.arange(6), torch.zeros(6, 2))))
    s.connect("a", "b", Flow(raw=0.5))
    s.connect("b", "a", Flow(raw=0.5))
    return s


def test_torch_randn_is_seeded_and_the_global_generators_are_put_back() -> None:
    """It was seeded, and nothing said so; building a scenario moved the global generator."""
    tables, last = [], []
    for start in (1, 2):
        s = careless()
        torch.manual_seed(start)
        np.random.seed(start)
        random.seed(start)
        state = torch.get_rng_state(), np.random.get_state()[1].tolist(), random.getstate()
        Scenario("again", rounds=1, samples=2).add("a", s.member("a"))
        run = s.run(seed=4, replicates=2, record=Record(samples=3))
        assert torch.equal(state[0], torch.get_rng_state())
        assert state[1] == np.random.get_state()[1].tolist() and state[2] == random.getstate()
        tables.append(run.rounds)
        last.append(run.samples["a"][2])
    assert tables[0].equals(tables[1]) and torch.equal(*last)
    seen = tables[0].query("round == 2 and member == 'a'")["alignment"]
    assert seen.nunique() == 2  # replicates have draws of their own


def test_a_replicate_with_many_draws_is_the_same_alone_and_in_company() -> None:
    def luck(n: int, rng: Stream) -> Tensor:
        return torch.stack([rng.normal(n) for _ in range(3)])

    class Chancy(Noted):
        def sample(self, n: int, rng: Stream) -> Tensor:
            return self.weight + luck(n, rng).sum(0).unsqueeze(-1) + rng.uniform(n, 2)

        def loss(self, batch: Tensor, rng: Stream) -> Tensor:
            return (batch + luck(len(batch), rng).sum(0).unsqueeze(-1) - self.weight).square().mean()

    many = alone(Chancy()).run(seed=3, replicates=3)
    two = Ecosystem(alone(Chancy()), seeds=[(3, 2)])
    two.run()
    assert torch.equal(many.parameters["a"]["weight"][2:], two.result().parameters["a"]["weight"])
    assert many.parameters["a"]["weight"].unique(dim=0).shape[0] == 3


def test_a_finite_alphabet_is_drawn_as_before() -> None:
    """Built-in parts get advancing streams as well, and their numbers are those of the addresses."""
    p = Categorical([0.2, 0.3, 0.5])
    noise = p.noise(7, PLAIN)
    assert torch.equal(noise, PLAIN.uniform(7, 1)) and not isinstance(PLAIN, Advancing)
    s = Scenario("p", rounds=1, samples=5)
    s.add("a", Member(p, reward=Tabular([0.0, 1.0, 2.0]), real=p))
    assert s.run().failures.empty
