"""Rewards on texts, worked out by hand on sentences that one can count."""

from __future__ import annotations

import math
import pickle
import re
from collections.abc import Callable
from functools import partial
from math import exp
from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor

from ecosystem import Linear, Pairs
from ecosystem.core.stacking import stack
from ecosystem.rewards import TextReward, WeightedSum, paraphrase_reward, summary_reward
from ecosystem.rewards.texts import contractions, copied, coverage, tokens

_quick = settings(max_examples=50, deadline=None)
SENTENCES = st.lists(st.sampled_from(["the", "cat", "don't", "it's", "dog's", "sat", "82"]), max_size=16).map(" ".join)


# -- words and n-grams -------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("Don't stop.", ["don't", "stop"]),
        ("DON’T stop!", ["don't", "stop"]),
        ("well-known, e.g. 3.14 snake_case", ["well", "known", "e", "g", "3", "14", "snake", "case"]),
        ("'Tis the dogs' “rock'n'roll” café", ["tis", "the", "dogs", "rock'n'roll", "caf"]),
        ("they shouldn't've", ["they", "shouldn't've"]),
        (" \n…'—! ", []),
        ("", []),
    ],
)
def test_tokens(text: str, words: list[str]) -> None:
    assert tokens(text) == words


@pytest.mark.parametrize(
    ("text", "count"),
    [
        ("Can't, won't, ain't, shouldn't've", 6),  # the first two count twice
        ("I'm, we're, I've, she'll, they'd", 5),
        ("It's what's there's let's who's he's", 6),
        ("Anna's dog's company's James's one's", 0),  # genitives
        ("O'Neill's ma'am at six o'clock, rock'n'roll", 0),
        ("cannot do not its lets well were", 0),
        ("It's a dog's life: it's it's", 3),  # every occurrence
    ],
)
def test_contractions(text: str, count: int) -> None:
    assert contractions(tokens(text)) == count


@pytest.mark.parametrize(
    ("source", "answer", "share"),
    [
        ("a b c d e", "a b c d e", 1.0),
        ("a b c d e", "b c d e f", 1 / 2),  # bcde, not cdef
        ("a b c d", "a b c d a b c d a", 1 / 4),  # abcd among abcd bcda cdab dabc, each once
        ("a b c d e", "e d c b a", 0.0),
        ("a b c d e", "a b c", 0.0),  # no 4-gram
        ("a b c", "a b c d", 0.0),
        ("", "", 0.0),
    ],
)
def test_copied(source: str, answer: str, share: float) -> None:
    assert copied(source.split(), answer.split()) == share


def test_coverage_is_of_the_most_frequent_words() -> None:
    """Of 21 different words the last comes twice and so first; of the others, that come once, the last falls out."""
    document = [f"w{i}" for i in range(20)] + ["z", "z"]
    assert coverage(document, ["z"]) == 1 / 20
    assert coverage(document, ["w18"]) == 1 / 20
    assert coverage(document, ["w19", "elsewhere"]) == 0.0
    assert coverage(document, document) == 1.0
    assert coverage(["a", "b", "a"], ["a", "a"]) == 1 / 2 and coverage([], ["a"]) == 0.0 == coverage(["a"], [])
    assert coverage(["a", "b", "c", "c"], ["a"], top=2) == 1 / 2


# -- the summary reward ------------------------------------------------------------------------------------------------

CAT = "The cat sat on the mat. The dog sat too."  # 10 words; 7 different: the cat sat on mat dog too
MANY = " ".join(f"w{i}" for i in range(24))  # the 20 most frequent are w0 ... w19


def words(*numbers: int) -> str:
    return " ".join(f"w{i}" for i in numbers)


