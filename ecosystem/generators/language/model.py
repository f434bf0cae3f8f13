"""A language model as a generator: a LoRA adapter on a shared base, fine-tuned on pairs of prompt and answer."""

from __future__ import annotations

import math
import os
from collections.abc import Mapping, Sequence
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn
from torch.func import functional_call

from ecosystem.core import storage
from ecosystem.core.arguments import spelled
from ecosystem.core.check import brief, real_number, several, switch, whole_number
from ecosystem.core.samples import Pairs
from ecosystem.core.streams import Stream
from ecosystem.generators.base import ConditionalModel
from ecosystem.generators.images import known_device
from ecosystem.generators.language.adapters import Full, Lora
from ecosystem.generators.language.base import Base
from ecosystem.generators.language.codec import Codec, answered
from ecosystem.generators.language.sampling import chosen
from ecosystem.generators.training import Training, autocast, check_plan


@spelled
class LanguageModel(ConditionalModel):
    """Answers ``[n, answer_length]`` to prompts ``[n, prompt_length]``, int64 tokens of ``base``; ``codec`` reads them.

    Its parameters are those of its adapter (``W + (alpha / rank) B A``, ``dropout`` while it trains; see
    :class:`~ecosystem.generators.language.adapters.Lora` for ``target_modules``); the frozen base is shared with every
    other model on it. ``rank=None`` trains every weight of a copy of its own instead (full fine-tuning). The loss is
    the cross entropy of the answer's tokens given the prompt in the base's template, the mean over tokens. Answers are
    sampled ``sampling_batch`` at a time, at a ``temperature`` (0: the likeliest token) from the likeliest tokens that
    have ``top_p`` together. ``precision=torch.bfloat16`` trains and samples in mixed precision, whatever the plan says;
    ``seed`` fixes the first weights of an adapter. Without ``replacement`` every prompt is asked once before any is
    asked again.

    >>> from ecosystem.generators.language.tiny import tiny_base
    >>> model = LanguageModel(tiny_base(["red", "rose"]), prompt_length=8, answer_length=4, rank=2)
    >>> model.respond(model.codec.prompts(["a rose is"]), Stream.root([(0, 0)])[0]).shape
    torch.Size([1, 4])
    """

    memory_arguments = "LanguageModel(sampling_batch=...), Training(batch_size=...)"

    def __init__(
        self,
        base: Base,
        prompt_length: int = 256,
        answer_length: int = 64,
        rank: int | None = 16,
        alpha: float = 32.0,
        dropout: float = 0.05,
        target_modules: Sequence[str] | str | None = None,
        temperature: float = 1.0,
        top_p: float = 1.0,
        sampling_batch: int = 32,
        training_plan: Training | None = None,
        seed: int = 0,
        device: torch.device | str = "cpu",
        precision: torch.dtype | None = None,
        replacement: bool = True,
    ) -> None:
        super().__init__()
        if not isinstance(base, Base):
            raise TypeError(f"LanguageModel(base) is a base, load_base('smollm2') or the like, got {brief(base)}")
        whole_number(sampling_batch, "LanguageModel(sampling_batch)", 1)
        if not 0 <= real_number(temperature) < math.inf:
            raise ValueError(f"LanguageModel(temperature) must be a number, at least 0, got {brief(temperature)}")
        if not 0 < real_number(top_p) <= 1:
            raise ValueError(f"LanguageModel(top_p) must be above 0 and at most 1, got {brief(top_p)}")
        whole_number(seed, "LanguageModel(seed)", 0)
        check_plan(training_plan, "LanguageModel(training_plan)")
        device = known_device("LanguageModel", device)
        self.base = base
        self.codec = Codec(base, prompt_length, answer_length)
        self.input_shape, self.event_shape = (prompt_length,), (answer_length,)
        self.tuning = Full() if rank is None else Lora(rank, alpha, dropout, _names(target_modules))
        self.temperature, self.top_p, self.sampling_batch = temperature, top_p, sampling_batch
        self.replacement = switch(replacement, "LanguageModel(replacement)")
        plan = training_plan or Training(512, 8, partial(torch.optim.AdamW, lr=2e-4), keep_optimizer=True)
        self.training_plan = plan if precision is None else replace(plan, precision=precision)
        network = base.adapted(device, self.tuning)
        _check_positions(base, self.codec, network)
        self._filler = _filler(base, network)
        weights = self.tuning.first(network, seed)
        self.adapter = nn.ParameterDict({name.replace(".", "-"): weight.to(device) for name, weight in weights.items()})

    # -- training --------------------------------------------------------------------------------------------------

    def loss(self, batch: Pairs, rng: Stream) -> Tensor:
        with torch.random.fork_rng([self.device] if self.device.type == "cuda" else []):  # for dropout
            torch.manual_seed(rng.at("dropout").seed())
            logits, answers, counted = self._read(batch, self.training)
        return nn.functional.cross_entropy(logits[counted].float(), answers[counted])

    def log_probabilities(self, pairs: Pairs) -> Tensor:
        """``log p(answer | prompt)`` of pairs ``[n]`` on its device, the sum over the answer's tokens, without dropout.

        A function of its parameters, to be differentiated: for losses on preferences (``pairs.rejected``) and the like.
        """
        logits, answers, counted = self._read(pairs, False)
        of_tokens = logits.float().log_softmax(-1).gather(-1, answers.unsqueeze(-1)).squeeze(-1)
        return of_tokens.where(counted, 0.0).sum(-1)

    def _read(self, batch: Pairs, training: bool) -> tuple[Tensor, Tensor, Tensor]:
        """Logits ``[n, l, V]`` of the tokens of answers, these ``[n, l]``, and which of them count."""
        _check_codec(self.codec, batch)
        tokens, mask = self._templated(batch.inputs)
        counted = answered(batch.outputs, self.base.eos)
        used = counted.any(0)
        answers, counted = batch.outputs[:, used], counted[:, used]
        tokens, mask = torch.cat([tokens, answers[:, :-1]], 1), torch.cat([mask, counted[:, :-1]], 1)
        return self._logits(tokens, mask, answers.shape[1], training)[0], answers, counted

    def validate(self, data: Any) -> None:
        if not isinstance(data, Pairs):
            raise ValueError("a LanguageModel trains on pairs of prompt and answer; make them with its codec.pairs")
        codec = self.codec
        _check_codec(codec, data)
        for what, x, length in (
            ("inputs", data.inputs, codec.prompt_length),
            ("outputs", data.outputs, codec.answer_length),
        ):
            if x.dtype != torch.int64 or tuple(x.shape[1:]) != (length,):
                raise ValueError(
                    f"the {what} must be int64 tokens [n, {length}], got {x.dtype} {list(x.shape)}; make pairs with "
                    "the codec of a model of the same lengths"
                )
            _check_tokens(self.base, x, what)
        open_ended = (data.outputs != self.base.eos).all(1) & (data.outputs == self.base.pad).any(1)
        if bool(open_ended.any()):
            raise ValueError(
                f"{int(open_ended.sum())} of {len(data)} answers are padded but have no end token {self.base.eos}; "
                "make pairs with the codec, which ends answers"
            )

    # -- sampling --------------------------------------------------------------------------------------------------

    @torch.no_grad()
    def respond(self, inputs: Tensor, rng: Stream) -> Tensor:
        _check_tokens(self.base, inputs, "prompts")
        uniform = rng.at("token").uniform(len(inputs), *self.event_shape, dtype=torch.float64)
        out = torch.full((len(inputs), *self.event_shape), self.base.pad, device=inputs.device)
        for start in range(0, len(inputs), self.sampling_batch):
            rows = slice(start, start + self.sampling_batch)
            with autocast(self, self.training_plan.precision):
                answers = self._answers(inputs[rows].to(self.device), uniform[rows].to(self.device))
            out[rows] = answers.to(out.device)
        return out

    def _answers(self, inputs: Tensor, uniform: Tensor) -> Tensor:
        """Answers ``[b, answer_length]`` token by token, each chosen by its own number of ``uniform``."""
        tokens, mask = self._templated(inputs)
        answers = torch.full_like(uniform, self.base.pad, dtype=torch.int64)
        going, cache = torch.ones_like(mask[:, 0]), None
        for t in range(answers.shape[1]):
            logits, cache = self._logits(tokens, mask, 1, False, cache)
            token = chosen(logits[:, -1], uniform[:, t], self.temperature, self.top_p)
            answers[:, t] = token.where(going, self.base.pad)
            going = going & (token != self.base.eos)
            if not going.any():
                break
            tokens, mask = token.unsqueeze(1), torch.cat([mask, going.unsqueeze(1)], 1)
        return answers

    # -- the network -----------------------------------------------------------------------------------------------

    def _templated(self, inputs: Tensor) -> tuple[Tensor, Tensor]:
        """Prompts in the base's template, and which of their tokens count: a gap may stay before the template's end."""
        valid = inputs != self.base.pad
        used = valid.any(0)
        before, after = (inputs.new_tensor(part).expand(len(inputs), -1) for part in self.base.template)
        tokens = torch.cat([before, inputs[:, used], after], 1)
        template = [torch.ones_like(part, dtype=torch.bool) for part in (before, after)]
        return tokens, torch.cat([template[0], valid[:, used], template[1]], 1)

    def _logits(self, tokens: Tensor, mask: Tensor, last: int, training: bool, cache: Any = None) -> tuple[Tensor, Any]:
        """Logits ``[b, last, V]`` of what follows the last ``tokens [b, l]``, and the cache of all of ``mask``."""
        if self._filler != self.base.pad:
            tokens = tokens.where(mask[:, -tokens.shape[1] :], self._filler)
        position = (mask.long().cumsum(1) - 1)[:, -tokens.shape[1] :].clamp(min=0)
        network = self.base.adapted(self.device, self.tuning)
        if network.training != training:  # it goes through hundreds of layers
            network.train(training)
        call = {
            "input_ids": tokens,
            "attention_mask": mask.long(),
            "position_ids": position,
            "past_key_values": cache,
            "use_cache": not torch.is_grad_enabled(),
            "logits_to_keep": last,
        }
        out = functional_call(network, self._weights(), kwargs=call, tie_weights=self.tuning.tied)
        return out.logits[..., : self.base.vocabulary], out.past_key_values

    def texts(self, x: Pairs) -> list[tuple[str, str]]:
        return self.codec.texts(x)

    def save_pretrained(self, folder: str | os.PathLike[str], overwrite: bool = False) -> Path:
        """Write its adapter to a folder, in the form of peft; returns the folder.

        ``peft.PeftModel.from_pretrained(network, folder)`` puts it on the base elsewhere. Where every weight is trained
        it is a model of transformers with its tokenizer, which :func:`load_base` reads too. A folder that is there
        already is refused unless ``overwrite``, and then must hold an adapter, or such a model, and no more.
        """
        place, mend = storage.named(folder), "the model could not be saved; make room, or choose another folder"
        why = "exists and holds no such model, so it is not overwritten; choose another"
        storage.refuse_taken(place, self.tuning.marker, why, overwrite)
        with storage.folder(place, mend) as beside:
            base = getattr(self.base, "where", str(self.base))
            self.tuning.write(beside, self.base.on(self.device), self._weights(), base, self.base.tokenizer)
        return place

    def _weights(self) -> dict[str, Tensor]:
        """Its weights by the names of their slots in the network."""
        return {name.replace("-", "."): weight for name, weight in self.adapter.items()}


