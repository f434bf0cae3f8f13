"""Attacks on tastes that are learned anew each round: which labels of which round somebody with a budget would flip."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import pandas as pd
import torch
from torch import Tensor

from ecosystem.core.check import a_seed
from ecosystem.core.kinds import typed
from ecosystem.core.streams import Stream
from ecosystem.curation import Flips, Relearned
from ecosystem.decisions.attack import Harmful, ranked, ranking
from ecosystem.decisions.relabelled import Course
from ecosystem.decisions.spending import Budget, best_plan
from ecosystem.decisions.walking import Walk
from ecosystem.scenario import Scenario

_COLUMNS = ("round", "member", "first", "second", "before", "preferred", "flips", "by", "score")


@dataclass(frozen=True, eq=False)
class RelearnedAttack(Harmful):
    """What an attacker flipped round by round, and what came of it; made by :func:`attack_relearned`.

    ``flips`` has a row for each round, labelled ``member`` and pair (``first``, ``second``) with flipped labels: those
    that said ``before`` say ``preferred``, ``flips`` of them; ``by`` what strategy, and the ``score`` that they were
    chosen by (of ``"influence"`` by how much one more lowers the target's alignment, to first order). Without
    ``rounds`` there is no column ``round``: they are flipped in every one. ``scenario`` is the network with these
    flips, to run and analyse, ``unharmed`` that without. ``alignment`` has a row for each member: ``before``,
    ``after``, ``change``, by everybody's own, true taste; ``harm`` is what the target has lost.
    """

    at: str
    target: str
    by: str
    budget: int | None
    total: int | None
    rounds: int | None
    flips: pd.DataFrame
    scenario: Scenario
    unharmed: Scenario
    course: Course

    def _ends(self) -> tuple[pd.Series, pd.Series]:
        before = self.course.alignment(self.unharmed)
        return before, before if self.flips.empty else self.course.alignment(self.scenario)

    def __repr__(self) -> str:
        spent = [f"{self.budget} a round"] if self.budget is not None else []
        spent += [f"{self.total} in all"] if self.total is not None else []
        many = f"{int(self.flips['flips'].sum())} labels flipped{'' if self.rounds else ' in every round'}"
        return (
            f"RelearnedAttack(at {self.at!r}, by {self.by}, against {self.target!r}: {many} (budget "
            f"{' and '.join(spent)}))"
        )


@typed
def attack_relearned(
    scenario: Scenario,
    learn: Relearned,
    at: str,
    target: str | None = None,
    *,
    labels: int,
    budget: int | None = None,
    total: int | None = None,
    by: str | Callable[..., Any] = "influence",
    form: Any = None,
    rounds: int | None = None,
    seed: int = 0,
) -> RelearnedAttack:
    """Flip labels of what the users of ``at`` relearn their taste from each round, to harm a ``target``'s alignment.

    The users of ``at`` choose by a Bradley–Terry reward that is learned anew after each round, from ``labels``
    comparisons of the new output (:class:`~ecosystem.curation.Relearned`, :func:`taught`); alignment is judged by
    everybody's own reward, the true taste (Wei, Zhang 2025, 2505.09768). At most ``budget`` labels are flipped each
    round, at most ``total`` in all rounds together; both are counted in whole labels that are there to be flipped.
    What users learn after a round they choose by in the next: flips of the last one arrive nowhere.

    Parameters
    ----------
    learn: how the taste is relearned, and whose taste labels.
    at: the member whose users are taught; where they choose from several members, the output of each is labelled, and
        the budget is for all of these.
    target: the member whose alignment is to fall, by default the same; any that what ``at`` makes reaches.
    labels: how many comparisons are labelled each round: one flip moves ``1/labels`` of them. Of ``p`` there are
        ``2·labels·p_x·p_y`` of a pair.
    budget, total: how many labels may be flipped a round, and in all; at least one of both. ``total`` needs ``rounds``.
    by: what flips are ranked by.

        - ``"influence"``: the gradient of the target's alignment by each label of each round, through what is learned
          (the implicit function) and the network. As that is right for small steps only, lists and parts of them are
          played, and ranked anew from what does most harm, until nothing does more. So it may stop below the budget.
        - ``"random"``: any labels; ``"gap"``: those that the reward learned in this round is surest of,
          ``r(preferred) − r(other)``; ``"highest"``: those that prefer what has the highest reward. As seen when
          earlier rounds have been flipped already; a ``total`` is spread evenly over rounds.
        - a function ``(fit: BradleyTerry) -> scores [pairs]``: the highest first. ``fit`` is of one round and member,
          its comparisons are the pairs of symbols in both orders, (preferred, other).
    form: what is learned, a number for each symbol (``Tabular``) by default.
    rounds: how many rounds are played, with flips of their own each; by default the same flips are made in every round,
        and the long run counts (the stable point).
    seed: of ``"random"``.

    Raises
    ------
    ValueError
        As :func:`taught` and :func:`reward_influence`; if numbers are no whole numbers, there is no budget, a ``total``
        has no ``rounds``, ``learn`` has flips already or the members at hand are not categorical. KeyError for unknown
        names.

    >>> from ecosystem import Categorical, Flow, Luce, Member, Scenario, Tabular
    >>> even, taste = Categorical([0.5, 0.5]), Tabular([2.0, 0.0])
    >>> s = Scenario("loop", rounds=3)
    >>> s.add("a", Member(even, reward=taste, curator=Luce(2), real=even))
    >>> s.connect("a", "a", Flow(curated=0.5))
    >>> found = attack_relearned(s, Relearned(taste), "a", labels=100, budget=10, rounds=3)
    >>> found.flips[["round", "before", "preferred", "flips"]].values.tolist(), found.harm > 0.05
    ([[1, 0, 1, 10], [2, 0, 1, 10]], True)
    """
    whose = at if target is None else target
    course = Course(scenario, learn, at, whose, form, labels, rounds)
    spent = Budget.of(budget, total, rounds)
    if isinstance(by, str) and by == "influence":
        plan, scores = best_plan(course, spent)
    else:
        plan, scores = _by_rank(course, spent, ranking(by, seed, "attack_relearned"), by == "random", seed)
    table, many = _table(course, plan, scores, _name(by)), {}
    for u in course.labelled:
        rows = table[table["member"] == u]
        if len(rows):
            many[u] = Flips(rows, course.symbols, labels)
    found = (course.poisoned(many), course.poisoned({}))
    return RelearnedAttack(at, whose, _name(by), budget, total, rounds, table, *found, course)


def _name(by: Any) -> str:
    return by if isinstance(by, str) else getattr(by, "__name__", type(by).__name__)


def _by_rank(
    course: Course, spent: Budget, ranking: Callable[..., Tensor], any_labels: bool, seed: int
) -> tuple[Tensor, Tensor]:
    """Round by round those that a ranking puts first, as the labels of the round are when earlier ones are flipped."""
    plan, scores = torch.zeros(course.shape, dtype=torch.float64), torch.zeros(course.shape, dtype=torch.float64)
    walk = Walk(course)
    for row in range(course.shape[0]):
        fits, there = walk.clean()
        if any_labels:
            plan[row] = _drawn(there, spent.allowance(row), seed, row)
            walk.go(plan[row : row + 1])
            continue
        found = [ranked(ranking, fit, list(range(len(course.directed)))) for fit in fits]
        order = sorted(
            ((member, pair, score) for member, many in enumerate(found) for pair, score in many),
            key=lambda one: -one[2],
        )
        left = spent.allowance(row)
        for member, pair, score in order:
            scores[row, member, pair] = score
            plan[row, member, pair] = min(left, float(there[member, pair]))
            left -= plan[row, member, pair]
        walk.go(plan[row : row + 1])
    return course.settled(plan).plan, scores


def _drawn(there: Tensor, count: float, seed: int, row: int) -> Tensor:
    """So many of the labels that are ``there [labelled, directed]``, each as likely as any other."""
    every = torch.arange(there.numel()).repeat_interleave(there.flatten().long())
    order = Stream.root([(a_seed(seed, "attack_relearned(seed)"), 0)])[0].at("attack").at(row).uniform(len(every))
    some = every[order.argsort()[: int(min(count, len(every)))]]
    return torch.bincount(some, minlength=there.numel()).reshape(there.shape).to(torch.float64)


def _table(course: Course, plan: Tensor, scores: Tensor, by: str) -> pd.DataFrame:
    rows = []
    for row, member, pair in plan.nonzero().tolist():
        before, now = course.directed[pair]
        ends = {"first": min(before, now), "second": max(before, now), "before": before, "preferred": now}
        when = {"round": row + 1, "member": course.labelled[member]}
        many = {"flips": int(plan[row, member, pair]), "by": by, "score": float(scores[row, member, pair])}
        rows.append(when | ends | many)
    table = pd.DataFrame(rows, columns=list(_COLUMNS))
    kinds = dict.fromkeys(("round", "first", "second", "before", "preferred", "flips"), "int64") | {"score": "float64"}
    table = table.astype(kinds).sort_values(["round", "score"], ascending=[True, False], kind="stable")
    return (table if course.rounds else table.drop(columns="round")).reset_index(drop=True)
