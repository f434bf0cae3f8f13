"""A network whose users at one member relearn their taste each round, and what labels that are flipped do to it."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import Any, NamedTuple, cast

import pandas as pd
import torch
from torch import Tensor
from torch.func import vjp

from ecosystem.core.check import whole_number
from ecosystem.core.laws import Finite
from ecosystem.curation import BradleyTerry, Comparisons, Flips, Learner, OfLaw, Relearned, Users
from ecosystem.curation.bradley_terry import Labels
from ecosystem.curation.flips import whole_labels
from ecosystem.curation.relearning import pairs_of
from ecosystem.decisions.swayed import Swayed, Swaying
from ecosystem.decisions.taught import chosen_at, taught
from ecosystem.generators import ClosedForm
from ecosystem.influence.dynamics import Dynamics
from ecosystem.influence.goals import Alignment
from ecosystem.influence.resolvent import Resolvent
from ecosystem.influence.rounds import Rounds, State
from ecosystem.influence.smoothness import check_smooth
from ecosystem.influence.stable import find, stable_point
from ecosystem.rewards import Reward, Tabular
from ecosystem.scenario import Scenario, checks

_LONGEST, _SETTLED = 200, 1e-9  # rounds that other flips are played for, and the change at which they have settled


@dataclass(frozen=True)
class Play:
    """Plans that were played side by side: ``values [columns]`` of the target, in the end.

    ``made`` are flips that found a whole label, ``there`` how many labels say so, both as ``plans [columns, rounds,
    labelled, directed]``; ``ends [columns, size]`` is where Θ was.
    """

    plans: Tensor
    values: Tensor
    made: Tensor
    there: Tensor
    ends: Tensor


class Settled(NamedTuple):
    """A plan whose flips all find a label, and where it leads: the target's alignment, labels ``there``, ``Θ``."""

    plan: Tensor
    value: float
    there: Tensor
    end: Tensor


