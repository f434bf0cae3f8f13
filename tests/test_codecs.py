"""Texts travel between models of different tokenizers as texts, never as numbers of tokens."""

from __future__ import annotations

import copy
from collections.abc import Sequence
from functools import cache, partial
from pathlib import Path
from typing import Any, cast

import pytest
import torch
from torch import Tensor

from ecosystem import BestOf, Ecosystem, Flow, Member, ModelAgent, Pairs, Record, Scenario, Stream, Training
from ecosystem.core.samples import TokenCodec, concatenated, folded, placed, preferred
from ecosystem.curation import Crowd, Luce, Users
from ecosystem.generators import ConditionalModel
from ecosystem.generators.language import Base, Codec, LanguageModel, load_base, tiny_base
from ecosystem.retention import accumulate
from ecosystem.rewards import TextReward
from ecosystem.rewards.base import OfPairs
from ecosystem.running.measures import distances

RNG = Stream.root([(0, 0)])[0]
PROMPTS = ["cat", "a rose", "which dog?", "sky"]
ANSWERS = ["the cat sat", "a red rose", "it ran home", "blue"]
SMALL = tiny_base(ANSWERS, tokens=262)  # 259 of them: single letters
LARGE = tiny_base([*PROMPTS, *ANSWERS, "really lovely"], tokens=400)
FAST = Training(60, 8, partial(torch.optim.AdamW, lr=5e-3))


def model(base: Base, answer_length: int = 16, **settings: Any) -> LanguageModel:
    form: dict[str, Any] = {"rank": 4, "alpha": 8, "target_modules": "all-linear", "training_plan": FAST}
    return LanguageModel(base, 12, answer_length, **(form | settings))


@cache
def _taught(base: Base, answers: tuple[str, ...], answer_length: int) -> LanguageModel:
    made = model(base, answer_length, dropout=0.0, temperature=0.0)
    made.fit(made.codec.pairs(PROMPTS, answers), RNG)
    return made


def taught(base: Base, answers: Sequence[str] = ANSWERS, answer_length: int = 16) -> LanguageModel:
    """One that knows its answers by heart."""
    return copy.deepcopy(_taught(base, tuple(answers), answer_length))


def letters(prompt: str, answer: str) -> float:
    return float(len(answer))


def longest(prompt: str, answer: str) -> float:
    return len(answer) + sum(map(ord, answer)) / 1e6  # no ties


LONGEST = [TextReward(longest, Codec(base, 12, 16).texts) for base in (SMALL, LARGE)]


# -- pairs that know their codec ---------------------------------------------------------------------------------------


def test_a_codec_is_its_content(tmp_path: Path) -> None:
    """The tokenizer counts and the lengths, not where it lies or which network stands on it."""
    LARGE.on("cpu").save_pretrained(tmp_path)
    LARGE.tokenizer.save_pretrained(tmp_path)
    twin = Codec(load_base(tmp_path), 12, 16)
    mine = Codec(LARGE, 12, 16)
    mine.pairs(["x"], ["y"])  # using it changes nothing
    assert mine == twin and hash(mine) == hash(twin) and mine == Codec(type(LARGE)(*LARGE.arguments), 12, 16)
    for other in (Codec(SMALL, 12, 16), Codec(LARGE, 11, 16), Codec(LARGE, 12, 15)):
        assert mine != other


def test_pairs_keep_their_codec_whatever_is_done_to_them() -> None:
    codec = Codec(LARGE, 12, 16)
    pairs = codec.pairs(PROMPTS, ANSWERS)
    unknown = Pairs(pairs.inputs, pairs.outputs)
    for x in (
        pairs[1:3],
        pairs[0],
        pairs.clone(),
        pairs.answered(pairs.outputs.flip(0)),
        folded(pairs, 2, 2),
        concatenated([pairs, copy.deepcopy(pairs)]),
    ):
        assert x.codec == codec  # type: ignore[union-attr]
    assert unknown.codec is None and codec.recoded(unknown) is unknown and codec.recoded(pairs) is pairs
    others = Codec(SMALL, 12, 16).pairs(PROMPTS, ANSWERS)
    with pytest.raises(ValueError, match=r"tokens of Codec\(.*\) and of Codec\(.*\) cannot stand together; re-encode"):
        concatenated([pairs, others])
    with pytest.raises(ValueError, match="cannot stand together"):
        pairs[:2] = others[:2]
    for join in (
        lambda: concatenated([pairs, unknown]),
        lambda: concatenated([unknown, pairs]),
        lambda: pairs.__setitem__(slice(2), unknown[:2]),
        lambda: placed(pairs, slice(2), unknown[:2]),
        lambda: preferred(torch.tensor([True, False, True, True]), unknown, pairs),
    ):  # they took the codec of their company without a word
        with pytest.raises(ValueError, match="pairs that do not say whose tokens they are cannot stand with tokens of"):
            join()
    assert unknown.codec is None and concatenated([unknown, unknown]).codec is None


