"""Attacks on what a taste is learned from: which labels of comparisons somebody with a budget would flip."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any, cast

import pandas as pd
import torch
from torch import Tensor

from ecosystem.core.check import a_seed, brief, real_tensor, returned, users_code, whole_number
from ecosystem.core.kinds import typed
from ecosystem.core.streams import Stream
from ecosystem.core.words import listed
from ecosystem.curation import BradleyTerry, Comparisons, learned
from ecosystem.decisions.taught import Look, Reach, taught
from ecosystem.scenario import Scenario

Ranking = Callable[[BradleyTerry], Tensor]
_NOTHING = 1e-10  # a fall of alignment, relative to its size, that is no more than solvers leave
_TIMES = 100  # that flips are ranked anew, at most
_TRIED = 24  # single flips and exchanges that are played each time
_COLUMNS = ("row", "first", "second", "before", "preferred", "whose", "score")


class Harmful(ABC):
    """What any attack has done: everybody's alignment before and after it."""

    target: str

    @abstractmethod
    def _ends(self) -> tuple[pd.Series, pd.Series]:
        """Alignments by member before and after."""

    @cached_property
    def alignment(self) -> pd.DataFrame:
        """Everybody's alignment before and after, worked out when it is first asked for."""
        before, after = self._ends()
        columns = {"member": before.index, "before": before.to_numpy(), "after": after.to_numpy()}
        return pd.DataFrame(columns | {"change": after.to_numpy() - before.to_numpy()})

    @property
    def harm(self) -> float:
        """By how much the target's alignment fell."""
        return -float(self.alignment.set_index("member").at[self.target, "change"])


@dataclass(frozen=True, eq=False)
class Attack(Harmful):
    """What an attacker flipped, and what came of it; made by :func:`attack`.

    ``flips`` has a row for each label that was flipped, in that order: ``row`` of the table of comparisons, ``first``,
    ``second``, which was preferred ``before`` and is ``preferred`` now, ``whose`` label it was, and the ``score`` that
    it was chosen by. ``clean`` and ``poisoned`` are the fits, ``scenario`` the network whose member ``at`` is taught by
    the poisoned one (``taught(scenario, at, clean.reward)`` is the other). ``alignment`` has a row for each member:
    ``before``, ``after``, ``change``, by everybody's own, true taste; ``harm`` is what the target has lost.
    """

    at: str
    target: str
    by: str
    budget: int
    flips: pd.DataFrame
    clean: BradleyTerry
    poisoned: BradleyTerry
    scenario: Scenario
    reach: Reach

    def _ends(self) -> tuple[pd.Series, pd.Series]:
        before = self.reach.look(self.clean.reward).alignment
        return before, before if self.poisoned is self.clean else self.reach.look(self.poisoned.reward).alignment

    def __repr__(self) -> str:
        flips = f"{len(self.flips)} of {len(self.clean.comparisons)} labels flipped (budget {self.budget})"
        return f"Attack(at {self.at!r}, by {self.by}, against {self.target!r}: {flips})"


