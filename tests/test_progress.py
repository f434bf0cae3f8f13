"""How far something is: lines where output goes to a file, bars where somebody looks, events of the logger."""

from __future__ import annotations

import io
import logging
import sys
import time
from collections.abc import Callable
from pathlib import Path

import pytest
from rich.console import Console

from ecosystem import Checkpoints, Ecosystem, Study
from ecosystem.core import progress
from ecosystem.core.progress import Bar, Lines, metered
from ecosystem.influence import measure_influence
from ecosystem.study import Progress
from tests.studies import HERE, pair


def studied(folder: Path, progress: bool | Callable[[Progress], object]) -> None:
    Study("shares", pair, grid={"share": [0.1, 0.2, 0.3]}, block=1).run(folder, engine=HERE, progress=progress)


DOING = {
    "Scenario.run": lambda folder: pair().run(progress=True),
    "Ecosystem.run": lambda folder: Ecosystem(pair()).run(progress=True),
    "Study.run": lambda folder: studied(folder / "study", True),
    "measure_influence": lambda folder: measure_influence(pair(), seeds=2, sources=["b"], progress=True),
}
SAID = {
    "Scenario.run": "pair: 3 of 3 rounds",
    "Ecosystem.run": "pair: 3 of 3 rounds",
    "Study.run": "shares: 3 of 3 points",
    "measure_influence": "pair: 3 of 3 rounds of paired runs",
}


@pytest.mark.filterwarnings("ignore:the long run has not been reached")
@pytest.mark.parametrize("what", DOING)
def test_a_file_gets_lines(what: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Nothing was shown outside a terminal, and from Python there was no way to ask for it."""
    out = io.StringIO()
    monkeypatch.setattr(sys, "stderr", out)
    DOING[what](tmp_path)
    lines = out.getvalue().splitlines()
    assert lines and lines[-1].startswith(SAID[what]) and len(lines) <= 3


def test_lines_come_ever_less_often(monkeypatch: pytest.MonkeyPatch) -> None:
    clock = 0.0
    monkeypatch.setattr(progress.time, "monotonic", lambda: clock)
    out = io.StringIO()
    lines = Lines("long", "rounds", out)
    for second in range(3600):
        clock = float(second)
        lines.now(second, 3600, "")
    lines.close()
    said = out.getvalue().splitlines()
    assert said[0] == "long: 2 of 3600 rounds" and said[-1] == "long: 3599 of 3600 rounds"
    assert 60 <= len(said) <= 70


def test_what_takes_long_before_anything_is_counted_is_said(monkeypatch: pytest.MonkeyPatch) -> None:
    """Building a scenario may train models for minutes."""
    monkeypatch.setattr(progress, "_FIRST", 0.01)
    out = io.StringIO()
    quick, long = Lines("quick", "rounds", out), Lines("long", "rounds", out)
    long.phase("building")
    while "building" not in out.getvalue():
        time.sleep(0.01)
    long.now(1, 1, "")
    long.close()
    monkeypatch.setattr(progress, "_FIRST", 1000.0)
    quick.phase("building")
    quick.now(1, 1, "")
    quick.close()
    assert out.getvalue() == "long: building\nlong: 1 of 1 rounds\nquick: 1 of 1 rounds\n"


def test_the_first_count_is_said_soon_though_the_next_takes_long(monkeypatch: pytest.MonkeyPatch) -> None:
    """Who goes on with a study of long blocks saw nothing before the first of them was done."""
    monkeypatch.setattr(progress, "_SOON", 0.01)
    monkeypatch.setattr(progress, "_FIRST", 1000.0)
    out = io.StringIO()
    lines = Lines("long", "points", out)
    lines.now(57, 304, "")
    while "57" not in out.getvalue():
        time.sleep(0.01)
    lines.phase("waiting", at_once=True)
    while "waiting" not in out.getvalue():
        time.sleep(0.01)
    lines.close()
    assert out.getvalue() == "long: 57 of 304 points\nlong: waiting\n"


def test_the_last_count_before_a_phase_is_said(monkeypatch: pytest.MonkeyPatch) -> None:
    """The count that waited for its turn was forgotten when a phase after it was said."""
    monkeypatch.setattr(progress, "_FIRST", 0.01)
    monkeypatch.setattr(progress.time, "monotonic", lambda: 0.0)  # no count is due
    out = io.StringIO()
    lines = Lines("long", "rounds", out)
    for done in range(1, 8):
        lines.now(done, 7, "")
    lines.phase("saving")
    while "saving" not in out.getvalue():
        time.sleep(0.01)
    lines.close()
    assert out.getvalue() == "long: 7 of 7 rounds\nlong: saving\n"


def test_a_terminal_gets_a_bar_and_names_do_nothing_in_it() -> None:
    out = io.StringIO()
    bar = Bar("[red]\x1b[2J", "rounds", Console(file=out, force_terminal=True, width=100))
    bar.phase("building")
    bar.now(3, 4, "2/s")
    bar.close()
    assert "[red]␛[2J" in out.getvalue() and "3/4" in out.getvalue() and "rounds, 2/s" in out.getvalue()


def test_who_asks_for_nothing_sees_nothing(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    pair().run()
    studied(tmp_path / "study", False)
    assert capsys.readouterr() == ("", "")


def test_functions_are_told(tmp_path: Path) -> None:
    seen: list[object] = []
    pair().run(progress=lambda done, total: seen.append((done, total)))
    assert seen == [(1, 3), (2, 3), (3, 3)]
    told: list[Progress] = []
    studied(tmp_path / "study", told.append)
    assert [now.done for now in told] == [0, 1, 2, 3] and told[-1].note.endswith("/s")
    with pytest.raises(TypeError, match=r"progress is True, False, or a function .*, got 'yes'"):
        pair().run(progress="yes")  # type: ignore[arg-type]


def test_the_logger_hears_of_beginnings_ends_and_what_is_gone_on_with(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    """There was no logging at all."""
    caplog.set_level(logging.DEBUG, logger="ecosystem")
    pair().run(checkpoints=Checkpoints(tmp_path / "saved"))
    pair(rounds=5).run(checkpoints=Checkpoints(tmp_path / "saved"))
    studied(tmp_path / "study", False)
    info = [record.getMessage() for record in caplog.records if record.levelno == logging.INFO]
    steps = [record.getMessage() for record in caplog.records if record.levelno == logging.DEBUG]
    assert info[:2] == ["pair: building", "pair: 3 of 3 rounds are played"]
    assert info[2:5] == ["pair: building", "pair: going on after round 3", "pair: 5 of 5 rounds are played"]
    assert "shares: 3 of 3 blocks are to be computed" in info
    assert "pair: 1 of 3 rounds" in steps and f"round 3 is saved in {tmp_path / 'saved'}" in steps
    assert any(isinstance(handler, logging.NullHandler) for handler in progress.LOG.handlers)


def test_a_meter_closes_what_it_opened_when_something_is_raised(monkeypatch: pytest.MonkeyPatch) -> None:
    out = io.StringIO()
    monkeypatch.setattr(sys, "stderr", out)
    with pytest.raises(KeyboardInterrupt), metered(True, "broken", "rounds") as meter:
        meter.now(1, 3)
        raise KeyboardInterrupt
    assert out.getvalue() == "broken: 1 of 3 rounds\n"
