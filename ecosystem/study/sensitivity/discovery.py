"""Scenario discovery: in which boxes of its parameters does something happen in a study?"""

from __future__ import annotations

import warnings
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from importlib.util import find_spec
from typing import Any

import numpy as np
import pandas as pd

from ecosystem.core.check import a_seed, brief, warn, whole_number
from ecosystem.core.door import Door
from ecosystem.core.kinds import typed
from ecosystem.core.words import percent
from ecosystem.study.outcomes.contents import Contents
from ecosystem.study.outcomes.measuring import NoMeasure
from ecosystem.study.outcomes.sweep import Parameter, Sweep
from ecosystem.study.outcomes.under_way import comparable, lacking, so_far
from ecosystem.study.sensitivity.boxes import Box, Limit, boxed
from ecosystem.study.sensitivity.condition import where

FEWEST = 20  # points, and
HITS = 5  # of them where it holds: fewer make no box
COLUMNS = ["box", "parameter", "low", "high", "values", "chance", "density", "coverage", "mass", "points"]


@dataclass(frozen=True, eq=False)
class Discovery:
    """The boxes in which a condition holds, the first one that covers most.

    Attributes
    ----------
    condition: in words. ``method``: ``"prim"`` or ``"tree"``.
    boxes: :class:`Box`, each with limits, density, coverage and mass; a point counts in the first one it lies in.
    hits: at how many points it holds, of how many (``points``). Their ``share`` is the part.
    held: a number for each point: 1 where it holds, 0 where not, NaN where nobody knows.
    part: what is computed so far, where the study is not finished, and how that differs from what is left.
    """

    condition: str
    method: str
    boxes: list[Box]
    points: int
    hits: int
    held: np.ndarray
    parameters: list[Parameter]
    notes: list[str] = field(default_factory=list)
    part: str = ""

    plot = Door("ecosystem.plots.study_boxes", "of_result")

    @property
    def share(self) -> float:
        """The part of all points at which it holds."""
        return self.hits / self.points if self.points else np.nan

    @property
    def coverage(self) -> float:
        """The part of the points where it holds that lies in some box."""
        return sum(box.coverage for box in self.boxes)

    @property
    def table(self) -> pd.DataFrame:
        """A row a limit: box, parameter, low and high (above, at most) or values, chance, and those of the box."""
        rows = []
        for number, box in enumerate(self.boxes):
            for name, limit in box.limits.items():
                about = (box.density, box.coverage, box.mass, box.points)
                values = " or ".join(limit.labels)
                ends = (np.nan, np.nan) if limit.labels else (limit.low, limit.high)
                rows.append((number, name, *ends, values, box.chance[name], *about))
        return pd.DataFrame(rows, columns=COLUMNS)

    @property
    def sentences(self) -> list[str]:
        """Each box in words, and of how many points that is, where not all are computed."""
        return [*self._words, f"This is about {self.part}."] if self.part else self._words

    @property
    def _words(self) -> list[str]:
        if not self.boxes:
            if self.hits == self.points > 0:
                return [f"{self.condition} holds at all {self.points:,} points of which it is known: no box is needed."]
            if self.points < FEWEST or self.hits < HITS:
                return [
                    f"{self.condition} holds at {self.hits:,} of {self.points:,} points of which it is known: too few "
                    f"for a box, which takes {FEWEST} points, of them {HITS} at which it holds."
                ]
            return [
                f"No box was found in which {self.condition} is denser than in the whole: it holds at "
                f"{self.hits:,} of {self.points:,} points ({percent(round(self.share, 3))})."
            ]
        first, *others = self.boxes
        said = [
            f"{self.condition} holds in {percent(round(first.density, 3))} of the points with {first.words}, which are "
            f"{percent(round(first.coverage, 3))} of all where it does; it holds in {percent(round(self.share, 3))} of "
            f"all {self.points:,} points."
        ]
        return said + [
            f"Of the others, it holds in {percent(round(box.density, 3))} of those with {box.words}, "
            f"{percent(round(box.coverage, 3))} of all where it does."
            for box in others
        ]

    def __repr__(self) -> str:
        return "\n".join([*self.sentences, *self.notes])