@typed
def attack(
    scenario: Scenario,
    comparisons: Comparisons,
    at: str,
    target: str | None = None,
    *,
    budget: int,
    by: Any = "influence",
    whose: Sequence[Any] | None = None,
    form: Any = None,
    ridge: float = 0.01,
    rounds: int | None = None,
    seed: int = 0,
) -> Attack:
    """Flip at most ``budget`` labels of what the users of ``at`` are taught by, to harm the alignment of a ``target``.

    The users of ``at`` choose by the reward that is learned from the comparisons (:func:`taught`); alignment is judged
    by everybody's own reward, the true taste (Wei, Zhang 2025, 2505.09768). Effects are those of the population, in the
    long run (at the stable point that the scenario's own start leads to), or after so many ``rounds``.

    Parameters
    ----------
    at: the member whose users are taught.
    target: the member whose alignment is to fall, by default the same; any that what ``at`` makes reaches.
    by: what flips are ranked by.

        - ``"influence"``: the first-order effect on the target's alignment, by the gradient through the network
          (:func:`reward_influence`) and the inverse Hessian of the loss (:meth:`BradleyTerry.effects`). As that is
          right for small steps only, the flips that promise most, whole lists and single ones more or exchanged, are
          played; from what does most harm they are ranked anew, until nothing does more. (So it may stop below the
          budget, and at a choice that no single exchange betters.)
        - ``"random"``: any labels; ``"gap"``: those that the clean reward is surest of,
          ``r(preferred) − r(other)``; ``"highest"``: those that prefer what has the highest reward.
        - a function ``(fit: BradleyTerry) -> scores [pairs]``: the highest first.
    whose: whose labels the attacker can flip (names of the column ``whose``); by default everybody's.
    form, ridge: how the reward is learned (:func:`learned`).
    seed: of ``"random"``.

    Raises
    ------
    ValueError
        As :func:`taught`, :func:`reward_influence` and :func:`learned`; if the budget is no whole number or nobody of
        ``whose`` said anything. KeyError for unknown names.

    >>> from ecosystem import Categorical, Flow, Luce, Member, Scenario, Tabular
    >>> even, taste = Categorical([0.5, 0.5]), Tabular([2.0, 0.0])
    >>> s = Scenario("loop", rounds=1)
    >>> s.add("a", Member(even, reward=taste, curator=Luce(2), real=even))
    >>> s.connect("a", "a", Flow(curated=0.5))
    >>> said = Comparisons.sampled(taste, even, 20)
    >>> found = attack(s, said, "a", budget=3)
    >>> len(found.flips), found.harm > 0.1
    (3, True)
    """
    reach = Reach(scenario, at, at if target is None else target, rounds)
    whole_number(budget, "attack(budget)", 0, of="labels")
    fit = learned(comparisons, form=form, ridge=ridge)
    rows = _reachable(comparisons, whose)
    if isinstance(by, str) and by == "influence":
        chosen = _by_influence(reach, fit, rows, budget)
    else:
        chosen = ranked(ranking(by, seed), fit, rows)[:budget]
    poisoned = fit.flipped([row for row, _ in chosen]) if chosen else fit
    name = by if isinstance(by, str) else getattr(by, "__name__", type(by).__name__)
    misled = taught(scenario, at, poisoned.reward)
    return Attack(at, reach.target, name, budget, _flips(comparisons, chosen), fit, poisoned, misled, reach)


# -- rankings ----------------------------------------------------------------------------------------------------------


def gap(fit: BradleyTerry) -> Tensor:
    """How sure the reward is of each label: ``r(preferred) − r(other)``, ``[pairs]``."""
    return (2 * fit.labels.wins - 1) * fit.labels.gaps(fit.weights)


def highest(fit: BradleyTerry) -> Tensor:
    """The reward of what is preferred, ``[pairs]``."""
    return fit.reward(fit.comparisons.items)[fit.comparisons.places("preferred")]


def ranking(by: Any, seed: int, where: str = "attack") -> Ranking:
    """What labels are ranked by: a name, or a function of one's own."""

    def random(fit: BradleyTerry) -> Tensor:
        return Stream.root([(a_seed(seed, "attack(seed)"), 0)])[0].at("attack").uniform(len(fit.comparisons))

    known: dict[str, Ranking] = {"random": random, "gap": gap, "highest": highest}
    if isinstance(by, str) and by in known:
        return known[by]
    if not callable(by):
        raise ValueError(f"{where}(by) is influence, {', '.join(known)} or a function of the fit, got {brief(by)}")
    return cast(Ranking, by)


def ranked(ranking: Ranking, fit: BradleyTerry, rows: list[int]) -> list[tuple[int, float]]:
    """The rows with their scores, the highest first; of equal ones the earliest."""
    name = getattr(ranking, "__name__", type(ranking).__name__)
    with users_code(lambda: f"the ranking {name}"):
        scores = ranking(fit)
    if not real_tensor(scores) or scores.shape != (len(fit.comparisons),) or not bool(torch.isfinite(scores).all()):
        raise ValueError(
            f"the ranking {name} must return a finite number for each of {len(fit.comparisons)} pairs, got "
            f"{returned(scores)}"
        )
    return sorted(((row, float(scores[row])) for row in rows), key=lambda found: -found[1])


