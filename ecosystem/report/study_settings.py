"""The section of a study's page about its settings: which matter, when something happens, how many seeds are enough."""

from __future__ import annotations

import warnings
from collections.abc import Iterator
from typing import Any

import numpy as np
import pandas as pd

from ecosystem.core.words import number
from ecosystem.report import tables
from ecosystem.report.blocks import Section, Sentences, Words
from ecosystem.report.study_charts import chart
from ecosystem.study.outcomes.measuring import NoMeasure, Numbers, numbers
from ecosystem.study.outcomes.subject import Subject
from ecosystem.study.outcomes.under_way import Unfinished
from ecosystem.study.results import Results
from ecosystem.study.sensitivity import Discovery
from ecosystem.study.sensitivity.discovery import FEWEST, HITS
from ecosystem.study.sensitivity.indices import analysed
from ecosystem.study.sensitivity.told import METHODS

CONDITIONS = 2  # that boxes are looked for
NAMES = 6  # that have rows of indices
INDICES = {
    "first": "alone",
    "total": "with others",
    "second": "beyond each alone",
    "mu_star": "μ*",
    "mu": "μ",
    "sigma": "σ",
}
METHOD = "tree"  # the same page, whatever is installed


def settings(results: Results, subject: Subject, when: str | None = None) -> Section | None:
    """Which parameters matter, in which boxes a condition holds or curation does harm, how exact the means are."""
    if not subject.sweep.swept:
        return None
    blocks = list[Any]()
    for what, found in _measured(results, subject):
        blocks += [
            block for block in _sensitivity(results, what, found) if block not in blocks
        ]  # reasons are said once
    for place, found in enumerate(_found(results, when)):
        blocks.append(Sentences(found.sentences, "Where" if place == 0 else ""))
        if len(found.parameters) > 1 and 0 < found.hits < found.points:
            blocks.append(chart(f"boxes-{place}", found.plot))
    if subject.final is not None and not subject.certain:
        blocks.append(Words(results.precision(subject.final).sentence))
    return Section("matters", "Which settings matter", blocks) if blocks else None


def _measured(results: Results, subject: Subject) -> Iterator[tuple[str, Numbers]]:
    if subject.final is not None:
        yield "alignment", subject.final
    try:
        yield "influence", numbers(results, "influence").strongest(NAMES)
    except NoMeasure:
        return


def _sensitivity(results: Results, what: str, found: Numbers) -> list:
    """A chart, and a table of what it shows with intervals."""
    try:
        told = analysed(results, found)
    except Unfinished as error:
        return [Words(f"Which settings matter cannot be told yet: {error}.", notice=True)]
    except ValueError as error:
        return [Words(f"No indices: {error}.", soft=True)]
    blocks: list = [chart(f"{what}-sensitivity", told.plot)]
    blocks += [Words(f"{note[:1].upper()}{note[1:]}.", notice=True) for note in told.notes]
    if told.method == "levels":
        return blocks
    caption = (
        f"{told.measure[:1].upper()}{told.measure[1:]}: {METHODS[told.method]}, by SALib over {told.points:,} points"
    )
    caption += f"; in brackets {told.level:.0%} intervals of the bootstrap over points."
    return [*blocks, tables.table(f"{what}-indices", _wide(told.table), caption)]


def _wide(table: pd.DataFrame) -> pd.DataFrame:
    """A row a name and parameter (or two of them), a column an index with its interval."""
    pair = table["parameter"].where(table["other"] == "", table["parameter"] + " with " + table["other"])
    cells = [_cell(*row) for row in table[["value", "low", "high"]].itertuples(index=False)]
    rows = pd.DataFrame(
        {"of": table["name"], "parameter": pair, "index": table["index"].replace(INDICES), "cell": cells}
    )
    wide = rows.pivot(index=["of", "parameter"], columns="index", values="cell").fillna("")
    order = list(dict.fromkeys(rows["index"]))
    return wide.loc[list(dict.fromkeys(zip(rows["of"], rows["parameter"], strict=True))), order].reset_index()


def _cell(value: float, low: float, high: float) -> str:
    end = "" if np.isnan(low) else f" ({number(low, 1.0)} to {number(high, 1.0)})"
    return f"{number(value, 1.0 if end else None)}{end}"


def _found(results: Results, when: str | None) -> Iterator[Discovery]:
    """The boxes in which a condition holds; then those in which curation does harm, or a member loses.

    Of these conditions those that split the points most.
    """
    if when is not None:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", RuntimeWarning)
            yield results.discover(when)
    split = sorted(_conditions(results), key=lambda held: abs(held.mean() - 0.5))[:CONDITIONS]
    for condition in split:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", RuntimeWarning)  # what is left out stands in the sentence's numbers
            yield results.discover(condition, method=METHOD)


def _conditions(results: Results) -> Iterator[pd.Series]:
    """Conditions that hold at some points and not at others."""
    points = results.points["point"]
    for measure in ("influence", "gain"):
        try:
            found = numbers(results, measure)
        except NoMeasure:
            continue
        for name, mean in zip(found.names, found.sample.mean, strict=True):
            held = pd.Series(mean < 0, index=points, name=f"{measure} of {name} < 0").astype("Float64")
            held = held.mask(np.isnan(mean))
            if held.count() >= FEWEST and HITS <= held.sum() <= held.count() - HITS:
                yield held
        return
