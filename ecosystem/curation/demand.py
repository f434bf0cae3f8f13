"""Demand: users who choose which model they use, and what their choice sets.

A group of users has a weight ``w_j`` for every member that it may use; before each round it looks at them, and the
weights move by what it thinks of them, ``J_j``. What the weights set is a *lever*: who gets what the group writes, what
a node that keeps what others publish takes in, or how much the users of a member can curate.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any, ClassVar, NamedTuple

import torch
from torch import Tensor

from ecosystem.core.check import a_name, brief, one_number, several, whole_number
from ecosystem.core.check import numbers as as_numbers
from ecosystem.core.claims import Claims
from ecosystem.core.stacking import Stackable

_ENOUGH = 600.0  # e^600 is a number still
_ROUNDING = 1e-9


class Switching(Stackable, Claims):
    """The contract: how users move between members that they may use.

    A class of one's own is a frozen dataclass and writes ``move`` for one group: weights ``[n]`` and alignments ``[n]``
    to weights ``[n]`` that are not negative and add up to 1. ``batched = True`` says that its ``move`` serves any batch
    ``[*batch, n]`` at once, ``smooth = True`` that torch can differentiate it (else influence and stability refuse it
    by name); a subclass with a ``move`` of its own inherits neither.

    >>> from dataclasses import dataclass
    >>> @dataclass(frozen=True, eq=False)
    ... class Loyal(Switching):
    ...     def move(self, weights, alignment):
    ...         return weights
    >>> Loyal().smooth
    False
    """

    RESTS: ClassVar[dict[str, tuple[str, ...]]] = {"batched": ("move",), "smooth": ("move",)}
    batched: bool = False
    smooth: bool = False

    def move(self, weights: Tensor, alignment: Tensor) -> Tensor:
        """The new weights ``[*batch, n]`` of a group that thinks ``alignment [*batch, n]`` of the members."""
        raise NotImplementedError(f"{type(self).__name__} needs a method move(weights, alignment)")


def _temperature(value: Any, of: str) -> Tensor:
    number = one_number(value, f"{of}(temperature)")
    if not bool(number > 0):
        raise ValueError(f"{of}(temperature) must be positive, got {brief(value)}; use BestResponse() for its limit 0")
    return number


@dataclass(frozen=True, eq=False, repr=False)
class Softmax(Switching):
    """Users forget what they used and choose anew: ``w_j(t+1) ∝ exp(J_j(t)/τ)``.

    ValueError if the temperature ``τ`` is not positive.

    >>> Softmax(1.0).move(torch.tensor([0.75, 0.25]), torch.tensor([0.0, 0.0])).tolist()
    [0.5, 0.5]
    """

    temperature: Tensor
    batched = True
    smooth = True

    def __init__(self, temperature: Any = 1.0) -> None:
        object.__setattr__(self, "temperature", _temperature(temperature, "Softmax"))

    def move(self, weights: Tensor, alignment: Tensor) -> Tensor:
        return torch.softmax(alignment / self.temperature.unsqueeze(-1), -1)

    def __repr__(self) -> str:
        return f"Softmax({float(self.temperature.mean()):.4g})"


@dataclass(frozen=True, eq=False, repr=False)
class Replicator(Switching):
    """What serves better grows, from what there is: ``w_j(t+1) ∝ w_j(t) e^{J_j(t)/τ}``.

    What nobody uses is never used again. ValueError if the temperature ``τ`` is not positive.

    >>> Replicator(1.0).move(torch.tensor([0.75, 0.25]), torch.tensor([0.0, 0.0])).tolist()
    [0.75, 0.25]
    """

    temperature: Tensor
    batched = True
    smooth = True

    def __init__(self, temperature: Any = 1.0) -> None:
        object.__setattr__(self, "temperature", _temperature(temperature, "Replicator"))

    def move(self, weights: Tensor, alignment: Tensor) -> Tensor:
        score = alignment / self.temperature.unsqueeze(-1)
        best = torch.where(weights > 0, score, -torch.inf).amax(-1, keepdim=True).detach()
        grown = weights * (score - best).clamp(max=_ENOUGH).exp()  # only what nobody uses can be better than the best
        return grown / grown.sum(-1, keepdim=True)

    def __repr__(self) -> str:
        return f"Replicator({float(self.temperature.mean()):.4g})"


@dataclass(frozen=True, eq=False)
class BestResponse(Switching):
    """Users go to whoever serves them best, in equal parts where several do: the limit ``τ → 0`` of :class:`Softmax`.

    It jumps, so influence and stability refuse it by name.

    >>> BestResponse().move(torch.tensor([0.5, 0.5]), torch.tensor([1.0, 0.0])).tolist()
    [1.0, 0.0]
    """

    batched = True

    def move(self, weights: Tensor, alignment: Tensor) -> Tensor:
        best = (alignment >= alignment.amax(-1, keepdim=True)).to(weights)
        return best / best.sum(-1, keepdim=True)


# -- what weights set --------------------------------------------------------------------------------------------------


class Part(NamedTuple):
    """A part of the diet of ``target``: what it takes from ``source`` (None: its real data), ``curated`` or not."""

    source: str | None
    target: str
    curated: bool


class Lever(Stackable):
    """The contract: what of the members' diets the weights of a group set.

    Parts of one diet that a lever weighs share out what the scenario declares for them together, each by its declared
    share times its weight; so evenly spread users leave the diet as it is declared. A lever of one's own is a frozen
    dataclass and writes ``weigh``.
    """

    def weigh(self, part: Part, who: str, among: Sequence[str]) -> str | float | None:
        """The member by whose use a part is weighed; a number that weighs it whatever users do; None: not at all.

        ``who`` is the group, ``among`` are the members that it may use.
        """
        raise NotImplementedError(f"{type(self).__name__} needs a method weigh(part, who, among)")


@dataclass(frozen=True, eq=False)
class Writing(Lever):
    """What a group writes goes to those it uses: the flows from the group to them.

    Of two groups that write for a member, ``raw`` shares say how large they are: it trains on the mixture of its users.
    """

    def weigh(self, part: Part, who: str, among: Sequence[str]) -> str | None:
        return part.target if part.source == who and part.target in among else None


@dataclass(frozen=True, eq=False)
class Intake(Lever):
    """What a node takes from each member, an archive say, goes by how much the member is used: the flows into it."""

    node: str

    def __post_init__(self) -> None:
        a_name(self.node, "Intake(node)")

    def weigh(self, part: Part, who: str, among: Sequence[str]) -> str | None:
        return part.source if part.target == self.node and part.source in among else None


@dataclass(frozen=True, eq=False)
class Capacity(Lever):
    """Who is used more can curate more: the odds ``λ/(1−λ)`` of a member's curation level go by its use.

    Twice the use that an even spread would give it are twice the odds; inside the curated and the other part shares
    keep their proportions, as where a curation level is raised.
    """

    def weigh(self, part: Part, who: str, among: Sequence[str]) -> str | float | None:
        if part.target not in among:
            return None
        return part.target if part.curated else 1.0


# -- the group ---------------------------------------------------------------------------------------------------------


@dataclass(frozen=True, eq=False, repr=False)
class Demand(Stackable):
    """A group of users who choose ``among`` some members: ``Member(..., demand=Demand(("a", "b"), Softmax(0.1)))``.

    The member that has it stands for the group: its generator is what the group writes (``schedule=never`` for people),
    its reward how it judges (without one every member is judged as its own users do), and its flows are what ``sets``
    may set: a lever or several (:class:`Writing`, :class:`Intake`, :class:`Capacity`, or one's own). ``size`` is how
    large the group is beside others that weigh the same, ``start`` its first weights (even by default). ``judged``
    samples tell it what a member is worth where no closed form does. In a round users choose first, by what all members
    were after the last one, then members retrain; a member whom nobody uses, and that something of the kind feeds,
    stays as it is.

    Raises
    ------
    TypeError
        If ``choice`` is no :class:`Switching`, or ``sets`` holds what is no :class:`Lever`.
    ValueError
        If nobody is to be chosen among, one twice, a size is not positive, or first weights do not add up to 1.

    >>> Demand(("a", "b"), Replicator(0.5), start=[0.25, 0.75])
    Demand(('a', 'b'), Replicator(0.5), sets=(Writing(),))
    """

    among: tuple[str, ...]
    choice: Switching
    sets: tuple[Lever, ...]
    size: Tensor
    start: Tensor
    judged: int

    def __init__(
        self,
        among: Sequence[str],
        choice: Switching = Softmax(1.0),
        *,
        sets: Lever | Sequence[Lever] = Writing(),
        size: Any = 1.0,
        start: Any = None,
        judged: int = 256,
    ) -> None:
        what = "Demand(among) are the names of members, each once"
        names = (among,) if isinstance(among, str) else several(among, what)
        if not names or not all(isinstance(name, str) for name in names) or len(set(names)) < len(names):
            raise ValueError(f"{what}, got {brief(among)}")
        if not isinstance(choice, Switching):
            raise TypeError(f"Demand(choice) is a way to switch such as Softmax(0.1), got {brief(choice)}")
        levers = (sets,) if isinstance(sets, Lever) else several(sets, "Demand(sets) are levers such as Writing()")
        wrong = [lever for lever in levers if not isinstance(lever, Lever)]
        if wrong or not levers:
            raise TypeError(f"Demand(sets) are levers such as Writing(), got {brief(wrong[0] if wrong else sets)}")
        number = one_number(size, "Demand(size)")
        if not bool(number > 0):
            raise ValueError(f"Demand(size) must be positive, got {brief(size)}")
        fields = {
            "among": names,
            "choice": choice,
            "sets": levers,
            "size": number,
            "start": _first(start, names),
            "judged": whole_number(judged, "Demand(judged)", 1),
        }
        for name, value in fields.items():
            object.__setattr__(self, name, value)

    def without(self, name: str) -> Demand | None:
        """That of the same group where a member is gone; None where nobody is left to choose among."""
        kept = [i for i, one in enumerate(self.among) if one != name]
        levers = tuple(lever for lever in self.sets if getattr(lever, "node", None) != name)
        if len(kept) == len(self.among) and len(levers) == len(self.sets):
            return self
        if not kept or not levers:
            return None
        start = self.start[kept]
        start = start / start.sum() if float(start.sum()) > 0 else None
        return replace(self, among=[self.among[i] for i in kept], sets=levers, start=start)

    def __repr__(self) -> str:
        return f"Demand({self.among}, {self.choice}, sets={self.sets})"


def _first(start: Any, among: tuple[str, ...]) -> Tensor:
    """The first weights ``[n]``."""
    if start is None:
        return torch.full((len(among),), 1 / len(among), dtype=torch.float64)
    weights = as_numbers(start, "Demand(start)")
    if weights.shape != (len(among),) or bool((weights < 0).any()) or abs(float(weights.sum()) - 1) > _ROUNDING:
        raise ValueError(
            f"Demand(start) are the first weights of {len(among)} members, not negative, that add up to 1; got "
            f"{brief(start)}"
        )
    return weights
