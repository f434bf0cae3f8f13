"""Whatever a user gets to look at cannot change the run, and nobody's code changes what others hold."""

from __future__ import annotations

import copy
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from typing import Any

import pytest
import torch
from torch import Tensor, nn

from ecosystem import (
    Categorical,
    ConditionalModel,
    Curator,
    Ecosystem,
    Flow,
    GenerativeModel,
    Linear,
    Location,
    Luce,
    Member,
    ModelAgent,
    OfPairs,
    Pairs,
    Record,
    Run,
    Scenario,
    Stream,
    Training,
    accumulate,
)
from ecosystem.rewards import Reward

PLAIN = Stream.root([(0, 0)])[0]


class Normed(GenerativeModel):
    """A model with batch normalisation and dropout: what its mode is changes what it makes, and itself."""

    event_shape = (2,)
    training_plan = Training(steps=3, batch_size=8, optimizer=partial(torch.optim.SGD, lr=0.05))

    def __init__(self) -> None:
        super().__init__()
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(0)
            self.network = nn.Sequential(nn.Linear(2, 6), nn.BatchNorm1d(6), nn.Dropout(0.2), nn.Linear(6, 2))

    def sample(self, n: int, rng: Stream) -> Tensor:
        return self.network(rng.normal(n, 2))

    def loss(self, batch: Tensor, rng: Stream) -> Tensor:
        return (self.network(rng.normal(len(batch), 2)) - batch).square().mean()


def neural(**member: Any) -> Scenario:
    s = Scenario("neural", rounds=3, samples=16)
    for name in "ab":
        real = torch.linspace(-1, 1, 20).reshape(10, 2)
        s.add(name, Member(Normed(), reward=Linear([1.0, 0.0]), curator=Luce(2), real=real, **member))
    s.connect("a", "b", Flow(raw=0.3, curated=0.3))
    s.connect("b", "a", Flow(raw=0.3))
    return s


def closed(samples: int | None = None) -> Scenario:
    s = Scenario("closed", rounds=3, samples=samples)
    s.add("a", Member(Location([4.0, 0.0]), reward=Linear([1.0, 0.0]), curator=Luce(2), real=Location([0.0, 1.0])))
    s.add("b", Member(Location([1.0, 1.0]), reward=Linear([0.0, 1.0]), real=Location([5.0, 5.0])))
    s.connect("a", "b", Flow(raw=0.3, curated=0.3))
    s.connect("b", "a", Flow(raw=0.3))
    return s


def finished(scenario: Scenario, look: Callable[[Ecosystem], None] | None, replicates: int = 2) -> Run:
    eco = Ecosystem(scenario, seeds=[(0, r) for r in range(replicates)], record=Record(samples=4, sample_rounds=(0, 1)))
    eco.run(None if look is None else lambda done, all: look(eco))
    return eco.result()


def same(one: Run, other: Run) -> bool:
    tensors = [
        (one.parameters[m][key], other.parameters[m][key]) for m in one.parameters for key in one.parameters[m]
    ] + [(x, other.samples[m][r]) for m, many in one.samples.items() for r, x in many.items()]
    return one.rounds.equals(other.rounds) and all(torch.equal(x, y) for x, y in tensors)


# -- looks -------------------------------------------------------------------------------------------------------------


def models(agent: ModelAgent) -> list[Any]:
    model = agent.generator
    return list(model.models.flat) if hasattr(model, "models") else [model]


def sample_as_one_likes(eco: Ecosystem) -> None:
    for agent in eco.agents:
        for model in models(agent):
            model.sample(8, PLAIN)
            model.train().sample(8, PLAIN)


def train_the_copy(eco: Ecosystem) -> None:
    for agent in eco.agents:
        for model in models(agent):
            model.fit(torch.ones(8, 2), PLAIN)


def overwrite_parameters(eco: Ecosystem) -> None:
    for agent in eco.agents:
        for model in models(agent):
            for tensor in (*model.parameters(), *model.buffers()):
                tensor.data.fill_(9)


def overwrite_results(eco: Ecosystem) -> None:
    run = eco.result()
    for tensors in (*run.parameters.values(), *run.samples.values()):
        for tensor in tensors.values():
            tensor.fill_(7)
    for table in (run.rounds, run.members, run.flows):
        for column in table.select_dtypes("number"):
            table.loc[:, column] = 0
    run.settings["seeds"].clear()