@typed
def discover(
    results: Contents,
    condition: Any,
    *,
    method: str | None = None,
    density: float = 0.8,
    boxes: int = 3,
    seed: int = 0,
) -> Discovery:
    """Where in the space of a study's parameters a condition holds: boxes, as few limits as possible.

    ``"prim"`` is the patient rule induction method [Friedman & Fisher 1999; Bryant & Lempert 2010] of ema_workbench
    (extra ``discovery``), which peels a box off thin slice by thin slice; of its trajectory the box with the highest
    harmonic mean of coverage and density is taken. ``"tree"`` is a classification tree of scikit-learn, whose nodes
    are boxes. Without a method it is PRIM where ema_workbench is installed. Densities are those of the points that the
    boxes were found with; of others they are a little lower.

    Parameters
    ----------
    condition: ``"alignment < 0"``, ``"M[theta, theta] < 0 and coupling > 0.5"``
        (:class:`~ecosystem.study.sensitivity.condition.Reader`); a series of yes and no by point, or a function of the
        results that returns one.
    density: that a box should have at least; where none has, the best one is given, and a note says so.
    boxes: how many at most.
    seed: of the tree's choice between equal splits.

    Raises
    ------
    WrongCondition, NoMeasure
        If the condition cannot be read, or names what the study does not have.
    ValueError
        If an argument is none of these, or no parameter varies. Where it holds at all points, or at too few, there are
        no boxes, and the sentence says so.
    """
    whole_number(boxes, "discover(boxes)", 1)
    a_seed(seed, "discover(seed)")
    if not 0 < density <= 1:
        raise ValueError(f"discover(density) lies above 0 and at most at 1, got {brief(density)}")
    if method not in (None, "prim", "tree"):
        raise ValueError(f"discover(method) is 'prim' or 'tree', got {brief(method)}")
    installed = find_spec("ema_workbench") is not None
    if method == "prim" and not installed:
        raise ValueError(
            "discover(method='prim') needs ema_workbench: pip install 'mesacosm[discovery]', or take 'tree'"
        )
    method = method or ("prim" if installed else "tree")
    sweep = Sweep.of(results)
    if not sweep.swept:
        raise NoMeasure("the study varies no parameter, so there are no boxes")
    held, words = where(results, condition)
    known = ~np.isnan(held)
    part, why = so_far(results), comparable(results, sweep, known)
    part += f", which do not stand for all: {why}" if part and why else ""
    gone = results.points["point"].to_numpy()[~known]
    notes = [f"{lacking(results, gone, len(held))}: left out"] if len(gone) else []
    for note in notes:
        warn(f"{words}: {note}", RuntimeWarning)
    count, hits = int(known.sum()), int(np.nansum(held))
    if count < FEWEST or not HITS <= hits < count:
        return Discovery(words, method, [], count, hits, held, sweep.swept, notes, part)
    parameters = [replace(p, level=p.level[known], values=p.values[known]) for p in sweep.swept]
    alone = None if sweep.alone is None else sweep.alone[known]
    found: list[Box] = []
    left = np.ones(count, dtype=bool)
    for _ in range(boxes):
        box = _next(parameters, held[known] > 0, left, alone, method, density, seed)
        if box is None:
            break
        found.append(box)
        left &= ~box.inside
    if found and found[0].density < density:
        notes.append(f"no box is as dense as {density:g}: this is the one with the best of both, density and coverage")
    return Discovery(words, method, found, count, hits, held, sweep.swept, notes, part)


