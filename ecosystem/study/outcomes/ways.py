"""How numbers move along one parameter, in words: up, down, up and down again, or not clearly at all."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from ecosystem.core.words import shortened
from ecosystem.study.outcomes.measuring import Numbers
from ecosystem.study.outcomes.sample import Sample
from ecosystem.study.outcomes.sweep import Parameter
from ecosystem.study.outcomes.verdicts import value as written

TURN = 0.05  # of the whole range: a smaller rise before a fall is none


@dataclass(frozen=True)
class Way:
    """One name along one parameter: a ``shape`` that others may share, its ``numbers``, and how far it goes."""

    shape: str  # with {name} where the parameter's name stands
    numbers: str
    far: float
    turns: bool = False  # its sign depends on the other parameters


def ways(found: Numbers, parameter: Parameter, size: np.ndarray) -> list[Way]:
    """The way of every name along the levels of a parameter; ``size [names]`` is what rounding is measured by."""
    sample = found.sample.average(parameter.level, len(parameter))
    return [_way(sample.only([i]), parameter, float(size[i])) for i in range(len(found.names))]


def _way(sample: Sample, parameter: Parameter, size: float) -> Way:
    mean = sample.mean[0]
    seen = np.flatnonzero(np.isfinite(mean))
    if len(seen) < 2:
        verb = "is finite" if np.isinf(mean).any() else "was seen"
        return Way(f"{verb} at {'one value of {name} only' if len(seen) else 'no value of {name}'}", "", 0.0)
    top, bottom = int(seen[np.argmax(mean[seen])]), int(seen[np.argmin(mean[seen])])
    far = float(mean[top] - mean[bottom])

    def clear(place: int, other: int) -> int:
        return int(sample.minus(place, other).sign(size)[0, 0])

    def value(level: int) -> str:
        numbers = mean[level], sample.reach[0, level]
        return written(sample, 0, level, digits=1) if np.nanmax(np.abs(numbers)) > 1e-9 * size else "0"

    def at(*levels: int) -> str:
        return ", ".join(f"{value(i)} at {shortened(parameter.labels[i], 24)}" for i in dict.fromkeys(levels))

    if far <= 1e-9 * size:
        return Way("is the same at all values of {name}", value(top), far)
    if not parameter.number:
        if clear(top, bottom) <= 0:
            return Way("shows no clear difference between the values of {name}", at(bottom, top), far)
        return Way("depends on {name}", f"lowest {at(bottom)}; highest {at(top)}", far)
    first, last = int(seen[0]), int(seen[-1])
    for turn, sign, up, down in ((top, 1, "rises", "falls"), (bottom, -1, "falls", "rises")):
        steps = [sign * (mean[turn] - mean[end]) for end in (first, last)]
        turns = turn not in (first, last) and min(steps) > TURN * far
        if turns and all(sign * clear(turn, end) > 0 for end in (first, last)):
            return Way(f"{up} with {{name}} and then {down} again", at(first, turn, last), far)
    sign = clear(last, first)
    if sign:
        return Way(f"{'rises' if sign > 0 else 'falls'} with {{name}}", at(first, last), far)
    return Way("shows no clear change with {name}", at(first, last), far)