def overwrite_what_agents_say(eco: Ecosystem) -> None:
    for agent in eco.agents:
        agent.alignment.fill_(3)
        for raw, curated in agent.sources.values():
            raw.fill_(0)
            curated.fill_(0)


def overwrite_what_is_gathered(eco: Ecosystem) -> None:
    for agent in eco.agents:
        data = agent.gather()
        for tensor in (data,) if isinstance(data, Tensor) else (data.data, data.origin, data.round):
            tensor.fill_(1)


LOOKS = [
    sample_as_one_likes,
    train_the_copy,
    overwrite_parameters,
    overwrite_results,
    overwrite_what_agents_say,
    overwrite_what_is_gathered,
]


@pytest.mark.parametrize("look", LOOKS)
@pytest.mark.parametrize("replicates", [1, 3])
@pytest.mark.parametrize("make", [neural, closed, partial(closed, 20)], ids=["neural", "population", "sampled"])
def test_a_look_changes_nothing(make, replicates: int, look: Callable[[Ecosystem], None]) -> None:
    """``agent.generator`` was the live model, left in training mode: a sample of it changed the next round."""
    if look is train_the_copy and make is not neural and replicates > 1:
        look = overwrite_parameters  # closed forms with a batch are fitted to data with one
    scenario = make()
    replicates = 1 if scenario.samples is None else replicates
    assert same(finished(scenario, look, replicates), finished(scenario, None, replicates))


def test_more_that_is_recorded_is_not_another_run() -> None:
    thorough = Record(tastes=True, samples=9, sample_rounds=range(4), sources=True, choices=True, draws=True)
    assert neural().run(seed=2, record=thorough).rounds.equals(neural().run(seed=2).rounds)


def test_what_one_looks_at_is_what_the_run_would_draw() -> None:
    """A copy in evaluation mode, as the engine samples; it stays what it was when the run goes on."""
    eco = Ecosystem(neural())
    eco.step()
    model = eco["a"].generator
    assert not any(module.training for module in model.modules())
    x, before = model.sample(5, PLAIN), copy.deepcopy(model.state_dict())
    eco.step()
    assert torch.equal(x, model.sample(5, PLAIN)) and not torch.equal(x, eco["a"].generator.sample(5, PLAIN))
    assert all(torch.equal(before[key], value) for key, value in model.state_dict().items())


# -- writing back ------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("replicates", [1, 3])
def test_what_is_looked_at_and_written_back_is_nothing_new(replicates: int) -> None:
    """Modes come back too: a ``fit`` of one's own would go on in evaluation mode."""

    class OwnFit(Normed):
        def fit(self, data: Tensor, rng: Stream) -> float:
            loss = super().loss(data, rng)
            loss.backward()
            with torch.no_grad():
                for p in self.parameters():
                    p -= 0.1 * p.grad
                    p.grad = None
            return float(loss.detach())

    def scenario() -> Scenario:
        s = Scenario("own", rounds=3, samples=16)
        s.add("a", Member(OwnFit(), reward=Linear([1.0, 0.0]), real=torch.linspace(-1, 1, 20).reshape(10, 2)))
        s.connect("a", "a", Flow(raw=0.5))
        return s

    def write_back(eco: Ecosystem) -> None:
        for agent in eco.agents:
            agent.generator = agent.generator

    assert same(finished(scenario(), write_back, replicates), finished(scenario(), None, replicates))


def test_a_grid_of_models_comes_back_in_its_places() -> None:
    def weights(write: bool, seeds: list[int]) -> Tensor:
        eco = Ecosystem([neural(), neural().without("b", "a")], seeds=seeds)
        for _ in range(2):
            eco.step()
            if write:
                eco["a"].generator = eco["a"].generator
        return eco["a"].generator.vector()

    for seeds in ([0], [0, 1]):
        assert torch.equal(weights(True, seeds), weights(False, seeds))


