"""What is refused when a scenario is built, piece by piece: each error names the place, the value and the mend."""

from __future__ import annotations

from collections.abc import Hashable
from typing import Any

import networkx as nx
from torch import Tensor

from ecosystem.core.arguments import meant_among
from ecosystem.core.check import a_name, a_shape, brief, whole_number
from ecosystem.core.laws import NoPopulationLaw
from ecosystem.core.samples import Pairs, Samples
from ecosystem.core.words import listed
from ecosystem.curation import Users
from ecosystem.curation.base import lawless
from ecosystem.generators import ClosedForm, GenerativeModel
from ecosystem.generators.base import check_training, codec_of
from ecosystem.generators.sources import as_source, check_finite
from ecosystem.scenario.alphabets import check_alphabet, check_codec, check_same_symbols, check_symbols, check_tokens
from ecosystem.scenario.descriptions import Flow, Member, curated_by, in_tokens
from ecosystem.scenario.interventions import Intervention, Scene, check_level, effects
from ecosystem.scenario.trials import arrived, check_arrivals, check_reward, examples, probe, transformed


def check_round(value: Any, what: str, rounds: int) -> None:
    """A round in which something is to happen is one that is played."""
    whole_number(value, what, 1)
    if value > rounds:
        raise ValueError(
            f"{what} is {value}, but the scenario has {rounds} rounds and never gets there; choose at most {rounds}, "
            "or build the scenario with more rounds"
        )


def check_known(name: str, graph: nx.DiGraph, where: str) -> None:
    if a_name(name, where) not in graph:
        known = listed(map(repr, graph)) or "none yet; add members before flows"
        near = meant_among(name, graph, f"the members are {known}")
        raise KeyError(f"{where}: there is no member {brief(name)}{near}")


def check_flow_known(u: str, v: str, graph: nx.DiGraph, where: str) -> None:
    """Both ends are members, and there is a flow between them."""
    for name in (u, v):
        check_known(name, graph, where)
    if not graph.has_edge(u, v):
        raise KeyError(
            f"{where}: there is no flow {u!r} → {v!r}; connect it first: scenario.connect({u!r}, {v!r}, Flow(...))"
        )


def check_intervention(intervention: Intervention, round: int, scenario: Scene) -> None:
    """Refuse what cannot happen in this scenario, whatever happened before: unknown members, flows, levels, rounds."""
    if not isinstance(intervention, Intervention):
        mend = "; write them one by one, or *interventions" if isinstance(intervention, list | tuple) else ""
        raise TypeError(f"Scenario.at takes interventions such as Freeze('a'), got {brief(intervention)}{mend}")
    where = f"{intervention} in round {brief(round)}"
    check_round(round, f"Scenario.at(round) for {intervention}", scenario.rounds)
    found = effects(intervention)
    if not found:
        raise TypeError(
            f"unknown intervention {where}: it does nothing; give {type(intervention).__name__} a method apply(verbs) "
            "that calls verbs.set_frozen, set_curation or set_present"
        )
    for what, subject, value in found:
        if what != "present" and not isinstance(subject, str):
            raise TypeError(f"{where}: set_{what} takes the name of a member, got {brief(subject)}")
        if isinstance(subject, str):
            check_known(subject, scenario.graph, where)
        else:
            check_flow_known(*subject, scenario.graph, where)
        if what == "curation":
            check_level(value, where)
    intervention.check(scenario, round)


def parameter_count(generator: GenerativeModel) -> int:
    if hasattr(generator, "moving"):
        return sum(t.numel() for t in generator.moving().values())  # type: ignore[operator]
    return sum(p.numel() for p in generator.parameters())


