"""A finished run and its tables."""

from __future__ import annotations

import json
import os
from collections.abc import Callable, Mapping
from functools import partial
from pathlib import Path
from typing import Any

import pandas as pd
from torch import Tensor

from ecosystem.core import locks, manifest, parquet, storage
from ecosystem.core.arguments import meant, meant_among
from ecosystem.core.check import brief, whole_number
from ecosystem.core.door import Door
from ecosystem.core.kinds import typed
from ecosystem.core.manifest import Damaged
from ecosystem.core.words import listed
from ecosystem.generators import GenerativeModel
from ecosystem.running.tables import TOLD
from ecosystem.running.verdicts import outcomes
from ecosystem.running.weights import Models, apart, choose, given, joined, one, portable, split

FACTS = "run.json"
_STACKS = "stacks.safetensors"
FULL = "the run could not be saved; make room, or choose another folder"
_TABLES = ("members", "flows", "rounds", "changes", "failures")
_PLACE = ("seed", "replicate", "round")
_ON_REQUEST = {  # empty where nobody asked
    "draws": (*_PLACE, "member", "component", "source", "curated", "count"),
    "tastes": (*_PLACE, "member", "judge", "reward"),
    "sources": (*_PLACE, "member", "source", "curated", "born", "count", "reward", "deviation"),
    "choices": (*_PLACE, "source", "target", "quantile", "before", "after"),
    "demand": (*_PLACE, "group", "member", "weight"),
    "texts": (*_PLACE, "member", "input", "output"),
    "baseline": ("seed", "replicate", "member", "alignment", "of"),  # empty in runs of earlier versions
}


Table = pd.DataFrame | Callable[[], pd.DataFrame]


