"""What is computed today is what was frozen.

On the machine, with the versions and in the one thread that the fingerprint names, every bit of every frozen number is
compared. Elsewhere bits are not promised: floats may differ there by a part of the largest number of their column,
1e-9 where laws have a closed form and 1e-3 where networks are trained, whose sentences may then differ too; everything
else must be equal. A change that is meant is frozen by ``python -m tests.golden CASE``; the commit says why.
"""

from __future__ import annotations

import math

import numpy as np
import pytest

from tests.golden import store
from tests.golden.cases import CASES, Case
from tests.golden.compare import SAID, differences, told
from tests.golden.folders import uninterrupted
from tests.golden.tables import Tables

HERE = store.fingerprint() == store.frozen_fingerprint()


def compared(case: Case, frozen: Tables, now: Tables) -> list[str]:
    """What has changed, as closely as this machine can tell."""
    if HERE:
        return differences(case.name, frozen, now)
    if case.neural:
        frozen = {name: table.drop(columns=SAID & set(table)) for name, table in frozen.items()}
    return differences(case.name, frozen, now, 1e-3 if case.neural else 1e-9)


@pytest.mark.parametrize("case", CASES.values(), ids=list(CASES))
def test_the_numbers_are_the_frozen_ones(case: Case) -> None:
    lines = compared(case, store.read(case.name), case.tables())
    assert not lines, told(lines)


def test_a_run_that_goes_on_is_one_that_was_never_interrupted() -> None:
    """The frozen run was interrupted; this one is not, and has the same bits on any machine as one that was."""
    case = CASES["checkpoint"]
    whole = Case("uninterrupted", uninterrupted, neural=True).tables()
    lines = compared(case, store.read(case.name), whole)
    assert not lines, told(lines)
    if not HERE:
        assert not (lines := differences("interrupted", whole, case.tables())), told(lines)


def test_nothing_is_frozen_of_cases_that_are_gone() -> None:
    assert {path.name.split(".")[0] for path in store.FROZEN.glob("*.parquet")} == set(CASES)


# -- the comparison itself ---------------------------------------------------------------------------------------------


def moved(factor: float | None = None) -> tuple[Tables, Tables]:
    """Frozen numbers, and the same with one of them moved: by one unit in the last place, or by a factor."""
    frozen = store.read("pair")
    rounds = frozen["rounds"].copy()
    old = rounds.loc[7, "alignment"]
    rounds.loc[7, "alignment"] = np.nextafter(old, math.inf) if factor is None else old * factor
    return frozen, frozen | {"rounds": rounds}


def test_a_last_bit_is_seen_and_named() -> None:
    frozen, now = moved()
    (line,) = differences("pair", frozen, now)
    old, new = (float(tables["rounds"].loc[7, "alignment"]) for tables in (frozen, now))
    assert line.startswith("pair, table rounds, column alignment, row 7 (") and f"frozen {old!r}" in line
    assert f"now {new!r}" in line and not differences("pair", frozen, now, 1e-9)


def test_elsewhere_a_small_part_is_seen() -> None:
    frozen, now = moved(1 + 1e-6)
    assert len(differences("pair", frozen, now, 1e-9)) == 1 and not differences("pair", frozen, now, 1e-3)


def test_what_is_gone_or_of_another_kind_is_named_and_what_is_new_is_not() -> None:
    frozen, rounds = store.read("pair"), store.read("pair")["rounds"]
    assert not differences("pair", frozen, frozen | {"new": rounds, "rounds": rounds.assign(new=1)})
    for changed, words in (
        (rounds.drop(columns="loss"), "column loss: it is gone"),
        (rounds.iloc[1:], f"frozen with {len(rounds)} rows, now it has {len(rounds) - 1}"),
        (rounds.astype({"round": float}), "column round: frozen as int64, now it is float64"),
        (rounds.assign(member="phi"), "column member, row"),
        (rounds.assign(alignment=rounds["alignment"].where(rounds.index != 3)), "row 3"),
    ):
        lines = differences("pair", frozen, frozen | {"rounds": changed})
        assert lines and words in lines[0]
    assert differences("pair", frozen, {n: t for n, t in frozen.items() if n != "draws"}) == [
        "pair, table draws: it is gone"
    ]
