"""What a study's tables come to: every row counts once, and what has no end is not a mean of the rest."""

from __future__ import annotations

import os
import warnings
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.dataset as ds
import pytest
from synthetic_studies import STUDIES, duo

from ecosystem.core.words import apart
from ecosystem.report import study_charts, study_tables
from ecosystem.study import Results, Study, identity
from ecosystem.study.outcomes import story, tables
from ecosystem.study.outcomes.cautions import cautions
from ecosystem.study.outcomes.measuring import numbers
from ecosystem.study.outcomes.sample import Sample
from ecosystem.study.outcomes.subject import Subject
from ecosystem.study.outcomes.sweep import Sweep
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


class Far(Results):
    """A study in which some alignments are infinite: those of ``a`` at the start, or all."""

    everywhere, first = False, 0

    def dataset(self, table: str) -> ds.Dataset:
        if table not in ("rounds", "baseline"):
            return super().dataset(table)
        rows = super().dataset(table).to_table().to_pandas()
        begun = (rows["member"].astype(str) == "a") & (rows.get("round", 0) == 0)
        rows.loc[(begun | self.everywhere) & (rows["point"] >= self.first), "alignment"] = -np.inf
        return ds.dataset(pa.Table.from_pandas(rows))


class Farther(Far):
    everywhere = True


class Partly(Far):
    first = 2


def far(folder: Path, kind: type[Far], **how: Any) -> Subject:
    Study("far", duo, grid={"pull": [0.1, 0.5], **how}, seeds=3).run(folder, workers=0)
    return Subject(kind(folder))


def test_who_starts_without_end_has_changed(tmp_path: Path) -> None:
    """Infinite changes were "still", and said to be of one run where there are three seeds."""
    subject = far(tmp_path, Far)
    a, b = subject.verdicts
    assert (a.kind, a.told, a.compared, a.beyond) == ("boundless", "boundless", 0, 2) and b.beyond == 0
    rows = subject.results.verdicts.set_index("member")  # type: ignore[attr-defined]
    assert rows.loc["a", "verdict"] == "boundless" and rows.loc["b", "verdict"] == b.kind != "run"
    assert rows.loc["a", "sentence"].startswith("a has no finite change at two points, against the start;")
    told = " ".join([story.headline(subject, None), *story.sentences(subject), *cautions(subject)])
    assert "Against the start it has no finite change at two points." in told
    assert "Of one member some changes are infinite" in told and "ne run" not in told and "moves at no" not in told


def test_infinite_changes_are_counted_apart(tmp_path: Path) -> None:
    """Such points were among those that are compared: "gains at 2 of 3 points" where the third moved without end."""
    subject = far(tmp_path, Partly, pull=[0.5, 0.6, 0.7], samples=[None])
    a = subject.verdicts[0]
    assert (a.kind, a.gained, a.compared, a.beyond, a.points) == ("gains", 2, 2, 1, 3)
    told = subject.results.verdicts.set_index("member").loc["a", "sentence"]  # type: ignore[attr-defined]
    assert told.startswith("a gains at all 2 points, against the start; its change is infinite at one more point;")
    assert "Its change is infinite at one more point." in " ".join(story.sentences(subject))
    kept = study_tables.verdicts(subject).rows[0].cells
    assert "infinite change at 1" in " ".join(map(str, kept))


def test_where_nothing_is_finite_nothing_else_is_said(tmp_path: Path) -> None:
    """It was said that there was one seed, that round 0 was not kept, and that one value was seen."""
    subject = far(tmp_path, Farther)
    told = " ".join([story.headline(subject, None), *story.sentences(subject), *cautions(subject)])
    for untrue in ("one seed", "Round 0 was not kept", "one value", "ne run"):
        assert untrue not in told, told
    assert "is finite at no value of pull" in told and "no finite alignment" in told
    table = subject.results.verdicts  # type: ignore[attr-defined]
    assert set(table["verdict"]) == {"endless"} and table[["highest_at", "lowest_at"]].isna().all(axis=None)
    assert "far" in subject.results._repr_html_()  # type: ignore[attr-defined]


