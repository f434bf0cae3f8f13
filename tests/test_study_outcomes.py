"""What a study's tables come to: every row counts once, and what has no end is not a mean of the rest."""

from __future__ import annotations

import os
import warnings
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

from ecosystem.study import Results, Study, identity
from ecosystem.study.outcomes.measuring import numbers
from ecosystem.study.outcomes.sample import Sample
from ecosystem.study.store import Store
from tests.studies import pair


def test_words_about_a_study_are_no_engine(monkeypatch: pytest.MonkeyPatch) -> None:
    """Folders were refused when a sentence about verdicts had changed."""
    read, seen = Path.read_bytes, set[str]()
    monkeypatch.setattr(Path, "read_bytes", lambda path: seen.add("/".join(path.parts[-3:])) or read(path))
    assert identity.engine_code.__wrapped__() == identity.engine_code()  # it is kept otherwise
    assert "ecosystem/study/work.py" in seen and "ecosystem/engine/step.py" in seen
    assert not [path for path in seen if "outcomes" in path or "plots" in path or "report/" in path]


def fickle(run: Any) -> pd.DataFrame:
    """Fails at 0.2 until it is mended: the rounds of the point are there all the same."""
    if run.settings["parameters"]["share"] == 0.2 and "STUDY_MENDED" not in os.environ:
        raise ValueError("not today")
    return pd.DataFrame({"mine": [1.0]})


def test_a_point_that_failed_first_counts_once_while_it_is_tried_again(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Until the retry ended, its rows of before stood beside the new ones: the study had no alignment at all."""
    study = Study("fickle", pair, grid={"share": [0.1, 0.2, 0.3]}, seeds=2, block=3, measure=["rounds", fickle])
    with warnings.catch_warnings(action="ignore", category=RuntimeWarning):
        before = study.run(tmp_path, workers=0)
    assert before.failed == [1] and before.failures["kind"].tolist() == ["measure"]
    monkeypatch.setenv("STUDY_MENDED", "1")
    monkeypatch.setattr(Store, "tidy", lambda *_: None)  # as one sees it before it is over
    study.run(tmp_path, workers=0, retry=True)
    again = Study.load(tmp_path)
    assert again.failed == [] and again.dataset("rounds").count_rows() == len(again.rounds) == len(before.rounds)
    pd.testing.assert_frame_equal(again.verdicts, before.verdicts)
    assert numbers(again, "mine").sample.seeds.tolist() == [[1, 1, 1]]
    some = Results(tmp_path, points=[1])
    assert some.verdicts["points"].tolist() == [1, 1]


def endless(run: Any) -> pd.DataFrame:
    """Without end at a share of 0.3, for one of the seeds."""
    rows = run.rounds[run.rounds["round"] == run.rounds["round"].max()]
    far = (rows["seed"] == 1) & (run.settings["parameters"]["share"] == 0.3)
    return rows[["seed", "replicate", "member"]].assign(mine=np.where(far, np.inf, rows["alignment"]))


def test_what_is_infinite_is_no_mean_of_the_other_seeds(tmp_path: Path) -> None:
    """It was left out of the mean without a word, and made the point look as if nothing were drawn in it."""
    results = Study("far", pair, grid={"share": [0.1, 0.3]}, seeds=3, measure=["rounds", endless]).run(
        tmp_path, workers=0
    )
    found = numbers(results, "mine").sample
    assert np.isfinite(found.mean[:, 0]).all() and (found.mean[:, 1] == np.inf).all()
    assert (found.error[:, 0] > 0).all() and np.isnan(found.error[:, 1]).all() and found.seeds.tolist() == [[3, 3]] * 2
    whole = found.average(np.zeros(2, dtype=int), 1)
    assert (whole.mean == np.inf).all() and np.isnan(whole.error).all()
    both = Sample.of(np.array([[[np.inf, -np.inf, 1.0], [-np.inf, 1.0, np.nan]]]), np.zeros(2, dtype=bool))
    assert np.isnan(both.mean[0, 0]) and both.mean[0, 1] == -np.inf and both.seeds.tolist() == [[3, 2]]