def _table(name: str) -> Any:
    """A table as an attribute, made when it is first read."""

    return property(lambda self: _made(self, name), doc=TOLD[name])


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
    names are in ``measured``. ``baseline`` is what each member's users would think of it if nobody had read anybody
    (:mod:`ecosystem.running.baseline`); it is worked out when it is first read, or when the run is saved. ``verdicts``
    says who got its users' taste and who lost it (:func:`ecosystem.running.verdicts.outcomes`), ``plot`` draws charts.
    ``samples[member][round]`` are samples of the first replicate (outputs, of a conditional model), what they answer is
    in ``inputs[member][round]`` and, where it is text, in the table ``texts``; ``parameters[member][name]`` the last
    parameters, ``[replicates, ...]`` (where archives keep more in one than in another, ``name[3]`` is that of replicate
    3), ``history[member][round][name]`` those of the rounds of ``Record(parameters)``, and :meth:`generator` is a model
    with either. A table is given as one, or as a function that makes it when it is first read.
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
    demand: pd.DataFrame = _table("demand")
    texts: pd.DataFrame = _table("texts")
    baseline: pd.DataFrame = _table("baseline")
    verdicts = property(outcomes)
    plot: Any = Door("ecosystem.plots.runs", "RunPlots")
    _repr_html_: Any = Door("ecosystem.plots.shown", "run")

    def __init__(
        self,
        settings: dict[str, Any] | Callable[[], dict[str, Any]],
        *,
        samples: dict[str, dict[int, Tensor]] | None = None,
        inputs: dict[str, dict[int, Tensor]] | None = None,
        parameters: Mapping[str, dict[str, Tensor]] | None = None,
        history: dict[str, dict[int, dict[str, Tensor]]] | None = None,
        models: Models | None = None,
        **tables: Table,
    ) -> None:
        if missing := set(_TABLES) - set(tables):
            raise TypeError(f"a Run has the tables {', '.join(_TABLES)}; {', '.join(sorted(missing))} is missing")
        if callable(settings):
            self._settings = settings
        else:
            self.settings = settings
        self.samples = samples or {}
        self.inputs = {member: rounds for member, rounds in (inputs or {}).items() if rounds}
        self.parameters = parameters or {}
        self.history = history or {}
        self._models = models or {}
        blank = {name: partial(pd.DataFrame, columns=list(columns)) for name, columns in _ON_REQUEST.items()}
        self._tables: dict[str, Table] = {**blank, **tables}

    @property
    def measured(self) -> list[str]:
        """The tables of measures of one's own, each an attribute."""
        return [name for name in self._tables if name not in (*_TABLES, *_ON_REQUEST)]

    def __getattr__(self, name: str) -> Any:
        if name == "settings":  # told when they are first read: digests of a scenario take longer than a short run
            self.settings = self.__dict__.pop("_settings")()
            return self.settings
        if name.startswith("_"):  # of a run that is being copied, which has no tables yet
            raise AttributeError(f"{type(self).__name__} has no attribute {name!r}")
        if name not in self._tables:
            raise AttributeError(f"{type(self).__name__} has no attribute or table {name!r}{meant(name, self._tables)}")
        return _made(self, name)

    def __getstate__(self) -> dict[str, Any]:
        """All of it, tables made: so that runs come back from a pool of processes."""
        tables, _ = {name: _made(self, name) for name in self._tables}, self.settings
        return vars(self) | {"_tables": tables, "_models": portable(self._models)}

    @typed
    def generator(
        self, name: str, replicate: int = 0, round: int | None = None, like: GenerativeModel | None = None
    ) -> Any:
        """The model of a member after the last round, or one whose parameters were kept: a copy in evaluation mode.

        It is a module as the scenario was given, independent of the run. A run that was loaded has numbers alone: give
        it ``like``, a model made as that of the scenario was, which gets the weights (and no more) in a copy.

        Raises
        ------
        KeyError
            If there is no such member.
        ValueError
            If there is no such replicate, the round was not kept, the run has no models and is given none, or its
            weights do not fit.

        >>> from ecosystem import Flow, Location, Member, Scenario
        >>> s = Scenario("loop", rounds=2)
        >>> s.add("a", Member(Location([1.0]), real=Location([0.0])))
        >>> s.connect("a", "a", Flow(raw=0.5))
        >>> s.run().generator("a").mean
        tensor([0.2500], dtype=torch.float64)
        """
        if name not in self.parameters:
            near = meant_among(name, self.parameters, f"there are {listed(self.parameters)}")
            raise KeyError(f"there is no member {brief(name)} in the run{near}")
        place, last = f"run.generator({name!r})", self.parameters[name]
        weights = choose(self.history.get(name, {}), last, int(self.settings.get("completed", 0)), round, place)
        count = len(self.settings["seeds"])
        if whole_number(replicate, f"{place}: replicate", 0) >= count:
            raise ValueError(f"{place}: there is no replicate {replicate}; there are {count}, from 0 on")
        if like is None and name not in self._models:
            raise ValueError(
                f"{place}: a run that was loaded has no models; give it one to put the weights in: like=..."
            )
        known = one(self._models[name], replicate) if like is None else like
        mine = None if like is None and weights is last else apart(weights, replicate)
        return given(known, mine, place)

    @typed
    def save(self, folder: str | os.PathLike[str], overwrite: bool = False) -> Path:
        """Write the run to a folder: Parquet tables, tensors as safetensors, settings as JSON. Returns the folder.

        It is written beside and moved into place, so a folder with ``run.json`` is always whole; a manifest says what
        is in its files. An existing folder is refused unless ``overwrite``; what is overwritten must be a run, alone
        in its folder, and stays until the new one is in place.
        """
        target = storage.named(folder)
        check_folder(target, overwrite)
        with locks.claimed(target, FULL):
            check_folder(target, overwrite)
            with storage.folder(target, FULL) as beside:
                self._write(beside)
        return target

    def _write(self, folder: Path) -> None:
        from safetensors.torch import save_file

        for name, table in self._tables.items():
            again = name in ("members", "flows") and not isinstance(table, pd.DataFrame)
            frame = table() if again else getattr(self, name)  # type: ignore[operator] - gigabytes, and soon made again
            frame.to_parquet(folder / f"{name}.parquet", index=False)
        stacks, alone = split(self.parameters)
        parameters = {f"{m}/{n}": x.contiguous() for m, many in alone.items() for n, x in many.items()}
        for name in ("samples", "inputs"):
            kept = getattr(self, name)
            rounds = {f"{m}/{r}": x.contiguous() for m, many in kept.items() for r, x in many.items()}
            save_file(rounds, folder / f"{name}.safetensors")
        save_file(parameters, folder / "parameters.safetensors")
        if stacks:
            save_file({name: x.contiguous() for name, x in stacks.items()}, folder / _STACKS)
        if self.history:
            kept = ((f"{m}/{r}", many) for m, rounds in self.history.items() for r, many in rounds.items())
            every = {f"{place}/{n}": x.contiguous() for place, many in kept for n, x in many.items()}
            save_file(every, folder / "history.safetensors")
        (folder / FACTS).write_text(json.dumps(self.settings, indent=2, default=str), encoding="utf-8")

    @classmethod
    @typed
    def load(cls, folder: str | os.PathLike[str], check: bool = True) -> Run:
        """Read a run that was saved.

        Without ``check`` its files are read as they are: those of earlier versions, which have no manifest, or what is
        left of a run that was damaged.

        Raises
        ------
        FileNotFoundError
            If the folder holds no run.
        Damaged
            If a file is not what was written; the message is one line that names it and the mend.
        """
        source = storage.found(storage.named(folder))
        if not is_run(source):
            raise FileNotFoundError(
                f"{folder} holds no run: there is no {FACTS} in it; give a folder that a run was saved to"
            )
        try:
            with manifest.whole(source, check) as names:
                return cls._read(source, names)
        except Damaged as error:
            raise error.mended("bring it back from a copy, or run it again") from error

    @classmethod
    def _read(cls, source: Path, names: list[str]) -> Run:
        settings = manifest.opened(source / FACTS, manifest.facts)
        more = sorted(name.removesuffix(".parquet") for name in names if name.endswith(".parquet"))
        found = {name: source / f"{name}.parquet" for name in dict.fromkeys((*_TABLES, *more))}
        tables = {name: manifest.opened(path, parquet.frame) for name, path in found.items()}
        numbers = {name: source / f"{name}.safetensors" for name in ("parameters", "samples", "inputs", "history")}
        there = {name: path for name, path in numbers.items() if path.name in names or name == "parameters"}
        tensors = {name: manifest.opened(path, _SPLIT[name]) for name, path in there.items()}
        place = {name: i for i, name in enumerate(tables["members"]["member"].astype(str))}
        ordered = {
            name: dict(sorted(many.items(), key=lambda m: place.get(m[0], -1))) for name, many in tensors.items()
        }
        if _STACKS in names:
            stacks = manifest.opened(source / _STACKS, manifest.tensors)
            ordered["parameters"] = joined(list(place), stacks, ordered["parameters"])  # type: ignore[assignment]
        return cls(settings, **tables, **ordered)

    def __repr__(self) -> str:
        s = self.settings
        return f"Run({s.get('scenario')!r}: {s.get('completed')} rounds, {len(s.get('seeds', []))} replicates)"


