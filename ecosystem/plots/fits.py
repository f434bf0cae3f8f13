"""A fit beside what it was fitted to: observations and predictions round by round, residuals, and estimates."""

from __future__ import annotations

from typing import Any

import altair as alt
import numpy as np
import pandas as pd

from ecosystem.core.words import counted, number
from ecosystem.plots.chart import embedded, finish, needs, panels, rows_of, shortly
from ecosystem.plots.lines import members_colour, members_dashes
from ecosystem.plots.palette import COLOURS, MANY
from ecosystem.plots.theme import REAL

_SHAPES = ("circle", "diamond", "square")  # a second sign beside the colour, which repeats after 12 members
_BINS, _NUMBERS = 30, 24  # bars of a histogram, and of how many numbers there is one
FACTS = ("member", "round", "measure", "value", "predicted", "sd", "residual")


def fitted(residuals: pd.DataFrame) -> Any:
    """What was observed (points, and their errors) and what the fit predicts (lines), a panel for each measure.

    Of more than `MANY` members those with the largest residuals have colours and dashes, and all others are grey.

    Parameters
    ----------
    residuals
        ``fit.residuals``: member, round, measure, value, predicted, sd, residual.

    Raises
    ------
    NothingToDraw
        If a column is missing, or there are no rows.

    >>> rows = [("a", 1, "alignment", 0.5, 0.4, 0.1, 1.0), ("a", 2, "alignment", 0.6, 0.7, 0.1, -1.0)]
    >>> print(fitted(pd.DataFrame(rows, columns=list(FACTS))).description)
    Two observations of one member and the predictions of the fit; the largest residual is 1.00 standard deviations.
    """
    table = _table("fitted", residuals)
    table = table.assign(low=table["value"] - table["sd"], high=table["value"] + table["sd"])
    names, key = _named(table)
    known, others = _known(names)
    base, rest = alt.Chart(table).encode(_rounds()), alt.Detail("member:N")
    y = alt.Y("predicted:Q", title="value", scale=alt.Scale(zero=False))
    tips = ["member:N", "round:Q", *(alt.Tooltip(f"{name}:Q", format=".4~g") for name in ("value", "predicted", "sd"))]
    ours = base.transform_filter(known).encode(members_colour(names))
    bar = ours.mark_rule(opacity=0.4).encode(alt.Y("low:Q"), alt.Y2("high:Q"))
    layers = [ours.mark_line().encode(y, members_dashes(names)), bar]
    layers += [ours.mark_circle(size=28, opacity=0.9).encode(alt.Y("value:Q"), tooltip=tips)]
    if key:
        grey = base.transform_filter(others)
        point = grey.mark_circle(size=16, style=REAL).encode(alt.Y("value:Q"), tooltip=tips)
        layers = [grey.mark_line(strokeWidth=1, style=REAL).encode(y, rest), point, *layers]
    drawn = panels(alt.layer(*layers), "measure", list(dict.fromkeys(table["measure"])), 2)
    words = f"{_counts(table)} and the predictions of the fit; {_largest(table)}."
    told = ["points: observed, ± a standard deviation; lines: fitted", key]
    return finish(drawn, "Observed and fitted", words, told)


