"""Pairs of texts from files: one JSON object a line."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from ecosystem.core.check import one_line, whole_number
from ecosystem.core.kinds import typed
from ecosystem.core.storage import named


@typed
def read_pairs(
    path: str | Path, source: str = "src", target: str = "tgt", limit: int | None = None
) -> list[tuple[str, str]]:
    """The (source, target) texts of a file with one JSON object a line (UTF-8), at most the first ``limit``.

    CoEdIT's lines are ``{"src": ..., "tgt": ...}``, the defaults; XSum's are read with ``source="document",
    target="summary"``. Other fields are passed over, blank lines skipped.

    Raises
    ------
    FileNotFoundError
        If there is no such file.
    ValueError
        If a line is no JSON object, lacks a field or has something else than text in it (the message gives its
        number), if the file holds no pairs, or ``limit`` is less than 1.

    >>> import tempfile
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     file = Path(folder) / "pairs.jsonl"
    ...     _ = file.write_text('{"document": "It rained all day.", "summary": "Rain."}')
    ...     read_pairs(file, source="document", target="summary")
    [('It rained all day.', 'Rain.')]
    """
    path = named(path)
    if limit is not None:
        whole_number(limit, "read_pairs(limit)", 1, instead="or None for all")
    if not path.is_file():
        what = "is a folder" if path.is_dir() else "does not exist"
        raise FileNotFoundError(
            f"cannot read pairs from {one_line(path)}: it {what}; give the path of a file of JSON lines"
        )
    pairs: list[tuple[str, str]] = []
    with path.open("rb") as file:
        for number, line in enumerate(file, start=1):
            if line.strip():
                fields = _object(line, f"{path}, line {number}", source, target)
                pairs.append((fields[source], fields[target]))
            if len(pairs) == limit:
                break
    if not pairs:
        raise ValueError(f"{path} holds no pairs; write one object a line: {_form(source, target)}")
    return pairs


def _object(line: bytes, where: str, source: str, target: str) -> dict[str, Any]:
    """The fields of one line, with texts in the two that count."""
    try:
        fields = json.loads(line)
    except ValueError as error:  # also bytes that are no UTF-8
        start = line[:40].decode(errors="replace").strip()
        raise ValueError(
            f"{where} is not JSON ({error}): {start!r}; write one object a line: {_form(source, target)}"
        ) from error
    if not isinstance(fields, dict):
        raise ValueError(f"{where} holds {_short(fields)}; write one object a line: {_form(source, target)}")
    for name in (source, target):
        if name not in fields:
            there = ", ".join(map(repr, fields)) or "none"
            raise ValueError(
                f"{where} has no field {name!r}, its fields are: {there}; say which to read: "
                "read_pairs(path, source=..., target=...)"
            )
        if not isinstance(fields[name], str):
            raise ValueError(f"{where}: the field {name!r} holds {_short(fields[name])}; it must be a text in quotes")
    return fields


def _form(source: str, target: str) -> str:
    return json.dumps({source: "...", target: "..."})


def _short(value: Any) -> str:
    text = json.dumps(value)
    return text if len(text) <= 40 else f"{text[:37]}..."
