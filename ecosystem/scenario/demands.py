"""What is refused of users who choose between members: whom nobody knows, what they cannot judge, what sets nothing."""

from __future__ import annotations

from collections.abc import Iterator

from ecosystem.core.laws import NoPopulationLaw
from ecosystem.curation.demand import Demand, Part
from ecosystem.generators import ClosedForm
from ecosystem.generators.base import codec_of
from ecosystem.scenario.checks import check_known
from ecosystem.scenario.network import Network


def check_demand(name: str, scenario: Network) -> None:
    """Refuse a demand that names or judges what it cannot, or sets nothing; those who have none may pass."""
    demand = scenario.member(name).demand
    if demand is None:
        return
    where = f"the demand of {name!r}"
    for other in demand.among:
        check_known(other, scenario.graph, where)
        _check_judged(name, other, scenario, where)
    for lever in demand.sets:
        node = getattr(lever, "node", None)
        if isinstance(node, str):
            check_known(node, scenario.graph, f"{lever} of {where}")
        found = [lever.weigh(part, name, demand.among) for part in _parts(scenario)]
        wrong = [one for one in found if isinstance(one, str) and one not in demand.among]
        if wrong:
            raise ValueError(f"{lever} of {where} weighs by {wrong[0]!r}, and they choose among {demand.among}")
        if not any(isinstance(one, str) for one in found):
            raise ValueError(
                f"{lever} of {where} sets nothing: no flow of the scenario is weighed by the use of {_one_of(demand)}; "
                "connect what they are to set, or give another lever, sets=Writing(), Intake(node) or Capacity()"
            )


def _check_judged(name: str, other: str, scenario: Network, where: str) -> None:
    """They must be able to judge a member, and on the population exactly."""
    group, member = scenario.member(name), scenario.member(other)
    reward = group.reward if group.reward is not None else member.reward
    if reward is None:
        raise ValueError(f"{where}: neither {name!r} nor {other!r} has a reward to go by; give one, Member(reward=...)")
    texts = codec_of(group.generator), codec_of(member.generator)
    if group.reward is not None and None in texts and group.generator.event_shape != member.generator.event_shape:
        raise ValueError(
            f"{where} judges {other!r}, which makes {tuple(member.generator.event_shape)}, and {name!r} itself makes "
            f"{tuple(group.generator.event_shape)}; let both make samples of one shape"
        )
    if scenario.samples is None and isinstance(member.generator, ClosedForm):
        try:
            member.generator.expect(reward)
        except NoPopulationLaw as error:
            raise NoPopulationLaw(f"{where}, who judges {other!r} by {reward},") from error


def weighed_parts(scenario: Network, name: str) -> Iterator[tuple[str | None, str]]:
    """The parts of a member's diet that demand divides: producer (None: real data), and whose demand it is."""
    for who in scenario.names:
        demand = scenario.member(who).demand
        if demand is None:
            continue
        for part in (part for part in _parts(scenario) if part.target == name):
            if any(isinstance(lever.weigh(part, who, demand.among), str) for lever in demand.sets):
                yield part.source, who


def _parts(scenario: Network) -> Iterator[Part]:
    for v in scenario.names:
        for u, flow in scenario.incoming(v, dormant=True).items():
            yield from (Part(u, v, curated) for curated, share in ((True, flow.curated), (False, flow.raw)) if share)
        yield Part(None, v, False)


def _one_of(demand: Demand) -> str:
    return " or ".join(map(repr, demand.among[:3]))
