"""The colours of heat maps: scales that a few giants do not bleach, one for all names or one for each."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from matplotlib.colors import Normalize, SymLogNorm

from ecosystem.plots.scales import ends
from ecosystem.report.study.quantity import Plot, Quantity

APART = 5  # names whose scales differ by more have one each


@dataclass(frozen=True, eq=False)
class Scale:
    """The colours of some names: their ``norm``, and whether values lie beyond its ``low`` or its ``high`` end."""

    norm: Normalize
    low: bool = False
    high: bool = False

    @property
    def extend(self) -> str:
        """As matplotlib calls it."""
        return {(False, False): "neither", (True, False): "min", (False, True): "max"}.get(
            (self.low, self.high), "both"
        )

    @property
    def ends(self) -> tuple[float, float]:
        return float(self.norm.vmin or 0), float(self.norm.vmax or 0)


def scales(plot: Plot, members: list[int]) -> dict[int, Scale]:
    """The scale of every name: the same object for all, unless that would hide the differences of one of them."""
    values = {i: np.concatenate([part.shown.mean[i] for _, part in plot.parts]) for i in members}
    together = scale(plot.quantity, np.concatenate(list(values.values())))
    if plot.quantity.share or len(members) == 1:
        return dict.fromkeys(members, together)
    own = {i: scale(plot.quantity, found) for i, found in values.items()}
    spans = [own[i].ends[1] - own[i].ends[0] for i in members if np.ptp(_seen(values[i])) > 0]
    whole = together.ends[1] - together.ends[0]
    return own if spans and max(whole, *spans) > APART * min(spans) else dict.fromkeys(members, together)


def scale(quantity: Quantity, values: np.ndarray) -> Scale:
    """A scale for some numbers: linear between robust ends, logarithmic where they span orders of magnitude."""
    if quantity.share:
        return Scale(Normalize(0, 1))
    found = ends(values, quantity.centred)
    low, high, bends = found.low, found.high, found.bends
    norm = Normalize(low, high) if bends is None else SymLogNorm(bends, vmin=low, vmax=high)
    return Scale(norm, found.below, found.above)


def _seen(values: np.ndarray) -> np.ndarray:
    seen = values[np.isfinite(values)]
    return seen if len(seen) else np.zeros(1)
