"""The table of claims: what is committed is what comes out, and verdicts follow from numbers."""

from __future__ import annotations

import importlib
import inspect
import itertools
import shlex
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from analysis import literature
from analysis.claims import CLAIMS, Claim, Said

TABLE = pd.read_csv(
    Path(__file__).parent.parent / "analysis" / "results" / "literature.csv",
    dtype={"source": str},
    keep_default_na=False,
)


def test_the_committed_table_has_every_claim() -> None:
    assert TABLE["claim"].tolist() == [claim.claim for claim in CLAIMS]
    assert TABLE["command"].tolist() == [claim.command for claim in CLAIMS]


def test_one_papers_rows_are_told_alone(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    rows = literature.main(["2605.20151", "--out", str(tmp_path)])
    assert rows["ours"].tolist() == [4.0] and not list(tmp_path.iterdir())
    assert "claimed 4, here 4: holds\n    ecosystem run scenarios/collapse.py" in capsys.readouterr().out
    with pytest.raises(SystemExit):
        literature.main(["1234.56789"])
    assert "no claim of 1234.56789; those here are 2002.06673" in capsys.readouterr().err


@pytest.mark.parametrize("number", range(len(CLAIMS)))
def test_what_is_committed_comes_out(number: int) -> None:
    row, committed = CLAIMS[number].row(), TABLE.iloc[number]
    for name in ("source", "claim", "sense", "verdict", "command"):
        assert row[name] == committed[name]
    for name in ("claimed", "ours", "low", "high"):
        assert row[name] == pytest.approx(committed[name], rel=1e-8, abs=1e-8)


@pytest.mark.parametrize("claim", CLAIMS, ids=lambda claim: claim.command)
def test_commands_name_scenarios_and_what_can_be_set(claim: Claim) -> None:
    words = shlex.split(claim.command)
    assert words[:2] == ["ecosystem", "run"]
    module = importlib.import_module(words[2].removesuffix(".py").replace("/", "."))
    given = [after.split("=")[0] for word, after in itertools.pairwise(words) if word == "--set"]
    assert set(given) <= set(inspect.signature(module.scenario).parameters)


@pytest.mark.parametrize(
    ("said", "found", "verdict"),
    [
        (Said(1.0), 1.0 + 1e-9, "holds"),
        (Said(1.0), 1.1, "does not hold"),
        (Said(1.0, "at most"), 0.3, "holds"),
        (Said(1.0, "at most"), 1.1, "does not hold"),
        (Said(0.0), np.array([-1.0, 1.0, -1.0, 1.0, 0.5]), "holds"),
        (Said(9.0), np.array([-1.0, 1.0, -1.0, 1.0, 0.5]), "does not hold"),
    ],
)
def test_a_verdict_follows_from_the_numbers(said: Said, found: float, verdict: str) -> None:
    assert Claim("", "", said, lambda: found, "").row()["verdict"] == verdict


def test_the_interval_is_students() -> None:
    """Of 0, 1, 2, 3: mean 1.5 and 99 % of Student's t with three degrees of freedom, 5.8409 standard errors."""
    row = Claim("", "", Said(0.0), lambda: np.arange(4.0), "").row()
    half = 5.840909 * np.std(range(4), ddof=1) / 2
    assert (row["low"], row["high"]) == pytest.approx((1.5 - half, 1.5 + half), rel=1e-6)
