"""A study's folder: who can read it, what happens to one that is damaged, and which ones are refused."""

from __future__ import annotations

import os
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import networkx as nx
import numpy as np
import pandas as pd
import pyarrow.dataset as ds
import pyarrow.parquet as pq
import pytest
import torch

from ecosystem import Leave, Record, Run, Scenario
from ecosystem.influence import influence
from ecosystem.study import Results, Study, StudyFolderError, of_scenario
from tests.studies import assert_same, by_duckdb, by_values, files, pair, run, touched

SHARES = (0.1, 0.2, 0.3)


def ends(run: Run) -> pd.DataFrame:
    return run.rounds.query("round == 3")[["seed", "member", "alignment"]]


def mean(run: Run) -> pd.DataFrame:
    return pd.DataFrame({"mean": [run.rounds["alignment"].mean()]})


def hops(scenario: Scenario) -> pd.DataFrame:
    return influence(scenario).hops(2)


MEASURES = ["rounds", "members", "stable_point", "influence", ends, mean, of_scenario(hops)]


def study(shares: tuple[float, ...] = SHARES, seeds: int = 2, **how: Any) -> Study:
    how = {"measure": MEASURES, "block": 1, **how}
    return Study("map", pair, grid={"share": list(shares), "level": [0.2, 0.4]}, seeds=seeds, **how)


@pytest.fixture(scope="module")
def done(tmp_path_factory: pytest.TempPathFactory) -> Results:
    return run(study(), tmp_path_factory.mktemp("done") / "deep" / "study")


@pytest.fixture
def copied(done: Results, tmp_path: Path) -> Path:
    """A folder to be damaged."""
    return Path(shutil.copytree(done.folder, tmp_path / "study"))


def damaged_at(path: Path, place: int) -> None:
    data = bytearray(path.read_bytes())
    data[place] ^= 0x40
    path.write_bytes(data)


def last_byte(column: pq.ColumnChunkMetaData) -> int:
    """Where the last page of a column ends: its numbers have a checksum, what stands before them in a page has none."""
    first = column.data_page_offset if column.dictionary_page_offset is None else column.dictionary_page_offset
    return first + column.total_compressed_size - 1


# -- reading ---------------------------------------------------------------------------------------------------------


def test_pandas(done: Results) -> None:
    results = Study.load(str(done.folder))
    assert results.name == "map" and results.parameters == ["share", "level"] and results.finished
    assert results.tables == [
        *["rounds", "baseline", "members", "stable_point", "influence", "ends", "mean", "hops", "failures", "blocks"]
    ]
    assert results.points["point"].tolist() == list(range(6)) and results.failures.empty
    assert list(results.points.columns) == ["point", "share", "level"]
    expected = pair(0.2, 0.4).run(seed=1).rounds  # point 3 is an ecosystem of its own
    found = results.rounds.query("point == 3 and seed == 1").drop(columns="point").reset_index(drop=True)
    pd.testing.assert_frame_equal(found, expected, check_exact=True)
    expected = influence(pair(0.2, 0.4)).table
    found = results.influence.query("point == 3").drop(columns="point").reset_index(drop=True)
    pd.testing.assert_frame_equal(found, expected, check_categorical=False)


def test_parameters_stand_in_one_table(done: Results) -> None:
    for table in done.tables:
        assert not {"share", "level"} & set(done[table].columns), table
        assert done[table].columns[0] == "point" or table == "blocks"
        for file in (done.folder / "tables" / table).iterdir():
            assert not {"share", "level"} & set(pq.read_schema(file).names)
    joined = done.with_parameters("ends")
    assert len(joined) == len(done["ends"]) and set(joined.columns) == {*done["ends"].columns, "share", "level"}
    assert joined.query("point == 4")[["share", "level"]].drop_duplicates().values.tolist() == [[0.3, 0.2]]
    assert list(done.with_parameters("ends", ["alignment"]).columns) == ["point", "alignment", "share", "level"]


