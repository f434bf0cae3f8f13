"""Cohorts: the members of one kind, stacked."""

from __future__ import annotations

from collections.abc import Hashable, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
import torch
from torch import Tensor

from ecosystem.core.laws import Law, NoPopulationLaw
from ecosystem.core.stacking import Stackable, hidden, stack
from ecosystem.engine.looped import Looped, Stack
from ecosystem.engine.stacks import span
from ecosystem.generators import ClosedForm, GenerativeModel
from ecosystem.generators.base import codec_of
from ecosystem.generators.sources import as_source
from ecosystem.retention import Retention, replace
from ecosystem.scenario import Scenario
from ecosystem.scenario.descriptions import Member


@dataclass
class Cohort:
    """Members of one kind: family, kind of reward, retention and agent class are the same, their numbers differ."""

    names: list[str]
    ids: list[int]  # of the members, in the order of the scenario
    start: Stack  # batch [members, variants, replicates]
    retention: Retention
    own_agent: bool = False  # an agent class with a gather or retrain of its own: asked one by one
    device: torch.device = torch.device("cpu")  # noqa: RUF009 - where it lives

    @cached_property
    def index(self) -> Tensor:
        """Its members' places in the scenario, as an index tensor where it lives."""
        return torch.tensor(self.ids, dtype=torch.int64).to(self.device)

    @cached_property
    def places(self) -> np.ndarray:
        """The same on the CPU."""
        return np.array(self.ids, dtype=np.int64)

    @cached_property
    def span(self) -> slice | Tensor:
        """The same, as a slice where they follow each other."""
        return span(self.index)

    @property
    def closed(self) -> bool:
        return isinstance(self.start, ClosedForm)

    @property
    def stores(self) -> bool:
        """Whether producers stay apart in its members; all models of a cohort are of one kind."""
        start = self.start
        return bool(start.models.flat[0].stores if isinstance(start, Looped) else start.stores)  # type: ignore[union-attr]

    @property
    def on_statistics(self) -> bool:
        """Whether the mean statistic is all that a fit needs."""
        return self.closed and not self.retention.on_data


def member_cohorts(scenarios: Sequence[Scenario], replicates: int) -> list[Cohort]:
    """All members of the variants, grouped by kind."""
    groups: dict[Hashable, list[str]] = {}
    for name in scenarios[0].names:
        variants = [scenario.member(name) for scenario in scenarios]
        keys = [member_kind(member) for member in variants]
        if any(key != keys[0] for key in keys):
            raise ValueError(
                f"variants must have one shape, but {name!r} is of different kinds: {_differing(variants)}"
            )
        groups.setdefault(keys[0], []).append(name)
    index = {name: i for i, name in enumerate(scenarios[0].names)}
    cohorts = []
    for names in groups.values():
        members = [[scenario.member(name) for scenario in scenarios] for name in names]
        first = members[0][0]
        models, retention = [[_fitted(m) for m in row] for row in members], first.retention
        if not models[0][0].stores:
            start = stacked_generators(models, replicates)
        elif scenarios[0].samples is not None:  # it keeps the samples, however many
            start = Looped.of(models, replicates)
        else:
            models, retention = _with_shelves(models, retention)
            start = stacked_generators(models, replicates)
        if isinstance(start, Looped):
            start.ask([[m.prompts for m in row] for row in members])
        ids = [index[name] for name in names]
        cohorts.append(Cohort(names, ids, start, retention, _acts(first.agent)))
    return cohorts


def _with_shelves(models: list[list[Any]], retention: Retention) -> tuple[list[list[Any]], Retention]:
    """Archives on the population, and what is left for their retention to do.

    Laws of symbols are averaged as statistics are; normal laws of some rounds stand beside each other.
    """
    rounds = retention.newest
    if models[0][0].symbols is not None or rounds is None or rounds == 1:
        return models, retention
    return [[model.remembering(rounds) for model in row] for row in models], replace()


