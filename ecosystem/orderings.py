"""Orderings: who reads whose newest output within a round.

An ordering gives every member a *rank* in each round. ``v`` reads what ``u`` has just become if ``u`` has the lower
rank, and what ``u`` was when the round began otherwise. Any callable ``(names, round, rng) -> ranks`` is an ordering;
ranks are ``[members]``, or ``[members, replicates]`` where each replicate has its own.
"""

from __future__ import annotations

import copy
from collections import Counter
from collections.abc import Callable, Hashable, Sequence
from typing import Any, ClassVar

import numpy as np
import torch

from ecosystem.core.arguments import meant_among
from ecosystem.core.check import brief, users_code
from ecosystem.core.claims import Claims
from ecosystem.core.drawing import Drawing
from ecosystem.core.streams import Stream, word
from ecosystem.core.words import listed


class Ordering(Claims, Drawing):
    """The contract: ranks for the members of a scenario, and a check of the names it was given.

    ``random`` says whether ranks differ from round to round or between replicates; so they do unless it says no.
    """

    RESTS: ClassVar[dict[str, tuple[str, ...]]] = {"random": ("ranks",), "without": ("ranks", "check")}
    DRAWING = ("ranks",)
    random: bool = True

    def kind(self) -> Hashable:
        """What orderings share that are the same; by default only one with itself."""
        return self

    def ranks(self, names: Sequence[str], round: int, rng: Stream) -> np.ndarray:
        """Integer ranks ``[members]`` or ``[members, replicates]``; ``rng`` has one key for each replicate.

        ``rng`` is the same in all rounds; draw from ``rng.at(round)``. (A callable is handed one of its round.)
        """
        raise NotImplementedError(f"{type(self).__name__} needs a method ranks(names, round, rng)")

    def ranked(self, names: Sequence[str], round: int, rng: Stream) -> np.ndarray:
        """The ranks, as the engine asks for them; a ValueError where ``ranks`` fails or returns what are none."""
        with users_code(lambda: f"the ordering {brief(self)} in round {round}"):
            ranks = np.asarray(self.ranks(names, round, rng))
        if ranks.dtype.kind not in "biuf" or not np.isfinite(ranks).all():
            raise ValueError(
                f"the ordering {brief(self)} must return ranks that are numbers, one for each member, got "
                f"{brief(ranks)} in round {round}"
            )
        each = len(names), *rng.keys.shape
        if ranks.shape not in (each[:1], each):
            raise ValueError(
                f"the ordering {brief(self)} must return ranks [members] or [members, replicates], {each}, got shape "
                f"{ranks.shape} in round {round}"
            )
        return ranks

    def check(self, names: Sequence[str]) -> None:
        """Refuse an ordering that does not fit these members."""

    def without(self, name: str) -> Ordering:
        """The ordering of the others, where a member is not there; the same unless it knows members by name."""
        return self


class _Synchronous(Ordering):
    """Everybody reads what was there when the round began."""

    random = False

    def kind(self) -> Hashable:
        return type(self)

    def ranks(self, names: Sequence[str], round: int, rng: Stream) -> np.ndarray:
        return np.zeros(len(names), dtype=np.int64)

    def __repr__(self) -> str:
        return "synchronous"


class sequential(Ordering):
    """One after the other, each reading the newest; names in a tuple go at the same time.

    ``sequential("a", ("b", "c"))``: ``b`` and ``c`` both read the new ``a``, and each other's old.
    """

    random = False

    def __init__(self, *names: str | tuple[str, ...]) -> None:
        for name in names:
            if not isinstance(name, str) and not (
                isinstance(name, tuple | list) and all(isinstance(part, str) for part in name)
            ):
                raise TypeError(
                    f"sequential takes names, and tuples of names that go together, got {brief(name)}; use str(node)"
                )
        self.groups = tuple((name,) if isinstance(name, str) else tuple(name) for name in names)
        self._rank = {name: rank for rank, group in enumerate(self.groups) for name in group}

    def kind(self) -> Hashable:
        return type(self), self.groups

    def ranks(self, names: Sequence[str], round: int, rng: Stream) -> np.ndarray:
        return np.array([self._rank[name] for name in names], dtype=np.int64)

    def check(self, names: Sequence[str]) -> None:
        given = Counter(name for group in self.groups for name in group)
        known = set(names)
        for what, wrong, mend in (
            ("repeats", [name for name, times in given.items() if times > 1], "name each member once"),
            ("forgets", known - set(given), "name every member"),
            ("names the unknown", set(given) - known, f"the members are {listed(names)}"),
        ):
            if wrong:
                near = meant_among(min(wrong), names, mend) if set(wrong) - known else f"; {mend}"
                raise ValueError(f"the ordering {brief(self)} {what} {listed(map(repr, sorted(wrong)))}{near}")

    def without(self, name: str) -> Ordering:
        left, new = (tuple(other for other in group if other != name) for group in self.groups), copy.copy(self)
        sequential.__init__(new, *(group for group in left if group))
        return new

    def __repr__(self) -> str:
        inner = (repr(g[0]) if len(g) == 1 else repr(g) for g in self.groups)
        return f"sequential({', '.join(inner)})"


class _Shuffled(Ordering):
    """One after the other in an order drawn anew for each round and replicate."""

    def kind(self) -> Hashable:
        return type(self)

    def ranks(self, names: Sequence[str], round: int, rng: Stream) -> np.ndarray:
        here = rng.at("order").at(round)
        addresses = torch.tensor([word(name) for name in names], dtype=torch.int64)
        luck = here[..., None].at(addresses).uniform(1).squeeze(-1)  # [replicates, members]
        return luck.argsort(-1).argsort(-1).numpy().T

    def __repr__(self) -> str:
        return "shuffled"


class _CustomOrdering(Ordering):
    def __init__(self, function: Callable[[Sequence[str], int, Stream], Any]) -> None:
        self.function = function

    def kind(self) -> Hashable:
        return type(self), self.function

    def ranks(self, names: Sequence[str], round: int, rng: Stream) -> np.ndarray:
        return np.asarray(self.function(list(names), round, rng.at("order").at(round)))

    def __repr__(self) -> str:
        return getattr(self.function, "__name__", type(self.function).__name__)


synchronous: Ordering = _Synchronous()
shuffled: Ordering = _Shuffled()


def as_ordering(ordering: Any) -> Ordering:
    """An ordering from one or from any callable ``(names, round, rng) -> ranks``."""
    if isinstance(ordering, Ordering):
        return ordering
    if callable(ordering) and not isinstance(ordering, type):
        return _CustomOrdering(ordering)
    mend = "; say in which order: sequential('a', 'b')" if ordering is sequential else ""
    if isinstance(ordering, str) and ordering in ("synchronous", "shuffled", "sequential"):
        mend = f"; give the object, not its name: from ecosystem import {ordering}"
    raise TypeError(f"an ordering is synchronous, sequential(...), shuffled or a callable, got {brief(ordering)}{mend}")