def _next(
    parameters: Sequence[Parameter],
    held: np.ndarray,
    left: np.ndarray,
    alone: np.ndarray | None,
    method: str,
    density: float,
    seed: int,
) -> Box | None:
    """The box that covers most of what is ``left``, among those that are dense enough; None where nothing is found."""
    hits = held & left
    if hits.sum() < HITS or left.sum() < FEWEST or hits.sum() == left.sum():
        return None
    some = [replace(p, level=p.level[left], values=p.values[left]) for p in parameters]
    propose = _prim if method == "prim" else _tree
    own = None if alone is None else alone[left]
    candidates = [boxed(limits, some, held[left], own) for limits in propose(some, held[left], seed)]
    share = float(held[left].mean())
    fit = [box for box in candidates if box.limits and box.hits >= HITS and box.density > share]
    dense = [box for box in fit if box.density >= density]
    best = max(dense or fit, key=lambda box: (_harmonic(box), -len(box.limits)), default=None)
    if best is None or (not dense and not left.all()):  # a second box that is not dense says nothing
        return None
    inside = left.copy()
    inside[left] = best.inside
    return replace(best, coverage=best.hits / int(held.sum()), mass=best.points / len(held), inside=inside)


def _harmonic(box: Box) -> float:
    return 2 * box.density * box.coverage / (box.density + box.coverage)


def _tree(parameters: Sequence[Parameter], held: np.ndarray, seed: int) -> list[dict[str, Limit]]:
    """The nodes of a classification tree as limits; categories are columns of yes and no."""
    from sklearn.tree import DecisionTreeClassifier

    columns, about = [], []
    for p in parameters:
        for level in [None] if p.number else range(len(p)):
            columns.append(p.values if level is None else (p.level == level).astype(float))
            about.append((p, level))
    least = max(HITS, len(held) // 200)
    tree = DecisionTreeClassifier(max_leaf_nodes=16, min_samples_leaf=least, random_state=seed, criterion="entropy")
    found = tree.fit(np.stack(columns, axis=1), held).tree_
    limits: list[dict[str, Limit]] = [{} for _ in range(found.node_count)]
    for node in range(found.node_count):
        if found.children_left[node] < 0:
            continue
        p, level = about[found.feature[node]]
        for child, above in ((found.children_left[node], False), (found.children_right[node], True)):
            limits[child] = _narrower(limits[node], p, level, float(found.threshold[node]), above)
    return limits[1:]


def _narrower(
    limits: dict[str, Limit], parameter: Parameter, level: int | None, cut: float, above: bool
) -> dict[str, Limit]:
    """Limits with one more cut."""
    old = limits.get(parameter.name, Limit())
    if level is None:
        new = Limit(max(old.low, cut), old.high) if above else Limit(old.low, min(old.high, cut))
    else:
        own = parameter.labels[level]
        there = old.labels or parameter.labels
        new = Limit(labels=(own,) if above else tuple(label for label in there if label != own))
    return {**limits, parameter.name: new}


def _prim(parameters: Sequence[Parameter], held: np.ndarray, seed: int) -> list[dict[str, Limit]]:
    """The boxes of PRIM's trajectory as limits."""
    with warnings.catch_warnings():  # of what it could do with packages that nobody asked for
        warnings.simplefilter("ignore")
        from ema_workbench.analysis.prim import Prim

        frame = pd.DataFrame({f"x{i}": _column(p) for i, p in enumerate(parameters)})
        least = max(2 * HITS / len(held), min(0.05, held.mean() / 2))
        found = Prim(frame, held, threshold=1e-9, mass_min=least).find_box()  # what is dense enough is chosen later
    return [_limits(parameters, lims) for lims in found.box_lims]


def _column(parameter: Parameter) -> Any:
    """A parameter as ema_workbench takes it; whole numbers as floats, for it cuts between them."""
    if parameter.number:
        return parameter.values.astype(float)
    return pd.Categorical.from_codes(parameter.level, [str(i) for i in range(len(parameter))])


def _limits(parameters: Sequence[Parameter], lims: pd.DataFrame) -> dict[str, Limit]:
    """A box of ema_workbench, which holds its ends, as limits that are halfway to the next point."""
    limits = {}
    for i, p in enumerate(parameters):
        low, high = lims[f"x{i}"]
        if not p.number:
            limits[p.name] = Limit(labels=tuple(p.labels[int(code)] for code in sorted(low, key=int)))
            continue
        below, above = p.values[p.values < low], p.values[p.values > high]
        ends = (float(low + below.max()) / 2 if len(below) else -np.inf, high)
        limits[p.name] = Limit(ends[0], float(high + above.min()) / 2 if len(above) else np.inf)
    return limits
