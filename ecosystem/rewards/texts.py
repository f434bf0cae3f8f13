"""Rewards on texts: plain functions on strings, and one reward that judges pairs of prompt and answer by them.

:func:`summary_reward` and :func:`paraphrase_reward` are those of the language experiment of Zhang, Wei, Zhang 2026
(arXiv 2605.29267) as its authors compute them: words are of ASCII letters and digits, 4-grams are counted as sets,
``n't`` words that are listed count twice as contractions, an answer without words is worth 0. What is open there is
settled here: which contractions there are, and that a typographic apostrophe is an apostrophe.
"""

from __future__ import annotations

import math
import re
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, ClassVar

import torch
from torch import Tensor

from ecosystem.core.arguments import spelled
from ecosystem.core.check import as_tensor, brief, real_number, returned, several, whole_number
from ecosystem.core.kinds import typed
from ecosystem.core.samples import Pairs
from ecosystem.rewards.base import Reward

_WORD = re.compile(r"[a-z0-9]+(?:'[a-z0-9]+)*")  # letters and digits, with apostrophes between them
_CONTRACTION = re.compile(
    r".+n't|.+'(?:re|ve|ll|d|m)|(?:it|he|she|that|this|there|here|what|who|where|when|why|how|let)'s"
)
_NOT = "don't doesn't didn't can't couldn't won't wouldn't shouldn't isn't aren't wasn't weren't haven't hasn't hadn't"
_TWICE = frozenset(_NOT.split())


def tokens(text: str) -> list[str]:
    """The words of a text in lower case: runs of ASCII letters and digits, apostrophes between them included.

    A typographic apostrophe is an apostrophe; a hyphen, a point, a space or an accented letter ends a word.

    >>> tokens("“Don’t!” said Mr. O'Neill, well-read at 82.")
    ["don't", 'said', 'mr', "o'neill", 'well', 'read', 'at', '82']
    """
    return _WORD.findall(text.lower().replace("’", "'"))


def contractions(words: Sequence[str]) -> int:
    """How many contractions there are among these words (see :func:`tokens`): we're, I've, she'll, they'd, I'm, it's.

    An ``'s`` counts after pronouns, question words, there, here and let; after any other word it is a genitive. The
    usual ``n't`` words (don't, doesn't, didn't, can't, couldn't, won't, wouldn't, shouldn't, isn't, aren't, wasn't,
    weren't, haven't, hasn't, hadn't) count twice, as the experiment counts them; others (ain't) once.

    >>> contractions(tokens("It's the dog's bone, and he won't share it."))
    3
    """
    return sum((_CONTRACTION.fullmatch(word) is not None) + (word in _TWICE) for word in words)


def copied(source: Sequence[str], answer: Sequence[str], n: int = 4) -> float:
    """The share of the answer's different n-grams that occur in the source; 0 where it has none.

    >>> copied(tokens("the cat sat on the mat"), tokens("so the cat sat on it"))       # one of three
    0.3333333333333333
    """
    grams = _grams(answer, n)
    return len(grams & _grams(source, n)) / len(grams) if grams else 0.0


def coverage(document: Sequence[str], summary: Sequence[str], top: int = 20) -> float:
    """The share of the document's ``top`` most frequent words that occur in the summary; 0 for an empty document.

    A document of fewer different words counts with all of them; of equally frequent words the first to appear count,
    and no stop words are left out.

    >>> coverage(tokens("the cat and the dog"), tokens("a dog, a cat"))                # two of four
    0.5
    """
    frequent = [word for word, _ in Counter(document).most_common(top)]
    return len(set(frequent) & set(summary)) / len(frequent) if frequent else 0.0


@typed
def summary_reward(document: str, summary: str) -> float:
    """``0.55·exp(−|len − 12|/2) + 0.55·coverage − 0.60·copied``: short, telling, in words of its own.

    ``len`` counts the words of the summary, ``coverage`` is that of the document's 20 most frequent words and
    ``copied`` the share of the summary's 4-grams that the document has. From −0.60 to 1.10; 0 for no words at all.

    >>> round(summary_reward("a b c d", "a b c d"), 6) == round(0.55 * math.exp(-4) + 0.55 - 0.60, 6)
    True
    """
    source, answer = tokens(document), tokens(summary)
    if not answer:
        return 0.0
    length = math.exp(-abs(len(answer) - 12) / 2)
    return 0.55 * length + 0.55 * coverage(source, answer) - 0.60 * copied(source, answer)


