"""A study's folder that somebody has touched: it reads as it was, or it is refused in one line."""

from __future__ import annotations

import json
import os
import random
import shutil
from collections.abc import Callable, Iterator
from pathlib import Path

import pandas as pd
import pytest

from ecosystem import Scenario
from ecosystem.core import journal, manifest, storage
from ecosystem.study import Results, Study, StudyFolderError
from ecosystem.study.results import traceback_of
from tests.damage import FAULTS, damage, flipped
from tests.studies import assert_same, pair, run


def build(share: float) -> Scenario:
    if share == 0.3:
        raise RuntimeError("no")
    return pair(share)


def study(**how: object) -> Study:
    how = {"grid": {"share": [0.1, 0.2, 0.3]}, "seeds": 2, **how}
    return Study("touched", build, measure=["rounds", "changes"], block=1, **how)  # type: ignore[arg-type]


@pytest.fixture(scope="module")
def done(tmp_path_factory: pytest.TempPathFactory) -> Results:
    return run(study(), tmp_path_factory.mktemp("done") / "study")


@pytest.fixture
def copied(done: Results, tmp_path: Path) -> Path:
    return Path(shutil.copytree(done.folder, tmp_path / "study"))


def read(folder: Path) -> dict[str, pd.DataFrame]:
    """All that can be read of a study."""
    results = Study.load(folder)
    traces = [traceback_of(results, file) for file in results.failures["traceback"].dropna()]
    return {name: results[name] for name in ("points", *results.tables)} | {"traces": pd.DataFrame({"text": traces})}


def refused(folder: Path, whole: dict[str, pd.DataFrame], look: Callable[[Path], object] = read) -> str:
    """The line that a folder is refused with; empty where it reads as it was."""
    try:
        found = look(folder)
    except StudyFolderError as error:
        assert "\n" not in str(error) and str(folder) in str(error) and ";" in str(error), error
        return str(error)
    if isinstance(found, dict):
        for name, table in whole.items():
            pd.testing.assert_frame_equal(found[name], table, check_exact=True, obj=name)
    return ""


def data_files(folder: Path) -> list[Path]:
    return sorted(path for path in folder.rglob("*") if path.is_file() and path.name != ".lock")


def test_whatever_is_done_to_a_file_is_seen(done: Results, tmp_path: Path) -> None:
    """Files swapped, copied over each other, edited or flipped read as if they were whole, with ``finished=True``."""
    whole, names = read(done.folder), [path.relative_to(done.folder) for path in data_files(done.folder)]
    assert len(names) == 16
    seen: list[str] = []
    for name in names:
        for fault in FAULTS:
            folder = Path(shutil.copytree(done.folder, tmp_path / "study"))
            other = folder / names[(names.index(name) + 1) % len(names)]
            alike = other.read_bytes() == (folder / name).read_bytes() and fault in ("swapped", "overwritten")
            damage(folder / name, fault, other)
            line = refused(folder, whole)
            known = str(name) in ("tables/failures/000000.parquet", "tables/failures/000001.parquet")
            assert line or known or alike, (name, fault)  # of blocks where nothing failed the manifest says so
            if line and fault in ("emptied", "halved"):
                assert str(name) in line or name.name == manifest.FILE
            seen.append(line)
            shutil.rmtree(folder)
    assert sum(map(bool, seen)) > 60


def test_flips(done: Results, copied: Path) -> None:
    """Of 200 random bytes none reads as something else; some do no harm (a blank in a manifest)."""
    whole, rng = read(done.folder), random.Random(5)
    files = data_files(copied)
    for _ in range(60):
        path = rng.choice(files)
        with flipped(path, rng):
            refused(copied, whole)
    assert not refused(copied, whole)


def edits() -> Iterator[tuple[str, Callable[[dict], object]]]:
    yield "points", lambda facts: facts["requests"][0]["points"].reverse()
    yield "seeds", lambda facts: facts["requests"][0]["seeds"].reverse()
    yield "width", lambda facts: facts["requests"][0].update(width=2)
    yield "tables", lambda facts: facts["tables"].remove("rounds")
    yield "name", lambda facts: facts.update(name="another")
    yield "forgotten", lambda facts: facts.update(forgotten=[0])


@pytest.mark.parametrize(("what", "edit"), list(edits()))
def test_a_study_json_that_was_edited(what: str, edit: Callable[[dict], object], copied: Path) -> None:
    facts = json.loads((copied / "study.json").read_text())
    edit(facts)
    (copied / "study.json").write_text(json.dumps(facts, indent=1))
    for look in (read, lambda folder: run(study(), folder)):
        assert "study.json is damaged" in refused(copied, {}, look)


def test_swapped_blocks_and_copies(done: Results, copied: Path) -> None:
    """A copied block doubled a point and dropped another, a swap emptied ``read(points=[0])``."""
    rounds = copied / "tables" / "rounds"
    one, other = rounds / "000000.parquet", rounds / "000001.parquet"
    shutil.copy(one, rounds / "000009.parquet")
    for look in (read, lambda folder: run(study(), folder)):
        assert "000009.parquet does not belong here" in refused(copied, {}, look)
    (rounds / "000009.parquet").unlink()
    assert not refused(copied, read(done.folder))
    storage.write(one, other.read_bytes(), "")
    assert "SHA-256" in refused(copied, {}) or "bytes" in refused(copied, {})
    assert "delete it and run the study again" in refused(copied, {}, lambda folder: run(study(), folder))
    one.unlink()
    with pytest.warns(RuntimeWarning, match="files of 1 blocks are missing"):
        assert_same(run(study(), copied), done)


