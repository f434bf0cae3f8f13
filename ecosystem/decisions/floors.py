"""What must not fall: protected features of what members make, and what of them is certain whatever users choose.

On a finite alphabet a member that is fitted to the mixture it trains on has, in the long run, of a feature ``f``

    E_i f = real_i ⟨f, R_i⟩ + Σ_j raw_ij E_j f + Σ_j curated_ij E[f of what survives]

and of what users choose it is only certain that ``f`` is at least its smallest value. So with ``N = (I − raw)⁻¹``

    E f ≥ N (real ⟨f, R⟩ + curated min f),

whatever the taste, however strong, wherever it drifts; it is linear in the reference distributions ``R`` (the
relaxation of Wei, Xie, Zhu, Zhang 2026, 2610.09415, for any network).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from numbers import Integral
from typing import Any, cast

import numpy as np
import torch
from numpy.typing import NDArray

from ecosystem.core.arguments import meant
from ecosystem.core.check import brief, numbers, real_number
from ecosystem.core.laws import Finite, Law
from ecosystem.core.words import listed
from ecosystem.generators import ClosedForm
from ecosystem.scenario import Scenario

Array = NDArray[np.float64]
_LEAK = 1e-12  # a share of less leaves nothing to come in


@dataclass(frozen=True)
class Floor:
    """The mean of a feature, ``values [symbols]`` by name, that what a member makes must not fall below."""

    member: str
    feature: Any
    least: float
    values: Array


def floors_of(scenario: Scenario, floors: Any, features: Any) -> list[Floor]:
    """The floors that are meant: ``{feature: floor}`` for everybody who retrains, or ``{member: {feature: floor}}``."""
    if not isinstance(floors, Mapping) or not floors:
        raise TypeError(
            "steer(floors) is a dict of floors by feature, such as {6: 0.08}, or of such dicts by member, got "
            f"{brief(floors)}"
        )
    for name, many in floors.items():
        if isinstance(many, Mapping) and not many:
            raise ValueError(f"steer(floors) names no feature for {name!r}; say which, such as {{6: 0.08}}, or drop it")
    nested = [isinstance(value, Mapping) for value in floors.values()]
    if any(nested) and not all(nested):
        raise TypeError(f"steer(floors) has floors for features or for members, not both, got {brief(floors)}")
    everybody = [name for name in scenario.names if not scenario.member(name).schedule.is_never]
    by_member = floors if all(nested) else dict.fromkeys(everybody, floors)
    found = []
    for name, many in by_member.items():
        if name not in scenario.graph:
            raise KeyError(f"steer(floors): there is no member {name!r}{meant(str(name), scenario.names)}")
        if scenario.member(name).schedule.is_never:
            raise ValueError(f"steer(floors): {name!r} never retrains, so nothing moves it; leave it out")
        size = symbols_of(scenario, name)
        if size is None:
            raise ValueError(
                f"steer(floors): {name!r} is not fitted to the mixture of symbols that it trains on, as a Categorical "
                "is, so no floor can be promised there; leave it out"
            )
        for feature, least in many.items():
            floor = real_number(least)
            if not np.isfinite(floor):
                raise ValueError(
                    f"steer(floors): the floor of {brief(feature)} at {name!r} is one number, got {brief(least)}"
                )
            known = int(feature) if isinstance(feature, Integral) else feature  # a symbol may be NumPy's number
            found.append(Floor(name, known, floor, values_of(feature, features, size, name)))
    return found


def values_of(feature: Any, features: Any, size: int, name: str) -> Array:
    """The values ``[symbols]`` of a feature; without ``features`` a symbol's own share."""
    if features is None:
        if not isinstance(feature, Integral) or isinstance(feature, bool) or not 0 <= int(feature) < size:
            raise ValueError(
                f"steer(floors): a feature is one of the symbols 0..{size - 1} of {name!r}, got {brief(feature)}; "
                "other features are named in features={name: values [symbols]}"
            )
        return np.eye(size)[int(feature)]
    if not isinstance(features, Mapping) or feature not in features:
        known = listed(map(brief, features)) if isinstance(features, Mapping) else brief(features)
        raise KeyError(f"steer(floors): there is no feature {brief(feature)} in features; those there are {known}")
    values = numbers(features[feature], f"steer(features[{feature!r}])")
    if values.shape != (size,):
        raise ValueError(
            f"steer(features[{feature!r}]) has a number for each of the {size} symbols of {name!r}, got shape "
            f"{tuple(values.shape)}"
        )
    return values.numpy()