def test_texts_are_read_by_their_own_codec_and_re_encoded() -> None:
    mine, theirs = Codec(LARGE, 12, 16), Codec(SMALL, 20, 30)
    pairs = theirs.pairs(PROMPTS, ["really lovely", *ANSWERS[1:]])
    told = list(zip(PROMPTS, ["really lovely", *ANSWERS[1:]], strict=True))
    assert mine.texts(pairs) == theirs.texts(pairs) == told
    made = mine.recoded(folded(pairs, 2, 2))
    assert isinstance(made, Pairs) and made.codec == mine and made.batch_shape == (2, 2)
    direct = mine.pairs(*map(list, zip(*told, strict=True)))
    assert torch.equal(made.outputs.flatten(0, 1), direct.outputs) and torch.equal(made[0].inputs, direct.inputs[:2])
    assert (
        torch.equal(mine.asked(pairs.inputs, theirs), direct.inputs) and mine.asked(pairs.inputs, mine) is pairs.inputs
    )
    assert isinstance(none := mine.recoded(pairs[:0]), Pairs) and none.outputs.shape == (0, 16)
    assert TextReward(letters, mine.texts)(folded(pairs, 2, 2)).tolist() == [[13.0, 10.0], [11.0, 4.0]]


# -- flows -------------------------------------------------------------------------------------------------------------


def two(here: Base, there: Base, flow: Flow, **lengths: int) -> Scenario:
    """``a`` trains on what ``b``, who was taught on another base, says."""
    s = Scenario("two", rounds=1, samples=24)
    learner, teacher = model(here), taught(there, **lengths)
    learner.training_plan = teacher.training_plan = Training(1, 4)
    s.add(
        "a",
        Member(learner, reward=TextReward(letters, learner.codec.texts), real=learner.codec.pairs(PROMPTS, ["?"] * 4)),
    )
    s.add(
        "b",
        Member(
            teacher,
            reward=TextReward(letters, teacher.codec.texts),
            curator=BestOf(2),
            real=teacher.codec.pairs(PROMPTS, ANSWERS),
        ),
    )
    s.connect("b", "a", flow)
    return s


@pytest.mark.parametrize(
    ("here", "there", "lengths", "flow"),
    [
        (SMALL, LARGE, {}, Flow(raw=1.0)),
        (LARGE, SMALL, {"answer_length": 20}, Flow(raw=0.5, curated=0.5)),
        (
            LARGE,
            SMALL,
            {},
            Flow(curated=1.0, chosen_by=Users(TextReward(letters, Codec(LARGE, 12, 16).texts), Luce(2))),
        ),
        (SMALL, LARGE, {"answer_length": 20}, Flow(raw=1.0, transform=lambda pairs: pairs.answered(pairs.outputs))),
    ],
)
def test_texts_arrive_as_they_were_said(here: Base, there: Base, lengths: dict[str, int], flow: Flow) -> None:
    """Before, `index out of range in self` on the small vocabulary, on the large one other words were trained on."""
    s = two(here, there, flow, **lengths)
    assert s.describe()["flows"]["transform"].str.endswith("re-encoded").all()
    eco = Ecosystem(s)
    gathered = eco["a"].gather()
    read = eco["a"].generator.texts(gathered.data[0, 0, 0])  # type: ignore[union-attr]
    assert set(read) == set(zip(PROMPTS, ANSWERS, strict=True))
    eco.run()
    prompts = eco["a"].generator.prompts
    assert {prompt for prompt, _ in eco["a"].generator.texts(Pairs(prompts, prompts))} <= set(PROMPTS)