def test_a_model_that_is_written_stays_the_users_own() -> None:
    """It was put into the run itself, one object for all replicates."""
    given = Normed()
    one, other = (Ecosystem(neural(), seeds=[0, 1]) for _ in range(2))
    for eco in (one, other):
        eco.step()
        eco["a"].generator = given
    with torch.no_grad():
        for p in given.parameters():
            p.fill_(5)
    weights = one["a"].generator.vector()
    assert torch.equal(weights, other["a"].generator.vector()) and not (weights == 5).all()
    given.load_state_dict(Normed().state_dict())
    for eco in (one, other):
        eco["b"].generator = given
        eco.step()
    assert torch.equal(one["a"].generator.vector(), other["a"].generator.vector())


def test_replicates_keep_their_own_prompts_when_a_model_is_written() -> None:
    """All got those of replicate 0, so a replicate was another one in company."""

    class Asked(ConditionalModel):
        event_shape, input_shape = (1,), ()

        def respond(self, inputs: Tensor, rng: Stream) -> Tensor:
            return inputs.double().unsqueeze(-1) + rng.normal(len(inputs), 1)

        def fit(self, data: Pairs, rng: Stream) -> None:
            pass

    def prompts(seeds: list[tuple[int, int]]) -> list[Tensor]:
        s = Scenario("asked", rounds=2, samples=6)
        s.add("a", Member(Asked(), real=Pairs(torch.arange(50), torch.zeros(50, 1))))
        eco = Ecosystem(s, seeds=seeds)
        eco.step()
        eco["a"].generator = Asked()
        return [model.prompts for model in models(eco["a"])]

    assert torch.equal(prompts([(0, 0), (0, 1)])[1], prompts([(0, 1)])[0])


# -- code that changes what it is given --------------------------------------------------------------------------------


def spoils(x: Tensor) -> Tensor:
    x.mul_(2).sub_(1)
    return x[:, 0] / 2


def spoils_by_numpy(x: Tensor) -> Tensor:
    x.numpy()[...] *= 2
    return x[:, 0] / 2


def polite(x: Tensor) -> Tensor:
    return (2 * x - 1)[:, 0] / 2


@pytest.mark.parametrize(("rude", "kind"), [(spoils, polite), (spoils_by_numpy, lambda x: x[:, 0] * 1)])
@pytest.mark.parametrize("make", [Normed, lambda: Location([0.0, 0.0])])
def test_a_reward_that_works_in_place_spoils_nothing(make, rude: Callable, kind: Callable) -> None:
    """What users kept was what the reward had made of it."""

    def run(reward: Callable) -> Run:
        s = Scenario("rude", rounds=2, samples=20)
        s.add("a", Member(make(), reward=reward, curator=Luce(3), real=torch.linspace(-1, 1, 20).reshape(10, 2)))
        s.connect("a", "a", Flow(curated=0.6))
        return s.run(record=Record(samples=3, choices=True, sources=True))

    one, other = run(rude), run(kind)
    assert same(one, other)
    assert one.choices.equals(other.choices) and one.sources.equals(other.sources)


def test_a_reward_of_pairs_and_a_transform_work_in_place_on_copies() -> None:
    x = Pairs(torch.ones(3), torch.ones(3, 1))

    def rude(pairs: Pairs) -> Tensor:
        return (pairs.inputs.add_(1) + pairs.outputs.mul_(3)[:, 0]).double()

    assert OfPairs(rude).judge(x).tolist() == [5.0, 5.0, 5.0]
    assert x.inputs.tolist() == [1.0, 1.0, 1.0] and float(x.outputs.sum()) == 3

    def run(transform: Callable) -> Run:
        s = closed(20)
        s.connect("a", "a", Flow(raw=0.2, transform=transform))
        return s.run()

    assert same(run(lambda x: x.mul_(-1)), run(lambda x: -x))
    symbols = Scenario("symbols", rounds=2)
    symbols.add("a", Member(Categorical([0.3, 0.7]), real=Categorical([0.5, 0.5])))
    symbols.connect("a", "a", Flow(raw=0.5, transform=lambda x: x.mul_(-1).add_(1)))
    assert float(symbols.run().parameters["a"]["probabilities"][0, 0]) == pytest.approx(0.25 + 0.5 * (0.25 + 0.5 * 0.3))


