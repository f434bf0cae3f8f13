"""A study: a function that builds scenarios, the points and seeds to run, and the tables to keep."""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping, Sequence
from copy import copy
from dataclasses import replace
from functools import partial
from typing import Any

import pandas as pd

from ecosystem.core.arguments import spelled
from ecosystem.core.check import brief, warn, whole_number
from ecosystem.core.kinds import typed
from ecosystem.core.progress import Meter
from ecosystem.engine.placing import told_where
from ecosystem.running.recording import Record, checked_record
from ecosystem.running.variants import as_pairs
from ecosystem.scenario import Scenario
from ecosystem.study.adding import add, as_kept
from ecosystem.study.asking import ask, ask_again
from ecosystem.study.computing import compute
from ecosystem.study.design import Design, Grid, points_table
from ecosystem.study.engines import Engine, Fitting, Local, Ray
from ecosystem.study.folder import locked
from ecosystem.study.identity import told
from ecosystem.study.measures import as_measures
from ecosystem.study.pacing import SECONDS
from ecosystem.study.plan import Seed, pending
from ecosystem.study.progress import Progress, counted
from ecosystem.study.results import Results
from ecosystem.study.sampling import Sampling
from ecosystem.study.store import Store
from ecosystem.study.work import Job


@spelled
class Study:
    """Thousands of ecosystems: every point of a ``grid`` with every seed, and the tables to keep of them.

    Parameters
    ----------
    name: of the study, for reports.
    build: ``build(**parameters) -> Scenario``, a function.
    grid: a dict (every combination of its *lists*; a string, a tuple, a graph or a dict is one value) or a DataFrame
        (its rows). None is one point with the defaults of ``build``. :meth:`sobol` and :meth:`morris` strew points
        between bounds instead.
    seeds: ``n`` for the seeds ``0..n−1``, or ints and pairs ``(seed, replicate)``; all points share them. A scenario
        on the population without random order has one replicate.
    measure: the tables to keep: ``"rounds"``, ``"draws"``, ``"tastes"``, ``"sources"``, ``"choices"``, ``"demand"``,
        ``"distances"``, ``"changes"``, ``"baseline"`` of each run, and what else its record measures; ``"members"``,
        ``"flows"``, ``"influence"``, ``"welfare"``, ``"stable_point"`` of each point's scenario; functions ``run ->
        DataFrame``; and ``of_scenario(function)``. A function returns a frame with a row for each thing it says, its
        columns (or named index) numbers and texts; anything else is refused before the study begins. It sees a run with
        some of the seeds, so it keeps the columns seed and replicate; a row about several seeds gets a column ``seeds``
        that says which. With ``"rounds"`` comes ``"baseline"``, what verdicts compare with. ``"entropy"``,
        ``"effective_number"``, ``"total_variance"``, ``"data_distance"`` are columns of ``rounds``.
    record: which rounds to record, and which measures (:class:`ecosystem.Record`); ``Record(last=1)`` keeps the ends
        alone.
    block: points in a block, which is computed and written at once; by default as many as take ``block_seconds``, by
        what the first points and all blocks since have taken. No number depends on it.
    block_seconds: what a block should take. So much is lost of each worker that dies; where very many are under way, it
        becomes more, so that whoever hands them out keeps up.
    device, dtype: where every run lives, and the type of closed forms' numbers, as in ``run(device="cuda")``; asked for
        where a worker runs, which may see other devices than this process does.

    >>> from ecosystem import Flow, Location, Member, Scenario
    >>> def loop(share):
    ...     s = Scenario("loop", rounds=2)
    ...     s.add("a", Member(Location([1.0]), real=Location([0.0])))
    ...     s.connect("a", "a", Flow(raw=share))
    ...     return s
    >>> Study("shares", loop, grid={"share": [0.1, 0.5, 0.9]}, seeds=4)
    Study('shares': 3 points × 4 seeds, rounds)
    """

    def __init__(
        self,
        name: str,
        build: Callable[..., Scenario],
        *,
        grid: Grid | None = None,
        seeds: int | Sequence[int | Seed] = 1,
        measure: Any = ("rounds",),
        record: Record | None = None,
        block: int | None = None,
        block_seconds: float = SECONDS,
        device: Any = None,
        dtype: Any = None,
    ) -> None:
        if not isinstance(name, str) or not name:
            raise TypeError(f"Study(name) is a text, got {brief(name)}")
        if not callable(build):
            raise TypeError(f"Study(build) is a function that returns a Scenario, got {brief(build)}")
        if block is not None:
            whole_number(block, "Study(block)", 1)
        if isinstance(block_seconds, bool) or not isinstance(block_seconds, int | float) or not block_seconds >= 0:
            raise ValueError(
                f"Study(block_seconds) must be a number of seconds, at least 0, got {brief(block_seconds)}"
            )
        self.name, self.block, self.block_seconds = name, block, block_seconds
        self.design = Design(grid)
        self.design.check(build, told(build))
        self.seeds = tuple(as_pairs(seeds, "Study(seeds)"))
        self.job = Job(build, *as_measures(measure, checked_record(record)), where=told_where(device, dtype))

    @classmethod
    @typed
    def sobol(
        cls,
        name: str,
        build: Callable[..., Scenario],
        bounds: Mapping[str, Any],
        *,
        points: int = 1024,
        second_order: bool = False,
        seed: int = 0,
        **options: Any,
    ) -> Study:
        """A study of Saltelli's design: how much of a measure each parameter explains, alone and with others.

        ``results.sensitivity(measure)`` tells it. The design is SALib's, over independent parameters, and is kept with
        the study; all of its points share the same ``seeds``, so that differences between them are not those of chance.

        Parameters
        ----------
        bounds: by parameter ``(low, high)``, uniform between two numbers; a list or a range of choices, equally
            probable (whole numbers: ``range(2, 21)``); a frozen distribution of ``scipy.stats``; anything else is one
            value that is held.
        points: base points, a power of two; the study has ``points × (parameters + 2)`` rows, with ``second_order``
            ``points × (2 × parameters + 2)``. More of them later go on with the same folder.
        second_order: for indices of pairs of parameters too.
        seed: of the design, not of the runs.
        options: what :class:`Study` takes, ``seeds`` and ``measure`` among them.

        >>> from ecosystem import Flow, Location, Member, Scenario
        >>> def loop(share, fresh):
        ...     s = Scenario("loop", rounds=2)
        ...     s.add("a", Member(Location([1.0]), real=Location([0.0])))
        ...     s.connect("a", "a", Flow(raw=share * (1 - fresh)))
        ...     return s
        >>> Study.sobol("what matters", loop, {"share": (0.1, 0.9), "fresh": (0.0, 0.5)}, points=256)
        Study('what matters': 1024 points × 1 seeds, rounds)
        """
        return cls(name, build, grid=Sampling("sobol", bounds, points, second_order, seed), **options)

    @classmethod
    @typed
    def morris(
        cls,
        name: str,
        build: Callable[..., Scenario],
        bounds: Mapping[str, Any],
        *,
        points: int = 32,
        levels: int = 4,
        seed: int = 0,
        **options: Any,
    ) -> Study:
        """A study of Morris' trajectories: which of many parameters matter at all, with few runs.

        Parameters
        ----------
        bounds: as of :meth:`sobol`, but no choices: a step between them has no size.
        points: trajectories; each has ``parameters + 1`` rows, of which one parameter after the other changes.
        levels: of each parameter, an even number.
        seed, options: as of :meth:`sobol`.
        """
        return cls(name, build, grid=Sampling("morris", bounds, points, False, seed, levels), **options)

    @property
    def points(self) -> pd.DataFrame:
        """The table ``points``: a row a point, columns ``point`` and one for each parameter."""
        return points_table(self.design.names, self.design.parameters)

    def __repr__(self) -> str:
        kept = ", ".join(measure.name for measure in self.job.measures if measure.asked)
        return f"Study({self.name!r}: {len(self.design)} points × {len(self.seeds)} seeds, {kept})"

    def on(self, device: Any) -> Study:
        """The same study with every run on a device."""
        new = copy(self)
        new.job = replace(self.job, where={**self.job.where, **told_where(device, None)})
        return new

    @staticmethod
    @typed
    def load(folder: str | os.PathLike[str], check: bool = True) -> Results:
        """What a study has found so far; refused where a file is damaged, missing or a stranger's.

        Without ``check`` files are read as they lie there: for huge studies, whose digests take long, and for folders
        that nothing else can save.
        """
        return Results(folder, check)

    @typed
    def run(
        self,
        folder: str | os.PathLike[str],
        *,
        engine: str | Engine = "local",
        workers: int | None = None,
        retry: bool = False,
        accept_changes: bool = False,
        forget: bool = False,
        check: bool = True,
        progress: bool | Meter | Callable[[Progress], object] = False,
        stop: Callable[[], bool] = lambda: False,
    ) -> Results:
        """Compute what the folder does not have yet of this study, and return this study's points and seeds.

        What else the folder has stays there: :meth:`load` reads all of it.

        Call it again to go on after any interruption: finished blocks stay, the others are computed, to the same bits
        with any engine and number of workers. More points or seeds are added to a folder, and measures that need no
        more than is kept there: of scenarios, and functions of runs that read kept tables. A changed scenario, measure
        or version is refused with what differs, unless ``accept_changes`` (which is noted in the folder).

        Parameters
        ----------
        engine: ``"local"``, ``"ray"``, or an engine such as ``Ray(address="auto", num_gpus=0.25)``. Workers that die
            over a block lose none but the points that kill them: the others are computed again one by one.
        workers: of the engine that is named by a text; 0 with ``"local"`` is this process. Without a number a local
            study that takes seconds runs in this process, for workers take as long to start: by an estimate, and by
            what blocks have taken so far. Say 1 where a point may kill its process.
        retry: compute the points that failed once more (but those that diverged, which would do it again).
        check: compare every file that is there with its digest before anything is added; else sizes alone.
        forget: take points and their rows out of the folder that are not in the grid any more; else they stay.
        progress: show how far it is, by a bar (in a terminal or a notebook) or lines on stderr; or a function that is
            told a :class:`Progress` at the start and after every block.
        stop: asked before every block; when it says yes, blocks under way are finished and the rest is left.
        """
        chosen = as_engine(engine, workers)
        store = Store(folder)
        with locked(store.folder):
            if again := store.begin(check):
                text = f"files of {again} blocks are missing from {store.folder}: these are computed again"
                warn(text, RuntimeWarning)
            job = as_kept(store, self.job)
            added = add(store, self.design, job, chosen)
            how = {"block": self.block, "accept_changes": accept_changes, "forget": forget}
            here = getattr(chosen, "here", False)
            asked = ask(store, self.name, self.design, self.seeds, job, here=here, **how)
            if retry:
                ask_again(store, asked)
            todo = pending(asked.facts.requests, store.finished(asked.facts))
            fitting = chosen.about(todo, asked.seconds) if isinstance(chosen, Fitting) else chosen
            with counted(progress, self.name) as tell:
                left = partial(compute, store, asked, job, seconds=self.block_seconds, progress=tell, stop=stop)
                told, broken = left(fitting)
                if broken:  # who is to blame? each point by itself
                    ask_again(store, asked, broken)
                    chosen = chosen.workers if isinstance(chosen, Fitting) else chosen
                    told += left(chosen)[0]
        results = Results(folder, points=asked.parameters, seeds=self.seeds)
        _say(results, [*added, *told])
        return results


