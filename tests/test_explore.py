"""The living page without a browser: controls, settings as scenarios and as Python, and what is shown of them."""

from __future__ import annotations

import enum
import math
import re
import threading
from pathlib import Path
from typing import Annotated, Any, Literal

import pandas as pd
import pytest

from ecosystem import Flow, Linear, Location, Luce, Member, Scenario, Study
from ecosystem.cli.loading import load_build
from ecosystem.core.identity import digest
from ecosystem.explore import Control, Range, Setting, controls, maps
from ecosystem.explore.answers import Answer, answers, compared, moved, sampled
from ecosystem.explore.latest import Latest
from ecosystem.explore.launch import Guard
from ecosystem.explore.pictures import matrix_of, pictured, troubled
from ecosystem.explore.setting import arises
from ecosystem.influence import influence, stable_point
from tests.sample_page import contrast
from tests.synthetic_studies import blown

FILE = """
import enum
from typing import Annotated, Literal
from ecosystem import Flow, Linear, Location, Member, Scenario, Shift
from ecosystem.explore import Range

class Shape(enum.Enum):
    PAIR = 2
    TRIO = 3

def scenario(share: Annotated[float, Range(0, 0.95)] = 0.4, shape: Shape = Shape.TRIO, taste: Literal[1, 2] = 1):
    s = Scenario("few", rounds=6)
    names = ["a", "b", "c"][: shape.value]
    for name in names:
        member = Member(Location([1.0]), reward=Linear([float(taste)]), curator=Shift([1.0]), real=Location([0.0]))
        s.add(name, member)
    for u, v in zip(names, names[1:] + names[:1]):
        s.connect(u, v, Flow(raw=share, curated=0.1 if v == "a" else 0.0))
    return s
"""


@pytest.fixture
def file(tmp_path: Path) -> Path:
    path = tmp_path / "few.py"
    path.write_text(FILE)
    return path


def content(scenario: Scenario) -> str:
    members = [[name, scenario.member(name)] for name in scenario.names]
    return digest([members, list(scenario.graph.edges.data()), scenario.rounds, scenario.samples])


# -- controls ----------------------------------------------------------------------------------------------------------


class Shape(enum.Enum):
    RING = "ring"
    STAR = "star"


def every_kind(
    share: float = 0.5,
    strength: float = 27.0,
    cold: float = -2.0,
    readers: int = 4,
    draw: int = 0,
    loud: bool = True,
    shape: Shape = Shape.STAR,
    family: Literal["ring", "star"] = "ring",
    name: str = "anybody",
    coupling: Annotated[float, Range(0.2, 0.8, 0.1)] = 0.5,
    whole: Annotated[int, Range(2, 5)] = 3,
    samples: int | None = 64,
    nothing: int | None = None,
    order: Any = (1, 2),
    far: Annotated[float, Range(0, 1)] = 3,
) -> None: ...


def test_controls_are_read_from_the_signature() -> None:
    found = {control.name: control for control in controls(every_kind)}
    spans = {name: (c.kind, c.low, c.high) for name, c in found.items() if c.kind in ("slider", "whole")}
    assert spans == {
        "share": ("slider", 0.0, 1.0),
        "strength": ("slider", 0.0, 54.0),
        "cold": ("slider", -4.0, 0.0),
        "readers": ("whole", 1, 10),
        "draw": ("whole", 0, 10),
        "coupling": ("slider", 0.2, 0.8),
        "whole": ("whole", 2, 5),
        "samples": ("whole", 1, 128),
        "far": ("slider", 0.0, 3.0),  # what the file begins with is within reach
    }
    assert found["coupling"].step == 0.1
    assert found["loud"].kind == "switch"
    assert found["shape"].choices == (Shape.RING, Shape.STAR) and found["shape"].value is Shape.STAR
    assert found["family"].choices == ("ring", "star")
    assert found["name"].kind == "text"
    assert (found["nothing"].kind, found["nothing"].why) == ("fixed", "None is no number, switch, choice or text")
    assert found["order"].why == "a tuple is no number, switch, choice or text"


def test_what_is_given_is_where_controls_begin() -> None:
    found = {c.name: c for c in controls(every_kind, {"share": 0.25, "family": "web", "coupling": 0.9})}
    assert found["share"].value == 0.25
    assert (found["family"].kind, found["family"].value) == ("text", "web")  # none of the choices: still to be seen
    assert (found["coupling"].value, found["coupling"].high) == (0.9, 0.9)


