"""What was decided about a scenario, as tables: what is saved, shown and reported."""

from __future__ import annotations

import json
import os
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pandas as pd

from ecosystem.core import locks, storage
from ecosystem.decisions import telling

# the tables of each part, with what stands in them
TABLES: dict[str, dict[str, str]] = {
    "allocation": {
        "levels": "Levers before, after the budget is best spent, and under the uniform and the selfish plan.",
        "alignment": "Everybody’s alignment under each plan.",
        "multipliers": "What binds, and what one more unit of it would buy.",
        "starts": "Where each start of the search came out; the plans are what they give as they stand.",
    },
    "equilibrium": {
        "levels": "Levers now, at the optimum, and at each equilibrium by its number.",
        "points": "Every point that was looked at: whether anybody gains by moving alone, and how stable it is.",
        "payers": "Who pays for selfish play: utilities (alignment less own costs) at the optimum and at the worst "
        "equilibrium.",
        "cycle": "Where best responses go round.",
        "starts": "What came of each start.",
    },
    "steering": {
        "floors": "Floors, what is certain of each whatever users choose, and what one more unit of it would cost.",
        "reference": "The distribution of real data, by member.",
        "path": "What each real share comes to.",
        "reached": "Where the steered network comes to rest.",
    },
}
NO_BUDGET = (
    "Selfish play: no budget here; everybody moves its own level as far as it likes, and pays its costs; welfare is "
    "the sum of all utilities."
)
FOLDER, FACTS = "decisions", "decisions.json"
FULL = "the decisions could not be saved; make room, or choose another folder"
_FOREIGN = "exists and holds no decisions, so it is not overwritten; choose another"


@dataclass(frozen=True)
class Decided:
    """Allocation, equilibrium and steering of one scenario, those that were asked for, by these names.

    ``tables`` has a frame for each by ``(part, name)``, ``sentences`` what each part means, ``settings`` what was
    asked.
    """

    parts: dict[str, Any]
    settings: dict[str, Any] = field(default_factory=dict)

    @property
    def tables(self) -> dict[tuple[str, str], pd.DataFrame]:
        """All tables that hold anything."""
        found = {}
        for part, result in self.parts.items():
            for name in TABLES[part]:
                frame = getattr(result, name)
                frame = frame.reset_index() if frame.index.name else frame
                if len(frame):
                    found[part, name] = frame.rename(columns=str)
        return found

    @property
    def sentences(self) -> dict[str, list[str]]:
        """What each part means: its sentence, then its verdicts, and what *selfish* means in it."""
        said = self._said()
        if "allocation" in said:
            found = self.parts["allocation"]
            said["allocation"] = [telling.advice(found), *said["allocation"], *telling.plain(found)]
        if "equilibrium" in said:
            said["equilibrium"].append(NO_BUDGET)
        return said

    def _said(self) -> dict[str, list[str]]:
        return {
            part: list(dict.fromkeys([result.sentence, *result.verdicts["sentence"]]))
            if part == "steering"
            else [str(text) for text in result.verdicts["sentence"]]
            for part, result in self.parts.items()
        }

    def save(self, folder: str | os.PathLike[str], overwrite: bool = False) -> Path:
        """Write all tables to ``folder/decisions``, whole or not at all; earlier decisions go only with leave."""
        target = storage.named(folder) / FOLDER
        check_place(target.parent, overwrite)
        with locks.claimed(target, FULL):
            check_place(target.parent, overwrite)
            with storage.folder(target, FULL) as beside:
                for (part, name), frame in self.tables.items():
                    frame = frame.copy(deep=False)
                    frame.attrs = {}
                    for column in frame:
                        if not pd.api.types.is_numeric_dtype(frame[column]):  # features may be numbers and names
                            frame[column] = frame[column].map(str)
                    frame.to_parquet(beside / f"{part}_{name}.parquet", index=False)
                said = {"sentences": self.sentences, **self.settings}
                (beside / FACTS).write_text(json.dumps(said, indent=2, default=str), encoding="utf-8")
        return target


def spoken(column: object) -> str:
    """A column's name where it is read: an equilibrium is known by its number.

    >>> spoken("1"), spoken("optimum")
    ('equilibrium 1', 'optimum')
    """
    return f"equilibrium {column}" if str(column).isdigit() else str(column)


def check_place(folder: Path, overwrite: bool) -> None:
    """Refuse a folder that decisions cannot be added to."""
    storage.refuse_taken(storage.named(folder) / FOLDER, FACTS, _FOREIGN, overwrite)
