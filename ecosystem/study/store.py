"""What a study's folder holds: what was asked, and the tables of the blocks that are finished."""

from __future__ import annotations

import json
import os
import re
import time
from bisect import bisect_left
from collections.abc import Mapping
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import Any

import pandas as pd
import pyarrow as pa

from ecosystem.core import storage
from ecosystem.core.journal import Journal
from ecosystem.study.design import Labels
from ecosystem.study.folder import FACTS, FULL, POINTS, TRACEBACKS, StudyFolderError, mended
from ecosystem.study.plan import Block, Request, Seed
from ecosystem.study.sampling import Sampled
from ecosystem.study.tables import Tables, name_of, parts_of, read
from ecosystem.study.work import Parcel, as_bytes, parquet

FORMAT, READABLE = 3, (1, 2, 3)  # 1 has no manifest: it can be read unchecked; in 2 every block is a smallest one
_NONE: Mapping[str, str] = MappingProxyType({})
TRACEBACK = re.compile(rf"{TRACEBACKS}/[\w-]+\.txt")


@dataclass
class Facts:
    """What ``study.json`` says."""

    name: str
    names: list[str]  # of the parameters
    keys: list[str]  # digests of the points
    tables: list[str]  # of every block
    identity: dict[str, Any]
    requests: list[Request]
    created: str = field(default_factory=lambda: time.strftime("%Y-%m-%dT%H:%M:%S%z"))
    accepted: list[dict[str, Any]] = field(default_factory=list)  # changes that were let pass
    forgotten: list[int] = field(default_factory=list)  # points that were taken out again
    labels: Labels = field(default_factory=dict)  # what stands in the table of points for what is no number or text
    sampled: Sampled | None = None  # the design of SALib that was asked for last

    @property
    def seeds(self) -> list[Seed]:
        """Every pair (seed, replicate) that was asked for."""
        return list(dict.fromkeys(seed for request in self.requests for seed in request.seeds))

    @property
    def points(self) -> set[int]:
        """The points that were computed or are to be."""
        asked = {point for request in self.requests for block in request.blocks() for point in block.points}
        return asked - set(self.forgotten)

    def to_json(self) -> dict[str, Any]:
        told = {"format": FORMAT, **vars(self), "requests": [request.to_json() for request in self.requests]}
        sampled = told.pop("sampled")
        return told if sampled is None else told | {"sampled": sampled.to_json()}

    @classmethod
    def from_json(cls, given: dict[str, Any]) -> Facts:
        requests = [Request.from_json(request) for request in given["requests"]]
        sampled = Sampled.from_json(given["sampled"]) if "sampled" in given else None
        return cls(**{**given, "requests": requests, "sampled": sampled})


