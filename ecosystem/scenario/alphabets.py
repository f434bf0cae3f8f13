"""Symbols and tokens: who knows which, refused where one would be taken for another."""

from __future__ import annotations

import copy
from collections.abc import Hashable

from ecosystem.core.check import brief
from ecosystem.core.samples import Pairs, Samples
from ecosystem.generators import GenerativeModel
from ecosystem.generators.base import codec_of
from ecosystem.rewards import Reward


def check_symbols(reward: Reward, generator: GenerativeModel, what: str) -> None:
    """Refuse a reward of so many symbols for who makes another number of them."""
    values, symbols = reward.symbols(), generator.symbols
    if None not in (values, symbols) and values != symbols:
        raise ValueError(f"{what} has {values} values for {symbols} symbols; give Tabular one value for each symbol")


def check_alphabet(y: Samples, generator: GenerativeModel, what: str) -> None:
    """Refuse symbols that a generator does not know."""
    known = generator.symbols
    if known is None or isinstance(y, Pairs) or y.shape[1:] != generator.event_shape:
        return
    if y.is_floating_point() or not 0 <= int(y.min()) <= int(y.max()) < known:
        raise ValueError(f"{what} must lead to symbols 0..{known - 1} (an integer tensor), got {brief(y)}")


def check_same_symbols(where: str, v: str, producer: GenerativeModel, consumer: GenerativeModel) -> None:
    """Refuse a flow of symbols to who has others."""
    made, known = producer.symbols, consumer.symbols
    if made is not None and known is not None and made != known:
        raise ValueError(
            f"{where} carries symbols 0..{made - 1}, and {v!r} knows 0..{known - 1}; give both one alphabet, or "
            "the flow a transform"
        )


def check_codec(name: str, generator: GenerativeModel, known: set[Hashable]) -> None:
    """A codec is known by its content: every ecosystem has a copy of it."""
    codec = codec_of(generator)
    if codec is None or ("codec", id(codec)) in known:
        return
    try:
        other = copy.deepcopy(codec)
        alike = bool(other == codec) and hash(other) == hash(codec)
    except TypeError:  # one that defines __eq__ alone has no hash
        alike = False
    if not alike:
        kind = type(codec).__name__
        raise ValueError(
            f"the codec of {name!r}, a {kind}, does not equal a copy of itself, so that nobody can tell whose tokens "
            f"are whose; define __eq__ (equal codecs read and write alike) and __hash__ in {kind}"
        )
    known.add(("codec", id(codec)))


def check_tokens(x: Samples, generator: GenerativeModel, what: str, who: str) -> None:
    """Tokens say whose they are, and are in those of who trains on them."""
    mine, theirs = codec_of(generator), x.codec if isinstance(x, Pairs) else None
    if not isinstance(x, Pairs) or mine == theirs:
        return
    if theirs is None:
        raise ValueError(
            f"{what}: these pairs do not say whose tokens they are, and {who} reads those of {mine}; make them by a "
            "codec, codec.pairs(prompts, answers), or say which it is: Pairs(..., codec=codec)"
        )
    mend = "re-encode them: codec.recoded(pairs)" if mine else f"give {who} an attribute codec that reads them"
    knows = f"reads those of {mine}" if mine else "does not say how it reads tokens"
    raise ValueError(f"{what}: these pairs are tokens of {theirs}, and {who} {knows}; {mend}")
