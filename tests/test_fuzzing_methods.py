"""Every argument of every method of a scenario and of a study with odd values: taken, or refused in one line."""

from __future__ import annotations

import pytest

from tests.fuzzing.methods import MADE, NAMES, THEIRS, right
from tests.fuzzing.odd import ODD
from tests.fuzzing.outcome import TooSlow, patience, refusal
from tests.fuzzing.results import NEVER, arguments, methods


@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize("kind", MADE)
def test_odd_values_are_refused_in_words(kind: str, tmp_path, monkeypatch) -> None:
    """Some four hundred odd values of scenarios' methods ended in an error of Python's or NetworkX's own."""
    values, raw = ODD | NEVER, []
    for name, _ in methods(MADE[kind]()):
        for place, parameter in enumerate(arguments(getattr(MADE[kind](), name))):
            for number, value in enumerate(values):
                theirs = value in ("function", "module", "type", "mute") and parameter.name in THEIRS
                if theirs or (number % 3 != place % 3 and value not in NEVER):  # each value somewhere
                    continue
                call, folder = getattr(MADE[kind](), name), tmp_path / f"{name} {place} {number}"
                folder.mkdir()
                monkeypatch.chdir(folder)
                given = right(name, {p.name for p in arguments(call)})
                try:
                    with patience(20):
                        repr(call(**(given | {parameter.name: values[value]()})))
                except (Exception, TooSlow) as error:
                    ended, text = refusal(error) if isinstance(error, Exception) else ("slow", "")
                    raw += [(name, parameter.name, value, text)] if ended != "refused" else []
                else:
                    taken = value in NEVER and not (value == "no such member" and parameter.name in NAMES)
                    raw += [(name, parameter.name, value, "taken")] if taken else []
    assert raw == []
