"""The charts of a study's page: which there are, and in which order; `results.plot` draws them."""

from __future__ import annotations

import itertools
import math
from collections.abc import Callable, Mapping
from typing import Any

import numpy as np

from ecosystem.core.words import apart
from ecosystem.plots.chart import NothingToDraw
from ecosystem.report.blocks import Chart, Section, Slides, Words
from ecosystem.study.outcomes.measuring import NoMeasure, Numbers, numbers
from ecosystem.study.outcomes.measuring import measures as known
from ecosystem.study.outcomes.subject import Subject
from ecosystem.study.outcomes.sweep import FEW, Parameter
from ecosystem.study.outcomes.tables import CELLS, STREWN
from ecosystem.study.results import Results

FOLLOWED = 6  # parameters with a chart of their own, where there are more than two
OTHERS = 8  # measures that were added
ROWS = 1500  # of a map: what a page has room for several times
OURS = ("baseline.", "influence.", "stable_point.", "members.", "flows.", "rounds.updated")  # told elsewhere


def alignment(results: Results, subject: Subject, shares: bool = True) -> Section | None:
    """Alignment over the parameters; maps also show how far it is from what members would be alone.

    ``shares``: also what each parameter explains, where no other section says it.
    """
    found = subject.alignment
    if subject.final is None or found is None or not subject.sweep.swept:
        return None
    changed = found.change is not None and np.isfinite(found.change.mean).any()
    drawn = {"gain": numbers(results, "gain")} if changed else {}
    drawn |= {"alignment": subject.final}
    blocks = over(results, subject, drawn, "alignment")
    if shares and len(subject.sweep.swept) > 1 and not subject.lopsided:
        blocks.insert(0, chart("alignment-sensitivity", results.plot.sensitivity, subject.final))
    return Section("alignment", "Alignment over the parameters", blocks)


def over(results: Results, subject: Subject, drawn: Mapping[str, Numbers], name: str) -> list[Any]:
    """Charts of some numbers, by what they are: a curve over one parameter; over more maps, and curves of the last."""
    plot, ranked, found = results.plot, subject.ranked, list(drawn.values())[-1]
    if not ranked:
        return []
    if len(ranked) == 1:
        return [chart(f"{name}-along", plot.curves, found)]
    x, y = plane(ranked)
    maps = [
        (
            f"{what}{told}",
            [chart(f"{name}-map-{place}-{nth}", plot.map, few(subject, each, x, y), x.name, y.name, None, at)],
        )
        for place, (what, each) in enumerate(drawn.items())
        for nth, (told, at) in enumerate(_places(results, ranked, x, y))
    ]
    if len(ranked) == 2:
        curves = [chart(f"{name}-curves", plot.curves, found, x.name, None, y.name)]
    else:
        names = apart([p.name for p in ranked[:FOLLOWED]], 40)
        along = [
            (said, [chart(f"{name}-along-{place}", plot.curves, found, p.name)])
            for place, (p, said) in enumerate(zip(ranked, names, strict=False))
        ]
        curves = [Slides(f"{name}-along", "Along", along, choice=True)]
    return [Slides(f"{name}-maps", "Map of", maps, choice=True), *curves]


def stable(results: Results, subject: Subject) -> list[Any]:
    """What the dynamics do over the parameters that explain most."""
    ranked = subject.ranked
    if not ranked:
        return []
    x, y = plane(ranked) if len(ranked) > 1 else (ranked[0], None)
    return [chart("stable-map", results.plot.stable, x.name, None if y is None else y.name)]


def measures(results: Results, subject: Subject) -> Section | None:
    """What else was measured: columns of rounds, and tables of the study's own."""
    slides = []
    for measure in known(results):
        if "." not in measure or measure.startswith(OURS):
            continue
        try:
            found = numbers(results, measure)
        except NoMeasure:  # a text, or several rows of one member
            continue
        if not np.isnan(found.sample.mean).all() and subject.ranked:
            drawn = over(results, subject, {found.label: found}, f"measure-{len(slides)}")
            slides.append((measure.replace("_", " "), drawn))
    if not slides:
        return None
    more = [Words(f"{len(slides) - OTHERS} more can be drawn: results.plot.curves(“table.column”).", soft=True)]
    names = apart([name for name, _ in slides], 60)
    slides = [(name, drawn) for name, (_, drawn) in zip(names, slides, strict=True)]
    blocks = [Slides("measures-of", "Measure", slides[:OTHERS], choice=True), *more[: len(slides) > OTHERS]]
    return Section("measures", "What else was measured", blocks)


def chart(id: str, draw: Callable[..., Any], *given: Any) -> Any:
    """A chart, or why there is none."""
    try:
        return Chart(id, draw(*given))
    except (NothingToDraw, NoMeasure) as error:
        return Words(f"No chart: {error}.", soft=True)


def plane(ranked: list[Parameter]) -> tuple[Parameter, Parameter]:
    """The two parameters of a map, along ``x`` the one with more values: numbers, those that move most.

    Of numbers those with many values come first, as others can have a map for each.
    """
    first = sorted(ranked, key=lambda p: (not p.number or len(p) < 3, len(p) <= FEW))  # else in their order
    x, y = sorted(first[:2], key=lambda p: (not p.number, -len(p)))
    return x, y


def few(subject: Subject, found: Numbers, x: Parameter, y: Parameter) -> Numbers:
    """The names that move most, as many as a page has room for."""
    cells = min(len(x) * len(y), subject.sweep.points)
    cells = CELLS**2 if cells > STREWN and subject.sweep.scattered else cells
    return found.strongest(max(1, ROWS // cells))


def _places(results: Results, ranked: list[Parameter], *plane: Parameter) -> list[tuple[str, dict[str, Any]]]:
    """Means over all other parameters, and each choice of those with few values: that move most, four maps at most."""
    chosen: list[Parameter] = []
    for p in ranked:
        if all(p is not other for other in plane) and len(p) * math.prod(map(len, chosen)) <= FEW:
            chosen.append(p)
    names = apart([p.name for p in chosen], 24)
    said = {p.name: (name, apart(p.labels, 32)) for p, name in zip(chosen, names, strict=True)}
    found: list[tuple[str, dict[str, Any]]] = []
    for levels in itertools.product(*(range(len(p)) for p in chosen)) if chosen else ():
        at = {
            p.name: results.points[p.name].iloc[int(np.argmax(p.level == i))]
            for p, i in zip(chosen, levels, strict=True)
        }
        told = (f"{said[p.name][0]}\N{NO-BREAK SPACE}{said[p.name][1][i]}" for p, i in zip(chosen, levels, strict=True))
        found.append((", " + ", ".join(told), at))
    return [*found, (", mean over all others" if found else "", {})]
