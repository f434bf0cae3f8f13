"""Influence: by how much more curation at one member changes the long-run alignment of every other, exactly.

At a stable point ``Θ* = T(Θ*)`` the implicit function theorem gives, with ``B = ∂T/∂Θ`` and ``b_k = ∂T/∂λ_k``,

    M_jk = dJ_j/dλ_k = ∇J_jᵀ [(I − B)⁻¹]_jk b_k

(Zhang, Wei, Zhang 2026, arXiv 2605.29267, for two models; here for any network). ``T`` is the engine's own population
round and all derivatives are taken through it, so every family with a population law is covered. Of any other
number that moves shares it is the same with another push ``b``, on any other differentiable number of a member's law
the same with another gradient.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from functools import cached_property, partial
from typing import Any

import pandas as pd
from torch import Tensor

from ecosystem.core.door import Door, told_as
from ecosystem.core.kinds import typed
from ecosystem.influence import after, judgement, loops, propagation, sentences, traffic, verdicts, walks
from ecosystem.influence.arising import Like
from ecosystem.influence.asked import check_room, judged, movable
from ecosystem.influence.brief import small
from ecosystem.influence.dynamics import Dynamics
from ecosystem.influence.findings import Findings
from ecosystem.influence.goals import Goal, Measure, as_goal
from ecosystem.influence.knockout import KnockOut, solved_without
from ecosystem.influence.numbers import Numbers, as_numbers
from ecosystem.influence.promised import promised
from ecosystem.influence.response import Response
from ecosystem.influence.stability import Stability, assess
from ecosystem.influence.stable import StablePoint, prepared, vector_of
from ecosystem.scenario import Scenario


class Influence(Response):
    """The influence matrix of a scenario and everything that follows from it; made by :func:`influence`.

    ``of`` says what is moved, ``measure`` what is looked at. ``matrix`` is ``M`` as a DataFrame, rows targets, columns
    sources; ``table`` the same as one row a pair, ``verdicts`` what that means, in a word and a sentence a pair;
    ``plot`` draws them; ``welfare`` adds up what each source does to itself and to others. ``hops``, ``edges`` and
    ``paths`` follow the effect through the network. ``formal`` is empty, or says why no dynamics leads there,
    ``unbounded`` why effects are infinite or NaN, ``solved`` how well the systems behind them were, ``skipped`` and
    ``unjudged`` who has no column or row, and why.
    """

    verdicts = property(judgement.of_influence)
    plot: Any = Door("ecosystem.plots.influence", "InfluencePlots")
    _repr_html_: Any = Door("ecosystem.plots.shown_influence", "influence")

    def __init__(
        self,
        dynamics: Dynamics,
        point: StablePoint,
        sources: list[str],
        targets: list[str],
        numbers: Numbers | None = None,
        goal: Goal | None = None,
    ) -> None:
        super().__init__(dynamics, vector_of(dynamics, point), sources, targets, numbers, goal, point.begin)
        self.scenario = dynamics.scenario
        self.point = point
        self.skipped: dict[str, str] = {}
        self.unjudged: dict[str, str] = {}

    @property
    def of(self) -> str:
        """What of the sources is moved: curation, real, raw, curated, producers' users."""
        return self.numbers.of

    @property
    def measure(self) -> str:
        """What of the targets is looked at."""
        return self.goal.name

    @cached_property
    def table(self) -> pd.DataFrame:
        """One row for each target and source.

        ``effect`` is ``M_jk`` (per unit of share). On the diagonal (``kind`` self) ``isolated`` is ``I_k``,
        ``amplification`` ``M_kk/I_k`` and ``network`` what the network does to it: unchanged, amplified, dampened,
        inverted or undefined. ``backfires``: the member's own curation lowers its own alignment though its own users
        choose some of what it reads; ``harms``: the effect is negative, whosever it is. A flow is no member: its rows
        are all cross. First columns ``of`` and ``measure`` say what was moved and looked at, where that is not curation
        and alignment.
        """
        alone = self.links.alone(self.sources)
        led = partial(sentences.led, self.scenario)
        return verdicts.table(self.matrix, self.isolated, alone, self.scale, self.of, self.measure, led)

    @property
    def welfare(self) -> pd.DataFrame:
        """What each source does, per unit of share: columns source, private, externality, social.

        ``private`` is ``M_kk``, ``externality`` ``Σ_{j≠k} M_jk``, ``social`` their sum.
        """
        return verdicts.welfare(self.matrix)

    @cached_property
    def formal(self) -> str:
        """Why the numbers are formal (no synchronous dynamics leads there); empty if they are not."""
        free = self.resolvent.continuum
        return verdicts.formal(self.resolvent.radius if free is None else free.rest)

    @property
    def unbounded(self) -> dict[str, str]:
        """Sources some of whose effects are infinite or undefined (the point is one of a continuum), and why."""
        return {} if self.endless is None else self.endless.reasons

    @cached_property
    def stability(self) -> Stability:
        """How this point is reached in the scenario's own order: ``radius``, ``certificate``, a ``table`` of one row.

        Columns ordering, rate, error, worst, exponent, settles, left, predicted, measured (rounds):
        :func:`ecosystem.influence.stability`.
        """
        return assess(self.resolvent)

    # -- the paper's quantities ----------------------------------------------------------------------------------------

    @told_as(loops.S)
    @typed
    def S(self, target: str) -> Tensor:
        return loops.S(self, target)

    @told_as(loops.C)
    @typed
    def C(self, target: str, source: str) -> Tensor:
        return loops.C(self, target, source)

    @told_as(loops.rho)
    @typed
    def rho(self, target: str, source: str) -> float:
        return loops.rho(self, target, source)

    @told_as(propagation.hops)
    @typed
    def hops(self, most: int = 8) -> pd.DataFrame:
        return propagation.hops(self, most)

    @told_as(traffic.edges)
    @typed
    def edges(self, source: str | None = None, target: str | None = None, knock_out: bool = False) -> pd.DataFrame:
        return traffic.edges(self, source, target, knock_out)

    @told_as(walks.paths)
    @typed
    def paths(self, source: str, target: str, k: int = 10, longest: int = 24) -> pd.DataFrame:
        return walks.paths(self, source, target, k, longest)

    @typed
    def after(self, rounds: int | None = None) -> pd.DataFrame:
        """``dJ_j/dλ_k`` after so many rounds of the population from the scenario's own start, ``[targets, sources]``.

        By default the scenario's own: what a run shows of ``matrix`` by then, which it comes near as the network
        settles. Orders and clocks that are random are those of seed 0. By differences of fourth order of the engine's
        own rounds, exact to about ten digits; ValueError where the slopes on both sides differ.
        """
        return after.after(self, self.scenario.rounds if rounds is None else rounds)

    @typed
    def knock_out(self, u: str, v: str) -> KnockOut:
        """Give the shares of ``u → v`` back to real data and solve again (ValueError where ``v`` has no real data).

        ``flow``, ``point`` (the new stable point), ``alignment`` (by member, the change of ``J``) and ``matrix`` (the
        change of ``M``, NaN for sources whose number cannot be moved any more).
        """
        scenario, point = solved_without(self.dynamics, u, v, self.vector)
        numbers = self.numbers.without(u, v)
        left = [name for name in self.sources if not numbers.refusal(scenario, name)]
        matrix = self.matrix * math.nan
        if left:
            away = self.dynamics.away
            device = None if away is None else away.shares.device
            dtype = None if self.dynamics.rough is None else "float32"
            new = _solved(scenario, numbers, self.goal.measure, left, self.targets, point, device, dtype).matrix
            matrix = new.reindex_like(self.matrix) - self.matrix
        return KnockOut((u, v), point, point.alignment - self.point.alignment, matrix)

    @typed
    def findings(self, hops: int = 8, knock_out: bool = False) -> Findings:
        """Everything as tables, to save, show and report; of very many pairs the hops of the strongest only.

        :class:`~ecosystem.influence.findings.Findings` says what columns each table has.
        """
        tables, stability = self.scenario.describe(), self.stability
        played, unplayed = after.of_pairs(self, self.table)
        approach = self.point.approach
        members, flips, promises = promised(self.scenario, self.point)
        return Findings(
            influence=self.table.assign(after=played),
            welfare=self.welfare,
            hops=propagation.strongest(self, hops),
            edges=self.edges(knock_out=knock_out),
            stability=stability.table,
            members=tables["members"].assign(alignment=lambda table: table["member"].map(self.point.alignment)),
            flows=tables["flows"],
            settings={
                "scenario": self.scenario.name,
                "of": self.of,
                "measure": self.measure,
                "formal": self.formal,
                "seen": self.point.seen,
                "rounds": self.scenario.rounds,
                "distance": self.point.distance,
                "law": self.point.law,
                "when": f"{approach.when} it is {approach.where}" if approach else "",
                "unplayed": unplayed,
                "radius": self.resolvent.radius,
                "certificate": stability.certificate,
                "tolerance": stability.tolerance,
                "residual": self.point.residual,
                "solved": str(self.solved),
                "unbounded": self.unbounded,
                "skipped": self.skipped,
                "unjudged": self.unjudged,
                **promises,
            },
            certificates=members,
            flips=flips,
        )

    def __repr__(self) -> str:
        usual = (self.of, self.measure) == ("curation", "alignment")
        what = "" if usual else f"d {self.measure} / d {self.of}, "
        size = f"{len(self.sources)} sources, {len(self.targets)} targets"
        return f"Influence({self.scenario.name!r}: {what}{size}, at {self.point.message})\n{small(self.matrix)}"