def is_run(folder: Path) -> bool:
    """Whether a run lies in a folder, whole or not."""
    try:
        listed = manifest.parsed(folder / manifest.FILE, manifest.read(folder / manifest.FILE))
    except Damaged as error:
        return (folder / FACTS).exists() or not error.missing
    return FACTS in listed or (folder / FACTS).exists()


def _by_name(path: Path) -> dict[str, dict[str, Tensor]]:
    """Tensors by member and name."""
    found: dict[str, dict[str, Tensor]] = {}
    for key, value in manifest.tensors(path).items():
        member, _, name = key.rpartition("/")
        found.setdefault(member, {})[name] = value
    return found


def _by_round(path: Path) -> dict[str, dict[int, Tensor]]:
    """Tensors by member and round."""
    found = {m: {int(round): x for round, x in many.items()} for m, many in _by_name(path).items()}
    return {member: dict(sorted(rounds.items())) for member, rounds in found.items()}


def _by_round_and_name(path: Path) -> dict[str, dict[int, dict[str, Tensor]]]:
    """Tensors by member, round and name."""
    found: dict[str, dict[int, dict[str, Tensor]]] = {}
    for place, many in _by_name(path).items():
        member, _, round = place.rpartition("/")
        found.setdefault(member, {})[int(round)] = many
    return {member: dict(sorted(rounds.items())) for member, rounds in found.items()}


_SPLIT: dict[str, Callable[[Path], Any]] = {
    "parameters": _by_name,
    "samples": _by_round,
    "inputs": _by_round,
    "history": _by_round_and_name,
}


def check_folder(folder: Path, overwrite: bool) -> None:
    """Refuse a folder that exists (unless it may be overwritten and holds a run) or cannot be written."""
    why = "exists and is not a run's folder, so it is not overwritten; choose another"
    storage.refuse_taken(storage.named(folder), FACTS, why, overwrite, beside=("report.html", "influence"))
