"""The page of a run: one HTML file that needs nothing else, for a colleague who was not there.

    write_report(run, "runs/digits/report.html")

It opens with what happened in plain words and a table of verdicts, goes on with the charts of ``run.plot`` that the run
has something for, and what members generate, and closes with all that is needed to run it again.
"""

from __future__ import annotations

from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from ecosystem.core.words import number, shortened
from ecosystem.influence.findings import Findings
from ecosystem.plots.network import network
from ecosystem.plots.palette import MANY
from ecosystem.plots.together import together
from ecosystem.report import again, assembly, captions, samples, verdict_table
from ecosystem.report.blocks import Cell, Network, Page, Row, Section, Table, charted
from ecosystem.report.glossary import INFLUENCE, RUN, glossary
from ecosystem.report.prose import described
from ecosystem.report.tables import duration, table
from ecosystem.running import verdicts
from ecosystem.running.run import Run

POINTED = 60  # members whose sentences the page says where they are pointed at: those that the network draws one by one
CLEAR = ("gained", "lost", "rose", "fell")


def write_report(run: Run, path: str | Path, findings: Findings | None = None) -> Path:
    """Write the report of a run, finished or not, as one HTML file; makes its folder; returns the path.

    With findings of an influence analysis of the same scenario, the page has a section on them.
    """
    return assembly.write(path, page(run, findings))


def render(run: Run, findings: Findings | None = None) -> str:
    """The report as HTML; everything that comes from the run is escaped."""
    return assembly.render(page(run, findings))


def page(run: Run, findings: Findings | None = None) -> Page:
    """The report as blocks."""
    told, settings = verdicts.outcomes(run), run.settings
    lead, about = described(settings.get("description"))
    sections = [
        verdict_table.section(run, told),
        *_network(run, told),
        *_charts(run, told),
        *samples.sections(run),
        *_events(run),
    ]
    words = RUN
    if findings is not None:
        from ecosystem.report import influence

        sections += influence.sections(findings)
        words = (*RUN[:-1], *INFLUENCE, RUN[-1])
    some = told if len(told) <= POINTED else verdict_table.shown(told)
    return Page(
        title=str(settings.get("scenario", "scenario")),
        kind="report of a run",
        headline=verdicts.headline(run, told),
        sections=[*sections, *about, again.section(run)],
        notices=_notices(run),
        lead=lead,
        facts=_facts(run),
        words=glossary(*words),
        members=list(told["member"]) if len(told) <= MANY else [],
        told=dict(zip(some["member"], verdict_table.sentences(some), strict=True)),
    )


def _notices(run: Run) -> list[str]:
    """What a reader must know before believing a number: interruption, divergence."""
    notices, settings = [], run.settings
    done, planned = settings.get("completed", "?"), settings.get("rounds", "?")
    if settings.get("stopped"):
        notices.append(f"This run stopped {settings['stopped']}, after {done} of {planned} rounds.")
    elif not settings.get("finished", True):
        how = "is under way: this page was written" if settings.get("under way") else "was interrupted"
        notices.append(f"This run {how} after {done} of {planned} rounds; all below is what was recorded until then.")
    failed, total = len(run.failures[verdicts.KEYS].drop_duplicates()), verdicts.replicates(run)
    if failed:
        left = f"{'it is' if failed == 1 else 'they are'} left out of all means"
        left = "none is left to judge by" if failed >= total else left
        notices.append(f"{failed} of {total} replicates diverged; {left} (see “What went wrong”).")
    return notices


def _facts(run: Run) -> list[tuple[str, str]]:
    """The run in a few numbers."""
    settings = run.settings
    drawn, seconds = settings.get("samples"), settings.get("seconds")
    facts = [
        ("members", f"{len(run.members):,}"),
        ("flows", f"{len(run.flows):,}"),
        ("rounds", str(settings.get("completed", settings.get("rounds", "?")))),
        ("samples per member and round", "population (no sampling)" if drawn is None else f"{drawn:,}"),
        ("replicates", f"{verdicts.replicates(run):,}"),
        ("order of updates", shortened(settings.get("ordering", "?"), 60)),
    ]
    return facts + ([("time", duration(float(seconds)))] if seconds is not None else [])


def _network(run: Run, told: pd.DataFrame) -> list[Section]:
    """Who learns from whom, with what became of each; of many members also how many sources and readers they have."""
    clear = told["kind"].isin(CLEAR)
    change = told.set_index("member")["change"].where(clear.to_numpy())
    draw = partial(network, run, values=change if clear.any() else None, focusable=True)
    wide = draw()
    words = f"{wide.caption} {captions.TINT}" if clear.any() else wide.caption
    blocks: list[Any] = [Network("network", wide, draw(width=360), words)]
    if len(told) > MANY:
        blocks += charted("degrees", run.plot.degrees, captions.DEGREES)
    return [Section("coupling", "Who learns from whom", blocks)]