def stacked_generators(models: Sequence[Sequence[GenerativeModel]], replicates: int) -> Stack:
    """Generators ``[members][variants]`` as one with batch ``[members, variants, replicates]``."""
    if not isinstance(models[0][0], ClosedForm):
        return Looped.of(models, replicates)
    grid = stack_grid(models)
    return grid.map(lambda t: t.expand(*t.shape[:2], replicates, *t.shape[3:]).contiguous())


def stack_grid(items: Sequence[Sequence[Any]]) -> Any:
    """Stackables ``[rows][variants]`` as one with batch ``[rows, variants, 1]``."""
    width = len(items[0])
    flat = stack([item for row in items for item in row])
    return flat.map(lambda t: t.reshape(len(items), width, 1, *t.shape[1:]))


def generator_kind(generator: GenerativeModel) -> Hashable:
    """What generators must share to stand in one stack; those that are looped over need only parameters alike."""
    if isinstance(generator, ClosedForm):
        return generator.kind()
    shapes = tuple((name, tuple(p.shape)) for name, p in generator.named_parameters())
    return type(generator), tuple(generator.event_shape), generator.input_shape, codec_of(generator), shapes


def member_kind(member: Member) -> Hashable:
    """What members must share to stand in one cohort."""
    reward = None if member.reward is None else member.reward.kind()
    agent = member.agent if _acts(member.agent) else None
    return generator_kind(_fitted(member)), reward, member.retention, hidden(member.retention), agent


def _fitted(member: Member) -> GenerativeModel:
    """The generator of a member, whose statistics keep their digits near its own real data, without any near its start.

    Not near those of its like: its numbers do not depend on who is there besides.
    """

    def data() -> Law | None:
        source = None if member.real is None else as_source(member.real, member.generator, "a member")
        try:
            return source.law() if isinstance(source, ClosedForm) else None
        except NoPopulationLaw:
            return None

    return member.generator.about(data) if isinstance(member.generator, ClosedForm) else member.generator


def _acts(agent: type | None) -> bool:
    """Whether agents gather or retrain in ways of their own, as their class says."""
    return agent is not None and getattr(agent, "acts", True)


def _differing(members: Sequence[Member]) -> str:
    return " / ".join(dict.fromkeys(f"{type(m.generator).__name__}, {m.reward}, {m.retention}" for m in members))


class Registry:
    """Distinct descriptions (of users, transforms, ...) by kind, each ``[variants]``, stacked when asked for."""

    def __init__(self) -> None:
        self._kinds: dict[Hashable, int] = {}
        self._items: list[list[Sequence[Stackable]]] = []
        self._places: dict[tuple[int, ...], tuple[int, int]] = {}
        self._stacks: dict[int, Any] = {}

    def add(self, variants: Sequence[Stackable], where: str) -> tuple[int, int]:
        """The kind and row of a description; the same objects keep their place."""
        key = tuple(id(item) for item in variants)
        if key not in self._places:
            kinds = {item.kind() for item in variants}
            if len(kinds) > 1:
                raise ValueError(f"variants must have one shape, but {where} differs in kind: {variants[:3]}")
            kind = self._kinds.setdefault(kinds.pop(), len(self._kinds))
            if kind == len(self._items):
                self._items.append([])
            self._places[key] = (kind, len(self._items[kind]))
            self._items[kind].append(variants)
            self._stacks.pop(kind, None)
        return self._places[key]

    def __len__(self) -> int:
        return len(self._items)

    def rows(self, kind: int) -> list[Sequence[Stackable]]:
        """The descriptions of one kind, each ``[variants]``."""
        return self._items[kind]

    def stack(self, kind: int) -> Any:
        """All of one kind, batch ``[rows, variants, 1]``."""
        if kind not in self._stacks:
            self._stacks[kind] = stack_grid(self._items[kind])
        return self._stacks[kind]