class Store:
    """A study's folder, read and written: the facts, the points, and the ``tables`` of its blocks.

    Without ``check`` it is read as it lies there, whatever its manifest says.
    """

    def __init__(self, folder: str | os.PathLike[str], check: bool = True) -> None:
        self.folder = storage.named(folder)
        self.journal = Journal(self.folder, check)
        self.tables = Tables(self.journal)

    # -- reading -----------------------------------------------------------------------------------------------------

    @property
    def exists(self) -> bool:
        """Whether anything of a study is there, whole or not."""
        with mended():
            known = FACTS in self.journal.entries
        return known or os.path.lexists(self.folder / FACTS) or any(self.tables.lying())

    def facts(self) -> Facts:
        """What was asked; refused where the folder is none of ours or damaged, or holds what nobody wrote there."""
        path = self.folder / FACTS
        if not self.exists:
            raise StudyFolderError(f"{self.folder} holds no study: there is no {FACTS} in it; give a study's folder")
        with mended():
            text = self.journal.read(FACTS)
            if self.journal.check:
                self.journal.refuse_strangers(self.tables.lying())
        try:
            given = json.loads(text)
            if (found := given.pop("format")) not in READABLE:
                raise StudyFolderError(f"{path} has format {found!r}; this version reads format {FORMAT}")
            return Facts.from_json(given)
        except (ValueError, KeyError, TypeError, AttributeError, RecursionError) as error:
            if isinstance(error, StudyFolderError):
                raise
            raise StudyFolderError(
                f"{path} cannot be read ({type(error).__name__}: {error}); bring it back from a copy, or choose "
                "another folder: without it nobody knows what was asked"
            ) from error

    def points(self, facts: Facts) -> pd.DataFrame:
        """The table of points, also forgotten ones."""
        with mended():
            return read(self.journal, POINTS).to_pandas().head(len(facts.keys))

    def finished(self, facts: Facts) -> set[int]:
        """The numbers of the smallest blocks whose tables were all written."""
        spans = self.tables.spans() if facts.tables else {}
        return {number for first, span in spans.items() for number in range(first, first + span)}

    def blocks(self, facts: Facts) -> list[Block]:
        """The finished blocks, as they were written."""
        spans = self.tables.spans() if facts.tables else {}
        numbers = sorted(spans)
        found = []
        for request in facts.requests:
            own = numbers[bisect_left(numbers, request.first) : bisect_left(numbers, request.numbers.stop)]
            found += [request.block(number, spans[number]) for number in own]
        return found

    def replaced(self, facts: Facts) -> dict[int, set[int]]:
        """By block, the points whose rows do not count: they were computed again since, or are forgotten."""
        retries = {number for request in facts.requests if request.retries for number in request.numbers}
        forgotten = set(facts.forgotten)
        blocks = self.blocks(facts) if retries or forgotten else []
        latest = {(p, block.seeds): block.number for block in blocks if block.number in retries for p in block.points}
        gone = {
            b.number: {p for p in b.points if p in forgotten or latest.get((p, b.seeds), b.number) > b.number}
            for b in blocks
        }
        return {number: points for number, points in gone.items() if points}

    # -- writing -----------------------------------------------------------------------------------------------------

    def begin(self, digests: bool = True) -> int:
        """Make the folder ready to be written: end what was broken off, and refuse what is damaged.

        Without ``digests`` files are told by their sizes alone. Blocks of which files are missing are put back to be
        computed again; how many.
        """
        with mended():
            self.journal.recover(FULL)
            if self.exists:
                self.facts()
            names = list(self.journal.entries)
            gone = {name for name in names if not os.path.lexists(self.folder / name)}
            blocks = {numbers for name in gone for _, numbers in parts_of(name)}
            again = [name for name in names if blocks and not blocks.isdisjoint(n for _, n in parts_of(name))]
            left_out = {*again, *(name for name in gone if TRACEBACK.fullmatch(name))}  # nothing is computed of these
            self.journal.verify([name for name in names if name not in left_out], digests)
            self.journal.drop(again, FULL)
        return len(blocks)

    def save(self, facts: Facts, points: pd.DataFrame) -> None:
        """Write down what is asked, and the points that it is asked of."""
        told = json.dumps(facts.to_json(), indent=1, default=str).encode()
        self.journal.put({POINTS: as_bytes(points), FACTS: told}, FULL)

    def keep(self, facts: Facts, block: Block, parcel: Parcel) -> None:
        """Write the tables of a block, which is finished with that, and its tracebacks."""
        self.put(block, {name: parcel.tables[name] for name in facts.tables}, parcel.tracebacks)

    def put(self, block: Block, tables: Mapping[str, bytes], tracebacks: Mapping[str, str] = _NONE) -> None:
        """Write tables of a block, all or none; no data are a table that has not even columns."""
        files = {file: text.encode(errors="backslashreplace") for file, text in tracebacks.items()}
        files |= {name_of(name, block): data for name, data in tables.items() if data}
        self.journal.put(files, FULL)

    def tidy(self, facts: Facts) -> None:
        """Take out the rows that were replaced: whoever reads the files themselves should not find them."""
        replaced = self.replaced(facts)
        for block in (block for block in self.blocks(facts) if block.number in replaced) if replaced else ():
            points, fewer = replaced[block.number], {}
            for name in facts.tables:
                if name != "blocks" and self.tables.having(name, [block]):  # its rows are about no point
                    rows = self.tables.read(name, block)
                    keep = [point not in points for point in rows["point"].to_pylist()]
                    if not all(keep):
                        fewer[name] = parquet(rows.filter(pa.array(keep)))
            if fewer:
                self.put(block, fewer)
