"""A member whose users choose by a reward that was learned, and what its numbers do to everybody's alignment."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import Any, cast

import pandas as pd
import torch
from torch import Tensor
from torch.func import vjp

from ecosystem.core.check import brief, whole_number
from ecosystem.core.kinds import typed
from ecosystem.curation import Learner, Seen, Users
from ecosystem.influence.dynamics import Dynamics
from ecosystem.influence.goals import Alignment
from ecosystem.influence.resolvent import Resolvent
from ecosystem.influence.rounds import Rounds, State
from ecosystem.influence.smoothness import check_smooth
from ecosystem.influence.stable import find
from ecosystem.rewards import Reward, as_reward
from ecosystem.scenario import Scenario, checks

_LONGEST, _SETTLED = 100, 1e-8  # rounds that other weights are played for, and the change at which they have settled


@typed
def taught(scenario: Scenario, at: str, reward: Any, *, learn: Any = None) -> Scenario:
    """A copy in which the users of ``at`` choose by a reward that they were taught, and judge by their own taste.

    On every flow that its users curate (``chosen_by`` the producer ``at``, or the consumer ``at``) their curator goes
    on choosing, by ``reward``: that of a fit, ``learned(comparisons).reward``, say. Alignment stays what the member's
    own reward says. With ``learn=Relearned(taste)`` the reward is learned anew each round.

    Raises
    ------
    KeyError
        If there is no member ``at``.
    ValueError
        If its users choose on no flow, or choose behind a transform (a flow's own users choose before it).

    >>> from ecosystem import Categorical, Flow, Luce, Member, Scenario, Tabular
    >>> s = Scenario("loop", rounds=1)
    >>> even = Categorical([0.5, 0.5])
    >>> s.add("a", Member(even, reward=Tabular([1.0, 0.0]), curator=Luce(2)))
    >>> s.connect("a", "a", Flow(curated=1.0))
    >>> misled = taught(s, "a", Tabular([0.0, 9.0]))
    >>> [round(float(x), 3) for x in misled.run().rounds["alignment"]]
    [0.5, 0.25]
    """
    checks.check_known(at, scenario.graph, "taught")
    taste, curator, new = as_reward(reward), scenario.member(at).curator, scenario
    for u, v in chosen_at(scenario, at):
        flow = scenario.flow(u, v)
        if flow.chosen_by == "consumer" and flow.transform is not None:
            raise ValueError(
                f"the users of {at!r} choose on {u!r} → {v!r} behind its transform, and those of a flow's own choose "
                "before it; let the transform be the producer's, or choose at the producer"
            )
        new = new.with_flow(u, v, chosen_by=Users(taste, cast(Any, curator), learn))
    return new.replace(name=f"{scenario.name} ({at} taught)")


def chosen_at(scenario: Scenario, at: str) -> list[tuple[str, str]]:
    """The flows on which the users of a member choose."""
    out = [(at, v) for v in scenario.graph.successors(at) if scenario.flow(at, v).chosen_by == "producer"]
    into = [(u, at) for u in scenario.graph.predecessors(at) if scenario.flow(u, at).chosen_by == "consumer"]
    found = [flow for flow in (*out, *into) if scenario.flow(*flow).curated > 0]
    if scenario.member(at).curator is None or not found:
        raise ValueError(
            f"the users of {at!r} choose on no flow of scenario {scenario.name!r}, so what they are taught moves "
            "nobody; give it a curator, and a flow with a curated share that its users choose on (chosen_by)"
        )
    return found


@typed
def reward_influence(scenario: Scenario, at: str, reward: Any, target: str, *, rounds: int | None = None) -> Tensor:
    """``dJ_target/dw``: what the weights ``[p]`` that ``at``'s users choose by do to a target's alignment.

    At the stable point ``w`` is one more block of ``Θ`` that stands still: ``∇J_jᵀ (I − B)⁻¹`` in this block. With
    ``rounds`` the derivative of the target's alignment after so many rounds of the population, from the scenario's own
    start, in its own order.

    Raises
    ------
    KeyError, ValueError
        As :func:`taught`; where there is no stable point (give ``rounds``), no population law or no derivative; if the
        target's alignment is not known exactly.

    >>> from ecosystem import Flow, Linear, Location, Member, Scenario, Tilt
    >>> s = Scenario("loop", rounds=1)
    >>> s.add("a", Member(Location([0.0]), reward=Linear([1.0]), curator=Tilt(), real=Location([0.0])))
    >>> s.connect("a", "a", Flow(curated=0.5))  # θ* = 0.5 (θ* + w)
    >>> reward_influence(s, "a", Linear([2.0]), "a")
    tensor([1.], dtype=torch.float64)
    """
    return Reach(scenario, at, target, rounds).look(as_reward(reward)).gradient


@dataclass(frozen=True)
class Look:
    """A network whose users at one member choose by some reward: where it leads."""

    alignment: pd.Series
    goal: Alignment
    target: str
    last: Tensor  # Θ there, [size]
    leaf: Tensor | None  # the weights that Θ hangs on; None at a stable point

    @property
    def value(self) -> float:
        """The alignment of the target."""
        return float(self.alignment[self.target])

    @cached_property
    def gradient(self) -> Tensor:
        """``dJ_target/dw [p]``."""
        if self.leaf is not None:
            value = self.goal.values(self.last.unsqueeze(0))[0, self.goal.targets.index(self.target)]
            if not value.requires_grad:  # nothing of it arrives
                return torch.zeros_like(self.leaf)
            (found,) = torch.autograd.grad(value, self.leaf, allow_unused=True)
            return torch.zeros_like(self.leaf) if found is None else found
        dynamics, point = self.goal.dynamics, self.last
        values, pull = vjp(self.goal.values, point.unsqueeze(0))[:2]
        wanted = torch.zeros_like(values)
        wanted[0, self.goal.targets.index(self.target)] = 1
        resolvent = Resolvent(dynamics, point)
        check_smooth(dynamics, point, resolvent.push, self.goal, [self.target])
        if resolvent.continuum is not None:
            raise ValueError(
                f"scenario {dynamics.scenario.name!r} has a continuum of stable points, and what a taste does there "
                "depends on the way; give rounds=, or let somebody have real data"
            )
        back = resolvent.adjoint(dynamics.layout.tangent(pull(wanted)[0]))[0]
        return torch.stack([back[span] for span in _spans(dynamics)]).sum(0)


class Reach:
    """How a reward that the users of ``at`` are taught reaches the alignment of ``target``.

    At the stable point, or after so many ``rounds``.
    """

    def __init__(self, scenario: Scenario, at: str, target: str, rounds: int | None = None) -> None:
        for name in (at, target):
            checks.check_known(name, scenario.graph, "attack")
        if rounds is not None:
            whole_number(rounds, "rounds", 1)
        self.scenario, self.at, self.target, self.rounds = scenario, at, target, rounds

    def look(self, reward: Reward, begin: Tensor | None = None) -> Look:
        """Where that leads: from the scenario's own start, or (to the next stable point) from ``begin [size]``."""
        state = reward.state()
        if state is None:
            raise TypeError(f"the reward {brief(reward)} has no state, so there are no weights to move")
        weights = state.detach()
        held = taught(self.scenario, self.at, reward, learn=_Held(weights))
        dynamics = Dynamics(held)
        goal = Alignment(dynamics)
        if self.target not in goal.targets:
            raise ValueError(f"{self.target!r} cannot be the target: {goal.reasons[self.target]}")
        if self.rounds is not None:
            leaf = weights.clone().requires_grad_()
            last = _played(dynamics, dynamics.start, leaf.unsqueeze(0), self.rounds, differentiable=True)[0]
            return Look(goal.at(last.detach()), goal, self.target, last, leaf)
        point = find(dynamics, begin=begin)
        if begin is not None and not point.found:
            point = find(dynamics)
        if not point.found:
            raise ValueError(
                f"scenario {held.name!r} has no stable point to look about: {point.message}; give rounds=, so many "
                "of which are played"
            )
        return Look(point.alignment, goal, self.target, point.vector, None)

    def tried(self, look: Look, weights: Tensor) -> tuple[Tensor, Tensor]:
        """The target's alignment with other ``weights [n, p]``, ``[n]``, and ``Θ`` there, ``[n, size]``.

        Played side by side: so many rounds from the start, or, from where a look has led, until they settle.
        """
        dynamics = look.goal.dynamics
        begin = look.last.detach().unsqueeze(0) if self.rounds is None else dynamics.start
        last = _played(dynamics, begin, weights, self.rounds or _LONGEST, until=self.rounds is None)
        values = look.goal.values(last)[:, look.goal.targets.index(self.target)]
        return torch.where(values.isfinite(), values, torch.inf), last


@dataclass(frozen=True, eq=False, repr=False)
class _Held(Learner):
    """Users who come back to what they were taught: their taste is a block of ``Θ`` that stands still.

    So its row of ``B`` is 0, its columns are what retraining makes of it, and ``(I − B)⁻¹`` has its influence.
    """

    weights: Tensor
    batched = True

    def learn(self, reward: Reward, seen: Seen) -> Tensor:
        return self.weights.expand(cast(Tensor, reward.state()).shape)

    def __repr__(self) -> str:
        return "what they were taught"


def _spans(dynamics: Dynamics) -> list[slice]:
    """Where the taught weights stand in ``Θ``, once for each flow."""
    minds, found = dynamics.layout.minds, []
    for mind in minds.parts:
        if mind.kind is not None and isinstance(minds.audience.stacks[mind.kind].learn, _Held):
            starts = range(mind.span.start, mind.span.stop, mind.width)
            found += [slice(start, start + mind.width) for start in starts]
    return found


def _played(
    dynamics: Dynamics, begin: Tensor, weights: Tensor, count: int, until: bool = False, differentiable: bool = False
) -> Tensor:
    """``Θ [columns, size]`` after so many rounds from ``begin [1, size]``, with ``weights [columns, p]`` taught.

    ``until``: or when they have settled. Weights that a round has moved, or kept, are put back: torch differentiates
    by them.
    """
    rounds, place = Rounds(dynamics), torch.zeros(weights.shape[-1], begin.shape[-1], dtype=torch.float64)
    for span in _spans(dynamics):
        place[:, span] = torch.eye(len(place), dtype=torch.float64)
    free, put = 1 - place.sum(0), weights @ place
    state = rounds.begin(begin * free + put)
    for number in range(1, count + 1):
        old, state = state.now, rounds.played(state, rounds.turn(number), differentiable=differentiable)
        state = State((state.now * free + put, *state.past[1:]), state.memories)
        if until and not bool(((state.now - old).abs() > _SETTLED).any()):
            break
    return state.now