@pytest.mark.parametrize(
    ("document", "summary", "value"),
    [
        # 6 words; the dog sat on mat of 7; of (the dog sat on) (dog sat on the) (sat on the mat) the last is copied
        (CAT, "The dog sat on the mat.", 0.55 * exp(-3) + 0.55 * 5 / 7 - 0.60 / 3),
        (CAT, CAT, 0.55 * exp(-1) + 0.55 - 0.60),  # 10 words, all covered, all copied
        (CAT, CAT.upper(), 0.55 * exp(-1) + 0.55 - 0.60),
        (CAT, "Pets rested", 0.55 * exp(-5)),
        (MANY, words(*range(19, 7, -1)), 0.55 + 0.55 * 12 / 20),  # 12 words, backwards: nothing copied
        (MANY, words(*range(23, 11, -1)), 0.55 + 0.55 * 8 / 20),  # w20 ... w23 are not among the 20
        (MANY, words(*range(12)), 0.55 + 0.55 * 12 / 20 - 0.60),  # 9 of 9 4-grams
        (MANY, words(0, 1, 2, 3, *range(19, 11, -1)), 0.55 + 0.55 * 12 / 20 - 0.60 / 9),  # 12 words, the first of 9
        (MANY, words(*range(13, 0, -1)), 0.55 * exp(-1 / 2) + 0.55 * 13 / 20),  # 13 words
        ("Rain, rain, rain; sun.", "Rain!", 0.55 * exp(-11 / 2) + 0.55 / 2),  # one word of two
        (CAT, "", 0.0),
        ("", "rain", 0.55 * exp(-11 / 2)),
        ("", " …", 0.0),
    ],
)
def test_summaries_by_hand(document: str, summary: str, value: float) -> None:
    assert summary_reward(document, summary) == pytest.approx(value, abs=1e-14)


# -- the paraphrase reward ---------------------------------------------------------------------------------------------

HOUSE = "We can't go to the old house today."  # 8 words, one contraction


@pytest.mark.parametrize(
    ("source", "paraphrase", "value"),
    [
        (HOUSE, HOUSE, 0.45 + 0.35 * 6 / 8 + 0.30 * exp(-8)),  # can't counts twice; all copied: |1 − .2|/.1 = 8
        # 8 words; of 5 4-grams (go to the old) (to the old house) (the old house today) are copied: 3/5
        (HOUSE, "We cannot go to the old house today.", 0.45 + 0.35 + 0.30 * exp(-4)),
        # 8 words; of 5 4-grams (to the old house) alone: the best there is
        (HOUSE, "Today nobody may visit to the old house.", 1.10),
        # 4 words, half as long, it's and she'll, not Anna's: half contractions, nothing copied
        (HOUSE, "It's Anna's; she'll go.", 0.45 * exp(-2) + 0.35 / 2 + 0.30 * exp(-2)),
        ("One two three four", "five six seven eight nine", 0.45 * exp(-1) + 0.35 + 0.30 * exp(-2)),  # ratio 5/4
        ("One two", "three four five six", 0.45 * exp(-4) + 0.35 + 0.30 * exp(-2)),  # twice as long
        ("Yes", "Certainly", 0.45 + 0.35 + 0.30 * exp(-2)),
        ("Do not", "Don't", 0.45 * exp(-2) - 0.35 + 0.30 * exp(-2)),  # one word, which counts twice: 1 − 2/1
        ("Do not", "Ain't", 0.45 * exp(-2) + 0.30 * exp(-2)),  # not listed: once
        (HOUSE, "", 0.0),
        ("", "No", 0.35 + 0.30 * exp(-2)),
        ("", "—", 0.0),
    ],
)
def test_paraphrases_by_hand(source: str, paraphrase: str, value: float) -> None:
    assert paraphrase_reward(source, paraphrase) == pytest.approx(value, abs=1e-14)


@_quick
@given(source=st.one_of(st.text(), SENTENCES), answer=st.one_of(st.text(), SENTENCES))
def test_bounds(source: str, answer: str) -> None:
    assert -0.60 <= summary_reward(source, answer) <= 1.10 + 1e-12
    assert -0.35 <= paraphrase_reward(source, answer) <= 1.10 + 1e-12
    assert 0.0 <= copied(tokens(source), tokens(answer)) <= 1.0


