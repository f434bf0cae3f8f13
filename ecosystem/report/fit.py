"""The page of a fit: what was estimated, how well it fits what was observed, and what could not be told."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from ecosystem.core.words import joined
from ecosystem.decisions import Fit
from ecosystem.plots import fits
from ecosystem.report.assembly import render, write
from ecosystem.report.blocks import Code, Page, Section, Sentences, Words, charted
from ecosystem.report.prose import described
from ecosystem.report.tables import table


def write_fit(fit: Fit, path: str | Path, facts: Mapping[str, Any] | None = None) -> Path:
    """Write the report of a fit as one HTML file; makes its folder; returns the path.

    ``facts`` are where it came from, as the command line knows them: description, command, data.
    """
    return write(path, _page(fit, facts or {}))


def render_fit(fit: Fit, facts: Mapping[str, Any] | None = None) -> str:
    """The page as HTML; everything that comes from the scenario is escaped."""
    return render(_page(fit, facts or {}))


def _page(fit: Fit, facts: Mapping[str, Any]) -> Page:
    lead, about = described(facts.get("description"))
    sections = [_estimates(fit), _left(fit), *about]
    if facts.get("command"):
        words = "The same command, on the same machine with the same versions, gives the same tables."
        sections.append(Section("again", "The same again", [Words(words), Code(str(facts["command"]))]))
    seen = [("data", str(facts["data"]))] if facts.get("data") else []
    counts = [("observations", f"{len(fit.observations):,}"), ("free numbers", str(len(fit.names)))]
    name = fit.parameters.given.name
    return Page(name, "report of a fit", _headline(fit), sections, lead=lead, facts=[*seen, *counts])


def _headline(fit: Fit) -> str:
    """Whether it fits, and how much of it can be told; the estimates stand in the first sentence below."""
    words = str(fit.verdicts["sentence"].iloc[0])
    return f"{words} Unbounded: {joined(fit.unbounded)}." if fit.unbounded else words


def _estimates(fit: Fit) -> Section:
    shown = table("numbers", fit.estimates, "Free numbers: as the scenario had them, and estimated.")
    sentences = Sentences([fit.sentence, *fit.verdicts["sentence"].iloc[1:]])
    return Section(
        "estimates",
        "Which ecosystem this is",
        [sentences, shown, *charted("chart-estimates", lambda: fits.estimates(fit.estimates))],
    )


def _left(fit: Fit) -> Section:
    columns = ["member", "round", "measure", "value", "sd", "predicted", "residual"]
    blocks = [
        *charted("chart-fitted", lambda: fits.fitted(fit.residuals)),
        *charted("chart-residuals", lambda: fits.residuals(fit.residuals)),
        table("observations", fit.residuals[columns], "Every observation, and what the fit says of it."),
    ]
    return Section("residuals", "What was observed, and what the fit says", blocks)
