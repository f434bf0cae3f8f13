"""Where the networks of an ensemble settle with the same levers, and what everybody has of it on average."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
from torch import Tensor

from ecosystem.decisions.ensemble import same_names
from ecosystem.decisions.landscape import Landscape, Settled
from ecosystem.decisions.levers import Levers
from ecosystem.decisions.movable import as_levers
from ecosystem.influence.arising import Like
from ecosystem.scenario import Scenario


@dataclass(frozen=True)
class MixedSettled:
    """Several networks at the same levers; ``alignment`` and gradients are means, ``radius`` is the largest."""

    parts: tuple[Settled, ...]
    weights: np.ndarray

    @property
    def found(self) -> bool:
        return all(one.found for one in self.parts)

    @property
    def why(self) -> str:
        return next((one.why for one in self.parts if not one.found), "")

    @cached_property
    def alignment(self) -> Tensor:
        found = self.parts[0].alignment * float(self.weights[0])
        for weight, one in zip(self.weights[1:].tolist(), self.parts[1:], strict=True):
            found = found + weight * one.alignment
        return found

    @property
    def radius(self) -> float:
        return max(one.radius for one in self.parts)

    @property
    def slope(self) -> np.ndarray:
        return max(self.parts, key=lambda one: one.radius).slope

    def gradients(self, weights: Tensor) -> np.ndarray:
        return np.sum([w * one.gradients(weights) for w, one in zip(self.weights, self.parts, strict=True)], axis=0)


class MixedLandscape:
    """The landscapes of scenarios with the same levers, as one: what :class:`Landscape` is of one."""

    def __init__(self, landscapes: Sequence[Landscape], weights: np.ndarray) -> None:
        self.landscapes, self.weights = tuple(landscapes), weights
        self.targets = same_names([land.targets for land in landscapes], "alignments")

    @property
    def levers(self) -> Levers:
        return self.landscapes[0].levers

    @property
    def size(self) -> int:
        """How many numbers all networks have."""
        return sum(land.size for land in self.landscapes)

    def at(self, x: np.ndarray) -> MixedSettled:
        return MixedSettled(tuple(land.at(x) for land in self.landscapes), self.weights)

    def own(self, x: np.ndarray) -> MixedSettled:
        return MixedSettled(tuple(land.own(x) for land in self.landscapes), self.weights)

    def same(self, a: MixedSettled, b: MixedSettled) -> bool:
        every = zip(self.landscapes, a.parts, b.parts, strict=True)
        return all(land.same(one, other) for land, one, other in every)


def common_levers(
    scenarios: Sequence[Scenario],
    movable: Any,
    costs: Any,
    bounds: Mapping[str, tuple[float, float]] | None,
    like: Like | None,
    what: str,
) -> list[Levers]:
    """The same levers in every scenario, within the bounds that all of them have.

    Raises
    ------
    ValueError
        If scenarios offer other levers, or no value of a lever is allowed in all of them.
    """
    every = [as_levers(one, movable, costs, bounds, like, what) for one in scenarios]
    names = same_names([levers.names for levers in every], f"{what}(movable)")
    lower, upper = np.max([one.lower for one in every], axis=0), np.min([one.upper for one in every], axis=0)
    if all((one.lower == lower).all() and (one.upper == upper).all() for one in every):
        return every
    for name, low, high in zip(names, lower, upper, strict=True):
        if low > high:
            raise ValueError(f"{what}: no value of {name!r} is allowed in every scenario of the ensemble; give bounds=")
    shared = {name: (float(low), float(high)) for name, low, high in zip(names, lower, upper, strict=True)}
    return [as_levers(one, movable, costs, shared, like, what) for one in scenarios]
