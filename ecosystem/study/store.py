"""What a study's folder holds: what was asked, and the tables of the blocks that are finished."""

from __future__ import annotations

import json
import os
import time
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pandas as pd

from ecosystem.study.folder import FACTS, POINTS, TABLES, StudyFolderError, read, write, write_text
from ecosystem.study.plan import Block, Request, Seed
from ecosystem.study.tables import Tables
from ecosystem.study.work import Parcel, as_bytes

FORMAT = 1


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
        return {"format": FORMAT, **vars(self), "requests": [request.to_json() for request in self.requests]}

    @classmethod
    def from_json(cls, given: dict[str, Any]) -> Facts:
        requests = [Request.from_json(request) for request in given["requests"]]
        return cls(**{**given, "requests": requests})


class Store:
    """A study's folder, read and written: the facts, the points, and the ``tables`` of its blocks."""

    def __init__(self, folder: str | os.PathLike[str]) -> None:
        self.folder = Path(folder)
        self.tables = Tables(self.folder / TABLES)

    # -- reading -----------------------------------------------------------------------------------------------------

    @property
    def exists(self) -> bool:
        return (self.folder / FACTS).is_file()

    def facts(self) -> Facts:
        """What was asked; refused where the folder is none of ours or damaged."""
        path = self.folder / FACTS
        if not path.is_file():
            raise StudyFolderError(f"{self.folder} holds no study: there is no {FACTS} in it; give a study's folder")
        try:
            given = json.loads(path.read_text(encoding="utf-8"))
            if (found := given.pop("format")) != FORMAT:
                raise StudyFolderError(f"{path} has format {found!r}; this version reads format {FORMAT}")
            return Facts.from_json(given)
        except (ValueError, KeyError, TypeError, AttributeError, OSError) as error:
            if isinstance(error, StudyFolderError):
                raise
            raise StudyFolderError(
                f"{path} cannot be read ({type(error).__name__}: {error}); bring it back from a copy, or choose "
                "another folder: without it nobody knows what was asked"
            ) from error

    def points(self, facts: Facts) -> pd.DataFrame:
        """The table of points, also forgotten ones; what the facts do not know is from a start that was broken off."""
        return read(self.folder / POINTS).to_pandas().head(len(facts.keys))

    def finished(self, facts: Facts) -> set[int]:
        """The blocks whose tables are all there."""
        numbers = [self.tables.blocks(name) for name in facts.tables]
        return set.intersection(*numbers) if numbers else set()

    def blocks(self, facts: Facts) -> list[Block]:
        """The finished blocks."""
        finished = self.finished(facts)
        return [block for request in facts.requests for block in request.blocks() if block.number in finished]

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

    def save(self, facts: Facts, points: pd.DataFrame) -> None:
        """Write down what is asked: the points first, for they are known only through the facts."""
        write(self.folder / POINTS, as_bytes(points))
        write(self.folder / FACTS, json.dumps(facts.to_json(), indent=1, default=str).encode())

    def keep(self, facts: Facts, block: Block, parcel: Parcel) -> None:
        """Write the tables of a block; it is finished with the last of them."""
        for file, text in parcel.tracebacks.items():
            write_text(self.folder / file, text)
        for name in facts.tables:
            self.tables.write(name, block.number, parcel.tables[name])

    def tidy(self, facts: Facts) -> None:
        """Remove what a killed process has left: tables of blocks that are not finished, rows that were replaced."""
        finished = {block.number for block in self.blocks(facts)}
        for name in facts.tables:
            for number in self.tables.blocks(name) - finished:
                self.tables.remove(name, number)
        for block, points in self.replaced(facts).items():
            for name in facts.tables:
                if name != "blocks":  # its rows are about no point
                    self.tables.remove_rows(name, block, points)