def _charts(run: Run, told: pd.DataFrame) -> list[Section]:
    """All charts that this run has something for, each with its words."""
    plot = run.plot
    drawn: list[tuple[str, str, list[Any]]] = [
        ("diets", "What each member trains on", charted("diets-chart", plot.diets, captions.diets(run)))
    ]
    if told["change"].notna().any():
        drawn.append(
            ("alignment", "How alignment went", charted("alignment-chart", plot.alignment, captions.alignment(told)))
        )
    for column in measures(run):
        title = column.replace("_", " ").capitalize()
        caption = f"What the measure {column.replace('_', ' ')} says of each member."
        drawn.append(
            (f"measured-{column}", title, charted(f"measured-{column}-chart", partial(plot.measured, column), caption))
        )
    welfare = charted("welfare-chart", plot.welfare)
    drawn += [
        ("welfare", "All members together", [*_welfare(run, told), *welfare] if welfare else []),
        ("tastes", "Whose output pleases whom", charted("tastes-chart", plot.tastes)),
        ("choices", "What users’ choices change", charted("choices-chart", plot.choices, captions.choices(run))),
        ("sources", "What users think of training data", charted("sources-chart", plot.sources, captions.sources(run))),
        ("draws", "What was drawn to train on", charted("draws-chart", plot.draws)),
        ("demand", "Who uses whom", charted("demand-chart", plot.demand)),
        ("change", "How much the models still move", charted("change-chart", plot.change, captions.CHANGE)),
        ("losses", "How training went", [*charted("losses-chart", plot.losses), *again.training(run)]),
    ]
    return [Section(id, title, blocks) for id, title, blocks in drawn if blocks]


def measures(run: Run) -> list[str]:
    """The columns of ``rounds`` that measures of the record have added, and that have numbers."""
    known = {"seed", "replicate", "round", "member", "updated", "alignment", "change", "loss"}
    more = [column for column in run.rounds if column not in known]
    left = verdicts.survivors(run.rounds, run.failures)
    return [column for column in more if np.isfinite(left[column].astype(float)).any()]


def _welfare(run: Run, told: pd.DataFrame) -> list[Any]:
    """Total and worst off at both ends, where they are best, and who is worst off."""
    if len(told) < 2:
        return []
    rows = []
    for what, mine in together(run.rounds, run.failures).groupby("what"):
        mine = mine.sort_values("round")
        ends = [number(mine["middle"].iloc[place]) for place in (0, -1)]
        best = [(number(row["middle"]), f"round {int(row['round'])}") for row in mine[mine["best"]].to_dict("records")]
        numbers = [*ends, *(best[0] if best else ("–", "–"))]
        rows.append(Row([Cell(str(what)), *(Cell(text, number=True) for text in numbers)]))
    caption = (
        "Alignment of all members: its sum, and the lowest of any member in each replicate; means over replicates."
    )
    rounds = verdicts.finished(run)
    ends = rounds[(rounds["round"] == rounds["round"].max()) & rounds["alignment"].notna()]
    means = ends.astype({"alignment": float}).groupby("member", sort=False)["alignment"].mean().dropna()
    if len(means):
        lowest = means.idxmin()
        caption += f" At the end {shortened(lowest, 60)} is worst off by its own mean, with {number(means[lowest])}."
    seen = told[told["end"].notna()]
    if seen["reward"].nunique() > 1:
        caption += " Tastes have scales of their own: the sum adds them up as they are."
    return [Table("welfare-table", caption, ["", "Start", "End", "Best", "Best in"], rows)]


def _events(run: Run) -> list[Section]:
    """What was changed on the way, and what went wrong."""
    found = []
    if len(run.changes):
        words = "Decisions of members and interventions from outside, in the order of rounds."
        found.append(("changes", "What was changed on the way", table("changes-table", _changes(run), words)))
    if len(run.failures):
        words = (
            "Replicates that diverged. Each was stopped at its round and left out of every mean, line and verdict "
            "above; the others went on."
        )
        found.append(("failures", "What went wrong", table("failures-table", run.failures, words)))
    return [Section(id, title, [block]) for id, title, block in found]


def _changes(run: Run) -> pd.DataFrame:
    """Changes that several replicates made in the same round are one row with their number."""
    keys = ["round", "subject", "what", "before", "after"]
    texts = run.changes.assign(**{key: run.changes[key].astype(str) for key in keys[1:]})
    counts = texts.groupby(keys, sort=True).size().reset_index(name="replicates")
    total = verdicts.replicates(run)
    return counts.assign(replicates=[f"{count} of {total}" for count in counts["replicates"]])