def test_there_is_no_map_of_changes_none_of_which_is_finite(tmp_path: Path) -> None:
    """The page showed why there is no chart, where none was to be expected."""
    subject = far(tmp_path, Farther, curation=[0.1, 0.3])
    section = study_charts.alignment(subject.results, subject)  # type: ignore[arg-type]
    assert section is not None and "gain" not in str(section.blocks[1].slides)


def test_points_of_unknown_chance_do_not_narrow_the_interval_of_a_mean() -> None:
    """Each counted as one without error: nine single runs beside five made the interval a tenth as wide."""
    values = np.full((1, 10, 5), np.nan)
    values[0, :, 0] = np.arange(10.0)
    values[0, 0] = np.random.default_rng(0).normal(size=5)
    sample = Sample.of(values, np.zeros(10, dtype=bool))
    whole = sample.average(np.zeros(10, dtype=int), 1)
    np.testing.assert_allclose(whole.error[0, 0], values[0, 0].std(ddof=1) / np.sqrt(5))
    assert whole.mean[0, 0] == pytest.approx(sample.mean.mean())
    alone = sample.at(np.arange(1, 10)).average(np.zeros(9, dtype=int), 1)
    assert np.isnan(alone.error).all() and alone.mean[0, 0] == 5.0


def test_values_with_braces_are_no_places_for_names(tmp_path: Path) -> None:
    """Where an effect turned round by the value ``{0}`` of another parameter, there was no page."""
    build, grid, _ = STUDIES["turns"]
    grid = {"pull": [0.1, 0.5, 0.9], "curation": [0.1, 0.5], "taste": ["same", "other"]}

    def _build(pull: float, curation: float, likes: str) -> Any:
        return build(pull, curation, {"{0}": "same", "{b": "other"}[likes], samples=None)

    grid["likes"] = ["{0}", "{b"]
    del grid["taste"]
    results = Study("braces", _build, grid=grid).run(tmp_path, workers=0)
    assert "{0}" in " ".join(story.sentences(Subject(results)))


def test_names_that_differ_are_told_apart() -> None:
    """Two values of a parameter, cut to 32 letters, were one."""
    ends = [f"/data/of/the/first/run/{part}/and/then/the/model.pt" for part in ("of may", "of june")]
    assert len(set(apart([*ends, ends[0], "a  b", "a b"], 32))) == 5
    assert apart(["short", *ends], 32)[0] == "short"


def test_intervals_end_where_no_number_can_be(tmp_path: Path) -> None:
    """Bands of ``change``, which is never below 0, reached below it: Student's t of few seeds knows no ends."""
    results = Study("pair", pair, grid={"share": [0.1, 0.3]}, seeds=2).run(tmp_path, workers=0)
    found, share = numbers(results, "change"), tables.parameter_of(Sweep.of(results), "share")
    assert (found.least, found.most) == (0.0, np.inf)
    table = tables.along(found, share)
    assert (table["low"] == 0).any() and (table["low"] >= 0).all() and (2 * table["mean"] < table["high"]).any()
    assert (tables.along(numbers(results, "alignment"), share)["low"] < 0).any()  # of which nothing is known


def test_a_place_of_one_seed_beside_others_with_more_proves_nothing() -> None:
    """It counted as certain: with one point of ten down to one seed all members of a null were found."""
    values = np.random.default_rng(0).normal(size=(20, 10, 40))
    values[:, 3, 1:] = np.nan
    chance = Sample.of(values, np.zeros(10, dtype=bool)).anywhere(1)
    assert (chance > 0).all() and (chance < 0.05).sum() <= 4  # of 20 at 5 %, by chance: more in one of 400
    alone = Sample.of(values[:, :, :1], np.zeros(10, dtype=bool)).anywhere(1)
    assert (alone == 0).any()  # where nothing is known of chance anywhere the sign is what there is
