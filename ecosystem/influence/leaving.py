"""Parts of the user's own through which torch cannot differentiate: they are named, instead of an error of torch's."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from ecosystem.core.words import listed
from ecosystem.scenario import Scenario
from ecosystem.scenario.network import standing_for_all

_LEFT = ("data pointer of Tensor", "have storage", "call numpy() on Tensor")  # as torch says it


def own_parts(scenario: Scenario) -> str:
    """The parts of a scenario that are the user's own, for a sentence."""
    found = []
    for _, member, _ in standing_for_all(scenario):
        found += [member.curator, member.reward, member.generator, member.learn, member.retention]
    found += [part for u, v in scenario.graph.edges for part in _flow_parts(scenario, u, v)]
    bare = [getattr(p, "function", p) if _module(p).startswith("ecosystem.") else p for p in found]  # passed on by ours
    own = {_name(p) for p in bare if p is not None and not _module(p).startswith("ecosystem.")}
    return listed(sorted(own)) if own else "a part of the scenario (a kink, or a function of your own)"


def _module(part: Any) -> str:
    return part.__module__ if hasattr(part, "__name__") else type(part).__module__


def _name(part: Any) -> str:
    return getattr(part, "__name__", type(part).__name__)


def _flow_parts(scenario: Scenario, u: str, v: str) -> list[Any]:
    flow = scenario.flow(u, v)
    users = [] if isinstance(flow.chosen_by, str) else [flow.chosen_by.reward, flow.chosen_by.curator]
    return [flow.transform, *users]


@contextmanager
def differentiating(scenario: Scenario, instead: str) -> Iterator[None]:
    """Torch's errors about numbers that leave it, inside, become a TypeError that names whose they are."""
    try:
        yield
    except RuntimeError as error:
        if not any(words in str(error) for words in _LEFT):
            raise
        raise TypeError(
            f"derivatives do not pass through {own_parts(scenario)}, which leaves torch (numpy); write it in torch, or "
            f"{instead}"
        ) from error
