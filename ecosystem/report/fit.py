"""The pages of a fit and of a posterior: what was estimated, how well that does, and what could not be told."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from ecosystem.core.words import joined
from ecosystem.decisions import Calibration, Fit, Posterior
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


def write_posterior(
    posterior: Posterior,
    path: str | Path,
    calibration: Calibration | None = None,
    facts: Mapping[str, Any] | None = None,
) -> Path:
    """Write the report of a posterior as :func:`write_fit` does, with its ``calibration`` if there is one."""
    shown = posterior.intervals()
    headline, *more = [*posterior.verdicts["sentence"][:1], f"{posterior.sentence[0].upper()}{posterior.sentence[1:]}."]
    more.extend(posterior.verdicts["sentence"][1:])
    blocks = [
        *([Sentences(more)] if more else []),
        table("intervals", shown, "Free numbers: posterior means, standard deviations, and 95 % intervals."),
        *charted("chart-posterior", lambda: fits.posterior(posterior.samples)),
    ]
    caption = "Sum of squared standardised residuals: of the observations, and of replicates from the posterior."
    again = [table("check", posterior.checked.table, caption)]
    sections = [
        Section("posterior", "What the observations say", blocks),
        Section("reproduced", "Whether the scenario makes what was observed", again),
    ]
    if calibration is not None:
        caption = "Chance of ranks so uneven if intervals are right, and how often intervals held the truth."
        told = [Sentences([calibration.sentence]), table("held", calibration.table, caption)]
        sections.append(Section("calibration", "How it does where the truth is known", told))
    counts = [
        ("observations", f"{len(posterior.simulator):,}"),
        ("free numbers", str(len(posterior.names))),
        ("simulations", f"{posterior.simulations:,}"),
    ]
    given = posterior.parameters.given
    return write(path, _whole(given.name, "report of a posterior", headline, sections, counts, facts or {}))


def _page(fit: Fit, facts: Mapping[str, Any]) -> Page:
    counts = [("observations", f"{len(fit.observations):,}"), ("free numbers", str(len(fit.names)))]
    sections = [_estimates(fit), _left(fit)]
    return _whole(fit.parameters.given.name, "report of a fit", _headline(fit), sections, counts, facts)


def _whole(
    name: str,
    kind: str,
    headline: str,
    sections: list[Section],
    counts: list[tuple[str, str]],
    facts: Mapping[str, Any],
) -> Page:
    """The page, with what is known of where it came from."""
    lead, about = described(facts.get("description"))
    sections += about
    if facts.get("command"):
        words = "The same command, on the same machine with the same versions, gives the same tables."
        sections.append(Section("again", "The same again", [Words(words), Code(str(facts["command"]))]))
    seen = [("data", str(facts["data"]))] if facts.get("data") else []
    return Page(name, kind, headline, sections, lead=lead, facts=[*seen, *counts])


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
