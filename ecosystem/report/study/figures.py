"""Which figures a study gets: along each parameter, over the plane of two, at a few values of one of them."""

from __future__ import annotations

import math
from collections.abc import Callable

import numpy as np

from ecosystem.core.words import joined
from ecosystem.report import parts
from ecosystem.report.look import shortened
from ecosystem.report.study import captions, curves
from ecosystem.report.study.maps import maps
from ecosystem.report.study.quantity import Plot, Quantity
from ecosystem.report.study.subject import Subject, shares
from ecosystem.study.outcomes.sweep import FEW, Parameter

FOLLOWED = 6  # parameters with a figure of their own, where there are more than two


def figures(subject: Subject, quantity: Quantity, on_map: Quantity, name: str, title: str) -> list[dict[str, str]]:
    """All figures of one quantity; ``on_map`` is what heat maps show of it. ``name`` begins their ids."""
    if not subject.sweep.swept or not np.isfinite(quantity.sample.mean).any():
        return []
    ranked = subject.ranked(subject.shares or shares(quantity, subject.sweep))
    if len(ranked) == 1:
        return [_along(subject, quantity, ranked[0], name, title)]
    found = []
    x, y = plane(ranked)
    if x.number and y.number and min(len(x), len(y)) > 2:
        found.append(_maps(subject, on_map, x, y, few(ranked, x, y), name, title))
    if len(ranked) == 2 and quantity.share and found:
        return found
    if len(ranked) == 2:
        found.append(_slices(subject, quantity, x, y, name, title))
        return found
    return found + [
        _along(subject, quantity, parameter, f"{name}-{place}", title)
        for place, parameter in enumerate(ranked[:FOLLOWED], start=1)
    ]


def plane(ranked: list[Parameter]) -> tuple[Parameter, Parameter]:
    """The two parameters of the plane, along ``x`` the one with more values: numbers, those that move most.

    Of numbers those with many values come first, as others can have a panel for each.
    """
    first = sorted(ranked, key=lambda p: (not p.number or len(p) < 3, len(p) <= FEW))  # else in their order
    x, y = sorted(first[:2], key=lambda p: (not p.number, -len(p)))
    return x, y


def few(ranked: list[Parameter], *plane: Parameter) -> tuple[Parameter, ...]:
    """The other parameters that get a panel for each value: those that move most, while that makes four at most."""
    found: tuple[Parameter, ...] = ()
    for p in ranked:
        if all(p is not other for other in plane) and len(p) * math.prod(map(len, found)) <= FEW:
            found += (p,)
    return found


def _along(subject: Subject, quantity: Quantity, parameter: Parameter, name: str, title: str) -> dict[str, str]:
    plot = Plot(subject.sweep, quantity, subject.failures.marked(quantity), subject.sweep.levels(parameter))
    return _figure(plot, f"{name}-along", f"{title} along {shortened(parameter.name)}", curves.along, captions.along)


def _maps(
    subject: Subject,
    quantity: Quantity,
    x: Parameter,
    y: Parameter,
    few: tuple[Parameter, ...],
    name: str,
    title: str,
) -> dict[str, str]:
    plot = Plot(subject.sweep, quantity, subject.failures.marked(quantity), x, y, few)
    title = f"{title} over {shortened(x.name)} and {shortened(y.name)}"
    title += f", for each {joined([shortened(p.name) for p in few])}" if few else ""
    return _figure(plot, f"{name}-map", title, maps, captions.maps)


def _slices(subject: Subject, quantity: Quantity, x: Parameter, y: Parameter, name: str, title: str) -> dict[str, str]:
    levels = subject.sweep.levels(x, 8), subject.sweep.levels(y, 3)
    plot = Plot(subject.sweep, quantity, subject.failures.marked(quantity), *levels)
    where = "for each" if len(curves.cuts(levels[1])) == len(y) else "at a few values of"
    title = f"{title} along {shortened(x.name)}, {where} {shortened(y.name)}"
    return _figure(plot, f"{name}-curves", title, curves.slices, captions.slices)


def _figure(plot: Plot, name: str, title: str, draw: Callable, words: Callable) -> dict[str, str]:
    return parts.figure(plot, name, title, draw, words(plot))
