"""What is refused when a scenario is whole: diets at every stage of the run, the ordering, laws on the population."""

from __future__ import annotations

from collections.abc import Hashable
from typing import TYPE_CHECKING

import torch

from ecosystem.core.laws import NoPopulationLaw
from ecosystem.curation import Users
from ecosystem.generators import ClosedForm, GenerativeModel
from ecosystem.generators.sources import as_source
from ecosystem.scenario.checks import kind_of
from ecosystem.scenario.descriptions import (
    TOLERANCE,
    Connect,
    Curate,
    Disconnect,
    Flow,
    Freeze,
    Intervention,
    Join,
    Leave,
    Member,
    Thaw,
    curated_by,
)
from ecosystem.schedules import is_never

if TYPE_CHECKING:
    from ecosystem.scenario import Scenario


def check_shares(v: str, flows: dict[str, Flow], member: Member, complete: bool = False, when: str = "") -> None:
    """Shares of one member add up to at most 1; what they leave over needs real data (asked when ``complete``)."""
    total = sum(flow.raw + flow.curated for flow in flows.values())
    shares = [(kind, s, u) for u, f in flows.items() for kind, s in (("raw", f.raw), ("curated", f.curated)) if s]
    listing = ", ".join(f"{kind} {share:.4g} from {u!r}" for kind, share, u in shares)
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


def check_scenario(scenario: Scenario) -> None:
    """Everything that can only be asked of the whole: the ordering, and the diets at every stage of the run."""
    if not scenario.names:
        raise ValueError(f"scenario {scenario.name!r} has no members; add some: scenario.add(name, Member(...))")
    scenario.ordering.check(scenario.names)
    if scenario.samples is None:
        _check_laws(scenario)
    absent = scenario.late()
    _check_diets(scenario, absent, "")
    for round in sorted(scenario.interventions):
        for intervention in scenario.interventions[round]:
            absent = _after(intervention, absent, scenario, round)
        _check_diets(scenario, absent, f" from round {round} on")


def _after(intervention: Intervention, absent: set, scenario: Scenario, round: int) -> set:
    if isinstance(intervention, Join | Connect):
        return absent - {intervention.subject}
    if isinstance(intervention, Leave | Disconnect):
        return absent | {intervention.subject}
    if isinstance(intervention, Curate):
        level, name = scenario.curation(str(intervention.subject)), intervention.subject
        if not 0 < level < 1 or not 0 <= intervention.level <= 1:
            raise ValueError(
                f"{intervention} in round {round}: a level between 0 and 1 can be reached from one strictly between, "
                f"and {name!r} has {level:.4g}; give one of its flows a curated share"
            )
    elif not isinstance(intervention, Freeze | Thaw):
        raise TypeError(f"unknown intervention {intervention!r} in round {round}")
    return absent


def _check_diets(scenario: Scenario, absent: set, when: str) -> None:
    for v in scenario.names:
        member = scenario.member(v)
        if v in absent or is_never(member.schedule):
            continue
        flows = {
            u: flow
            for u, flow in scenario.incoming(v, dormant=True).items()
            if u not in absent and (u, v) not in absent
        }
        check_shares(v, flows, member, complete=True, when=when)


def _check_laws(scenario: Scenario) -> None:
    """On the population every fit, choice and transform needs a law: tried once for each kind."""
    tried: set[Hashable] = set()
    for v in scenario.names:
        member = scenario.member(v)
        generator = member.generator
        if not isinstance(generator, ClosedForm):
            raise NoPopulationLaw(f"{type(generator).__name__}, the generator of {v!r},")
        if member.real is not None:
            _try_law(tried, generator, as_source(member.real, generator, repr(v)), None, f"the real data of {v!r}")
        for u, flow in scenario.incoming(v, dormant=True).items():
            producer = scenario.member(u)
            where = f"flow {u!r} → {v!r}"
            _try_law(tried, generator, producer.generator, flow, where)
            users = curated_by(flow, producer, member) if flow.curated else None
            if users is not None:
                _try_law(tried, generator, producer.generator, flow, where, users)


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
        law = source.law()
        if users is not None and not after:
            law = users.law(law)
        if transform is not None:
            law = transform.law(law)
        if users is not None and after:
            law = users.law(law)
        statistic = fit.statistic_of(law)
        if not bool(torch.isfinite(statistic).all()):
            raise ValueError(f"the law of what {users} keep is not finite; use a higher temperature, or BestOf(k)")
    except (ValueError, TypeError) as error:
        raise type(error)(f"{where}: {error}") from error