def residuals(residuals: pd.DataFrame) -> Any:
    """What the fit leaves over, ``(value − predicted)/sd``, round by round; it should look like noise of size one.

    It reads the columns of ``fit.residuals`` as :func:`fitted` does. Each member has a sign of its own, a colour and a
    shape; of more than `MANY` members those with the largest residuals do, and all others are grey.

    Raises
    ------
    NothingToDraw
        If a column is missing, or there are no rows.
    """
    table = _table("residuals", residuals)
    tips = ["member:N", "measure:N", "round:Q", alt.Tooltip("residual:Q", format=".3~g")]
    y = alt.Y("residual:Q", title="residual (standard deviations)")
    names, key = _named(table)
    known, others = _known(names)
    legend = alt.Legend(title=None, columns=1 + len(names) // 16)
    signs = [_SHAPES[i // len(COLOURS) % len(_SHAPES)] for i in range(len(names))]
    base = alt.Chart(table).encode(_rounds(), y, tooltip=tips)
    points = base.transform_filter(known).mark_point(size=44, opacity=0.8, filled=True)
    points = points.encode(
        alt.Color("member:N", scale=alt.Scale(domain=names), legend=legend),
        alt.Shape("member:N", scale=alt.Scale(domain=names, range=signs), legend=legend),
    )
    grey = [base.transform_filter(others).mark_circle(size=20, opacity=0.4, style=f"{REAL}-line")] if key else []
    band = alt.Chart(pd.DataFrame({"low": [-2], "high": [2]})).mark_rect(color="#888888", opacity=0.12)
    drawn = alt.layer(band.encode(alt.Y("low:Q"), alt.Y2("high:Q")), *grey, points)
    outside = float((table["residual"].abs() > 2).mean())
    words = f"Residuals of {_counts(table).lower()}: {100 * outside:.0f} % beyond two standard deviations; "
    told = ["within the band: two standard deviations", key]
    return finish(drawn, "What is left over", f"{words}{_largest(table)}.", told)


def estimates(estimates: pd.DataFrame) -> Any:
    """Free numbers as they were estimated, with their 95 % intervals; numbers that nothing bounds are left out.

    Parameters
    ----------
    estimates
        ``fit.estimates``: parameter, estimate, low, high.

    Raises
    ------
    NothingToDraw
        If a column is missing, or no interval is finite.
    """
    needs("estimates", "estimates", estimates, ("parameter", "estimate", "low", "high"))
    known = estimates[np.isfinite(estimates["low"]) & np.isfinite(estimates["high"])]
    needs("estimates", "estimates", known, (), "nothing bounds any of the free numbers")
    table = embedded("estimates", known[["parameter", "estimate", "low", "high"]])
    y = rows_of("parameter", list(table["parameter"]))
    tips = ["parameter:N", *(alt.Tooltip(f"{name}:Q", format=".4~g") for name in ("estimate", "low", "high"))]
    base = alt.Chart(table).encode(y, tooltip=tips)
    rule = base.mark_rule(size=2).encode(alt.X("low:Q", title="estimate"), alt.X2("high:Q"))
    drawn = alt.layer(rule, base.mark_circle(size=60, opacity=1).encode(alt.X("estimate:Q")))
    told = "; ".join(
        f"{row['parameter']} {number(row['estimate'])} ({number(row['low'])} to {number(row['high'])})"
        for row in table.head(12).to_dict("records")
    )
    return finish(drawn, "Estimates", f"Estimates and 95 % intervals: {told}.", "with 95 % intervals")


def posterior(samples: pd.DataFrame) -> Any:
    """How likely each free number is given the observations: a histogram of posterior draws for each.

    Parameters
    ----------
    samples
        ``posterior.samples``: a column for each free number, a row for each draw.

    Raises
    ------
    NothingToDraw
        If there is no number, or no draw.

    >>> print(posterior(pd.DataFrame({"level(a)": [0.25, 0.5, 0.5, 0.75]})).description)
    Posterior draws of one number: level(a) 0.500 (0.269 to 0.731).
    """
    needs("posterior", "samples", samples, list(samples.columns))
    names = list(samples.columns)[:_NUMBERS]
    rows = []
    for name in names:
        heights, edges = np.histogram(samples[name], bins=_BINS)
        rows += [
            {"parameter": str(name), "from": low, "to": high, "share": height / len(samples)}
            for low, high, height in zip(edges[:-1], edges[1:], heights, strict=True)
        ]
    base = alt.Chart(embedded("posterior", pd.DataFrame(rows)))
    tips = [*(alt.Tooltip(f"{name}:Q", format=".4~g") for name in ("from", "to")), alt.Tooltip("share:Q", format=".1%")]
    bars = base.mark_bar().encode(
        alt.X("from:Q", title=None, scale=alt.Scale(zero=False), axis=alt.Axis(tickCount=5)),
        alt.X2("to:Q"),
        alt.Y("share:Q", title="share of draws", axis=alt.Axis(format="%", tickCount=4)),
        alt.Y2(datum=0),  # with two ends along x a bar would else be a dash at its height
        tooltip=tips,
    )
    low, high = samples.quantile(0.025), samples.quantile(0.975)
    told = "; ".join(f"{n} {number(samples[n].mean())} ({number(low[n])} to {number(high[n])})" for n in names[:12])
    words = f"Posterior draws of {counted(samples.shape[1], 'number')}: {told}."
    key = f"the first {len(names)} of {samples.shape[1]} numbers" if samples.shape[1] > len(names) else ""
    drawn = panels(bars, "parameter", [str(name) for name in names], 2, shortly()).resolve_scale(x="independent")
    return finish(drawn, "Posterior", words, key)


def _table(chart: str, residuals: pd.DataFrame) -> pd.DataFrame:
    needs(chart, "residuals", residuals, FACTS)
    return embedded(chart, residuals[list(FACTS)])


def _rounds() -> alt.X:
    return alt.X("round:Q", axis=alt.Axis(tickMinStep=1, format="d"))


def _named(table: pd.DataFrame) -> tuple[list[str], str]:
    """Members with a sign of their own, in the table's order, and in words who has none, if anybody."""
    names = list(dict.fromkeys(table["member"].astype(str)))
    if len(names) <= MANY:
        return names, ""
    largest = table["residual"].abs().groupby(table["member"].astype(str)).max().nlargest(MANY).index
    key = f"coloured: the {MANY} members with the largest residuals; grey: {len(names) - MANY:,} others"
    return [name for name in names if name in set(largest)], key


def _known(names: list[str]) -> tuple[alt.FieldOneOfPredicate, Any]:
    """Rows of these members, and all others."""
    known = alt.FieldOneOfPredicate(field="member", oneOf=names)
    return known, {"not": known.to_dict()}


def _counts(table: pd.DataFrame) -> str:
    words = f"{counted(len(table), 'observation')} of {counted(table['member'].nunique(), 'member')}"
    return words[0].upper() + words[1:]


def _largest(table: pd.DataFrame) -> str:
    return f"the largest residual is {number(float(table['residual'].abs().max()))} standard deviations"
