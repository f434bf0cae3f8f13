"""The weights of a run come back: as the user's own modules, round by round, and as adapters of peft."""

from __future__ import annotations

import copy
import pickle
from functools import partial
from pathlib import Path
from typing import Any

import peft
import pytest
import torch
from torch import Tensor, nn

from ecosystem import (
    Ecosystem,
    Flow,
    GenerativeModel,
    Location,
    Member,
    Pairs,
    Record,
    Run,
    Scenario,
    Stream,
    Training,
    at,
    every,
)
from ecosystem.generators import ConditionalModel
from ecosystem.generators.language import LanguageModel, tiny_base

RNG = Stream.root([(0, 0)])[0]
ANSWERS = ["the cat sat on the mat", "a red rose"]


class Coin(GenerativeModel):
    """A net with dropout, a buffer of its own shape and something that is in no state dict."""

    event_shape = (1,)
    training_plan = Training(4, 8, partial(torch.optim.Adam, lr=0.05), keep_optimizer=True)

    def __init__(self) -> None:
        super().__init__()
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(0)
            self.net = nn.Sequential(nn.Linear(1, 3), nn.Dropout(0.1), nn.Linear(3, 1))
        self.register_buffer("seen", torch.zeros(0))
        self.told: list[int] = []

    def sample(self, n: int, rng: Stream) -> Tensor:
        return self.net(rng.normal(n, 1))

    def loss(self, batch: Tensor, rng: Stream) -> Tensor:
        return ((self.net(torch.ones_like(batch)) - batch) ** 2).mean()

    def fit(self, data: Tensor, rng: Stream) -> float | None:
        self.seen = torch.cat([self.seen, data.mean().reshape(1)])
        self.told = [*self.told, len(data)]
        return super().fit(data, rng)


class Labels(ConditionalModel):
    event_shape, input_shape = (), ()
    training_plan = Training(2, 4)

    def __init__(self) -> None:
        super().__init__()
        self.shift = nn.Parameter(torch.zeros(()))

    def respond(self, inputs: Tensor, rng: Stream) -> Tensor:
        return inputs + self.shift

    def loss(self, batch: Pairs, rng: Stream) -> Tensor:
        return ((batch.inputs + self.shift - batch.outputs) ** 2).mean()


def speaker() -> LanguageModel:
    made = LanguageModel(tiny_base(ANSWERS), 8, 12, rank=2, target_modules="all-linear", temperature=0.0)
    made.training_plan = Training(3, 4, partial(torch.optim.AdamW, lr=5e-3), keep_optimizer=True)
    return made


def scenario(rounds: int = 6) -> Scenario:
    s = Scenario("all", rounds=rounds, samples=8)
    said = speaker()
    s.add("closed", Member(Location([4.0]), real=Location([0.0])))
    s.add("net", Member(Coin(), real=torch.ones(5, 1)))
    s.add("labels", Member(Labels(), real=Pairs(torch.tensor([1.0, 2.0]), torch.tensor([3.0, 4.0]))))
    s.add("said", Member(said, real=said.codec.pairs(["cat", "rose"], ANSWERS)))
    for name in s.names:
        s.connect(name, name, Flow(raw=0.5))
    return s


MEMBERS = ("closed", "net", "labels", "said")


@pytest.fixture(scope="module")
def played() -> tuple[Ecosystem, Run]:
    eco = Ecosystem(scenario(), seeds=[(0, 0), (0, 1)], record=Record(parameters=every(2, start=1)))
    eco.run()
    return eco, eco.result()


def numbers(model: Any) -> dict[str, Tensor]:
    return {name: x.detach() for name, x in model.state_dict().items()}


@pytest.mark.parametrize("name", MEMBERS)
def test_a_member_comes_back_as_the_users_own_module(played: tuple[Ecosystem, Run], name: str) -> None:
    """Before, there were dicts of tensors alone, and nothing to put them in."""
    eco, run = played
    given = eco.scenarios[0].member(name).generator
    for replicate in (0, 1):
        model = run.generator(name, replicate=replicate)
        assert type(model) is type(given) and not any(part.training for part in model.modules())
        now = eco[name].generator.models[replicate] if name != "closed" else eco[name].generator.take(replicate)
        assert numbers(model).keys() == numbers(given).keys() == run.parameters[name].keys()
        for key, x in numbers(model).items():
            assert torch.equal(x, run.parameters[name][key][replicate]) and torch.equal(x, numbers(now)[key])
        first, again = (m.sample(4, RNG) for m in (model, now))
        assert torch.equal(*(x.outputs if isinstance(x, Pairs) else x for x in (first, again)))
    one, other = (nn.utils.parameters_to_vector(numbers(run.generator(name, r)).values()) for r in (0, 1))
    assert not torch.equal(one, other)


@pytest.mark.parametrize("name", MEMBERS)
def test_what_is_done_to_it_changes_nothing(played: tuple[Ecosystem, Run], name: str) -> None:
    _, run = played
    before = {key: x.clone() for key, x in run.parameters[name].items()}
    model = run.generator(name)
    for x in model.state_dict().values():
        x += 1
    assert all(torch.equal(x, run.parameters[name][key]) for key, x in before.items())
    assert all(torch.equal(x, run.parameters[name][key][0]) for key, x in numbers(run.generator(name)).items())


def test_all_of_a_module_comes_back(played: tuple[Ecosystem, Run]) -> None:
    """What is in no state dict too; not the optimizer's memory, nor gradients."""
    _, run = played
    net = run.generator("net")
    assert net.told == [8] * 6 and net.seen.shape == (6,) and net.retrainings == 6
    assert net.optimizer_state is None and all(p.grad is None for p in net.parameters())
    labels = run.generator("labels")
    assert labels.prompts is not None and labels.sample(3, RNG).outputs.shape == (3,)


