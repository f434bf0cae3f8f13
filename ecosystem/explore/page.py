"""The living page, a thin face of Solara's on :mod:`ecosystem.explore.pictures`; Solara imports it by its name."""

# Solara passes its names on without saying so.
# pyright: reportPrivateImportUsage=false

from __future__ import annotations

from functools import partial
from pathlib import Path
from typing import Any

import solara
import solara.lab

from ecosystem.core.words import safe
from ecosystem.explore.answers import compared, moved
from ecosystem.explore.controls import Control, told
from ecosystem.explore.latest import Latest
from ecosystem.explore.launch import Subject, subject
from ecosystem.explore.pictures import Shown, pictured, table_of, troubled
from ecosystem.explore.pieces import Choose, Facts, Picture, System, Table, narrow
from ecosystem.explore.running import Sampled
from ecosystem.explore.setting import Setting, arises
from ecosystem.explore.study_page import StudyPage

LOOK = (Path(__file__).parent / "page.css").read_text(encoding="utf-8")


@solara.component
def Layout(children: list[Any]) -> None:
    """The frame: nothing but the look."""
    solara.Style(LOOK)
    System(event_told=_follow_system)
    solara.Div(children=children, classes=["eco"])


@solara.component
def Page() -> None:
    """The page of what this process explores."""
    what = subject()
    solara.Title(f"{what.title} – ecosystem")
    solara.HTML(tag="h1", unsafe_innerHTML=safe(what.title))
    if what.description:
        solara.Text(what.description, classes=["lead"])
    if what.study is not None:
        StudyPage(what.study)
    else:
        ScenarioPage(what)


def _follow_system(now: dict[str, bool]) -> None:
    """Light or dark as the reader's system is, and drawings for a phone on one."""
    solara.lab.theme.dark = now["dark"]
    narrow.set(now["narrow"])


@solara.component
def ScenarioPage(what: Subject) -> None:
    """Controls on the left; what the library computes of them on the right."""
    movable = [control for control in what.controls if control.kind != "fixed" or control.value is not None]
    setting = solara.use_reactive(Setting({c.name: c.value for c in movable if c.kind != "fixed"}))
    shown: Any = solara.use_reactive(None)  # the last answer to a setting that there is
    newest: Any = solara.use_reactive(None)
    pinned: Any = solara.use_reactive(None)
    member: Any = solara.use_reactive(None)
    dark = solara.lab.use_dark_effective()

    def tell(found: Shown) -> None:
        if found.answer.scenario is not None:
            shown.set(found)
        newest.set(found)

    latest = solara.use_memo(lambda: Latest(tell), [])
    build = what.build
    assert build is not None
    ask = partial(pictured, setting.value, build, bool(dark), before=shown.value, narrow=narrow.value)
    trouble = partial(troubled, setting.value)
    begin = lambda: latest.ask(lambda outdated: ask(outdated=outdated), trouble)  # noqa: E731
    solara.use_effect(begin, [setting.value, bool(dark), narrow.value])

    def pick(found: dict[str, str]) -> None:
        if "source" in found:
            setting.set(setting.value.without(found["source"], found["target"]))
        elif "member" in found:
            member.set(found["member"])

    with solara.Div(classes=["columns"]):
        with solara.Div(classes=["controls"]):
            for control in what.controls:
                Moved(control, setting.value, setting.set)
            Code(setting.value, what.file)  # before what comes and goes: it would be made anew, and closed
            Changes(setting.value, setting.set)
            if member.value is not None and shown.value is not None:
                Curation(member.value, shown.value.answer.scenario, setting.value, setting.set)
        with solara.Div(classes=["answers"]):
            Said(newest.value, setting.value)
            if shown.value is not None:
                Answered(shown.value, pick)
                Differences(shown.value, pinned.value, pinned.set, setting.set)
                Sampled(shown.value.answer, bool(dark))


@solara.component
def Moved(control: Control, setting: Setting, change: Any) -> None:
    """One parameter: a slider, a switch, a choice, a text, or the reason why it is none of these."""
    if control.kind == "fixed":
        solara.Text(f"{control.name} = {told(control)}: fixed, {control.why}", classes=["fixed"])
        return
    value = setting.parameters[control.name]

    def taken(new: Any) -> None:
        change(setting.with_parameter(control.name, new))

    if control.kind in ("slider", "whole"):
        Slid(control, value, taken)
    elif control.kind == "switch":
        solara.Switch(label=control.name, value=value, on_value=taken)
    elif control.kind == "choice":
        words = {getattr(choice, "name", str(choice)): choice for choice in control.choices}
        now = next(word for word, choice in words.items() if choice == value)
        Choose(label=control.name, values=list(words), value=now, event_chosen=lambda word: taken(words[word]))
    else:
        solara.InputText(control.name, value=value, on_value=taken)