def test_duckdb(done: Results) -> None:
    rounds, points = done.folder / "tables" / "rounds" / "*.parquet", done.folder / "points.parquet"
    found = by_duckdb(
        "select share, level, member, avg(alignment) as mean, count(*) as rows "
        f"from read_parquet('{rounds}') join read_parquet('{points}') using (point) group by all order by all"
    )
    groups = done.with_parameters("rounds").groupby(["share", "level", "member"], observed=True)["alignment"]
    expected = groups.agg(mean="mean", rows="size").reset_index()
    assert len(found) == 12 and found["rows"].tolist() == expected["rows"].tolist()
    assert found["member"].tolist() == expected["member"].astype("str").tolist()
    np.testing.assert_allclose(found["mean"], expected["mean"], rtol=1e-12)


def test_pyarrow_datasets(done: Results) -> None:
    for dataset in (done.dataset("rounds"), ds.dataset(done.folder / "tables" / "rounds")):
        assert dataset.count_rows() == len(done.rounds)
        last = dataset.to_table(columns=["point", "seed", "alignment"], filter=ds.field("round") == 3).to_pandas()
        expected = done.rounds.query("round == 3")[["point", "seed", "alignment"]].reset_index(drop=True)
        pd.testing.assert_frame_equal(last, expected, check_exact=True)


def test_only_what_is_asked_for_is_read(copied: Path) -> None:
    """Whatever is damaged elsewhere does no harm."""
    whole = Study.load(copied)
    rounds = whole.rounds
    for block in (0, 1, 3, 4, 5):
        (copied / "tables" / "rounds" / f"{block:06d}.parquet").write_bytes(b"no more")
    some = whole.read("rounds", points=[2])
    assert some.equals(rounds.query("point == 2").reset_index(drop=True))
    file = copied / "tables" / "rounds" / "000002.parquet"
    column = pq.ParquetFile(file).metadata.row_group(0).column(rounds.columns.get_loc("change"))
    damaged_at(file, last_byte(column))
    with pytest.raises(StudyFolderError, match="SHA-256"):
        whole.read("rounds", columns=["round", "alignment"], points=[2])
    whole = Study.load(copied, check=False)  # pages have checksums of their own
    assert whole.read("rounds", columns=["round", "alignment"], points=[2]).equals(some[["round", "alignment"]])
    with pytest.raises(StudyFolderError):
        whole.read("rounds", points=[2])


def test_own_functions_say_which_seeds(done: Results) -> None:
    assert done["mean"]["seeds"].eq("0 to 1, 2 of them").all() and len(done["mean"]) == 6
    assert list(done["ends"].columns) == ["point", "seed", "member", "alignment"]
    assert "seeds" not in done["hops"] and "seed" not in done["influence"]


def test_what_an_index_says_is_kept(tmp_path: Path) -> None:
    def last(run: Run) -> pd.DataFrame:
        return run.rounds.groupby(["seed", "member"], observed=True)[["alignment"]].last()

    table = run(study((0.1,), measure=[last]), tmp_path)["last"]
    assert {"seed", "member", "alignment"} <= set(table.columns)


def test_names_that_clash(tmp_path: Path) -> None:
    def build(seed: float, member: str, folder: int) -> Scenario:
        return pair(seed)

    results = run(Study("clash", build, grid={"seed": [0.1, 0.2], "member": "x", "folder": [7]}, seeds=2), tmp_path)
    joined = results.with_parameters("rounds")
    assert joined["seed"].unique().tolist() == [0, 1] and sorted(joined["member"].unique()) == ["a", "b"]
    assert joined["seed_parameter"].unique().tolist() == [0.1, 0.2]
    assert joined["member_parameter"].eq("x").all() and joined["folder"].eq(7).all()
    assert results.folder == tmp_path and results.points["seed"].tolist() == [0.1, 0.2]


def test_before_anything_is_finished(tmp_path: Path) -> None:
    results = run(study(), tmp_path, stop=lambda: True)
    assert not results.finished and results.progress().done == 0 and results.failures.empty
    assert len(results.rounds) == 0 and len(results.points) == 6 and len(results.with_parameters("rounds")) == 0
    assert list(results.read("rounds", columns=["alignment"]).columns) == ["alignment"]
    assert list(results.read("failures", columns=["kind"]).columns) == ["kind"]
    assert results.dataset("rounds").count_rows() == 0