@typed
def influence(
    scenario: Scenario,
    sources: Sequence[str] | None = None,
    targets: Sequence[str] | None = None,
    *,
    of: Any = "curation",
    measure: Measure | None = None,
    like: Like | None = None,
    at: StablePoint | None = None,
    device: Any = None,
    dtype: Any = None,
) -> Influence:
    """The exact influence of curation (or another number) at every source on every target, at the stable point.

    Effects are derivatives, per unit of what is moved: 0.01 of one for a percentage point. Where a share that grows is
    0 the derivative is the right-hand one.

    Parameters
    ----------
    sources: members whose number can be moved; by default all of them.
    targets: members whose alignment (or ``measure``) is known exactly; by default all of them.
    of: what is moved, with what is given up for it.

        - ``"curation"``: the curation level ``λ_k`` of a member's diet, whoever chooses: curated shares grow in
          proportion, all others shrink in proportion (:meth:`Scenario.with_curation`). Strictly between 0 and 1; from
          0, ``like={name: (u, name)}`` says which flow would be curated.
        - ``"real"``: the share ``ρ_k`` of real data in a member's diet: all that it takes from others scales by
          ``(1 − ρ')/(1 − ρ)``. Below 1, of a member that has real data.
        - ``("raw", u, v)``, ``("curated", u, v)``: one share of the flow ``u → v``; the real share of ``v`` shrinks by
          as much, so there must be some. The source is called ``"u → v"``; a list of such has several.
        - ``"producers' users"``: the users of ``k`` choose more for everybody who reads it: on all flows ``k → v`` with
          ``chosen_by="producer"`` at once, a fraction ``t`` of what is taken raw is chosen by them instead
          (``raw·(1−t)``, ``curated + t·raw``); by ``t``, at ``t = 0``. A flow that they choose wholly (``raw=0``) has
          no more to choose from and stays as it is; of a producer all of whose flows are such, ask
          ``[("curated", k, v), ...]`` and add up the columns.
    measure: what is looked at instead of alignment: an object with ``of(stack, real) -> [*batch]``, or a function of a
        stack. ``stack`` is a family in closed form with batch ``[members, 1, columns]``, ``real`` the real data of
        these members (None where there are none); torch must be able to differentiate it.
    at: the stable point; by default the one that the scenario's own start leads to.
    device: where retraining is played and differentiated, such as ``"cuda"``; what solvers factor stays on the CPU.
    dtype: ``torch.float32`` works out corrections of large networks that are known by products with the map alone with
        such numbers, which takes less than half the time; what is left is measured in float64 and solved for again, so
        results are as exact. Others do so of themselves, or are small.

    Raises
    ------
    ValueError where there is no stable point, no population law or no derivative, and where a number cannot be raised:
    the message names the place and what to use instead. KeyError for unknown names.

    >>> from ecosystem import Flow, Linear, Location, Member, Scenario, Shift
    >>> s = Scenario("loop", rounds=1)
    >>> s.add("a", Member(Location([0.0]), reward=Linear([1.0]), curator=Shift([1.0]), real=Location([0.0])))
    >>> s.connect("a", "a", Flow(raw=0.3, curated=0.2))  # θ* = λ / (0.625 (1 − λ))
    >>> round(float(influence(s).matrix.at["a", "a"]), 9)
    2.5
    >>> round(float(influence(s, of=("raw", "a", "a")).matrix.at["a", "a → a"]), 9)  # θ* = λ / (1 − λ − raw)
    0.8
    """
    numbers = as_numbers(scenario, of, like)
    return _solved(scenario, numbers, measure, numbers.wanted(sources), targets, at, device, dtype)


def _solved(
    scenario: Scenario,
    numbers: Numbers,
    measure: Measure | None,
    sources: Sequence[str] | None,
    targets: Sequence[str] | None,
    at: StablePoint | None,
    device: Any,
    dtype: Any,
) -> Influence:
    """See :func:`influence`."""
    check_room(scenario, numbers, sources, targets)
    dynamics, point = prepared(scenario, numbers.like, at, numbers.arising(scenario, sources), device, dtype)
    chosen, skipped = movable(scenario, numbers, sources)
    goal = as_goal(dynamics, measure)
    wanted, unjudged = judged(scenario, goal, targets)
    result = Influence(dynamics, point, chosen, wanted, numbers, goal)
    result.skipped, result.unjudged = skipped, unjudged
    return result