def test_annotations_that_cannot_be_read_leave_the_defaults() -> None:
    def build(share: Annotated[float, "no range"] = 0.5, other: Nowhere = 0.5) -> None: ...  # type: ignore  # noqa: F821

    assert [(c.kind, c.high) for c in controls(build)] == [("slider", 1.0)] * 2


def test_numbers_of_sliders_have_no_dust() -> None:
    assert Control("share", "slider", 0.5).taken(0.1 + 0.2) == 0.3
    assert Control("share", "slider", 1 / 3).stays(1 / 3, 0.33)  # a slider that stands on its nearest step
    assert not Control("share", "slider", 0.33).stays(0.33, 0.34)
    assert Control("readers", "whole", 5).taken(7.0) == 7


def test_sliders_of_whole_numbers_stand_between_their_steps_too() -> None:
    """Sliders of whole numbers moved what they began with to their grid, 2 to 1."""
    few, pairs = (Control("few", "whole", 2, 1, 10, step) for step in (3, 2))
    assert few.stays(2, 1) and not few.stays(2, 4) and not few.stays(4, 1)
    assert pairs.stays(2, 3) and not pairs.stays(2, 1)  # half-way: the browser goes up, down goes a reader
    assert few.stays(10, 10) and not few.stays(10, 7)
    assert not Control("loud", "switch", True).stays(True, False)


def test_a_click_on_a_member_leaves_its_curation(file: Path) -> None:
    """A level between the slider's steps became its nearest step as soon as the slider was there."""
    solara, widgets = pytest.importorskip("solara"), pytest.importorskip("ipyvuetify")
    page = pytest.importorskip("ecosystem.explore.page")
    setting, found = Setting().with_level("a", 0.1234), []
    _, context = solara.render(page.Curation("a", setting.scenario(load_build(file)), setting, found.append))
    try:
        slider = context.find(widgets.Slider).widget
        slider.v_model = 0.12  # what the browser says of the step at which it stands
        assert found == []
        slider.v_model = 0.3
        assert [found[0].levels["a"].level, len(found)] == [0.3, 1]
    finally:
        context.close()


@pytest.mark.parametrize("given", [(1, 1), (0, float("inf")), (float("nan"), 1), (0, 1, 0), (0, 1, 2)])
def test_a_range_has_room(given: tuple[float, ...]) -> None:
    with pytest.raises(ValueError, match=r"Range\("):
        Range(*given)


# -- settings ----------------------------------------------------------------------------------------------------------


def test_the_python_of_a_setting_makes_the_same_scenario(file: Path) -> None:
    build = load_build(file)
    kinds = {c.name: c.value for c in controls(build)}
    setting = Setting(kinds).with_parameter("share", 0.3).without("b", "c").with_level("a", 0.25)
    setting = setting.with_level("b", 0.2, "a")
    scenario = setting.scenario(build)
    assert not scenario.graph.has_edge("b", "c") and scenario.curation("b") == pytest.approx(0.2)
    space: dict[str, Any] = {"__name__": "setting"}
    exec(setting.python(str(file)), space)
    again, others = space["setting"], Setting(kinds).scenario(build)
    assert content(again) == content(scenario) != content(others)


def test_clicks_are_taken_back() -> None:
    plain = Setting({"share": 0.3})
    assert plain.without("a", "b").without("a", "b") == plain
    assert plain.with_level("a", 0.5).with_level("a", None) == plain


def test_curation_arises_on_the_flow_that_is_read_most() -> None:
    s = Scenario("loop", rounds=1)
    for name in "abc":
        s.add(name, Member(Location([0.0]), reward=Linear([1.0]), curator=Luce(2), real=Location([0.0])))
    s.connect("a", "c", Flow(raw=0.2))
    s.connect("b", "c", Flow(raw=0.3))
    assert arises(s, "c") == "b"
    assert arises(s.with_curation("c", 0.1, like=("a", "c")), "c") is None
    with pytest.raises(ValueError, match="'a' reads nobody"):
        arises(s, "a")


# -- answers -----------------------------------------------------------------------------------------------------------


def last(setting: Setting, build: Any) -> Answer:
    return list(answers(setting, build))[-1]