@_quick
@given(source=SENTENCES, answer=SENTENCES)
def test_case_and_punctuation_do_not_count(source: str, answer: str) -> None:
    loud = f"«{answer.upper().replace(' ', ', ')}!»".replace("'", "’")
    for reward in (summary_reward, paraphrase_reward):
        assert reward(source, loud) == reward(source, answer) == reward(source.title(), answer)


# -- as a reward of pairs ----------------------------------------------------------------------------------------------

TEXTS = [HOUSE, "We cannot go to the old house today.", "Today nobody may visit to the old house.", ""]


def read(pairs: Pairs) -> list[tuple[str, str]]:
    """A language of four sentences, each one symbol."""
    return [(TEXTS[i], TEXTS[j]) for i, j in zip(pairs.inputs.tolist(), pairs.outputs.tolist(), strict=True)]


def letters(pairs: Pairs) -> list[tuple[str, str]]:
    """Each symbol a letter, texts of any length."""
    rows = [part.unsqueeze(-1).flatten(1).tolist() for part in (pairs.inputs, pairs.outputs)]
    lines = [["".join(map(chr, row)) for row in part] for part in rows]
    return list(zip(*lines, strict=True))


def same(prompt: str, answer: str) -> int:
    return 2 * (prompt == answer) - 1


def test_a_function_on_strings_judges_pairs() -> None:
    reward = TextReward(paraphrase_reward, read)
    pairs = Pairs([0, 0, 0], [1, 2, 3])
    values = [paraphrase_reward(HOUSE, TEXTS[j]) for j in (1, 2, 3)]
    assert reward.judge(pairs).tolist() == values and reward(pairs).dtype == torch.float64
    assert values[1] == pytest.approx(1.10)
    clipped = TextReward(paraphrase_reward, read, clip=(0, 1)).judge(pairs)
    assert clipped.tolist() == [values[0], 1.0, values[2]]
    assert TextReward(same, read, clip=(0.0, 1.0)).judge(Pairs([0, 0], [0, 1])).tolist() == [1.0, 0.0]
    with pytest.raises(TypeError, match="the reward paraphrase_reward judges pairs of input and output"):
        reward.judge(pairs.outputs)


@pytest.mark.parametrize("batch", [(), (1,), (6,), (2, 3), (3, 1, 2), (0,), (2, 0)])
@pytest.mark.parametrize(("inputs", "event"), [((), ()), ((3,), (5,)), ((), (2,)), ((3,), (3,))])
def test_any_batch_shape(batch: tuple[int, ...], inputs: tuple[int, ...], event: tuple[int, ...]) -> None:
    """The text in a cell is judged in that cell; an answer is worth its first letter."""
    shape = torch.Size(batch)
    given = 97 + torch.arange(shape.numel() * math.prod(inputs)).reshape((*batch, *inputs))
    made = 97 + torch.arange(shape.numel() * math.prod(event)).reshape((*batch, *event))
    value = TextReward(first_letter, letters)(Pairs(given, made, len(batch)))
    assert value.shape == shape and value.dtype == torch.float64
    expected: Tensor = made.reshape(shape.numel(), math.prod(event))[:, 0].reshape(shape)
    assert torch.equal(value, expected.double())


def first_letter(prompt: str, answer: str) -> float:
    return ord(answer[0])


