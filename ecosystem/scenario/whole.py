"""What is refused when a scenario is whole: diets at every stage of the run, the ordering, laws on the population."""

from __future__ import annotations

from collections.abc import Hashable, Iterable, Iterator

import numpy as np
import torch

from ecosystem.core.added import added
from ecosystem.core.laws import NoPopulationLaw
from ecosystem.curation import Users
from ecosystem.curation.users import received
from ecosystem.generators import ClosedForm, GenerativeModel
from ecosystem.generators.sources import as_source
from ecosystem.scenario.blocks import blocks_of
from ecosystem.scenario.checks import check_intervention, kind_of
from ecosystem.scenario.demands import check_demand
from ecosystem.scenario.descriptions import TOLERANCE, Flow, Member, curated_by
from ecosystem.scenario.interventions import Effect, Subject, at_once
from ecosystem.scenario.network import Network
from ecosystem.scenario.shares import FULL, curation, move_flows


def check_shares(v: str, flows: dict[str, Flow], member: Member, complete: bool = False, when: str = "") -> None:
    """Shares of one member add up to at most 1; what they leave over needs real data (asked when ``complete``)."""
    total = added(flow.raw + flow.curated for flow in flows.values())
    shares = [(kind, s, u) for u, f in flows.items() for kind, s in (("raw", f.raw), ("curated", f.curated)) if s]
    listing = ", ".join(f"{kind} {share:.4g} from {u!r}" for kind, share, u in shares[:12])
    listing += f" and {len(shares) - 12} more" if len(shares) > 12 else ""
    if total > 1 + TOLERANCE:
        raise ValueError(
            f"shares of {v!r} add up to {total:.6g}{when} ({listing}); they must leave room for real data: at most 1"
        )
    if complete and total < 1 - TOLERANCE and member.real is None:
        raise ValueError(
            f"shares of {v!r} add up to {total:.6g}{when} ({listing or 'no flows'}), and it has no real data for the "
            f"remaining {1 - total:.4g}; give it some, Member(..., real=...), freeze it, schedule=never, or let the "
            "shares add up to 1"
        )


def check_room(scenario: Network, u: str, v: str, flow: Flow) -> None:
    """Refuse another flow ``u → v`` for which the shares of ``v`` leave no room.

    Shares are added up whenever one with few producers gets another, of hubs at powers of two only: building stays
    linear in the flows; ``from_graph`` and ``check`` look at everybody.
    """
    given = scenario.graph.pred[v]
    if len(given) > 64 and len(given) & (len(given) - 1):
        return
    taken = flow.raw + flow.curated
    for edge in given.values():
        taken += edge["flow"].raw + edge["flow"].curated
    if taken > 1 + TOLERANCE and not scenario.late() & {u, v}:
        check_shares(v, {**scenario.incoming(v), u: flow}, scenario.member(v))


def check_scenario(scenario: Network) -> None:
    """Everything that can only be asked of the whole: the ordering, and the diets at every stage of the run."""
    if not scenario.names:
        raise ValueError(f"scenario {scenario.name!r} has no members; add some: scenario.add(name, Member(...))")
    scenario.ordering.check(scenario.names)
    for v in _archives(scenario):
        member, flows = scenario.member(v), scenario.incoming(v, dormant=True)
        population, real = scenario.samples is None, member.real is not None
        member.generator.check_diet(v, flows, real, member.retention, population)  # type: ignore[operator]
    if scenario.samples is None:
        _check_laws(scenario)
    for name in _choosing(scenario):
        check_demand(name, scenario)
    stage = Stage(scenario)
    stage.check_diets(_unsure(scenario), "")
    for round in sorted(scenario.interventions):
        touched: dict[str, None] = {}
        for intervention in scenario.interventions[round]:
            check_intervention(intervention, round, scenario)
        for intervention, effect in at_once(scenario.interventions[round], round):
            stage.change(effect, f"{intervention} in round {round}")
            touched |= dict.fromkeys(stage.readers(effect.subject))
        stage.check_diets(touched, f" from round {round} on")


def _choosing(scenario: Network) -> list[str]:
    """The groups of users who choose between members."""
    blocks = blocks_of(scenario.graph)
    if blocks is None:
        return [name for name in scenario.names if scenario.member(name).demand is not None]
    return [name for block in blocks.members if block.one.demand is not None for name in block.names]


def _archives(scenario: Network) -> list[str]:
    """The members on whose shelves others write."""
    blocks = blocks_of(scenario.graph)
    if blocks is None:
        return [name for name in scenario.names if scenario.member(name).generator.stores]
    return [name for block in blocks.members if block.one.generator.stores for name in block.names]


def _unsure(scenario: Network) -> list[str]:
    """Whose shares may not add up: of members by the array those who are near the edge, else everybody."""
    blocks = blocks_of(scenario.graph)
    if blocks is None or scenario.interventions:
        return scenario.names
    taken, edge = blocks.table.taken(len(blocks.names)), 1 + TOLERANCE / 2
    fed = np.repeat([block.one.real is not None for block in blocks.members], np.diff(blocks.starts))
    return [blocks.names[i] for i in np.flatnonzero((taken > edge) | (~fed & (taken < 2 - edge))).tolist()]