@dataclass(frozen=True, eq=False)
class Rude(Reward):
    """A reward class of one's own that works in place."""

    weight: Tensor

    def __call__(self, x: Tensor) -> Tensor:
        return x.mul_(2)[..., 0]


@dataclass(frozen=True, eq=False)
class Retouched(Curator):
    """Users who retouch what they are shown."""

    needs_reward = False

    def curate(self, slate, reward, rng):
        return slate.candidate(0).add_(1)


def test_parts_that_change_what_they_are_shown_are_refused_by_name() -> None:
    s = Scenario("rude", rounds=1, samples=5)
    with pytest.raises(ValueError, match=r"the reward Rude.* changes the samples that it is shown.*instead of x.mul_"):
        s.add("a", Member(Location([0.0]), reward=Rude(torch.ones(())), real=Location([0.0])))
    s.add("a", Member(Location([0.0]), curator=Retouched(), real=Location([0.0])))
    s.connect("a", "a", Flow(curated=0.5))
    with pytest.raises(ValueError, match=r"the curator Retouched.* changes the samples that it is shown.*x.clone"):
        s.run()


def test_a_fit_may_change_its_data() -> None:
    """What it scaled in place was in its memory: the next round began from other data."""

    class Scaled(GenerativeModel):
        event_shape = (1,)

        def __init__(self, clean: bool) -> None:
            super().__init__()
            self.mean = nn.Buffer(torch.zeros(1, dtype=torch.float64))
            self.clean = clean

        def sample(self, n: int, rng: Stream) -> Tensor:
            return self.mean + rng.normal(n, 1)

        def fit(self, data: Tensor, rng: Stream) -> None:
            data = data.clone() if self.clean else data
            self.mean = data.mul_(0.5).mean(0)

    def run(clean: bool) -> Run:
        s = Scenario("scaled", rounds=4, samples=10)
        s.add("a", Member(Scaled(clean), reward=Linear([1.0]), real=Location([8.0]), retention=accumulate()))
        return s.run(record=Record(sources=True))

    one, other = run(False), run(True)
    assert same(one, other) and one.sources.equals(other.sources)


def test_an_answer_may_change_its_inputs() -> None:
    """The pair had the inputs that the model had made of them."""

    class Shy(ConditionalModel):
        event_shape, input_shape = (), ()

        def __init__(self) -> None:
            super().__init__()
            self.prompts = torch.arange(5)

        def respond(self, inputs: Tensor, rng: Stream) -> Tensor:
            return inputs.add_(100).double()

        def fit(self, data: Pairs, rng: Stream) -> None:
            self.seen = data

    for x in (Shy().sample(6, PLAIN), _trained_on(Shy())):
        assert torch.equal(x.outputs, x.inputs + 100.0) and int(x.inputs.max()) < 5


def _trained_on(model: Any) -> Pairs:
    s = Scenario("shy", rounds=1, samples=6)
    s.add("a", Member(model, curator=Luce(3), reward=lambda x: x, real=Pairs(torch.arange(5), torch.zeros(5).double())))
    s.connect("a", "a", Flow(curated=1.0))
    eco = Ecosystem(s)
    eco.run()
    return eco["a"].generator.seen


class Restless(GenerativeModel):
    """It learns from what it says."""

    event_shape = (1,)

    def __init__(self, persistent: bool = True) -> None:
        super().__init__()
        self.register_buffer("said", torch.zeros(1), persistent=persistent)

    def sample(self, n: int, rng: Stream) -> Tensor:
        self.said += 1
        return self.said + rng.normal(n, 1)

    def fit(self, data: Tensor, rng: Stream) -> None:
        pass


def test_a_model_that_changes_when_it_samples_is_refused() -> None:
    """Every look at it (alignments, kept samples) changed the run."""
    s = Scenario("restless", rounds=1, samples=3)
    message = "sampling from Restless changed its said; a model changes in fit alone.*persistent=False"
    with pytest.raises(RuntimeError, match=message):
        s.add("a", Member(Restless(), reward=Linear([1.0]), real=torch.zeros(4, 1)))
    s.add("a", Member(Restless(persistent=False), reward=Linear([1.0]), real=torch.zeros(4, 1)))  # a cache
    assert s.run().failures.empty