def test_blocks_without_a_study_json_are_never_taken_for_new_ones(done: Results, copied: Path) -> None:
    """``study.json`` deleted and the code changed: the old blocks were taken for the new study's numbers."""
    (copied / "study.json").unlink()
    other = Study("other", lambda share: pair(share, level=0.1), grid={"share": [0.1, 0.2, 0.3]}, block=1)
    for more in ([], ["manifest.jsonl"], ["points.parquet"]):
        for name in more:
            (copied / name).unlink()
        line = refused(copied, {}, lambda folder: run(other, folder))
        assert "study.json" in line and "bring it back from a copy" in line
        assert refused(copied, {})


def test_without_its_manifest_a_study_can_be_read_unchecked(done: Results, copied: Path) -> None:
    """What an earlier version has written has none; so has a folder that was copied in part."""
    (copied / "manifest.jsonl").unlink()
    assert "manifest.jsonl is missing" in (line := refused(copied, {})) and "check=False" in line
    assert_same(Study.load(copied, check=False), done)


def test_half_a_manifest(done: Results, copied: Path) -> None:
    """Cut anywhere, also between two lines: files that are there and not announced are somebody else's."""
    file, whole = copied / "manifest.jsonl", read(done.folder)
    data = file.read_bytes()
    for end in range(0, len(data), 97):
        file.write_bytes(data[:end])
        assert refused(copied, whole)
    for end in [i for i, byte in enumerate(data, 1) if byte == ord("\n")][:-1]:
        file.write_bytes(data[:end])
        assert refused(copied, whole) and refused(copied, {}, lambda folder: run(study(), folder))


def test_links(copied: Path, tmp_path: Path) -> None:
    """Planted links: a traceback showed any file, the running mark and the report wrote through them."""
    secret = tmp_path / "secret"
    secret.write_text("for nobody")
    (trace,) = (copied / "tracebacks").iterdir()
    trace.unlink()
    trace.symlink_to(secret)
    for check in (True, False):
        results = Study.load(copied, check=check)
        for file in (f"tracebacks/{trace.name}", "../secret", "tracebacks/../../secret", str(secret)):
            with pytest.raises(StudyFolderError, match="none of its files"):
                traceback_of(results, file)
    for name in (".running.json", ".running.json.partial", "..running.json.partial", ".lock"):
        (copied / name).unlink(missing_ok=True)
        (copied / name).symlink_to(secret)
        try:
            Study.load(copied).store.folder.exists() and run(study(), copied, stop=lambda: True)
        except (StudyFolderError, OSError) as error:
            assert "link" in str(error) or "SHA-256" in str(error) or "bytes" in str(error)
        assert secret.read_text() == "for nobody"
        (copied / name).unlink(missing_ok=True)


def test_dangling_links_and_folders_that_are_links(done: Results, copied: Path, tmp_path: Path) -> None:
    file = copied / "tables" / "rounds" / "000000.parquet"
    file.unlink()
    file.symlink_to(tmp_path / "nowhere")
    assert "000000.parquet is a link that leads nowhere" in refused(copied, {})
    shutil.rmtree(copied / "tables" / "rounds")
    (tmp_path / "elsewhere").mkdir()
    (copied / "tables" / "rounds").symlink_to(tmp_path / "elsewhere")
    with pytest.raises(OSError, match="rounds is a link to"), pytest.warns(RuntimeWarning, match="missing"):
        run(study(), copied)
    assert not os.listdir(tmp_path / "elsewhere")


def test_a_journal_dies_at_every_step(tmp_path: Path) -> None:
    """Files of one step count together or not at all, whatever the moment, and the next step finds it so."""
    steps = ((storage, "put_beside"), (storage, "append"), (os, "replace"), (os, "fsync"))

    class Dead(BaseException):
        pass

    for fatal in range(40):
        folder, count = tmp_path / str(fatal), iter(range(1000))
        (folder).mkdir()
        with pytest.MonkeyPatch.context() as patch:

            def deadly(function: Callable, count: Iterator[int] = count, fatal: int = fatal) -> Callable:
                def step(*given: object) -> object:
                    if next(count) == fatal:
                        raise Dead
                    return function(*given)

                return step

            for module, name in steps:
                patch.setattr(module, name, deadly(getattr(module, name)))
            patch.setattr(Path, "unlink", lambda *_, **__: None)
            made = journal.Journal(folder)
            try:
                made.put({"a": b"1", "b/c": b"1"}, "")
                made.put({"a": b"2", "b/c": b"2", "d": b"2"}, "")
                ended = True
            except Dead:
                ended = False
        seen = journal.Journal(folder)
        found = {name: seen.read(name) for name in seen.entries}
        assert len(set(found.values())) <= 1 and set(found) in ({"a", "b/c"}, {"a", "b/c", "d"}, set())
        seen.recover("")
        assert {name: seen.read(name) for name in journal.Journal(folder).entries} == found
        assert not list(folder.rglob("*.partial"))
        assert all((folder / name).read_bytes() == data for name, data in found.items())
        if ended:
            break
    assert ended and fatal > 12