@typed
def paraphrase_reward(source: str, paraphrase: str) -> float:
    """``0.45·exp(−|ratio − 1|/0.25) + 0.35·formality + 0.30·exp(−|copied − 0.20|/0.10)``: as long, formal, reworded.

    ``ratio`` is the paraphrase's number of words to the source's (the term is 0 where the source has none),
    ``formality`` is 1 − contractions per word (where some count twice: it may be negative), ``copied`` the share of the
    paraphrase's 4-grams that the source has. At most 1.10; 0 for a paraphrase without words.

    >>> round(paraphrase_reward("I can't", "I can't"), 6) == round(0.45 + 0.30 * math.exp(-2), 6)
    True
    """
    old, new = tokens(source), tokens(paraphrase)
    if not new:
        return 0.0
    ratio = len(new) / len(old) if old else math.inf
    formality = 1 - contractions(new) / len(new)
    echo = math.exp(-abs(copied(old, new) - 0.20) / 0.10)
    return 0.45 * math.exp(-abs(ratio - 1) / 0.25) + 0.35 * formality + 0.30 * echo


def _grams(words: Sequence[str], n: int) -> set[tuple[str, ...]]:
    return {tuple(words[i : i + n]) for i in range(len(words) - n + 1)}


@spelled
@dataclass(frozen=True, repr=False)
class TextReward(Reward):
    """A function on strings as a reward of pairs: ``function(prompt, answer) -> number``.

    ``texts(pairs)`` turns pairs of inputs and outputs, batch ``[m]``, into ``m`` texts ``(prompt, answer)``, as a
    language model does that knows its tokens. The reward of pairs of any batch shape is float64 ``[...]``, bounded to
    ``clip = (low, high)`` where that is given. With ``batch = b`` the function is given up to ``b`` texts at once, as a
    classifier wants them: ``function(prompts, answers) -> numbers``, one for each, as a list, an array or a tensor.
    Rewards with equal fields are equal.

    Raises
    ------
    ValueError
        If ``clip`` is no interval, ``texts`` gives not one text for each pair, or the function not one number.
    TypeError
        If ``function`` or ``texts`` cannot be called.

    >>> words = ["dogs bark", "don't bark", "dogs do bark"]
    >>> def texts(pairs):
    ...     return [(words[i], words[j]) for i, j in zip(pairs.inputs.tolist(), pairs.outputs.tolist())]
    >>> TextReward(lambda prompt, answer: len(answer) / 10, texts, clip=(0, 1))(Pairs([0, 0], [0, 2]))
    tensor([0.9000, 1.0000], dtype=torch.float64)
    >>> many = TextReward(lambda prompts, answers: [len(a) / 10 for a in answers], texts, batch=64)
    >>> many(Pairs([0, 0], [0, 2]))
    tensor([0.9000, 1.2000], dtype=torch.float64)
    """

    of_pairs: ClassVar[bool] = True
    of_texts: ClassVar[bool] = True
    function: Callable[..., Any]
    texts: Callable[[Any], Sequence[tuple[str, str]] | None]
    clip: tuple[float, float] | None = None
    batch: int | None = None

    def __post_init__(self) -> None:
        if self.batch is not None:
            whole_number(self.batch, "TextReward(batch)", 1, of="texts", instead="or None")
        for name in ("function", "texts"):
            if not callable(getattr(self, name)):
                raise TypeError(f"TextReward({name}) must be a function, got {brief(getattr(self, name))}")
        if self.clip is not None:
            bounds = tuple(map(real_number, several(self.clip, "TextReward(clip) is (low, high)")))
            if len(bounds) != 2 or not bounds[0] < bounds[1]:
                raise ValueError(f"TextReward(clip) must be (low, high) with low < high, got {brief(self.clip)}")
            object.__setattr__(self, "clip", bounds)

    def __call__(self, x: Pairs) -> Tensor:  # type: ignore[override]
        batch = x.batch_shape
        count = batch.numel()
        inputs = x.inputs.reshape(count, *x.input_shape)
        texts = self.texts(Pairs(inputs, x.outputs.reshape(count, *x.shape[len(batch) :]), codec=x.codec))
        if texts is None or len(texts) != count:
            given = "none" if texts is None else len(texts)
            raise ValueError(
                f"TextReward(texts) must give one (prompt, answer) for each of {count} pairs, got {given}; "
                "a language model's method `texts` does"
            )
        values = [self.function(*text) for text in texts] if self.batch is None else self._by_batch(texts, self.batch)
        value = torch.tensor(values, dtype=torch.float64, device=x.outputs.device).reshape(batch)
        return value if self.clip is None else value.clamp(*self.clip)

    def _by_batch(self, texts: Sequence[tuple[str, str]], size: int) -> list[float]:
        values: list[float] = []
        for start in range(0, len(texts), size):
            some = texts[start : start + size]
            told = self.function(*map(list, zip(*some, strict=True)))
            given = as_tensor(told, f"what the reward {self} returns", torch.float64)
            if given.shape != (len(some),):
                raise ValueError(
                    f"the reward {self} returned {returned(given)} for {len(some)} texts at once; with batch it must "
                    "return one number for each: function(prompts, answers) -> [n]"
                )
            values += given.tolist()
        return values

    def __repr__(self) -> str:
        return getattr(self.function, "__name__", type(self.function).__name__)