def test_equal_rewards_are_one_kind_and_can_be_pickled() -> None:
    reward = TextReward(paraphrase_reward, read, (0, 1))
    twin = TextReward(paraphrase_reward, read, (0.0, 1.0))
    assert reward.kind() == twin.kind() and reward == twin and hash(reward) == hash(twin)
    others = [TextReward(summary_reward, read, (0, 1)), TextReward(paraphrase_reward, letters, (0, 1))]
    for other in (*others, TextReward(paraphrase_reward, read), TextReward(paraphrase_reward, read, (0, 2))):
        assert other.kind() != reward.kind() and other != reward
    named = reward.named("formal paraphrases")
    assert (str(named), str(reward)) == ("formal paraphrases", "paraphrase_reward") and named.kind() == reward.kind()
    back = pickle.loads(pickle.dumps(named))
    assert back == reward and str(back) == "formal paraphrases"
    pairs = Pairs([[0, 0], [0, 0]], [[0, 1], [2, 3]], batch=2)
    assert torch.equal(stack([reward, twin])(pairs), back(pairs))


def test_a_text_reward_in_a_sum() -> None:
    both = WeightedSum([TextReward(same, read), Linear(2.0)], [3.0, 0.5])
    assert both.judge(Pairs([0, 1], [0, 2])).tolist() == [3.0, -3.0 + 2.0]


@pytest.mark.parametrize("size", [1, 2, 3, 100])
@pytest.mark.parametrize("kind", [list, np.array, partial(torch.tensor, dtype=torch.float64)])
def test_texts_come_in_batches(size: int, kind: Callable[[list[float]], Any]) -> None:
    """Before, a classifier was called once for every text."""
    shown: list[int] = []

    def many(prompts: list[str], answers: list[str]) -> Any:
        shown.append(len(prompts))
        return kind([paraphrase_reward(*text) for text in zip(prompts, answers, strict=True)])

    pairs = Pairs([[0, 0, 1, 2]] * 2, [[1, 2, 3, 0], [0, 0, 1, 2]], batch=2)
    reward = TextReward(many, read, clip=(0, 1), batch=size)
    assert torch.equal(reward(pairs), TextReward(paraphrase_reward, read, clip=(0, 1))(pairs))
    assert sum(shown) == 8 and max(shown) == min(size, 8) and len(shown) == -(-8 // size)
    assert reward.kind() != TextReward(many, read, clip=(0, 1)).kind()
    assert reward(Pairs(torch.zeros(0), torch.zeros(0))).shape == (0,)


@pytest.mark.parametrize(
    ("make", "error", "message"),
    [
        (lambda: TextReward("good", read), TypeError, "TextReward(function) must be a function, got 'good'"),
        (lambda: TextReward(same, TEXTS), TypeError, "TextReward(texts) must be a function, got ["),
        (lambda: TextReward(same, read, (1.0, 0.0)), ValueError, "(low, high) with low < high, got (1.0, 0.0)"),
        (lambda: TextReward(same, read, (0.0, math.nan)), ValueError, "(low, high) with low < high, got (0.0, nan)"),
        (lambda: TextReward(same, read, (0.0,)), ValueError, "(low, high) with low < high, got (0.0,)"),
        (
            lambda: TextReward(same, lambda pairs: read(pairs)[1:])(Pairs([0, 1], [0, 2])),
            ValueError,
            "TextReward(texts) must give one (prompt, answer) for each of 2 pairs, got 1; a language model's method",
        ),
        (lambda: TextReward(same, read, batch=0), ValueError, "TextReward(batch) must be a whole number of texts, at"),
        (
            lambda: TextReward(lambda prompts, answers: [1.0], read, batch=8)(Pairs([0, 1], [0, 2])),
            ValueError,
            "returned shape (1,) for 2 texts at once; with batch it must return one number for each",
        ),
        (
            lambda: TextReward(same, read, batch=8)(Pairs([0, 1], [0, 2])),
            ValueError,
            "the reward same returned shape () for 2 texts at once; with batch it must return one number for each",
        ),
        (lambda: TextReward(same, lambda pairs: None)(Pairs([0], [0])), ValueError, "for each of 1 pairs, got none"),
    ],
)
def test_refusals(make, error: type[Exception], message: str) -> None:
    with pytest.raises(error, match=re.escape(message)):
        make()
