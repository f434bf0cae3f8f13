"""What is drawn over the parameters of a study: numbers of a few names, and where the study failed."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from functools import cached_property
from types import SimpleNamespace
from typing import Any, cast

import numpy as np
import pandas as pd
from matplotlib.figure import Figure

from ecosystem.report import look
from ecosystem.report.look import Style
from ecosystem.study.outcomes.sample import Sample, size, spread, strongest
from ecosystem.study.outcomes.sweep import Parameter, Sweep

MANY = 12  # names: above it a figure shows how they are spread, and a few of them
NAMED = 4  # of many
FAILED = "#b3261e"
PANELS = 6  # names that get a panel of their own


@dataclass(frozen=True, eq=False)
class Quantity:
    """Numbers of some ``names`` (members, or pairs of them) at every point, with their chance.

    ``base [names, points]`` is what they are compared with, ``basis`` what that is in words. Names of one of the
    ``kinds`` can be compared in size. Zero divides good from bad where numbers are ``centred``; ``ends`` says what lies
    on either side, for the scale of colours.
    It is ``played`` if it comes from runs, so that those that diverged lack.
    """

    label: str
    names: list[str]
    sample: Sample
    kinds: list[str] = field(default_factory=list)
    base: np.ndarray | None = None
    centred: bool = False
    ends: tuple[str, str] = ("", "")
    share: bool = False
    played: bool = False
    basis: str = ""

    @property
    def many(self) -> bool:
        return len(self.names) > MANY

    @cached_property
    def size(self) -> np.ndarray:
        """How large each name's numbers are, ``[names, 1]``: rounding errors are measured by it."""
        return size(self.sample)

    @cached_property
    def spread(self) -> np.ndarray:
        """How far each name's numbers lie apart over the points; 0 if none was seen."""
        return spread(self.sample)

    def strongest(self, most: int) -> list[int]:
        """The names whose numbers lie furthest apart over the points (else the largest), in their own order."""
        return strongest(self.sample, most)

    @property
    def panels(self) -> list[list[int]]:
        """Names of one kind together, while that makes at most six panels."""
        kinds = list(dict.fromkeys(self.kinds))
        if self.many or not 1 < len(kinds) <= PANELS:
            return [list(range(len(self.names)))]
        return [[i for i, kind in enumerate(self.kinds) if kind == one] for one in kinds]

    @property
    def styles(self) -> list[Style]:
        """A colour and a line style for each name, as every report gives them to members."""
        by_place = look.styles(cast(Any, SimpleNamespace(members=pd.DataFrame({"member": range(len(self.names))}))))
        return list(by_place.values())

    def bend(self, values: np.ndarray) -> float | None:
        """Where a linear scale should turn logarithmic, as a few giants would flatten all else; None if nowhere."""
        sizes = np.abs(values[np.isfinite(values)])
        sizes = sizes[sizes > 0]
        if not len(sizes) or sizes.max() < 1000 * np.median(sizes):
            return None
        return float(10 ** np.ceil(np.log10(np.median(sizes))))


def key_below(figure: Figure, keys: list[Any], width: float) -> None:
    """The key of a figure, as many entries side by side as have room."""
    letters = max(len(str(key.get_label())) for key in keys)
    look.key_below(figure, keys, int(np.clip((width - 0.2) / (0.075 * letters + 0.55), 1, len(keys))))


@dataclass(frozen=True, eq=False)
class Plot:
    """One figure: a quantity over the levels of ``x``, and of ``y`` where there are two.

    With ``few`` parameters a heat map has panels for each of their values; ``chosen`` are the points of one of them.
    """

    sweep: Sweep
    quantity: Quantity
    failed: np.ndarray  # [points]: those that get a cross
    x: Parameter
    y: Parameter | None = None
    few: tuple[Parameter, ...] = ()
    chosen: np.ndarray | None = None  # [points]

    @cached_property
    def along(self) -> Sample:
        """Means over the points of each level of ``x``."""
        return self.quantity.sample.average(self.x.level, len(self.x))

    @cached_property
    def base(self) -> np.ndarray | None:
        """What names are compared with, at each level of ``x``."""
        base = self.quantity.base
        if base is None:
            return None
        still = Sample(base, np.zeros((*base.shape, 1)), np.ones(base.shape, dtype=int))
        return still.average(self.x.level, len(self.x)).mean

    @cached_property
    def cells(self) -> Sample:
        """Means over the points of each pair of levels, ``x`` running slowest."""
        assert self.y is not None
        return self.quantity.sample.average(self.cell, len(self.x) * len(self.y))

    @cached_property
    def cell(self) -> np.ndarray:
        """The pair of levels of every point; −1 where it is not among those chosen."""
        assert self.y is not None
        level = self.x.level * len(self.y) + self.y.level
        return level if self.chosen is None else np.where(self.chosen, level, -1)

    @cached_property
    def shown(self) -> Sample:
        """What a heat map gives a colour: cells, or points one by one where there is no grid."""
        sample = self.quantity.sample
        if self.gridded:
            return self.cells
        return sample if self.chosen is None else sample.at(self.chosen)

    @cached_property
    def parts(self) -> list[tuple[str, Plot]]:
        """The panels of each name: the values of the ``few`` in words, and the plot of the points that have them."""
        found: list[tuple[str, np.ndarray]] = [("", np.ones(self.sweep.points, dtype=bool))]
        for p in self.few:
            found = [
                (f"{words}, {p.at(level)}".removeprefix(", "), chosen & (p.level == level))
                for words, chosen in found
                for level in range(len(p))
            ]
        return [(words, replace(self, few=(), chosen=chosen)) for words, chosen in found] if self.few else [("", self)]

    def failures(self, parameter: Parameter) -> np.ndarray:
        """Which levels have a point that failed."""
        return np.isin(np.arange(len(parameter)), parameter.level[self.failed])

    @property
    def signs(self) -> np.ndarray:
        """Of each name and cell: 1 clearly above zero, −1 below, 0 not clear, NaN exactly zero or not seen."""
        shown = self.cells
        sign, rounding = shown.sign(self.quantity.size), 1e-9 * self.quantity.size
        unsure = (sign == 0) & (np.nan_to_num(shown.error) > rounding)
        return np.where(unsure | (np.abs(sign) == 1), sign, np.nan)

    @cached_property
    def gridded(self) -> bool:
        """Whether most pairs of levels came up, so that a plane of cells can be drawn."""
        assert self.y is not None
        pairs = np.unique(np.stack([self.x.level, self.y.level]), axis=1).shape[1]
        return pairs >= 0.6 * len(self.x) * len(self.y)