def test_users_on_both_sides_choose_by_the_texts() -> None:
    """Of four answers the longest: the same, whoever reads them in whichever tokens; crowds judge by both."""
    kept = []
    for curator, chosen_by in (
        (BestOf(4), "producer"),
        (BestOf(4), "consumer"),
        (Crowd(BestOf(4), LONGEST), "producer"),
    ):
        s = Scenario("sides", rounds=1, samples=12)
        for name, base, reward in (("a", LARGE, LONGEST[0]), ("b", SMALL, LONGEST[1])):  # each reads the other's
            made = taught(base) if name == "b" else model(base, answer_length=64)
            made.temperature, made.top_p = 1.2, 0.95
            s.add(name, Member(made, reward=reward, curator=curator, real=made.codec.pairs(PROMPTS, ANSWERS)))
        s.connect("b", "a", Flow(curated=1.0, chosen_by=chosen_by))  # type: ignore[arg-type]
        kept.append(s.member("a").generator.texts(Ecosystem(s)["a"].gather().data[0, 0, 0]))  # type: ignore[union-attr]
    assert kept[0] == kept[1] == kept[2] and {answer for _, answer in kept[0]} - set(ANSWERS)


def test_everything_else_that_reads_texts() -> None:
    """Retention, real data, tastes, distances, kept texts, checkpoints: three members, two tokenizers."""
    s = three()
    record = Record(judged=8, samples=4, tastes=True, choices=True, sources=True, measures=[distances])
    run = s.run(seed=0, replicates=2, record=record)
    assert run.failures.empty and len(run.tastes) == 2 * 3 * 3 * 3
    said = run.texts.groupby("member")["input"].agg(set)
    assert all(prompts <= set(PROMPTS) for prompts in said)
    start = run.tastes.query("round == 0 and member == 'b'").groupby("judge")["reward"].agg(set)
    assert start["a"] == start["b"] == start["c"]  # three judges with the same taste, in two tokens
    assert len(run.distances.query("round == 0")) == 2 * 3
    apart = run.distances.query("round == 0 and replicate == 0").set_index(["member", "other"])["distance"]
    assert apart["a", "b"] < 0.9  # both know the same by heart, and say it in other tokens
    assert apart["a", "c"] == apart["b", "c"] == 1


def three() -> Scenario:
    s = Scenario("three", rounds=2, samples=8)
    for name, base, says in (("a", LARGE, ANSWERS), ("b", SMALL, ANSWERS), ("c", SMALL, ["no"] * 4)):
        made = taught(base, says)
        made.training_plan = Training(5, 8, FAST.optimizer, keep_optimizer=True)
        reward = TextReward(longest, made.codec.texts)
        real = made.codec.pairs(PROMPTS, says)
        s.add(name, Member(made, reward=reward, curator=BestOf(2), real=real, retention=accumulate()))
    for u, v in (("a", "b"), ("b", "a"), ("b", "c"), ("c", "a")):
        s.connect(u, v, Flow(raw=0.2, curated=0.2))
    return s


def test_a_checkpoint_knows_the_codecs(tmp_path: Path) -> None:
    s = three()
    whole = s.run(seed=3, record=Record(judged=4, samples=2))
    eco = Ecosystem(three(), seeds=[3], record=Record(judged=4, samples=2))
    eco.step()
    eco.save(tmp_path / "half")
    other = Ecosystem(three(), seeds=[3], record=Record(judged=4, samples=2))
    other.restore(tmp_path / "half")
    memory = other.state.memories[other.program.places["a"][0]]
    assert {sets.data.codec for kept in memory.values() for sets in kept} == {s.member("a").generator.codec}  # type: ignore[attr-defined]
    other.run()
    assert other.result().rounds.equals(whole.rounds) and other.result().texts.equals(whole.texts)