def symbols_of(scenario: Scenario, name: str) -> int | None:
    """How many symbols a member knows that is fitted to the very mixture it trains on; None for any other."""
    generator = scenario.member(name).generator
    law = _law(generator)
    if law is None or law.probabilities.ndim != 1:
        return None
    size = len(law.probabilities)
    ramp = torch.arange(1.0, size + 1, dtype=torch.float64)
    with suppress(Exception):  # whoever cannot be asked is no such family
        model = cast(ClosedForm, generator)
        for tried in (ramp / ramp.sum(), ramp.flip(0) ** 2 / (ramp**2).sum()):
            fitted = _law(model.refit(model.statistic_of(Finite(tried))))
            if fitted is None or not torch.allclose(fitted.probabilities, tried, rtol=0, atol=1e-9):
                return None
        return size
    return None


class Certain:
    """What is certain of features in a network: ``N = (I − raw)⁻¹`` and what comes in of others than real data.

    ``names`` are the members that a mixture is known of; whoever reads only those who read only each other keeps what
    it began with, and of it as little is certain as of what users choose.
    """

    def __init__(self, scenario: Scenario, real: Mapping[str, float]) -> None:
        """``real``: the real shares of members that are to have others; what they take from others is scaled."""
        self.scenario = scenario
        self.sizes = {name: symbols_of(scenario, name) for name in scenario.names}
        self.shares = {name: real.get(name, scenario.real_share(name)) for name in scenario.names}
        plain = [
            name
            for name in scenario.names
            if self.sizes[name] is not None and not scenario.member(name).schedule.is_never
        ]
        self.names = self._reached(plain)
        self.index = {name: i for i, name in enumerate(self.names)}
        raw = np.zeros((len(self.names), len(self.names)))
        for name, i in self.index.items():
            for u, share in self._raw(name, self.names).items():
                raw[i, self.index[u]] = share
        self.inverse: Array = np.asarray(np.linalg.inv(np.eye(len(self.names)) - raw), dtype=np.float64)

    def scale(self, name: str) -> float:
        """By what the shares that a member takes from others are scaled."""
        taken = 1 - self.scenario.real_share(name)
        return (1 - self.shares[name]) / taken if taken > _LEAK else 0.0

    def rows(self, floor: Floor) -> tuple[Array, float]:
        """``(weights [names], constant)``: ``E f ≥ Σ_k weights_k real_k ⟨f, R_k⟩ + constant`` of what a floor is on."""
        if floor.member not in self.index:
            return np.zeros(len(self.names)), float(floor.values.min())
        weights = self.inverse[self.index[floor.member]]
        return weights, float(weights @ np.array([self._others(name, floor.values) for name in self.names]))

    def real_mean(self, name: str, values: Array) -> float:
        """What is certain of a feature in the real data that a member has already."""
        real = self.scenario.member(name).real
        if isinstance(real, torch.Tensor):
            return float(values[real.numpy()].mean())
        law = _law(real)
        known = law is not None and law.probabilities.shape == values.shape
        return float(law.probabilities.numpy() @ values) if law is not None and known else float(values.min())

    def _others(self, name: str, values: Array) -> float:
        """What is certain of all that a member takes, but for real data and what it takes raw of ``names``."""
        size, scale = self.sizes[name], self.scale(name)
        if size != len(values):  # another alphabet: nobody reads it raw who has the feature
            return 0.0
        own, least = self._raw(name, self.names), float(values.min())
        found = 0.0
        for u, flow in self.scenario.incoming(name).items():
            found += scale * flow.curated * least
            if u not in own:
                found += scale * flow.raw * (self._frozen(u, values) if flow.transform is None else least)
        return found

    def _frozen(self, name: str, values: Array) -> float:
        """What is certain of somebody who never retrains: all, where its law is known."""
        member = self.scenario.member(name)
        law = _law(member.generator) if member.schedule.is_never else None
        known = law is not None and law.probabilities.shape == values.shape
        return float(law.probabilities.numpy() @ values) if law is not None and known else float(values.min())

    def _raw(self, name: str, among: Sequence[str]) -> dict[str, float]:
        """What a member takes raw, and untransformed, of whom of ``among`` has its alphabet."""
        flows = {u: flow for u, flow in self.scenario.incoming(name).items() if u in among}
        same = {u: f for u, f in flows.items() if f.transform is None and self.sizes[u] == self.sizes[name]}
        return {u: self.scale(name) * flow.raw for u, flow in same.items() if flow.raw > 0}

    def _reached(self, plain: list[str]) -> list[str]:
        """Those of whom something comes in from outside them, at last."""
        taken = {name: self._raw(name, plain) for name in plain}
        reached = {name for name in plain if sum(taken[name].values()) < 1 - _LEAK}
        more = True
        while more:
            new = {name for name in plain if name not in reached and reached & set(taken[name])}
            reached |= new
            more = bool(new)
        return [name for name in plain if name in reached]


def _law(model: Any) -> Finite | None:
    """The law of a generator on a finite alphabet, None for anything else."""
    found: Law | None = None
    with suppress(Exception):
        found = model.law()
    return found if isinstance(found, Finite) else None
