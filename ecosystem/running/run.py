"""A finished run and its tables."""

from __future__ import annotations

import json
import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pandas as pd
from torch import Tensor

from ecosystem.core import storage

FACTS = "run.json"
_TABLES = ("members", "flows", "rounds", "changes", "failures")
_PLACE = ("seed", "replicate", "round")
_ON_REQUEST = {  # empty where nobody asked
    "draws": (*_PLACE, "member", "component", "count"),
    "tastes": (*_PLACE, "member", "judge", "reward"),
    "sources": (*_PLACE, "member", "source", "curated", "born", "count", "reward", "deviation"),
    "choices": (*_PLACE, "source", "target", "quantile", "before", "after"),
    "texts": (*_PLACE, "member", "input", "output"),
}


Table = pd.DataFrame | Callable[[], pd.DataFrame]


def _table(name: str) -> Any:
    """A table as an attribute, made when it is first read."""

    return property(lambda self: _made(self, name), doc=f"The table ``{name}``.")


def _made(run: Run, name: str) -> pd.DataFrame:
    table = run._tables[name]
    if not isinstance(table, pd.DataFrame):
        table = run._tables[name] = table()
    return table


class Run:
    """One scenario, run with any number of replicates: tables as pandas, samples and parameters as tensors.

    ``rounds`` has a row for each seed, replicate, round and member: whether it was ``updated``, its ``alignment``
    ``E r(x)``, its ``change`` ``‖Δθ‖/‖θ‖``, its training ``loss``, and what the measures of its record say. Row
    ``round = r`` is after ``r`` rounds. Measures that return frames have tables of their own (``run.distances``), whose
    names are in ``measured``.
    ``samples[member][round]`` are samples of the first replicate (outputs, of a conditional model), what they answer is
    in ``inputs[member][round]`` and, where it is text, in the table ``texts``; ``parameters[member][name]`` the last
    parameters, ``[replicates, ...]``. A table is given as one, or as a function that makes it when it is first read.
    """

    members: pd.DataFrame = _table("members")
    flows: pd.DataFrame = _table("flows")
    rounds: pd.DataFrame = _table("rounds")
    draws: pd.DataFrame = _table("draws")
    changes: pd.DataFrame = _table("changes")
    failures: pd.DataFrame = _table("failures")
    tastes: pd.DataFrame = _table("tastes")
    sources: pd.DataFrame = _table("sources")
    choices: pd.DataFrame = _table("choices")
    texts: pd.DataFrame = _table("texts")

    def __init__(
        self,
        settings: dict[str, Any],
        *,
        samples: dict[str, dict[int, Tensor]] | None = None,
        inputs: dict[str, dict[int, Tensor]] | None = None,
        parameters: dict[str, dict[str, Tensor]] | None = None,
        **tables: Table,
    ) -> None:
        if missing := set(_TABLES) - set(tables):
            raise TypeError(f"a Run has the tables {', '.join(_TABLES)}; {', '.join(sorted(missing))} is missing")
        self.settings = settings
        self.samples = samples or {}
        self.inputs = {member: rounds for member, rounds in (inputs or {}).items() if rounds}
        self.parameters = parameters or {}
        blank = {name: pd.DataFrame(columns=list(columns)) for name, columns in _ON_REQUEST.items()}
        self._tables: dict[str, Table] = blank | tables

    @property
    def measured(self) -> list[str]:
        """The tables of measures of one's own, each an attribute."""
        return [name for name in self._tables if name not in (*_TABLES, *_ON_REQUEST)]

    def __getattr__(self, name: str) -> pd.DataFrame:
        if name.startswith("_") or name not in self._tables:
            raise AttributeError(f"{type(self).__name__} has no attribute or table {name!r}")
        return _made(self, name)

    def __getstate__(self) -> dict[str, Any]:
        """All of it, tables made: so that runs come back from a pool of processes."""
        return vars(self) | {"_tables": {name: _made(self, name) for name in self._tables}}

    def save(self, folder: str | os.PathLike[str], overwrite: bool = False) -> Path:
        """Write the run to a folder: Parquet tables, tensors as safetensors, settings as JSON. Returns the folder.

        It is written beside and moved into place, so a folder with ``run.json`` is always whole. An existing folder is
        refused unless ``overwrite``; what is overwritten must be a run, and stays until the new one is in place.
        """
        target = Path(folder)
        check_folder(target, overwrite)
        with storage.folder(target, "the run could not be saved; make room, or choose another folder") as beside:
            self._write(beside)
        return target

    def _write(self, folder: Path) -> None:
        from safetensors.torch import save_file

        for name in self._tables:
            getattr(self, name).to_parquet(folder / f"{name}.parquet", index=False)
        parameters = {f"{m}/{n}": x.contiguous() for m, many in self.parameters.items() for n, x in many.items()}
        for name in ("samples", "inputs"):
            kept = getattr(self, name)
            rounds = {f"{m}/{r}": x.contiguous() for m, many in kept.items() for r, x in many.items()}
            save_file(rounds, folder / f"{name}.safetensors")
        save_file(parameters, folder / "parameters.safetensors")
        (folder / FACTS).write_text(json.dumps(self.settings, indent=2, default=str), encoding="utf-8")

    @classmethod
    def load(cls, folder: str | os.PathLike[str]) -> Run:
        """Read a run that was saved."""
        from safetensors.torch import load_file

        source = storage.found(Path(folder))
        if not (source / FACTS).is_file():
            raise FileNotFoundError(
                f"{folder} holds no run: there is no {FACTS} in it; give a folder that a run was saved to"
            )
        others = sorted(path.stem for path in source.glob("*.parquet") if path.stem not in _TABLES)
        tables = {name: pd.read_parquet(source / f"{name}.parquet") for name in (*_TABLES, *others)}
        parameters: dict[str, dict[str, Tensor]] = {}
        for key, value in load_file(source / "parameters.safetensors").items():
            member, _, name = key.rpartition("/")
            parameters.setdefault(member, {})[name] = value
        settings = json.loads((source / FACTS).read_text(encoding="utf-8"))
        samples, inputs = _by_round(source / "samples.safetensors"), _by_round(source / "inputs.safetensors")
        return cls(settings, **tables, samples=samples, inputs=inputs, parameters=parameters)

    def __repr__(self) -> str:
        s = self.settings
        return f"Run({s.get('scenario')!r}: {s.get('completed')} rounds, {len(s.get('seeds', []))} replicates)"


def _by_round(path: Path) -> dict[str, dict[int, Tensor]]:
    """Tensors by member and round; none from a run that was saved before there were any."""
    from safetensors.torch import load_file

    found: dict[str, dict[int, Tensor]] = {}
    for key, value in load_file(path).items() if path.is_file() else ():
        member, _, round = key.rpartition("/")
        found.setdefault(member, {})[int(round)] = value
    return {member: dict(sorted(rounds.items())) for member, rounds in found.items()}


def check_folder(folder: Path, overwrite: bool) -> None:
    """Refuse a folder that exists (unless it may be overwritten and holds a run) or cannot be written."""
    why = "exists and is not a run's folder, so it is not overwritten; choose another"
    storage.refuse_taken(folder, FACTS, why, overwrite)