def test_nobody_else_is_guessed_at() -> None:
    """A reward on tokens is shown its own; a transform that forgets whose tokens it gives is refused by name."""
    made, other = taught(SMALL), taught(LARGE)

    class Tokens(OfPairs):
        pass

    def known(pairs: Pairs) -> Tensor:
        assert pairs.codec == made.codec
        return pairs.outputs[:, 0].double()

    s = Scenario("tokens", rounds=1, samples=4)
    s.add("a", Member(made, reward=Tokens(known), real=made.codec.pairs(PROMPTS, ANSWERS)))
    s.add("b", Member(other, reward=TextReward(letters, other.codec.texts), real=other.codec.pairs(PROMPTS, ANSWERS)))
    s.connect("b", "a", Flow(raw=0.5))
    assert len(s.run(record=Record(tastes=True, judged=4)).tastes) == 8
    with pytest.raises(
        ValueError, match=r"flow 'a' → 'b': the transform <lambda>, re-encoded fails .* do not say whose tokens"
    ):
        s.connect("a", "b", Flow(raw=0.5, transform=lambda pairs: Pairs(pairs.inputs, pairs.outputs)))
    s.connect("a", "b", Flow(raw=0.5, transform=lambda pairs: Pairs(pairs.inputs, pairs.outputs, codec=pairs.codec)))


def test_real_data_of_another_tokenizer_are_refused() -> None:
    made, other = model(LARGE), model(SMALL)
    pairs = other.codec.pairs(PROMPTS, ANSWERS)
    for real in (pairs, lambda n, rng: pairs[:n], other):
        other.prompts = pairs.inputs
        with pytest.raises(
            ValueError, match=r"the real data of 'a': these pairs are tokens of Codec\(.*model.codec.recoded"
        ):
            Scenario("s", rounds=1, samples=4).add("a", Member(made, real=real))
    Scenario("s", rounds=1, samples=4).add("a", Member(made, real=made.codec.recoded(pairs)))
    with pytest.raises(ValueError, match="these pairs are tokens of"):
        made.fit(pairs, RNG)


def test_prompts_that_nobody_knows_are_refused() -> None:
    """Bare tokens do not say whose they are; those beyond the vocabulary were an index error in the network."""
    made, real = model(SMALL), Codec(SMALL, 12, 16).pairs(PROMPTS, ANSWERS)
    foreign = Codec(LARGE, 12, 16).prompts(PROMPTS)
    assert int(foreign.max()) >= SMALL.vocabulary
    with pytest.raises(
        ValueError, match=r"the prompts have tokens .* to .*, the vocabulary of tiny_base\(seed=0\) goes"
    ):
        made.respond(foreign, RNG)
    made.prompts = foreign
    with pytest.raises(ValueError, match="the prompts have tokens"):
        Scenario("s", rounds=1, samples=4).add("a", Member(made, reward=LONGEST[0], real=real))


def test_an_agent_that_brings_other_tokens_is_stopped_by_name() -> None:
    foreign = Codec(SMALL, 12, 16).pairs(PROMPTS, ANSWERS)

    class Smuggler(ModelAgent):
        def retrain(self, gathered: Any) -> Tensor:
            return super().retrain(folded(foreign, 1, 1, 1, 4))

    made = model(LARGE)
    s = Scenario("s", rounds=1, samples=4)
    s.add("a", Member(made, real=made.codec.pairs(PROMPTS, ANSWERS), agent=Smuggler))
    with pytest.raises(RuntimeError, match="member 'a' failed to train in round 1: these pairs are tokens of Codec"):
        s.run()