def _by_influence(reach: Reach, fit: BradleyTerry, rows: list[int], budget: int) -> list[tuple[int, float]]:
    """Flips by their first-order effects where the last ones have led, for as long as that leads further down."""
    if not budget or not rows:
        return []
    flips: frozenset[int] = frozenset()
    said, look = fit.comparisons, reach.look(fit.reward)
    for _ in range(_TIMES):
        scores = _scores(fit, look, flips)
        moves = _moves(said, scores, flips, rows, budget)
        fits = [fit.flipped(sorted(move ^ flips)) for move in moves]
        values, ends = reach.tried(look, torch.stack([other.weights for other in fits]))
        best = int(values.argmin())
        there = reach.look(fits[best].reward, ends[best]) if bool(values[best] < look.value) else look
        if not there.value < look.value - _NOTHING * (1 + abs(look.value)):
            break
        flips, fit, look = moves[best], fits[best], there
    scores = _scores(fit, look, flips)
    return sorted(((row, float(scores[row])) for row in flips), key=lambda found: -found[1])


def _scores(fit: BradleyTerry, look: Look, flips: frozenset[int]) -> Tensor:
    """By how much the target's alignment falls with each flip, made already or not, to first order, ``[pairs]``."""
    effects = fit.effects(look.gradient)
    turned = torch.zeros(len(effects), dtype=torch.bool)
    turned[sorted(flips)] = True
    return torch.where(turned, effects, -effects)


def _moves(
    said: Comparisons, scores: Tensor, flips: frozenset[int], rows: list[int], budget: int
) -> list[frozenset[int]]:
    """Other flips within the budget, those that promise most: whole lists, and one flip more, less or exchanged.

    Equal pairs with equal labels are one flip; exchanges are looked at even if they promise a little less, because
    labels are few and a flip is no small step.
    """
    worth = {row: float(scores[row]) for row in rows}
    ranked = sorted(rows, key=lambda row: -worth[row])
    lists = [frozenset(ranked[:size]) for size in {budget, (budget + 1) // 2, 1}]
    kinds = said.table[["first", "second", "preferred"]].apply(tuple, axis=1).tolist()
    into = {kinds[row]: row for row in reversed(ranked) if row not in flips}.values()
    out = {kinds[row]: row for row in ranked if row in flips}.values()
    found = {flips - {a} | {b}: worth[b] - worth[a] for a in out for b in into}
    found |= {flips - {a}: -worth[a] for a in out}
    if len(flips) < budget:
        found |= {flips | {b}: worth[b] for b in into}
    single = sorted(found, key=lambda move: -found[move])[:_TRIED]
    return [move for move in dict.fromkeys([*lists, *single]) if move != flips]


# -- tables ------------------------------------------------------------------------------------------------------------


def _reachable(comparisons: Comparisons, whose: Sequence[Any] | None) -> list[int]:
    """The rows whose labels the attacker can flip."""
    if whose is None:
        return list(range(len(comparisons)))
    if isinstance(whose, str):
        raise TypeError(f"attack(whose) is a list of names, got the string {whose!r}; pass [{whose!r}]")
    said = comparisons.table["whose"]
    asked = set(map(str, whose))
    unknown = sorted(asked - set(said))
    if unknown:
        raise KeyError(f"attack(whose): {unknown[0]!r} compared nothing; those who did are {listed(sorted(set(said)))}")
    return [i for i, name in enumerate(said) if name in asked]


def _flips(comparisons: Comparisons, chosen: list[tuple[int, float]]) -> pd.DataFrame:
    rows = [row for row, _ in chosen]
    table = comparisons.table.iloc[rows].rename(columns={"preferred": "before"})
    table = table.assign(row=rows, score=[score for _, score in chosen])
    table["preferred"] = table["first"] + table["second"] - table["before"]
    return table[list(_COLUMNS)].astype({"row": "int64", "score": float}).reset_index(drop=True)