class Stage:
    """A moment of a scenario's run, as far as it is known before: who is there, who is frozen, who takes how much."""

    def __init__(self, scenario: Network) -> None:
        self.scenario = scenario
        self.absent = scenario.late()
        self.frozen: set[str] = set()
        self.moved: dict[tuple[str, str], Flow] = {}  # flows whose shares are others than at the start

    def change(self, effect: Effect, where: str) -> None:
        """Let one thing happen; refuse what would change nothing or cannot be reached."""
        what, subject, value = effect
        if what == "present":
            if (subject not in self.absent) == value:
                now, before = ("there", "goes") if value else ("away", "comes back")
                raise ValueError(
                    f"{where}: {subject!r} is {now} already; leave this out, or see that it {before} first"
                )
            (self.absent.discard if value else self.absent.add)(subject)
        elif what == "frozen":
            if (subject in self.frozen) == value and not self._acts(str(subject)):
                now, before = ("frozen already", "thaw") if value else ("not frozen then", "freeze")
                raise ValueError(f"{where}: {subject!r} is {now}; leave this out, or {before} it first")
            (self.frozen.add if value else self.frozen.discard)(str(subject))
        else:
            self._curate(str(subject), value, where)

    def _curate(self, name: str, level: float, where: str) -> None:
        acts = self._acts(name)
        flows = self.scenario.incoming(name, dormant=True) if acts else self.diet(name)
        old = curation(flows)
        if not 0 < old < FULL:
            raise ValueError(
                f"{where}: a level between 0 and 1 can be reached from one strictly between, and {name!r} has "
                f"{old:.4g}; give one of its flows a curated share"
            )
        if not acts:
            self.moved |= {(u, name): flow for u, flow in move_flows(flows, level).items()}

    def _acts(self, name: str) -> bool:
        """Whether an agent of its own may have changed its state or its diet by then."""
        return self.scenario.member(name).agent is not None

    def diet(self, v: str) -> dict[str, Flow]:
        """The flows that ``v`` trains on now, by producer."""
        flows = self.scenario.incoming(v, dormant=True).items()
        return {u: self.moved.get((u, v), flow) for u, flow in flows if not self.absent & {u, v, (u, v)}}

    def readers(self, subject: Subject) -> list[str]:
        """Members whose diet may be another one after something has happened to a member or a flow."""
        if not isinstance(subject, str):
            return [subject[1]]
        return [subject, *self.scenario.graph.successors(subject)]

    def check_diets(self, names: Iterable[str], when: str) -> None:
        for v in names:
            member = self.scenario.member(v)
            if v not in self.absent and not member.schedule.is_never:
                check_shares(v, self.diet(v), member, complete=True, when=when)


def _check_laws(scenario: Network) -> None:
    """On the population every fit, choice and transform needs a law: tried once for each kind."""
    tried: set[Hashable] = set()
    for v, flows in _standing_for_all(scenario):
        member = scenario.member(v)
        generator = member.generator
        if not isinstance(generator, ClosedForm):
            raise NoPopulationLaw(f"{type(generator).__name__}, the generator of {v!r},")
        if member.real is not None:
            _try_law(tried, generator, as_source(member.real, generator, repr(v)), None, f"the real data of {v!r}")
        for u, flow in flows.items():
            producer = scenario.member(u)
            where = f"flow {u!r} → {v!r}"
            _try_law(tried, generator, producer.generator, flow, where)
            users = curated_by(flow, producer, member) if flow.curated else None
            if users is not None:
                _try_law(tried, generator, producer.generator, flow, where, users)


def _standing_for_all(scenario: Network) -> Iterator[tuple[str, dict[str, Flow]]]:
    """Members with their flows, by producer; of many by the array those that stand for their kinds."""
    blocks = blocks_of(scenario.graph)
    if blocks is None:
        yield from ((v, scenario.incoming(v, dormant=True)) for v in scenario.names)
        return
    chosen: dict[int, dict[str, Flow]] = {}
    for block, start in zip(blocks.members, blocks.starts.tolist(), strict=False):
        rows = 1 if isinstance(block.generators, ClosedForm) else len(block.names)
        chosen |= {start + row: {} for row in range(rows)}
    for number in blocks.kinds().tolist():
        source, target = blocks.table.ends[:2, number].tolist()
        chosen.setdefault(target, {})[blocks.names[source]] = blocks.table.flow(number)
    yield from ((blocks.names[place], chosen[place]) for place in sorted(chosen))


def _try_law(
    tried: set[Hashable],
    fit: ClosedForm,
    source: GenerativeModel,
    flow: Flow | None,
    where: str,
    users: Users | None = None,
) -> None:
    transform = None if flow is None else flow.transform
    after = flow is not None and flow.chosen_by == "consumer"
    kind = (fit.kind(), kind_of(source), transform and transform.kind(), users and users.kind(), after)
    if kind in tried:
        return
    tried.add(kind)
    try:
        if not isinstance(source, ClosedForm):
            raise NoPopulationLaw(type(source).__name__)
        statistic = fit.statistic_of(received(source.law(), users, transform, after, fit.symbols))
        if not bool(torch.isfinite(statistic).all()):
            raise ValueError(f"the law of what {users} keep is not finite; use a higher temperature, or BestOf(k)")
    except (ValueError, TypeError) as error:
        raise type(error)(f"{where}: {error}") from error