def _names(targets: Sequence[str] | str | None) -> tuple[str, ...] | str | None:
    if targets is None or isinstance(targets, str):
        return targets
    what = "LanguageModel(target_modules) is a list of names of layers, 'all-linear' or None"
    names = several(targets, what)
    if isinstance(targets, Mapping) or not all(isinstance(name, str) for name in names):
        raise TypeError(f"{what}, got {brief(targets)}")
    return names


def _check_positions(base: Base, codec: Codec, network: Any) -> None:
    """Prompt and answer in their template must fit the base."""
    wanted = sum(map(len, base.template)) + codec.prompt_length + codec.answer_length
    most = getattr(network.config, "max_position_embeddings", None)
    if most is not None and wanted > most:
        raise ValueError(
            f"prompt_length={codec.prompt_length} and answer_length={codec.answer_length} make "
            f"{wanted} tokens with the template of {base}, which reads {most}; make them shorter"
        )


def _filler(base: Base, network: Any) -> int:
    """What fills up: the pad token, or the end token where it has no row in the embeddings; all others have one."""
    rows, pad, tokenizer = network.get_input_embeddings().weight.shape[0], base.pad, base.tokenizer
    without = sorted(token for token in set(tokenizer.get_vocab().values()) - {pad} if token >= rows)
    if without:
        raise ValueError(
            f"the tokenizer of {base} has {len(without)} tokens without a row in the embeddings of its "
            f"network, such as {tokenizer.convert_ids_to_tokens(without[0])!r}: there are {rows}; give it rows for "
            "them, network.resize_token_embeddings(len(tokenizer)), and save it"
        )
    return pad if pad < rows else base.eos


def _check_tokens(base: Base, x: Tensor, what: str) -> None:
    """Tokens that nobody knows would be an index error, or worse, deep in the network."""
    if len(x) and not 0 <= int(x.min()) <= int(x.max()) < base.vocabulary:
        raise ValueError(
            f"the {what} have tokens {int(x.min())} to {int(x.max())}, the vocabulary of {base} goes from 0 to "
            f"{base.vocabulary - 1}; make them with the codec of a model on the same base"
        )


def _check_codec(codec: Codec, data: Pairs) -> None:
    """Tokens of another codec would be other words here."""
    if data.codec is not None and data.codec != codec:
        raise ValueError(
            f"these pairs are tokens of {data.codec}, and the model reads those of {codec}; re-encode them: "
            "model.codec.recoded(pairs)"
        )
