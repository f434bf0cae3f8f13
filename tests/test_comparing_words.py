"""Runs side by side, in words: each of them is made, drawn and told of in the manual."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from test_comparing import only, told
from test_plots import data

from ecosystem import Run, compare, plots
from ecosystem.running.comparing import NOTES, WORDS


def every_word() -> dict[str, pd.DataFrame]:
    """A comparison for each of the words."""
    base = told({0: 1.0, 1: 2.0, 2: 3.0})
    left = told({0: 1.0, 1: 2.0, 2: 3.0})
    left.rounds.loc[left.rounds["round"] == 1, "alignment"] = np.nan
    pairs: dict[str, tuple[Run, Run]] = {
        "missing": (base, told({0: 1.0}, member="b")),
        "none": (base, told({0: np.nan}, reward="none")),
        "unknown": (base, told({0: 1.0, 1: 2.0, 2: 3.0})),
        "taste": (base, told({0: 1.0}, reward="another")),
        "diverged": (base, told({0: 1.0, 1: 2.0, 2: 3.0}, failed=(0, 1, 2))),
        "gone": (base, left),
        "one infinite": (base, told({0: -np.inf})),
        "infinite": (told({0: -np.inf}), told({0: -np.inf})),
        "same": (base, base),
        "above": (base, told({0: 2.0, 1: 3.1, 2: 4.2})),
        "below": (base, told({0: 0.0, 1: 0.9, 2: 1.8})),
        "one above": (base, told({1: 3.0})),
        "one below": (base, told({1: 1.0})),
        "lone above": (base, told({9: 5.0})),
        "lone below": (base, told({9: -5.0})),
        "few": (base, told({0: 2.0, 1: 4.0})),
        "unclear": (base, told({0: 3.0, 1: 0.0, 2: 3.5})),
    }
    pairs["unknown"][1].rounds["alignment"] = np.nan
    return {key: compare({"base": one, "run": other}) for key, (one, other) in pairs.items()}


def test_the_chart_says_what_the_words_say() -> None:
    """What is higher in one pair alone was drawn as a clear gain, and no difference as an unclear one."""
    told_by = every_word()
    assert list(told_by) == list(WORDS)
    sides = {"above": "gains", "below": "harms", "same": "no difference"}
    drawn = set()
    for key, table in told_by.items():
        assert set(table["words"]) == {WORDS[key]}
        for words in (WORDS[key], f"{WORDS[key]}; {NOTES['rounds']}"):
            if np.isfinite(table["difference"]).any():
                drawn.add(key)
                assert set(data(plots.compared(table.assign(words=words)))["side"]) == {sides.get(key, "unclear")}
            else:
                with pytest.raises(plots.NothingToDraw, match="words says why"):
                    plots.compared(table.assign(words=words))
    assert drawn == {"same", "above", "below", "few", "unclear"} | {
        f"{n} {s}" for n in ("one", "lone") for s in ("above", "below")
    }


def test_a_population_judged_once_is_sure_and_drawn_so() -> None:
    row = compare({"b": told({0: 1.0}, samples=None), "o": told({0: 2.0}, samples=None)})
    assert only(row)["words"] == WORDS["above"] and set(data(plots.compared(row))["side"]) == {"gains"}


def test_the_manual_has_all_words() -> None:
    """It lacked two of them."""
    text = (Path(__file__).parents[1] / "docs" / "howto" / "compare.md").read_text(encoding="utf-8")
    rows = [line.split("|")[1] for line in text.splitlines() if line.startswith("| `")]
    found = [part for row in rows for part in row.split("`")[1::2] if part != "words"]
    assert sorted(found) == sorted([*WORDS.values(), *NOTES.values()])
