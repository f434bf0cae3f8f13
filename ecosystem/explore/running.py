"""The part of the page that runs a scenario with samples: how far it is, and its verdict."""

# Solara passes its names on without saying so.
# pyright: reportPrivateImportUsage=false

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

import solara

from ecosystem.core.check import one_line
from ecosystem.explore.answers import Answer, sampled
from ecosystem.explore.latest import Latest
from ecosystem.explore.pictures import as_svg, table_of
from ecosystem.explore.pieces import Facts, Picture, Table
from ecosystem.running.run import Run
from ecosystem.running.verdicts import headline
from ecosystem.scenario import Scenario

SAMPLES, REPLICATES = 100, 4
COLUMNS = ("member", "alone", "end", "change", "error", "words")


@dataclass(frozen=True)
class Told:
    """What is known of a run: how far it is, its end, or what went wrong."""

    done: int = 0
    total: int = 0
    run: Run | None = None
    chart: str = ""
    error: str = ""
    setting: Any = None


@solara.component
def Sampled(answer: Answer, dark: bool) -> None:
    """A button that begins a run of the setting shown, with its progress, its verdicts and its chart."""
    told: Any = solara.use_reactive(None)
    samples, replicates, seed = solara.use_reactive(SAMPLES), solara.use_reactive(REPLICATES), solara.use_reactive(0)
    latest = solara.use_memo(lambda: Latest(told.set, wait=lambda: None), [])
    scenario = answer.scenario
    assert scenario is not None

    def begin() -> None:
        told.set(Told(setting=answer.setting))
        numbers = (samples.value, replicates.value, seed.value)
        latest.ask(
            lambda outdated: played(answer, *numbers, dark, told.set, outdated),
            lambda error: Told(error=f"{type(error).__name__}: {one_line(error)}", setting=answer.setting),
        )

    def stop() -> None:
        latest.drop()
        told.set(None)

    with solara.Div(classes=["card"]):
        solara.HTML(tag="h2", unsafe_innerHTML="A run with samples")
        with solara.Div(classes=["numbers"]):
            if scenario.samples is None:
                solara.InputInt("samples", value=samples)
            solara.InputInt("replicates", value=replicates)
            solara.InputInt("seed", value=seed)
        now = told.value
        busy = now is not None and now.run is None and not now.error
        with solara.Row(classes=["buttons"]):
            many = scenario.samples or samples.value
            solara.Button(
                f"Run {scenario.rounds} rounds of {many} samples", on_click=begin, color="primary", small=True
            )
            if busy:
                solara.Button("Stop", on_click=stop, outlined=True, small=True)
        if now is None:
            return
        if busy:
            solara.ProgressLinear(value=100 * now.done / now.total if now.total else True)
            solara.Text(f"{now.done} of {now.total} rounds" if now.total else "building …", classes=["note"])
        if now.error:
            solara.Error(now.error, dense=True)
        if now.run is not None:
            if now.setting != answer.setting:
                solara.Info("This run is of an earlier setting.", dense=True)
            Verdicts(now.run, now.chart)


def played(
    answer: Answer,
    samples: int,
    replicates: int,
    seed: int,
    dark: bool,
    tell: Callable[[Told], object],
    outdated: Callable[[], bool],
) -> Iterator[Told]:
    """The run, told as it goes on; it raises whatever is refused."""

    def progress(done: int, total: int) -> None:
        if not outdated():
            tell(Told(done, total, setting=answer.setting))

    scenario: Scenario | None = answer.scenario
    assert scenario is not None
    run = sampled(scenario, samples, replicates, seed, progress, outdated)
    chart = as_svg(run.plot.alignment(), dark) if run.rounds["alignment"].notna().any() else ""
    yield Told(run=run, chart=chart, setting=answer.setting)


@solara.component
def Verdicts(run: Run, chart: str) -> None:
    """Who got its users' taste and who lost it."""
    verdicts = run.verdicts
    Facts([headline(run, verdicts)])
    if len(run.failures):
        Table(table_of(run.failures), "failures")
    if len(verdicts):
        Table(table_of(verdicts, [name for name in COLUMNS if name in verdicts]), "verdicts")
    if chart:
        Picture(svg=chart, event_picked=lambda found: None)