def check_member(name: str, member: Member, known: set[Hashable]) -> None:
    """A reward must judge this member's samples, real data must look like them.

    Kinds that are ``known`` to fit are not tried again, so that networks of thousands are built quickly.
    """
    if not isinstance(member, Member):
        raise TypeError(f"member {name!r} must be a Member(generator, ...), got {brief(member)}")
    if not hasattr(member.generator, "event_shape"):
        raise ValueError(f"the generator of {name!r} has no event_shape; set it to the shape of one sample")
    event = a_shape(member.generator.event_shape, f"the generator of {name!r}")
    for what, model in (("generator", member.generator), ("real data", member.real)):
        if isinstance(model, ClosedForm) and model.PARAMETERS and model.batch_shape:
            raise ValueError(
                f"the {what} of {name!r}: a {type(model).__name__} with the batch {tuple(model.batch_shape)} is many "
                "models; one member has one, and add_many(names, generators) adds many members"
            )
    check_codec(name, member.generator, known)
    if isinstance(member.real, Pairs):
        check_finite(member.real, repr(name))  # here, once: a source is made of them in every ecosystem
    if member.real is not None:
        source = as_source(member.real, member.generator, repr(name))
        if isinstance(member.real, Tensor | Pairs):
            _validate(name, member.generator, member.real)
            check_tokens(member.real, member.generator, f"the real data of {name!r}", "its generator")
        elif kind_of(source) not in known:
            some = probe(source)
            if isinstance(some, Pairs) != (member.generator.input_shape is not None):
                raise ValueError(
                    f"the real data of {name!r} come as {type(some).__name__}; its generator is trained on "
                    + ("tensors" if isinstance(some, Pairs) else "Pairs(inputs, outputs)")
                )
            _validate(name, member.generator, some)
            check_tokens(some, member.generator, f"the real data of {name!r}", "its generator")
            known.add(kind_of(source))
    _check_inputs(name, member)
    _check_retention(name, member)
    kind = (kind_of(member.generator), None if member.reward is None else member.reward.kind())
    if kind not in known:
        check_training(member.generator)
        event = tuple(member.generator.event_shape)
        fits = member.reward is None or member.reward.event_shape() == event
        if not fits or not member.generator.proven:
            x = examples(member)
            if member.reward is not None:
                check_reward(member.reward, x, f"the reward of {name!r}")
                check_symbols(member.reward, member.generator, f"the reward of {name!r}")
        known.add(kind)


def _validate(name: str, generator: GenerativeModel, data: Samples) -> None:
    try:
        generator.validate(data)
    except ValueError as error:
        raise ValueError(f"the real data of {name!r}: {error}") from error


def _check_retention(name: str, member: Member) -> None:
    """Who is trained on data needs to know which; statistics alone are enough for closed forms."""
    kept, model = member.retention, member.generator
    on_data = kept.on_data or not isinstance(model, ClosedForm)
    if on_data and not kept.keeps and not member.schedule.is_never:
        why = "" if kept.on_data else f", and {type(model).__name__} is trained on data, not on their statistics"
        raise ValueError(
            f"the retention {kept} of {name!r} has no method keep(kept, fresh, rng){why}; give it one, or take another "
            "such as refresh(share), window(rounds) or accumulate()"
        )


def _check_inputs(name: str, member: Member) -> None:
    """A conditional model needs something to answer."""
    shape = member.generator.input_shape
    for what, inputs in (("prompts", member.prompts), ("asked", member.questions)):
        if shape is None:
            if member.asked is not None:
                raise ValueError(f"Member(asked) of {name!r}: its generator takes no inputs, so nobody can ask it any")
        elif inputs is None:
            raise ValueError(
                f"the generator of {name!r} answers inputs of shape {tuple(shape)} and has been given none; give the "
                "member real data with inputs, real=Pairs(inputs, outputs), or the generator prompts"
            )
        elif tuple(inputs.shape[1:]) != tuple(shape) or not len(inputs):
            raise ValueError(
                f"the {what} of {name!r} must be [m, *input_shape] = [m, {', '.join(map(str, shape))}] with m ≥ 1, got "
                f"shape {tuple(inputs.shape)}"
            )


def kind_of(generator: GenerativeModel) -> Hashable:
    return generator.kind() if isinstance(generator, ClosedForm) else id(generator)


