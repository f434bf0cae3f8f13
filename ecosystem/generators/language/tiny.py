"""A small random GPT-2 for tests and demonstrations: no network, no file, ready in a fraction of a second."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import torch
from torch import nn

from ecosystem.generators.language.base import Base, shared
from ecosystem.generators.language.extra import needed, quiet

_START, _END, _PAD = "<start>", "<end>", "<pad>"


class Tiny(Base):
    """A GPT-2 of two layers with random weights, and a byte-pair encoding made from given texts."""

    def __init__(self, texts: tuple[str, ...], seed: int, width: int, tokens: int, positions: int) -> None:
        self.arguments = (texts, seed, width, tokens, positions)
        self.texts, self.seed = texts, seed
        self.width, self.tokens, self.positions = width, tokens, positions

    def __repr__(self) -> str:
        return f"tiny_base(seed={self.seed})"

    def read_tokenizer(self) -> Any:
        tokenizers = needed("tokenizers")
        words = tokenizers.Tokenizer(tokenizers.models.BPE())
        words.pre_tokenizer = tokenizers.pre_tokenizers.ByteLevel(add_prefix_space=False)
        words.decoder = tokenizers.decoders.ByteLevel()
        trainer = tokenizers.trainers.BpeTrainer(
            vocab_size=self.tokens,
            special_tokens=[_PAD, _START, _END],
            initial_alphabet=tokenizers.pre_tokenizers.ByteLevel.alphabet(),
            show_progress=False,
        )
        words.train_from_iterator(self.texts, trainer)
        with quiet() as transformers:
            return transformers.PreTrainedTokenizerFast(
                tokenizer_object=words, pad_token=_PAD, bos_token=_START, eos_token=_END
            )

    def read_network(self) -> nn.Module:
        with quiet() as transformers:
            torch.manual_seed(self.seed)  # inside a fork of the generator, see Base.on
            config = transformers.GPT2Config(
                vocab_size=self.vocabulary,
                n_positions=self.positions,
                n_embd=self.width,
                n_layer=2,
                n_head=4,
                resid_pdrop=0.0,
                embd_pdrop=0.0,
                attn_pdrop=0.0,
                initializer_range=0.2,  # with GPT-2's own 0.02 so narrow a network could never be sure of a word
                bos_token_id=self.tokenizer.bos_token_id,
                eos_token_id=self.eos,
                pad_token_id=self.pad,
            )
            return transformers.GPT2LMHeadModel(config)


def tiny_base(texts: Sequence[str], seed: int = 0, width: int = 64, tokens: int = 320, positions: int = 256) -> Base:
    """A random GPT-2 of about 140,000 parameters, its words (at most ``tokens``) made from ``texts``.

    It reads up to ``positions`` tokens. The same arguments give the same base. It knows nothing, but adapters on it
    (``target_modules="all-linear"``) can learn a few sentences by heart.

    >>> base = tiny_base(["the cat sat", "the dog ran"])
    >>> sum(p.numel() for p in base.on("cpu").parameters())
    133888
    """
    return shared(Tiny, tuple(texts), seed, width, tokens, positions)