def as_engine(engine: str | Engine, workers: int | None) -> Engine:
    """An engine by its name, or as it is given."""
    if isinstance(engine, str):
        if engine == "local":
            return Fitting() if workers is None else Local(workers)
        if engine == "ray":
            return Ray(workers=workers)
        raise ValueError(f"there is no engine {engine!r}; there are 'local' and 'ray', and objects like Ray(...)")
    if workers is not None:
        raise ValueError(f"workers={workers} goes with an engine's name; here give it to {type(engine).__name__}(...)")
    if isinstance(engine, type) or not callable(getattr(engine, "run", None)):
        raise TypeError(f"run(engine) is 'local', 'ray', or an engine such as Local(workers=2), got {brief(engine)}")
    return engine


def _say(results: Results, told: list[str]) -> None:
    """Nothing fails silently: warnings of the workers, and how many points failed."""
    for text in told:
        warn(f"in a worker: {text}", RuntimeWarning)
    failed = results.failed
    if failed:
        kinds = ", ".join(f"{count} {kind}" for kind, count in results.failures_by_kind.items())
        warn(
            f"{len(failed)} of {len(results.points)} points failed ({kinds}); the table `failures` says how, "
            "run(..., retry=True) computes those that raised or were lost once more",
            RuntimeWarning,
        )