@pytest.mark.parametrize("name", MEMBERS)
def test_rounds_are_kept_and_read_back(played: tuple[Ecosystem, Run], name: str, tmp_path: Path) -> None:
    _, run = played
    assert list(run.history[name]) == [2, 4, 6]
    short = scenario(rounds=4).run(replicates=2)
    for key, x in short.parameters[name].items():
        assert torch.equal(run.history[name][4][key], x)
    back = Run.load(run.save(tmp_path / "run"))
    assert list(back.history[name]) == [2, 4, 6]
    given = scenario().member(name).generator
    for round, replicate in ((4, 1), (6, 0), (None, 1)):
        mine = run.generator(name, replicate, round=round)
        read = back.generator(name, replicate, round=round, like=given)
        assert not any(part.training for part in read.modules()) and type(read) is type(mine)
        for key, x in numbers(mine).items():
            assert torch.equal(x, numbers(read)[key])
    assert torch.equal(numbers(run.generator(name, 0, round=6))[key], numbers(run.generator(name, 0))[key])


def test_a_checkpoint_holds_what_was_kept(played: tuple[Ecosystem, Run], tmp_path: Path) -> None:
    _, run = played
    record = Record(parameters=every(2, start=1))
    half = Ecosystem(scenario(), seeds=[(0, 0), (0, 1)], record=record)
    for _ in range(3):
        half.step()
    half.save(tmp_path / "half")
    eco = Ecosystem(scenario(), seeds=[(0, 0), (0, 1)], record=record)
    eco.restore(tmp_path / "half")
    eco.run()
    other = eco.result()
    for name in MEMBERS:
        assert list(other.history[name]) == [2, 4, 6]
        for round, many in run.history[name].items():
            assert all(torch.equal(x, other.history[name][round][key]) for key, x in many.items())


def test_runs_that_travel(played: tuple[Ecosystem, Run]) -> None:
    """A run comes out of another process with its models, if they can go there; else like= is asked for."""
    _, run = played
    back = pickle.loads(pickle.dumps(run))
    assert torch.equal(back.generator("net").seen, run.generator("net").seen)

    class Here(Coin):
        pass

    s = Scenario("here", rounds=1, samples=4)
    s.add("a", Member(Here(), real=torch.ones(5, 1)))
    local = s.run()
    assert type(local.generator("a")) is Here
    travelled = pickle.loads(pickle.dumps(local))
    with pytest.raises(ValueError, match=r"run.generator\('a'\): .* has no models; give it one .* like="):
        travelled.generator("a")
    assert torch.equal(travelled.generator("a", like=Here()).seen, local.generator("a").seen)


@pytest.mark.parametrize(
    ("ask", "error", "message"),
    [
        ({"name": "nobody"}, KeyError, "there is no member 'nobody' in the run; there are closed, net, labels, said"),
        ({"name": "net", "replicate": 2}, ValueError, "there is no replicate 2; there are 2, from 0 on"),
        ({"name": "net", "replicate": 0.5}, TypeError, r"generator\(replicate\) must be a whole number, got 0.5"),
        ({"name": "net", "round": 3}, ValueError, r"round 3 were not kept, those of 2, 4, 6 and the last \(6\) are"),
        (
            {"name": "net", "like": Labels()},
            ValueError,
            "its weights do not fit a Labels .* give like= a model made",
        ),
        ({"name": "net", "like": Location([0.0])}, ValueError, "its weights do not fit a Location"),
    ],
)
def test_refusals(played: tuple[Ecosystem, Run], ask: dict[str, Any], error: type[Exception], message: str) -> None:
    with pytest.raises(error, match=message):
        played[1].generator(**ask)


def test_a_record_of_parameters_is_a_schedule() -> None:
    for given in (3, "all", [1, 2]):
        with pytest.raises(TypeError, match=r"Record\(parameters\): a schedule is every"):
            Record(parameters=given)
    s = scenario(rounds=3)
    assert list(s.run(record=Record(parameters=at(1, 3))).history["closed"]) == [1, 3]
    assert list(s.run(record=Record(parameters=lambda round, rng: round == 2)).history["closed"]) == [2]
    assert s.run().history == {} and copy.deepcopy(s.run()).generator("net").told == [8] * 3


@pytest.mark.filterwarnings("ignore:`is_gradient_checkpointing`:FutureWarning")  # peft asks transformers
def test_an_adapter_is_one_of_pefts(played: tuple[Ecosystem, Run], tmp_path: Path) -> None:
    """Before, its weights had names and a form of their own."""
    _, run = played
    model = run.generator("said", replicate=1)
    folder = model.save_pretrained(tmp_path / "adapter")
    network = copy.deepcopy(model.base.on("cpu"))
    tokens = torch.tensor([model.base.tokenizer("the cat")["input_ids"]])
    plain = network(tokens).logits
    there = peft.PeftModel.from_pretrained(network, folder).eval()
    mask = torch.ones_like(tokens, dtype=torch.bool)
    mine, _ = model._logits(tokens, mask, tokens.shape[1], False)
    torch.testing.assert_close(there(tokens).logits, mine.detach())
    assert not torch.allclose(plain, mine, atol=1e-3)
    with pytest.raises(FileExistsError, match="exists already; choose another folder, or overwrite it"):
        model.save_pretrained(folder)
    assert model.save_pretrained(folder, overwrite=True) == folder
    config = peft.PeftConfig.from_pretrained(folder)
    assert config.r == 2 and config.inference_mode and config.base_model_name_or_path == "tiny_base(seed=0)"
