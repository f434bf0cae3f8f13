"""Readers of local data: pairs of texts from files of JSON lines."""

from __future__ import annotations

import json
import re
import unicodedata
from pathlib import Path

import pytest

from ecosystem.data import read_pairs

GALLERY = Path(__file__).parent.parent / "scenarios" / "data"


def write(folder: Path, *lines: str) -> Path:
    path = folder / "pairs.jsonl"
    path.write_text("".join(f"{line}\n" for line in lines), encoding="utf-8")
    return path


def test_both_forms(tmp_path: Path) -> None:
    coedit = write(tmp_path, '{"src": "He\'s café-bound.", "tgt": "He is."}', "", '{"tgt": "b", "_id": 7, "src": "a"}')
    assert read_pairs(coedit) == read_pairs(str(coedit)) == [("He's café-bound.", "He is."), ("a", "b")]
    xsum = write(tmp_path, '{"document": "Long.\\nText.", "summary": "Short.", "id": "1"}')
    assert read_pairs(xsum, source="document", target="summary") == [("Long.\nText.", "Short.")]
    marked = tmp_path / "marked.jsonl"
    marked.write_bytes(b'\xef\xbb\xbf{"src": "a", "tgt": "b"}\r\n{"src": "c", "tgt": "d"}')  # as Windows saves it
    assert read_pairs(marked) == [("a", "b"), ("c", "d")]


def test_a_limit_reads_no_further(tmp_path: Path) -> None:
    path = write(tmp_path, *[json.dumps({"src": str(i), "tgt": ""}) for i in range(3)], "rubbish")
    assert read_pairs(path, limit=2) == [("0", ""), ("1", "")]
    assert len(read_pairs(path, limit=3)) == 3
    with pytest.raises(ValueError, match="line 4 is not JSON"):
        read_pairs(path, limit=4)


GOOD = '{"src": "a", "tgt": "b"}'


@pytest.mark.parametrize(
    ("lines", "message"),
    [
        (
            [GOOD, "", "a\tb"],
            "line 3 is not JSON (Expecting value: line 1 column 1 (char 0)): 'a\\tb'; write one object",
        ),
        ([GOOD + GOOD], "line 1 is not JSON (Extra data"),
        (['["a", "b"]'], 'line 1 holds ["a", "b"]; write one object a line: {"src": "...", "tgt": "..."}'),
        ([GOOD, "null"], "line 2 holds null; write one object a line"),
        (
            ['{"document": "a", "summary": "b"}'],
            "line 1 has no field 'src', its fields are: 'document', 'summary'; say which to read: "
            "read_pairs(path, source=..., target=...)",
        ),
        ([GOOD, '{"src": "a"}'], "line 2 has no field 'tgt', its fields are: 'src'"),
        (["{}"], "line 1 has no field 'src', its fields are: none"),
        ([GOOD, '{"src": "a", "tgt": 7}'], "line 2: the field 'tgt' holds 7; it must be a text in quotes"),
        (['{"src": null, "tgt": "b"}'], "line 1: the field 'src' holds null"),
        ([json.dumps({"src": ["word"] * 40, "tgt": "b"})], "...; it must be a text"),
        ([], 'pairs.jsonl holds no pairs; write one object a line: {"src": "...", "tgt": "..."}'),
        (["", " "], "pairs.jsonl holds no pairs"),
    ],
)
def test_refused_lines(tmp_path: Path, lines: list[str], message: str) -> None:
    path = write(tmp_path, *lines)
    with pytest.raises(ValueError, match=re.escape(message)) as caught:
        read_pairs(path)
    assert str(caught.value).startswith(str(path)) and len(str(caught.value)) < len(str(path)) + 200


def test_refused_files_and_limits(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError, match=r"cannot read pairs from .*gone\.jsonl: it does not exist; give the"):
        read_pairs(tmp_path / "gone.jsonl")
    with pytest.raises(FileNotFoundError, match="it is a folder; give the path of a file"):
        read_pairs(tmp_path)
    latin = tmp_path / "latin.jsonl"
    latin.write_bytes('{"src": "café", "tgt": "b"}'.encode("latin-1"))
    with pytest.raises(ValueError, match=r"latin\.jsonl, line 1 is not JSON \('utf-8' codec can't decode"):
        read_pairs(latin)
    for limit in (0, -1):
        with pytest.raises(ValueError, match=r"read_pairs\(limit\) must be a whole number, at least 1, .*got"):
            read_pairs(latin, limit=limit)
    for limit in (2.5, True):
        with pytest.raises(TypeError, match=r"read_pairs\(limit\) must be a whole number or None, got"):
            read_pairs(latin, limit=limit)  # type: ignore[arg-type]


def test_the_gallery_has_paraphrases() -> None:
    """What README.md beside them says: 400 pairs, no text longer than 40 words, no odd characters."""
    pairs = read_pairs(GALLERY / "coedit_paraphrase.jsonl")
    assert len(pairs) == 400 == len(set(pairs))
    for text in (text for pair in pairs for text in pair):
        assert text.strip() and len(text.split()) <= 40
        assert not any(unicodedata.category(c).startswith("C") or c == "▁" for c in text)