def test_what_is_shown_is_what_the_library_computes(file: Path) -> None:
    build = load_build(file)
    setting = Setting({"share": 0.3}).without("b", "c")
    found, scenario = last(setting, build), setting.scenario(build)
    assert found.done and found.alignment is not None and found.matrix is not None and found.rounds is not None
    pd.testing.assert_series_equal(found.alignment, stable_point(scenario, starts=1).alignment, check_exact=True)
    pd.testing.assert_frame_equal(found.matrix, influence(scenario).matrix, check_exact=True)
    pd.testing.assert_frame_equal(found.rounds, scenario.run().rounds, check_exact=True)
    assert "<td" in matrix_of(found.matrix, dark=False)


def test_refusals_are_the_librarys_own_words(file: Path) -> None:
    build = load_build(file)
    found = last(Setting({"share": 0.95}), build)
    assert found.scenario is None and found.refused.startswith("shares of 'a' add up to 1.05")
    assert last(Setting({"shape": 7}), build).refused == "AttributeError: 'int' object has no attribute 'value'"
    assert last(Setting().without("a", "z"), build).refused.startswith("without in scenario 'few'")


def test_a_scenario_without_a_law_offers_the_sampled_run_alone() -> None:
    s = Scenario("lawless", rounds=3)
    member = Member(Location([0.0]), reward=lambda x: x.sum(-1) ** 3, curator=Luce(3), real=Location([0.0]))
    s.add("a", member)
    s.connect("a", "a", Flow(curated=0.5))
    found = last(Setting(), lambda: s)
    assert "no population law" in found.lawless and found.matrix is None and found.alignment is None
    told: list[tuple[int, int]] = []
    run = sampled(s, 20, 2, 0, lambda done, total: told.append((done, total)), lambda: False)
    assert told[-1] == (3, 3) and run.settings["samples"] == 20 and list(run.verdicts["member"]) == ["a"]
    stopped = sampled(s, 20, 2, 0, lambda done, total: None, lambda: True)
    assert stopped.settings["completed"] < 3


def test_members_that_do_not_curate_have_alignments_and_no_influence(file: Path) -> None:
    build = load_build(file)
    found = last(Setting().with_level("a", 0.0), build)
    assert found.alignment is not None and found.matrix is None and "there are no sources" in found.unmoved


def test_differences_from_the_pinned_setting(file: Path) -> None:
    build = load_build(file)
    before, after = (last(Setting({"share": share}), build) for share in (0.3, 0.4))
    table = compared(after, before).set_index("what")
    assert before.alignment is not None and after.alignment is not None
    row = table.loc["alignment of b"]
    assert (row["pinned"], row["now"]) == (before.alignment["b"], after.alignment["b"])
    assert row["change"] == row["now"] - row["pinned"]
    assert "effect of a on b" in table.index and len(compared(after, after)) == 0
    assert (table["change"].abs().diff().dropna() <= 0).all()
    now = Setting({"share": 0.4}).without("a", "b").with_level("c", 0.1, "b")
    assert moved(now, Setting({"share": 0.3})) == ["share: 0.3 → 0.4", "without a → b", "curation of c: 0.1"]
    assert moved(Setting(), now)[-2:] == ["a → b put back", "curation of c: as the parameters have it"]


def untroubled(error: Exception) -> str:
    raise error


def test_only_the_newest_is_told() -> None:
    """Questions that a newer one replaces are dropped, before they begin or at their next piece; asking never waits."""
    told, begun, going, end = [], [], threading.Event(), threading.Event()
    done, paused = threading.Event(), threading.Event()

    def slow(outdated: Any) -> Any:
        begun.append("slow")
        going.set()
        end.wait(10)
        yield "slow"

    def quick(name: str) -> Any:
        def work(outdated: Any) -> Any:
            begun.append(name)
            yield name
            done.set()

        return work

    latest: Latest[str] = Latest(told.append, wait=lambda: paused.wait(60))
    paused.set()
    latest.ask(slow, untroubled)
    assert going.wait(60)
    paused.clear()
    latest.ask(quick("dragged over"), untroubled)
    latest.ask(quick("newest"), untroubled)
    paused.set()
    assert done.wait(60)
    end.set()
    assert (told, begun) == (["newest"], ["slow", "newest"])


