"""How a budget of flips is spent on the labels of rounds: by gradients, played and worked out again."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from ecosystem.core.check import whole_number
from ecosystem.decisions.relabelled import Course, Play, Settled
from ecosystem.decisions.walking import filled

_NOTHING = 1e-10  # a fall of alignment, relative to its size, that is no more than solvers leave
_TIMES = 100  # that plans are ranked anew, at most
_TRIED = 8  # exchanges of a kind that are played each time
_NEARLY = 1  # more than the labels that are there: with other flips there may be some
_TOP = 5  # pairs that may come first in every round
_SETTLED = 4  # of those that were played, how many may fall behind when flips without a label are left out
_PARTS = (1.0, 0.5, 0.25, 0.125)  # of the way to the best list


@dataclass(frozen=True)
class Budget:
    """How many labels may be flipped a round, and in all ``rounds`` together."""

    each: float
    total: float
    rounds: int | None

    @classmethod
    def of(cls, budget: int | None, total: int | None, rounds: int | None) -> Budget:
        """Checked; ValueError where there is none, or numbers are no whole numbers of labels."""
        if budget is None and total is None:
            raise ValueError(
                "attack_relearned needs a budget: budget= labels that may be flipped each round, total= in all "
                "rounds, or both"
            )
        for name, value in (("budget", budget), ("total", total)):
            if value is not None:
                whole_number(value, f"attack_relearned({name})", 0, of="labels")
        if total is not None and rounds is None:
            raise ValueError(
                "attack_relearned(total) is for so many rounds: give rounds=, or budget= for flips that are made in "
                "every one"
            )
        endless = float("inf")
        return cls(endless if budget is None else budget, endless if total is None else total, rounds)

    @property
    def none(self) -> bool:
        return self.each == 0 or self.total == 0

    def allowance(self, row: int) -> float:
        """What may be spent in a round (from 0) by those who spread it evenly over all rounds but the last."""
        if self.total == float("inf"):
            return self.each
        last = max(1, (self.rounds or 1) - 1)
        return 0.0 if row >= last else min(self.each, self.total // last + (row < self.total % last))

    def room(self, plan: Tensor) -> Tensor:
        """How many more flips fit into each round of a plan ``[rounds, pairs]``, each by itself, ``[rounds, 1]``."""
        left = (self.each - plan.sum(-1, keepdim=True)).clamp(min=0)
        return left.clamp(max=self.total - float(plan.sum()))

    def greedy(self, worth: Tensor, most: Tensor) -> Tensor:
        """The plan of largest ``worth [rounds, pairs]`` with at most so many of each.

        Budgets of rounds lie inside that of all, so the largest first is the optimum (a laminar matroid).
        """
        plan = torch.zeros_like(most)
        left, rooms = self.total, [self.each] * len(most)
        order = torch.argsort(worth.flatten(), descending=True, stable=True).tolist()
        for place in order:
            row, pair = divmod(place, worth.shape[1])
            if left <= 0 or not worth[row, pair] > 0:
                break
            many = min(float(most[row, pair]), rooms[row], left)
            plan[row, pair] = many
            left, rooms[row] = left - many, rooms[row] - many
        return plan


def best_plan(course: Course, spent: Budget) -> tuple[Tensor, Tensor]:
    """The plan that does most harm of those tried, and by how much one more flip of each label would do more."""
    here = course.settled(torch.zeros(course.shape, dtype=torch.float64))
    worth = torch.zeros_like(here.plan)
    if spent.none:
        return here.plan, worth
    for _ in range(_TIMES):
        worth = -course.gradient(here.plan, here.end)
        if not bool(worth.any()):  # nothing that is flipped arrives
            break
        moves = _moves(here.plan.flatten(1), worth.flatten(1), here.there.flatten(1), spent)
        begin = None if course.rounds else here.end
        plays = [course.played(torch.stack(moves).unflatten(-1, course.shape[1:]), begin)] if moves else []
        better = _better(course, here, plays)
        if better is None and course.rounds:  # no list and no exchange: the same pairs throughout
            better = _better(course, here, [filled(course, _orders(worth.flatten(1)), spent.allowance)])
        if better is None:
            break
        here = better
    return here.plan, worth


def _better(course: Course, here: Settled, plays: list[Play]) -> Settled | None:
    """The best of what was played, if it does more harm than is done already when all its flips find a label."""
    least = here.value - _NOTHING * (1 + abs(here.value))
    for play in plays:
        for place in play.values.argsort()[:_SETTLED].tolist():
            if not float(play.values[place]) < least:
                break
            try:
                found = course.settled(play.plans[place], None if course.rounds else play.ends[place])
            except ValueError:  # no stable point
                continue
            if found.value < least:
                return found
    return None


def _moves(plan: Tensor, worth: Tensor, there: Tensor, spent: Budget) -> list[Tensor]:
    """Other plans ``[rounds, pairs]`` within the budget: those that promise most, as a whole and by exchanges."""
    best, there = spent.greedy(worth, there), there + _NEARLY
    found = [spent.greedy(worth, plan + _first(best - plan, worth, part)) for part in _PARTS]
    found += [
        torch.where((torch.arange(len(plan)) < len(plan) // 2).unsqueeze(-1) == late, plan, best) for late in (0, 1)
    ]
    found += _exchanges(plan, worth, there) + _additions(plan, worth, there, spent)
    fits = [move for move in found if bool((move.sum(-1) <= spent.each).all()) and float(move.sum()) <= spent.total]
    kept: dict[bytes, Tensor] = {move.numpy().tobytes(): move for move in fits if not torch.equal(move, plan)}
    return list(kept.values())


def _orders(worth: Tensor) -> Tensor:
    """Orders ``[orders, pairs]`` in which every round is filled: any two of the best first, the others by worth."""
    mean = worth.mean(0)
    ranked = torch.argsort(mean, descending=True, stable=True).tolist()
    best = ranked[: min(_TOP, len(ranked))]
    return torch.tensor([[a, b, *(c for c in ranked if c not in (a, b))] for a in best for b in best if a != b])


def _first(more: Tensor, worth: Tensor, part: float) -> Tensor:
    """A part of the flips by which one plan has more than another, those of most worth first."""
    more = more.clamp(min=0)
    left, some = float(torch.ceil(part * more.sum())), torch.zeros_like(more)
    for place in torch.argsort(
        torch.where(more > 0, worth, -torch.inf).flatten(), descending=True, stable=True
    ).tolist():
        if left <= 0:
            break
        many = min(float(more.flatten()[place]), left)
        some.view(-1)[place] = many
        left -= many
    return some


def _exchanges(plan: Tensor, worth: Tensor, there: Tensor) -> list[Tensor]:
    """One pair's flips made at another: in one round (all of them, or one), or in every round."""
    moved = torch.minimum(plan.unsqueeze(2), (there - plan).clamp(min=0).unsqueeze(1))  # [rounds, from, to]
    gain = worth.unsqueeze(1) - worth.unsqueeze(2)
    found = []
    for many, promised in ((moved, (moved * gain).sum(0, keepdim=True)), (moved, moved * gain)):
        everywhere = len(promised) == 1
        possible = torch.where(many.sum(0, keepdim=True) > 0 if everywhere else many > 0, promised, -torch.inf)
        for place in _largest(possible):
            row, a, b = _unravel(place, possible.shape)
            sizes = [many[:, a, b]] if everywhere else [many[row, a, b], torch.ones((), dtype=plan.dtype)]
            for size in sizes:
                new, rows = plan.clone(), slice(None) if everywhere else row
                new[rows, a] -= size
                new[rows, b] += size
                found.append(new)
    return found


def _additions(plan: Tensor, worth: Tensor, there: Tensor, spent: Budget) -> list[Tensor]:
    """One flip more or less, where it promises most."""
    room = torch.minimum((there - plan).clamp(min=0), spent.room(plan))
    found = []
    for place in _largest(torch.where(room > 0, worth, -torch.inf)):
        new = plan.clone()
        new.view(-1)[place] += 1
        found.append(new)
    for place in _largest(torch.where(plan > 0, -worth, -torch.inf))[: _TRIED // 2]:
        new = plan.clone()
        new.view(-1)[place] -= 1
        found.append(new)
    return found


def _largest(values: Tensor) -> list[int]:
    top = values.flatten().topk(min(_TRIED, values.numel()))
    return [place for place, value in zip(top.indices.tolist(), top.values.tolist(), strict=True) if value > -torch.inf]


def _unravel(place: int, shape: torch.Size) -> tuple[int, int, int]:
    row, rest = divmod(place, shape[1] * shape[2])
    return row, *divmod(rest, shape[2])