def test_failed_blocks_do_not_hide_the_columns(tmp_path: Path) -> None:
    """The file of a block without any row has the columns of the others, or is not there."""

    def build(share: float) -> Scenario:
        if share == 0.1:
            raise RuntimeError("no")
        return pair(share)

    shares = Study("failing", build, grid={"share": [0.1, 0.2]}, measure=["rounds", "members"], block=1)
    results = run(shares, tmp_path)
    assert results.failed == [0]
    for table in ("rounds", "members"):
        assert set(ds.dataset(tmp_path / "tables" / table).schema.names) == set(results[table].columns)
        found = by_duckdb(f"select * from read_parquet('{tmp_path}/tables/{table}/*.parquet')")
        assert len(found) == len(results[table]) and set(found.columns) == set(results[table].columns)


def test_tables_with_rows_in_some_blocks_alone(tmp_path: Path) -> None:
    def build(share: float) -> Scenario:
        s = pair(share)
        if share == 0.2:
            s.at(2, Leave("a"))
        return s

    results = run(Study("leaving", build, grid={"share": [0.1, 0.2, 0.3]}, measure="changes", block=1), tmp_path)
    assert results.changes[["point", "round", "subject"]].values.tolist() == [[1, 2, "a"]]
    files_of_others = tmp_path / "tables" / "changes"
    assert by_duckdb(f"select subject from read_parquet('{files_of_others}/*.parquet')")["subject"].tolist() == ["a"]
    assert ds.dataset(files_of_others).to_table().column("subject").to_pylist() == ["a"]


def test_grids_of_arrays(tmp_path: Path) -> None:
    def build(start: Any) -> Scenario:
        return pair(float(start[0]))

    for name, make in {"tensors": torch.tensor, "arrays": np.array, "tuples": tuple}.items():
        grid = {"start": [make([0.1, 0.2]), make([0.3, 0.4])]}
        results = run(Study(name, build, grid=grid), tmp_path / name)
        assert results.finished and results.points["start"].is_unique and len(results.rounds) == 2 * 4 * 2


