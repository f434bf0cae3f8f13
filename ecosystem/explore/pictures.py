"""What the page draws of an answer: the network to click on, a chart of rounds, tables; as SVG and HTML texts."""

from __future__ import annotations

import json
import math
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import pandas as pd

from ecosystem.core.check import one_line
from ecosystem.core.words import number, safe
from ecosystem.explore.answers import Answer, answers
from ecosystem.explore.setting import Setting
from ecosystem.plots import alignment, theme
from ecosystem.plots.network import network
from ecosystem.plots.palette import DIVERGING, DIVERGING_DARK
from ecosystem.scenario import Scenario


@dataclass(frozen=True)
class Shown:
    """An answer, and what has been drawn of it so far; ``trouble`` says what could not be drawn."""

    answer: Answer
    network: str = ""
    caption: str = ""
    rounds: str = ""
    matrix: str = ""
    trouble: str = ""


def pictured(
    setting: Setting,
    build: Callable[..., Scenario],
    dark: bool,
    outdated: Callable[[], bool] = lambda: False,
    before: Shown | None = None,
    narrow: bool = False,
) -> Iterator[Shown]:
    """The answers to a setting: numbers first, then drawings; until these are made, those of ``before`` stay.

    All is made in the thread that asks, and nothing raises.
    """
    now = Shown(Answer(setting))
    old = before or now
    for answer in answers(setting, build, outdated):
        now = replace(now, answer=answer)
        if answer.scenario is None:
            yield now
            continue
        try:
            if not answer.done:
                now = replace(now, matrix=matrix_of(answer.matrix, dark))
                yield replace(now, network=old.network, caption=old.caption, rounds=old.rounds)
                if outdated():
                    return
                drawing = drawn(answer, dark, narrow)
                now = replace(now, network=drawing.svg, caption=drawing.caption)
                yield replace(now, rounds=old.rounds)
            else:
                now = replace(now, rounds=rounds_of(answer, dark, narrow))
        except Exception as error:
            now = replace(now, trouble=f"this could not be drawn: {type(error).__name__}: {one_line(error)}")
        if answer.done:
            yield now


def troubled(setting: Setting, error: Exception) -> Shown:
    """What is shown where the answers to a setting broke off."""
    return Shown(Answer(setting, done=True), trouble=f"this broke off: {type(error).__name__}: {one_line(error)}")


def drawn(answer: Answer, dark: bool, narrow: bool = False) -> Any:
    """The network with each member's alignment, its members and flows within reach of the keyboard."""
    look = "dark" if dark else "light"
    return network(answer.scenario, values=answer.alignment, theme=look, width=360 if narrow else 640, focusable=True)


def rounds_of(answer: Answer, dark: bool, narrow: bool = False) -> str:
    """The chart of the population's alignment over rounds; empty where there is none."""
    if answer.rounds is None or answer.scenario is None or not answer.rounds["alignment"].notna().any():
        return ""
    return as_svg(alignment(answer.rounds, answer.scenario.describe()["members"]), dark, narrow)


def as_svg(chart: Any, dark: bool, narrow: bool = False) -> str:
    """A chart as SVG, drawn here: nothing is asked of the network. On a phone its panels stand below each other."""
    import vl_convert

    with theme("dark" if dark else "light"):
        spec = chart.to_dict()
    if narrow:
        config = spec["config"]
        config["view"] |= {"continuousWidth": 270}
        config["legend"] |= {"orient": "bottom"}
        config["title"] |= {"limit": 330, "subtitleLimit": 330}
        config["header"] |= {"labelLimit": 300}
        spec |= {"columns": 1} if "columns" in spec else {}
    return vl_convert.vegalite_to_svg(json.dumps(spec))


def matrix_of(matrix: pd.DataFrame | None, dark: bool) -> str:
    """The influence matrix as a table whose cells are tinted by their size; rows are targets.

    A table, since it must follow a slider: of 20 members it takes some 20 ms, where the chart takes 1,100.
    """
    if matrix is None:
        return ""
    sizes = matrix.abs().to_numpy(float)
    largest = float(sizes[np.isfinite(sizes)].max(initial=0.0))  # what is without end says nothing of the others
    header = "".join(f'<th scope="col">{safe(source)}</th>' for source in matrix)
    rows = []
    for target, row in matrix.iterrows():
        cells = [f"<td{_tint(float(value), largest, dark)}>{number(float(value), largest)}</td>" for value in row]
        rows.append(f'<tr><th scope="row">{safe(target)}</th>{"".join(cells)}</tr>')
    corner = '<th scope="col" class="corner">target ↓ source →</th>'
    return f'<table class="matrix"><thead><tr>{corner}{header}</tr></thead><tbody>{"".join(rows)}</tbody></table>'


def _tint(value: float, largest: float, dark: bool) -> str:
    """The style of a cell: from harm (orange) to help (blue), with ink that can be read on it."""
    if math.isnan(value) or not (largest > 0 or math.isinf(value)):
        return ""
    scale = (DIVERGING_DARK if dark else DIVERGING)[1:-1]
    middle = len(scale) // 2
    share = math.copysign(1.0, value) if math.isinf(value) else value / largest
    place = middle + round(middle * share)
    ink = "#f2f5f8" if dark and abs(place - middle) < middle else "#0d1116"  # what is deepest in the dark is bright
    return f' style="background:{scale[place]};color:{ink}"'


def table_of(frame: pd.DataFrame, columns: Sequence[str] | None = None, most: int = 30) -> str:
    """A table for people: few digits, of many rows the first ones."""
    columns = list(columns or frame.columns)
    header = "".join(f'<th scope="col">{safe(name)}</th>' for name in columns)
    rows = []
    for row in frame[columns].head(most).itertuples(index=False):
        rows.append("<tr>" + "".join(f"<td>{_cell(value)}</td>" for value in row) + "</tr>")
    more = f"<caption>{most} of {len(frame):,} rows</caption>" if len(frame) > most else ""
    return f"<table>{more}<thead><tr>{header}</tr></thead><tbody>{''.join(rows)}</tbody></table>"


def _cell(value: Any) -> str:
    if isinstance(value, float):
        return number(value)
    return safe("–" if value is None else value)
