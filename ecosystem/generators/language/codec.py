"""Between texts and the tokens of a base: prompts and answers as pairs of int64 tensors."""

from __future__ import annotations

import warnings
from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from ecosystem.core.check import whole_number
from ecosystem.core.samples import Pairs, TokenCodec
from ecosystem.generators.language.base import Base


@dataclass(frozen=True, eq=False)
class Codec(TokenCodec):
    """Texts as tokens of one width: inputs ``[n, prompt_length]``, outputs ``[n, answer_length]``, padded behind.

    An answer ends with the base's end token; the chat template around a prompt is the model's business and not in the
    tokens. Texts are texts: the name of a special token in one is spelt out, and never acts as that token. Codecs of
    the same lengths whose bases have the same tokenizer, by its content, are equal; what was made with another is read
    and re-encoded by that one.

    >>> from ecosystem.generators.language.tiny import tiny_base
    >>> codec = Codec(tiny_base(["red", "rose"]), prompt_length=8, answer_length=6)
    >>> pairs = codec.pairs(["a rose", "red"], ["is red", ""])
    >>> pairs, codec.texts(pairs)
    (Pairs(inputs (2, 8), outputs (2, 6)), [('a rose', 'is red'), ('red', '')])
    """

    base: Base
    prompt_length: int
    answer_length: int

    def __post_init__(self) -> None:
        for name in ("prompt_length", "answer_length"):
            whole_number(getattr(self, name), name, 1, of="tokens")

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, Codec) or self._lengths != other._lengths:
            return False
        return self.base is other.base or self.base.language == other.base.language

    def __hash__(self) -> int:
        return hash((self.base.language, self._lengths))

    @property
    def _lengths(self) -> tuple[int, int]:
        return self.prompt_length, self.answer_length

    def pairs(self, prompts: Sequence[str], answers: Sequence[str]) -> Pairs:
        """Prompts with their answers, ``n`` each.

        What is too long loses its end, and a warning says how many did; an answer that was cut has no end token.
        """
        if len(prompts) != len(answers) or isinstance(prompts, str) or isinstance(answers, str):
            raise ValueError(f"pairs wants one answer for each prompt, got {len(prompts)} and {len(answers)} texts")
        inputs = self._tokens(prompts, "prompts", self.prompt_length, [])
        return Pairs(inputs, self._tokens(answers, "answers", self.answer_length, [self.base.eos]), codec=self)

    def prompts(self, texts: Sequence[str]) -> Tensor:
        """Prompts alone, ``[n, prompt_length]``."""
        return self._tokens(texts, "prompts", self.prompt_length, [])

    def texts(self, pairs: Pairs) -> list[tuple[str, str]]:
        """What people read of pairs, as (prompt, answer); of those with another codec what that one reads."""
        if pairs.codec is not None and pairs.codec != self:
            return pairs.codec.texts(pairs)
        kept = answered(pairs.outputs, self.base.eos)
        return [
            (self._text(prompt[prompt != self.base.pad]), self._text(answer[keep]))
            for prompt, answer, keep in zip(pairs.inputs, pairs.outputs, kept, strict=True)
        ]

    def _tokens(self, texts: Sequence[str], what: str, length: int, end: list[int]) -> Tensor:
        out = torch.full((len(texts), length), self.base.pad)
        if not texts:
            return out
        encoded = self.base.tokenizer(list(texts), add_special_tokens=False, split_special_tokens=True)["input_ids"]
        for row, tokens in zip(out, encoded, strict=True):
            tokens = (tokens + end)[:length]
            row[: len(tokens)] = torch.tensor(tokens, dtype=torch.int64)
        cut = sum(len(tokens) + len(end) > length for tokens in encoded)
        if cut:
            warnings.warn(
                f"{cut} of {len(texts)} {what} are longer than {length} tokens and lost their ends", stacklevel=3
            )
        return out

    def _text(self, tokens: Tensor) -> str:
        return self.base.tokenizer.decode(tokens.tolist(), skip_special_tokens=True, clean_up_tokenization_spaces=False)


def answered(outputs: Tensor, eos: int) -> Tensor:
    """Which tokens of ``outputs [..., length]`` are the answer: those up to the first end token, and that one."""
    ends = outputs == eos
    return (ends.cumsum(-1) - ends.long()) == 0
