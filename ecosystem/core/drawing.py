"""What user code is handed to draw from: streams that advance, so that every draw of one call is another.

A :class:`~ecosystem.core.streams.Stream` is a place, not a sequence: ``rng.normal(3)`` twice is the same three numbers,
and ``rng.uniform(3)`` the uniforms behind them. The engine wants that. Whoever writes a model wants ``rng`` as every
other library has it. A contract that derives from :class:`Drawing` gives both: its methods are called with plain
streams and see :class:`Advancing` ones.
"""

from __future__ import annotations

import inspect
from collections.abc import Callable, Hashable
from dataclasses import dataclass, field, replace
from functools import wraps
from typing import Any, ClassVar, Self

import numpy as np
import torch
from torch import Tensor

from ecosystem.core.streams import Stream, as_words, with_parts

_AGAIN = "drawn again"  # the address below which later draws at one address lie
_Address = tuple[Hashable, ...]
_Where = tuple[int, int, int] | None  # rows of one stream: its key, the first and the last of them


@dataclass(frozen=True)
class Advancing(Stream):
    """The stream that a user's own code is handed for one call: every draw in that call is another, by itself.

    So ``z = rng.normal(n, d)`` and ``t = rng.uniform(n)`` are independent, and a loop may draw as often as it likes.
    Draw number ``k`` of a row at an address is that of the plain stream there for ``k = 0`` and has an address of its
    own after that, which depends on nothing but ``k``: the next call of the same code begins again with 0, so results
    are as reproducible as with plain streams, and row ``i`` is the same for every ``n``. Rows are counted one by one:
    a loop that draws again for the rows ``rng.select(rejected)`` gives those, and only those, their next draw.
    ``rng.at("t")`` asked for twice is one address, and counts on; so do ``skip``, ``select`` and an index. Whoever
    wants the same numbers twice keeps the tensor. Numbers come in ``dtype`` unless told otherwise.

    >>> rng = advancing(Stream.root([(0, 0)])[0])
    >>> bool((rng.at("t").uniform(3) == rng.at("t").uniform(3)).any())
    False
    """

    address: _Address = ()  # what was folded in since it was handed out
    drawn: _Drawn = field(default_factory=lambda: _Drawn(), repr=False)  # in this call, here and at all addresses

    def at(self, part: int | str | Tensor) -> Self:
        words = as_words(part)
        return with_parts(super().at(words), address=(*self.address, _hashed(words)))

    def addressed(self) -> Stream:
        """A plain stream for code that gives each draw an address of its own; another one each time."""
        turn = self.drawn.turns[self.address] = self.drawn.turns.get(self.address, -1) + 1
        return self._plain(turn)

    def seed(self) -> int:
        """A 63-bit seed, another one each time (a stream without batch)."""
        return self.addressed().seed()

    def _plain(self, again: int) -> Stream:
        """The plain stream of draw number ``again`` here."""
        plain = Stream(self.keys, self.first, self.rows)
        return plain.at(_AGAIN).at(again) if again else plain

    def _starts(self, n: int) -> np.ndarray | Tensor:
        starts = super()._starts(n)
        again = self.drawn.count(self.address, starts[:, 0], self._range(n))
        if isinstance(again, int):
            return self._plain(again)._starts(n) if again else starts
        out: Any = starts.clone() if isinstance(starts, Tensor) else starts.copy()
        for number in np.unique(again[again > 0]).tolist():
            here: Any = again == number
            here = torch.from_numpy(here).to(out.device) if isinstance(out, Tensor) else here
            other: Any = self._plain(number)._starts(n)
            out[here] = other[here]
        return out

    def _range(self, n: int) -> _Where:
        """The key and the first and last row of what ``n`` rows of one stream are."""
        if self.keys.ndim or not n or not self.keys.is_cpu:
            return None
        first, rows = int(self.first), self.rows
        low, high = (0, n - 1) if rows is None else (int(rows[:n].min()), int(rows[:n].max()))
        return int(self.keys), first + low, first + high


class _Drawn:
    """What has been drawn in one call: by address, the rows (by where their numbers start) and how often."""

    def __init__(self) -> None:
        self.rows: dict[_Address, list[_Rows]] = {}
        self.turns: dict[_Address, int] = {}

    def count(self, address: _Address, starts: np.ndarray | Tensor, where: _Where) -> int | np.ndarray:
        """How often each of these rows was drawn before at this address, one number where they are alike; once more.

        Rows on an accelerator are looked at only where something was drawn at this address before.
        """
        before = self.rows.setdefault(address, [])
        again: int | np.ndarray = 0
        same: _Rows | None = None
        for rows in before:
            if _apart(rows.where, where):
                continue
            mine, theirs = _at_home(starts), _at_home(rows.starts)
            if np.array_equal(theirs, mine):
                same, again = rows, again + rows.times
            else:
                again = again + rows.times * np.isin(mine, theirs)
        if same is None:
            before.append(_Rows(starts, where))
        else:
            same.times += 1
        if isinstance(again, np.ndarray) and len(again) and (again == again[0]).all():
            return int(again[0])
        return again


@dataclass
class _Rows:
    """Rows that were drawn together."""

    starts: np.ndarray | Tensor
    where: _Where
    times: int = 1


def _at_home(starts: np.ndarray | Tensor) -> np.ndarray:
    return starts.cpu().numpy() if isinstance(starts, Tensor) else starts


def _apart(one: _Where, other: _Where) -> bool:
    """Whether two ranges of rows (key, first, last) have none in common; no if one of them is not known."""
    if one is None or other is None:
        return False
    return one[0] != other[0] or one[2] < other[1] or other[2] < one[1]


def _hashed(words: Tensor) -> Hashable:
    return int(words) if words.ndim == 0 else (*words.shape, words.cpu().numpy().tobytes())


def advancing(rng: Stream, dtype: torch.dtype = torch.float64) -> Advancing:
    """A stream for one call of somebody's code; one that advances already goes on: it is still the same call."""
    if isinstance(rng, Advancing):
        return rng if rng.dtype == dtype else replace(rng, dtype=dtype)
    return Advancing(rng.keys, rng.first, rng.rows, dtype)


def addressed(rng: Stream) -> Stream:
    """The stream for code that gives each of its draws an address of its own: of one that advances a plain one."""
    return rng.addressed() if isinstance(rng, Advancing) else rng


class Drawing:
    """A contract with methods that draw: those in ``DRAWING`` see streams that advance, whoever calls and writes them.

    ``draw_type`` is the type of the numbers unless told otherwise.
    """

    DRAWING: ClassVar[tuple[str, ...]] = ()

    @property
    def draw_type(self) -> torch.dtype:
        return torch.float64

    def __init_subclass__(cls, **settings: Any) -> None:
        super().__init_subclass__(**settings)
        for name in cls.DRAWING:
            method = inspect.getattr_static(cls, name, None)  # it may come from a class that is no Drawing
            if inspect.isfunction(method) and not hasattr(method, "_advances"):
                setattr(cls, name, _with_advancing(method))


def _with_advancing(method: Callable[..., Any]) -> Callable[..., Any]:
    @wraps(method)
    def drawing(self: Drawing, *given: Any, **named: Any) -> Any:
        given = tuple(advancing(x, self.draw_type) if isinstance(x, Stream) else x for x in given)
        named = {name: advancing(x, self.draw_type) if isinstance(x, Stream) else x for name, x in named.items()}
        return method(self, *given, **named)

    drawing.__dict__["_advances"] = True
    return drawing