@solara.component
def Slid(control: Control, value: Any, taken: Any) -> None:
    """A slider with its value. What lies between its steps stays until somebody moves it."""
    solara.Text(f"{control.name} = {value:.6g}", classes=["value"])
    slider = solara.SliderFloat if control.kind == "slider" else solara.SliderInt
    bounds: Any = {"min": control.low, "max": control.high, "step": control.step}

    def moved(new: Any) -> None:
        if not control.stays(value, new):
            taken(control.taken(new))

    slider(control.name, value=value, on_value=moved, thumb_label=False, **bounds)


@solara.component
def Changes(setting: Setting, change: Any) -> None:
    """What was changed by clicks, each with a way back."""
    for u, v in setting.removed:
        solara.Button(f"put back {u} → {v}", on_click=partial(change, setting.without(u, v)), outlined=True, small=True)
    for name in setting.levels:
        undo = partial(change, setting.with_level(name, None))
        solara.Button(f"curation of {name} as before", on_click=undo, outlined=True, small=True)


@solara.component
def Curation(name: str, scenario: Any, setting: Setting, change: Any) -> None:
    """The curation level of the member that was clicked on."""
    if name not in scenario.names:
        return
    try:
        like = setting.levels[name].like if name in setting.levels else arises(scenario, name)
    except ValueError as error:
        solara.Info(str(error), dense=True)
        return
    level = setting.levels[name].level if name in setting.levels else scenario.curation(name)
    control = Control(f"curation of {name}", "slider", level)
    Slid(control, level, lambda new: change(setting.with_level(name, new, like)))


@solara.component
def Code(setting: Setting, file: str) -> None:
    """The setting as Python, to read and to take along."""
    seen = solara.use_reactive(False)
    text = setting.python(file)
    with solara.Row(classes=["buttons"]):
        solara.Button("Python of this setting", on_click=lambda: seen.set(not seen.value), outlined=True, small=True)
        if seen.value:
            solara.FileDownload(text, filename="setting.py", label="setting.py")
    if seen.value:
        solara.Preformatted(text)


@solara.component
def Said(newest: Shown | None, setting: Setting) -> None:
    """Whether something is computed, and what the library refuses: the page below stays as it was."""
    busy = newest is None or newest.answer.setting != setting or not newest.answer.done
    with solara.Div(classes=["said"], attributes={"role": "status"}):
        solara.Text("computing …" if busy else "", classes=["busy"])
        if newest is not None and newest.answer.refused:
            solara.Error(newest.answer.refused, dense=True, classes=["refused"])
        if newest is not None and newest.trouble:
            solara.Error(newest.trouble, dense=True)


@solara.component
def Answered(shown: Shown, pick: Any) -> None:
    """The network, alignments, influence and rounds of a setting."""
    answer = shown.answer
    assert answer.scenario is not None
    if answer.lawless:
        solara.Warning(f"{answer.lawless} Only a sampled run, below, can tell.", dense=True, classes=["lawless"])
    with solara.Div(classes=["card"]):
        solara.HTML(tag="h2", unsafe_innerHTML="Network")
        Picture(svg=shown.network, event_picked=pick)
        solara.Text(f"{shown.caption} A click on a flow removes it, on a member moves its curation.", classes=["note"])
    with solara.Div(classes=["card"]):
        solara.HTML(tag="h2", unsafe_innerHTML="Alignment at the stable point")
        if answer.alignment is not None:
            table = answer.alignment.rename_axis("member").rename("alignment").reset_index()
            Table(table_of(table, most=60), "alignment")
            solara.Text(f"{len(answer.scenario.names)} members, {answer.seconds * 1000:.0f} ms", classes=["note"])
        else:
            solara.Text(answer.unsettled, classes=["note"])
    with solara.Div(classes=["card"]):
        solara.HTML(tag="h2", unsafe_innerHTML="Influence: change of alignment by a whole unit of curation")
        if shown.matrix:
            Table(shown.matrix, "influence")
            solara.Text("dJ/dλ; rows are who feels it, columns whose curation is moved", classes=["note"])
        else:
            solara.Text(answer.unmoved, classes=["note"])
    with solara.Div(classes=["card"]):
        solara.HTML(tag="h2", unsafe_innerHTML="The population, round by round")
        if shown.rounds:
            Picture(svg=shown.rounds, event_picked=lambda found: None)
        else:
            solara.Text(answer.unplayed or ("" if answer.done else "…"), classes=["note"])


@solara.component
def Differences(shown: Shown, pinned: Shown | None, pin: Any, back: Any) -> None:
    """What changed since the setting that was pinned."""
    with solara.Div(classes=["card"]):
        solara.HTML(tag="h2", unsafe_innerHTML="What changed since the pinned setting")
        with solara.Row(classes=["buttons"]):
            solara.Button("Pin this setting", on_click=lambda: pin(shown), outlined=True, small=True)
            if pinned is not None:
                solara.Button("Back to it", on_click=lambda: back(pinned.answer.setting), outlined=True, small=True)
        if pinned is None:
            solara.Text("nothing is pinned", classes=["note"])
            return
        Facts(moved(shown.answer.setting, pinned.answer.setting) or ["this is the pinned setting"])
        table = compared(shown.answer, pinned.answer)
        if len(table):
            Table(table_of(table), "changes")
