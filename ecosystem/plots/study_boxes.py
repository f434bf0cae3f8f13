"""Where something happens in a study: its points in the plane of two parameters, and the boxes that tell."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import altair as alt
import numpy as np
import pandas as pd

from ecosystem.core.arguments import meant_among
from ecosystem.core.words import shortened
from ecosystem.plots.chart import NothingToDraw, embedded, finish, needs
from ecosystem.study.outcomes.sweep import Parameter
from ecosystem.study.sensitivity.discovery import Discovery

ROWS = 2000  # points that are drawn
HOLDS, NOT = "holds", "does not"


def of_result(found: Discovery, x: str | None = None, y: str | None = None) -> Any:
    """The boxes of a discovery: see :func:`boxes`; without ``x`` and ``y`` in the plane of the clearest limits."""
    swept = {p.name: p for p in found.parameters}
    if unknown := [name for name in (x, y) if name is not None and name not in swept]:
        near = meant_among(unknown[0], swept, f"there are {', '.join(swept)}")
        raise NothingToDraw(f"plots.boxes: {unknown[0]!r} is no parameter that varies{near}")
    first = found.boxes[0] if found.boxes else None
    limited = sorted(first.limits, key=first.chance.__getitem__) if first else []
    numbers = [name for name in [*limited, *swept] if swept[name].number]
    ranked = [name for name in dict.fromkeys([*numbers, *limited, *swept]) if name not in (x, y)]
    if len(swept) < 2:
        raise NothingToDraw("plots.boxes: the study varies one parameter, and a plane takes two; see the sentence")
    x = ranked.pop(0) if x is None else x
    y = ranked[0] if y is None else y
    points = pd.DataFrame({"x": _values(swept[x]), "y": _values(swept[y]), "holds": found.held})
    rows = []
    for box in found.boxes:
        limits = [box.limits.get(name) for name in (x, y)]
        if all(limit is None or not limit.labels for limit in limits) and any(limits):
            ends = [(-np.inf, np.inf) if limit is None else (limit.low, limit.high) for limit in limits]
            more = [limit.told(name) for name, limit in box.limits.items() if name not in (x, y)]
            rows.append((*ends[0], *ends[1], box.density, box.coverage, " and ".join(more)))
    table = pd.DataFrame(rows, columns=["x_low", "x_high", "y_low", "y_high", "density", "coverage", "more"])
    return boxes(points, table, x, y, found.condition, found.sentences)


def boxes(
    points: pd.DataFrame,
    limits: pd.DataFrame,
    x: str,
    y: str,
    condition: str = "it",
    sentences: Sequence[str] = (),
) -> Any:
    """Points where a condition holds and where not, and rectangles around where it does.

    Parameters
    ----------
    points
        x, y, holds (1, 0; NaN where nobody knows).
    limits
        x_low, x_high, y_low, y_high (infinite: none), density, coverage, more: limits on others, in words.
    x, y
        The parameters' names.
    condition
        In words.
    sentences
        What was found, for those who cannot see it.

    Raises
    ------
    NothingToDraw
        If there are no points.
    """
    needs("boxes", "points", points, ("x", "y", "holds"))
    known = points.dropna(subset="holds")
    needs("boxes", "points", known, (), f"nobody knows where {condition}")
    some = known if len(known) <= ROWS else known.sample(ROWS, random_state=0).sort_index()
    data = embedded("boxes", some.assign(holds=np.where(some["holds"] > 0, HOLDS, NOT)))
    kind = {side: "Q" if pd.api.types.is_numeric_dtype(data[side]) else "N" for side in "xy"}
    scaled: dict[str, Any] = {"scale": alt.Scale(zero=False, nice=False, padding=6)}
    x_axis = alt.X(f"x:{kind['x']}", title=shortened(x, 40), **(scaled if kind["x"] == "Q" else {}))
    y_axis = alt.Y(f"y:{kind['y']}", title=shortened(y, 40), **(scaled if kind["y"] == "Q" else {}))
    shape = {"scale": alt.Scale(domain=[HOLDS, NOT]), "legend": alt.Legend(title=None)}
    tips = [alt.Tooltip(f"{side}:{kind[side]}", title=title) for side, title in (("x", x), ("y", y))]
    base = alt.Chart(data).encode(x_axis, y_axis, alt.Color("holds:N", **shape), alt.Shape("holds:N", **shape))
    dots = base.mark_point(size=26, filled=True, opacity=0.75).encode(
        opacity=alt.condition("datum.holds == 'holds'", alt.value(0.85), alt.value(0.25)), tooltip=[*tips, "holds:N"]
    )
    layers: list[Any] = [dots]
    if len(limits) and kind == {"x": "Q", "y": "Q"}:
        layers.insert(0, _rectangles(limits, data))
    drawn = alt.layer(*layers).properties(width=420, height=320)
    part = f"{len(some):,} of {len(known):,} points" if len(some) < len(known) else ""
    words = " ".join(sentences) or f"Where {condition}."
    key = "frames: boxes in which it is dense, thicker where they cover more" if len(layers) > 1 else ""
    more = [text for text in limits["more"] if text] if len(limits) else []
    return finish(drawn, f"Where {shortened(condition, 60)}", words, [key, *(f"and {text}" for text in more[:2]), part])


def _rectangles(limits: pd.DataFrame, data: pd.DataFrame) -> Any:
    """Frames around boxes, to the ends of the points where they have no limit."""
    ends = {side: (float(data[side].min()), float(data[side].max())) for side in "xy"}
    cut = limits.assign(**{f"{s}_{e}": limits[f"{s}_{e}"].clip(*ends[s]) for s in "xy" for e in ("low", "high")})
    return (
        alt.Chart(cut)
        .mark_rect(style="frame", filled=False)
        .encode(
            alt.X("x_low:Q"),
            alt.Y("y_low:Q"),
            alt.X2("x_high:Q"),
            alt.Y2("y_high:Q"),
            strokeWidth=alt.StrokeWidth("coverage:Q", scale=alt.Scale(domain=[0, 1], range=[1, 3.5]), legend=None),
            tooltip=[alt.Tooltip(f"{name}:Q", format=".1%") for name in ("density", "coverage")],
        )
    )


def _values(parameter: Parameter) -> np.ndarray:
    return parameter.values if parameter.number else np.array(parameter.labels, dtype=object)[parameter.level]
