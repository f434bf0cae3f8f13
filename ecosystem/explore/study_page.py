"""The page of a study's folder: its maps, with points that open."""

# Solara passes its names on without saying so.
# pyright: reportPrivateImportUsage=false

from __future__ import annotations

from functools import partial
from pathlib import Path
from typing import Any

import solara
import solara.lab

from ecosystem.explore import maps
from ecosystem.explore.pictures import table_of
from ecosystem.explore.pieces import Choose, Picture, Table
from ecosystem.study import Study


@solara.component
def StudyPage(folder: Path) -> None:
    """A study as its folder has it now, or why it cannot be shown."""
    results, numbers, error = solara.use_memo(lambda: _read(folder), [])
    if error:
        solara.Error(error)
    elif maps.swept(results):
        Maps(results, numbers)
    else:
        Opened(results, int(results.points["point"].iloc[0]))


def _read(folder: Path) -> tuple[Any, dict[str, Any], str]:
    try:
        results = Study.load(folder)
        return results, maps.quantities(results), ""
    except Exception as error:
        return None, {}, str(error)


@solara.component
def Maps(results: Any, numbers: dict[str, Any]) -> None:
    """A map of one quantity over one or two parameters; other parameters are chosen."""
    names = maps.swept(results)
    quantity = solara.use_reactive(next(iter(numbers)))
    axes: Any = solara.use_reactive(tuple(names[:2]))
    fixed: Any = solara.use_reactive({})
    point: Any = solara.use_reactive(None)
    dark = bool(solara.lab.use_dark_effective())
    now = results.progress()
    solara.Text(f"{now.done} of {now.points} points done, {now.failed} failed", classes=["note"])
    with solara.Div(classes=["columns"]):
        with solara.Div(classes=["controls"]):
            Choose(label="quantity", values=list(numbers), value=quantity.value, event_chosen=quantity.set)
            x, y = axes.value[0], axes.value[1] if len(axes.value) > 1 else "–"
            Choose(label="across", values=names, value=x, event_chosen=lambda new: axes.set(_axes(new, y)))
            ups = ["–", *(name for name in names if name != x)]
            Choose(label="up", values=ups, value=y, event_chosen=lambda new: axes.set(_axes(x, new)))
            others = [name for name in names if name not in axes.value]
            chosen = {}
            for name in others:
                values = list(dict.fromkeys(maps.words(results.points[name])))
                chosen[name] = fixed.value.get(name, values[0])
                put = partial(_put, fixed, name)
                Choose(label=name, values=values, value=chosen[name], event_chosen=put)
        with solara.Div(classes=["answers"]), solara.Div(classes=["card"]):
            solara.HTML(tag="h2", unsafe_innerHTML="A map whose points open")
            points = maps.chosen(results.points, chosen)
            up = None if y == "–" else y
            svg = maps.map_of(points, x, up, numbers[quantity.value], results.failed, dark)
            Picture(svg=svg, event_picked=lambda found: point.set(int(found["point"])))
            solara.Text("A click on a point, or Enter, opens it.", classes=["note"])
            if point.value is not None:
                Opened(results, point.value)


def _axes(x: str, y: str) -> tuple[str, ...]:
    return (x,) if y in ("–", x) else (x, y)


def _put(fixed: Any, name: str, value: str) -> None:
    """Choose a value of another parameter."""
    fixed.set({**fixed.value, name: value})


@solara.component
def Opened(results: Any, point: int) -> None:
    """All that is known of a point."""
    solara.HTML(tag="h2", unsafe_innerHTML=f"Point {point}", classes=["opened"])
    for name, table in maps.opened(results, point).items():
        solara.HTML(tag="h3", unsafe_innerHTML=name)
        Table(table_of(table), name)
