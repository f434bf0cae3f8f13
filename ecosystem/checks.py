"""What is refused when a scenario is built: each error names the place, the value and the mend."""

from __future__ import annotations

from collections.abc import Hashable
from typing import TYPE_CHECKING, Any

import networkx as nx
import torch
from torch import Tensor

from ecosystem.curation import Crowd, Curator, Shift, Users
from ecosystem.descriptions import (
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
from ecosystem.generators import Categorical, ClosedForm, GenerativeModel
from ecosystem.generators.sources import as_source
from ecosystem.laws import NoPopulationLaw
from ecosystem.rewards import Reward, Tabular
from ecosystem.schedules import is_never
from ecosystem.streams import Stream
from ecosystem.transforms import LinearMap

if TYPE_CHECKING:
    from ecosystem.scenario import Scenario

_PROBES = 3
_OURS = {"ecosystem.generators.location", "ecosystem.generators.gaussian"}  # their samples need no trying


def check_count(value: Any, what: str, low: int) -> None:
    if not isinstance(value, int) or isinstance(value, bool) or value < low:
        raise ValueError(f"{what} must be a whole number, at least {low}, got {value!r}")


def check_known(name: str, graph: nx.DiGraph, where: str) -> None:
    if name not in graph:
        known = ", ".join(map(repr, list(graph)[:12])) or "none yet; add members before flows"
        raise KeyError(f"{where}: there is no member {name!r}; the members are {known}")


def probe(generator: GenerativeModel) -> Tensor:
    """A few samples to try rewards and transforms on."""
    rng = Stream.root([(0, 0)])[0].at("probe")
    with torch.no_grad():
        x = generator.sample(_PROBES, rng)
    expected = (_PROBES, *generator.event_shape)
    if tuple(x.shape) != expected:
        raise ValueError(
            f"{type(generator).__name__}.sample(n, rng) must return [n, *event_shape] = {expected} for n = {_PROBES}, "
            f"got shape {tuple(x.shape)}"
        )
    return x


def parameter_count(generator: GenerativeModel) -> int:
    if hasattr(generator, "moving"):
        return sum(t.numel() for t in generator.moving().values())  # type: ignore[operator]
    return sum(p.numel() for p in generator.parameters())


def check_member(name: str, member: Member, known: set[Hashable]) -> None:
    """A reward must judge this member's samples, real data must look like them.

    Kinds that are ``known`` to fit are not tried again, so that networks of thousands are built quickly.
    """
    if not isinstance(member, Member):
        raise TypeError(f"member {name!r} must be a Member(generator, ...), got {member!r}")
    if not hasattr(member.generator, "event_shape"):
        raise ValueError(f"the generator of {name!r} has no event_shape; set it to the shape of one sample")
    kind = (_kind_of(member.generator), None if member.reward is None else member.reward.kind())
    if kind not in known:
        event = tuple(member.generator.event_shape)
        fits = member.reward is None or member.reward.event_shape() == event
        if not fits or type(member.generator).__module__ not in _OURS:
            x = probe(member.generator)
            if member.reward is not None:
                _check_reward(member.reward, x, f"the reward of {name!r}")
                _check_symbols(member.reward, member.generator, f"the reward of {name!r}")
        known.add(kind)
    if member.real is not None:
        source = as_source(member.real, member.generator, repr(name))
        if _kind_of(source) not in known:
            probe(source)
            known.add(_kind_of(source))


def _kind_of(generator: GenerativeModel) -> Hashable:
    return generator.kind() if isinstance(generator, ClosedForm) else id(generator)


def _check_symbols(reward: Reward, generator: GenerativeModel, what: str) -> None:
    if isinstance(reward, Tabular) and isinstance(generator, Categorical):
        values, symbols = len(reward.values), len(generator.probabilities)
        if values != symbols:
            raise ValueError(
                f"{what} has {values} values for {symbols} symbols; give Tabular one value for each symbol"
            )


def _check_reward(reward: Reward, x: Tensor, what: str) -> None:
    declared = reward.event_shape()
    if declared is not None and declared != tuple(x.shape[1:]):
        raise ValueError(
            f"{what} fails on samples of shape {tuple(x.shape)}: {reward} judges samples of shape {declared}; "
            f"a reward takes [..., {', '.join(map(str, x.shape[1:]))}] and returns [...]"
        )
    mend = f"a reward takes [..., {', '.join(map(str, x.shape[1:]))}] and returns [...]"
    try:
        value = reward(x)
    except Exception as error:
        raise ValueError(f"{what} fails on samples of shape {tuple(x.shape)}: {error}; {mend}") from error
    if not isinstance(value, Tensor) or value.shape != x.shape[:1]:
        shape = tuple(value.shape) if isinstance(value, Tensor) else value
        raise ValueError(f"{what} returns shape {shape} for samples of shape {tuple(x.shape)}; {mend}")


def check_flow(u: str, v: str, flow: Flow, producer: Member, consumer: Member) -> None:
    """A transform must lead from the producer's samples to the consumer's; a curated share needs users who choose."""
    if not isinstance(flow, Flow):
        raise TypeError(f"flow {u!r} → {v!r} must be a Flow(raw=, curated=), got {flow!r}")
    where = f"flow {u!r} → {v!r}"
    event, expected = tuple(producer.generator.event_shape), tuple(consumer.generator.event_shape)
    if isinstance(flow.transform, LinearMap) and event == (flow.transform.matrix.shape[1],):
        event = (flow.transform.matrix.shape[0],)
    elif isinstance(flow.transform, LinearMap):
        raise ValueError(
            f"{where}: the transform {flow.transform} takes vectors of {flow.transform.matrix.shape[1]} numbers, and "
            f"{u!r} generates {event or 'symbols'}; give it a matrix [out, in] that fits"
        )
    elif flow.transform is not None:
        event = _transformed(flow, probe(producer.generator), where)
    sizes = [len(m.generator.probabilities) for m in (producer, consumer) if isinstance(m.generator, Categorical)]
    if flow.transform is None and len(sizes) == 2 and sizes[0] != sizes[1]:
        raise ValueError(
            f"{where} carries symbols 0..{sizes[0] - 1}, and {v!r} knows 0..{sizes[1] - 1}; give both one alphabet, or "
            "the flow a transform"
        )
    if event != expected:
        what = "carries" if flow.transform is None else f"with the transform {flow.transform} gives"
        raise ValueError(
            f"{where} {what} samples of shape {event}, and {v!r} trains on {expected}; give the flow a transform to "
            "that shape"
        )
    if flow.curated == 0:
        return
    users = curated_by(flow, producer, consumer)
    if users is None:
        who = u if flow.chosen_by == "producer" else v
        raise ValueError(
            f"{where} has a curated share of {flow.curated:.4g}, chosen by the {flow.chosen_by}'s users, but {who!r} "
            f"has no curator; give it one, Member(..., curator=...), or name others: chosen_by=Users(reward, curator)"
        )
    shown = expected if flow.chosen_by == "consumer" else tuple(producer.generator.event_shape)
    _check_shifts(users.curator, shown, where)
    if isinstance(flow.chosen_by, Users) and users.reward is not None:
        _check_reward(users.reward, probe(producer.generator), f"the reward of the users of {where}")


def _check_shifts(curator: Curator, event: tuple[int, ...], what: str) -> None:
    if isinstance(curator, Crowd):
        for part, reward in zip(curator.curators, curator.rewards, strict=True):
            _check_shifts(part, event, what)
            judged = None if reward is None else reward.event_shape()
            if judged is not None and judged != event:
                raise ValueError(
                    f"{what}: the reward {reward} in its crowd judges samples of shape {judged}, but these have {event}"
                )
    elif isinstance(curator, Shift) and not event:
        raise TypeError(f"{what}: Shift moves vectors, this flow carries symbols; use Luce, BestOf or Tilt")
    elif isinstance(curator, Shift) and tuple(curator.vector.shape) != event:
        raise ValueError(
            f"{what}: its users shift by a vector of shape {tuple(curator.vector.shape)}, but samples have {event}; "
            "give Shift a vector of that shape"
        )


def _transformed(flow: Flow, x: Tensor, where: str) -> tuple[int, ...]:
    """The shape of one sample after the transform."""
    assert flow.transform is not None
    try:
        y = flow.transform(x)
    except Exception as error:
        raise ValueError(
            f"{where}: the transform {flow.transform} fails on samples of shape {tuple(x.shape)}: {error}"
        ) from error
    if not isinstance(y, Tensor) or y.shape[:1] != x.shape[:1]:
        shape = tuple(y.shape) if isinstance(y, Tensor) else y
        raise ValueError(
            f"{where}: the transform {flow.transform} must return one sample for each of {len(x)}, got {shape}"
        )
    return tuple(y.shape[1:])


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
    kind = (fit.kind(), _kind_of(source), transform and transform.kind(), users and users.kind(), after)
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