def test_a_codec_of_ones_own() -> None:
    """Whatever reads and writes texts is one; a model's attribute of that name that is none is left alone."""

    class Letters(TokenCodec):
        def __eq__(self, other: object) -> bool:
            return type(other) is Letters

        def __hash__(self) -> int:
            return 1

        def _many(self, texts: Any) -> Tensor:
            return torch.tensor([[ord(c) for c in f"{text:14.14}"] for text in texts], dtype=torch.int64).reshape(
                -1, 14
            )

        def prompts(self, texts: Any) -> Tensor:
            return self._many(texts)

        def pairs(self, prompts: Any, answers: Any) -> Pairs:
            return Pairs(self._many(prompts), self._many(answers), codec=self)

        def texts(self, pairs: Pairs) -> list[tuple[str, str]]:
            rows = [["".join(map(chr, row)).strip() for row in part.tolist()] for part in (pairs.inputs, pairs.outputs)]
            return list(zip(*rows, strict=True))

    class Parrot(ConditionalModel):
        event_shape = input_shape = (14,)

        def __init__(self, codec: Any) -> None:
            super().__init__()
            self.codec = codec
            self.heard: list[tuple[str, str]] = []

        def respond(self, inputs: Tensor, rng: Stream) -> Tensor:
            return inputs.clone()

        def fit(self, data: Any, rng: Stream) -> None:
            self.heard = data.codec.texts(data)

    teacher, parrot = taught(LARGE), Parrot(Letters())
    s = Scenario("own", rounds=1, samples=6)
    s.add("b", Member(teacher, real=teacher.codec.pairs(PROMPTS, ANSWERS)))
    s.add("parrot", Member(parrot, real=Letters().pairs(PROMPTS, PROMPTS)))
    s.connect("b", "parrot", Flow(raw=1.0))
    eco = Ecosystem(s)
    eco.run()
    assert set(eco["parrot"].generator.heard) <= set(zip(PROMPTS, ANSWERS, strict=True))
    image = Parrot("a word that is no codec")
    blank = Pairs(torch.zeros(2, 14).long(), torch.zeros(2, 14).long())
    s.add("other", Member(image, real=blank))
    s.add("another", Member(image, real=blank))
    s.connect("other", "another", Flow(raw=0.5))
    assert s.describe()["flows"]["transform"].tolist() == ["re-encoded", "identity"]

    unknown, whose = "these pairs do not say whose tokens they are, and", "these pairs are tokens of .*, and"
    strip = lambda pairs: Pairs(pairs.inputs, pairs.outputs)  # noqa: E731
    for refused, message in (
        (lambda: s.connect("parrot", "other", Flow(raw=0.5)), f"flow .* {whose} the generator of 'other' does not say"),
        (
            lambda: s.connect("other", "parrot", Flow()),
            f"flow 'other' → 'parrot': {unknown} .* of 'parrot' reads",
        ),
        (lambda: s.connect("parrot", "parrot", Flow(transform=strip)), f"flow 'parrot' → 'parrot': {unknown} the gen"),
        (lambda: s.add("x", Member(parrot, real=blank)), f"the real data of 'x': {unknown} its generator reads"),
        (lambda: s.add("x", Member(image, real=parrot.codec.pairs(PROMPTS, PROMPTS))), f"of 'x': {whose} its gen"),
    ):
        with pytest.raises(ValueError, match=message):
            refused()
    s.connect("parrot", "other", Flow(raw=0.5, transform=strip))


def _hashless(self: Any, other: object) -> bool:
    return type(self) is type(other)


@pytest.mark.parametrize("how", [{}, {"__eq__": _hashless, "__hash__": None}, {"__hash__": lambda self: 1}])
def test_a_codec_that_is_not_known_by_its_content_says_what_to_define(how: dict[str, Any]) -> None:
    """Copies of it were "tokens of two codecs", though there was one; one without a hash was an error of Python's."""

    class Plain(TokenCodec):
        pass

    for name, value in how.items():
        setattr(Plain, name, value)
    made = taught(SMALL)
    cast(Any, made).codec = Plain()
    with pytest.raises(ValueError, match=r"codec of 'a', a Plain, does not equal a copy .*; define __eq__ .*hash__ in"):
        Scenario("plain", rounds=1, samples=4).add("a", Member(made, real=Codec(SMALL, 12, 16).pairs(PROMPTS, ANSWERS)))


def test_same_tokenizer_is_never_re_encoded(tmp_path: Path) -> None:
    """Two bases in two folders, one tokenizer: tokens go through as they are, special ones and cut ones too."""
    for seed in (0, 1):
        base = tiny_base(ANSWERS, seed=seed)
        base.on("cpu").save_pretrained(tmp_path / str(seed))
        base.tokenizer.save_pretrained(tmp_path / str(seed))
    s = two(load_base(tmp_path / "0"), load_base(tmp_path / "1"), Flow(raw=1.0))
    assert s.describe()["flows"]["transform"].tolist() == ["identity"]
    assert s.run().failures.empty