def check_flow(u: str, v: str, flow: Flow, producer: Member, consumer: Member) -> None:
    """A transform must lead from the producer's samples to the consumer's; a curated share needs users who choose."""
    if not isinstance(flow, Flow):
        raise TypeError(f"flow {u!r} → {v!r} must be a Flow(raw=, curated=), got {brief(flow)}")
    flow = in_tokens(flow, producer, consumer)
    where = f"flow {u!r} → {v!r}"
    event, expected = tuple(producer.generator.event_shape), tuple(consumer.generator.event_shape)
    inputs, wanted = producer.generator.input_shape, consumer.generator.input_shape
    y: Samples | None = None
    linear = None if flow.transform is None else _linear(flow, where)
    if linear is not None and inputs is not None:
        raise ValueError(
            f"{where}: the transform {flow.transform} takes vectors, and {u!r} makes pairs; give the flow a function "
            "of pairs"
        )
    if linear is not None and event == (linear[0].shape[1],):
        event = (linear[0].shape[0],)
    elif linear is not None:
        raise ValueError(
            f"{where}: the transform {flow.transform} takes vectors of {linear[0].shape[1]} numbers, and "
            f"{u!r} generates {event or 'symbols'}; give it a matrix [out, in] that fits"
        )
    elif flow.transform is not None:
        y = transformed(flow, examples(producer), where)
        check_alphabet(y, consumer.generator, f"{where}: the transform {flow.transform}")
        event, inputs = tuple(y.shape[1:]), y.input_shape if isinstance(y, Pairs) else None
    if flow.transform is None and codec_of(producer.generator) != codec_of(consumer.generator):
        y = probe(producer.generator, producer.prompts)
    if isinstance(y, Pairs):
        check_tokens(y, consumer.generator, where, f"the generator of {v!r}")
    if flow.transform is None:
        check_same_symbols(where, v, producer.generator, consumer.generator)
    if inputs != wanted:
        have, needs = (
            "no inputs" if shape is None else f"inputs of shape {tuple(shape)}" for shape in (inputs, wanted)
        )
        raise ValueError(
            f"{where} carries samples with {have}, and {v!r} trains on samples with {needs}; give the flow a transform "
            "from the one to the other (of Pairs: lambda pairs: pairs.outputs)"
        )
    if event != expected:
        what = "carries" if flow.transform is None else f"with the transform {flow.transform} gives"
        raise ValueError(
            f"{where} {what} samples of shape {event}, and {v!r} trains on {expected}; give the flow a transform to "
            "that shape"
        )
    if flow.curated == 0:
        return
    if (users := curated_by(flow, producer, consumer)) is None:
        who = u if flow.chosen_by == "producer" else v
        raise ValueError(
            f"{where} has a curated share of {flow.curated:.4g}, chosen by the {flow.chosen_by}'s users, but {who!r} "
            f"has no curator; give it one, Member(..., curator=...), or name others: chosen_by=Users(reward, curator)"
        )
    shown = expected if flow.chosen_by == "consumer" else tuple(producer.generator.event_shape)
    try:
        users.curator.check(shown)
        if users.curator.of_pairs and wanted is None:
            raise ValueError(f"{users.curator} keeps pairs of input and output, and {v!r} trains on no pairs")
    except (ValueError, TypeError) as error:
        raise type(error)(f"{where}: {error}") from error
    if users.curator.needs_law and not _has_law(producer.generator):
        raise ValueError(f"{where}: {lawless(users.curator, repr(u), type(producer.generator).__name__)}")
    if isinstance(flow.chosen_by, Users) and users.reward is not None:
        check_reward(users.reward, probe(producer.generator, producer.prompts), f"the reward of the users of {where}")
    elif flow.chosen_by == "consumer" and users.reward is not None and users.reward.event_shape() is None:
        check_arrivals(users.reward, flow, producer, consumer, where)
    own = {taste.kind(): taste for taste in users.curator.tastes()}  # one of those that judge alike
    if own:
        x = arrived(flow, producer, where) if flow.chosen_by == "consumer" else examples(producer)
        for taste in own.values():
            check_reward(taste, x, f"the reward {taste} of {users.curator} of {where}")


def _linear(flow: Flow, where: str) -> tuple[Tensor, Tensor] | None:
    try:
        return flow.transform.linear()
    except Exception as error:
        raise ValueError(f"{where}: {error}") from error


def _has_law(generator: GenerativeModel) -> bool:
    try:
        return isinstance(generator, ClosedForm) and generator.law() is not None
    except NoPopulationLaw:
        return False