def test_the_newest_begins_beside_whatever_is_outdated() -> None:
    """Two outdated questions that were long at a piece held up the third, which is the one that counts."""
    told, end, done = [], threading.Event(), threading.Event()
    latest: Latest[str] = Latest(lambda found: (told.append(found), done.set()), wait=lambda: None)
    try:
        for _ in range(2):
            going = threading.Event()

            def slow(outdated: Any, going: threading.Event = going) -> Any:
                going.set()
                end.wait(120)
                yield "slow"

            latest.ask(slow, untroubled)
            assert going.wait(60)
        latest.ask(lambda outdated: iter(["newest"]), untroubled)
        assert done.wait(60) and told == ["newest"]
    finally:
        end.set()


@pytest.mark.parametrize("late", [False, True])
def test_what_breaks_off_is_told(late: bool) -> None:
    """An error ended its thread and nothing was said, as if the page were computing still. Outdated ones are silent."""
    told, done, asked = [], threading.Event(), threading.Event()

    def broken(outdated: Any) -> Any:
        assert not late or asked.wait(60)
        raise RuntimeError("no memory")
        yield

    latest: Latest[Any] = Latest(lambda found: (told.append(found), done.set()), wait=lambda: None)
    setting = Setting({"share": 0.3})
    latest.ask(broken, lambda error: troubled(setting, error))
    if late:
        latest.ask(lambda outdated: iter(["newest"]), untroubled)
        asked.set()
    assert done.wait(60)
    if late:
        assert told == ["newest"]
    else:
        assert told[0].trouble == "this broke off: RuntimeError: no memory"
        assert told[0].answer.done and told[0].answer.setting == setting


def test_effects_without_end_are_shown() -> None:
    """One infinite effect took the table of all away."""
    ends = pd.DataFrame([[math.inf, 1.0], [-math.inf, -1.0], [math.nan, 0.0]], list("abc"), list("ab"))
    html = matrix_of(ends, dark=False)
    styles = {words: style for style, words in re.findall(r"<td([^>]*)>([^<]*)<", html)}
    assert styles["∞"] == styles["1.00"] != styles["−∞"] == styles["−1.00"] and styles["–"] == ""
    assert "∞" in matrix_of(pd.DataFrame([[math.inf]]), dark=True)


@pytest.mark.parametrize("dark", [False, True])
def test_effects_can_be_read_on_their_tints(dark: bool) -> None:
    """In the dark the largest help stood on its blue at a contrast of 3.6."""
    html = matrix_of(pd.DataFrame([[x / 10] for x in range(-10, 11)]), dark)
    found = set(re.findall(r"background:(#\w+);color:(#\w+)", html))
    assert len(found) == 5 and all(contrast(*pair) >= 4.5 for pair in found)


def test_on_a_phone_drawings_are_as_wide_as_it(file: Path) -> None:
    """They were those of a desk, shrunk: letters of 5 pixels."""
    *_, shown = pictured(Setting(), load_build(file), dark=False, narrow=True)
    for svg in (shown.network, shown.rounds):
        wide = re.search(r'<svg[^>]* width="([\d.]+)"', svg)
        assert wide is not None and float(wide[1]) <= 400


def test_effects_without_end_are_changes() -> None:
    """One that ended was no change."""

    class Effect:
        def __init__(self, effect: float) -> None:
            self.matrix = pd.DataFrame([[effect]], ["a"], ["a"])

    def change(before: float, after: float) -> list[float]:
        now, pinned = (Answer(Setting(), effect=Effect(effect)) for effect in (after, before))  # type: ignore
        return compared(now, pinned)["change"].tolist()

    assert change(math.inf, 1.0) == [-math.inf] and change(1.0, math.inf) == [math.inf]
    assert change(math.inf, -math.inf) == [-math.inf] and change(math.inf, math.inf) == []


