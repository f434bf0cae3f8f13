"""Samples that travel: plain tensors, or pairs of an input and an output; and what a model trains on.

An unconditional generator's samples are a tensor ``[n, *event]``. A conditional one's are :class:`Pairs`: the inputs
(class labels, prompts) go with their outputs wherever those go, and with pairs of tokens the :class:`TokenCodec` that
reads them. A :class:`TrainingSet` says of each sample where it came from.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any, TypeVar, cast

import torch
from torch import Tensor

from ecosystem.core.check import as_tensor, brief, real_tensor, whole_number


class TokenCodec:
    """The contract of codecs: how pairs of tokens are read as texts, and how texts become such pairs.

    Equal codecs read and write alike: define ``__eq__`` and ``__hash__``, for every ecosystem has a copy. A generator
    that has one as ``codec`` is sent texts of others in its own tokens.
    """

    def pairs(self, prompts: Sequence[str], answers: Sequence[str]) -> Pairs:
        """Texts ``[n]`` as pairs ``[n]`` that have this codec."""
        raise NotImplementedError

    def prompts(self, texts: Sequence[str]) -> Tensor:
        """Prompts alone, ``[n, *input]``."""
        raise NotImplementedError

    def texts(self, pairs: Pairs) -> list[tuple[str, str]]:
        """What people read of pairs ``[n]``, as (prompt, answer)."""
        raise NotImplementedError

    def recoded(self, x: Samples) -> Samples:
        """The same texts in these tokens, any batch; itself where they are these, or nobody knows which they are."""
        if not isinstance(x, Pairs) or x.codec is None or x.codec == self:
            return x
        if compared(x):
            kept, rejected = map(self.recoded, split(x))
            return preferring(cast(Pairs, kept), cast(Pairs, rejected))
        texts = x.codec.texts(cast(Pairs, flat(x, len(x.batch_shape)) if x.batch_shape else folded(x, 1)))
        made = self.pairs([prompt for prompt, _ in texts], [answer for _, answer in texts])
        return folded(made, *x.batch_shape)

    def asked(self, prompts: Tensor, codec: TokenCodec | None) -> Tensor:
        """Prompts ``[m, *input]`` of another codec in these tokens."""
        if codec is None or codec == self:
            return prompts
        blank = codec.pairs([""], [""]).outputs.expand(len(prompts), -1)
        return self.prompts([prompt for prompt, _ in codec.texts(Pairs(prompts, blank, codec=codec))])


def agreed(*codecs: TokenCodec | None) -> TokenCodec | None:
    """The codec of samples that are to stand together; ValueError where there are two, or only some have one."""
    known = [codec for codec in codecs if codec is not None]
    if 0 < len(known) < len(codecs):
        raise ValueError(
            f"pairs that do not say whose tokens they are cannot stand with tokens of {known[0]}; make them by its "
            "codec.pairs(prompts, answers), or say which it is: Pairs(..., codec=codec)"
        )
    if other := [codec for codec in known if codec != known[0]]:
        said = f"tokens of {known[0]} and of {other[0]} cannot stand together"
        raise ValueError(f"{said}; re-encode the ones or the others: codec.recoded(pairs)")
    return known[0] if known else None


class Pairs:
    """Outputs ``[*batch, *event]`` with the inputs ``[*batch, *input]`` they answer.

    Indexing, assignment and ``len`` act on both; ``shape``, ``ndim`` and ``dtype`` are those of the outputs, so code
    that asks for the shape of one sample reads ``x.shape[1:]`` of pairs and tensors alike. Of tokens ``codec`` says how
    they are read; None where nobody knows. ``rejected [*batch, *event]`` are outputs that users were shown beside those
    that they kept (see :class:`~ecosystem.curation.Preferences`); None where nobody compared. Where only some were
    compared, the others stand beside themselves: their rejected output is their output.

    >>> images = Pairs(torch.tensor([7, 1, 7]), torch.rand(3, 3, 16, 16))
    >>> images[:2].inputs, images[0].shape
    (tensor([7, 1]), torch.Size([3, 16, 16]))
    """

    def __init__(
        self, inputs: Any, outputs: Any, batch: int = 1, codec: TokenCodec | None = None, rejected: Tensor | None = None
    ) -> None:
        self.inputs, self.outputs = _numbers(inputs, "inputs"), _numbers(outputs, "outputs")
        whole_number(batch, "Pairs(batch)", 0, of="dimensions")
        if self.inputs.shape[:batch] != self.outputs.shape[:batch] or self.outputs.ndim < batch:
            raise ValueError(
                f"Pairs(inputs, outputs) must pair them one to one, got {tuple(self.inputs.shape)} inputs and "
                f"{tuple(self.outputs.shape)} outputs; give inputs [n, *input] and outputs [n, *event]"
            )
        self.rank = self.outputs.ndim - batch  # event dimensions of an output
        rejected = None if rejected is None else _numbers(rejected, "rejected")
        if rejected is not None and rejected.shape != self.outputs.shape:
            raise ValueError(
                f"Pairs(rejected) must be one for each output, got {tuple(rejected.shape)} for outputs "
                f"{tuple(self.outputs.shape)}"
            )
        if codec is not None and not isinstance(codec, TokenCodec):
            raise TypeError(f"Pairs(codec) is the TokenCodec that reads its tokens, or None, got {brief(codec)}")
        self.codec, self.rejected = codec, rejected

    @property
    def batch_shape(self) -> torch.Size:
        return self.outputs.shape[: self.outputs.ndim - self.rank]

    @property
    def input_shape(self) -> tuple[int, ...]:
        return tuple(self.inputs.shape[len(self.batch_shape) :])

    @property
    def shape(self) -> torch.Size:
        return self.outputs.shape

    @property
    def ndim(self) -> int:
        return self.outputs.ndim

    @property
    def dtype(self) -> torch.dtype:
        return self.outputs.dtype

    def __len__(self) -> int:
        return len(self.outputs)

    def __getitem__(self, index: Any) -> Pairs:
        outputs = self.outputs[index]
        rejected = None if self.rejected is None else self.rejected[index]
        return Pairs(self.inputs[index], outputs, outputs.ndim - self.rank, self.codec, rejected)

    def __setitem__(self, index: Any, value: Pairs) -> None:
        self.codec = agreed(self.codec, value.codec)
        if compared(self, value):
            self.rejected = beside(self) if self.rejected is not None else self.outputs.clone()
            self.rejected[index] = beside(value)
        self.inputs[index] = value.inputs
        self.outputs[index] = value.outputs

    def clone(self) -> Pairs:
        rejected = None if self.rejected is None else self.rejected.clone()
        return Pairs(self.inputs.clone(), self.outputs.clone(), len(self.batch_shape), self.codec, rejected)

    def answered(self, outputs: Tensor) -> Pairs:
        """The same inputs with other outputs, which nobody has compared."""
        return Pairs(self.inputs, outputs, len(self.batch_shape), self.codec)

    def __repr__(self) -> str:
        return f"Pairs(inputs {tuple(self.inputs.shape)}, outputs {tuple(self.outputs.shape)})"


def _numbers(value: Any, what: str) -> Tensor:
    """A tensor as it is, with its gradient; what is none yet as one."""
    return value if real_tensor(value) else as_tensor(value, f"Pairs({what})")


def compared(*many: Pairs) -> bool:
    """Whether users have compared some of these."""
    return any(pairs.rejected is not None for pairs in many)


def beside(pairs: Pairs) -> Tensor:
    """What users rejected for each output; itself where nobody compared."""
    return pairs.outputs if pairs.rejected is None else pairs.rejected


def split(x: Pairs) -> tuple[Pairs, Pairs]:
    """What was kept and what was rejected, as pairs."""
    return x.answered(x.outputs), x.answered(beside(x))


def preferring(kept: Pairs, rejected: Pairs) -> Pairs:
    """Pairs that know what was rejected for them."""
    return Pairs(kept.inputs, kept.outputs, len(kept.batch_shape), agreed(kept.codec, rejected.codec), rejected.outputs)


Samples = Tensor | Pairs
REAL, OWN = -2, -1


@dataclass(frozen=True, eq=False)
class TrainingSet:
    """What one model trains on, and where each sample came from.

    ``data [n, *event]``; ``origin [n]`` is ``2·producer + curated`` with the producer's place among the members, and
    below 0 ``REAL`` for real data and ``OWN`` for what an agent of one's own brought; ``round [n]`` is when a sample
    was drawn.
    """

    data: Samples
    origin: Tensor
    round: Tensor

    def __len__(self) -> int:
        return len(self.data)

    def __getitem__(self, index: Any) -> TrainingSet:
        return TrainingSet(self.data[index], self.origin[index], self.round[index])


Rows = TypeVar("Rows", Tensor, Pairs, TrainingSet)


def concatenated(parts: Sequence[Rows]) -> Rows:
    """The rows of several as one."""
    first = parts[0]
    if len(parts) == 1:
        return first
    if isinstance(first, Tensor):
        return torch.cat(list(cast(Sequence[Tensor], parts)))
    if isinstance(first, Pairs):
        many = cast(Sequence[Pairs], parts)
        inputs, made = (torch.cat([getattr(part, name) for part in many]) for name in ("inputs", "outputs"))
        rejected = torch.cat([beside(part) for part in many]) if compared(*many) else None
        return Pairs(inputs, made, 1, agreed(*(part.codec for part in many)), rejected)
    fields = ("data", "origin", "round")
    return TrainingSet(*(concatenated([getattr(part, field) for part in parts]) for field in fields))


def outputs(x: Samples) -> Tensor:
    """The outputs alone."""
    return x.outputs if isinstance(x, Pairs) else x


@contextmanager
def only_shown(x: Samples, part: str, who: object, mend: str) -> Iterator[None]:
    """Refuse code that changes the samples it is shown in place (as far as torch counts it): others use them too."""
    before = _writes(x)
    yield
    if _writes(x) != before:
        raise ValueError(f"the {part} {who} changes the samples that it is shown, which others use too; {mend}")


def _writes(x: Samples) -> list[int]:
    """How often the tensors of samples were written to."""
    tensors = (x.inputs, x.outputs, beside(x)) if isinstance(x, Pairs) else (x,)
    return [tensor._version for tensor in tensors if not tensor.is_inference()]


def blank(x: Samples, *batch: int) -> Samples:
    """Zeros of the kind of ``x [n, *event]``, with another batch shape."""
    if isinstance(x, Pairs):
        inputs = x.inputs.new_zeros(*batch, *x.inputs.shape[1:])
        outputs = x.outputs.new_zeros(*batch, *x.outputs.shape[1:])
        return Pairs(inputs, outputs, len(batch), x.codec, torch.zeros_like(outputs) if compared(x) else None)
    return x.new_zeros(*batch, *x.shape[1:])


def folded(x: Samples, *batch: int) -> Samples:
    """``x [n, *event]`` with its one batch dimension cut into several."""
    if isinstance(x, Pairs):
        inputs = x.inputs.reshape(*batch, *x.inputs.shape[1:])
        rejected = None if x.rejected is None else x.rejected.reshape(*batch, *x.outputs.shape[1:])
        return Pairs(inputs, x.outputs.reshape(*batch, *x.outputs.shape[1:]), len(batch), x.codec, rejected)
    return x.reshape(*batch, *x.shape[1:])


def flat(x: Samples, batch: int) -> Samples:
    """Samples with so many batch dimensions as ``[n, *event]``."""
    if isinstance(x, Pairs):
        rejected = None if x.rejected is None else x.rejected.flatten(0, batch - 1)
        return Pairs(x.inputs.flatten(0, batch - 1), x.outputs.flatten(0, batch - 1), 1, x.codec, rejected)
    return x.flatten(0, batch - 1)


def filled(out: Samples | None, count: int, here: Tensor, x: Samples) -> Samples:
    """``out [count, *event]`` with ``x`` at ``here``, in a type that holds both.

    A transform or a source may have a type of its own; where ``out`` is None it is made.
    """
    return placed(blank(x, count) if out is None or _form(out) != _form(x) else out, here, x)


def placed(out: Samples, where: Any, x: Samples) -> Samples:
    """``out`` with ``x`` at an index of its batch dimensions, in a type that holds both."""
    if isinstance(out, Pairs):
        assert isinstance(x, Pairs)
        batch = len(out.batch_shape)
        codec = agreed(out.codec, x.codec)
        rejected = _put(beside(out).clone(), where, beside(x)) if compared(out, x) else None
        return Pairs(_put(out.inputs, where, x.inputs), _put(out.outputs, where, x.outputs), batch, codec, rejected)
    return _put(out, where, cast(Tensor, x))


def preferred(wins: Tensor, x: Samples, other: Samples) -> Samples:
    """``x`` where ``wins [n]``, else ``other``."""
    if isinstance(x, Pairs):
        assert isinstance(other, Pairs)
        inputs, made = _where(wins, x.inputs, other.inputs), _where(wins, x.outputs, other.outputs)
        rejected = _where(wins, beside(x), beside(other)) if compared(x, other) else None
        return Pairs(inputs, made, 1, agreed(x.codec, other.codec), rejected)
    return _where(wins, x, cast(Tensor, other))


def _where(wins: Tensor, x: Tensor, other: Tensor) -> Tensor:
    return torch.where(wins.reshape(-1, *(1,) * (x.ndim - 1)), x, other)


def _put(out: Tensor, where: Any, x: Tensor) -> Tensor:
    out = out.to(torch.promote_types(out.dtype, x.dtype))
    out[where] = x.to(out.dtype)
    return out


def _form(x: Samples) -> tuple[Any, ...]:
    """What samples ``[n]`` must share to stand in one tensor."""
    return x.shape[1:], x.input_shape if isinstance(x, Pairs) else None
