"""A study as maps whose points open: quantities by point, a drawing to click on, and all that is known of a point."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import pandas as pd
from pandas.api.types import is_bool_dtype, is_numeric_dtype

from ecosystem.core.identity import label
from ecosystem.core.words import number, safe
from ecosystem.plots.palette import DIVERGING, DIVERGING_DARK, RAMP, RAMP_DARK
from ecosystem.plots.scales import Ends, ends
from ecosystem.study.outcomes.measuring import NoMeasure, measures, numbers
from ecosystem.study.results import Results

WIDTH, HEIGHT, EDGE = 640, 400, 64
WRITTEN = 40  # points whose numbers stand above them


def quantities(results: Results) -> dict[str, pd.Series]:
    """Every measure of the study, by a name that says what it is and of whom: means over seeds, by point.

    They are those of :func:`ecosystem.study.outcomes.measuring.numbers`, in the last round; a run that diverged has no
    end, so a point is NaN where all did.

    Raises
    ------
    ValueError
        If no table holds a number.
    """
    found: dict[str, pd.Series] = {}
    for measure in measures(results):
        try:
            told = numbers(results, measure)
        except NoMeasure:  # a text, or nothing that was kept
            continue
        table, _, column = measure.rpartition(".")
        what = f"{table}: {told.label}" if table else told.label
        for name, mean in zip(told.names, told.sample.mean, strict=True):
            series = pd.Series(mean, results.points["point"].to_numpy())
            found[what if name == column else f"{what}: {name}"] = series
    if not found:
        raise ValueError(f"the study {results.name!r} holds no number of any point yet: go on with it, or look later")
    return found


def swept(results: Results) -> list[str]:
    """The parameters of the study with more than one value, numbers first."""
    points = results.points
    many = [name for name in results.parameters if len(set(words(points[name]))) > 1]
    return sorted(many, key=lambda name: not is_numeric_dtype(points[name]))


def words(values: pd.Series) -> list[str]:
    """Values of a parameter in a few words each."""
    return [label(value) for value in values.tolist()]


def chosen(points: pd.DataFrame, fixed: Mapping[str, Any]) -> pd.DataFrame:
    """The points at which other parameters have the labels that were chosen."""
    for name, value in fixed.items():
        points = points[[word == value for word in words(points[name])]]
    return points


def map_of(points: pd.DataFrame, x: str, y: str | None, values: pd.Series, failed: Sequence[int], dark: bool) -> str:
    """A drawing of points over one or two parameters, each within reach of mouse and keyboard (``data-point``).

    Over two the colour is the quantity; over one it is the height.
    """
    known = values.reindex(points["point"]).astype(float)
    seen = known[np.isfinite(known)]
    xs, xticks = _places(points[x], EDGE, WIDTH - 40)
    ys, yticks = _places(points[y] if y else _within(known, seen), HEIGHT - EDGE, 60)
    found = ends(known.to_numpy(), bool(len(seen)) and bool(seen.min() < 0 < seen.max()))
    size = max(4.0, min(16.0, 0.32 * WIDTH / max(len(points) ** 0.5, 1)))
    marks, named = [], [x, *([y] if y else [])]
    places = zip(*(words(points[name]) for name in named), strict=True)
    for point, left, top, value, at in zip(points["point"], xs, ys, known, places, strict=True):
        where = f"point {point}, " + ", ".join(f"{n} = {v}" for n, v in zip(named, at, strict=True))
        said = "failed" if value != value and int(point) in failed else number(float(value))
        if left != left:
            continue
        top = HEIGHT - EDGE + 10 if top != top else top  # hollow, below all that have a height
        fill = "none" if value != value else _colour(float(value), found, dark)
        marks.append(
            f'<circle data-point="{int(point)}" tabindex="0" role="button" aria-label="{safe(where)}: {safe(said)}" '
            f'cx="{left:.1f}" cy="{top:.1f}" r="{size:.1f}" fill="{fill}" stroke="currentColor" stroke-opacity=".35">'
            f"<title>{safe(where)}: {safe(said)}</title></circle>"
        )
        if y and len(points) <= WRITTEN:
            marks.append(
                f'<text x="{left:.1f}" y="{top - size - 5:.1f}" text-anchor="middle" aria-hidden="true">'
                f"{safe(said)}</text>"
            )
    ticks = [f'<text x="{at:.1f}" y="{HEIGHT - EDGE + 34}" text-anchor="middle">{safe(t)}</text>' for at, t in xticks]
    ticks += [f'<text x="{EDGE - 22}" y="{at + 4:.1f}" text-anchor="end">{safe(t)}</text>' for at, t in yticks]
    names = f'<text x="{WIDTH / 2}" y="{HEIGHT - 8}" text-anchor="middle">{safe(x)}</text>'
    names += f'<text x="4" y="14">{safe(y or "the quantity")}</text>'
    if found.words:
        names += f'<text x="{WIDTH - 4}" y="14" text-anchor="end">{safe(found.words)}</text>'
    return (
        f'<svg class="map" viewBox="0 0 {WIDTH} {HEIGHT}" role="group" aria-label="map of {len(points)} points">'
        f"{''.join(ticks)}{names}{''.join(marks)}</svg>"
    )


def _places(values: pd.Series, start: float, end: float) -> tuple[list[float], list[tuple[float, str]]]:
    """Where values stand between two ends, and what is written at which of them."""
    if is_numeric_dtype(values) and not is_bool_dtype(values) and not np.isinf(values).any():
        low, high = float(values.min()), float(values.max())
        wide = high - low or 1.0
        at = [start + (end - start) * (float(v) - low) / wide for v in values]
        few = sorted(set(map(float, values.dropna())))
        shown = few if len(few) <= 8 else [low + f * wide for f in (0, 0.25, 0.5, 0.75, 1.0)]
        write = label if shown is few else number
        return at, [(start + (end - start) * (v - low) / wide, write(v)) for v in shown]
    said = words(values)
    order = list(dict.fromkeys(said))
    step = (end - start) / max(len(order) - 1, 1)
    return [start + step * order.index(w) for w in said], [(start + step * i, w) for i, w in enumerate(order)]


def _within(known: pd.Series, seen: pd.Series) -> pd.Series:
    """Heights whose infinite ones stand at the ends of the others."""
    return known.clip(seen.min(), seen.max()) if len(seen) else known.clip(-1.0, 1.0)


def _colour(value: float, found: Ends, dark: bool) -> str:
    """From harm to help where the quantity changes its sign, else from little to much; beyond the ends as at them."""
    diverging, ramp = (DIVERGING_DARK, RAMP_DARK) if dark else (DIVERGING, RAMP)
    scale = diverging if found.low < 0 < found.high else ramp
    place = (found.place(value) - found.place(found.low)) / (found.place(found.high) - found.place(found.low))
    return scale[int(np.clip(place * len(scale), 0, len(scale) - 1))]


def opened(results: Results, point: int) -> dict[str, pd.DataFrame]:
    """All that is known of a point: its parameters, its failures, and what each table says of it at the end."""
    row = results.points[results.points["point"] == point]
    values = [words(row[name])[0] for name in results.parameters]
    found = {"parameters": pd.DataFrame({"parameter": results.parameters, "value": values})}
    for table in dict.fromkeys(("failures", *results.tables)):
        frame = results[table]
        if "point" not in frame:
            continue
        frame = frame[frame["point"] == point].drop(columns="point")
        if "round" in frame and table != "failures":
            frame = frame[frame["round"] == frame["round"].max()]
        if len(frame):
            found[table] = frame.dropna(axis=1, how="all")
    return found