def test_a_drawing_that_fails_is_said_and_the_numbers_stay(file: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from ecosystem.explore import pictures

    def broken(answer: Answer, dark: bool, narrow: bool) -> Any:
        raise RuntimeError("no ink")

    monkeypatch.setattr(pictures, "drawn", broken)
    shown = list(pictured(Setting(), load_build(file), dark=False))
    assert shown[-1].trouble == "this could not be drawn: RuntimeError: no ink"
    assert shown[-1].matrix and shown[-1].rounds and shown[-1].answer.done


# -- studies -----------------------------------------------------------------------------------------------------------


def test_a_study_is_a_map_whose_points_open(file: Path, tmp_path: Path) -> None:
    study = Study("few", load_build(file), grid={"share": [0.1, 0.5], "taste": [1, 2]}, measure=["rounds", "influence"])
    study.run(tmp_path / "study", workers=0)
    results = Study.load(tmp_path / "study")
    numbers = maps.quantities(results)
    end = results.rounds[(results.rounds["round"] == 6) & (results.rounds["member"] == "a")]
    assert numbers["alignment at the end: a"].tolist() == end.sort_values("point")["alignment"].tolist()
    assert maps.swept(results) == ["share", "taste"]
    svg = maps.map_of(results.points, "share", "taste", numbers["alignment at the end: a"], [], dark=False)
    assert svg.count("data-point=") == 4 and "share = 0.1, taste = 2" in svg
    assert "influence of curation on alignment: a on b" in numbers and "failed" not in svg
    found = maps.opened(results, 2)
    assert dict(found["parameters"].itertuples(index=False)) == {"share": "0.5", "taste": "1"}
    assert set(found["rounds"]["round"]) == {6} and "network" in found["influence"]


def test_runs_that_diverged_have_no_number_on_the_map(tmp_path: Path) -> None:
    """What diverged was the darkest of all, and a point of which some runs diverged was said to have failed."""
    study = Study("blown", blown, grid={"factor": [1.0, 2e6, 1e9], "rounds": 2}, seeds=12)
    with pytest.warns(RuntimeWarning, match="2 diverged"):
        study.run(tmp_path, workers=0)
    results = Study.load(tmp_path)
    diverged = results.failures[["point", "seed", "replicate"]].drop_duplicates().assign(gone=True)
    gone = diverged.groupby("point").size()
    assert 0 < gone[1] < 12 and gone[2] == 12
    values = maps.quantities(results)["alignment at the end: a"]
    rounds = results.rounds.merge(diverged, how="left")
    end = rounds[(rounds["round"] == 2) & (rounds["member"] == "a") & rounds["gone"].isna()]
    pd.testing.assert_series_equal(
        values.dropna(), end.groupby("point")["alignment"].mean(), check_names=False, check_index_type=False
    )
    assert list(values.dropna().index) == [0, 1]
    for up in (None, "factor"):
        marks = re.findall(r"<circle.*?</circle>", maps.map_of(results.points, "factor", up, values, [1, 2], False))
        assert [mark.count("failed") for mark in marks] == [0, 0, 2]  # title and label
        assert ['fill="none"' in mark for mark in marks] == [False, False, True]


def test_quantities_without_end_are_on_the_map() -> None:
    """One infinite number took the map of all away."""
    points = pd.DataFrame({"point": range(4), "x": [0.0, 1.0, 2.0, 3.0], "k": [1.0, 2.0, math.inf, 4.0]})
    values = pd.Series([-1.0, 1.0, math.inf, -math.inf])
    for up in ("k", None):
        svg = maps.map_of(points, "x", up, values, [2], dark=False)
        assert "nan" not in svg and svg.count("∞</title>") == 2 and ": −∞</title>" in svg and "failed" not in svg
        fills = [str(found) for found in re.findall(r'fill="(#\w+)"', svg)]
        assert fills[1] == fills[2] != fills[0] == fills[3]
    assert "∞</title>" in maps.map_of(points, "x", None, pd.Series([math.inf]), [], dark=True)


# -- the server --------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("headers", "own"),
    [
        ({"host": "127.0.0.1:80"}, True),
        ({"host": "localhost:80", "origin": "http://localhost:80"}, True),
        ({"host": "elsewhere.example:80"}, False),
        ({"host": "127.0.0.1:80", "origin": "https://elsewhere.example"}, False),
        ({}, False),
    ],
)
def test_no_other_page_can_ask(headers: dict[str, str], own: bool) -> None:
    import asyncio

    asked, sent = [], []

    async def app(scope: Any, receive: Any, send: Any) -> None:
        asked.append(scope)

    async def send(message: dict[str, Any]) -> None:
        sent.append(message)

    scope = {"type": "http", "headers": [(k.encode(), v.encode()) for k, v in headers.items()]}
    asyncio.run(Guard(app, 80)(scope, None, send))
    assert bool(asked) == own and (own or sent[0]["status"] == 403)