class Course:
    """How flips reach the alignment of ``target``: ``flips [..., rounds, labelled, directed]``.

    ``directed`` are the ordered pairs of symbols (preferred, other), ``labelled`` the members whose output the users of
    ``at`` compare. Without ``rounds`` there is one plan for all rounds, and the stable point counts.
    """

    def __init__(
        self, scenario: Scenario, learn: Relearned, at: str, target: str, form: Any, labels: int, rounds: int | None
    ) -> None:
        for name in (at, target):
            checks.check_known(name, scenario.graph, "attack_relearned")
        if rounds is not None:
            whole_number(rounds, "rounds", 1)
        if learn.flips is not None:
            raise ValueError(f"attack_relearned(learn) has flips already, {learn.flips}; give Relearned(...) without")
        self.scenario, self.learn, self.at, self.target, self.rounds = scenario, learn, at, target, rounds
        self.flows = chosen_at(scenario, at)
        self.labelled = sorted({u for u, _ in self.flows}, key=scenario.names.index)
        self.labels = float(whole_number(labels, "attack_relearned(labels)", 1, of="comparisons a round"))
        self.symbols, self.form = self._compared(form)
        n = self.symbols
        self.directed = [(i, j) for i in range(n) for j in range(n) if i != j]
        self.shape = (rounds or 1, len(self.labelled), len(self.directed))

    def _compared(self, form: Any) -> tuple[int, Reward]:
        """How many symbols are compared, and the form of the taste that is learned of them."""
        known = {getattr(self.scenario.member(u).generator, "symbols", None) for u in self.labelled}
        if None in known or len(known) > 1:
            raise ValueError(
                f"flips are counted by pairs of symbols, and what {', '.join(map(repr, self.labelled))} make is not of "
                "one alphabet; attack_relearned is for categorical members (attack flips labels of other samples)"
            )
        symbols = int(known.pop() or 0)
        return symbols, Tabular(torch.zeros(symbols)) if form is None else form

    def poisoned(self, flips: dict[str, Flips]) -> Scenario:
        """The scenario itself with flips at some labelled members, to be run and analysed."""
        new = taught(self.scenario, self.at, self.form, learn=self.learn)
        for u, v in self.flows:
            if u in flips:
                learn = Relearned(
                    self.learn.taste,
                    ridge=self.learn.ridge,
                    flipped=self.learn.flipped,
                    temperature=self.learn.temperature,
                    flips=flips[u],
                )
                new = _with_users(new, u, v, self.form, learn)
        return new

    # -- as a map on vectors: flips are a part of tastes ---------------------------------------------------------------

    def _dynamics(self, flips: Tensor | None = None) -> tuple[Dynamics, Alignment]:
        """That of a network with flips ``[labelled, directed]`` in every round."""
        held = taught(self.scenario, self.at, self.form, learn=self.learn)
        many = torch.zeros(self.shape[1:], dtype=torch.float64) if flips is None else flips
        labels = torch.tensor(self.labels, dtype=torch.float64)
        for u, v in self.flows:
            here = many[self.labelled.index(u)]
            held = _with_users(held, u, v, Swayed(self.form, here), Swaying(self.learn, labels, here))
        dynamics = Dynamics(held)
        goal = Alignment(dynamics)
        if self.target not in goal.targets:
            raise ValueError(f"{self.target!r} cannot be the target: {goal.reasons[self.target]}")
        return dynamics, goal

    @cached_property
    def usual(self) -> tuple[Dynamics, Alignment]:
        return self._dynamics()

    def place(self, dynamics: Dynamics) -> Tensor:
        """Where flips stand in ``Θ``, ``[labelled · directed, size]`` of zeros and ones."""
        minds, width = dynamics.layout.minds, len(self.directed)
        place = torch.zeros(self.shape[1] * width, dynamics.layout.size, dtype=torch.float64)
        for mind in minds.parts:
            if mind.kind is None or not isinstance(minds.audience.stacks[mind.kind].learn, Swaying):
                continue
            for row, member in enumerate(mind.watched.tolist()):
                end, first = mind.start + (row + 1) * mind.width, self.labelled.index(dynamics.names[member]) * width
                place[first : first + width, end - width : end] = torch.eye(width, dtype=torch.float64)
        return place

    def there(self, dynamics: Dynamics, vector: Tensor) -> tuple[Tensor, Tensor]:
        """Whole labels that say so at ``Θ [columns, size]``, and what they count for, ``[columns, labelled, d]``."""
        state, program, counts, weights = dynamics.state([vector]), dynamics.program(1), [], []
        for u in self.labelled:
            c, row = program.places[u]
            law = cast(ClosedForm, state.now[c]).take(row).law()
            if not isinstance(law, Finite):
                raise ValueError(f"flips are counted by pairs of symbols, and what {u!r} makes is {law}")
            first, second, weight = pairs_of(OfLaw(law), self.symbols, vector.device)
            wins = self.learn.wins(torch.arange(self.symbols), first, second)
            labels, both = torch.tensor(self.labels), torch.zeros(2, *weight.shape[:-1], self.symbols, self.symbols)
            both = both.to(torch.float64)
            for pair, part in (((first, second), wins), ((second, first), 1 - wins)):
                both[0][..., pair[0], pair[1]] = whole_labels(labels, weight, part).detach()
                both[1][..., pair[0], pair[1]] = (weight * part).detach()
            i, j = (torch.tensor(part) for part in zip(*self.directed, strict=True))
            counts.append(both[0][..., i, j].reshape(-1, len(self.directed)).expand(len(vector), -1))
            weights.append(both[1][..., i, j].reshape(-1, len(self.directed)).expand(len(vector), -1))
        return torch.stack(counts, 1), torch.stack(weights, 1)

    # -- plans ---------------------------------------------------------------------------------------------------------

    def played(self, plans: Tensor, begin: Tensor | None = None) -> Play:
        """Plans ``[columns, rounds, labelled, directed]`` side by side, so many rounds or until they settle."""
        dynamics, goal = self.usual
        place, rounds = self.place(dynamics), Rounds(dynamics)
        start = dynamics.start if begin is None else begin.unsqueeze(0)
        state, there = rounds.begin(start.expand(len(plans), -1)), []
        for number in range(1, (self.rounds or _LONGEST) + 1):
            old, row = state.now, number - 1 if self.rounds else 0
            state = rounds.played(put(state, plans[:, row].flatten(1), place), rounds.turn(number))
            there = [*there, self.there(dynamics, state.now)[0]] if self.rounds else there
            if not self.rounds and number > 1 and not bool(((state.now - old).abs() > _SETTLED).any()):
                break
        many = torch.stack(there, 1) if self.rounds else self.there(dynamics, state.now)[0].unsqueeze(1)
        values = goal.values(state.now)[:, goal.targets.index(self.target)]
        values = torch.where(values.isfinite(), values, torch.inf)
        return Play(plans, values, torch.minimum(plans, many), many, state.now)

    def gradient(self, plan: Tensor, end: Tensor | None = None) -> Tensor:
        """``dJ_target/dflips`` at a plan ``[rounds, labelled, directed]``."""
        return self._after_rounds(plan) if self.rounds else self._at_rest(plan, end)

    def _after_rounds(self, plan: Tensor) -> Tensor:
        dynamics, goal = self.usual
        place, rounds, leaf = self.place(dynamics), Rounds(dynamics), plan.clone().requires_grad_()
        state = rounds.begin(dynamics.start)
        for number in range(1, cast(int, self.rounds) + 1):
            state = put(state, leaf[number - 1].flatten().unsqueeze(0), place)
            state = rounds.played(state, rounds.turn(number), differentiable=True)
        value = goal.values(state.now)[0, goal.targets.index(self.target)]
        if not value.requires_grad:
            return torch.zeros_like(plan)
        (found,) = torch.autograd.grad(value, leaf, allow_unused=True)
        return torch.zeros_like(plan) if found is None else found

    def rest(self, plan: Tensor, begin: Tensor | None = None) -> Any:
        """The stable point of a network with a plan ``[1, labelled, directed]`` in every round; refused where none."""
        dynamics, _ = self._dynamics(plan[0])
        point = find(dynamics, begin=begin)
        point = find(dynamics) if begin is not None and not point.found else point
        if not point.found:
            raise ValueError(
                f"scenario {self.scenario.name!r} has no stable point to look about where tastes are relearned: "
                f"{point.message}; give rounds=, so many of which are played"
            )
        return point

    def _at_rest(self, plan: Tensor, end: Tensor | None) -> Tensor:
        dynamics, goal = self._dynamics(plan[0])
        point = self.rest(plan, end).vector
        values, pull = vjp(goal.values, point.unsqueeze(0))[:2]
        wanted = torch.zeros_like(values)
        wanted[0, goal.targets.index(self.target)] = 1
        resolvent = Resolvent(dynamics, point)
        check_smooth(dynamics, point, resolvent.push, goal, [self.target])
        if resolvent.continuum is not None:
            raise ValueError(
                f"scenario {dynamics.scenario.name!r} has a continuum of stable points, and what flips do there "
                "depends on the way; give rounds=, or let somebody have real data"
            )
        back = resolvent.adjoint(dynamics.layout.tangent(pull(wanted)[0]))[0]
        return (self.place(dynamics) @ back).reshape(self.shape)

    def settled(self, plan: Tensor, begin: Tensor | None = None) -> Settled:
        """A plan without flips that find no whole label where it leads, and where that is."""
        while True:
            if self.rounds:
                play = self.played(plan.unsqueeze(0))
                value, made, there, end = play.values[0], play.made[0], play.there[0], play.ends[0]
            else:
                point = self.rest(plan, begin)
                there, end = self.there(self.usual[0], point.vector.unsqueeze(0))[0], point.vector
                value, made = point.alignment[self.target], torch.minimum(plan, there)
            if torch.equal(made, plan):
                return Settled(plan, float(value), there, end)
            plan = made

    def alignment(self, scenario: Scenario) -> pd.Series:
        """Everybody's alignment at the end of a course, by name."""
        if self.rounds is None:
            return stable_point(scenario, starts=1).alignment
        last = scenario.replace(rounds=self.rounds, samples=None).run().rounds.query(f"round == {self.rounds}")
        return last.set_index("member")["alignment"].loc[scenario.names]

    def fits(self, vector: Tensor) -> list[BradleyTerry]:
        """What is learned of the labels at ``Θ [size]`` when nobody flips any, of each labelled member.

        Its comparisons are the directed pairs, each counting for the labels that say so.
        """
        weights, found = self.there(self.usual[0], vector.unsqueeze(0))[1][0], []
        first, second = (torch.tensor(part) for part in zip(*self.directed, strict=True))
        for weight in weights:
            table = {"first": first.numpy(), "second": second.numpy(), "preferred": first.numpy()}
            said = Comparisons(pd.DataFrame(table), self.symbols)
            items, ridge = torch.arange(self.symbols), self.learn.ridge.detach()
            labels = Labels(self.form, items, first, second, weight, torch.ones(len(weight)).double(), ridge)
            start = cast(Tensor, self.form.state()).detach().to(torch.float64)
            found.append(BradleyTerry(self.form.with_state(labels.learned(start)), said, labels))
        return found


def _with_users(scenario: Scenario, u: str, v: str, form: Reward, learn: Learner) -> Scenario:
    """With another form and learner for a flow's own users; they choose as before."""
    return scenario.with_flow(u, v, chosen_by=Users(form, cast(Users, scenario.flow(u, v).chosen_by).curator, learn))


def put(state: State, flips: Tensor, place: Tensor) -> State:
    """A state with other flips ``[columns, labelled · directed]``."""
    now = state.now * (1 - place.sum(0)) + flips @ place
    return State((now, *state.past[1:]), state.memories)