# -- damage ----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("table", ["rounds", "influence", "failures", "blocks"])
def test_a_file_that_is_cut_short(done: Results, copied: Path, table: str) -> None:
    file = copied / "tables" / table / "000002.parquet"
    whole = file.read_bytes()
    for size in (len(whole) - 1, len(whole) // 2, 3, 0):
        file.write_bytes(whole[:size])
        if table == "failures":  # nothing failed in this block: the manifest says so without the file
            assert Study.load(copied)[table].empty
        looks = {"failures": []}.get(table, [lambda: Study.load(copied)[table]])
        for look in (*looks, lambda: run(study(), copied)):
            with pytest.raises(StudyFolderError, match=rf"{file} is damaged.*; delete it and run the study again"):
                look()
    file.unlink()
    if table != "failures":
        with pytest.raises(StudyFolderError, match=rf"{file} is missing; run the study again"):
            Study.load(copied)[table]
    with pytest.warns(RuntimeWarning, match="files of 1 blocks are missing from .* computed again"):
        assert_same(run(study(), copied), done)
    assert files(copied) == files(done.folder)


def test_a_bit_that_flipped_in_a_page(done: Results, copied: Path) -> None:
    """Wherever it is in the numbers, it is noticed."""
    file = copied / "tables" / "rounds" / "000001.parquet"
    whole, group = file.read_bytes(), pq.ParquetFile(file).metadata.row_group(0)
    for i in range(group.num_columns):
        column = group.column(i)
        damaged_at(file, last_byte(column))
        with pytest.raises(StudyFolderError, match=f"{file} is damaged"):
            Study.load(copied)["rounds"]
        file.write_bytes(whole)
    assert Study.load(copied).rounds.equals(done.rounds)


def test_damaged_points(copied: Path) -> None:
    (copied / "points.parquet").write_bytes(b"PAR1")
    for read in (lambda: Study.load(copied).points, lambda: run(study(), copied)):
        with pytest.raises(StudyFolderError, match=r"points\.parquet is damaged.*; bring it back from a copy"):
            read()


@pytest.mark.parametrize(
    "text", ["", "{", "[]", "{}", "5", "null", '"text"', '{"format": 1}', '{"format": 1, "requests": 3}', "\xff\xfe"]
)
def test_a_damaged_study_json(copied: Path, text: str) -> None:
    (copied / "study.json").write_text(text, encoding="latin-1")
    for read in (lambda: Study.load(copied), lambda: run(study(), copied)):
        with pytest.raises(StudyFolderError, match=r"study\.json is damaged.*; bring it back from a copy"):
            read()
    with pytest.raises(StudyFolderError, match=r"study\.json (cannot be read|has format)"):
        Study.load(copied, check=False)


def test_formats_of_the_future(copied: Path) -> None:
    facts = (copied / "study.json").read_text()
    (copied / "study.json").write_text(facts.replace('"format": 3', '"format": 99'))
    with pytest.raises(StudyFolderError, match="has format 99; this version reads format 3"):
        Study.load(copied, check=False)


# -- folders that are refused ----------------------------------------------------------------------------------------


def test_folders_of_others(tmp_path: Path) -> None:
    (tmp_path / "thesis.tex").write_text("irreplaceable")
    with pytest.raises(StudyFolderError, match=r"holds no study, but thesis\.tex; choose another folder"):
        run(study(), tmp_path)
    assert os.listdir(tmp_path) == ["thesis.tex"]
    with pytest.raises(StudyFolderError, match="is a file; give a folder"):
        run(study(), tmp_path / "thesis.tex")
    for place in (tmp_path, tmp_path / "thesis.tex", tmp_path / "nowhere"):
        with pytest.raises(StudyFolderError, match=r"holds no study: there is no study\.json in it"):
            Study.load(place)
    assert os.listdir(tmp_path) == ["thesis.tex"]


def test_empty_folders_are_fine(tmp_path: Path) -> None:
    (tmp_path / ".points.parquet.partial").write_bytes(b"from a start that was broken off")
    assert run(study((0.1,), measure="rounds"), tmp_path).finished
    assert not list(tmp_path.rglob("*.partial"))


def test_other_parameters_want_another_folder(copied: Path) -> None:
    before = touched(copied)
    other = Study("map", pair, grid={"share": [0.1], "rounds": [2]}, measure=MEASURES)
    with pytest.raises(StudyFolderError, match="parameters share, level, this one has share, rounds; choose another"):
        run(other, copied)
    assert touched(copied) == before


@pytest.mark.skipif(os.geteuid() == 0, reason="root may write everywhere")
@pytest.mark.parametrize("make", [lambda place: place, lambda place: place / "new" / "folder"])
def test_a_folder_without_permission(tmp_path: Path, make: Callable[[Path], Path]) -> None:
    tmp_path.chmod(0o500)
    with pytest.raises(PermissionError, match=r"cannot be written.*choose another"):
        run(study(), make(tmp_path))


def test_points_are_told_apart_when_they_come_later(tmp_path: Path) -> None:
    """As if they had been asked for at once."""

    def build(what: Any) -> Scenario:
        return pair(0.1)

    one, other = nx.path_graph(3), nx.relabel_nodes(nx.path_graph(3), {0: 9})
    for number, values in enumerate([(one, other), (1, True), (0.5, "half"), (1, 2.5)]):
        for value in (values[:1], values):
            results = run(Study("later", build, grid={"what": list(value)}), tmp_path / f"{number}")
        assert results.points["what"].is_unique, values


def test_what_is_recorded_can_be_little(tmp_path: Path) -> None:
    rounds = run(study((0.1,), measure="rounds", record=Record(last=1)), tmp_path).rounds
    assert rounds["round"].unique().tolist() == [3] and len(rounds) == 2 * 2 * 2
    assert by_values(Study.load(tmp_path), "rounds")["level"].unique().tolist() == [0.2, 0.4]
