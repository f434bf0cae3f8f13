"""What is read of a study's results: they are asked for it, and do not have to be one class."""

from __future__ import annotations

from typing import Protocol

import pandas as pd
import pyarrow.dataset as ds

from ecosystem.study.plan import Seed
from ecosystem.study.progress import Progress
from ecosystem.study.store import Facts, Store


class Contents(Protocol):
    """A study's folder as :class:`ecosystem.study.Results` reads it."""

    facts: Facts
    store: Store
    tables: list[str]
    parameters: list[str]
    seeds: list[Seed]
    points: pd.DataFrame
    failures: pd.DataFrame

    @property
    def finished(self) -> bool: ...

    @property
    def failed(self) -> list[int]: ...

    @property
    def failures_by_kind(self) -> dict[str, int]: ...

    def progress(self) -> Progress: ...

    def dataset(self, table: str) -> ds.Dataset: ...
